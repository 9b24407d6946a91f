from __future__ import annotations

import sys
from pathlib import Path

# Plain modules beside the tests, not parts of any package; the fuzz's workers import them too.
sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1] / "stages")]
