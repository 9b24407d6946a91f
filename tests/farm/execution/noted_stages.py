"""The stages as they ship; every picture that they draw is noted in a folder, and one replica may be killed."""

from __future__ import annotations

import hashlib
import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from farm.execution.stages import FrameRenderer, RealStages
from stages.payloads import PosedFace


@dataclass(frozen=True, slots=True, kw_only=True)
class NotedStages(RealStages):
    """Attributes:
    notes: a folder.
    deadly_frame: the replica that first draws the segment beginning there dies in its middle; -1: none does.
    """

    notes: Path
    deadly_frame: int = -1

    def load_renderer(self, *, subject: Any, device: str, form: Any) -> Any:
        return NotedRenderer(
            RealStages.load_renderer(self, subject=subject, device=device, form=form), stages=self
        )

    def pictures(self) -> dict[int, str]:
        """The hash of the picture of each frame; one that was drawn twice, and not alike, has several."""
        found: dict[int, list[str]] = {}
        for note in sorted(self.notes.glob("frame-*")):
            _, frame, digest = note.name.split("-")
            found.setdefault(int(frame), []).append(digest)
        return {frame: "|".join(digests) for frame, digests in found.items()}


class NotedRenderer:
    def __init__(self, renderer: FrameRenderer, *, stages: NotedStages) -> None:
        self._renderer, self._stages = renderer, stages
        self.size = renderer.size

    @property
    def not_finite_frames(self) -> int:
        return self._renderer.not_finite_frames

    def render(
        self, face: PosedFace, *, first_frame: int, lead: int, frame_count: int
    ) -> Iterator[np.ndarray]:
        drawn = self._renderer.render(face, first_frame=first_frame, lead=lead, frame_count=frame_count)
        for frame, picture_HW3 in enumerate(drawn, start=first_frame):
            digest = hashlib.sha256(np.ascontiguousarray(picture_HW3).data).hexdigest()
            (self._stages.notes / f"frame-{frame}-{digest}").touch()
            if first_frame == self._stages.deadly_frame and frame == first_frame + frame_count // 2:
                self._strike()
            yield picture_HW3

    def _strike(self) -> None:
        try:
            os.close(os.open(self._stages.notes / "killed", os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            return
        os.kill(os.getpid(), signal.SIGKILL)
