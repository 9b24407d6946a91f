"""Hands that come before a face, and hands that a finder takes a cheek for."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from prepared_clip import clip_tracks

from stages.builtin import builtin_subject
from stages.geometry.canonical import pose
from stages.subject.framing import Framing
from stages.subject.hands import HandFinder, HandWatch, covered_frames, covered_share
from stages.subject.observation import Observation
from stages.subject.package import SubjectPackage
from stages.subject.prepare import assemble
from stages.video.unfit import Unfit, UnfitFrames

FRAMES = 120
FACE_N2 = np.stack(
    [256 + 100 * np.cos(np.linspace(0, 2 * np.pi, 478)), 256 + 130 * np.sin(np.linspace(0, 2 * np.pi, 478))],
    axis=1,
).astype(np.float32)


def hand(x: float, y: float, *, size: float = 1.0) -> np.ndarray:
    """A flat hand whose palm is around a place, 21 points as MediaPipe orders them."""
    fingers = [
        [(-40, 20), (-55, 0), (-65, -15), (-75, -30)],
        *[[(x, -40), (x, -70), (x, -90), (x, -110)] for x in (-30, -10, 10, 30)],
    ]
    points = [(0, 60), *(point for finger in fingers for point in finger)]
    return (np.array(points) * size + (x, y)).astype(np.float32)


class Finder:
    """Finds what it is told to, look by look."""

    def __init__(self, found: list[list[np.ndarray]]) -> None:
        self.found, self.asked = found, 0

    def find(self, frame_HW3: np.ndarray) -> list[np.ndarray]:
        self.asked += 1
        return self.found[self.asked - 1]


def watched(found: list[list[np.ndarray]], *, drawn: bool = True) -> np.ndarray:
    """Looks at a grainy face that brightens and darkens, before which hands are drawn or only found."""
    random, watch = np.random.default_rng(0), HandWatch(Finder(found))  # type: ignore[arg-type]
    for index in range(12 * len(found)):
        frame_HW3 = np.clip(
            120 + 5 * np.sin(index) + random.normal(scale=3, size=(512, 512, 3)), 0, 255
        ).astype(np.uint8)
        if drawn and index % 12 == 0:
            for hand_212 in found[index // 12]:
                cv2.fillConvexPoly(
                    frame_HW3, cv2.convexHull(np.rint(hand_212).astype(np.int32)), (190, 160, 150)
                )
        watch.add(index, frame_HW3, FACE_N2)
    return watch.seen_K3()


def test_a_hand_before_the_face_is_told_from_one_below_it():
    before, below = hand(256, 300), hand(256, 480, size=0.8)
    seen_K3 = watched([[], [before], [], [below], [], []])
    assert seen_K3.tolist() == [[0, 0, 0], [12, 1, 1], [24, 0, 0], [36, 1, 0], [48, 0, 0], [60, 0, 0]]


def test_what_a_finder_takes_for_a_hand_changes_nothing_in_the_face():
    cheek = hand(290, 280, size=0.7)
    assert watched([[], [cheek], [], [cheek], [], []], drawn=False)[:, 1:].tolist() == [[0, 0]] * 6


def test_a_small_find_is_no_hand_of_the_subject():
    assert not watched([[hand(380, 250, size=0.3)]] * 6)[:, 1].any(), "an ear"


def test_a_hand_that_never_leaves_the_face_is_in_view_and_leaves_nothing_out():
    seen_K3 = watched([[hand(256, 300)]] * 6)
    assert seen_K3[:, 1].all()
    assert covered_frames(seen_K3, frame_count=72) == ()


@pytest.mark.parametrize(("y", "least", "most"), [(256, 0.15, 0.6), (400, 0.01, 0.2), (520, 0.0, 0.0)])
def test_the_share_that_a_hand_covers(y: float, least: float, most: float):
    assert least <= covered_share(hand(256, y), FACE_N2) <= most


def test_frames_between_looks_without_a_hand_are_left_out():
    looks_K3 = np.array([[12 * k, k in (0, 4, 5, 9), k in (0, 4, 5, 9)] for k in range(10)], dtype=np.int32)
    spans = [(0, 12), (37, 72), (97, FRAMES)]
    assert covered_frames(looks_K3, frame_count=FRAMES) == tuple(
        UnfitFrames(start=start, stop=stop, reason=Unfit.COVERED) for start, stop in spans
    )


def test_what_hands_cover_is_kept_from_training_beside_what_else_is_unfit():
    tracks = clip_tracks(FRAMES)
    observation = Observation(
        mesh_TN3=pose(tracks.canonical_TN3, tracks.head_T7),
        found_T=np.ones(FRAMES, np.bool_),
        heights_T18=tracks.torso_TN3[..., 1],
        columns_18=tracks.torso_TN3[0, :, 0],
        hands_K3=np.array([[12 * k, k == 4, k == 4] for k in range(10)], dtype=np.int32),
        corners_K42=np.zeros((0, 4, 2)),
        pieces_K=np.zeros(0, np.int32),
    )
    aligned = assemble(
        observation,
        (tracks.canonical_TN3, tracks.head_T7),
        np.ones(640 * (FRAMES + 50), np.float32),
        audio_lag=-5,
        shot_start=50,
        source=Path("a.mp4"),
        speaker="actor",
        framing=Framing(left=0, top=0, side=512),
        unfit=(UnfitFrames(start=60, stop=65, reason=Unfit.FROZEN),),
    )
    left_out = {*range(60 - 55, 65 - 55), *range(37 - 5, 60 - 5)}
    assert set(range(FRAMES - 5)) - set(aligned.learnable()) == left_out


@pytest.mark.parametrize("actor", ["actor-a", "actor-b", "actor-c"])
def test_a_face_and_shoulders_are_no_hands(actor: str):
    try:
        finder = HandFinder()
    except (ImportError, OSError) as error:
        pytest.skip(f"MediaPipe cannot be loaded: {error}")
    reference_HW3 = SubjectPackage.load(builtin_subject(actor)).reference_HW3
    with finder:
        assert finder.find(cv2.resize(reference_HW3, (512, 512), interpolation=cv2.INTER_CUBIC)) == []
