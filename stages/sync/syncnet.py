"""SyncNet (Chung and Zisserman, 2016) in the form of its published model, for users who have its weights.

Five frames of the face against the 0.2 s of sound that go with them, each embedded in 1024 numbers. LSE-C and LSE-D
are what the literature reports (MODA section 10). The weights are not part of this project, and this code has never
run with them: the layers, their names and the preparation of picture and sound follow the published model.

Legend: B batch, T frames, S samples at 16 kHz, N points, E embedding width, Q cepstral coefficients, K spectral
frames at 100 Hz, H/W pixels, 3 = channels or (x, y, z).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from typing import Final, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from stages.payloads import SAMPLES_PER_FRAME
from stages.sync.face_crop import face_crops
from stages.sync.mfcc import mfcc
from stages.sync.offsets import SyncScore, check_length, score_embeddings

Floats = NDArray[np.float32]

EMBEDDING: Final = 1024
LIP_FRAMES: Final = 5
SOUND_STEPS: Final = 20
_STEPS_A_FRAME: Final = 4
_BATCH: Final = 8

Item = TypeVar("Item")


class SyncNet(nn.Module):
    """The published network; its parts carry the names of the published weights."""

    def __init__(self) -> None:
        super().__init__()
        self.netcnnaud = nn.Sequential(
            *_convolved(nn.Conv2d(1, 64, 3, padding=1)),
            nn.MaxPool2d(1, 1),
            *_convolved(nn.Conv2d(64, 192, 3, padding=1)),
            nn.MaxPool2d(3, (1, 2)),
            *_convolved(nn.Conv2d(192, 384, 3, padding=1)),
            *_convolved(nn.Conv2d(384, 256, 3, padding=1)),
            *_convolved(nn.Conv2d(256, 256, 3, padding=1)),
            nn.MaxPool2d(3, 2),
            *_convolved(nn.Conv2d(256, 512, (5, 4))),
        )
        self.netcnnlip = nn.Sequential(
            *_convolved(nn.Conv3d(3, 96, (5, 7, 7), (1, 2, 2))),
            nn.MaxPool3d((1, 3, 3), (1, 2, 2)),
            *_convolved(nn.Conv3d(96, 256, (1, 5, 5), (1, 2, 2), (0, 1, 1))),
            nn.MaxPool3d((1, 3, 3), (1, 2, 2), (0, 1, 1)),
            *_convolved(nn.Conv3d(256, 256, (1, 3, 3), padding=(0, 1, 1))),
            *_convolved(nn.Conv3d(256, 256, (1, 3, 3), padding=(0, 1, 1))),
            *_convolved(nn.Conv3d(256, 256, (1, 3, 3), padding=(0, 1, 1))),
            nn.MaxPool3d((1, 3, 3), (1, 2, 2)),
            *_convolved(nn.Conv3d(256, 512, (1, 6, 6))),
        )
        self.netfcaud, self.netfclip = _joined(), _joined()

    def embed_sound(self, sound_B1QK: Tensor) -> Tensor:
        """(B, 1, 13, 20) cepstral coefficients to (B, 1024)."""
        embedded_BE: Tensor = self.netfcaud(self.netcnnaud(sound_B1QK).flatten(1))
        return embedded_BE

    def embed_lips(self, faces_B3THW: Tensor) -> Tensor:
        """(B, 3, 5, 224, 224) BGR frames, 0 to 255, to (B, 1024)."""
        embedded_BE: Tensor = self.netfclip(self.netcnnlip(faces_B3THW).flatten(1))
        return embedded_BE


def score_syncnet(
    frames_THW3: Iterable[NDArray[np.uint8]], mesh_TN3: Floats, samples_S: Floats, *, network: SyncNet
) -> SyncScore:
    """LSE-C as `confidence` and LSE-D as `distance`, as the published evaluation computes them.

    Args:
        frames_THW3: RGB frames at 25 fps, read one at a time.
        mesh_TN3: meshes (T, 478, 3) in px of the frames, for the crop.
        samples_S: speech from the first frame on.
        network: from `stages.sync.syncnet_weights.load_syncnet`.

    The published code gives the offset the other sign: there, sound that lags is negative.

    Raises SpeechError (``sync_too_short``) below two seconds.
    """
    frames = min(len(mesh_TN3), len(samples_S) // SAMPLES_PER_FRAME)
    # The published evaluation leaves one window more out than five frames need.
    windows = frames - LIP_FRAMES
    check_length(windows)
    sound_QK = torch.from_numpy(mfcc(samples_S)).float()
    with torch.inference_mode():
        sound = [
            network.embed_sound(torch.stack([_sound_window(sound_QK, window) for window in batch])[:, None])
            for batch in _batches(range(windows))
        ]
        faces = _windows(face_crops(frames_THW3, mesh_TN3), windows)
        lips = [network.embed_lips(torch.stack(batch)) for batch in _batches(faces)]
    return score_embeddings(torch.cat(sound).numpy(), torch.cat(lips).numpy(), zeros_beyond=True)


def _sound_window(sound_QK: Tensor, frame: int) -> Tensor:
    return sound_QK[:, frame * _STEPS_A_FRAME : frame * _STEPS_A_FRAME + SOUND_STEPS]


def _windows(crops_HW3: Iterable[NDArray[np.uint8]], count: int) -> Iterator[Tensor]:
    """The first windows (3, 5, H, W) of consecutive crops; only five crops are held at a time."""
    held: deque[Tensor] = deque(maxlen=LIP_FRAMES)
    for crop_HW3 in crops_HW3:
        held.append(torch.from_numpy(crop_HW3).permute(2, 0, 1).float())
        if len(held) == LIP_FRAMES and count > 0:
            yield torch.stack(list(held), dim=1)
            count -= 1


def _batches(items: Iterable[Item]) -> Iterator[list[Item]]:
    batch: list[Item] = []
    for item in items:
        batch.append(item)
        if len(batch) == _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def _convolved(convolution: nn.Conv2d | nn.Conv3d) -> tuple[nn.Module, nn.Module, nn.Module]:
    """A convolution, its batch norm and its activation."""
    norm = nn.BatchNorm3d if isinstance(convolution, nn.Conv3d) else nn.BatchNorm2d
    return convolution, norm(convolution.out_channels), nn.ReLU()


def _joined() -> nn.Sequential:
    return nn.Sequential(nn.Linear(512, 512), nn.BatchNorm1d(512), nn.ReLU(), nn.Linear(512, EMBEDDING))


assert SOUND_STEPS == LIP_FRAMES * _STEPS_A_FRAME, "sound and lips cover the same 0.2 s"
