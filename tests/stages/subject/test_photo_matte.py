"""The background of a single photo: what was seen stays, what was not goes on from it without a step."""

from __future__ import annotations

import cv2
import numpy as np

from stages.subject.photo_matte import person_mask, plate_behind

Y, X = np.mgrid[:512, :512].astype(np.float32)


def ramp() -> np.ndarray:
    return np.stack([60 + 0.2 * X, 60 + 0.2 * Y, 200 - 0.15 * X], axis=-1).astype(np.uint8)


def disc(radius: float) -> np.ndarray:
    return (np.hypot(X - 256, Y - 300) < radius).astype(np.uint8) * 255


def test_what_was_seen_stays_and_the_person_is_gone() -> None:
    photo = ramp()
    photo[disc(120) > 0] = (255, 0, 0)
    plate = plate_behind(photo, disc(120))
    assert (plate.picture_SS3[disc(132) == 0] == ramp()[disc(132) == 0]).all()
    assert np.abs(plate.picture_SS3.astype(int) - ramp()).mean(axis=-1).max() < 30
    assert 0.17 < plate.unseen < 0.22
    assert plate.is_still


def test_there_is_no_step_at_the_border_of_what_was_seen() -> None:
    photo = ramp()
    photo[:, 256:] = (photo[:, 256:].astype(int) * 0.5).astype(np.uint8)
    photo[disc(120) > 0] = (255, 0, 0)
    plate = plate_behind(photo, disc(120)).picture_SS3.astype(int)
    border = (disc(136) > 0) & (disc(116) == 0) & (np.abs(X - 256) > 20)
    across, along = (
        np.abs(np.diff(plate, axis=1))[1:].max(axis=-1),
        np.abs(np.diff(plate, axis=0))[:, 1:].max(axis=-1),
    )
    assert np.maximum(across, along)[border[1:, 1:]].max() <= 6


def test_what_goes_on_behind_is_at_first_what_is_at_the_border() -> None:
    photo = np.full((512, 512, 3), 40, np.uint8)
    photo[260:340] = (220, 200, 180)
    photo[disc(120) > 0] = (0, 0, 255)
    plate = plate_behind(photo, disc(120)).picture_SS3.astype(int)
    assert plate[300, 256 - 115].mean() > 170
    assert plate[230, 256 - 90].mean() < 80


def test_a_photo_that_is_all_person_has_a_grey_background() -> None:
    plate = plate_behind(ramp(), np.full((512, 512), 255, np.uint8))
    assert (plate.picture_SS3 == 128).all()
    assert plate.unseen == 1.0


def test_the_same_photo_gives_the_same_mask() -> None:
    photo = ramp()
    photo[disc(120) > 0] = (200, 30, 30)
    confidence = disc(112).astype(np.float32) / 255
    masks = [person_mask(photo, confidence) for _ in range(2)]
    assert (masks[0] == masks[1]).all()
    # The rim that the segmenter left out has the person's colours.
    assert masks[0][300, 256 + 116] > 200


def haired() -> tuple[np.ndarray, np.ndarray]:
    """A dark person with three loose hairs, before a light wall with a line that is thin, too, but nobody's."""
    photo = np.full((512, 512, 3), (190, 200, 205), np.uint8)
    photo[disc(120) > 0] = (30, 26, 24)
    for x in (226, 256, 286):
        cv2.line(photo, (x, 200), (x + 4, 158), (60, 56, 54), 1, cv2.LINE_AA)
    cv2.line(photo, (330, 160), (420, 160), (60, 56, 54), 1)
    return photo, disc(120).astype(np.float32) / 255


def test_loose_hair_is_the_persons_and_leaves_nothing_in_the_background() -> None:
    photo, confidence = haired()
    mask = person_mask(photo, confidence)
    for x in (226, 256, 286):
        assert mask[166:174, x : x + 5].max(axis=1).min() > 60
    assert mask[158:163, 340:420].max() == 0, "what hangs together with nobody"
    assert mask[150:175, 240:250].max() == 0, "between hairs is the wall"
    plate = plate_behind(photo, mask).picture_SS3
    assert np.abs(plate[155:185, 215:305].astype(int) - (190, 200, 205)).max() < 12
    assert (plate[160, 345:415] == photo[160, 345:415]).all()


def test_before_a_wall_of_the_persons_colours_nothing_is_taken_for_hair() -> None:
    photo, confidence = haired()
    photo[:] = np.random.default_rng(0).normal(60, 6, (512, 512, 1)).clip(0, 255)
    photo[disc(120) > 0] = (62, 58, 60)
    mask = person_mask(photo, confidence)
    assert (mask[disc(150) == 0] > 0).mean() < 0.002
