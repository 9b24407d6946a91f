"""The hand-driven farm is a plain module beside the tests, not part of any package."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
