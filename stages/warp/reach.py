"""How far around a frame a renderer that warps references looks. Imports nothing: planners ask for it."""

from __future__ import annotations

from typing import Final

CHOICE_CONTEXT_FRAMES: Final = 12
"""Frames either side that the choice of a reference looks at; where the take begins or ends there are fewer."""

HEAD_FADE_FRAMES: Final = 2
MOUTH_FADE_FRAMES: Final = 1
EYES_FADE_FRAMES: Final = 1
"""Frames either side of one whose choices count for its mixture of references.

On the unseen end of a digital actor's clip two for the mouth take 3 % of its sharpness and 4 ms more of every frame,
and the largest step stays what the mouth's own motion makes; two for the eyes blur blinks, whose references last a
frame, by half a decibel.
"""

CONTEXT_FRAMES: Final = CHOICE_CONTEXT_FRAMES + max(HEAD_FADE_FRAMES, MOUTH_FADE_FRAMES, EYES_FADE_FRAMES)
"""Frames either side on which a picture depends."""

BACKGROUND_LOOK: Final = "background-1"
"""How another background is put behind a person, for keys of pictures: change it with what they show."""
