from __future__ import annotations

import sys
from pathlib import Path

# Actors and clips that were made up are plain modules beside the tests of the stages, not part of any package.
_STAGES = Path(__file__).parents[1] / "stages"
for folder in (_STAGES, _STAGES / "evaluation", _STAGES / "sync", _STAGES / "training"):
    sys.path.insert(0, str(folder))
