"""What becomes of a segment whose pictures are not good, under each policy; with small stages and real checks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fake_stages import FakeStages, Fault

from farm.render_report import InspectionTally, RenderReport, Silent
from infra.settings import FarmSettings
from infra.storage import open_store
from jobs.errors import SegmentRejected
from jobs.manifest import Manifest
from jobs.plan import inspection_key

# Two segments: frames 0 to 49 and 50 to 64.
SECONDS = 2.6
STRUCK = 50


class Listening(Silent):
    """Keeps what a render said."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.tallies: list[InspectionTally] = []

    def note(self, message: str) -> None:
        self.notes.append(message)

    def inspected(self, tally: InspectionTally) -> None:
        self.tallies.append(tally)


def flawed(folder: Path, kind: str, *, times: int = 99) -> FakeStages:
    return FakeStages.in_folder(folder, faults=(Fault(stage="render", frame=STRUCK, kind=kind, times=times),))


def under(policy: str) -> dict[str, Any]:
    return {"inspection": {"policy": policy}}


def manifest_of(report: RenderReport) -> Manifest:
    return Manifest.from_json(Path(report.takes[0].manifest).read_bytes())


def links_and_segments(settings: FarmSettings) -> tuple[int, int]:
    """How many links of plans the store holds, and how many segments."""
    keys = list(open_store(settings.store).list())
    links = [key for key in keys if key.startswith("renders/") and "/segment-" in key]
    return len(links), sum(key.startswith("segments/") and key.endswith(".mp4") for key in keys)


@pytest.fixture(autouse=True)
def speech(write_speech: Any) -> None:
    write_speech(seconds=SECONDS)


@pytest.mark.parametrize(
    ("kind", "check"),
    [("black", "black_frames"), ("frozen", "frozen_frames"), ("not-finite", "not_finite_frames")],
)
def test_a_bad_segment_fails_the_job_at_once_and_is_not_committed(
    make_job: Any, render: Any, settings: FarmSettings, tmp_path: Path, kind: str, check: str
) -> None:
    stages = flawed(tmp_path / "flawed", kind)
    with pytest.raises(SegmentRejected, match=check) as caught:
        render(make_job(**under("fail")), stages=stages)
    assert caught.value.code == "segment_rejected"
    assert "segment 1" in caught.value.where
    assert "at most 0" in caught.value.message
    assert "policy: warn" in caught.value.hint
    assert stages.noted(f"render-{STRUCK:06d}") == 1
    assert links_and_segments(settings) == (1, 1)
    assert not (tmp_path / "out" / "hello.mp4").exists()


def test_a_retry_is_rendered_by_a_fresh_replica_and_gives_the_bytes_of_a_calm_run(
    make_job: Any, render: Any, settings: FarmSettings, stages: FakeStages, tmp_path: Path
) -> None:
    calm = render(make_job(), settings=FarmSettings(store=str(tmp_path / "calm"), cache=tmp_path / "cache"))
    calm_manifest = Path(calm.takes[0].manifest).read_bytes()
    shaken_stages = flawed(tmp_path / "flawed", "black", times=1)
    listener = Listening()
    shaken = render(make_job(), stages=shaken_stages, listener=listener)
    assert shaken.takes[0].sha256 == calm.takes[0].sha256
    assert Path(shaken.takes[0].manifest).read_bytes() == calm_manifest
    assert shaken_stages.noted(f"render-{STRUCK:06d}") == 2
    assert shaken_stages.noted("load-renderer") == 2
    assert any("black_frames" in note and "once more" in note for note in listener.notes)


def test_a_segment_that_is_bad_twice_fails_the_job_under_retry(
    make_job: Any, render: Any, settings: FarmSettings, tmp_path: Path
) -> None:
    stages = flawed(tmp_path / "flawed", "frozen")
    with pytest.raises(SegmentRejected, match="frozen_frames"):
        render(make_job(**under("retry")), stages=stages)
    assert stages.noted(f"render-{STRUCK:06d}") == 2
    assert links_and_segments(settings) == (1, 1)


def test_retry_is_the_policy_of_a_job_that_names_none(make_job: Any) -> None:
    assert make_job().job.spec.inspection.policy.value == "retry"


def test_under_warn_a_bad_segment_is_committed_and_its_record_says_so(
    make_job: Any, render: Any, tmp_path: Path
) -> None:
    listener = Listening()
    report = render(make_job(**under("warn")), stages=flawed(tmp_path / "flawed", "black"), listener=listener)
    good, bad = (record.inspection for record in manifest_of(report).segments)
    assert good is not None
    assert good.flagged == ()
    assert bad is not None
    flagged = {check.check: check for check in bad.flagged}
    # Nothing moves in the dark.
    assert set(flagged) == {"black_frames", "frozen_frames"}
    assert (flagged["black_frames"].value, flagged["black_frames"].at_most) == (15.0, 0.0)
    assert (report.inspection.inspected, report.inspection.flagged) == (2, 1)
    assert listener.tallies[-1] == report.inspection
    assert any("black_frames" in note for note in listener.notes)
    assert report.as_record()["inspection"]["flagged"] == 1


def test_the_policy_changes_neither_plan_nor_bytes(make_job: Any, render: Any, stages: FakeStages) -> None:
    reports = [render(make_job(**under(policy))) for policy in ("fail", "retry", "warn")]
    assert len({(report.plan_hash, report.takes[0].sha256) for report in reports}) == 1
    # One store: the second and the third run found everything.
    assert stages.noted("render-") == 2


def test_what_was_found_in_a_segment_is_not_lost_when_it_is_found_in_the_store(
    make_job: Any, render: Any, settings: FarmSettings
) -> None:
    first = render(make_job())
    manifest = Path(first.takes[0].manifest).read_bytes()
    again = render(make_job())
    assert again.segments_found == 2
    assert Path(again.takes[0].manifest).read_bytes() == manifest
    assert all(record.inspection is not None for record in manifest_of(again).segments)
    assert again.inspection == first.inspection


def test_a_segment_whose_inspection_is_lost_is_said_to_be_not_inspected(
    make_job: Any, render: Any, settings: FarmSettings
) -> None:
    first = manifest_of(render(make_job())).segments[0]
    open_store(settings.store).delete(inspection_key(first.key))
    report = render(make_job())
    assert [record.inspection is None for record in manifest_of(report).segments] == [True, False]
    assert report.inspection.inspected == 1


def test_a_flagged_segment_of_an_earlier_run_does_not_pass_a_stricter_policy(
    make_job: Any, render: Any, tmp_path: Path
) -> None:
    stages = flawed(tmp_path / "flawed", "black")
    render(make_job(**under("warn")), stages=stages)
    with pytest.raises(SegmentRejected, match="committed with policy warn") as caught:
        render(make_job(**under("fail")), stages=stages)
    assert "delete segments/default/" in caught.value.hint
    assert stages.noted(f"render-{STRUCK:06d}") == 1
    listener = Listening()
    render(make_job(**under("warn")), stages=stages, listener=listener)
    assert any("black_frames" in note for note in listener.notes)


def test_what_the_inspector_cannot_do_is_said_once_and_the_record_shows_it(
    make_job: Any, render: Any, tmp_path: Path
) -> None:
    plain = FakeStages.in_folder(tmp_path / "plain")
    stages = FakeStages(folder=plain.folder, notice="mouths are not looked for: MediaPipe is missing")
    listener = Listening()
    report = render(make_job(), stages=stages, listener=listener)
    assert listener.notes == [stages.notice]
    inspection = manifest_of(report).segments[0].inspection
    assert inspection is not None
    assert not inspection.redetection
    assert inspection.value("mouth_error_px") is None
    assert report.inspection.worst_mouth_error_px is None
