"""The farm's commands, called in this process as a script would call them."""

from __future__ import annotations

import io
import json
from contextlib import redirect_stderr, redirect_stdout

from farm.cli import main


def run_plainly(*arguments: object) -> str:
    """``ok`` or ``exit N`` of a command that writes for people."""
    with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        status = main([*map(str, arguments)])
    return "ok" if status == 0 else f"exit {status}"


def run_command(*arguments: object) -> str:
    """The code of the error that a command shows, or ``ok``.

    Whatever a command raises instead of showing it passes through, and so does what cannot be written as UTF-8.
    """
    written = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True)
    with redirect_stdout(written):
        status = main([*map(str, arguments), "--json"])
    written.seek(0)
    document = json.load(written)
    if document["ok"]:
        assert status == 0
        return "ok"
    error = document["error"]
    assert status == error["exit_code"] != 0
    assert error["message"]
    return str(error["code"])
