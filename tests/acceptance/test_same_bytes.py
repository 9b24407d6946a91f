"""The same job gives the same bytes, however many replicas work on it; another seed gives another performance."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Rendered, RenderSpeech

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.mark.parametrize("replicas", [1, 3])
def test_the_number_of_replicas_changes_no_byte(
    example: Rendered, render_speech: RenderSpeech, example_speech: Path, replicas: int
) -> None:
    again = render_speech(example_speech, replicas=replicas)
    assert again.sha256 == example.sha256
    assert again.master.read_bytes() == example.master.read_bytes()


def test_another_seed_gives_another_master(
    example: Rendered, render_speech: RenderSpeech, example_speech: Path
) -> None:
    assert render_speech(example_speech, seed=8).sha256 != example.sha256
