"""A draft is told from a master wherever anybody looks, and shares no segment with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from fake_stages import FakeStages

from farm.render_report import RenderReport
from jobs.manifest import Manifest
from stages.encode.draft_mark import DraftMark


def manifest(report: RenderReport) -> Manifest:
    return Manifest.from_json(Path(report.takes[0].manifest).read_bytes())


def pictures(report: RenderReport) -> np.ndarray:
    with av.open(report.takes[0].master) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


@pytest.mark.parametrize("profile", ["preview", "full"])
def test_every_picture_carries_the_mark_and_nothing_else_differs(
    write_speech: Any, make_job: Any, render: Any, stages: FakeStages, profile: str
) -> None:
    write_speech()
    if profile == "full":
        (stages.folder / "subjects" / "fake" / "size").write_text("512")
    plain = render(make_job(output={"uri": "plain.mp4", "profile": profile}))
    draft = render(make_job("draft", output={"uri": "draft.mp4", "profile": profile, "draft": "true"}))
    told, without = manifest(draft), manifest(plain)
    assert (told.draft, without.draft) == (True, False)
    assert not {each.key for each in told.segments} & {each.key for each in without.segments}
    assert told.plan_hash != without.plan_hash
    assert [each.inspection for each in told.segments] == [each.inspection for each in without.segments]
    shown, wanted = pictures(draft), pictures(plain)
    mark = DraftMark.of(shown.shape[1])
    apart = np.abs(shown.astype(int) - np.stack([mark.on(each) for each in wanted]))
    assert apart.mean() < 2
    assert (np.abs(shown[:, mark.rows].astype(int) - wanted[:, mark.rows]).max(axis=(1, 2, 3)) > 60).all()
    with av.open(draft.takes[0].master) as container:
        assert "draft: true" in container.metadata["comment"]


def test_the_master_of_a_job_that_was_a_draft_is_rendered(
    write_speech: Any, make_job: Any, render: Any, stages: FakeStages
) -> None:
    write_speech()
    render(make_job(output={"uri": "out/hello.mp4", "draft": "true"}))
    first = stages.noted("render-")
    again = render(make_job(output={"uri": "out/hello.mp4", "draft": "true"}))
    assert (stages.noted("render-"), again.segments_found) == (first, again.segments_total)
    assert not manifest(render(make_job(output={"uri": "out/hello.mp4"}))).draft
    assert stages.noted("render-") == 2 * first
