from __future__ import annotations

import sys
from pathlib import Path

# The average actor is a plain module beside the tests, not part of any package.
sys.path.insert(0, str(Path(__file__).parents[1]))
