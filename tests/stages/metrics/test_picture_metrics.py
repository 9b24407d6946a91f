from __future__ import annotations

import math

import cv2
import numpy as np
import pytest

pytest.importorskip("skimage", reason="scikit-image is not installed")

from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from stages.metrics.pictures import PictureScores, laplacian_variance, psnr, score_frame, ssim

WHOLE = (slice(0, 64), slice(0, 64))
MOUTH = (slice(40, 50), slice(20, 44))


def a_picture() -> np.ndarray:
    coarse = np.random.default_rng(0).integers(30, 220, (16, 16, 3), dtype=np.uint8)
    return cv2.resize(coarse, (64, 64), interpolation=cv2.INTER_NEAREST)


def score(rendered_HW3: np.ndarray) -> PictureScores:
    return score_frame(rendered_HW3, a_picture(), face=WHOLE, mouth=MOUTH)


def test_equal_pictures_score_perfectly():
    assert score(a_picture()) == PictureScores(psnr=math.inf, ssim=1.0, mouth_psnr=math.inf, sharpness=1.0)


def test_an_error_of_one_level_everywhere_is_48_db():
    assert psnr(a_picture() + np.uint8(1), a_picture()) == pytest.approx(10 * math.log10(255**2))


def test_more_noise_scores_worse():
    noise = np.random.default_rng(1).normal(size=(64, 64, 3))
    little, much = (score(np.clip(a_picture() + size * noise, 0, 255).astype(np.uint8)) for size in (5, 25))
    assert math.inf > little.psnr > much.psnr > 0
    assert 1 > little.ssim > much.ssim > 0


def test_a_blurred_picture_is_less_sharp():
    blurred = score(cv2.GaussianBlur(a_picture(), (0, 0), 1.5))
    assert blurred.sharpness < 0.5
    assert blurred.ssim < 1


def test_a_flat_picture_has_no_sharpness():
    assert laplacian_variance(np.full((32, 32, 3), 90, dtype=np.uint8)) == 0


def test_an_error_outside_the_mouth_does_not_touch_the_mouth():
    rendered = a_picture()
    rendered[:10] = 0
    scores = score(rendered)
    assert scores.mouth_psnr == math.inf
    assert scores.psnr < 30


def test_ssim_and_psnr_are_those_of_scikit_image():
    noise = np.random.default_rng(2).normal(0, 15, (64, 64, 3))
    noisy = np.clip(a_picture() + noise, 0, 255).astype(np.uint8)
    window = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    truth = structural_similarity(a_picture(), noisy, channel_axis=2, data_range=255, **window)
    assert ssim(noisy, a_picture()) == pytest.approx(truth, abs=1e-5)
    assert psnr(noisy, a_picture()) == pytest.approx(peak_signal_noise_ratio(a_picture(), noisy), abs=1e-6)
