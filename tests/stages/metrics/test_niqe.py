from __future__ import annotations

import math

import cv2
import numpy as np
import pytest

pytest.importorskip("skimage", reason="scikit-image is not installed")

from skimage import data

from stages.metrics.niqe import niqe

# calculate_niqe(picture[..., ::-1], crop_border=0, input_order="HWC", convert_to="y") of basicsr 1.4.2, run from its
# source distribution with numpy 2.4.6 and scipy 1.18 on the pictures of scikit-image 0.26.
PUBLISHED = {"astronaut": 3.06494767, "chelsea": 2.62552438, "coffee": 4.11524162}
PUBLISHED_BLURRED = 7.28221999


@pytest.mark.parametrize("name", sorted(PUBLISHED))
def test_a_photograph_has_the_figure_of_the_published_implementation(name: str):
    assert niqe(getattr(data, name)()) == pytest.approx(PUBLISHED[name], rel=0.002)


def test_so_has_a_blurred_one():
    blurred = cv2.GaussianBlur(data.astronaut(), (0, 0), 2.0)
    assert niqe(blurred) == pytest.approx(PUBLISHED_BLURRED, rel=0.002)


@pytest.mark.parametrize("size", [512, 256, 160])
def test_blur_and_noise_are_told_from_the_photograph_at_every_size(size: int):
    picture = cv2.resize(data.astronaut(), (size, size), interpolation=cv2.INTER_AREA)
    noise = np.random.default_rng(0).normal(0, 12, picture.shape)
    noisy = np.clip(picture + noise, 0, 255).astype(np.uint8)
    assert niqe(picture) < min(niqe(cv2.GaussianBlur(picture, (0, 0), 2.0)), niqe(noisy))


def test_a_small_picture_is_judged_to_its_edges():
    # Blocks side by side would leave the right and lower quarter of 256 px out.
    picture = cv2.resize(data.astronaut(), (256, 256), interpolation=cv2.INTER_AREA)
    spoilt = picture.copy()
    spoilt[200:, 200:] = 128
    assert niqe(spoilt) != pytest.approx(niqe(picture), rel=1e-3)


def test_a_flat_picture_has_no_figure():
    assert math.isnan(niqe(np.full((256, 256, 3), 90, dtype=np.uint8)))
