"""Make the book's own extension and the small test site importable."""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1] / "book" / "_ext")]

from tinysite import build  # noqa: F401  (a fixture)
