"""SyncNet without its weights: its layers and names, the loader, and the search with made-up embeddings."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from stages.errors import SpeechError, WeightsError
from stages.payloads import SAMPLES_PER_FRAME
from stages.sync.face_crop import CROP, face_boxes, face_crops
from stages.sync.mfcc import mfcc
from stages.sync.syncnet import SyncNet, score_syncnet
from stages.sync.syncnet_file import NAMES
from stages.sync.syncnet_weights import load_syncnet


@pytest.fixture(scope="module")
def untaught() -> SyncNet:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    return SyncNet().eval().requires_grad_(False)


def test_both_halves_end_in_1024_numbers(untaught: SyncNet):
    with torch.inference_mode():
        assert untaught.embed_sound(torch.zeros(2, 1, 13, 20)).shape == (2, 1024)
        assert untaught.embed_lips(torch.zeros(1, 3, 5, CROP, CROP)).shape == (1, 1024)


def test_the_parts_have_the_published_names_and_shapes(untaught: SyncNet):
    state = untaught.state_dict()
    assert {name.partition(".")[0] for name in state} == {"netcnnaud", "netcnnlip", "netfcaud", "netfclip"}
    shapes = {
        "netcnnaud.0.weight": (64, 1, 3, 3),
        "netcnnaud.4.weight": (192, 64, 3, 3),
        "netcnnaud.8.weight": (384, 192, 3, 3),
        "netcnnaud.11.weight": (256, 384, 3, 3),
        "netcnnaud.14.weight": (256, 256, 3, 3),
        "netcnnaud.18.weight": (512, 256, 5, 4),
        "netcnnaud.19.running_var": (512,),
        "netcnnlip.0.weight": (96, 3, 5, 7, 7),
        "netcnnlip.4.weight": (256, 96, 1, 5, 5),
        "netcnnlip.8.weight": (256, 256, 1, 3, 3),
        "netcnnlip.11.weight": (256, 256, 1, 3, 3),
        "netcnnlip.14.weight": (256, 256, 1, 3, 3),
        "netcnnlip.18.weight": (512, 256, 1, 6, 6),
        "netfcaud.0.weight": (512, 512),
        "netfcaud.1.running_mean": (512,),
        "netfclip.3.weight": (1024, 512),
    }
    assert {name: tuple(state[name].shape) for name in shapes} == shapes


@pytest.mark.parametrize("name", NAMES)
def test_weights_in_a_folder_are_loaded_as_they_are(untaught: SyncNet, tmp_path: Path, name: str):
    state = untaught.state_dict()
    if name.endswith(".safetensors"):
        save_file(state, tmp_path / name)
    else:
        torch.save(state, tmp_path / name)
    loaded = load_syncnet(tmp_path)
    assert not loaded.training
    assert all(torch.equal(loaded.state_dict()[key], tensor) for key, tensor in state.items())


def refusal(path: Path) -> WeightsError:
    with pytest.raises(WeightsError) as caught:
        load_syncnet(path)
    return caught.value


def test_wrong_names_and_shapes_are_refused_and_named(untaught: SyncNet, tmp_path: Path):
    state = dict(untaught.state_dict())
    state["netfcaud.9.weight"] = state.pop("netfcaud.3.weight")
    state["netfclip.3.bias"] = torch.zeros(7)
    torch.save(state, tmp_path / "other.model")
    error = refusal(tmp_path / "other.model")
    assert error.code == "weights_mismatch"
    for part in ("missing netfcaud.3.weight", "unexpected netfcaud.9.weight", "netfclip.3.bias is (7,)"):
        assert part in error.what


def test_a_pickled_model_is_refused_without_running_it(untaught: SyncNet, tmp_path: Path):
    torch.save(untaught, tmp_path / NAMES[1])
    assert refusal(tmp_path).code == "weights_unreadable"


@pytest.mark.parametrize("name", NAMES)
def test_what_is_no_weights_file_is_refused(tmp_path: Path, name: str):
    assert refusal(tmp_path).code == "weights_not_found"
    (tmp_path / name).write_bytes(b"not weights at all")
    assert refusal(tmp_path).code == "weights_unreadable"
    if name.endswith(".model"):
        torch.save([torch.zeros(3)], tmp_path / name)
        assert refusal(tmp_path).code == "weights_unreadable"


class Brightness(nn.Module):
    """Made-up embeddings: how bright each of five faces is, and how loud each of their five frames."""

    def embed_lips(self, faces_B3THW: Tensor) -> Tensor:
        return faces_B3THW.mean(dim=(1, 3, 4)) / 255

    def embed_sound(self, sound_B1QK: Tensor) -> Tensor:
        energy_BT = sound_B1QK[:, 0, 0].unflatten(1, (5, 4)).mean(dim=2)
        return (energy_BT - 15) / 10


def flickering(frames: int, lag: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Frames whose brightness, and speech whose log energy, follow one code; the speech `lag` frames behind."""
    code_T = np.random.default_rng(0).uniform(0.1, 0.9, frames + 40)
    mesh_TN3 = np.zeros((frames, 478, 3), np.float32)
    mesh_TN3[:, 0, :2], mesh_TN3[:, 1, :2] = (10, 10), (50, 60)
    frames_THW3 = np.repeat((255 * code_T[20 : 20 + frames]).astype(np.uint8), 3 * 64 * 80)
    heard_T = code_T[20 - lag : 20 - lag + frames]
    noise_S = np.random.default_rng(1).normal(size=frames * SAMPLES_PER_FRAME)
    speech_S = noise_S * np.repeat(np.exp((10 * heard_T - 8) / 2), SAMPLES_PER_FRAME) / 100
    return frames_THW3.reshape(frames, 80, 64, 3), mesh_TN3, speech_S.astype(np.float32)


@pytest.mark.parametrize("lag", [0, 6, -9])
def test_the_offset_is_found_from_frames_and_speech(lag: int):
    frames_THW3, mesh_TN3, speech_S = flickering(70, lag)
    score = score_syncnet(frames_THW3, mesh_TN3, speech_S, network=Brightness())  # type: ignore[arg-type]
    assert score.offset == lag
    assert score.confidence > 0


def test_clips_under_two_seconds_are_refused():
    with pytest.raises(SpeechError) as caught:
        score_syncnet(*flickering(54, 0), network=Brightness())  # type: ignore[arg-type]
    assert caught.value.code == "sync_too_short"


def test_the_coefficients_are_those_of_python_speech_features():
    place_S = np.arange(3200)
    tone_S = 8000 * np.sin(2 * np.pi * 440 * place_S / 16000) * np.sin(np.pi * place_S / 3200)
    # python_speech_features 0.6, mfcc(round(tone), 16000), frames 0 and 9.
    expected_QK = [
        [16.053687, 19.051449],
        [18.866944, 18.925894],
        [2.000136, 1.85147],
        [-13.307942, -14.09238],
        [-25.45413, -27.13598],
        [-31.007912, -33.490135],
        [-26.95807, -29.611119],
        [-16.450899, -18.480957],
        [-2.475285, -3.026525],
        [9.043007, 10.342609],
        [15.819227, 18.572624],
        [14.64177, 18.487344],
        [8.787885, 12.25096],
    ]
    found_QK = mfcc(np.round(tone_S) / 32768)
    assert found_QK.shape == (13, 19)
    np.testing.assert_allclose(found_QK[:, [0, 9]], expected_QK, atol=2e-6)
    assert np.isfinite(mfcc(np.zeros(16000))).all()


def test_the_crop_reaches_below_the_chin_and_to_both_sides_and_is_bgr():
    mesh_TN3 = np.zeros((20, 478, 3), np.float32)
    mesh_TN3[:, 0, :2], mesh_TN3[:, 1:, :2] = (60, 40), (140, 160)
    # One frame in which the tracker slipped does not move the crop.
    mesh_TN3[7] += 30
    np.testing.assert_allclose(face_boxes(mesh_TN3), np.tile([100, 100, 60], (20, 1)))
    frame_HW3 = np.zeros((240, 240, 3), np.uint8)
    # The crop is 16..184 by 40..208: fill its lower right quarter with red.
    frame_HW3[124:208, 100:184, 0] = 200
    crop_HW3 = next(iter(face_crops([frame_HW3], mesh_TN3)))
    assert crop_HW3.shape == (CROP, CROP, 3)
    half = CROP // 2
    assert crop_HW3[half + 3 :, half + 3 :, 2].min() == 200
    assert crop_HW3[..., :2].max() == 0
    assert crop_HW3[: half - 3].max() == 0
    assert crop_HW3[:, : half - 3].max() == 0
