"""`python -m farm`: the same as the `farm` command."""

from __future__ import annotations

import sys

from farm.cli import main

sys.exit(main())
