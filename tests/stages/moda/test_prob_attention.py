from __future__ import annotations

import math

import pytest
import torch

from stages.moda.noise import frame_noise
from stages.moda.prob_attention import LATENT_MARGIN, Mode, ProbAttention, kl_divergence

FRAMES, WIDTH, LATENT, MOTION = 10, 16, 8, 5


def make(mode: Mode, *, latent: int = LATENT) -> ProbAttention:
    torch.manual_seed(0)
    return ProbAttention(
        WIDTH, latent=latent, layers=1, heads=2, mode=mode, motion_channels=MOTION, dropout=0.1
    ).eval()


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def noise_for(branch: ProbAttention, *, seed: int = 0) -> torch.Tensor:
    return draw(1, FRAMES + 2 * branch.margin, LATENT, seed=seed)


@torch.no_grad()
@pytest.mark.parametrize("mode", ["paper", "cvae"])
def test_the_branch_knows_the_order_of_frames(mode: Mode):
    branch, speech, subject = make(mode), draw(1, FRAMES, WIDTH), draw(1, WIDTH, seed=1)
    quiet, order = torch.zeros_like(noise_for(branch)), torch.randperm(FRAMES)
    in_order = branch(speech, subject, quiet)
    shuffled = branch(speech[:, order], subject, quiet)
    assert (shuffled.x_BTC - in_order.x_BTC[:, order]).abs().max() > 1e-2


@torch.no_grad()
@pytest.mark.parametrize("mode", ["paper", "cvae"])
def test_other_noise_gives_another_output(mode: Mode):
    branch, speech, subject = make(mode), draw(1, FRAMES, WIDTH), draw(1, WIDTH, seed=1)
    first, second = (branch(speech, subject, noise_for(branch, seed=seed)).x_BTC for seed in (1, 2))
    assert first.shape == (1, FRAMES, WIDTH)
    assert (first - second).abs().max() > 1e-2


@torch.no_grad()
def test_the_paper_draws_from_the_posterior_of_speech_at_test_time():
    branch = make("paper")
    latents = branch(draw(1, FRAMES, WIDTH), draw(1, WIDTH, seed=1), noise_for(branch))
    assert latents.mean_BTZ.shape == latents.logvar_BTZ.shape == (1, FRAMES, LATENT)


@torch.no_grad()
def test_without_motion_the_cvae_posterior_is_unused():
    branch, speech, subject = make("cvae"), draw(1, FRAMES, WIDTH), draw(1, WIDTH, seed=1)
    noise = noise_for(branch)
    before = branch(speech, subject, noise)
    for part in (branch.encoder, branch.mean, branch.logvar, branch.motion):
        for weight in part.parameters():
            weight.fill_(torch.nan)
    after = branch(speech, subject, noise)
    assert before.mean_BTZ is None
    assert before.logvar_BTZ is None
    assert torch.equal(before.x_BTC, after.x_BTC)


@torch.no_grad()
def test_with_motion_the_cvae_posterior_sees_it():
    branch, speech, subject = make("cvae"), draw(1, FRAMES, WIDTH), draw(1, WIDTH, seed=1)
    first, second = (
        branch(speech, subject, noise_for(branch), draw(1, FRAMES, MOTION, seed=seed)) for seed in (3, 4)
    )
    assert (first.mean_BTZ - second.mean_BTZ).abs().max() > 1e-3
    assert (first.x_BTC - second.x_BTC).abs().max() > 1e-3


@torch.no_grad()
def test_low_passed_latents_keep_unit_variance_and_move_slowly():
    branch = make("cvae")
    z_BTZ = branch._draw(None, None, draw(300, 60 + 2 * LATENT_MARGIN, LATENT))
    assert z_BTZ.shape == (300, 60, LATENT)
    torch.testing.assert_close(z_BTZ.var(dim=(0, 1)), torch.ones(LATENT), atol=0.2, rtol=0)
    steps_Z = z_BTZ.diff(dim=1).std(dim=(0, 1))
    assert (steps_Z < 0.6).all()
    assert (steps_Z.diff()[1::2] < 0).all(), "the four groups go from fast to slow"


@torch.no_grad()
def test_overlapping_windows_draw_the_same_latents():
    branch = make("cvae")

    def latents(first: int, count: int) -> torch.Tensor:
        rows_TZ = frame_noise(
            seed=1,
            take=1,
            first_frame=first - branch.margin,
            frame_count=count + 2 * branch.margin,
            width=LATENT,
        )
        return branch._draw(None, None, torch.from_numpy(rows_TZ)[None])

    torch.testing.assert_close(latents(0, 40)[:, 25:], latents(25, 40)[:, :15])


def test_cvae_latents_come_in_four_groups():
    with pytest.raises(ValueError, match="multiple of 4"):
        make("cvae", latent=6)


def test_the_divergence_of_a_standard_normal_is_zero():
    assert kl_divergence(torch.zeros(2, 3, 4), torch.zeros(2, 3, 4)) == 0
    assert kl_divergence(torch.ones(2, 3, 4), torch.zeros(2, 3, 4)) == 0.5
    spread = kl_divergence(torch.zeros(1, 1, 1), torch.ones(1, 1, 1))
    assert spread.item() == pytest.approx(0.5 * (math.e - 2))


@pytest.mark.parametrize("mode", ["paper", "cvae"])
def test_the_divergence_trains_both_heads(mode: Mode):
    branch = make(mode)
    motion = draw(1, FRAMES, MOTION) if mode == "cvae" else None
    latents = branch(draw(1, FRAMES, WIDTH), draw(1, WIDTH, seed=1), noise_for(branch), motion)
    kl_divergence(latents.mean_BTZ, latents.logvar_BTZ).backward()
    assert branch.mean.weight.grad.abs().max() > 0
    assert branch.logvar.weight.grad.abs().max() > 0
