"""Small recordings, clips and a subject package, all made up, for the fuzz to damage.

Legend: S samples, C channels, H/W pixels, 3 = RGB.
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import torch
from average_actor import average_template
from prepared_clip import save_with_pictures

from stages.render.generator import Generator
from stages.render.generator_config import GeneratorConfig
from stages.subject.package import SubjectPackage
from stages.weights import save_weights
from stages.weights_header import WeightsHeader

RENDERER = GeneratorConfig(levels=4, width=2)

_SPEECH = (
    ("a.wav", "pcm_s16le", 16_000, "mono"),
    ("b.wav", "pcm_f32le", 44_100, "stereo"),
    ("c.wav", "pcm_s24le", 48_000, "5.1"),
    ("d.wav", "pcm_u8", 8_000, "mono"),
    ("e.wav", "adpcm_ima_wav", 22_050, "mono"),
    ("f.aiff", "pcm_s16be", 22_050, "mono"),
    ("g.flac", "flac", 48_000, "stereo"),
    ("h.mp3", "libmp3lame", 44_100, "mono"),
    ("i.m4a", "aac", 44_100, "stereo"),
    ("j.m4a", "alac", 44_100, "mono"),
    ("k.ogg", "libopus", 48_000, "mono"),
    ("l.mka", "flac", 32_000, "mono"),
    ("m.au", "pcm_mulaw", 8_000, "mono"),
    ("n.aac", "aac", 32_000, "mono"),
    ("o.wma", "wmav2", 44_100, "mono"),
    ("p.caf", "pcm_s16le", 16_000, "mono"),
    ("q.ac3", "ac3", 48_000, "stereo"),
)
_CLIPS = (
    ("a.mp4", "libx264", "yuv420p", "aac"),
    ("b.mkv", "libx264", "yuv444p", "pcm_s16le"),
    ("c.mov", "mpeg4", "yuv420p", "pcm_s16le"),
    ("d.webm", "libvpx-vp9", "yuv420p", "libopus"),
    ("e.avi", "mjpeg", "yuvj420p", "pcm_s16le"),
    ("f.ts", "libx264", "yuv420p", "aac"),
    ("g.mkv", "ffv1", "gray16le", "flac"),
    ("h.mov", "png", "rgba", "pcm_s16le"),
    ("i.gif", "gif", "rgb8", ""),
    ("j.mkv", "ffv1", "yuv420p10le", ""),
    ("k.h264", "libx264", "yuv420p", ""),
    ("l.flv", "flv1", "yuv420p", "libmp3lame"),
    ("n.nut", "rawvideo", "bgr24", ""),
)


def make_recordings(folder: Path) -> None:
    """Write everything into `folder`: speech/, clips/, package/, prepared/."""
    for name in ("speech", "clips"):
        (folder / name).mkdir(parents=True)
    for name, codec, rate, layout in _SPEECH:
        with av.open(str(folder / "speech" / name), "w") as container:
            write_sound(container, add_voice(container, codec, rate=rate, layout=layout))
    for name, codec, pixel_format, sound in _CLIPS:
        write_clip(folder / "clips" / name, codec=codec, pixel_format=pixel_format, sound=sound)
    write_package(folder / "subjects" / "zoe")
    save_with_pictures(folder / "prepared", frames=4)


def add_voice(container, codec: str, *, rate: int = 48_000, layout: str = "mono"):
    """A stream of sound, before anything is written."""
    stream = container.add_stream(codec, rate=rate)
    stream.layout, stream.bit_rate = layout, 128_000
    return stream


def write_sound(container, stream, *, seconds: float = 0.4) -> None:
    """Encode a tone as the only packets of a stream."""
    tone_S = 0.2 * np.sin(np.arange(int(stream.rate * seconds)) * (2 * np.pi * 220 / stream.rate))
    planes_CS = np.stack([tone_S.astype(np.float32)] * stream.layout.nb_channels)
    frame = av.AudioFrame.from_ndarray(planes_CS, format="fltp", layout=stream.layout.name)
    frame.sample_rate, frame.pts, frame.time_base = stream.rate, 0, Fraction(1, stream.rate)
    container.mux(stream.encode(frame))
    container.mux(stream.encode(None))


def write_clip(
    path: Path,
    *,
    codec: str = "libx264",
    pixel_format: str = "yuv420p",
    sound: str = "aac",
    size: tuple[int, int] = (48, 32),
    ticks: tuple[int, ...] = tuple(range(0, 10 * 40, 40)),
    rate: Fraction = Fraction(25),
) -> None:
    """A clip of a moving bar; picture k is shown from `ticks[k]` milliseconds on."""
    width, height = size
    with av.open(str(path), "w") as container:
        picture = container.add_stream(codec, rate=rate)
        picture.width, picture.height, picture.pix_fmt = width, height, pixel_format
        picture.codec_context.time_base = Fraction(1, 25 if codec in ("mpeg4", "flv1") else 1000)
        voice = add_voice(container, sound) if sound else None
        for index, tick in enumerate(ticks):
            pixels_HW3 = np.full((height, width, 3), 60, np.uint8)
            pixels_HW3[:, (3 * index) % width :][:, :4] = 250
            frame = av.VideoFrame.from_ndarray(pixels_HW3, format="rgb24").reformat(format=pixel_format)
            frame.pts, frame.time_base = tick, Fraction(1, 1000)
            container.mux(picture.encode(frame))
        container.mux(picture.encode(None))
        if voice is not None:
            write_sound(container, voice)


def write_package(folder: Path) -> None:
    """A whole subject package: the average face with a tiny, untrained renderer and a consent record."""
    torch.manual_seed(0)
    record = b"I agree"
    facts = {
        "name": "zoe",
        "consent": "record consent.pdf",
        "consent_record": "consent.pdf",
        "consent_sha256": hashlib.sha256(record).hexdigest(),
        "provenance": "made up",
        "licence": "CC0-1.0",
        "renderer": "renderer.safetensors",
    }
    picture_HW3 = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    SubjectPackage.write(folder, facts=facts, template=average_template(), reference_HW3=picture_HW3)
    (folder / "consent.pdf").write_bytes(record)
    header = WeightsHeader(
        architecture="renderer",
        sizes=asdict(RENDERER),
        encoder="",
        fps=25,
        training_data="",
        facts={"trained_frames:zoe": 100},
    )
    save_weights(folder / "renderer.safetensors", Generator(RENDERER), header)
