"""Real Ray actors, real processes, real SIGKILLs; a small judge. One cluster for the module."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import fake_judge
import numpy as np
import pytest
from fake_judge import FakeJudge

from farm.cli import main
from farm.cli.wiring import Wiring
from farm.evaluation.evaluate_job import opened_judges
from farm.evaluation.judge import VideoJudge
from infra.cluster import connected_cluster
from infra.hardware import Hardware
from jobs.errors import ExitCode, PairFailed

pytestmark = [pytest.mark.ray, pytest.mark.timeout(300)]

MACHINE = Hardware(cores=2, memory_bytes=8 << 30, cpu_kind="cpu test", gpus=())


@pytest.fixture(scope="module", autouse=True)
def cluster() -> Iterator[None]:
    with connected_cluster(logical_cpus=2):
        # Imported here: Ray reads its environment, which the connection prepares, when it is imported.
        from ray import cloudpickle

        # The small judge is part of no installed package, so it travels to the workers with its code.
        cloudpickle.register_pickle_by_value(fake_judge)
        yield
        cloudpickle.unregister_pickle_by_value(fake_judge)


@pytest.fixture
def on_ray(settings: Any, judge: FakeJudge) -> Any:
    return partial(opened_judges, judge=judge, workers=2, settings=settings, hardware=MACHINE)


def test_a_worker_killed_at_a_pair_is_replaced_and_the_pair_done_again(
    write_videos: Any, evaluate: Any, on_ray: Any, judge: FakeJudge, notes: Any
) -> None:
    write_videos("ours", a="LMD 1", b="deadly once", c="LMD 3", d="LMD 4", e="LMD 5")
    report = evaluate(open_pool=on_ray)
    assert not report.failures
    assert (judge.calls("b"), judge.calls()) == (2, 6)
    assert any(note.startswith("ours/b is judged again") for note in notes.said)
    evaluate(open_pool=on_ray)
    assert judge.calls() == 6


def test_a_pair_that_kills_every_worker_is_given_up_and_the_others_go_on(
    write_videos: Any, evaluate: Any, on_ray: Any, judge: FakeJudge
) -> None:
    write_videos("ours", a="deadly", b="LMD 2", c="broken", d="LMD 4")
    report = evaluate(open_pool=on_ray)
    assert {row.pair.clip: row.result.code for row in report.failures} == {
        "a": "worker_died",
        "c": "clip_not_media",
    }
    assert isinstance(report.failures[0].result, PairFailed)
    assert (judge.calls("a"), judge.calls("c")) == (2, 1)


def test_the_command_says_by_its_exit_code_that_a_pair_has_no_figures(
    write_videos: Any,
    write_job: Callable[..., Path],
    judge: FakeJudge,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    write_videos("ours", a="LMD 1", b="broken")
    wiring = Wiring(judge=judge, probe=lambda: MACHINE)
    typed = ["evaluate", str(write_job()), "--store", str(tmp_path / "store")]
    assert main(typed, wiring=wiring) == ExitCode.EVALUATION
    shown = capsys.readouterr()
    assert "| ours         | 1 of 2 |" in shown.out
    assert "[clip_not_media]" in shown.err
    (tmp_path / "out" / "ours" / "b.mp4").write_text("LMD 2")
    assert main([*typed, "--json"], wiring=wiring) == ExitCode.OK
    record = json.loads(capsys.readouterr().out)
    assert (record["ok"], record["judged_now"], record["failed"]) == (True, 1, 0)
    assert main([*typed, "--out", "x"], wiring=wiring) == ExitCode.USAGE


@pytest.mark.slow
def test_real_measures_of_real_videos(evaluate: Any, settings: Any, tmp_path: Path) -> None:
    write_actor(tmp_path / "test" / "a.mp4", name="actor-a")
    write_actor(tmp_path / "out" / "same" / "a.mp4", name="actor-a")
    write_actor(tmp_path / "out" / "other" / "a.mp4", name="actor-b")
    (tmp_path / "out" / "broken").mkdir()
    (tmp_path / "out" / "broken" / "a.mp4").write_bytes(b"no video")
    open_pool = partial(opened_judges, judge=VideoJudge(), workers=2, settings=settings, hardware=MACHINE)
    report = evaluate(open_pool=open_pool, measures="[pictures]")
    by_system = {row.pair.system: row.result for row in report.rows}
    assert by_system["broken"].code.startswith("clip_")
    same, other = (by_system[system].takes[0].pair for system in ("same", "other"))
    assert (same.lmd, same.ma, same.psnr) == (0.0, 1.0, float("inf"))
    assert other.lmd > 1.0
    assert other.psnr < 30
    assert (tmp_path / "report" / "plots" / "other" / "a" / "evaluation.md").is_file()


def write_actor(path: Path, *, name: str) -> None:
    """A second of a built-in actor who sways, with a tone."""
    from benchmarks.baselines.make import write_baseline
    from stages.builtin import builtin_subject
    from stages.payloads import SAMPLES_PER_FRAME
    from stages.subject.package import SubjectPackage

    picture_HW3 = SubjectPackage.load(builtin_subject(name)).reference_HW3
    frames = [np.roll(picture_HW3, round(6 * np.sin(frame / 4)), axis=1) for frame in range(25)]
    tone_S = 0.3 * np.sin(np.arange(25 * SAMPLES_PER_FRAME, dtype=np.float32) * 0.1)
    write_baseline(path, frames, speech_S=tone_S.astype(np.float32), title=name)
