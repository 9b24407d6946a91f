"""The whole preparation of a subject: from a clip and a consent record to a package, training data and a report.

Legend: T frames, K candidates, H/W pixels, 3 = RGB.

Every step writes whole files or none, and a run with the same inputs goes on after the last finished one:

    preparation.json        the inputs
    clip/frames.mp4         the pictures
    clip/observed.npz       what was seen in every one of them; removed in the end
    clip/tracks.npz, .json  the tracks
    references.safetensors  the reference library
    template.npz, reference.png, consent.*, subject.yaml
    inspection.json         the limits that its videos are held against
    report/                 the report, whose data comes last
"""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from stages.builtin import builtin_weights
from stages.errors import SubjectError
from stages.inspection.fitting import fit_norms, judge_fit
from stages.media.account import MediaAccount
from stages.media.tracks import check_track
from stages.payloads import FRAMES_PER_SECOND, SAMPLES_PER_FRAME
from stages.speech.decode import read_levelled
from stages.subject.audio_offset import AudioOffset, audio_offset
from stages.subject.claim import Claim, file_sha256, keep_consent, take_folder
from stages.subject.face_framing import framing_of
from stages.subject.frames import FRAMES_FILE, FrameWriter, align_frames, forget_frames
from stages.subject.framing import Frame, Framing
from stages.subject.library_file import LIBRARY_FILE
from stages.subject.library_of_clip import make_library
from stages.subject.looks import Looks, look_over
from stages.subject.measures import TrackMeasures
from stages.subject.observation import Observation
from stages.subject.package import SubjectPackage
from stages.subject.preparation_request import PrepareStep, Progress, SubjectRequest
from stages.subject.prepare import assemble, canonicalised, observe_shot, round_trip_px, shot_frames
from stages.subject.quality import (
    Level,
    Verdict,
    judge_file,
    judge_looks,
    judge_offset,
    judge_overlap,
    judge_tracks,
    refuse,
    refused_by,
)
from stages.subject.quality_report import REPORT_FOLDER, PreparationFigures, QualityReport
from stages.subject.reference import choose_reference
from stages.subject.refinement import refine_tracks
from stages.subject.report_picture import report_picture, sheet_indices
from stages.subject.template import Template
from stages.subject.tracks import CLIP_FOLDER, ClipTracks
from stages.subject.view_verdicts import judge_background, judge_camera, judge_hands, judge_square
from stages.training.split import HELD_OUT_SHARE
from stages.video.ahead import read_ahead
from stages.video.decoding import read_facts, read_frames

Floats = NDArray[np.float32]

_OBSERVED: Final = "observed.npz"


def counted(frames: Iterable[Frame], count: Callable[[int], None]) -> Iterator[Frame]:
    """Frames, telling how many there were so far."""
    for done, frame_HW3 in enumerate(frames, start=1):
        yield frame_HW3
        count(done)


def prepare_subject(request: SubjectRequest, *, progress: Progress) -> QualityReport:
    """Prepare a subject, or go on preparing it; returns the report.

    A clip that is refused leaves its report, and no package.

    Raises:
        SubjectError: no consent (``subject_no_consent``), no such lag (``subject_bad_lag``), an occupied
            folder (``subject_occupied``), an unusable or refused clip (``clip_*``).
        SpeechError: no usable sound.
        WeightsError: the models for tracking or listening are not installed.
    """
    consent_sha256 = request.check()
    # Before its bytes are hashed: of gigabytes that are no clip, or whose sound nobody can decode, one hears at once.
    if read_facts(request.clip).has_sound:
        check_track(request.clip, wanted=request.audio_track)
    wanted = Claim(
        clip=str(request.clip),
        clip_sha256=file_sha256(request.clip),
        name=request.name,
        consent_sha256=consent_sha256,
        audio_lag=request.audio_lag,
        audio_track=request.audio_track,
    )
    claim = take_folder(request.out, wanted, overwrite=request.overwrite)
    folder = request.out / REPORT_FOLDER
    if QualityReport.is_complete(folder):
        report = QualityReport.load(folder)
        refuse(report.verdicts, where=str(request.clip))
        return report
    return _Preparation(request=request, claim=claim, progress=progress).run()


@dataclass(slots=True, kw_only=True)
class _Preparation:
    """One run: what is known so far, and the steps."""

    request: SubjectRequest
    claim: Claim
    progress: Progress
    started: float = field(default_factory=time.perf_counter)
    processor_started: float = field(default_factory=time.process_time)
    verdicts: list[Verdict] = field(default_factory=list)
    media: MediaAccount = field(default_factory=MediaAccount)
    figures: PreparationFigures = field(default_factory=lambda: PreparationFigures(seconds=0.0))

    def run(self) -> QualityReport:
        clip = self.request.clip
        self._judge(judge_file(read_facts(clip)))
        looks = look_over(clip, progress=self._counter(PrepareStep.LOOK, 0))
        self.progress(PrepareStep.LOOK, looks.frame_count, looks.frame_count)
        self.media = replace(self.media, picture=looks.account)
        start, stop = looks.longest_shot
        self.figures = replace(self.figures, seconds=(stop - start) / FRAMES_PER_SECOND)
        self._judge(judge_looks(looks))
        framing = framing_of(looks, looks.within(start, stop), where=str(clip))
        # What was observed is let go as soon as it is aligned: of a long clip it is as large as the tracks.
        tracks, offset = self._listen(self._observe(looks, framing), framing, looks=looks)
        self._write_pictures(tracks, shot=range(start, stop))
        tracks, reference_HW3, sheet = self._choose_reference(tracks)
        tracks = self._refine(tracks, reference_HW3)
        template = Template.from_clips([tracks], share=1 - HELD_OUT_SHARE)
        self._make_library(tracks, template)
        tracks.save(self._clip_folder)
        self._write_package(template, reference_HW3)
        self._fit_limits()
        (self._clip_folder / _OBSERVED).unlink()
        picture = report_picture(tracks, sheet, offset_by_lag=offset.by_lag)
        self.figures = replace(self.figures, round_trip_px=round_trip_px(tracks))
        self.progress(PrepareStep.REPORT, 1, 1)
        return self._report(picture)

    @property
    def _clip_name(self) -> str:
        """The file's name as text, even where its bytes are none."""
        return self.request.clip.name.encode(errors="backslashreplace").decode()

    @property
    def _clip_folder(self) -> Path:
        return self.request.out / CLIP_FOLDER

    def _observe(self, looks: Looks, framing: Framing) -> Observation:
        path = self._clip_folder / _OBSERVED
        start, stop = looks.longest_shot
        observation = Observation.load(path)
        if observation is None:
            counter = self._counter(PrepareStep.TRACK, stop - start)
            forget_frames(self._clip_folder)
            # In the same pass: to decode a large picture costs more than to track the face in it.
            with FrameWriter(self._clip_folder / FRAMES_FILE) as writer:
                observation = observe_shot(
                    self.request.clip, looks=looks, framing=framing, progress=counter, keep=writer.write
                )
            observation.save(path)
            self._keep_time()
        self.progress(PrepareStep.TRACK, stop - start, stop - start)
        return observation

    def _listen(
        self, observation: Observation, framing: Framing, *, looks: Looks
    ) -> tuple[ClipTracks, AudioOffset]:
        """Tracks with the offset of the sound undone, and the offset."""
        self.progress(PrepareStep.LISTEN, 0, 1)
        shot_start, _ = looks.longest_shot
        speech = read_levelled(self.request.clip, track=self.request.audio_track)
        speech_S = speech.samples_S
        self.media = replace(self.media, sound=speech.media.sound)
        face = canonicalised(observation.mesh_TN3)
        shot = slice(
            shot_start * SAMPLES_PER_FRAME, (shot_start + len(observation.mesh_TN3)) * SAMPLES_PER_FRAME
        )
        self._judge_tracks(observation, face, speech_S[shot])
        # Compared as recorded, so that the lag is that of the clip.
        offset = audio_offset(face[0], speech_S[shot], weights=builtin_weights("lip_predictor"))
        told = self.request.audio_lag
        lag = offset.correction if told is None else told
        self.figures = replace(
            self.figures,
            offset_frames=round(offset.lag, 2),
            offset_correlation=offset.correlation,
            offset_corrected=lag,
        )
        tracks = assemble(
            observation,
            face,
            speech_S,
            audio_lag=lag,
            shot_start=shot_start,
            source=self.request.clip.absolute(),
            speaker=self.request.name,
            framing=framing,
            unfit=looks.unfit,
        )
        verdict = judge_offset(offset, corrected=lag, told=told is not None)
        self._judge([verdict, judge_overlap(tracks.frame_count)])
        self.progress(PrepareStep.LISTEN, 1, 1)
        return tracks, offset

    def _judge_tracks(self, observation: Observation, face: tuple[Floats, Floats], speech_S: Floats) -> None:
        measures = TrackMeasures.of(
            canonical_TN3=face[0],
            head_T7=face[1],
            mesh_TN3=observation.mesh_TN3,
            heights_T18=observation.heights_T18,
            speech_S=speech_S,
        )
        self.figures = replace(self.figures, detected=observation.detected, jitter_px=measures.jitter_px)
        self._judge(
            [
                *judge_tracks(measures, detected=observation.detected),
                judge_camera(observation.camera),
                judge_hands(
                    observation.hands_K3,
                    covered=observation.covered,
                    frame_count=len(observation.mesh_TN3),
                ),
                judge_square(measures),
            ]
        )

    def _write_pictures(self, tracks: ClipTracks, *, shot: range) -> None:
        first = tracks.facts.first_frame
        frames = shot_frames(
            self.request.clip, framing=tracks.facts.framing, start=first, stop=first + tracks.frame_count
        )
        align_frames(
            self._clip_folder,
            tracks,
            shot=shot,
            again=counted(frames, self._counter(PrepareStep.PICTURES, tracks.frame_count)),
        )
        self._keep_time()
        self.progress(PrepareStep.PICTURES, tracks.frame_count, tracks.frame_count)

    def _stored_frames(self) -> Iterator[Frame]:
        return read_ahead(read_frames(self._clip_folder / FRAMES_FILE))

    def _choose_reference(self, tracks: ClipTracks) -> tuple[ClipTracks, Frame, list[tuple[int, Frame]]]:
        """Tracks that name their reference frame, that frame as it was stored, and frames for the contact sheet."""
        shown = sheet_indices(tracks.frame_count)
        reference, frames = choose_reference(tracks, self._stored_frames(), also=shown)
        self.figures = replace(self.figures, reference_frame=reference)
        named = replace(tracks, facts=replace(tracks.facts, reference_frame=reference))
        return named, frames[reference], [(index, frames[index]) for index in sorted(shown)]

    def _refine(self, tracks: ClipTracks, reference_HW3: Frame) -> ClipTracks:
        """Tracks that lie on the pictures."""
        assert tracks.facts.reference_frame is not None
        refined = refine_tracks(
            tracks,
            counted(self._stored_frames(), self._counter(PrepareStep.REFINE, tracks.frame_count)),
            reference=tracks.facts.reference_frame,
            reference_HW3=reference_HW3,
        )
        self.figures = replace(
            self.figures,
            head_refined=refined.head.refined,
            head_shift_before_px=refined.head.shift_before_px,
            head_shift_px=refined.head.shift_after_px,
            torso_refined=refined.torso.refined,
            torso_shift_before_px=refined.torso.shift_before_px,
            torso_shift_px=refined.torso.shift_after_px,
        )
        self._keep_time()
        return refined.tracks

    def _make_library(self, tracks: ClipTracks, template: Template) -> None:
        """What the subject is drawn from, before anything makes the folder a package."""
        total = tracks.frame_count + 1
        frames = counted(self._stored_frames(), self._counter(PrepareStep.LIBRARY, total))
        try:
            made = make_library(self.request.out / LIBRARY_FILE, tracks, frames, template=template)
        except SubjectError as error:
            self._judge([refused_by(error)])
            raise
        self._judge([judge_background(made.plate)])
        self.figures = replace(
            self.figures,
            references=made.references,
            library_bytes=made.size_bytes,
            background_unseen=round(made.plate.unseen, 3),
            background_restless=round(made.plate.restless, 3),
        )
        self._keep_time()
        self.progress(PrepareStep.LIBRARY, total, total)

    def _write_package(self, template: Template, reference_HW3: Frame) -> None:
        self.progress(PrepareStep.REPORT, 0, 1)
        record = keep_consent(self.request.consent, self.request.out)
        SubjectPackage.write(
            self.request.out,
            facts={
                "name": self.request.name,
                "consent": f"record {record}, sha256 {self.claim.consent_sha256}",
                "consent_record": record,
                "consent_sha256": self.claim.consent_sha256,
                "provenance": f"prepared from the clip {self._clip_name}, sha256 {self.claim.clip_sha256}",
                "licence": "what the consent record grants",
                "renderer": "",
            },
            template=template,
            reference_HW3=reference_HW3,
        )

    def _fit_limits(self) -> None:
        """Hold the subject against what the warp alone makes of it."""
        subject = SubjectPackage.load(self.request.out)
        found = fit_norms(
            subject, folder=self.request.out, progress=partial(self.progress, PrepareStep.LIMITS)
        )
        self._judge([judge_fit(found)])
        self.figures = replace(
            self.figures, fitted_frames=found.fitted.frames, fitted_unseen=found.fitted.unseen
        )
        self._keep_time()

    def _judge(self, verdicts: list[Verdict]) -> None:
        """Take verdicts in; when one refuses the clip, leave the report of what is known and raise."""
        self.verdicts += verdicts
        if any(verdict.level is Level.REFUSED for verdict in verdicts):
            self._report(None)
            refuse(verdicts, where=str(self.request.clip))

    def _report(self, picture: bytes | None) -> QualityReport:
        self._keep_time()
        length = self.figures.seconds
        report = QualityReport(
            clip=self._clip_name,
            name=self.request.name,
            verdicts=tuple(self.verdicts),
            figures=replace(
                self.figures,
                seconds_per_second=self.claim.seconds / length if length else None,
                processor_seconds_per_second=self.claim.processor_seconds / length if length else None,
                peak_memory_mb=self.claim.peak_memory_mb,
            ),
            told=tuple(self.media.sentences()),
            found=self.media.as_record(),
        )
        report.write(self.request.out / REPORT_FOLDER, picture=picture)
        return report

    def _keep_time(self) -> None:
        now, processor_now = time.perf_counter(), time.process_time()
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        self.claim = self.claim.with_work(
            seconds=now - self.started,
            processor_seconds=processor_now - self.processor_started,
            peak_memory_mb=peak,
        )
        self.started, self.processor_started = now, processor_now
        self.claim.save(self.request.out)

    def _counter(self, step: PrepareStep, total: int) -> Callable[[int], None]:
        return lambda done: self.progress(step, done, total)
