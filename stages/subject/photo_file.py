"""A photo read from a file that may be anybody's: its size is asked before there is room made for it.

Legend: H/W pixels, 3 = RGB.
"""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms, ImageOps

from stages.errors import SubjectError
from stages.files import is_plain_file

LARGEST_FILE: Final = 200_000_000
LARGEST_PIXELS: Final = 89_000_000
"""Of a picture of 24 bits a quarter of a gigabyte; Pillow itself warns a little above."""

GREY: Final = 128
"""What lies behind where a picture is transparent."""

_LOOKED_AT: Final = 64
_HEIF_BRANDS: Final = frozenset((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"))
_AVIF_BRANDS: Final = frozenset((b"avif", b"avis"))

_READ: Final = ("JPEG", "PNG", "WEBP", "HEIF")
_MOVING: Final = ("PNG", "WEBP")
_SDR_PRIMARIES: Final = (1, 2)
"""BT.709 and unknown, of ITU-T H.273: what a HEIC file may say of its colours without a profile."""

_DAMAGED: Final = (
    *(ArithmeticError, AttributeError, EOFError, LookupError, OSError, RuntimeError, SyntaxError, TypeError),
    *(ValueError, struct.error, zlib.error, MemoryError),
)
"""What Pillow, its plugins and the readers of metadata raise for damaged bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Photo:
    """A picture as it is to be seen.

    Attributes:
        picture_HW3: (H, W, 3) RGB, upright, sRGB.
        told: what was done to it, in sentences.
        transparent: share of its pixels that let some of what lies behind through.
    """

    picture_HW3: NDArray[np.uint8]
    told: tuple[str, ...]
    transparent: float


def picture_kind(path: Path) -> str | None:
    """What kind of still picture a file holds, by its first bytes; None for anything else, clips among it."""
    if not is_plain_file(path):
        return None
    try:
        with path.open("rb") as file:
            return _kind(file.read(_LOOKED_AT))
    except OSError:
        # Who reads all of it says why it cannot be read.
        return None


def _kind(start: bytes) -> str | None:
    for mark, kind in (
        (b"\xff\xd8\xff", "JPEG"),
        (b"\x89PNG\r\n\x1a\n", "PNG"),
        (b"BM", "BMP"),
        (b"II*\0", "TIFF"),
        (b"MM\0*", "TIFF"),
        (b"\0\0\0\x0cjP  ", "JPEG 2000"),
        (b"\0\0\0\x0cJXL ", "JPEG XL"),
        (b"\xff\x0a", "JPEG XL"),
    ):
        if start.startswith(mark):
            return kind
    if start[:4] == b"RIFF" and start[8:12] == b"WEBP":
        return "WEBP"
    if start[4:8] != b"ftyp":
        return None
    brands = {start[8:12], *(start[at : at + 4] for at in range(16, len(start) - 3, 4))}
    # The first one says what it is first of all: films name brands of pictures too.
    for known, kind in ((_HEIF_BRANDS, "HEIF"), (_AVIF_BRANDS, "AVIF")):
        if start[8:12] in known and not (kind == "HEIF" and brands & _AVIF_BRANDS):
            return kind
    return "AVIF" if start[8:12] in _HEIF_BRANDS else None


def read_photo(path: Path) -> Photo:
    """Read a photo: JPEG, PNG, WebP or HEIC, whatever its name ends in.

    It is turned as its metadata says, brought to sRGB from its colour profile and to 8 bits, and put before grey where
    it is transparent.

    Raises:
        SubjectError: there is no file (``photo_not_found``), of another format (``photo_format``), too large
            (``photo_too_large``), in colours that cannot be shown here (``photo_colours``), of several pictures
            (``photo_animated``), not whole (``photo_damaged``), or one that may not be read
            (``photo_unreadable``).
    """
    data = _bytes_of(path)
    kind = _kind(data[:_LOOKED_AT])
    if kind not in _READ:
        raise SubjectError(
            code="photo_format",
            where=str(path),
            what=f"a photo of the format {kind} is not read" if kind else "this is no photo",
            hint="hand in a JPEG, PNG, WebP or HEIC file",
        )
    if kind == "HEIF":
        _open_heif(path)
    try:
        with warnings.catch_warnings(record=True) as odd:
            warnings.simplefilter("always")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(data), formats=(kind,)) as image:
                _check_header(image, path)
                image.load()
                photo = _shown(image)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _too_large(path, f"more than {LARGEST_PIXELS / 1e6:.0f} megapixels") from error
    except SubjectError:
        raise
    except _DAMAGED as error:
        raise SubjectError(
            code="photo_damaged",
            where=str(path),
            what=f"the photo cannot be read to its end: {_one_line(error)}",
            hint="copy it again from where it came from, or export it as PNG",
        ) from error
    odd_sentences = dict.fromkeys(f"odd in the file: {_one_line(each.message)}" for each in odd)
    return replace(photo, told=(*photo.told, *odd_sentences))


def _bytes_of(path: Path) -> bytes:
    if not is_plain_file(path):
        raise SubjectError(
            code="photo_not_found", where=str(path), what="there is no such file", hint="check the path"
        )
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST_FILE + 1)
    except OSError as error:
        raise SubjectError(
            code="photo_unreadable",
            where=str(path),
            what=f"the file may not be read: {error.strerror}",
            hint="check its permissions",
        ) from error
    if len(data) > LARGEST_FILE:
        raise _too_large(path, f"a file of more than {LARGEST_FILE / 1e6:.0f} MB")
    return data


def _open_heif(path: Path) -> None:
    try:
        from pillow_heif import register_heif_opener
    except ImportError as error:
        raise SubjectError(
            code="photo_format",
            where=str(path),
            what="HEIC files are read by pillow-heif, which is not installed",
            hint="install the extra prepare, or export the photo as JPEG",
        ) from error
    register_heif_opener(thumbnails=False)


def _check_header(image: Image.Image, path: Path) -> None:
    """What can be said before a pixel is decoded."""
    width, height = image.size
    if width * height > LARGEST_PIXELS:
        raise _too_large(path, f"{width} x {height} pixels")
    # Of several in a JPEG or HEIC file the first is the photo; the others are its depth, its light, or a burst.
    if image.format in _MOVING and getattr(image, "n_frames", 1) > 1:
        raise SubjectError(
            code="photo_animated",
            where=str(path),
            what="the file holds several pictures",
            hint="export the one that is to be used, or hand in a clip",
        )
    colours = image.info.get("nclx_profile")
    has_profile = bool(image.info.get("icc_profile"))
    if colours and not has_profile and colours.get("color_primaries") not in _SDR_PRIMARIES:
        raise SubjectError(
            code="photo_colours",
            where=str(path),
            what="its colours are of a wide gamut or of high dynamic range, without a profile",
            hint="export the photo as JPEG",
        )


def _shown(image: Image.Image) -> Photo:
    told = []
    upright = ImageOps.exif_transpose(image)
    if upright.size != image.size or image.getexif().get(0x0112, 1) not in (0, 1):
        told.append("the photo was turned as its metadata says")
    profile, pixels = image.info.get("icc_profile"), upright
    if pixels.mode.startswith("I"):
        pixels = _of_16_bits(pixels)
        told.append("its 16 bits were brought to 8")
    alpha = None
    if "transparency" in image.info or pixels.mode in ("LA", "PA", "RGBA", "La", "RGBa"):
        pixels = pixels.convert("RGBA")
        alpha = pixels.getchannel("A")
        pixels = pixels.convert("RGB")
    elif pixels.mode in ("P", "1"):
        pixels = pixels.convert("RGB")
    pixels, sentence = _to_srgb(pixels, profile)
    told += [sentence] if sentence else []
    transparent = 0.0
    if alpha is not None:
        transparent = float((np.asarray(alpha) < 255).mean())
        pixels = Image.composite(pixels, Image.new("RGB", pixels.size, (GREY,) * 3), alpha)
        told += ["what is transparent was put before grey"] if transparent else []
    return Photo(
        picture_HW3=np.array(pixels, dtype=np.uint8),
        told=tuple(told),
        transparent=transparent,
    )


def _of_16_bits(image: Image.Image) -> Image.Image:
    """Grey of 16 bits as 8: Pillow's own conversion cuts off all above the lowest 8."""
    levels_HW = np.asarray(image).astype(np.float64) / 257.0
    return Image.fromarray(np.clip(np.rint(levels_HW), 0, 255).astype(np.uint8))


_SPACES: Final = {"RGB": "RGB", "CMYK": "CMYK", "GRAY": "L", "LAB": "LAB"}


def _to_srgb(image: Image.Image, profile: bytes | None) -> tuple[Image.Image, str]:
    """A picture in sRGB, and what there is to know of it."""
    if not profile:
        plain = image.mode in ("RGB", "L")
        return image.convert("RGB"), "" if plain else f"its {image.mode} colours have no profile"
    try:
        source: Any = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        mode = _SPACES.get(source.profile.xcolor_space.strip(), "")
        if (mode == "L" and image.mode == "RGB") or (mode == "RGB" and image.mode == "L"):
            image = image.convert(mode)
        if mode != image.mode:
            raise ImageCms.PyCMSError(f"a profile of {mode or 'other'} colours on {image.mode} pixels")
        converted = ImageCms.profileToProfile(
            image,
            source,
            ImageCms.createProfile("sRGB"),
            renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
            outputMode="RGB",
            flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError) as error:
        return (
            image.convert("RGB"),
            f"its colour profile cannot be used and was left out: {_one_line(error)}",
        )
    assert converted is not None
    name = ImageCms.getProfileDescription(source).strip()
    return (
        converted,
        "" if "sRGB" in name else f"its colours were brought to sRGB from {name[:60] or 'a profile'}",
    )


def _one_line(error: BaseException | str) -> str:
    return " ".join(str(error).split())[:120] or type(error).__name__


def _too_large(path: Path, what: str) -> SubjectError:
    return SubjectError(
        code="photo_too_large",
        where=str(path),
        what=f"the photo is too large: {what}",
        hint=f"scale it down: at most {LARGEST_PIXELS / 1e6:.0f} megapixels are read, and 2 are enough",
    )
