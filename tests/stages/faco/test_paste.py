from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch
from average_actor import average_template

from stages.errors import WeightsError
from stages.faco.paste import draws_composed_face, paste_parts
from stages.geometry.landmarks import EYES, LIPS, REST
from stages.render.generator import Generator
from stages.render.generator_config import GeneratorConfig
from stages.weights import save_weights
from stages.weights_header import WeightsHeader

CONFIG = GeneratorConfig(levels=3, width=2)


def test_no_displacement_leaves_the_template():
    mesh_N3 = average_template().mesh_N3
    still = {"mouth_TN3": np.zeros((2, 40, 3), np.float32), "eyes_TN3": np.zeros((2, 60, 3), np.float32)}
    np.testing.assert_array_equal(paste_parts(mesh_N3, **still), np.tile(mesh_N3, (2, 1, 1)))


def test_lips_and_eyes_move_from_the_template_and_all_else_stays():
    mesh_N3 = average_template().mesh_N3
    moved_TN3 = np.random.default_rng(0).normal(0, 5, (7, 478, 3)).astype(np.float32)
    pasted_TN3 = paste_parts(mesh_N3, mouth_TN3=moved_TN3[:, LIPS], eyes_TN3=moved_TN3[:, EYES])
    whole_TN3 = mesh_N3 + moved_TN3
    np.testing.assert_array_equal(pasted_TN3[:, LIPS], whole_TN3[:, LIPS])
    np.testing.assert_array_equal(pasted_TN3[:, EYES], whole_TN3[:, EYES])
    np.testing.assert_array_equal(pasted_TN3[:, REST], np.tile(mesh_N3[REST], (7, 1, 1)))


@pytest.mark.parametrize(
    ("facts", "composed"), [({}, True), ({"composed_face": True}, True), ({"composed_face": False}, False)]
)
def test_a_renderer_says_which_faces_it_was_trained_on(
    tmp_path: Path, facts: dict[str, bool], composed: bool
):
    path = tmp_path / "renderer.safetensors"
    header = WeightsHeader(
        architecture="renderer", sizes=asdict(CONFIG), encoder="", fps=25, training_data="", facts=facts
    )
    torch.manual_seed(0)
    save_weights(path, Generator(CONFIG), header)
    assert draws_composed_face(path) is composed


def test_a_renderer_that_is_not_there_is_an_error(tmp_path: Path):
    with pytest.raises(WeightsError) as caught:
        draws_composed_face(tmp_path / "none.safetensors")
    assert caught.value.code == "weights_not_found"
