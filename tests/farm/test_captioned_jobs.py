"""Captions from the spec to the master: beside it, in it, in its manifest, and never in a segment."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import pytest
from fake_stages import FakeStages

from farm.render_report import RenderReport
from jobs.errors import FarmError, OutputRefused, SpecError
from jobs.manifest import Manifest

WORDS = (
    "1\n00:00:00,200 --> 00:00:01,000\nGood morning.\n\n2\n00:00:01,200 --> 00:00:02,400\nAnd good night.\n"
)


@pytest.fixture
def words(write_speech: Any, tmp_path: Path) -> Path:
    """Captions beside a recording of 2.6 s."""
    write_speech()
    path = tmp_path / "hello.srt"
    path.write_text(WORDS)
    return path


def captioned(make_job: Any, name: str = "hello", **captions: Any) -> Any:
    return make_job(name, output={"uri": "out/hello.mp4", "captions": {"uri": "hello.srt"} | captions})


def manifest(report: RenderReport) -> Manifest:
    return Manifest.from_json(Path(report.takes[0].manifest).read_bytes())


def cues(path: str) -> list[tuple[float, float, str]]:
    with av.open(path) as container:
        stream = container.streams.subtitles[0]
        return [
            (
                float(each.pts * stream.time_base),
                float(each.duration * stream.time_base),
                shown.dialogue.decode(),
            )
            for each in container.demux(stream)
            if each.size > 2
            for shown in each.decode()
        ]


def test_captions_are_a_track_of_the_master_a_file_beside_it_and_told_in_the_manifest(
    words: Path, make_job: Any, render: Any, tmp_path: Path
) -> None:
    report = render(captioned(make_job, language="en"))
    take = report.takes[0]
    assert take.captions == str(tmp_path / "out" / "hello.captions.srt")
    assert Path(take.captions).read_bytes() == words.read_bytes()
    assert cues(take.master) == [(0.2, 0.8, "Good morning."), (1.2, 1.2, "And good night.")]
    told = manifest(report).captions
    assert told is not None
    assert (told.uri, told.form, told.language, told.cue_count) == ("out/hello.captions.srt", "srt", "en", 2)
    again = render(captioned(make_job, language="en"))
    assert again.takes[0].sha256 == take.sha256, "nothing of what the farm wrote is in its own way"


def test_other_captions_render_no_segment_again_and_make_another_master(
    words: Path, make_job: Any, render: Any, stages: FakeStages
) -> None:
    plain = render(make_job())
    rendered = stages.noted("render-")
    first = render(captioned(make_job))
    words.write_text(WORDS.replace("night", "evening"))
    second = render(captioned(make_job))
    assert first.plan_hash == second.plan_hash == plain.plan_hash
    assert len({each.takes[0].sha256 for each in (plain, first, second)}) == 3
    assert stages.noted("render-") == rendered
    assert cues(second.takes[0].master)[1][2] == "And good evening."


def test_each_take_has_the_captions_beside_it(
    words: Path, make_job: Any, render: Any, tmp_path: Path
) -> None:
    loaded = make_job(takes=2, output={"uri": "out/hello.mp4", "captions": "hello.srt"})
    render(loaded)
    assert {path.name for path in (tmp_path / "out").glob("*.srt")} == {
        "hello.captions.srt",
        "hello.take2.captions.srt",
    }


def test_a_last_cue_that_outlasts_the_master_is_cut_and_told(words: Path, make_job: Any, render: Any) -> None:
    words.write_text(WORDS.replace("02,400", "08,000"))
    notes: list[str] = []

    class Listener:
        def advance(self, step: Any, *, done: int, total: int) -> None: ...

        def note(self, message: str) -> None:
            notes.append(message)

        def inspected(self, tally: Any) -> None: ...

    report = render(captioned(make_job), listener=Listener())
    assert cues(report.takes[0].master)[1][:2] == (1.2, pytest.approx(1.4))
    assert "the captions: cue 2 lasts until 00:00:08.000, and is cut at the master's end" in notes


@pytest.mark.parametrize(
    ("text", "code", "said"),
    [
        (WORDS.replace("00:00:01,200", "00:00:00,100"), "captions_out_of_order", "cue 2 begins at"),
        (
            WORDS.replace("00:00:01,200 --> 00:00:02", "00:01:01,200 --> 00:01:02"),
            "captions_beyond_end",
            "cue 2",
        ),
        ("no captions", "captions_bad_cue", "cue 1 has no line with its times"),
        (None, "input_not_found", ""),
    ],
)
def test_broken_captions_end_the_job_before_anything_is_rendered(
    words: Path, make_job: Any, render: Any, stages: FakeStages, text: str | None, code: str, said: str
) -> None:
    words.unlink()
    if text is not None:
        words.write_text(text)
    with pytest.raises(FarmError) as caught:
        render(captioned(make_job))
    assert (caught.value.code, caught.value.where) == (code, "spec.output.captions")
    assert caught.value.message.startswith(said)
    assert caught.value.retry.value == "never"
    assert stages.noted("load-") == 0


def test_a_file_of_the_studios_beside_the_master_is_not_replaced(
    words: Path, make_job: Any, render: Any, tmp_path: Path
) -> None:
    (tmp_path / "out").mkdir()
    mine = tmp_path / "out" / "hello.captions.srt"
    mine.write_text("mine")
    with pytest.raises(OutputRefused):
        render(captioned(make_job))
    assert mine.read_text() == "mine"


def test_captions_are_not_delivered_over_themselves(
    words: Path, make_job: Any, render: Any, tmp_path: Path
) -> None:
    words.rename(tmp_path / "hello.captions.srt")
    loaded = make_job(output={"uri": "hello.mp4", "captions": "hello.captions.srt"})
    with pytest.raises(OutputRefused) as caught:
        render(loaded)
    assert caught.value.code == "output_is_input"


@pytest.mark.parametrize(
    ("captions", "code"),
    [
        ({"uri": "hello.txt"}, "unknown_captions"),
        ({"uri": "hello.srt", "language": "English!"}, "bad_value"),
        ({"uri": "hello.srt", "form": "ass"}, ""),
        ({"uri": ""}, ""),
    ],
)
def test_what_cannot_be_captions_is_a_mistake_of_the_job(
    make_job: Any, captions: dict[str, str], code: str
) -> None:
    with pytest.raises(SpecError) as caught:
        make_job(output={"captions": captions})
    assert caught.value.mistakes[0].path.startswith("spec.output.captions")
    assert not code or caught.value.mistakes[0].code == code


def test_captions_without_a_known_ending_name_their_form(
    words: Path, make_job: Any, render: Any, tmp_path: Path
) -> None:
    words.rename(tmp_path / "words")
    report = render(make_job(output={"uri": "out/hello.mp4", "captions": {"uri": "words", "form": "srt"}}))
    assert len(cues(report.takes[0].master)) == 2
