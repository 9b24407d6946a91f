"""What a job reads is never what it, or another job, writes: by whatever names the two places go."""

from __future__ import annotations

import os
import subprocess
import time
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs import places as module
from jobs.errors import OutputRefused
from jobs.places import JobPlaces, Place, PlacesInHand, check_places, find_places
from jobs.places import folds_case as really_folds_case

Refused = Callable[..., str | None]


def read(location: str | Path, *, is_folder: bool = False, field: str = "spec.speech") -> Place:
    return Place(location=str(location), field=field, is_folder=is_folder)


def written(location: str | Path, *, is_folder: bool = False, field: str = "spec.output.uri") -> Place:
    return Place(location=str(location), field=field, is_folder=is_folder)


def code_of(*reads: Place, writes: list[Place], folds: bool = False, disk: bool = True) -> str | None:
    """Why such a job is refused; None where it is not."""
    try:
        find_places(
            JobPlaces(reads=reads, writes=tuple(writes)), looks_on_disk=disk, folds_case=lambda _folder: folds
        )
    except OutputRefused as refusal:
        return refusal.code
    return None


@pytest.fixture
def talk(tmp_path: Path) -> Path:
    path = tmp_path / "takes" / "talk.mp4"
    path.parent.mkdir()
    path.write_bytes(b"the recording")
    return path


def test_a_job_whose_places_differ_is_not_refused(talk: Path, tmp_path: Path) -> None:
    assert code_of(read(talk), writes=[written(talk.with_name("talk.take2.mp4"))]) is None
    assert code_of(read(talk), writes=[written(tmp_path / "out" / "talk.mp4")]) is None


@pytest.mark.parametrize(
    "spelled",
    [
        "takes/talk.mp4",
        "takes/../takes/talk.mp4",
        "takes//talk.mp4",
        "takes/./talk.mp4",
        "takes/talk.mp4/",
        "missing/../takes/talk.mp4",
    ],
)
@pytest.mark.parametrize("disk", [True, False], ids=["on disk", "as spelled"])
def test_a_file_is_known_however_its_path_is_spelled(
    spelled: str, disk: bool, talk: Path, tmp_path: Path
) -> None:
    assert code_of(read(talk), writes=[written(f"{tmp_path}/{spelled}")], disk=disk) == "output_is_input"
    assert code_of(read(f"/{tmp_path}/{spelled}"), writes=[written(talk)], disk=disk) == "output_is_input"


def test_a_hard_link_is_the_file_itself(talk: Path, tmp_path: Path) -> None:
    os.link(talk, tmp_path / "hello.mp4")
    assert code_of(read(talk), writes=[written(tmp_path / "hello.mp4")]) == "output_is_input"
    assert code_of(read(tmp_path / "hello.mp4"), writes=[written(talk)]) == "output_is_input"


def test_a_symbolic_link_is_what_it_points_to(talk: Path, tmp_path: Path) -> None:
    (tmp_path / "link.mp4").symlink_to(talk)
    (tmp_path / "link-to-link.mp4").symlink_to("link.mp4")
    for link in ("link.mp4", "link-to-link.mp4"):
        assert code_of(read(tmp_path / link), writes=[written(talk)]) == "output_is_input"
        assert code_of(read(talk), writes=[written(tmp_path / link)]) == "output_is_input"


def test_a_link_to_a_folder_above_hides_nothing(talk: Path, tmp_path: Path) -> None:
    (tmp_path / "aka").symlink_to(talk.parent)
    assert code_of(read(talk), writes=[written(tmp_path / "aka" / "talk.mp4")]) == "output_is_input"
    later = [written(talk.with_name("new.mp4")), written(tmp_path / "aka" / "new.mp4")]
    assert code_of(read(talk), writes=later) == "output_twice"


def test_what_a_dangling_link_promises_is_known_before_it_is_there(tmp_path: Path) -> None:
    (tmp_path / "link.mp4").symlink_to("later.mp4")
    both = [written(tmp_path / "link.mp4"), written(tmp_path / "later.mp4")]
    assert code_of(writes=both) == "output_twice"


def test_links_that_go_in_circles_are_places_like_any_other(talk: Path, tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    assert code_of(read(talk), writes=[written(tmp_path / "a" / "x.mp4")]) is None


@pytest.mark.parametrize("form", ["NFC", "NFD"])
@pytest.mark.parametrize("is_there", [True, False], ids=["there", "still to come"])
@pytest.mark.parametrize("disk", [True, False], ids=["on disk", "as spelled"])
def test_letters_composed_or_not_are_one_name(form: str, is_there: bool, disk: bool, tmp_path: Path) -> None:
    other = "NFD" if form == "NFC" else "NFC"
    there = tmp_path / unicodedata.normalize(form, "grün") / unicodedata.normalize(form, "Händel.mp4")
    spelled = tmp_path / unicodedata.normalize(other, "grün") / unicodedata.normalize(other, "Händel.mp4")
    if is_there:
        there.parent.mkdir()
        there.write_bytes(b"music")
    assert code_of(read(there), writes=[written(spelled)], disk=disk) == "output_is_input"
    assert code_of(writes=[written(there), written(spelled)], disk=disk) == "output_twice"


def test_capitals_tell_files_apart_only_where_the_disk_does(talk: Path, tmp_path: Path) -> None:
    both = [written(tmp_path / "out" / "Talk.mp4"), written(tmp_path / "OUT" / "talk.MP4")]
    assert code_of(read(talk), writes=both, folds=False) is None
    assert code_of(read(talk), writes=both, folds=True) == "output_twice"


def test_what_was_written_since_is_known_by_capitals_and_small_letters(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = module._identity

    def folding(path: Path) -> module.Identity | None:
        if not path.is_relative_to(tmp_path):
            return asked(path)
        return next(
            (asked(each) for each in tmp_path.rglob("*") if str(each).lower() == str(path).lower()), None
        )

    folder = tmp_path / "out"
    folder.mkdir()
    monkeypatch.setattr(module, "_identity", folding)
    in_hand = PlacesInHand()
    first = JobPlaces(job="first", reads=(), writes=(written(folder / "talk.mp4"),))
    in_hand.add("first", find_places(first, folds_case=lambda _folder: True))
    (folder / "talk.mp4").write_bytes(b"its master")
    reader = JobPlaces(job="second", reads=(read(tmp_path / "OUT" / "TALK.mp4"),), writes=())
    with pytest.raises(OutputRefused):
        in_hand.add("second", find_places(reader, folds_case=lambda _folder: True))


def test_a_folder_is_asked_about_capitals_once_and_is_left_as_it_was(tmp_path: Path) -> None:
    asked = list[Path]()

    def folds(folder: Path) -> bool:
        asked.append(folder)
        return really_folds_case(folder)

    writes = tuple(written(tmp_path / "out" / f"{number}.mp4") for number in range(9))
    find_places(JobPlaces(reads=(), writes=writes), folds_case=folds)
    assert asked == [tmp_path]
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def folding_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder of a file system that takes capitals and small letters for the same."""
    image, folder = tmp_path / "disk.img", tmp_path / "disk"
    folder.mkdir()
    with image.open("wb") as file:
        file.truncate(8 << 20)
    commands = (
        ["mkfs.ext4", "-q", "-O", "casefold", "-E", "encoding=utf8", str(image)],
        ["mount", "-o", "loop", str(image), str(folder)],
    )
    for command in commands:
        try:
            subprocess.run(command, check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError) as error:
            pytest.skip(f"no file system that folds case can be mounted here: {error}")
    try:
        (folder / "folding").mkdir()
        subprocess.run(["chattr", "+F", str(folder / "folding")], check=True)
        yield folder / "folding"
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_a_disk_that_folds_case_is_found_out(folding_disk: Path) -> None:
    assert really_folds_case(folding_disk)
    (folding_disk / "talk.mp4").write_bytes(b"the recording")
    writes = (written(folding_disk / "TALK.mp4"),)
    with pytest.raises(OutputRefused):
        check_places(JobPlaces(reads=(read(folding_disk / "talk.mp4"),), writes=writes))
    with pytest.raises(OutputRefused):
        check_places(
            JobPlaces(reads=(), writes=(written(folding_disk / "A.mp4"), written(folding_disk / "a.mp4")))
        )


@pytest.mark.parametrize(
    "other",
    [
        "s3://bucket/a/talk.mp4",
        "s3://bucket/a//talk.mp4",
        "s3://bucket//a/talk.mp4",
        "s3://bucket/a/b/../talk.mp4",
    ],
)
def test_an_object_is_known_however_its_key_is_spelled(other: str) -> None:
    talk = "s3://bucket/a/talk.mp4"
    assert code_of(read(talk), writes=[written(other)]) == "output_is_input"
    assert code_of(read(other), writes=[written(talk)]) == "output_is_input"
    assert code_of(writes=[written(other), written(talk)]) == "output_twice"


@pytest.mark.parametrize(
    "other",
    [
        "s3://bucket-2/a/talk.mp4",
        "s3://bucket/A/talk.mp4",
        "s3://bucket/a/talk.mp4.mp4",
        "/bucket/a/talk.mp4",
    ],
)
def test_another_object_is_another(other: str) -> None:
    assert code_of(read("s3://bucket/a/talk.mp4"), writes=[written(other)]) is None


def test_nothing_is_written_below_what_is_read_as_a_folder(tmp_path: Path) -> None:
    (tmp_path / "jane" / "clip").mkdir(parents=True)
    for reads, output in (
        (tmp_path / "jane", tmp_path / "jane" / "clip" / "new" / "hello.mp4"),
        (tmp_path / "jane", tmp_path / "jane"),
        ("s3://bucket/jane/", "s3://bucket/jane/hello.mp4"),
        ("s3://bucket/jane", "s3://bucket/jane/clip/hello.mp4"),
    ):
        place = read(reads, is_folder=True, field="spec.subject")
        assert code_of(place, writes=[written(output)]) == "output_is_input"
    place = read(tmp_path / "jane", is_folder=True)
    assert code_of(place, writes=[written(tmp_path / "jane-2" / "hello.mp4")]) is None
    assert code_of(read("s3://b-1/jane", is_folder=True), writes=[written("s3://b-1/jane2/x.mp4")]) is None


def test_nothing_that_is_read_lies_in_a_folder_that_is_written(talk: Path, tmp_path: Path) -> None:
    assert code_of(read(talk), writes=[written(talk.parent, is_folder=True)]) == "output_is_input"
    os.link(talk, tmp_path / "elsewhere.mp4")
    assert code_of(read(tmp_path / "elsewhere.mp4"), writes=[written(talk.parent, is_folder=True)]) is None
    both = [written(tmp_path / "out", is_folder=True), written(tmp_path / "out" / "a" / "x.mp4")]
    assert code_of(writes=both) == "output_twice"
    assert code_of(writes=both[::-1]) == "output_twice"


@given(takes=st.integers(2, 99), collides=st.integers(2, 99))
def test_every_take_is_held_against_what_is_read(takes: int, collides: int) -> None:
    masters = [written(f"/out/hello.take{take}.mp4") for take in range(2, takes + 1)]
    expected = "output_is_input" if collides <= takes else None
    assert code_of(read(f"/out/hello.take{collides}.mp4"), writes=masters, disk=False) == expected


def test_the_error_names_both_fields_and_both_spellings(talk: Path, tmp_path: Path) -> None:
    (tmp_path / "link.mp4").symlink_to(talk)
    with pytest.raises(OutputRefused) as refused:
        check_places(JobPlaces(reads=(read(talk),), writes=(written(tmp_path / "link.mp4"),)))
    assert refused.value.where == "spec.output.uri"
    assert "spec.speech" in refused.value.message
    assert str(talk) in refused.value.message
    assert str(tmp_path / "link.mp4") in refused.value.message


def test_the_error_names_both_jobs() -> None:
    in_hand = PlacesInHand()
    in_hand.add("a-1", spelled("a-1", reads=["/in.wav"], writes=["/out.mp4"]))
    with pytest.raises(OutputRefused) as refused:
        in_hand.add("b-2", spelled("b-2", reads=["/out.mp4"], writes=["/x.mp4"]))
    assert refused.value.where == "spec.speech of b-2"
    assert "spec.output.uri of a-1 writes" in refused.value.message


def spelled(job: str, *, reads: list[str], writes: list[str]) -> module.FoundPlaces:
    """As found, but that it is nobody's business whether a job collides with itself."""
    found = list[module.FoundPlace]()
    for place in reads:
        given_as = read(place, is_folder=place.endswith("/"))
        found += find_places(JobPlaces(job=job, reads=(given_as,), writes=()), looks_on_disk=False)
    for place in writes:
        given_as = written(place, is_folder=place.endswith("/"))
        found += find_places(JobPlaces(job=job, reads=(), writes=(given_as,)), looks_on_disk=False)
    return tuple(found)


def naive_refusal(found: module.FoundPlaces, others: dict[str, module.FoundPlaces], *, job: str) -> bool:
    """Every pair, looked at one by one."""
    for name, theirs in others.items():
        for each in found:
            for other in theirs:
                if name == job or not (each.is_output or other.is_output):
                    continue
                one, two = (str(place.name.text).rstrip("/") for place in (each, other))
                if (
                    one == two
                    or (each.place.is_folder and two.startswith(f"{one}/"))
                    or (other.place.is_folder and one.startswith(f"{two}/"))
                ):
                    return True
    return False


PLACES = st.sampled_from(
    [
        *(f"/{a}/{b}{end}" for a in "ab" for b in "xy" for end in ("", "/", "/f")),
        "/a/",
        "/a",
        "s3://one/a",
        "s3://one/a/",
        "s3://one/a/f",
        "s3://two/a/f",
    ]
)
MOVES = st.lists(
    st.tuples(
        st.sampled_from(["add", "add", "add", "keep", "remove"]),
        st.sampled_from(["j1", "j2", "j3"]),
        st.lists(PLACES, max_size=2),
        st.lists(PLACES, max_size=2),
    ),
    max_size=12,
)


@given(moves=MOVES)
def test_places_in_hand_are_those_that_a_look_at_every_pair_finds(
    moves: list[tuple[str, str, list[str], list[str]]],
) -> None:
    in_hand, model = PlacesInHand(), dict[str, module.FoundPlaces]()
    for move, job, reads, writes in moves:
        if move == "remove":
            in_hand.remove(job)
            model.pop(job, None)
            continue
        found = spelled(job, reads=reads, writes=writes)
        if move == "keep":
            in_hand.keep(job, found)
            model[job] = found
            continue
        try:
            in_hand.add(job, found)
        except OutputRefused:
            assert naive_refusal(found, model, job=job)
        else:
            assert not naive_refusal(found, model, job=job)
            model[job] = found
    for job in list(model):
        in_hand.remove(job)
    assert in_hand == PlacesInHand(), "nothing of a job that is gone is kept"


def test_a_job_that_is_refused_leaves_what_was_known_of_it() -> None:
    in_hand = PlacesInHand()
    in_hand.add("a", spelled("a", reads=[], writes=["/a.mp4"]))
    in_hand.add("b", spelled("b", reads=[], writes=["/b.mp4"]))
    with pytest.raises(OutputRefused):
        in_hand.add("b", spelled("b", reads=["/a.mp4"], writes=["/c.mp4"]))
    in_hand.add("c", spelled("c", reads=[], writes=["/c.mp4"]))
    with pytest.raises(OutputRefused):
        in_hand.add("d", spelled("d", reads=["/b.mp4"], writes=[]))
    in_hand.remove("b")
    in_hand.add("d", spelled("d", reads=["/b.mp4"], writes=[]))


def test_a_job_that_is_kept_is_held_against_those_that_come_later() -> None:
    in_hand = PlacesInHand()
    for job in ("a", "b"):
        in_hand.keep(job, spelled(job, reads=[], writes=["/a.mp4"]))
    in_hand.remove("a")
    with pytest.raises(OutputRefused):
        in_hand.add("c", spelled("c", reads=[], writes=["/a.mp4"]))
    in_hand.remove("b")
    in_hand.remove("b")
    in_hand.add("c", spelled("c", reads=[], writes=["/a.mp4"]))


def test_ten_thousand_jobs_that_share_their_inputs_come_and_go_quickly() -> None:
    in_hand = PlacesInHand()
    began = time.process_time()
    for number in range(10_000):
        name = f"job-{number}"
        shared = ["/s/hello.wav", "/s/jane/", "/store/renders/"]
        in_hand.add(name, spelled(name, reads=shared, writes=[f"/out/{number}.mp4"]))
    for number in range(10_000):
        in_hand.remove(f"job-{number}")
    assert time.process_time() - began < 5.0
    assert in_hand == PlacesInHand()


def test_the_number_of_a_file_that_is_gone_proves_nothing(tmp_path: Path) -> None:
    hand = PlacesInHand()
    master = tmp_path / "a.mp4"
    master.write_bytes(b"of an earlier render")
    writer = JobPlaces(job="a", reads=(), writes=(Place(location=str(master), field="spec.output.uri"),))
    hand.add("a", find_places(writer))
    fresh = tmp_path / "a.new"
    fresh.write_bytes(b"of this one")
    fresh.replace(master)
    # On many file systems one of these gets the number that has just become free.
    for number in range(20):
        speech = tmp_path / f"speech-{number}.wav"
        speech.write_bytes(b"other")
        reader = JobPlaces(
            job=f"b{number}", reads=(Place(location=str(speech), field="spec.speech"),), writes=()
        )
        hand.add(f"b{number}", find_places(reader))
