from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from average_actor import average_subject
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.builtin import builtin_subject
from stages.errors import WeightsError
from stages.faco.composer_stage import Amplitude, ComposerStage
from stages.faco.network import FacoConfig, FaCoNet
from stages.geometry.canonical import canonicalise, straightened
from stages.geometry.landmarks import LIPS, REST
from stages.payloads import MOTION_CHANNELS, Motion, PosedFace
from stages.render.generator import Generator
from stages.render.generator_config import GeneratorConfig
from stages.subject.motion_limits import MotionLimits
from stages.subject.package import SubjectPackage
from stages.weights import save_weights
from stages.weights_header import WeightsHeader

FRAMES = 150
SUBJECT = average_subject(renderer_weights=SubjectPackage.load(builtin_subject("actor-a")).renderer_weights)
AS_IT_IS = Amplitude()


def header(config: FacoConfig, **changed: object) -> WeightsHeader:
    fields = {"architecture": "faco", "sizes": asdict(config), "encoder": "", "fps": 25, "training_data": ""}
    return WeightsHeader(**{**fields, **changed})


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> ComposerStage:
    """Random weights of the shipped size, loud enough to move the face by some px."""
    torch.manual_seed(0)
    network, path = FaCoNet(FacoConfig()), tmp_path_factory.mktemp("faco") / "faco.safetensors"
    with torch.no_grad():
        for weight in network.parameters():
            weight.mul_(2)
    save_weights(path, network, header(FacoConfig()))
    return ComposerStage.load(weights=path, device="cpu")


@pytest.fixture(scope="module")
def motion() -> Motion:
    rows_TC = np.random.default_rng(0).normal(0, 3, (FRAMES, MOTION_CHANNELS))
    rows_TC[:, 306] *= 0.01
    return Motion.from_rows(rows_TC.astype(np.float32))


@pytest.fixture(scope="module")
def whole(stage: ComposerStage, motion: Motion) -> PosedFace:
    return stage.compose(motion, lead=0, frame_count=FRAMES, subject=SUBJECT, amplitude=AS_IT_IS)


@settings(deadline=None, max_examples=10)
@given(st.integers(0, FRAMES - 1), st.data())
def test_a_part_of_the_speech_equals_the_same_part_of_the_whole(
    stage: ComposerStage, motion: Motion, whole: PosedFace, start: int, data: st.DataObject
):
    stop = data.draw(st.integers(start + 1, FRAMES))
    low, high = max(0, start - stage.context_frames), min(FRAMES, stop + stage.context_frames)
    part = stage.compose(
        motion.slice(low, high),
        lead=start - low,
        frame_count=stop - start,
        subject=SUBJECT,
        amplitude=AS_IT_IS,
    )
    np.testing.assert_array_equal(part.mesh_TN3, whole.mesh_TN3[start:stop])
    np.testing.assert_array_equal(part.torso_TN3, whole.torso_TN3[start:stop])


def test_the_face_moves_with_mouth_and_eyes(whole: PosedFace):
    assert whole.mesh_TN3.shape == (FRAMES, 478, 3)
    assert whole.torso_TN3.shape == (FRAMES, 18, 3)
    canonical_TN3, _ = canonicalise(whole.mesh_TN3, np.tile(SUBJECT.template.head_7[:3], (FRAMES, 1)))
    assert canonical_TN3.std(axis=0).mean() > 0.01


def test_amplitude_zero_keeps_head_and_shoulders_at_the_template(stage: ComposerStage, motion: Motion):
    still = Amplitude(head=0.0, torso=0.0)
    face = stage.compose(motion, lead=0, frame_count=FRAMES, subject=SUBJECT, amplitude=still)
    template = SUBJECT.template
    np.testing.assert_array_equal(face.torso_TN3, np.tile(template.torso_N3, (FRAMES, 1, 1)))
    head_T7 = np.tile(template.head_7, (FRAMES, 1))
    quiet = Motion.from_rows(np.zeros((FRAMES, MOTION_CHANNELS), dtype=np.float32))
    loud_head = Motion(
        mouth_TN3=quiet.mouth_TN3, eyes_TN3=quiet.eyes_TN3, head_TC=motion.head_TC, torso_TN3=quiet.torso_TN3
    )
    shaken, unmoved = (
        stage.compose(track, lead=0, frame_count=FRAMES, subject=SUBJECT, amplitude=still)
        for track in (loud_head, quiet)
    )
    np.testing.assert_array_equal(shaken.mesh_TN3, unmoved.mesh_TN3)
    assert canonicalise(face.mesh_TN3, head_T7[:, :3])[1][:, 6] == pytest.approx(template.head_7[6], rel=0.05)


def test_amplitude_scales_the_motion_of_the_shoulders(stage: ComposerStage, motion: Motion, whole: PosedFace):
    half = stage.compose(motion, lead=0, frame_count=FRAMES, subject=SUBJECT, amplitude=Amplitude(torso=0.5))
    rest_N3 = SUBJECT.template.torso_N3
    np.testing.assert_allclose(2 * (half.torso_TN3 - rest_N3), whole.torso_TN3 - rest_N3, atol=1e-3)


def test_a_subject_seen_in_one_pose_stays_near_it(stage: ComposerStage, motion: Motion, whole: PosedFace):
    limits = MotionLimits(yaw=4.0, pitch=3.0, roll=2.0, shift_px=5.0, scale=0.02)
    near = replace(SUBJECT, motion_limits=limits)
    wild = replace(motion, head_TC=motion.head_TC * np.float32(8.0))
    face = stage.compose(wild, lead=0, frame_count=FRAMES, subject=near, amplitude=AS_IT_IS)
    _, head_T7 = straightened(face.mesh_TN3, template_N3=SUBJECT.template.mesh_N3)
    moved_TC = np.abs(head_T7 - SUBJECT.template.head_7)
    # Lips and cheeks that FaCo-Net moves turn what is told of the bone a little.
    assert (moved_TC[:, :3].max(axis=0) < np.array([4, 3, 2]) + 1.5).all()
    assert (moved_TC[:, 3:5] < 8).all()
    assert np.abs(face.mesh_TN3 - whole.mesh_TN3).max() > 1
    far = stage.compose(wild, lead=0, frame_count=FRAMES, subject=SUBJECT, amplitude=AS_IT_IS)
    _, far_T7 = straightened(far.mesh_TN3, template_N3=SUBJECT.template.mesh_N3)
    assert np.abs(far_T7 - SUBJECT.template.head_7)[:, :3].max() > 10


def test_a_scale_far_below_zero_does_not_blow_the_face_up(stage: ComposerStage, motion: Motion):
    rows_TC = motion.as_rows().copy()
    rows_TC[:, 306] = -5
    face = stage.compose(
        Motion.from_rows(rows_TC), lead=0, frame_count=FRAMES, subject=SUBJECT, amplitude=AS_IT_IS
    )
    assert np.abs(face.mesh_TN3).max() < 4 * 512


@pytest.mark.parametrize(
    "changed",
    [{"architecture": "moda"}, {"fps": 30}, {"sizes": {"width": 3}}, {"sizes": {"decoder_width": 8}}],
)
def test_weights_of_another_network_are_refused(tmp_path: Path, changed: dict[str, object]):
    config = FacoConfig(encoder_width=8, subject_width=8, decoder_width=16)
    save_weights(tmp_path / "faco.safetensors", FaCoNet(config), header(config, **changed))
    with pytest.raises(WeightsError) as caught:
        ComposerStage.load(weights=tmp_path / "faco.safetensors", device="cpu")
    assert caught.value.code == "weights_mismatch"


def test_a_renderer_trained_without_the_composer_gets_faces_without_it(
    stage: ComposerStage, motion: Motion, whole: PosedFace, tmp_path: Path
):
    config, path = GeneratorConfig(levels=3, width=2), tmp_path / "renderer.safetensors"
    facts = {"composed_face": False}
    save_weights(
        path,
        Generator(config),
        header(FacoConfig(), architecture="renderer", sizes=asdict(config), facts=facts),
    )
    pasted = stage.compose(
        motion,
        lead=0,
        frame_count=FRAMES,
        subject=average_subject(renderer_weights=path),
        amplitude=Amplitude(head=0.0),
    )
    composed = stage.compose(
        motion, lead=0, frame_count=FRAMES, subject=SUBJECT, amplitude=Amplitude(head=0.0)
    )
    np.testing.assert_allclose(pasted.mesh_TN3[:, LIPS], composed.mesh_TN3[:, LIPS], atol=1e-3)
    assert np.ptp(pasted.mesh_TN3[:, REST], axis=0).max() == 0
    assert np.ptp(composed.mesh_TN3[:, REST], axis=0).max() > 0.01
