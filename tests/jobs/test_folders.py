from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.errors import InputNotFound
from jobs.folders import find_clips, matches


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in ("a-1", "a-2", "b", "c [1080p]", ".a-partial"):
        (tmp_path / name / "clip").mkdir(parents=True)
    (tmp_path / "a-3").write_text("not a folder")
    return tmp_path


def found(root: Path, *patterns: str, held_out: tuple[str, ...] = ()) -> list[str]:
    clips = find_clips(
        [f"{root}/{pattern}" for pattern in patterns], held_out=[f"{root}/{p}" for p in held_out]
    )
    return [folder.name for folder in clips.training]


def test_a_pattern_matches_folders_in_order_and_nothing_hidden(root: Path) -> None:
    assert found(root, "*") == ["a-1", "a-2", "b", "c [1080p]"]
    assert found(root, "a-?") == ["a-1", "a-2"]
    assert found(root, "*/clip") == ["clip"] * 4


def test_a_folder_that_two_patterns_match_is_taken_once_at_its_first_place(root: Path) -> None:
    assert found(root, "b", "*") == ["b", "a-1", "a-2", "c [1080p]"]


def test_brackets_in_a_name_are_brackets(root: Path) -> None:
    assert found(root, "c [1080p]") == ["c [1080p]"]
    with pytest.raises(InputNotFound):
        found(root, "[ab]")


def test_held_out_clips_are_not_learned_from(root: Path) -> None:
    clips = find_clips([f"{root}/*"], held_out=[f"{root}/a-?", f"{root}/b"])
    assert [folder.name for folder in clips.held_out] == ["a-1", "a-2", "b"]
    assert [folder.name for folder in clips.training] == ["c [1080p]"]


def test_a_pattern_that_matches_nothing_is_named(root: Path) -> None:
    with pytest.raises(InputNotFound) as caught:
        find_clips([f"{root}/b", f"{root}/z*"], held_out=[])
    assert caught.value.where == "spec.clips[1]"
    assert f"{root}/z*" in caught.value.message
    with pytest.raises(InputNotFound) as caught:
        find_clips([f"{root}/b"], held_out=[f"{root}/a-3"])
    assert caught.value.where == "spec.held_out[0]"


def test_holding_everything_out_is_refused(root: Path) -> None:
    with pytest.raises(InputNotFound) as caught:
        find_clips([f"{root}/b"], held_out=[f"{root}/*"])
    assert caught.value.where == "spec.held_out"


NAMES = st.text(
    st.characters(codec="utf-8", exclude_characters="/*?\0", exclude_categories=("C",)), min_size=1
)


@given(names=st.lists(NAMES.filter(lambda name: name not in {".", ".."}), min_size=1, max_size=4))
def test_a_name_without_wildcards_matches_itself_alone(names: list[str]) -> None:
    path = "/" + "/".join(names)
    assert matches(Path(path), path)
    assert matches(Path(path), "/" + "/".join("*" for _ in names))
    assert not matches(Path(path + "x"), path)
    assert not matches(Path(path + "/x"), path)
    assert not matches(Path("/x" + path), path)
