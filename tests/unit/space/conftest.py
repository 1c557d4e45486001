"""Lets the tests of this folder share `spaces.py`, their strategies."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
