"""One window of speech features to motion: the noise of its take, the network, what it leaves out, the blinks.

Legend: T frames, D speech feature width, Z latent width, C motion channels (361).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from stages.geometry.landmarks import EYES
from stages.moda.blinks import blink_track, lid_opening
from stages.moda.emphasis import QUICK_REACH, emphasis, quick_part
from stages.moda.lip_contact import resting_on_each_other
from stages.moda.network import Moda
from stages.moda.noise import frame_noise
from stages.moda.residual_motion import HEAD_AND_TORSO, residual_track
from stages.payloads import Motion
from stages.subject.template import Template

Floats = NDArray[np.float32]


def window_motion(
    network: Moda, features_TD: Floats, *, template: Template, first_frame: int, seed: int, take: int
) -> Motion:
    """Displacements from the template for the frames [first_frame, first_frame + T) of a take.

    Args:
        network: in inference form.
        features_TD: one row of speech features per frame.
        first_frame: absolute; keys the noise.
    """
    device, frames, margin = network.scale_C.device, len(features_TD), network.noise_margin
    noise_TZ = frame_noise(
        seed=seed,
        take=take,
        first_frame=first_frame - margin,
        frame_count=frames + 2 * margin,
        width=network.config.latent,
    )
    inputs = (
        torch.from_numpy(array)[None].to(device) for array in (features_TD, template.network_mesh_M, noise_TZ)
    )
    with (
        torch.inference_mode(),
        torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"),
    ):
        prediction = network(*inputs)
        rows_TC = network.displacements(prediction.rows_BTC[0].float()).cpu().numpy()
    rows_TC[:, HEAD_AND_TORSO] += _head_residual(
        network, features_TD, first_frame=first_frame, seed=seed, take=take
    )
    motion = Motion.from_rows(rows_TC)
    blinks_TN3 = blink_track(
        network.blink_KC.cpu().numpy(),
        rate=float(network.blink_rate),
        seed=seed,
        take=take,
        first_frame=first_frame,
        frame_count=frames,
        opening=float(lid_opening(template.mesh_N3[None, EYES])[0]),
    )
    return replace(
        motion,
        mouth_TN3=resting_on_each_other(motion.mouth_TN3, template_N3=template.mesh_N3),
        eyes_TN3=motion.eyes_TN3 + blinks_TN3,
    )


def _head_residual(network: Moda, features_TD: Floats, *, first_frame: int, seed: int, take: int) -> Floats:
    """What the network leaves out of head and torso (T, 61), as lively as the speech has it."""
    drawn_TC = residual_track(
        network.residual_KQQ.cpu().numpy(),
        network.residual_CQ.cpu().numpy(),
        seed=seed,
        take=take,
        first_frame=first_frame - QUICK_REACH,
        frame_count=len(features_TD) + 2 * QUICK_REACH,
    )
    inside = slice(QUICK_REACH, QUICK_REACH + len(features_TD))
    share_T = emphasis(features_TD, network.emphasis_D.cpu().numpy(), float(network.emphasis_bias))
    livelier_TC: Floats = drawn_TC[inside] + (share_T - 1.0)[:, None] * quick_part(drawn_TC)[inside]
    return livelier_TC
