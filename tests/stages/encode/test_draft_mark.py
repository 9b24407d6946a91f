"""The word DRAFT: seen on whatever is behind it, small, and always the same."""

from __future__ import annotations

import numpy as np
import pytest

from stages.encode.draft_mark import DraftMark, marked


@pytest.mark.parametrize("size", [256, 512])
@pytest.mark.parametrize("level", [0, 60, 128, 200, 255])
def test_it_stands_out_from_light_and_from_dark_and_covers_little(size: int, level: int) -> None:
    plain_SS3 = np.full((size, size, 3), level, dtype=np.uint8)
    (on_SS3,) = marked([plain_SS3], size=size)
    rows = DraftMark.of(size).rows
    spread = int(on_SS3[rows].max()) - int(on_SS3[rows].min())
    assert spread > 80, "letters and what is around them differ"
    changed_SS = (on_SS3 != plain_SS3).any(axis=-1)
    assert 0.002 < changed_SS.mean() < 0.04
    # Far from the middle, where the person is.
    assert not changed_SS[size // 6 :].any()
    assert (plain_SS3 == level).all(), "the picture that was judged is not drawn on"


def test_it_is_the_same_on_every_picture_and_in_proportion_at_every_size() -> None:
    black = [np.zeros((size, size, 3), dtype=np.uint8) for size in (256, 512)]
    small, large = (next(marked([each], size=len(each))) for each in black)
    assert (next(marked([black[0]], size=256)) == small).all()
    halved = large.reshape(256, 2, 256, 2, 3).mean(axis=(1, 3))
    assert np.abs(halved - small).max() < 3
