"""Every benchmark prints its figures, here for as little as it takes."""

from __future__ import annotations

import json
import re
import wave
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from drawn_weights import save_drawn_weights
from made_library import write_package
from motion_clips import moving_clip
from noisy_clip import noisy_clip
from posed_actor import PosedActor
from prepared_clip import clip_tracks, save_with_pictures

from benchmarks import (
    api_latency,
    audio_offset,
    evaluate_motion,
    evaluate_renderer,
    head_motion,
    journal_throughput,
    one_photo,
    reference_changes,
    reference_coding,
    scheduler_throughput,
    warp_time,
    warped_quality,
)
from benchmarks.baselines import make
from recipes.corpus import CorpusClip
from stages.builtin import builtin_weights
from stages.render.repair_config import RepairConfig
from stages.render.repair_network import RepairNetwork
from stages.subject.frames import FRAMES_FILE, write_frames
from stages.training.warped_config import WarpedTraining
from stages.training.warped_data import WarpedClip
from stages.weights import save_weights
from stages.weights_header import WeightsHeader


class Nobody:
    """A segmenter that sees nobody."""

    def __enter__(self) -> Nobody:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def mask(self, frame_HW3: np.ndarray) -> np.ndarray:
        return np.zeros(frame_HW3.shape[:2], np.float32)


@pytest.fixture
def printed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """printed(benchmark, *arguments): its standard output."""

    def run(benchmark: ModuleType, *arguments: object) -> str:
        monkeypatch.setattr("sys.argv", [benchmark.__name__, *map(str, arguments)])
        benchmark.main()
        return capsys.readouterr().out

    return run


def test_dispatch_decisions(printed):
    out = printed(scheduler_throughput, "--jobs", 3, "--segments", 4, "--replicas", 2, "--budget", 1e6)
    assert re.fullmatch(r"\d+ dispatches a second\n", out)


def test_answers_of_the_api(printed):
    lines = printed(api_latency, "--jobs", 30, "--segments", 20).splitlines()
    assert len(lines) == 13
    answers = [line for line in lines if re.fullmatch(r".+ \d+\.\d ms median, +\d+\.\d ms p95", line)]
    assert len(answers) >= 9


def test_events_of_a_journal(printed):
    lines = printed(journal_throughput, "--seconds", 0.02).splitlines()
    assert len(lines) == 5
    assert all(re.fullmatch(r".+: \d+ a second", line) for line in lines)


def test_motion_of_weights_and_its_references(printed, monkeypatch: pytest.MonkeyPatch):
    def clips(work: Path, encoder: object, *, held_out: bool) -> list[object]:
        return [moving_clip(frames=210, seed=seed, speech_width=encoder.width) for seed in range(2)]  # type: ignore[attr-defined]

    studied = (CorpusClip(path="a.mp4", speaker="a", language="de"), CorpusClip(path="b.mp4", speaker="b"))
    monkeypatch.setattr(evaluate_motion, "load_motion_clips", clips)
    monkeypatch.setattr(evaluate_motion, "load_study_clips", partial(clips, held_out=True))
    monkeypatch.setattr(evaluate_motion, "study_clips", lambda: studied)
    out = printed(evaluate_motion, "--work", "nowhere", "--moda", builtin_weights("moda"), "--takes", 2)
    assert out.count("| truth") == 2
    assert ", de (1) |" in out


def test_heads_of_weights_and_the_truth(printed, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    studied = tuple(CorpusClip(path=f"{name}.mp4", speaker=name) for name in "abcdef")
    for entry in studied:
        clip_tracks(frames=210).save(entry.folder(tmp_path))
    monkeypatch.setattr(head_motion, "study_clips", lambda: studied)
    monkeypatch.setattr(head_motion, "stressed_frames", lambda _: np.array([40, 90, 150]))
    monkeypatch.setattr(
        head_motion,
        "load_study_clips",
        lambda _, encoder: [
            moving_clip(frames=210, seed=seed, speech_width=encoder.width) for seed in range(len(studied))
        ],
    )
    out = printed(head_motion, "--work", tmp_path, "--moda", builtin_weights("moda"), "--takes", 2)
    assert re.search(r"\| truth +\|", out)
    assert len(out.splitlines()) == 4


def test_pictures_of_a_renderer(printed, tmp_path: Path):
    clip, sheet = noisy_clip(tmp_path / "jane"), tmp_path / "sheet.png"
    weights = save_drawn_weights(tmp_path / "drawn.safetensors", subject="jane", levels=7)
    out = printed(evaluate_renderer, "--weights", weights, "--clips", clip, "--every", 9, "--sheet", sheet)
    assert re.search(r"\| jane +\| +2 \|", out)
    assert sheet.stat().st_size > 0


def test_baselines_of_an_actor(printed, tmp_path: Path):
    save_with_pictures(tmp_path / "words", frames=20)
    clip = tmp_path / "words"
    out = printed(
        make,
        "--subject",
        "builtin:actor-a",
        "--clip",
        clip,
        "--other",
        clip,
        "--out",
        tmp_path,
        "--only",
        "still-picture",
    )
    video = tmp_path / "still-picture" / "words.mp4"
    assert out == f"{video}\n"
    assert video.stat().st_size > 0


def test_steps_where_references_change(printed, tmp_path: Path):
    speech = Path(__file__).parents[2] / "examples" / "hello.wav"
    with wave.open(str(speech), "rb") as whole, wave.open(str(tmp_path / "short.wav"), "wb") as short:
        short.setparams(whole.getparams())
        short.writeframes(whole.readframes(whole.getframerate()))
    out = printed(reference_changes, write_package(tmp_path / "zoe"), "--speech", tmp_path / "short.wav")
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in out.splitlines()[2:]]
    assert [row[:2] for row in rows] == [["zoe", part] for part in ("picture", "mouth", "eyes")]
    for _, _, changes, at_a_change, motion, change, milliseconds in rows:
        assert (int(changes) == 0) == (float(at_a_change) == 0.0) == (float(change) == 0.0)
        assert 0 < float(motion) < 255
        assert 0 < float(milliseconds) < 1000


def test_milliseconds_of_a_warp(printed):
    lines = printed(warp_time, "--rounds", 2).splitlines()
    assert [line.split(":")[0] for line in lines] == ["points", "raster", "field", "remap", "two references"]
    assert all(0 < float(line.split()[-2]) < 1000 for line in lines)


@pytest.mark.slow
@pytest.mark.ray
def test_seconds_from_speech_to_video(printed):
    # Imported here: it brings the whole command line.
    from benchmarks import inference_times

    out = printed(inference_times, "--seconds", 1)
    assert re.search(r"\| 1 s +\| +[\d.]+ \|", out)
    assert np.isfinite(float(out.splitlines()[-1].split("|")[2]))


def test_the_offset_of_sound(printed, tmp_path: Path):
    generator = np.random.default_rng(0)
    for name in ("a", "b", "c"):
        seen_T3, speech_S = generator.normal(size=(140, 3)), generator.normal(0, 0.1, 140 * 640)
        np.savez(tmp_path / f"made_{name}.mp4.npz", seen_T3=seen_T3, speech_S=speech_S.astype(np.float32))
    clips = [f"made/{name}.mp4" for name in "abc"]
    out = printed(
        audio_offset, *clips, "--data", tmp_path, "--cache", tmp_path, "--out", tmp_path / "lines.tsv"
    )
    assert [line.split()[1] for line in out.splitlines() if re.match(r"\| [+-]", line)] == [
        "-3.3",
        "-0.7",
        "+0.4",
        "+2.6",
    ]
    assert "whole clips: 0 of 3 clear; held against others' speech 0 of 6" in out
    assert [line.split("\t")[0] for line in (tmp_path / "lines.tsv").read_text().splitlines()] == clips


def test_codings_of_references(printed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    save_with_pictures(tmp_path, frames=14)
    monkeypatch.setattr("stages.subject.library_of_clip.PersonSegmenter", Nobody)
    out = printed(reference_coding, tmp_path)
    assert re.search(r"\| PNG +\| +[\d.]+ \| +99.0 \|", out)
    assert re.search(r"\| H.264, 18 +\|", out)


def test_how_near_warped_references_come(printed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    save_with_pictures(tmp_path / "jane", frames=40)
    monkeypatch.setattr("stages.subject.library_of_clip.PersonSegmenter", Nobody)
    config, weights = RepairConfig(width=4, depth=1), tmp_path / "repair.safetensors"
    header = WeightsHeader(
        architecture="warped", sizes=asdict(config), encoder="", fps=25, training_data="", facts={}
    )
    save_weights(weights, RepairNetwork(config), header)
    clip, figures = tmp_path / "jane", tmp_path / "figures.json"
    out = printed(warped_quality, "--clips", clip, "--weights", f"new={weights}", "--json", figures)
    assert [line.split("|")[2].strip() for line in out.splitlines()[2:]] == ["warp alone", "new"]
    alone, repaired = json.loads(figures.read_text())
    assert alone["frames"] == repaired["frames"] == 6
    # A network that learnt nothing is nearly the warp alone.
    assert abs(alone["psnr"] - repaired["psnr"]) < 3


def test_how_near_one_photo_comes(printed, tmp_path: Path):
    pytest.importorskip("mediapipe", reason="MediaPipe is not installed", exc_type=ImportError)
    actor = PosedActor.of("actor-c")
    head_T7 = np.repeat(actor.head_7[None], 3, axis=0)
    head_T7[1:, 0] += np.array([3, 7], np.float32)
    frames = [actor.frame(head_7) for head_7 in head_T7]
    tracks = clip_tracks(3, reference_frame=0)
    tracks = replace(
        tracks,
        canonical_TN3=np.repeat(actor.canonical_N3[None], 3, axis=0),
        head_T7=head_T7,
        torso_TN3=np.repeat(actor.torso_18x3[None], 3, axis=0).astype(np.float32),
    )
    tracks.save(tmp_path / "cee")
    write_frames(tmp_path / "cee" / FRAMES_FILE, frames)
    donor, sheet = write_package(tmp_path / "ada"), tmp_path / "sheet.png"
    out = printed(one_photo, "--clip", tmp_path / "cee", "--donors", donor, "--sheet", sheet)
    assert "photo: frame 0; donor: ada" in out
    rows = [
        [cell.strip() for cell in line.split("|")[1:-1]]
        for line in out.splitlines()
        if re.match(r"\| \d", line)
    ]
    assert [(row[0], row[1], row[2]) for row in rows] == [
        (turned, way, frames)
        for turned, frames in (("0 to 5", "2"), ("5 to 10", "1"))
        for way in ("still photo", "without donor", "with donor")
    ]
    # The still photo of the pose that it shows is the truth, but for its coding.
    assert float(rows[0][3]) > float(rows[3][3])
    lmd = [float(row[7]) for row in rows]
    assert lmd[0] == min(lmd) < 1.5
    assert sheet.stat().st_size > 10_000


def test_the_truth_itself_is_as_near_as_can_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    save_with_pictures(tmp_path, frames=40)
    monkeypatch.setattr("stages.subject.library_of_clip.PersonSegmenter", Nobody)
    clip = WarpedClip(tmp_path, config=WarpedTraining())
    truth = {"truth": lambda frame: np.asarray(clip.drawn.frames_THW3[frame])}
    (row,) = warped_quality.quality_rows(clip, truth, every=1)
    assert (row.ssim, row.psnr) == (pytest.approx(1), np.inf)
    assert (row.forehead, row.cheeks) == (pytest.approx(1), pytest.approx(1))
    # The whole picture changes: there is no background.
    assert np.isnan(row.background)
