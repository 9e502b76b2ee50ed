"""One drawing, once for each profile: the run just made beside the largest recorded one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from onebasin.plotting.style import SIZE, stamp, styled
from onebasin.records import Record

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

Draw = Callable[["SubFigure", list[Record]], None]


def compare(
    draw: Draw,
    groups: Sequence[Sequence[Record]],
    *,
    across: bool = False,
    share: bool = True,
    height: float = SIZE[1],
) -> Figure:
    """Draw each group of records in a panel of its own, with profile and device in its corner.

    Args:
        draw: Draws one group on one panel; it makes its axes there.
        groups: Records of one profile each.
        across: Panels side by side instead of one above the other.
        share: Whether axes that correspond get one y-range.
        height: Of one panel, in inches; the figure is always as wide as the page.

    Returns:
        The figure.
    """
    from matplotlib.figure import Figure

    count = len(groups)
    size = (SIZE[0], height if across else height * count)
    with styled():
        figure = Figure(figsize=size, layout="constrained")
        grid = figure.subfigures(1 if across else count, count if across else 1, squeeze=False)
        panels = list(grid.flat)
        for panel, records in zip(panels, groups, strict=True):
            draw(panel, list(records))
            devices = sorted({record.device for record in records})
            stamp(panel, f"{records[0].profile} · {', '.join(devices)}")
        if share:
            _share([panel.get_axes() for panel in panels])
    return figure


def _share(panels: Sequence[Sequence[Axes]]) -> None:
    """Give axes in the same place of every panel one y-range, where they show the same thing."""
    if len({len(axes) for axes in panels}) != 1:
        return
    for same in zip(*panels, strict=True):
        kinds = {(one.name, one.get_yscale(), one.get_ylabel(), one.get_aspect()) for one in same}
        free = all(one.get_aspect() == "auto" and one.name == "rectilinear" for one in same)
        if len(kinds) == 1 and free and not any(one.images for one in same):
            ends = [one.get_ylim() for one in same]
            for one in same:
                one.set_ylim(min(low for low, _ in ends), max(high for _, high in ends))
