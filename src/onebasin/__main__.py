"""``python -m onebasin`` is the command ``onebasin``."""

from onebasin.cli import main

main()
