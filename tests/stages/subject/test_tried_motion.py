"""A subject without a clip is tried on a mouth that opens and closes, and a head that turns nearly as far as it may."""

from __future__ import annotations

import numpy as np
from made_library import template_of, write_package
from posed_actor import PosedActor

from stages.geometry.canonical import straightened
from stages.metrics.landmarks import mouth_opening
from stages.subject.donor import Donor
from stages.subject.motion_limits import MotionLimits
from stages.subject.package import SubjectPackage
from stages.subject.tried_motion import RUN_FRAMES, tried_faces

LIMITS = MotionLimits(yaw=10.0, pitch=8.0, roll=6.0, shift_px=20.0, scale=0.08)


def test_heads_turn_nearly_as_far_as_they_may_and_mouths_open_twice(tmp_path) -> None:
    donor = Donor.of(SubjectPackage.load(write_package(tmp_path / "ada")))
    template = template_of(PosedActor.of())
    faces = tried_faces(template, donor=donor, limits=LIMITS)
    assert [face.frame_count for face in faces] == [RUN_FRAMES] * 2
    farthest = []
    for face in faces:
        canonical_TN3, head_T7 = straightened(face.mesh_TN3, template_N3=template.mesh_N3)
        farthest.append(np.abs(head_T7[:, :3] - template.head_7[:3]).max(axis=0))
        opening_T = mouth_opening(canonical_TN3)
        assert (np.diff(np.sign(np.diff(opening_T))) < 0).sum() == 2
        assert np.abs(np.diff(face.mesh_TN3, axis=0)).max() < 16
    np.testing.assert_allclose(farthest[0], np.array([5.0, 4.0, 3.0]), atol=0.4)
    np.testing.assert_allclose(farthest[1], np.array([9.0, 7.2, 5.4]), atol=0.6)


def test_without_a_donor_the_head_alone_moves() -> None:
    template = template_of(PosedActor.of())
    for face in tried_faces(template, donor=None, limits=LIMITS):
        canonical_TN3, _ = straightened(face.mesh_TN3, template_N3=template.mesh_N3)
        assert np.abs(canonical_TN3 - canonical_TN3[0]).max() < 0.5
