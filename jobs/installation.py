"""How what a command lacks is installed, in the words of one hint."""

from __future__ import annotations

from typing import Final

INSTALL_ALL: Final = "make install, in the source tree, installs what every command needs"
