"""``python -m benchmarks [NAME] ...``: the tables; none named means all."""

from __future__ import annotations

import sys

from benchmarks import (
    architectures,
    common,
    dihedral,
    fitting,
    hyper,
    line,
    matching,
    reconstruction,
)

TABLES = {
    "fitting": fitting.main,
    "matching": matching.main,
    "dihedral": dihedral.main,
    "architectures": architectures.main,
    "line": line.main,
    "reconstruction": reconstruction.main,
    "hyper": hyper.main,
}


def main(names: list[str]) -> int:
    """Print the machine, then each table."""
    unknown = sorted(set(names) - set(TABLES))
    if unknown:
        print(f"{unknown} unknown; choose from {list(TABLES)}", file=sys.stderr)
        return 2
    print(common.machine())
    for name in names or TABLES:
        TABLES[name]()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
