"""The preparation of a subject from one photo: a package and a report.

Legend: S side of the framed photo (512 px), H/W pixels, 3 = RGB.

Every step writes whole files or none. The report comes last, and a photo that is refused leaves no package.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final

import cv2
import numpy as np

from stages.builtin import builtin_subject, builtin_subject_names
from stages.errors import SubjectError
from stages.geometry.canonical import pose, straightened
from stages.inspection.fitting import fit_to_motion, judge_fit
from stages.subject.claim import Claim, file_sha256, keep_consent, take_folder
from stages.subject.donor import Donor, PhotoPose, choose_donor
from stages.subject.donor_lids import with_donor_lids
from stages.subject.donor_mouths import with_donor_mouths
from stages.subject.library_file import LIBRARY_FILE, MASK_SIZE, StoredReferences, write_library
from stages.subject.library_making import control_of
from stages.subject.motion_limits import MotionLimits
from stages.subject.package import SubjectPackage
from stages.subject.photo_file import Photo, read_photo
from stages.subject.photo_matte import person_mask, plate_behind
from stages.subject.photo_verdicts import judge_donor, judge_faces_of_photo, judge_photo, judge_view
from stages.subject.photo_view import PhotoFaces, PhotoView
from stages.subject.preparation_request import PrepareStep, Progress, SubjectRequest
from stages.subject.quality import Level, Verdict, refuse, refused_by
from stages.subject.quality_report import REPORT_FOLDER, PreparationFigures, QualityReport
from stages.subject.template import Template
from stages.subject.tried_motion import tried_faces
from stages.subject.view_verdicts import judge_background
from stages.warp.keys import eye_keys, head_keys, mouth_keys

PHOTO_LIMITS: Final = MotionLimits(yaw=10.0, pitch=8.0, roll=8.0, shift_px=20.0, scale=0.08)
"""About the photo's pose: beyond ten degrees cheeks and hair that were not seen are torn."""

_FAMILY: Final = "photo"


def builtin_donors() -> list[SubjectPackage]:
    """The digital actors that are installed with a reference library."""
    actors = [SubjectPackage.load(builtin_subject(name)) for name in builtin_subject_names()]
    return [actor for actor in actors if actor.library is not None]


def prepare_photo(
    request: SubjectRequest, *, progress: Progress, donors: Sequence[SubjectPackage] | None = None
) -> QualityReport:
    """Prepare a subject from a photo, or find that it is done; returns the report.

    Args:
        request: what is wanted; its clip is the photo.
        progress: told of every step.
        donors: packages with libraries, one of which lends the inside of the mouth; None for the digital actors.

    Raises:
        SubjectError: no consent (``subject_no_consent``), what a photo cannot have (``photo_no_sound``), an occupied
            folder (``subject_occupied``), an unusable or refused photo (``photo_*``).
        WeightsError: the models for tracking are not installed.
    """
    consent_sha256 = request.check()
    if request.audio_lag is not None or request.audio_track is not None:
        raise SubjectError(
            code="photo_no_sound",
            where=str(request.clip),
            what="a photo has no sound that could lag, and no audio track",
            hint="leave --audio-lag and --audio-track out",
        )
    # What cannot be read takes no folder.
    photo = read_photo(request.clip)
    wanted = Claim(
        clip=str(request.clip),
        clip_sha256=file_sha256(request.clip),
        name=request.name,
        consent_sha256=consent_sha256,
        audio_lag=None,
    )
    claim = take_folder(request.out, wanted, overwrite=request.overwrite)
    folder = request.out / REPORT_FOLDER
    if QualityReport.is_complete(folder):
        report = QualityReport.load(folder)
        refuse(report.verdicts, where=str(request.clip), family=_FAMILY)
        return report
    lenders = builtin_donors() if donors is None else donors
    return _PhotoPreparation(
        request=request, claim=claim, progress=progress, donors=lenders, photo=photo
    ).run()


def library_of_photo(view: PhotoView, donor: Donor | None) -> tuple[Template, StoredReferences]:
    """The template of a photo's subject and its library: the photo, and behind it mouths of a donor.

    Args:
        view: the framed photo.
        donor: who lends the inside of the mouth; None: the photo alone.
    """
    template = view.face.as_template(donor)
    control = control_of(template)
    mesh_1N3 = pose(view.face.canonical_N3[None], view.face.head_7[None])
    canonical_1N3, head_17 = straightened(mesh_1N3, template_N3=template.mesh_N3)
    face = PhotoPose(canonical_N3=canonical_1N3[0], head_7=head_17[0], torso_18x3=view.face.torso_18x3)
    points_P2 = control.points(mesh_N3=mesh_1N3[0], head_7=face.head_7, torso_18x3=face.torso_18x3)
    mask_SS = person_mask(view.picture_SS3, view.person_SS)
    half_MM = cv2.resize(mask_SS, (MASK_SIZE, MASK_SIZE), interpolation=cv2.INTER_AREA)
    alone = StoredReferences(
        plate=plate_behind(view.picture_SS3, mask_SS),
        pictures_RSS3=view.picture_SS3[None],
        masks_RMM=np.asarray(half_MM, dtype=np.uint8)[None],
        frames_R=np.zeros(1, dtype=np.int32),
        points_RP2=points_P2[None],
        heads_RK=head_keys(head_17),
        mouths_RK=mouth_keys(canonical_1N3, head_17),
        eyes_RK=eye_keys(canonical_1N3, head_17),
    )
    if donor is None:
        return template, alone
    speaking = with_donor_mouths(alone, donor, face=face, template=template, control=control)
    return template, with_donor_lids(speaking, donor, face=face, template=template, control=control)


@dataclass(slots=True, kw_only=True)
class _PhotoPreparation:
    """One run: what is known so far, and the steps."""

    request: SubjectRequest
    claim: Claim
    progress: Progress
    donors: Sequence[SubjectPackage]
    photo: Photo
    started: float = field(default_factory=time.perf_counter)
    processor_started: float = field(default_factory=time.process_time)
    verdicts: list[Verdict] = field(default_factory=list)
    figures: PreparationFigures = field(default_factory=PreparationFigures)

    def run(self) -> QualityReport:
        view = self._seen()
        self.progress(PrepareStep.LIBRARY, 0, 1)
        donor = choose_donor(
            (Donor.of(each) for each in self.donors), face=view.face, picture_SS3=view.picture_SS3
        )
        self._judge([judge_donor(None if donor is None else donor.name)])
        template, references = library_of_photo(view, donor)
        self._judge([judge_background(references.plate)])
        path = self.request.out / LIBRARY_FILE
        try:
            write_library(path, references, template=template)
        except SubjectError as error:
            self._judge([refused_by(error)])
            raise
        self.figures = replace(
            self.figures,
            references=len(references.frames_R),
            library_bytes=path.stat().st_size,
            background_unseen=round(references.plate.unseen, 3),
            background_restless=round(references.plate.restless, 3),
        )
        self.progress(PrepareStep.LIBRARY, 1, 1)
        self._write_package(view, template, donor)
        self._fit_limits(template, donor)
        self.progress(PrepareStep.REPORT, 0, 1)
        report = self._report()
        self.progress(PrepareStep.REPORT, 1, 1)
        return report

    def _seen(self) -> PhotoView:
        """The framed photo, if nothing that is seen in it refuses it."""
        self.progress(PrepareStep.LOOK, 0, 1)
        photo = self.photo
        self._judge([judge_photo(photo)])
        faces = PhotoFaces.of(photo.picture_HW3)
        self._judge(judge_faces_of_photo(faces.look))
        self.progress(PrepareStep.LOOK, 1, 1)
        self.progress(PrepareStep.TRACK, 0, 1)
        view = PhotoView.of(
            photo.picture_HW3, faces=faces, framing=faces.framing(where=str(self.request.clip))
        )
        self._judge(judge_view(view))
        assert view is not None
        self.progress(PrepareStep.TRACK, 1, 1)
        return view

    @property
    def _photo_name(self) -> str:
        """The file's name as text, even where its bytes are none."""
        return self.request.clip.name.encode(errors="backslashreplace").decode()

    def _write_package(self, view: PhotoView, template: Template, donor: Donor | None) -> None:
        record = keep_consent(self.request.consent, self.request.out)
        lent = (
            ""
            if donor is None
            else f"; the inside of the mouth and lashes that meet are of {donor.name} ({donor.sha256[:16]})"
        )
        SubjectPackage.write(
            self.request.out,
            facts={
                "name": self.request.name,
                "consent": f"record {record}, sha256 {self.claim.consent_sha256}",
                "consent_record": record,
                "consent_sha256": self.claim.consent_sha256,
                "provenance": f"prepared from the photo {self._photo_name}, sha256 {self.claim.clip_sha256}{lent}",
                "licence": "what the consent record grants",
                "renderer": "",
            },
            template=template,
            reference_HW3=view.picture_SS3,
            motion_limits=PHOTO_LIMITS,
        )

    def _fit_limits(self, template: Template, donor: Donor | None) -> None:
        """Hold the subject against what it comes to where it moves as it may."""
        found = fit_to_motion(
            SubjectPackage.load(self.request.out),
            tried_faces(template, donor=donor, limits=PHOTO_LIMITS),
            folder=self.request.out,
            progress=partial(self.progress, PrepareStep.LIMITS),
        )
        self._judge([judge_fit(found)])
        self.figures = replace(
            self.figures, fitted_frames=found.fitted.frames, fitted_unseen=found.fitted.unseen
        )

    def _judge(self, verdicts: list[Verdict]) -> None:
        """Take verdicts in; when one refuses the photo, leave the report of what is known and raise."""
        self.verdicts += verdicts
        if any(verdict.level is Level.REFUSED for verdict in verdicts):
            self._report()
            refuse(verdicts, where=str(self.request.clip), family=_FAMILY)

    def _report(self) -> QualityReport:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        self.claim = self.claim.with_work(
            seconds=time.perf_counter() - self.started,
            processor_seconds=time.process_time() - self.processor_started,
            peak_memory_mb=peak,
        )
        self.claim.save(self.request.out)
        report = QualityReport(
            clip=self._photo_name,
            name=self.request.name,
            verdicts=tuple(self.verdicts),
            figures=replace(self.figures, peak_memory_mb=peak),
            told=(*self.photo.told, PHOTO_LIMITS.sentence()),
        )
        report.write(self.request.out / REPORT_FOLDER, picture=None)
        return report
