from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from jobs.errors import InputError, InputNotFound, SpecError, SpecMistake
from jobs.evaluate_spec import ALL_MEASURES, TRUTH
from jobs.parse import LoadedEvaluation, load_evaluation, load_job, load_training, parse_evaluation

EXAMPLE = Path(__file__).parents[2] / "examples" / "evaluate.yaml"
SYSTEMS: dict[str, Any] = {"systems": {"ours": "out/ours", "other": "out/other"}, "truth": "test"}
PAIR: dict[str, Any] = {"system": "ours", "generated": "out/a.mp4", "truth": "test/a.mp4"}


def parse(*, folder: Path = Path("/jobs"), **spec: object) -> LoadedEvaluation:
    record = {"apiVersion": "farm/v1", "kind": "EvaluateJob", "metadata": {"name": "table"}, "spec": spec}
    return parse_evaluation(json.dumps(record), folder=folder)


def mistakes_of(**spec: object) -> tuple[SpecMistake, ...]:
    with pytest.raises(SpecError) as caught:
        parse(**spec)
    return caught.value.mistakes


def touch(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def test_everything_not_given_has_a_default() -> None:
    loaded = parse(**SYSTEMS)
    spec = loaded.job.spec
    assert (spec.pairs, spec.takes, spec.workers, spec.speech) == ((), 1, None, None)
    assert (spec.measures, spec.sample_every, spec.output.plots) == (ALL_MEASURES, 5, True)
    assert loaded.output == "/jobs/table-evaluation"
    assert loaded.job.systems == ("ours", "other")


def test_the_example_is_a_job_and_its_record_parses_to_an_equal_one() -> None:
    loaded = load_evaluation(EXAMPLE)
    again = parse_evaluation(json.dumps(loaded.job.as_record()), folder=loaded.folder)
    assert again.job.as_record() == loaded.job.as_record()
    assert loaded.output == str(EXAMPLE.parents[1] / "out" / "table1")


@pytest.mark.parametrize("load", [load_job, load_training])
def test_another_command_points_to_farm_evaluate(load: Any) -> None:
    with pytest.raises(SpecError) as caught:
        load(EXAMPLE)
    (mistake,) = caught.value.mistakes
    assert (mistake.code, mistake.hint, mistake.line) == ("other_kind", "use farm evaluate", 4)


def test_all_mistakes_come_at_once_with_hints() -> None:
    found = mistakes_of(
        systems={"a b": "x", TRUTH: "x", "ours": "s3://bucket/out", "theirs": 3},
        thruth="test",
        pairs=[{"system": "ours", "genrated": "a.mp4", "truth": "builtin:actor-a"}],
        measures=["piqe"],
        takes=0,
    )
    by_path = {mistake.path: mistake for mistake in found}
    assert set(by_path) == {
        "spec.systems.a b",
        f"spec.systems.{TRUTH}",
        "spec.systems.ours",
        "spec.systems.theirs",
        "spec.thruth",
        "spec.pairs[0].generated",
        "spec.pairs[0].genrated",
        "spec.pairs[0].truth",
        "spec.measures[0]",
        "spec.takes",
    }
    assert by_path["spec.thruth"].hint == "did you mean 'truth'?"
    assert by_path["spec.pairs[0].genrated"].hint == "did you mean 'generated'?"
    assert by_path["spec.pairs[0].generated"].hint == "give the path or s3:// URI of the video to judge"
    assert by_path["spec.measures[0]"].hint == "did you mean 'niqe'?"
    assert "spec.pairs" in by_path["spec.systems.ours"].message


def test_the_names_of_earlier_releases_are_told_of() -> None:
    old = {"system": "ours", "generated": "a.mp4", "reference": "b.mp4"}
    found = mistakes_of(systems={"ours": "out"}, references="test", pairs=[old])
    renamed = {mistake.path: mistake.hint for mistake in found if mistake.code == "renamed"}
    assert renamed == dict.fromkeys(("spec.references", "spec.pairs[0].reference"), "write truth: instead")


def test_a_job_names_videos() -> None:
    (mistake,) = mistakes_of()
    assert (mistake.path, mistake.code) == ("spec.pairs", "missing_field")


def test_systems_need_a_truth() -> None:
    (mistake,) = mistakes_of(systems={"ours": "out"})
    assert (mistake.path, mistake.code) == ("spec.truth", "missing_field")


@pytest.mark.parametrize("stray", [{"truth": "test"}, {"speech": "wavs"}, {"takes": 2}])
def test_what_goes_with_systems_is_refused_without_them(stray: dict[str, Any]) -> None:
    (mistake,) = mistakes_of(pairs=[PAIR], **stray)
    assert (mistake.path, mistake.code) == (f"spec.{next(iter(stray))}", "without_systems")


@pytest.mark.parametrize("generated", ["s3://bucket/out/*.mp4", "out/**/a.mp4", "builtin:actor-a", " "])
def test_what_no_video_can_be_is_refused(generated: str) -> None:
    (mistake,) = mistakes_of(pairs=[PAIR | {"generated": generated}])
    assert (mistake.path, mistake.code) == ("spec.pairs[0].generated", "bad_value")


def test_videos_are_matched_by_name_whatever_the_suffix(tmp_path: Path) -> None:
    touch(tmp_path, "test/b.MOV", "test/a.mp4", "test/notes.txt", "wavs/a.wav", "wavs/b.mp3")
    touch(tmp_path, "out/ours/a.mkv", "out/ours/b.mp4", "out/ours/extra.mp4", "out/ours/.a.mp4.part")
    touch(tmp_path, "out/other/a.mp4", "out/other/b.mp4")
    pairs = parse(folder=tmp_path, **SYSTEMS, speech="wavs").find_pairs()
    assert [str(pair) for pair in pairs] == ["ours/a", "ours/b", "other/a", "other/b"]
    assert pairs[0].generated == (str(tmp_path / "out/ours/a.mkv"),)
    assert pairs[1].truth == str(tmp_path / "test/b.MOV")
    assert [pair.speech for pair in pairs[:2]] == [str(tmp_path / "wavs/a.wav"), str(tmp_path / "wavs/b.mp3")]


def test_takes_are_found_beside_the_first(tmp_path: Path) -> None:
    touch(tmp_path, "test/a.mp4", "out/a.mp4", "out/a.take2.mp4", "out/a.take3.mp4")
    (pair,) = parse(folder=tmp_path, systems={"ours": "out"}, truth="test", takes=2).find_pairs()
    assert pair.generated == (str(tmp_path / "out/a.mp4"), str(tmp_path / "out/a.take2.mp4"))


def test_a_system_that_lacks_videos_is_refused_with_their_names(tmp_path: Path) -> None:
    touch(tmp_path, "test/a.mp4", "test/b.mp4", "test/c.mp4", "out/ours/b.mp4")
    with pytest.raises(InputNotFound) as caught:
        parse(folder=tmp_path, systems={"ours": "out/ours"}, truth="test").find_pairs()
    assert caught.value.where == "spec.systems.ours"
    assert caught.value.message == "lacks 2 videos: a, c"


@pytest.mark.parametrize(
    ("files", "where"),
    [
        (("out/ours/a.mp4",), "spec.truth"),
        (("test/a.txt", "out/ours/a.mp4"), "spec.truth"),
        (("test/a.mp4",), "spec.systems.ours"),
        (("test/a.mp4", "test/a.mov", "out/ours/a.mp4"), "spec.truth"),
    ],
)
def test_a_folder_that_cannot_be_matched_is_named(tmp_path: Path, files: tuple[str, ...], where: str) -> None:
    touch(tmp_path, *files)
    with pytest.raises(InputError) as caught:
        parse(folder=tmp_path, systems={"ours": "out/ours"}, truth="test").find_pairs()
    assert caught.value.where == where


def test_a_pattern_means_every_file_it_matches(tmp_path: Path) -> None:
    touch(tmp_path, "out/a[1].mp4", "out/a[2].mp4", "out/b.mp4")
    loaded = parse(
        folder=tmp_path, pairs=[PAIR | {"generated": "out/a[?].mp4", "truth": "s3://bucket/a.mp4"}]
    )
    pairs = loaded.find_pairs()
    assert [pair.clip for pair in pairs] == ["a[1]", "a[2]"]
    assert {pair.truth for pair in pairs} == {"s3://bucket/a.mp4"}
    with pytest.raises(InputNotFound, match="no file is called"):
        parse(folder=tmp_path, pairs=[PAIR | {"generated": "out/z*.mp4"}]).find_pairs()


def test_two_videos_of_one_name_are_refused(tmp_path: Path) -> None:
    twice = [PAIR, PAIR | {"generated": "elsewhere/a.mov"}, PAIR | {"system": "other"}]
    with pytest.raises(SpecError) as caught:
        parse(folder=tmp_path, pairs=twice).find_pairs()
    (mistake,) = caught.value.mistakes
    assert (mistake.path, mistake.code) == ("spec.pairs[1]", "duplicate_name")


def test_weights_of_syncnet_are_a_folder_and_go_with_the_measure_that_uses_them() -> None:
    assert parse(**SYSTEMS, syncnet="weights").syncnet == Path("/jobs/weights")
    assert parse(**SYSTEMS).syncnet is None
    (mistake,) = mistakes_of(**SYSTEMS, syncnet="weights", measures=["niqe"])
    assert (mistake.path, mistake.code) == ("spec.syncnet", "without_sync")
