"""The seam to the science: what the farm expects of the real stages, without weights."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from farm.execution import stages as stages_module
from farm.execution.stages import RealStages
from stages.errors import SubjectError, WeightsError


def test_the_factory_travels_to_replicas() -> None:
    assert pickle.loads(pickle.dumps(RealStages())) == RealStages()


def test_the_context_is_what_the_stages_say() -> None:
    from stages.faco.composer_stage import ComposerStage
    from stages.moda.motion_stage import MotionStage
    from stages.warp.reach import CONTEXT_FRAMES

    stages = RealStages()
    actor = stages.load_subject(stages.builtin_subjects()["actor-a"])
    context = stages.context_frames(actor)
    assert (context.speech, context.motion) == (MotionStage.context_frames, ComposerStage.context_frames)
    assert context.speech > 0
    assert context.motion > 0
    assert context.faces == CONTEXT_FRAMES


def test_the_context_is_known_without_loading_what_draws() -> None:
    script = (
        "import sys; from farm.execution.stages import RealStages; stages = RealStages();"
        "stages.context_frames(stages.load_subject(stages.builtin_subjects()['actor-a']));"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_missing_weights_are_named_before_anything_loads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stages_module, "builtin_weights", lambda stage: tmp_path / f"{stage}.safetensors")
    with pytest.raises(WeightsError) as caught:
        RealStages().shared_weights()
    assert caught.value.code == "weights_not_found"
    assert caught.value.where.endswith("moda.safetensors")


def test_a_folder_that_is_no_subject_package_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SubjectError):
        RealStages().load_subject(tmp_path)
