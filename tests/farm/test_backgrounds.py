"""Another background from the spec to the master: judged as drawn, under keys of its own, refused with the reason."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from fake_stages import FakeStages
from PIL import Image

from farm.render_report import RenderReport
from jobs.errors import FarmError, SpecError
from jobs.manifest import Manifest


@pytest.fixture
def cut_out(write_speech: Any, stages: FakeStages) -> None:
    write_speech()
    (stages.folder / "cut-out").touch()


def manifest(report: RenderReport) -> Manifest:
    return Manifest.from_json(Path(report.takes[0].manifest).read_bytes())


def pictures(report: RenderReport) -> np.ndarray:
    with av.open(report.takes[0].master) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


@pytest.mark.usefixtures("cut_out")
def test_a_colour_is_behind_the_person_and_the_inspection_sees_what_was_drawn(
    make_job: Any, render: Any, stages: FakeStages
) -> None:
    plain = render(make_job(output={"uri": "plain.mp4"}))
    green = render(make_job("green", output={"uri": "green.mp4", "background": "'#00B140'"}))
    told, without = manifest(green), manifest(plain)
    assert (told.background, without.background) == ("#00b140", "")
    assert not {each.key for each in told.segments} & {each.key for each in without.segments}
    assert [each.inspection for each in told.segments] == [each.inspection for each in without.segments]
    shown, wanted = pictures(green).astype(int), pictures(plain).astype(int)
    half = shown.shape[2] // 2
    assert np.abs(shown[:, 8:-8, 8 : half - 8] - (0, 177, 64)).max() < 12
    assert np.abs(shown[:, :, half + 16 :] - wanted[:, :, half + 16 :]).mean() < 3
    rendered = stages.noted("render-")
    again = render(make_job("green", output={"uri": "green.mp4", "background": "'#00B140'"}))
    assert (stages.noted("render-"), again.takes[0].sha256) == (rendered, green.takes[0].sha256)
    render(make_job("black", output={"uri": "black.mp4", "background": "'#000000'"}))
    assert stages.noted("render-") == rendered + len(told.segments)


@pytest.mark.usefixtures("cut_out")
def test_another_picture_under_the_same_name_is_another_background(
    make_job: Any, render: Any, tmp_path: Path
) -> None:
    loaded = make_job(output={"uri": "out/hello.mp4", "background": "room.png"})
    seen = []
    for colour in ((200, 40, 40), (40, 40, 200)):
        Image.new("RGB", (600, 400), colour).save(tmp_path / "room.png")
        report = render(loaded)
        seen.append((manifest(report).background, report.takes[0].sha256))
        assert np.abs(pictures(report)[:, 20:-20, 20:100].astype(int) - colour).max() < 16
    assert seen[0] != seen[1]
    assert len(seen[0][0]) == 64


@pytest.mark.usefixtures("cut_out")
def test_a_picture_that_is_another_while_the_job_runs_is_never_drawn(
    make_job: Any, render: Any, tmp_path: Path, stages: FakeStages, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = tmp_path / "room.png"
    loaded = make_job(output={"uri": "out/hello.mp4", "background": "room.png"})
    Image.new("RGB", (64, 64), (200, 40, 40)).save(room)
    begun = stages.strike

    def strike(self: FakeStages, stage: str, frame: int) -> str:
        if stage == "render":
            Image.new("RGB", (64, 64), (40, 40, 200)).save(room)
        return begun.__func__(self, stage, frame)  # type: ignore[attr-defined,no-any-return]

    monkeypatch.setattr(FakeStages, "strike", strike)
    with pytest.raises(FarmError) as refused:
        render(loaded)
    assert refused.value.code == "input_changed"
    assert not (tmp_path / "out" / "hello.mp4").exists()


def test_a_subject_that_was_not_cut_out_is_refused_with_the_reason(
    write_speech: Any, make_job: Any, render: Any, stages: FakeStages
) -> None:
    write_speech()
    with pytest.raises(FarmError) as caught:
        render(make_job(output={"uri": "out/hello.mp4", "background": "'#00b140'"}))
    assert (caught.value.code, caught.value.where) == ("background_fixed", "spec.output.background")
    assert "it was not cut out" in caught.value.message
    assert stages.noted("load-") == 0


@pytest.mark.usefixtures("cut_out")
@pytest.mark.parametrize(("data", "code"), [(b"no picture", "photo_format"), (None, "input_not_found")])
def test_a_picture_that_cannot_be_read_ends_the_job_before_anything_is_rendered(
    make_job: Any, render: Any, stages: FakeStages, tmp_path: Path, data: bytes | None, code: str
) -> None:
    if data is not None:
        (tmp_path / "room.png").write_bytes(data)
    with pytest.raises(FarmError) as caught:
        render(make_job(output={"uri": "out/hello.mp4", "background": "room.png"}))
    assert (caught.value.code, caught.value.where) == (code, "spec.output.background")
    assert stages.noted("load-") == 0


@pytest.mark.parametrize(("background", "code"), [("'#12345'", "bad_colour"), ("alpha", "no_alpha")])
def test_what_is_no_background_is_a_mistake_of_the_job(make_job: Any, background: str, code: str) -> None:
    with pytest.raises(SpecError) as caught:
        make_job(output={"background": background})
    (mistake,) = caught.value.mistakes
    assert (mistake.path, mistake.code) == ("spec.output.background", code)


@pytest.mark.usefixtures("cut_out")
def test_a_draft_before_another_background_has_both(make_job: Any, render: Any) -> None:
    report = render(make_job(output={"uri": "a.mp4", "background": "'#ffffff'", "draft": "true"}))
    assert (manifest(report).draft, manifest(report).background) == (True, "#ffffff")
    assert pictures(report)[:, :40, :100].min() < 140, "the mark is in front of the background"
