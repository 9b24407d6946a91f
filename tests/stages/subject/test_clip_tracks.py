from __future__ import annotations

import contextlib
import json
import os
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from stages.errors import SubjectError
from stages.geometry.landmarks import EYES, LIPS
from stages.payloads import SAMPLES_PER_FRAME
from stages.subject.framing import Framing
from stages.subject.template import TEMPLATE_UNIT, Template
from stages.subject.tracks import ClipFacts, ClipTracks, mouth_and_eyes

FRAMES = 12


def a_clip(seed: int = 0, *, frames: int = FRAMES) -> ClipTracks:
    random = np.random.default_rng(seed)
    facts = ClipFacts(
        source="/clips/é.mp4",
        speaker="someone",
        first_frame=2,
        dropped_samples=640,
        framing=Framing(left=3, top=4, side=400),
        detected=0.99,
        torso_moves=True,
    )
    return ClipTracks(
        facts=facts,
        canonical_TN3=random.normal(256, 50, (frames, 478, 3)).astype(np.float32),
        head_T7=random.normal(size=(frames, 7)).astype(np.float32),
        torso_TN3=random.normal(400, 20, (frames, 18, 3)).astype(np.float32),
        speech_S=random.normal(size=frames * SAMPLES_PER_FRAME).astype(np.float32),
    )


def test_tracks_come_back_from_disk_as_they_were(tmp_path: Path):
    a_clip().save(tmp_path / "deep" / "clip")
    again = ClipTracks.load(tmp_path / "deep" / "clip")
    assert again.facts == a_clip().facts
    assert again.frame_count == FRAMES
    for field in fields(ClipTracks):
        if field.name != "facts":
            np.testing.assert_array_equal(getattr(again, field.name), getattr(a_clip(), field.name))


def test_a_folder_is_complete_only_with_its_facts(tmp_path: Path):
    assert not ClipTracks.is_complete(tmp_path)
    a_clip().save(tmp_path)
    assert ClipTracks.is_complete(tmp_path)
    (tmp_path / "clip.json").unlink()
    assert not ClipTracks.is_complete(tmp_path)


@pytest.mark.parametrize("schema", [None, "farm.tracks/v9"])
def test_tracks_of_another_version_are_refused_by_it(tmp_path: Path, schema: str | None):
    a_clip().save(tmp_path)
    facts = json.loads((tmp_path / "clip.json").read_text())
    del facts["schema"]
    (tmp_path / "clip.json").write_text(json.dumps(facts | ({"schema": schema} if schema else {})))
    with pytest.raises(SubjectError) as caught:
        ClipTracks.load(tmp_path)
    assert caught.value.code == "clip_version"
    assert "prepare it again" in caught.value.hint


def test_mouth_and_eyes_are_in_network_order():
    mesh_TN3 = np.arange(478, dtype=np.float32)[None, :, None].repeat(3, axis=2)
    mouth_TN3, eyes_TN3 = mouth_and_eyes(mesh_TN3)
    assert mouth_TN3[0, :, 0].astype(int).tolist() == LIPS.tolist()
    assert eyes_TN3[0, :, 0].astype(int).tolist() == EYES.tolist()


def test_the_template_is_the_mean_and_displacements_go_back_to_the_clip():
    clip = a_clip()
    template = Template.from_clips([clip])
    motion = template.displacements(clip)
    np.testing.assert_allclose(motion.as_rows().mean(axis=0), 0, atol=1e-3)
    np.testing.assert_allclose(
        motion.mouth_TN3 + template.mesh_N3[LIPS], clip.canonical_TN3[:, LIPS], atol=1e-4
    )
    np.testing.assert_allclose(
        motion.eyes_TN3 + template.mesh_N3[EYES], clip.canonical_TN3[:, EYES], atol=1e-4
    )
    np.testing.assert_allclose(motion.head_TC + template.head_7, clip.head_T7, atol=1e-5)
    np.testing.assert_allclose(motion.torso_TN3 + template.torso_N3, clip.torso_TN3, atol=1e-4)


def test_the_template_of_several_clips_has_the_first_ones_head_and_shoulders():
    first, second = a_clip(), a_clip(1, frames=24)
    template = Template.from_clips([first, second])
    every = np.concatenate([first.canonical_TN3, second.canonical_TN3])
    np.testing.assert_allclose(template.mesh_N3, every.mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(template.head_7, first.head_T7.mean(axis=0), atol=1e-6)
    np.testing.assert_allclose(template.torso_N3, first.torso_TN3.mean(axis=0), rtol=1e-5)


def test_a_share_keeps_the_held_out_tail_out_of_the_template():
    clip = a_clip()
    template = Template.from_clips([clip], share=0.5)
    np.testing.assert_allclose(template.mesh_N3, clip.canonical_TN3[:6].mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(template.head_7, clip.head_T7[:6].mean(axis=0), atol=1e-6)


def test_networks_read_the_template_about_its_centre_in_units_of_50_px():
    template = Template.from_clips([a_clip()])
    network_M = template.network_mesh_M
    assert network_M.shape == (1434,)
    assert network_M.dtype == np.float32
    assert network_M[:3] * TEMPLATE_UNIT + np.array([256, 232, 128]) == pytest.approx(
        template.mesh_N3[0], rel=1e-5
    )


@pytest.mark.parametrize("name", ["canonical_TN3", "head_T7", "torso_TN3", "speech_S"])
@pytest.mark.parametrize("damage", ["short", "not finite", "double", "text"])
def test_tracks_that_do_not_fit_each_other_are_no_prepared_clip(tmp_path: Path, name: str, damage: str):
    a_clip(frames=3).save(tmp_path)
    with np.load(tmp_path / "tracks.npz") as stored:
        arrays = dict(stored)
    if damage == "short":
        arrays[name] = arrays[name][:-1]
    elif damage == "not finite":
        arrays[name].flat[0] = np.nan
    elif damage == "double":
        arrays[name] = arrays[name].astype(np.float64)
    else:
        arrays[name] = np.array("a face")
    np.savez(tmp_path / "tracks.npz", **arrays)
    with pytest.raises(SubjectError) as caught:
        ClipTracks.load(tmp_path)
    assert caught.value.code == "clip_not_prepared"


@pytest.mark.parametrize("field", ["source", "first_frame", "detected", "torso_moves", "trained_frames"])
def test_a_fact_of_another_type_is_no_prepared_clip(tmp_path: Path, field: str):
    a_clip(frames=3).save(tmp_path)
    path = tmp_path / "clip.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), field: [1]}))
    with pytest.raises(SubjectError) as caught:
        ClipTracks.load(tmp_path)
    assert caught.value.code == "clip_not_prepared"


def test_damage_anywhere_in_the_tracks_is_refused_or_harmless(tmp_path: Path):
    a_clip(frames=3).save(tmp_path)
    random, path = np.random.default_rng(0), tmp_path / "tracks.npz"
    whole = path.read_bytes()
    for start in random.integers(len(whole) - 8, size=100):
        path.write_bytes(whole[:start] + random.bytes(8) + whole[start + 8 :])
        with contextlib.suppress(SubjectError):
            ClipTracks.load(tmp_path)


@pytest.mark.parametrize("name", ["clip.json", "tracks.npz"])
def test_nobody_waits_for_a_file_of_a_clip_that_is_a_pipe(tmp_path: Path, name: str):
    a_clip(frames=3).save(tmp_path)
    (tmp_path / name).unlink()
    os.mkfifo(tmp_path / name)
    with pytest.raises(SubjectError) as caught:
        ClipTracks.load(tmp_path)
    assert caught.value.code == "clip_not_prepared"
