"""With the shipped weights: a bad renderer is found before its segment is committed, and what is good passes."""

from __future__ import annotations

import shutil
import wave
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from farm.config import PoolSizes
from farm.execution.opening import opened_inline
from farm.execution.stages import RealStages
from farm.render_report import RenderReport, Silent
from farm.rendering import render_job
from infra.hardware import probe_hardware
from infra.settings import FarmSettings
from infra.storage import open_store
from jobs.errors import SegmentRejected
from jobs.manifest import Manifest
from jobs.parse import parse_job
from stages.builtin import builtin_subject, builtin_subject_names, builtin_weights
from stages.weights_header import read_header

if TYPE_CHECKING:
    from conftest import Rendered

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
pytest.importorskip("mediapipe", reason="looking for mouths needs MediaPipe", exc_type=ImportError)

FRAMES = 25
Render = Callable[..., RenderReport]


@pytest.fixture
def render(tmp_path: Path, example_speech: Path) -> Render:
    """Renders a second of the example's speech in this process."""
    speech = tmp_path / "speech.wav"
    with wave.open(str(example_speech)) as source, wave.open(str(speech), "wb") as target:
        target.setparams(source.getparams())
        target.writeframes(source.readframes(source.getframerate() * FRAMES // 25))

    def run(subject: str, *, policy: str, stages: Any = None, seed: int = 7) -> RenderReport:
        text = (
            "apiVersion: farm/v1\nkind: RenderJob\nmetadata: {name: judged, project: acceptance}\n"
            f"spec: {{speech: speech.wav, subject: '{subject}', seed: {seed}, inspection: {{policy: {policy}}}}}\n"
        )
        stages = stages or RealStages()
        return render_job(
            parse_job(text, folder=tmp_path, where="judged.yaml"),
            settings=FarmSettings(store=str(tmp_path / "store"), cache=tmp_path / "cache"),
            pools=PoolSizes(),
            stages=stages,
            open_backend=partial(opened_inline, stages=stages),
            listener=Silent(),
            device_kind=probe_hardware().device_kind,
        )

    return run


def package(folder: Path, *, damage: Callable[[dict[str, Any]], None] | None = None) -> Path:
    """A copy of actor-a with a renderer of its own, damaged if so wished."""
    from safetensors.torch import load_file, save_file

    weights = builtin_weights("renderer")
    copy = shutil.copytree(builtin_subject("actor-a"), folder / "actor-a")
    if damage is None:
        shutil.copyfile(weights, folder / weights.name)
        return copy
    from safetensors import safe_open

    with safe_open(weights, framework="pt") as file:
        metadata = file.metadata()
    tensors = load_file(weights)
    damage(tensors)
    save_file(tensors, folder / weights.name, metadata=metadata)
    assert read_header(folder / weights.name) == read_header(weights)
    return copy


def flip_bits(tensors: dict[str, Any]) -> None:
    """The highest exponent bit of one weight in ten thousand, where a number is left: others are refused when read."""
    import torch

    for name in sorted(tensors):
        if tensors[name].dtype == torch.float16:
            bits = tensors[name].view(torch.int16).reshape(-1)[::10_000]
            flipped = bits ^ (1 << 14)
            bits.copy_(torch.where(torch.isfinite(flipped.view(torch.float16)), flipped, bits))


def swell_the_last_layer(tensors: dict[str, Any]) -> None:
    tensors["head.weight"].mul_(8)


def committed(folder: Path) -> list[str]:
    return list(open_store(str(folder / "store")).list("segments/"))


@pytest.mark.parametrize("damage", [flip_bits, swell_the_last_layer], ids=["bits flipped", "a layer swollen"])
def test_damaged_weights_fail_the_job_and_nothing_is_committed(
    render: Render, tmp_path: Path, damage: Callable[[dict[str, Any]], None]
) -> None:
    folder = package(tmp_path, damage=damage)
    with pytest.raises(SegmentRejected) as caught:
        render(str(folder), policy="fail")
    print(caught.value)
    assert "segment 0" in caught.value.where
    assert committed(tmp_path) == []


def test_damaged_weights_are_reported_under_warn(render: Render, tmp_path: Path) -> None:
    report = render(str(package(tmp_path, damage=flip_bits)), policy="warn")
    (record,) = Manifest.from_json(Path(report.takes[0].manifest).read_bytes()).segments
    assert record.inspection is not None
    print([check.finding() for check in record.inspection.flagged])
    assert record.inspection.flagged
    assert report.inspection.flagged == 1


def test_another_subject_in_the_package_is_told_by_its_colours_also_by_a_fresh_replica(
    render: Render, tmp_path: Path
) -> None:
    folder = package(tmp_path)
    for name in ("references.safetensors", "template.npz"):
        shutil.copyfile(builtin_subject("actor-b") / name, folder / name)
    with pytest.raises(SegmentRejected, match="colour_difference"):
        render(str(folder), policy="retry")
    assert committed(tmp_path) == []


class _Frozen:
    """A renderer that shows its first picture for ever."""

    def __init__(self, renderer: Any) -> None:
        self._renderer = renderer
        self.size, self.not_finite_frames = renderer.size, 0

    def render(self, face: Any, *, first_frame: int, lead: int, frame_count: int) -> Iterator[np.ndarray]:
        rendered = self._renderer.render(face, first_frame=first_frame, lead=lead, frame_count=frame_count)
        first_HW3 = next(iter(rendered))
        for _ in range(frame_count):
            yield first_HW3


class FrozenStages(RealStages):
    def load_renderer(self, *, subject: Any, device: str, form: Any) -> Any:
        return _Frozen(RealStages.load_renderer(self, subject=subject, device=device, form=form))


def test_a_frozen_segment_fails_the_job(render: Render, tmp_path: Path) -> None:
    with pytest.raises(SegmentRejected, match="frozen_frames"):
        render("builtin:actor-a", policy="fail", stages=FrozenStages())
    assert committed(tmp_path) == []


@pytest.mark.parametrize("name", builtin_subject_names())
@pytest.mark.parametrize("seed", [7, 8])
def test_no_good_segment_of_an_actor_is_flagged(render: Render, name: str, seed: int) -> None:
    report = render(f"builtin:{name}", policy="fail", seed=seed)
    print(name, seed, report.inspection.line())
    assert report.inspection.inspected == 1
    assert report.inspection.worst_mouth_error_px is not None


def test_no_segment_of_the_example_is_flagged(example: Rendered) -> None:
    inspection = example.report["inspection"]
    print(inspection)
    assert inspection["inspected"] == example.report["segments"]["total"]
    assert inspection["flagged"] == 0
    assert inspection["worst_mouth_error_px"] is not None
