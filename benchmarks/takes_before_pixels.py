"""What takes cost that nobody chose: `python -m benchmarks.takes_before_pixels [--seconds 10] [--takes 4] [--out DIR]`.

The shipped networks in one process, from an empty store: every take of a speech is drawn, the first is chosen and
rendered, and the seconds of replicas are told. The subject's references are loaded once by each replica of faces,
with the first piece of the first take; the others do not pay for it.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.inference_times import write_wave
from farm.config import PoolSizes
from farm.execution.opening import opened_inline
from farm.execution.stages import RealStages
from farm.render_report import Silent, Step
from farm.rendering import RenderTerms, TakesToChoose, render_job, render_or_show
from infra.hardware import probe_hardware
from infra.settings import FarmSettings
from jobs.parse import LoadedJob, parse_job
from stages.payloads import SAMPLE_RATE
from stages.speech.decode import read_speech
from stages.tables import markdown_table


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeCosts:
    """Seconds of replicas.

    Attributes:
        sketches: Of each take before one is chosen, motion included.
        render: Of the segments of the take that was chosen.
    """

    sketches: Sequence[float]
    render: float

    @property
    def others_share(self) -> float:
        """The takes that were not chosen, as a share of one render."""
        return sum(self.sketches[1:]) / self.render


def measure(speech: Path, *, subject: str, takes: int, folder: Path) -> tuple[TakeCosts, TakesToChoose]:
    """Draw the takes of a speech, and render the first. Raises as `render_job`."""
    stages = RealStages()
    settings = replace(FarmSettings.from_environment(), store=str(folder / "store"), cache=folder / "cache")
    terms = RenderTerms(
        settings=settings,
        pools=PoolSizes(render=1),
        stages=stages,
        open_backend=partial(opened_inline, stages=stages),
        listener=Silent(),
        device_kind=probe_hardware().device_kind,
    )
    loaded = _job(speech, subject=subject, takes=takes, folder=folder)
    shown = render_or_show(loaded, terms)
    assert isinstance(shown, TakesToChoose)
    chosen = replace(loaded, job=loaded.job.choosing(1))
    report = render_job(
        chosen,
        settings=settings,
        pools=terms.pools,
        stages=stages,
        open_backend=terms.open_backend,
        listener=terms.listener,
        device_kind=terms.device_kind,
    )
    costs = TakeCosts(
        sketches=[each.sketch_seconds for each in shown.sketched.takes],
        render=report.step_seconds[Step.RENDER],
    )
    return costs, shown


def _job(speech: Path, *, subject: str, takes: int, folder: Path) -> LoadedJob:
    document = {
        "apiVersion": "farm/v1",
        "kind": "RenderJob",
        "metadata": {"name": "takes"},
        "spec": {"speech": str(speech), "subject": subject, "takes": takes, "choose": "ask"},
    }
    return parse_job(json.dumps(document), folder=folder, where="takes")


def main() -> None:
    """Command line of the module."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--speech", type=Path, default=Path("examples/hello.wav"))
    parser.add_argument("--subject", default="builtin:actor-a", help="as in a render job")
    parser.add_argument("--seconds", type=int, default=10, help="the speech is cut or repeated to this")
    parser.add_argument("--takes", type=int, default=4)
    parser.add_argument("--out", type=Path, help="keep sheets and playbacks in this folder")
    options = parser.parse_args()
    samples_S = read_speech(options.speech).samples_S
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        write_wave(folder / "speech.wav", np.resize(samples_S, options.seconds * SAMPLE_RATE))
        costs, shown = measure(
            folder / "speech.wav", subject=options.subject, takes=options.takes, folder=folder
        )
        if options.out is not None:
            options.out.mkdir(parents=True, exist_ok=True)
            for each in shown.sketched.takes:
                shutil.copy(Path(shown.store, each.sheet), options.out / f"take-{each.take}.jpg")
                shutil.copy(Path(shown.store, each.playback), options.out / f"take-{each.take}.mp4")
    rows = [
        [f"{options.seconds} s", f"take {take}", f"{seconds:.2f}", f"{100 * seconds / costs.render:.2f} %"]
        for take, seconds in enumerate(costs.sketches, start=1)
    ]
    rows.append([f"{options.seconds} s", "pixels of take 1", f"{costs.render:.2f}", "100 %"])
    others = sum(costs.sketches[1:])
    rows.append(
        [f"{options.seconds} s", "takes not chosen", f"{others:.2f}", f"{100 * costs.others_share:.2f} %"]
    )
    headers = ["speech", "what", "replica seconds", "of one render"]
    sys.stdout.write(markdown_table(headers, rows) + "\n")


if __name__ == "__main__":
    main()
