"""Recipes from end to end, of clips that were made up."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from drawn_weights import save_drawn_weights
from motion_clips import moving_clip
from noisy_clip import noisy_clip
from prepared_clip import save_with_pictures

from recipes import average_face, calibrate_motion, detail_gain, prepare_corpus, publish
from recipes.corpus import CorpusClip
from recipes.encoder import speech_prompts
from recipes.inspection import calibrate
from stages.builtin import builtin_subject, builtin_weights
from stages.inspection.norms import Norms
from stages.moda.network import ModaConfig
from stages.render.renderer_facts import EXPECTED_WARPED
from stages.render.renderer_loading import load_renderer
from stages.render.repair_config import RepairConfig
from stages.render.repair_network import RepairNetwork
from stages.render.warped_stage import WarpedStage
from stages.subject.package import SubjectPackage
from stages.weights import build_network, load_weights, save_weights
from stages.weights_header import WeightsHeader, read_header, read_sizes

HELLO = Path(__file__).parents[2] / "examples" / "hello.wav"


@pytest.fixture
def cook(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """cook(recipe, *arguments): run its command line; what it prints."""

    def run(recipe: ModuleType, *arguments: object) -> str:
        monkeypatch.setattr("sys.argv", [recipe.__name__, *map(str, arguments)])
        recipe.main()
        return capsys.readouterr().out

    return run


@pytest.fixture
def tracker() -> None:
    try:
        import mediapipe  # noqa: F401
    except (ImportError, OSError) as error:
        pytest.skip(f"MediaPipe cannot be loaded: {error}")


def test_prompts_are_printed_a_line_each(cook):
    assert len(cook(speech_prompts, "--lines", 7, "--seed", 3).splitlines()) == 7


def test_calibrated_weights_say_so_and_are_the_trained_ones_otherwise(
    cook, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def clips(work: Path, encoder: object, *, held_out: bool) -> list[object]:
        return [moving_clip(frames=210, speech_width=encoder.width)]  # type: ignore[attr-defined]

    monkeypatch.setattr(calibrate_motion, "load_motion_clips", clips)
    trained, out = builtin_weights("moda"), tmp_path / "calibrated.safetensors"
    cook(calibrate_motion, "--work", "nowhere", "--moda", trained, "--out", out)
    assert read_sizes(out, ModaConfig).calibrated
    kept = {name: value for name, value in asdict(read_header(trained)).items() if name != "sizes"}
    assert {name: asdict(read_header(out))[name] for name in kept} == kept


def test_a_corpus_that_is_prepared_is_left_as_it_is(cook, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    clip = CorpusClip(path="more/words.mp4", speaker="nobody")
    save_with_pictures(clip.folder(tmp_path), frames=20)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    monkeypatch.setattr(prepare_corpus, "corpus_clips", lambda: (clip,))
    monkeypatch.setattr(prepare_corpus, "study_clips", tuple)
    cook(prepare_corpus, "--data", "nowhere", "--work", tmp_path)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_what_is_published_lies_where_it_ships_and_an_actor_is_a_package(
    cook, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    shipped = tmp_path / "builtin"
    renderer = save_drawn_weights(tmp_path / "drawn.safetensors", subject="actor-z", levels=7)
    monkeypatch.setattr(publish, "builtin_weights", lambda network: shipped / f"{network}.safetensors")
    licence = builtin_subject("actor-a") / "LICENSE.ICT-FaceKit"
    actor = noisy_clip(tmp_path / "clip", speaker="actor-z")
    cook(publish, "--renderer", renderer, "--actors", actor, "--licence", licence)
    assert (shipped / "renderer.safetensors").read_bytes() == renderer.read_bytes()
    assert SubjectPackage.load(shipped / "actor-z").name == "actor-z"
    assert (shipped / "actor-z" / licence.name).is_file()


@pytest.mark.usefixtures("tracker")
def test_an_actor_whose_references_are_warped_is_published_with_them(
    cook, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    shipped, renderer = tmp_path / "builtin", tmp_path / "repair.safetensors"
    monkeypatch.setattr(publish, "builtin_weights", lambda network: shipped / f"{network}.safetensors")
    licence = builtin_subject("actor-a") / "LICENSE.ICT-FaceKit"
    actor, config = tmp_path / "clip", RepairConfig(width=4, depth=1)
    name = save_with_pictures(actor, frames=40).facts.speaker
    header = WeightsHeader(
        architecture="warped",
        sizes=asdict(config),
        encoder="",
        fps=25,
        training_data="",
        facts={f"trained_frames:{name}": 34},
    )
    save_weights(renderer, RepairNetwork(config), header)
    cook(publish, "--renderer", renderer, "--actors", actor, "--licence", licence)
    subject = SubjectPackage.load(shipped / name)
    assert subject.reference_HW3.shape == (512, 512, 3)
    assert isinstance(load_renderer(subject=subject, device="cpu"), WarpedStage)
    assert Norms.of(subject, folder=shipped / name, size=512).is_fitted


def test_more_detail_is_a_sharper_picture(cook, tmp_path: Path):
    config, given, out = (
        RepairConfig(width=4, depth=1),
        tmp_path / "given.safetensors",
        tmp_path / "out.safetensors",
    )
    header = WeightsHeader(
        architecture="warped", sizes=asdict(config), encoder="", fps=25, training_data="x", facts={"steps": 7}
    )
    save_weights(given, RepairNetwork(config), header)
    cook(detail_gain, given, out, "--more", 0.5)
    assert read_header(out) == read_header(given)
    picture = torch.rand(1, 3, 64, 64) * 2 - 1
    rough = []
    for path in (given, out):
        network = build_network(path, RepairConfig, RepairNetwork)
        load_weights(path, network, expected=EXPECTED_WARPED)
        shown = network(picture, picture, picture, picture, picture[:, :1]).detach()
        rough.append(float((shown[..., 1:] - shown[..., :-1]).abs().mean()))
    assert rough[1] > 1.2 * rough[0]


@pytest.mark.usefixtures("tracker")
def test_the_average_of_one_face_is_a_mesh(cook, tmp_path: Path):
    from nodding_actor import FRAMES, actor_frames, write_video

    clip = write_video(tmp_path / "nod.mkv", actor_frames("actor-a", count=FRAMES))
    cook(average_face, tmp_path / "mean.npz", clip)
    with np.load(tmp_path / "mean.npz") as stored:
        assert stored["mesh_N3"].shape == (478, 3)
        assert np.isfinite(stored["mesh_N3"]).all()


@pytest.mark.usefixtures("tracker")
def test_limits_are_fitted_to_segments_that_were_rendered(cook):
    subject = builtin_subject("actor-a")
    out = cook(calibrate, "--subject", subject, "--speech", HELLO, "--amplitude", 1, "--segments", 1)
    assert out.startswith("actor-a, 1 segments\n")
    assert "| mouth_error_px" in out
