from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

# The nodding actor and the prepared clip are plain modules beside the tests, not part of any package.
sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parent))

from nodding_actor import FRAMES, actor_frames, write_video


@pytest.fixture(scope="session", autouse=True)
def _needs_mediapipe() -> None:
    try:
        import mediapipe  # noqa: F401
    except (ImportError, OSError) as error:
        pytest.skip(f"MediaPipe cannot be loaded: {error}")
    pytest.importorskip("skimage", reason="scikit-image is not installed")
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")


@pytest.fixture(scope="session")
def truth(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seconds of actor-a, with sound."""
    folder = tmp_path_factory.mktemp("truth")
    return write_video(folder / "truth.mkv", actor_frames("actor-a", count=FRAMES), sound=True)


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """write(name, frames, fps=, sound=): a video in a folder of the test's own."""
    return lambda name, frames, **more: write_video(tmp_path / name, frames, **more)
