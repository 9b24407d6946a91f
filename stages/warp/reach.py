"""How far around a frame a renderer that warps references looks. Imports nothing: planners ask for it."""

from __future__ import annotations

from typing import Final

CHOICE_CONTEXT_FRAMES: Final = 12
"""Frames either side that the choice of a reference looks at; where the take begins or ends there are fewer."""

CONTEXT_FRAMES: Final = CHOICE_CONTEXT_FRAMES
"""Frames either side on which a picture depends."""
