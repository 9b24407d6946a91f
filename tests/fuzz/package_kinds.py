"""Subject packages and prepared clips that are damaged, that lie, or that point elsewhere."""

from __future__ import annotations

import io
import json
import shutil
import zipfile
from pathlib import Path
from random import Random
from typing import Any

import cv2
import numpy as np
import yaml
from command_line import run_command, run_plainly
from damage import damaged, spliced
from documents import FRAGMENTS, bomb, changed, edited, odd_value
from fuzz_case import Attempt, Kinds, Room
from special_files import put_special_file
from subject_use import draw

from farm.translation import translated
from stages.payloads import Motion
from stages.subject.frames import clip_frames
from stages.subject.template import Template
from stages.subject.tracks import ClipTracks

FILES = ("subject.yaml", "template.npz", "reference.png", "renderer.safetensors", "consent.pdf")
ARRAYS = ("mesh_N3", "head_7", "torso_N3")


def package(room: Room) -> Path:
    """A whole package, in a folder of subjects of its own."""
    return Path(shutil.copytree(room.recordings / "subjects" / "zoe", room.folder / "subjects" / "zoe"))


def _files(random: Random, room: Room) -> Attempt:
    folder = package(room)
    for name in random.sample(FILES, random.choice((1, 1, 1, 2))):
        path = folder / name
        path.write_bytes(damaged(path.read_bytes(), random))
    return lambda: draw(folder, room)


def _facts(random: Random, room: Room) -> Attempt:
    folder = package(room)
    path = folder / "subject.yaml"
    record = yaml.safe_load(path.read_text())
    text = (
        yaml.safe_dump(changed(record, random)) if random.random() < 0.6 else edited(path.read_text(), random)
    )
    path.write_bytes(text.encode("utf-8", errors="surrogatepass"))
    return lambda: draw(folder, room)


def _paths(random: Random, room: Room) -> Attempt:
    """Names of weights and consent that lead elsewhere, or to what is no file."""
    folder = package(room)
    path = folder / "subject.yaml"
    places = (
        "../../../outside/secret.wav",
        str(room.outside),
        "../zoe/../../../outside/secret.wav",
        "/etc/passwd",
        "/dev/zero",
        ".",
        "..",
        "",
        "a\0b",
        "x" * 300,
        "/".join(["d"] * 3000),
        "~/x",
        "renderer.safetensors/",
        "subject.yaml",
        "link",
        "../zoe/renderer.safetensors",
        "../shared.safetensors",
        7,
        True,
        [],
        {"a": 1},
        None,
    )
    (folder / "link").symlink_to(room.outside)
    field = random.choice(("renderer", "consent_record", "consent", "name", "consent_sha256"))
    path.write_text(yaml.safe_dump({**yaml.safe_load(path.read_text()), field: random.choice(places)}))
    return lambda: draw(folder, room)


def _facts_bomb(random: Random, room: Room) -> Attempt:
    folder = package(room)
    path = folder / "subject.yaml"
    text = path.read_text()
    aliases = "".join(
        f"{b}: &{b} [{','.join(['*' + a] * 9)}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)
    )
    doubling = text.replace("name: zoe", f"a: &a [x,x,x,x,x,x,x,x,x]\n{aliases}name: *i")
    more = f"{text}more: {random.choice(FRAGMENTS)}\n"
    nested = f"{text}more: {'[' * 20_000}\n"
    number = random.choice(("9" * 5_000, "!!int x", "!!float x", "!!binary x", "1:2:3", "!!timestamp 9"))
    numbers = f"{text}more: {number}\n"
    keys = f"{text}? [a]\n: b\n? {{a: b}}\n: c\n"
    path.write_text(random.choice((doubling, more, nested, numbers, keys, bomb(random))), errors="replace")
    return lambda: draw(folder, room)


def _template(random: Random, room: Room) -> Attempt:
    """Arrays of other types, shapes and values."""
    folder = package(room)
    with np.load(folder / "template.npz") as stored:
        arrays = {name: stored[name] for name in ARRAYS}
    for name in random.sample(ARRAYS, random.choice((1, 1, 2))):
        arrays[name] = _odd_array(arrays[name], random)
    if random.random() < 0.2:
        del arrays[random.choice(ARRAYS)]
    np.savez(folder / "template.npz", **arrays)
    return lambda: draw(folder, room)


def _odd_array(array: np.ndarray, random: Random) -> np.ndarray:
    kinds = ("f2", "f8", "i1", "u8", "c8", "?", "U8", "S8", "M8[s]", "m8[s]", "V16", "O", "f4,f4", ">f4")
    values = (np.nan, np.inf, -np.inf, 1e38, -1e30, 1e9, 1e-40, 0.0)
    choice = random.random()
    if choice < 0.35:
        kind = random.choice(kinds)
        return np.zeros(array.shape, kind) if kind[0] in "MmV" or "," in kind else array.astype(kind)
    if choice < 0.7:
        copy = array.copy()
        where = slice(None) if random.random() < 0.3 else random.randrange(array.size)
        copy.reshape(-1)[where] = random.choice(values)
        return copy
    shapes = ((0,), (), (1, *array.shape), (*array.shape, 1), array.shape[::-1], (array.size,), (3, 478, 2))
    return np.resize(array, random.choice(shapes))


def _archive(random: Random, room: Room) -> Attempt:
    """A template whose archive or array headers ask for far more than is there."""
    folder = package(room)
    headers = (
        {"descr": "<f4", "fortran_order": False, "shape": (1 << random.choice((20, 33, 45, 62)), 3)},
        {"descr": "<f4", "fortran_order": False, "shape": (10**30,)},
        {"descr": "<f4", "fortran_order": False, "shape": (-5, 3)},
        {"descr": "|O", "fortran_order": False, "shape": (478, 3)},
        {"descr": "<f4", "fortran_order": "x", "shape": (478, 3)},
        {"descr": f"<U{1 << 29}", "fortran_order": False, "shape": (4,)},
        {"descr": [("a", "<f4")] * 2, "fortran_order": False, "shape": (478, 3)},
        {"shape": (478, 3)},
    )
    texts = (
        repr(random.choice(headers)),
        "(" * 9_000,
        "[" * 300 + "]" * 300,
        "{[]: 1}",
        "{1: 2, 'a': 3}",
        "'''",
        "{'a':\n\t\\",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (478L, 3L)}",
        "9" * 5_000,
        "-" * 9_000 + "1",
    )
    text = random.choice(texts) if random.random() < 0.5 else texts[0]
    npy = np.lib.format.magic(1, 0) + len(text).to_bytes(2, "little") + text.encode() + random.randbytes(200)
    method = random.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA))
    with zipfile.ZipFile(folder / "template.npz", "w", method) as archive:
        for name in ARRAYS:
            archive.writestr(f"{name}.npy", npy)
        if random.random() < 0.3:
            archive.writestr("../../escaped.npy", npy)
        if random.random() < 0.2:
            archive.writestr("bomb.npy", bytes(3_000_000))
    if random.random() < 0.4:
        data = (folder / "template.npz").read_bytes()
        (folder / "template.npz").write_bytes(damaged(data, random))
    return lambda: draw(folder, room)


def _picture(random: Random, room: Room) -> Attempt:
    """Reference pictures of other formats, sizes and depths, and of sizes that are only claimed."""
    folder = package(room)
    path = folder / "reference.png"
    side = random.choice((1, 2, 64, 300))
    shape = random.choice(((side, side, 3), (side, side), (side, side, 4), (side, side + 1, 3)))
    pixels = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    suffix = random.choice((".png", ".png", ".png", ".jpg", ".bmp", ".tiff", ".webp", ".ppm", ".gif"))
    depth = np.uint16 if suffix in (".png", ".tiff") and random.random() < 0.3 else np.uint8
    if suffix != ".png":
        pixels = np.zeros((side, side, 3), np.uint8)
    data = cv2.imencode(suffix, pixels.astype(depth))[1].tobytes()
    if suffix == ".png" and random.random() < 0.5:
        claimed = random.choice((0, 5_000, 30_000, 65_535, 2**31 - 1, 2**32 - 1))
        data = _with_claimed_size(data, claimed)
    path.write_bytes(data if random.random() < 0.6 else damaged(data, random))
    return lambda: draw(folder, room)


def _with_claimed_size(png: bytes, side: int) -> bytes:
    """The same PNG with another width and height in its header, whose checksum is right."""
    from zlib import crc32

    head = png[12:16] + side.to_bytes(4, "big") * 2 + png[24:29]
    return png[:12] + head + crc32(head).to_bytes(4, "big") + png[33:]


def _no_file(random: Random, room: Room) -> Attempt:
    folder = package(room)
    outside = random.choice((room.outside, room.recordings / "subjects" / "zoe" / "renderer.safetensors"))
    put_special_file(folder / random.choice(FILES), random, outside=outside)
    return lambda: draw(folder, room)


def _mixed(random: Random, room: Room) -> Attempt:
    """Files that are whole, but each other's, or a part of each other."""
    folder = package(room)
    one, other = random.sample(FILES, 2)
    data = (folder / one).read_bytes(), (folder / other).read_bytes()
    (folder / one).write_bytes(data[1] if random.random() < 0.5 else spliced(*data, random))
    return lambda: draw(folder, room)


def _commanded(random: Random, room: Room) -> Attempt:
    """The same packages, as ``farm plan`` meets them."""
    kind = random.choice((_files, _facts, _paths, _template, _picture, _no_file))
    kind(random, room)
    job = room.folder / "job.yaml"
    shutil.copy(room.recordings / "speech" / "a.wav", room.folder / "a.wav")
    spec = {"speech": "a.wav", "subject": "subjects/zoe"}
    record = {"apiVersion": "farm/v1", "kind": "RenderJob", "metadata": {"name": "a"}, "spec": spec}
    job.write_text(json.dumps(record))
    return lambda: run_command("plan", job, "--store", room.folder / "store")


def _tracks(random: Random, room: Room) -> Attempt:
    """Prepared clips, which training reads."""
    folder = Path(shutil.copytree(room.recordings / "prepared", room.folder / "prepared"))
    name = random.choice(("tracks.npz", "clip.json", "frames.mp4"))
    path = folder / name
    choice = random.random()
    if choice < 0.2:
        put_special_file(path, random, outside=room.outside)
    elif choice < 0.5 and name == "clip.json":
        path.write_text(json.dumps(changed(json.loads(path.read_text()), random)))
    elif choice < 0.6 and name == "tracks.npz":
        with np.load(path) as stored:
            arrays: dict[str, Any] = dict(stored)
        wrong = random.choice(sorted(arrays))
        arrays[wrong] = _odd_array(arrays[wrong], random)
        written = io.BytesIO()
        np.savez(written, **arrays)
        path.write_bytes(written.getvalue())
    else:
        path.write_bytes(damaged(path.read_bytes(), random))
    return lambda: _learn(folder)


def _learn(folder: Path) -> str:
    with translated("spec.clips"):
        tracks = ClipTracks.load(folder)
        motion = Template.from_clips([tracks]).displacements(tracks)
        assert isinstance(motion, Motion)
        assert len(clip_frames(folder, size=64)) == tracks.frame_count
    return "ok"


def _report(random: Random, room: Room) -> Attempt:
    folder = room.folder / "report"
    folder.mkdir()
    record = {"clip": "a.mp4", "name": "zoe", "verdicts": [], "figures": {"seconds": 9.0}, "level": "ok"}
    record["verdicts"] = [{"code": "cuts", "level": "ok", "measured": "no", "threshold": "one", "advice": ""}]
    text = json.dumps(changed(record, random)) if random.random() < 0.7 else json.dumps(odd_value(random))
    (folder / "report.json").write_bytes(
        text.encode() if random.random() < 0.7 else damaged(text.encode(), random)
    )
    run = random.choice((run_command, run_plainly))
    return lambda: run("subject", "table", folder.parent)


PACKAGE_KINDS: Kinds = {
    "package, damaged files": _files,
    "package, facts": _facts,
    "package, paths": _paths,
    "package, facts bomb": _facts_bomb,
    "package, template": _template,
    "package, archive": _archive,
    "package, picture": _picture,
    "package, no file": _no_file,
    "package, mixed": _mixed,
    "package, by command": _commanded,
    "prepared clip": _tracks,
    "report": _report,
}
