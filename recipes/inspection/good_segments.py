"""Segments of a subject as the farm renders them, to see what good ones look like.

Legend: S samples at 16 kHz, T frames, L cells of a look's side, 3 = RGB.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from stages.builtin import builtin_weights
from stages.faco.composer_stage import Amplitude, ComposerStage
from stages.inspection.checks import SegmentFigures
from stages.inspection.inspector import SegmentInspector
from stages.inspection.look import Look
from stages.moda.merge import merge_windows
from stages.moda.motion_stage import MotionStage
from stages.payloads import Motion, PosedFace
from stages.render.renderer_facts import RendererFacts
from stages.render.renderer_loading import load_renderer
from stages.speech.context import WINDOW_FRAMES, speech_slice
from stages.speech.decode import read_levelled
from stages.subject.package import SubjectPackage

SEGMENT_FRAMES: Final = 50

_STRIDE: Final = WINDOW_FRAMES // 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Performance:
    """What is spoken, and how: the speech, the seed, and one factor on head, blinks and shoulders."""

    speech: Path
    seed: int
    amplitude: float


@dataclass(frozen=True, slots=True, kw_only=True)
class GoodSegment:
    """What was found in one segment, and the (L, L, 3) mean look of its sampled frames."""

    figures: SegmentFigures
    look_LL3: Look


class GoodSegments:
    """Renders and inspects segments of one subject; call `close` at the end."""

    def __init__(self, subject: SubjectPackage, *, folder: Path) -> None:
        """Load the shipped networks, and the renderer of the subject, whose package lies in `folder`.

        Raises:
            WeightsError: Weights are missing, or of another network.
            SubjectError: The package's `inspection.json` is damaged.
        """
        self._subject = subject
        self._motion = MotionStage.load(weights=builtin_weights("moda"), device="cpu")
        self._composer = ComposerStage.load(weights=builtin_weights("faco"), device="cpu")
        self._renderer = load_renderer(subject=subject, device="cpu")
        self._context = RendererFacts.of(subject).context_frames
        self.inspector = SegmentInspector.load(subject=subject, folder=folder, size=self._renderer.size)

    def render(self, performance: Performance, *, segments: int) -> Iterator[GoodSegment]:
        """Some segments of a performance, evenly spread over it.

        Raises:
            SpeechError: The recording cannot be read.
        """
        face = self._face(performance)
        starts = range(0, face.frame_count, SEGMENT_FRAMES)
        for pick in sorted({int(place) for place in np.linspace(0, len(starts) - 1, segments + 2)[1:-1]}):
            first, stop = starts[pick], min(starts[pick] + SEGMENT_FRAMES, face.frame_count)
            low, high = max(0, first - self._context), min(face.frame_count, stop + self._context)
            inspection = self.inspector.begin(face.slice(first, stop))
            before = self._renderer.not_finite_frames
            rendered = self._renderer.render(
                face.slice(low, high), first_frame=first, lead=first - low, frame_count=stop - first
            )
            for _ in inspection.watch(rendered):
                pass
            figures = inspection.figures(not_finite_frames=self._renderer.not_finite_frames - before)
            yield GoodSegment(figures=figures, look_LL3=np.mean(inspection.looks, axis=0))

    def close(self) -> None:
        """Free the detector."""
        self.inspector.close()

    def _face(self, performance: Performance) -> PosedFace:
        speech = read_levelled(performance.speech)
        frames = speech.frame_count
        windows = {
            first: self._window(speech.samples_S, performance, first, min(WINDOW_FRAMES, frames - first))
            for first in range(0, max(1, frames - _STRIDE), _STRIDE)
        }
        factor = performance.amplitude
        return self._composer.compose(
            merge_windows(windows, start=0, stop=frames),
            lead=0,
            frame_count=frames,
            subject=self._subject,
            amplitude=Amplitude(head=factor, blink=min(factor, 1.0), torso=factor),
        )

    def _window(
        self, samples_S: NDArray[np.float32], performance: Performance, first: int, count: int
    ) -> Motion:
        return self._motion.predict_window(
            speech_slice(samples_S, first_frame=first, frame_count=count),
            first_frame=first,
            frame_count=count,
            subject=self._subject,
            seed=performance.seed,
            take=1,
        )
