"""A prepare job, on the command line and on a shared farm: one photo, the real preparation."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from farm.cli import main
from farm.execution.calls import WholeCall, WholeDone, WholeStep
from farm.execution.work_watch import StopAsked
from farm.whole_work import StageWork
from infra.settings import FarmSettings
from jobs.errors import ExitCode, SubjectRefused
from jobs.prepare_job import load_preparation
from stages.builtin import builtin_subject

pytest.importorskip("mediapipe", reason="MediaPipe is not installed", exc_type=ImportError)


@pytest.fixture
def spec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FARM_CACHE", str(tmp_path / "cache"))
    (tmp_path / "photo.png").write_bytes((builtin_subject("actor-c") / "reference.png").read_bytes())
    (tmp_path / "consent.pdf").write_bytes(b"I agree")
    return write(tmp_path)


def write(folder: Path, **fields: object) -> Path:
    document = {
        "apiVersion": "farm/v1",
        "kind": "PrepareJob",
        "metadata": {"name": "zoe"},
        "spec": {"clip": "photo.png", "consent": "consent.pdf", "output": {"uri": "subjects/zoe"}} | fields,
    }
    (folder / "prepare.yaml").write_text(yaml.safe_dump(document))
    return folder / "prepare.yaml"


def perform(spec: Path, settings: FarmSettings, *, stop_at: str = "") -> WholeDone:
    loaded = load_preparation(spec)
    call = WholeCall(name="zoe-1", document=json.dumps(loaded.job.as_record()), folder=loaded.folder)

    def tell(step: WholeStep) -> None:
        if step.step == stop_at:
            raise StopAsked

    return StageWork.of(settings).perform(call, device="cpu", tell=tell)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_command_and_a_farm_make_the_same_package_of_a_job(
    spec: Path, settings: FarmSettings, tmp_path: Path
) -> None:
    done = perform(spec, settings)
    assert done.outputs == (str(tmp_path / "subjects" / "zoe"),)
    assert (tmp_path / "subjects" / "zoe" / "subject.yaml").exists()
    before = (tmp_path / "subjects" / "zoe" / "template.npz").read_bytes()
    assert main(["subject", "prepare", str(spec)]) == ExitCode.OK
    assert (tmp_path / "subjects" / "zoe" / "template.npz").read_bytes() == before


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_stopped_it_leaves_no_package_and_goes_on(spec: Path, settings: FarmSettings, tmp_path: Path) -> None:
    with pytest.raises(StopAsked):
        perform(spec, settings, stop_at="library")
    assert not (tmp_path / "subjects" / "zoe" / "subject.yaml").exists()
    perform(spec, settings)
    assert (tmp_path / "subjects" / "zoe" / "subject.yaml").exists()


def test_without_consent_nothing_is_prepared(spec: Path, settings: FarmSettings, tmp_path: Path) -> None:
    (tmp_path / "consent.pdf").write_bytes(b"")
    with pytest.raises(SubjectRefused) as refused:
        perform(spec, settings)
    assert refused.value.code == "subject_no_consent"
    assert not (tmp_path / "subjects" / "zoe").exists()


def test_a_job_and_options_at_once_are_refused(spec: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["subject", "prepare", str(spec), "--name", "Zoe"]) == ExitCode.USAGE
    assert "SPEC says what is prepared" in capsys.readouterr().err


def test_a_clip_without_its_options_is_told_what_is_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["subject", "prepare", str(tmp_path / "a.mp4"), "--name", "Zoe"]) == ExitCode.USAGE
    assert "--consent" in capsys.readouterr().err


def test_mistakes_of_a_job_are_told_together(
    spec: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path, clip="s3://bucket/a.mp4", audio_lag=1000.0)
    assert main(["subject", "prepare", str(spec), "--json"]) == ExitCode.USAGE
    paths = {each["path"] for each in json.loads(capsys.readouterr().out)["error"]["mistakes"]}
    assert paths == {"spec.clip", "spec.audio_lag"}
