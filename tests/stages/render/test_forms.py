"""Each form against the exact one on a shipped actor that talks, and what each form promises."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from drawn_weights import save_drawn_weights
from made_library import talking
from posed_actor import PosedActor

from stages.builtin import builtin_subject
from stages.errors import WeightsError
from stages.geometry.landmarks import LIPS
from stages.payloads import PosedFace
from stages.render import forms
from stages.render.exact_repair import ExactRepair
from stages.render.int8_graph import int8_graph
from stages.render.int8_ranges import found_ranges
from stages.render.renderer_facts import EXPECTED_WARPED
from stages.render.renderer_loading import load_renderer
from stages.render.repair_config import RepairConfig
from stages.render.repair_network import RepairNetwork
from stages.render.repairing import Picture, Repairer, RepairForm, RepairInput, Told
from stages.render.trunk_repair import TrunkRepair, joined
from stages.render.warped_stage import WarpedStage
from stages.subject.library_file import read_library
from stages.subject.package import SubjectPackage
from stages.warp.library import ReferenceLibrary
from stages.weights import build_network, load_weights

FAST = (RepairForm.BF16, RepairForm.INT8)
FRAMES = 4
SIDE = 64
SMALL = RepairConfig(width=4, depth=1)


@pytest.fixture(scope="module")
def subject() -> SubjectPackage:
    return SubjectPackage.load(builtin_subject("actor-a"))


@pytest.fixture(scope="module")
def face() -> PosedFace:
    return talking(PosedActor.of("actor-a"), FRAMES)


@pytest.fixture(scope="module")
def library(subject: SubjectPackage) -> ReferenceLibrary:
    return read_library(subject.library, template=subject.template).opened()


@pytest.fixture(scope="module")
def renderers(subject: SubjectPackage, library: ReferenceLibrary) -> dict[RepairForm, WarpedStage]:
    """Those of the shipped actor, whose references are decoded once."""
    network = build_network(subject.renderer_weights, RepairConfig, RepairNetwork)
    load_weights(subject.renderer_weights, network, expected=EXPECTED_WARPED)
    return {form: stage_of(network, subject, library, form) for form in RepairForm}


def stage_of(
    network: RepairNetwork | None, subject: SubjectPackage, library: ReferenceLibrary, form: RepairForm
) -> WarpedStage:
    return WarpedStage(
        network, library=library, template=subject.template, device=torch.device("cpu"), form=form
    )


def drawn(renderer: WarpedStage, face: PosedFace, **wanted: int) -> np.ndarray:
    return np.stack(list(renderer.render(face, first_frame=0, **wanted)))


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / max(((a.astype(float) - b) ** 2).mean(), 1e-9)))


def box_of(points_N3: np.ndarray, *, margin: int = 8) -> tuple[slice, slice]:
    low, high = np.floor(points_N3.min(axis=0)) - margin, np.ceil(points_N3.max(axis=0)) + margin
    return slice(int(low[1]), int(high[1])), slice(int(low[0]), int(high[0]))


def sharpness(picture: np.ndarray) -> float:
    return float(cv2.Laplacian(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), cv2.CV_64F).var())


def network_of(seed: int = 0, *, scale: float = 0.15) -> RepairNetwork:
    torch.manual_seed(seed)
    network = RepairNetwork(SMALL).eval().requires_grad_(False)
    for weight in network.parameters():
        torch.nn.init.normal_(weight, 0, scale)
    return network


def an_input(seed: int, *, side: int = SIDE) -> RepairInput:
    random = np.random.default_rng(seed)

    def picture(*channels: int) -> Picture:
        coarse = random.integers(0, 256, (side // 8, side // 8, *channels), dtype=np.uint8)
        return cv2.resize(coarse, (side, side), interpolation=cv2.INTER_CUBIC)

    return RepairInput(condition_SS3=picture(3), head_SS3=picture(3), mouth_SS3=picture(3), mask_SS=picture())


@pytest.mark.parametrize("form", FAST)
def test_a_form_looks_like_the_exact_one(
    renderers: dict[RepairForm, WarpedStage], face: PosedFace, form: RepairForm
) -> None:
    exact, frames = (drawn(renderers[each], face) for each in (RepairForm.EXACT, form))
    assert frames.shape == exact.shape
    for mesh_N3, frame, truth in zip(face.mesh_TN3, frames, exact, strict=True):
        mouth, whole = box_of(mesh_N3[LIPS, :2]), box_of(mesh_N3[:, :2])
        assert psnr(frame, truth) >= 50
        assert psnr(frame[mouth], truth[mouth]) >= 50
        assert sharpness(frame[whole].copy()) / sharpness(truth[whole].copy()) == pytest.approx(1, abs=0.02)
    # It is another form, not the same one under another name.
    assert not np.array_equal(frames, exact)


@pytest.mark.parametrize("form", FAST)
def test_a_form_has_the_same_bytes_however_a_take_is_cut(
    renderers: dict[RepairForm, WarpedStage], face: PosedFace, form: RepairForm
) -> None:
    whole = drawn(renderers[form], face)
    parts = [drawn(renderers[form], face, lead=lead, frame_count=2) for lead in (2, 0)]
    assert np.array_equal(whole, np.concatenate(parts[::-1]))


_DIGEST = """
import hashlib, sys, torch
sys.path[:0] = sys.argv[3:]
torch.set_num_threads(int(sys.argv[2]))
from made_library import talking
from posed_actor import PosedActor
from stages.builtin import builtin_subject
from stages.render.renderer_loading import load_renderer
from stages.render.repairing import RepairForm
from stages.subject.package import SubjectPackage
stage = load_renderer(
    subject=SubjectPackage.load(builtin_subject("actor-a")), device="cpu", form=RepairForm(sys.argv[1])
)
digest = hashlib.sha256()
for frame in stage.render(talking(PosedActor.of("actor-a"), 3), first_frame=0):
    digest.update(frame.tobytes())
print(digest.hexdigest())
"""


@pytest.mark.slow
@pytest.mark.parametrize("form", FAST)
def test_a_form_has_the_same_bytes_in_every_process_with_any_number_of_threads(form: RepairForm) -> None:
    found = set()
    for threads in (1, 2, 3):
        done = subprocess.run(
            [sys.executable, "-c", _DIGEST, form, str(threads), *sys.path],
            env={**os.environ, "OMP_NUM_THREADS": str(threads)},
            capture_output=True,
            text=True,
            check=True,
        )
        found.add(done.stdout.strip())
    assert len(found) == 1
    assert len(found.pop()) == hashlib.sha256().digest_size * 2


def test_the_end_of_the_network_is_the_same_in_every_form() -> None:
    """The full-resolution part alone: a trunk that is exact gives the exact picture, but for last digits."""
    network, plate_SS3 = network_of(), an_input(9).head_SS3

    class ExactTrunk:
        def tell(self, pictures_SSC: Picture) -> Told:
            x_BCSS = torch.from_numpy(pictures_SSC)[None].permute(0, 3, 1, 2).float() / 127.5 - 1
            told, flow = network.tell(x_BCSS)
            return Told(
                residual_logits_gain_7SS=torch.nn.functional.pixel_shuffle(told, 2)[0],
                flow_HW4=flow[0].permute(1, 2, 0).contiguous().numpy(),
            )

    whole = ExactRepair(network, plate_SS3=plate_SS3, device=torch.device("cpu"))
    parts = TrunkRepair(ExactTrunk(), plate_SS3=plate_SS3)
    for seed in range(3):
        one, other = (each.repaired([an_input(seed)]) for each in (whole, parts))
        assert np.abs(one.frames_TSS3.astype(int) - other.frames_TSS3).max() <= 1
        assert psnr(one.frames_TSS3, other.frames_TSS3) > 70
        assert (one.not_finite, other.not_finite) == (0, 0)


def test_a_graph_in_8_bits_computes_what_the_network_does() -> None:
    openvino = pytest.importorskip("openvino")
    network, plate_SS3 = network_of(), an_input(9).head_SS3
    pictures = [joined(an_input(seed), plate_SS3=plate_SS3) for seed in range(8)]
    graph = int8_graph(network, found_ranges(network, pictures), size=SIDE)
    compiled = openvino.Core().compile_model(graph, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    told, flow = compiled([pictures[3][None]]).values()
    told = told.transpose(0, 3, 1, 2)
    x_BCSS = torch.from_numpy(pictures[3])[None].permute(0, 3, 1, 2).float() / 127.5 - 1
    true_told, true_flow = network.tell(x_BCSS)
    true_told = true_told.numpy()
    assert np.abs(told - true_told).mean() < 0.03 * np.abs(true_told).mean()
    assert np.abs(flow - true_flow.permute(0, 2, 3, 1).numpy()).mean() < 0.02


def test_ranges_are_the_networks_own_and_reach_beyond_what_was_seen() -> None:
    network, plate_SS3 = network_of(), an_input(9).head_SS3
    pictures = [joined(an_input(seed), plate_SS3=plate_SS3) for seed in range(3)]
    ranges = found_ranges(network, pictures)
    assert ranges == found_ranges(network, pictures)
    assert ranges["stem"] == (-1.0, 1.0)
    assert len(ranges) == sum(isinstance(each, torch.nn.Conv2d) for each in network.modules())
    seen = float(
        torch.relu(network.stem(torch.from_numpy(pictures[0])[None].permute(0, 3, 1, 2) / 127.5 - 1)).max()
    )
    low, high = ranges["down.0"]
    assert low == 0.0
    assert seen < high
    assert found_ranges(network_of(1), pictures) != ranges


def small_repairer(
    form: RepairForm, *, network: RepairNetwork | None = None, device: str = "cpu"
) -> Repairer:
    return forms.repairer_of(
        network or network_of(),
        form=form,
        device=torch.device(device),
        plate_SS3=an_input(9).head_SS3,
        own=lambda: (an_input(seed) for seed in range(2)),
    )


def test_8_bits_need_openvino(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forms, "find_spec", lambda name: None)
    with pytest.raises(WeightsError) as caught:
        small_repairer(RepairForm.INT8)
    assert caught.value.code == "form_unavailable"
    assert "moda-farm[cpu-int8]" in caught.value.hint


@pytest.mark.parametrize("form", FAST)
def test_a_gpu_has_one_form(form: RepairForm) -> None:
    with pytest.raises(WeightsError) as caught:
        small_repairer(form, device="cuda")
    assert caught.value.code == "form_unavailable"


@pytest.mark.parametrize("form", FAST)
def test_the_papers_network_has_one_form(subject: SubjectPackage, tmp_path: Path, form: RepairForm) -> None:
    weights = save_drawn_weights(tmp_path / "drawn.safetensors", subject=subject.name)
    with pytest.raises(WeightsError) as caught:
        load_renderer(subject=replace(subject, renderer_weights=weights), device="cpu", form=form)
    assert (caught.value.code, subject.name in caught.value.what) == ("form_unavailable", True)


@pytest.mark.parametrize("form", FAST)
def test_without_a_network_every_form_is_the_warp(
    subject: SubjectPackage, library: ReferenceLibrary, face: PosedFace, form: RepairForm
) -> None:
    few = face.slice(0, 2)
    one, other = (drawn(stage_of(None, subject, library, each), few) for each in (form, RepairForm.EXACT))
    assert np.array_equal(one, other)


def broken() -> RepairNetwork:
    return network_of(scale=60_000.0)


def test_numbers_that_are_none_are_counted_in_16_bits() -> None:
    repairer = small_repairer(RepairForm.BF16, network=broken())
    assert [repairer.repaired([an_input(seed)]).not_finite for seed in range(2)] == [1, 1]


def test_numbers_that_are_none_have_no_range() -> None:
    pictures = [joined(an_input(0), plate_SS3=an_input(9).head_SS3)]
    with pytest.raises(WeightsError) as caught:
        found_ranges(broken(), pictures)
    assert caught.value.code == "form_unavailable"
