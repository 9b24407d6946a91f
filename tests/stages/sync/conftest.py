from __future__ import annotations

import sys
from pathlib import Path

# The made-up clips are plain modules beside the tests, not part of any package.
sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parent))
