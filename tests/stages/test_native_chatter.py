"""What native libraries print is lost; everything else is not."""

from __future__ import annotations

import os

import pytest

from stages.native_chatter import native_chatter_hidden


def test_what_is_printed_past_python_is_hidden_for_the_length_of_the_block(
    capfd: pytest.CaptureFixture[str],
) -> None:
    os.write(2, b"before ")
    with native_chatter_hidden():
        os.write(2, b"W0000 acceleration to xnnpack")
    os.write(2, b"after")
    assert capfd.readouterr().err == "before after"


def test_after_an_error_everything_is_shown_again(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match="no model"), native_chatter_hidden():
        raise ValueError("no model")
    os.write(2, b"shown")
    assert capfd.readouterr().err == "shown"
