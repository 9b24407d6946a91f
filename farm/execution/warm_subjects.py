"""The last few subjects that a replica served, loaded; the least recently used goes first.

What is loaded is found by the files it was loaded from, not by their names alone: a subject that was trained anew in
its old folder is loaded anew.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

from farm.execution.calls import ReplicaSetup
from farm.execution.file_state import FileState, state_of
from farm.execution.loaded_stages import LoadedFace, LoadedMotion, LoadedStage, load_render
from farm.execution.stages_factory import FaceComposer, MotionPredictor, StageFactory
from farm.scheduling.units import Stage


@dataclass(frozen=True, slots=True)
class _Origin:
    """What decides how a loaded stage behaves, apart from the task.

    Attributes:
        network: Files of the network that subjects share; empty for the renderer, which is the subject's own.
        profile: Of the renderer; empty for the other stages.
    """

    subject: FileState
    network: FileState
    profile: str


class WarmSubjects:
    """Loads one stage for whatever subject comes. Not for several threads."""

    def __init__(self, *, stage: Stage, stages: StageFactory, device: str, keep: int) -> None:
        """Args: keep: subjects that stay loaded, at least 1."""
        if keep < 1:
            raise ValueError("a replica keeps at least one subject")
        self._stage, self._stages, self._device, self._keep = stage, stages, device, keep
        self._loaded: OrderedDict[_Origin, LoadedStage] = OrderedDict()
        self._predictors: dict[FileState, MotionPredictor] = {}
        self._composers: dict[FileState, FaceComposer] = {}

    def get(self, setup: ReplicaSetup) -> tuple[LoadedStage, bool]:
        """The stage for the setup's subject, and whether it had to be loaded.

        Raises:
            Exception: Whatever the stages raise when they load.
        """
        origin = self._origin(setup)
        if origin in self._loaded:
            self._loaded.move_to_end(origin)
            return self._loaded[origin], False
        # Room first: two subjects more than the device was sized for might not fit at once.
        self._shrink_to(self._keep - 1)
        loaded = self._loaded[origin] = self._load(setup, network=origin.network)
        return loaded, True

    def close(self) -> None:
        """Drop everything; may be called twice."""
        self._shrink_to(0)
        self._predictors.clear()
        self._composers.clear()

    def _shrink_to(self, count: int) -> None:
        while len(self._loaded) > count:
            _, dropped = self._loaded.popitem(last=False)
            dropped.close()

    def _origin(self, setup: ReplicaSetup) -> _Origin:
        subject = state_of(setup.subject) or ((str(setup.subject), 0, 0, 0),)
        if self._stage is Stage.RENDER:
            return _Origin(subject, (), setup.profile)
        weights = setup.weights
        files: list[Path] = [weights.composer]
        if self._stage is Stage.MOTION:
            files = [weights.motion, *([weights.encoder] if weights.encoder else [])]
        return _Origin(subject, tuple(entry for file in files for entry in state_of(file)), "")

    def _load(self, setup: ReplicaSetup, *, network: FileState) -> LoadedStage:
        if self._stage is Stage.RENDER:
            return load_render(setup, stages=self._stages, device=self._device)
        subject = self._stages.load_subject(setup.subject)
        if self._stage is Stage.MOTION:
            return LoadedMotion(subject, self._predictor(setup, network))
        return LoadedFace(subject, self._composer(setup, network))

    def _predictor(self, setup: ReplicaSetup, network: FileState) -> MotionPredictor:
        if network not in self._predictors:
            self._forget_networks()
            self._predictors[network] = self._stages.load_motion(
                weights=setup.weights.motion, device=self._device
            )
        return self._predictors[network]

    def _composer(self, setup: ReplicaSetup, network: FileState) -> FaceComposer:
        if network not in self._composers:
            self._forget_networks()
            self._composers[network] = self._stages.load_composer(
                weights=setup.weights.composer, device=self._device
            )
        return self._composers[network]

    def _forget_networks(self) -> None:
        """Free networks that no loaded subject uses."""
        used = {origin.network for origin in self._loaded}
        self._predictors = {key: value for key, value in self._predictors.items() if key in used}
        self._composers = {key: value for key, value in self._composers.items() if key in used}
