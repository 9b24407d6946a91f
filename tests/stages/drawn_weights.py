"""Weights of the paper's renderer that have learnt nothing: as a rule 64 px, made in a moment."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from stages.render.generator import Generator
from stages.render.generator_config import GeneratorConfig
from stages.weights import save_weights
from stages.weights_header import WeightsHeader


def save_drawn_weights(path: Path, *, subject: str, levels: int = 5) -> Path:
    config = GeneratorConfig(levels=levels, width=4)
    header = WeightsHeader(
        architecture="renderer",
        sizes=asdict(config),
        encoder="",
        fps=25,
        training_data="",
        facts={f"trained_frames:{subject}": 100},
    )
    save_weights(path, Generator(config), header)
    return path
