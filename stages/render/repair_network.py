"""The network that makes a picture from candidates: references of the subject, warped to the commanded mesh.

It does not draw, it repairs. From what it sees at half the resolution it says where each candidate is right (blend),
how far it lies beside (flow), how much of its detail resampling took (gain), and what none of them has (residual).
Untrained it is the first candidate, nearly.
Legend: B batch, C channels, S side of the picture, H/W pixels at any resolution, 3 = RGB.
"""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from stages.render.generator_config import IMAGE_CHANNELS
from stages.render.repair_config import REPAIR_INPUTS, RepairConfig

FLOW_PX: Final = 12.0
"""As far as a candidate is moved, on a picture of 512 px."""

_FIRST_LOGITS: Final = (3.0, 1.0, -1.0)
"""Of head, mouth and plate: what is learnt starts from the best single picture, and nothing is shut out."""

_CANDIDATES: Final = len(_FIRST_LOGITS)

_BEGINNING: Final = 0.2
"""What a residual block adds counts so much before training."""

CELL: Final = 2
_OUTPUTS: Final = IMAGE_CHANNELS + _CANDIDATES + 1
FLOW_STEP: Final = 2
"""The flow is told at a quarter of the picture's resolution, which is the step up of this number."""

BINOMIAL: Final = (1.0, 4.0, 6.0, 4.0, 1.0)


class ScaledBlock(nn.Module):
    """ReLU-conv-ReLU-conv, scaled per channel, plus identity."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)
        self.scale = nn.Parameter(torch.full((1, channels, 1, 1), _BEGINNING))

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Features (B, C, H, W) of the same shape."""
        changed_BCHW: Tensor = self.second(torch.relu(self.first(torch.relu(x_BCHW))))
        return x_BCHW + self.scale * changed_BCHW


class RepairNetwork(nn.Module):
    """Candidates and condition image to a picture."""

    blur: Tensor

    def __init__(self, config: RepairConfig) -> None:
        super().__init__()
        self.config = config
        widths = config.widths
        coarsest = len(widths) - 1
        self.stem = nn.Conv2d(REPAIR_INPUTS, widths[0], 3, stride=2, padding=1)
        self.down = nn.ModuleList(
            nn.Conv2d(widths[level - 1], widths[level], 3, stride=2, padding=1)
            for level in range(1, coarsest + 1)
        )
        self.encode = nn.ModuleList(
            nn.Sequential(
                *(ScaledBlock(widths[level]) for _ in range(config.depth if level >= coarsest - 1 else 1))
            )
            for level in range(1, coarsest + 1)
        )
        # At the finest resolution, where it costs most, one pixel is enough: its block looks around.
        self.up = nn.ModuleList(
            nn.Conv2d(widths[level + 1], widths[level], 3 if level else 1, padding=1 if level else 0)
            for level in reversed(range(coarsest))
        )
        self.decode = nn.ModuleList(ScaledBlock(widths[level]) for level in reversed(range(coarsest)))
        self.head = nn.Conv2d(widths[0], _OUTPUTS * CELL**2, 3, padding=1)
        self.flow_head = nn.Conv2d(widths[1], 4, 3, padding=1)
        for head in (self.head, self.flow_head):
            nn.init.zeros_(head.weight)
            nn.init.zeros_(_bias(head))
        with torch.no_grad():
            logits_L = _bias(self.head)[IMAGE_CHANNELS * CELL**2 : (IMAGE_CHANNELS + _CANDIDATES) * CELL**2]
            logits_L.copy_(torch.tensor(_FIRST_LOGITS).repeat_interleave(CELL**2))
        line_5 = torch.tensor(BINOMIAL) / sum(BINOMIAL)
        kernel_3155 = torch.outer(line_5, line_5).expand(IMAGE_CHANNELS, 1, -1, -1)
        self.register_buffer("blur", kernel_3155.contiguous(), persistent=False)

    @property
    def gain_bias(self) -> Tensor:
        """What the gain of the detail begins from (4,), one for each pixel of a cell; a view."""
        return _bias(self.head)[-(CELL**2) :]

    def forward(
        self,
        condition_B3SS: Tensor,
        head_B3SS: Tensor,
        mouth_B3SS: Tensor,
        plate_B3SS: Tensor,
        mask_B1SS: Tensor,
    ) -> Tensor:
        """Pictures (B, 3, S, S), about within [-1, 1].

        Args:
            condition_B3SS: condition images, like all pictures in [-1, 1].
            head_B3SS: the reference whose head is turned alike, warped, with the lips and the eyes of others.
            mouth_B3SS: the reference of the mouth, warped.
            plate_B3SS: the background.
            mask_B1SS: how much of each pixel of the first candidate is the person's, in [-1, 1].
        """
        x_BCSS = torch.cat([condition_B3SS, head_B3SS, mouth_B3SS, plate_B3SS, mask_B1SS], dim=1)
        told_B28HW, flow_B4HW = self.tell(x_BCSS)
        # Blending needs more digits than features do, which may be of half precision.
        told_BCSS = functional.pixel_shuffle(told_B28HW, CELL).float()
        residual_B3SS, logits_B3SS, gain_B1SS = told_BCSS.split([IMAGE_CHANNELS, _CANDIDATES, 1], dim=1)
        head_B3SS, mouth_B3SS = _moved(head_B3SS, mouth_B3SS, flow_B4HW)
        share_B3SS = torch.softmax(logits_B3SS, dim=1)
        blend_B3SS = (
            share_B3SS[:, 0:1] * head_B3SS
            + share_B3SS[:, 1:2] * mouth_B3SS
            + share_B3SS[:, 2:3] * plate_B3SS.float()
        )
        detail_B3SS = blend_B3SS - self._blurred(blend_B3SS)
        return blend_B3SS + gain_B1SS * detail_B3SS + residual_B3SS

    def tell(self, x_BCSS: Tensor) -> tuple[Tensor, Tensor]:
        """What trunk and heads tell of inputs (B, 13, S, S), all that is computed at half the resolution and below.

        Returns:
            Residual, logits and gain of each cell (B, 28, S / 2, S / 2), and the flow (B, 4, S / 4, S / 4) of both
            candidates in px / `FLOW_PX`.
        """
        x_BCHW = self.stem(x_BCSS)
        skips = [x_BCHW]
        for down, encode in zip(self.down, self.encode, strict=True):
            x_BCHW = encode(down(torch.relu(x_BCHW)))
            skips.append(x_BCHW)
        skips.pop()
        flow_B4HW = x_BCHW.new_zeros(0)
        for step, (up, decode) in enumerate(zip(self.up, self.decode, strict=True)):
            wider_BCHW = functional.interpolate(up(torch.relu(x_BCHW)), scale_factor=2.0, mode="nearest")
            x_BCHW = decode(wider_BCHW + skips.pop())
            if step == FLOW_STEP:
                flow_B4HW = torch.tanh(self.flow_head(torch.relu(x_BCHW)).float())
        return self.head(torch.relu(x_BCHW)), flow_B4HW

    def _blurred(self, picture_B3SS: Tensor) -> Tensor:
        edge = len(BINOMIAL) // 2
        wider_B3SS = functional.pad(picture_B3SS, (edge,) * 4, mode="replicate")
        return functional.conv2d(wider_B3SS, self.blur, groups=IMAGE_CHANNELS)


def _bias(convolution: nn.Conv2d) -> Tensor:
    bias = convolution.bias
    assert bias is not None
    return bias


def _moved(head_B3SS: Tensor, mouth_B3SS: Tensor, flow_B4HW: Tensor) -> tuple[Tensor, Tensor]:
    """Both candidates, each moved by its part of the flow."""
    side = head_B3SS.shape[-1]
    # In grid_sample's unit the picture is 2 wide; so is the canvas of 512 px, whatever the picture's size.
    flow_B4SS = functional.interpolate(
        flow_B4HW * (2 * FLOW_PX / 512), size=(side, side), mode="bilinear", align_corners=False
    )
    line_S = (torch.arange(side, device=flow_B4HW.device, dtype=torch.float32) * 2 + 1) / side - 1
    y_SS, x_SS = torch.meshgrid(line_S, line_S, indexing="ij")
    here_SS2 = torch.stack([x_SS, y_SS], dim=-1)
    return tuple(  # type: ignore[return-value]  # as many as are listed
        functional.grid_sample(
            candidate_B3SS.float(),
            here_SS2 + flow_B2SS.permute(0, 2, 3, 1),
            mode="bilinear",
            padding_mode="border",
            align_corners=False,
        )
        for candidate_B3SS, flow_B2SS in (
            (head_B3SS, flow_B4SS[:, :2]),
            (mouth_B3SS, flow_B4SS[:, 2:]),
        )
    )
