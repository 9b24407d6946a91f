"""Colours that are not BT.709's, brought to it: HLG and PQ tone-mapped, wide gamuts narrowed.

Legend: H, W pixels; 3 = R, G, B; P pixels of a strip.

BT.2100 says what the code values of HLG and PQ mean as light of a screen, BT.2408 that white lies at 203 cd/m2 of it.
That light, relative to white, is what BT.709's code values mean to a screen of gamma 2.4 (BT.1886): so faces, which
are darker than white, look as they would in a recording without high dynamic range, and only what is brighter than the
knee is drawn together.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
from av.video.reformatter import ColorPrimaries, ColorTrc
from numpy.typing import NDArray

Frame = NDArray[np.uint8]
Floats = NDArray[np.float32]

HDR_WHITE: Final = 203.0
"""cd/m2 of diffuse white in HLG and PQ (BT.2408)."""
SDR_WHITE: Final = 100.0
"""cd/m2 of white where a converter put SDR into HLG or PQ at the level of BT.1886's reference screen."""

_PEAK: Final = 1000.0
"""cd/m2 of the screen for which HLG's system gamma is 1.2; what is brighter, PQ alone has it, becomes white."""
_SYSTEM_GAMMA: Final = 1.2
_SCREEN_GAMMA: Final = 2.4
_KNEE: Final = 0.85
"""Code value from which on highlights are drawn together."""

_ENTRIES: Final = 4096
_BRIGHTEST: Final = 10_000.0 / SDR_WHITE
"""Of PQ's light, relative to white."""
_STRIP: Final = 32
"""Rows worked on at once: their arrays stay in the processor's cache."""

_D65: Final = (0.3127, 0.3290)
_CHROMATICITIES: Final = {
    ColorPrimaries.BT709: ((0.640, 0.330), (0.300, 0.600), (0.150, 0.060)),
    ColorPrimaries.BT2020: ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046)),
    ColorPrimaries.SMPTE431: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060)),
    ColorPrimaries.SMPTE432: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060)),
}
"""CIE x, y of red, green and blue. Video of SMPTE 431 is taken to have the white of SMPTE 432, its successor."""

_NAMES: Final = {
    ColorPrimaries.BT2020: "BT.2020",
    ColorPrimaries.SMPTE431: "DCI-P3",
    ColorPrimaries.SMPTE432: "Display P3",
}

WIDE_GAMUTS: Final = frozenset(_NAMES)
HIGH_RANGES: Final = frozenset({ColorTrc.ARIB_STD_B67, ColorTrc.SMPTE2084})


@dataclass(frozen=True, slots=True, kw_only=True)
class ToneMap:
    """From RGB code values of 16 bits to those of BT.709 in 8.

    Attributes:
        transfer: of the recording; one of `HIGH_RANGES` is tone-mapped, any other is taken as BT.709's.
        primaries: of the recording.
        white: cd/m2 that become white; without a meaning outside `HIGH_RANGES`.
    """

    transfer: ColorTrc
    primaries: ColorPrimaries
    white: float = HDR_WHITE

    def apply(self, wide_HW3: NDArray[np.uint16]) -> Frame:
        """The picture (H, W, 3) in 8 bits; the same values on every processor."""
        narrow_HW3 = np.empty(wide_HW3.shape, dtype=np.uint8)
        for top in range(0, len(wide_HW3), _STRIP):
            rows = slice(top, top + _STRIP)
            narrow_HW3[rows] = self._strip(wide_HW3[rows])
        return narrow_HW3

    def sentence(self) -> str:
        """What the recording is in, for people."""
        if self.transfer not in HIGH_RANGES:
            return _NAMES[self.primaries]
        return f"{'HLG' if self.transfer is ColorTrc.ARIB_STD_B67 else 'PQ'} with white at {self.white:.0f} cd/m2"

    def brightest(self, wide_HW3: NDArray[np.uint16]) -> float:
        """cd/m2 of the largest primary that one pixel in a thousand exceeds."""
        red, green, blue = self._light(wide_HW3)
        return float(np.percentile(np.maximum(np.maximum(red, green), blue), 99.9)) * self.white

    def _light(self, wide_HW3: NDArray[np.uint16]) -> tuple[Floats, Floats, Floats]:
        """Light of the screen in the primaries of BT.709, relative to white; below 0 outside of its gamut."""
        table = _linear(self.transfer, self.white)
        wide = [table[wide_HW3[..., channel]] for channel in range(3)]
        red, green, blue = (_mixed(row, wide) for row in _to_bt709(self.primaries))
        if self.transfer is not ColorTrc.ARIB_STD_B67:
            return red, green, blue
        # HLG's code values are light of the scene; a screen shows it with a gamma that depends on its luminance.
        luminance = np.clip(_mixed(_luminance(self.primaries), wide), 0, 1)
        gain = _ootf(self.white)[_index(luminance)]
        return red * gain, green * gain, blue * gain

    def _strip(self, wide_HW3: NDArray[np.uint16]) -> Frame:
        light = self._light(wide_HW3)
        if self.transfer in HIGH_RANGES:
            largest = np.maximum(np.maximum(light[0], light[1]), light[2])
            if largest.max() > _KNEE**_SCREEN_GAMMA:
                # By the largest primary, all three alike: the hue stays.
                gain = _roll_off(self.white)[_index(np.clip(largest / np.float32(_BRIGHTEST), 0, 1))]
                light = (light[0] * gain, light[1] * gain, light[2] * gain)
        codes = _codes()
        return np.stack([codes[_index(np.clip(primary, 0, 1))] for primary in light], axis=-1)


def is_high_range(transfer: int) -> bool:
    """Whether a transfer characteristic (AVColorTransferCharacteristic) is HLG's or PQ's."""
    return transfer in HIGH_RANGES


def white_behind(brightest: float) -> float:
    """cd/m2 of white in an HLG or PQ clip whose brightest tones reach `brightest`.

    Some converters, FFmpeg's by default, put SDR into HLG and PQ with its white at 100 cd/m2. Nothing in the file says
    so, but nothing in its pictures is brighter either.
    """
    return SDR_WHITE if brightest < math.sqrt(SDR_WHITE * HDR_WHITE) else HDR_WHITE


def _mixed(weights_3: Floats, primaries: list[Floats]) -> Floats:
    # Not a matrix product: those round differently from processor to processor.
    return weights_3[0] * primaries[0] + weights_3[1] * primaries[1] + weights_3[2] * primaries[2]


def _index(share: Floats) -> NDArray[np.int32]:
    """Entry of a table for values in [0, 1]: the root gives dark tones as many entries as the eye tells apart."""
    return (np.sqrt(share) * np.float32(_ENTRIES - 1) + np.float32(0.5)).astype(np.int32)


def _shares() -> NDArray[np.float64]:
    """The value in [0, 1] behind every entry of a table."""
    return np.linspace(0, 1, _ENTRIES) ** 2


@cache
def _codes() -> NDArray[np.uint8]:
    """Light to code values."""
    return np.round(255 * _shares() ** (1 / _SCREEN_GAMMA)).astype(np.uint8)


@cache
def _ootf(white: float) -> Floats:
    """Luminance of the scene to the gain from light of the scene to light of the screen (BT.2100)."""
    gain = _PEAK / white * _shares() ** (_SYSTEM_GAMMA - 1)
    return gain.astype(np.float32)


@cache
def _roll_off(white: float) -> Floats:
    """Share of the brightest light to the gain that draws highlights together.

    Code values x above the knee go to knee + (1 - knee) u (1 + u / v^2) / (1 + u), where u counts from the knee in
    steps of 1 - knee and v is the peak: no step and no bend at the knee, and the peak becomes white.
    """
    code = (_BRIGHTEST * _shares()) ** (1 / _SCREEN_GAMMA)
    peak = (_PEAK / white) ** (1 / _SCREEN_GAMMA)
    above, furthest = np.maximum(code - _KNEE, 0) / (1 - _KNEE), (peak - _KNEE) / (1 - _KNEE)
    drawn = _KNEE + (1 - _KNEE) * above * (1 + above / furthest**2) / (1 + above)
    target = np.where(code > _KNEE, np.minimum(drawn, 1), code)
    gain = (target / np.maximum(code, 1e-6)) ** _SCREEN_GAMMA
    gain[0] = 1
    return gain.astype(np.float32)


@cache
def _linear(transfer: ColorTrc, white: float) -> Floats:
    """Code values of 16 bits to light: of the scene for HLG, else of the screen relative to white."""
    code = np.arange(65_536) / 65_535
    if transfer is ColorTrc.ARIB_STD_B67:
        low, high = code**2 / 3, (np.exp((code - 0.55991073) / 0.17883277) + 0.28466892) / 12
        light = np.where(code <= 0.5, low, high)
    elif transfer is ColorTrc.SMPTE2084:
        root = code ** (1 / 78.84375)
        light = (np.maximum(root - 0.8359375, 0) / (18.8515625 - 18.6875 * root)) ** (1 / 0.1593017578125)
        light *= 10_000 / white
    else:
        light = code**_SCREEN_GAMMA
    return light.astype(np.float32)


@cache
def _to_bt709(primaries: ColorPrimaries) -> Floats:
    """(3, 3) from light in one set of primaries to BT.709's."""
    return (np.linalg.inv(_to_xyz(ColorPrimaries.BT709)) @ _to_xyz(primaries)).astype(np.float32)


def _luminance(primaries: ColorPrimaries) -> Floats:
    return _to_xyz(primaries)[1].astype(np.float32)


@cache
def _to_xyz(primaries: ColorPrimaries) -> NDArray[np.float64]:
    """(3, 3) from light in a set of primaries, white being D65, to CIE XYZ."""

    def xyz(x: float, y: float) -> list[float]:
        return [x / y, 1.0, (1 - x - y) / y]

    columns_33 = np.array([xyz(*each) for each in _CHROMATICITIES[primaries]]).T
    weights_3 = np.linalg.solve(columns_33, np.array(xyz(*_D65)))
    return np.asarray(columns_33 * weights_3, dtype=np.float64)
