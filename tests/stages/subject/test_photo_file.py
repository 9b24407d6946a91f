"""A photo is read as it is to be seen, whatever wrote it; what is damaged or a bomb is refused in one line."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms, ImageFile

from stages.errors import SubjectError
from stages.subject.photo_file import LARGEST_PIXELS, picture_kind, read_photo

ORIENTATION = 0x0112


def gradient(width: int = 96, height: int = 64) -> np.ndarray:
    """Each corner is of its own colour, and no two places are alike."""
    x, y = np.meshgrid(np.linspace(0, 1, width), np.linspace(0, 1, height))
    return np.stack([40 + 180 * x, 40 + 180 * y, 200 - 150 * x * y], axis=-1).astype(np.uint8)


def saved(path: Path, image: Image.Image, kind: str, **options: object) -> Path:
    image.save(path, format=kind, **options)
    return path


def refusal(path: Path) -> SubjectError:
    with pytest.raises(SubjectError) as caught:
        read_photo(path)
    assert "\n" not in str(caught.value)
    return caught.value


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_a_format_is_told_by_content_not_by_name(tmp_path: Path, kind: str) -> None:
    options = {"quality": 100} if kind != "PNG" else {}
    path = saved(tmp_path / "photo.mp4", Image.fromarray(gradient()), kind, **options)
    assert picture_kind(path) == kind
    assert np.abs(read_photo(path).picture_HW3.astype(int) - gradient()).mean() < 4


def test_heic_is_read(tmp_path: Path) -> None:
    heif = pytest.importorskip("pillow_heif")
    heif.register_heif_opener()
    path = saved(tmp_path / "photo.jpg", Image.fromarray(gradient()), "HEIF", quality=95)
    assert picture_kind(path) == "HEIF"
    assert np.abs(read_photo(path).picture_HW3.astype(int) - gradient()).mean() < 4
    path.write_bytes(path.read_bytes()[:-40])
    assert refusal(path).code == "photo_damaged"


def exif_of(orientation: int) -> bytes:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    return exif.tobytes()


@pytest.mark.parametrize("kind", ["JPEG", "WEBP", "HEIF"])
def test_whatever_wrote_a_turned_photo_it_is_turned_once(tmp_path: Path, kind: str) -> None:
    if kind == "HEIF":
        pytest.importorskip("pillow_heif").register_heif_opener()
    stored = Image.fromarray(gradient()).transpose(Image.Transpose.ROTATE_90)
    path = saved(tmp_path / "p", stored, kind, exif=exif_of(6), quality=95)
    photo = read_photo(path)
    assert photo.picture_HW3.shape == (64, 96, 3)
    assert np.abs(photo.picture_HW3.astype(int) - gradient()).mean() < 5


def test_heic_with_opacity_lies_before_grey(tmp_path: Path) -> None:
    pytest.importorskip("pillow_heif").register_heif_opener()
    pixels = np.dstack([gradient(), np.full((64, 96), 255, np.uint8)])
    pixels[:32, :, 3] = 0
    photo = read_photo(saved(tmp_path / "p", Image.fromarray(pixels, "RGBA"), "HEIF", quality=95))
    assert np.abs(photo.picture_HW3[:24].astype(int) - 128).max() < 6
    assert np.abs(photo.picture_HW3[40:].astype(int) - gradient()[40:]).mean() < 5
    assert 0.4 < photo.transparent < 0.6


def test_heic_of_10_bits_is_read_and_one_of_high_dynamic_range_is_refused(tmp_path: Path) -> None:
    heif = pytest.importorskip("pillow_heif")
    levels = (gradient().astype(np.uint16) * 257).tobytes()
    for name, primaries in (("usual", 1), ("wide", 9)):
        made = heif.from_bytes("RGB;16", (96, 64), levels)
        made.save(tmp_path / name, quality=95, color_primaries=primaries, bit_depth=10)
    photo = read_photo(tmp_path / "usual")
    assert np.abs(photo.picture_HW3.astype(int) - gradient()).mean() < 5
    assert refusal(tmp_path / "wide").code == "photo_colours"


@pytest.mark.parametrize("kind", ["JPEG", "WEBP", "HEIF"])
def test_a_bomb_of_any_format_is_refused_before_it_is_decoded(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if kind == "HEIF":
        pytest.importorskip("pillow_heif").register_heif_opener()
    path = saved(tmp_path / "p", Image.fromarray(gradient()), kind)
    monkeypatch.setattr("stages.subject.photo_file.LARGEST_PIXELS", 6000)
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda _: pytest.fail("it was decoded"))
    assert refusal(path).code == "photo_too_large"


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_photo_is_turned_as_its_metadata_says(tmp_path: Path, orientation: int) -> None:
    upright = Image.fromarray(gradient())
    undo = {
        2: [Image.Transpose.FLIP_LEFT_RIGHT],
        3: [Image.Transpose.ROTATE_180],
        4: [Image.Transpose.FLIP_TOP_BOTTOM],
        5: [Image.Transpose.TRANSPOSE],
        6: [Image.Transpose.ROTATE_90],
        7: [Image.Transpose.TRANSVERSE],
        8: [Image.Transpose.ROTATE_270],
    }
    stored = upright
    for step in undo.get(orientation, []):
        stored = stored.transpose(step)
    path = saved(tmp_path / "p.png", stored, "PNG", exif=exif_of(orientation))
    photo = read_photo(path)
    assert (photo.picture_HW3 == gradient()).all()
    assert any("turned" in sentence for sentence in photo.told) == (orientation != 1)


def test_what_is_transparent_lies_before_grey(tmp_path: Path) -> None:
    pixels = np.dstack([gradient(), np.full((64, 96), 255, np.uint8)])
    pixels[:32, :, 3] = 0
    pixels[32:, :48, 3] = 128
    photo = read_photo(saved(tmp_path / "p.png", Image.fromarray(pixels, "RGBA"), "PNG"))
    assert (photo.picture_HW3[:32] == 128).all()
    assert np.abs(photo.picture_HW3[40:, :48] - (gradient()[40:, :48] * 0.5 + 64)).max() < 2
    assert (photo.picture_HW3[32:, 48:] == gradient()[32:, 48:]).all()
    assert photo.transparent == pytest.approx(0.75)
    assert any("transparent" in sentence for sentence in photo.told)


def test_a_palette_with_a_transparent_colour(tmp_path: Path) -> None:
    image = Image.fromarray(gradient()).quantize(16)
    index = int(np.asarray(image)[0, 0])
    photo = read_photo(saved(tmp_path / "p.png", image, "PNG", transparency=index))
    assert (photo.picture_HW3[0, 0] == 128).all()
    assert photo.transparent > 0


def test_16_bits_keep_their_brightness(tmp_path: Path) -> None:
    levels = np.tile(np.linspace(0, 65535, 96).astype(np.uint16), (64, 1))
    photo = read_photo(saved(tmp_path / "p.png", Image.fromarray(levels), "PNG"))
    assert np.abs(photo.picture_HW3[..., 0].astype(int) - levels / 257).max() < 1
    assert any("16 bits" in sentence for sentence in photo.told)


def test_16_bits_of_colour_keep_theirs(tmp_path: Path) -> None:
    rows = [b"\0" + (gradient()[y].astype(">u2") * 257).tobytes() for y in range(64)]
    path = tmp_path / "p.png"
    path.write_bytes(png(96, 64, depth=16, data=zlib.compress(b"".join(rows))))
    assert np.abs(read_photo(path).picture_HW3.astype(int) - gradient()).max() <= 1


def test_cmyk_without_a_profile_is_told(tmp_path: Path) -> None:
    image = Image.fromarray(gradient()).convert("CMYK")
    photo = read_photo(saved(tmp_path / "p.jpg", image, "JPEG", quality=100))
    assert photo.picture_HW3.shape == (64, 96, 3)
    assert np.abs(photo.picture_HW3.astype(int) - gradient()).mean() < 8
    assert any("CMYK" in sentence for sentence in photo.told)


def wide_profile() -> bytes:
    """Display P3's primaries with sRGB's tone curve, as a matrix profile made from sRGB's own."""
    data = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    count = struct.unpack(">I", data[128:132])[0]
    p3 = {
        b"rXYZ": (0.51512, 0.24120, -0.00105),
        b"gXYZ": (0.29198, 0.69225, 0.04189),
        b"bXYZ": (0.15710, 0.06657, 0.78407),
    }
    for entry in range(count):
        name, offset, _ = struct.unpack(">4sII", data[132 + 12 * entry : 144 + 12 * entry])
        if name in p3:
            fixed = [round(value * 65536) for value in p3[name]]
            data[offset + 8 : offset + 20] = struct.pack(">3i", *fixed)
    return (
        bytes(data).replace(b"sRGB", b"wide").replace("sRGB".encode("utf-16-be"), "wide".encode("utf-16-be"))
    )


def test_a_wide_gamut_is_brought_to_srgb(tmp_path: Path) -> None:
    grey_and_red = np.zeros((4, 8, 3), np.uint8)
    grey_and_red[:, :4] = 120
    grey_and_red[:, 4:] = (200, 100, 100)
    photo = read_photo(
        saved(tmp_path / "p.png", Image.fromarray(grey_and_red), "PNG", icc_profile=wide_profile())
    )
    assert np.abs(photo.picture_HW3[:, :4].astype(int) - 120).max() <= 2
    # The same red is farther from grey where its primaries are.
    assert photo.picture_HW3[0, 6, 0] > 205
    assert photo.picture_HW3[0, 6, 1] < 98
    assert any("brought to sRGB" in sentence for sentence in photo.told)


def test_a_profile_that_does_not_fit_is_left_out_and_told(tmp_path: Path) -> None:
    photo = read_photo(
        saved(tmp_path / "p.png", Image.fromarray(gradient()), "PNG", icc_profile=b"no profile")
    )
    assert (photo.picture_HW3 == gradient()).all()
    assert any("left out" in sentence for sentence in photo.told)


def png(width: int, height: int, *, depth: int = 8, data: bytes = b"") -> bytes:
    """A PNG of colour that states a size and holds any data."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, depth, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


@pytest.mark.parametrize("size", [(60_000, 60_000), (LARGEST_PIXELS + 1, 1), (1 << 31 - 1, 1 << 31 - 1)])
def test_a_bomb_is_refused_by_its_header(tmp_path: Path, size: tuple[int, int]) -> None:
    path = tmp_path / "p.png"
    path.write_bytes(png(*size, data=zlib.compress(b"\0" * 1000)))
    assert refusal(path).code in {"photo_too_large", "photo_damaged"}


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
@settings(max_examples=25, deadline=None)
@given(share=st.floats(0.0, 0.9))
def test_half_a_photo_is_refused(tmp_path_factory: pytest.TempPathFactory, kind: str, share: float) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (48, 48, 3), np.uint8)
    stream = io.BytesIO()
    Image.fromarray(noise).save(stream, format=kind)
    whole = stream.getvalue()
    path = tmp_path_factory.mktemp("half") / "p"
    path.write_bytes(whole[: int(share * len(whole))])
    assert refusal(path).code in {"photo_damaged", "photo_format"}


@settings(max_examples=60, deadline=None)
@given(data=st.data(), kind=st.sampled_from(["PNG", "JPEG", "WEBP"]))
def test_changed_bytes_are_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, kind: str, data: st.DataObject
) -> None:
    stream = io.BytesIO()
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    Image.fromarray(gradient(24, 16)).save(
        stream, format=kind, exif=exif.tobytes(), icc_profile=wide_profile()
    )
    changed = bytearray(stream.getvalue())
    for _ in range(data.draw(st.integers(1, 6))):
        changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.mktemp("changed") / "p"
    path.write_bytes(changed)
    try:
        photo = read_photo(path)
    except SubjectError as error:
        photo = None
        assert error.code.startswith("photo_")  # noqa: PT017 - either is right, and nothing else
    if photo is not None:
        assert photo.picture_HW3.ndim == 3
        assert photo.picture_HW3.dtype == np.uint8


def test_what_moves_is_no_photo(tmp_path: Path) -> None:
    frames = [Image.fromarray(gradient()), Image.fromarray(gradient()[::-1].copy())]
    path = saved(tmp_path / "p.webp", frames[0], "WEBP", save_all=True, append_images=frames[1:])
    assert refusal(path).code == "photo_animated"


def test_of_several_pictures_that_a_phone_keeps_in_one_file_the_first_is_the_photo(tmp_path: Path) -> None:
    depth = Image.fromarray(gradient()[:, ::-1].copy())
    path = saved(
        tmp_path / "p.jpg",
        Image.fromarray(gradient()),
        "MPO",
        save_all=True,
        append_images=[depth],
        quality=98,
    )
    assert picture_kind(path) == "JPEG"
    assert np.abs(read_photo(path).picture_HW3.astype(int) - gradient()).mean() < 4


def test_other_formats_are_named(tmp_path: Path) -> None:
    path = saved(tmp_path / "p.jpg", Image.fromarray(gradient()), "TIFF")
    assert picture_kind(path) == "TIFF"
    error = refusal(path)
    assert error.code == "photo_format"
    assert "TIFF" in error.what
    assert picture_kind(tmp_path / "none") is None
    assert picture_kind(tmp_path) is None
