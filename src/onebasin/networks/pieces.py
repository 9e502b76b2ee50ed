"""The linear pieces of a small ReLU network on a polygon, in exact rational arithmetic.

A ReLU network of two inputs cuts the plane into convex polygons and is affine on each of them. With
weights that are fractions (every float is one), the corners of the polygons are fractions too, so
areas, integrals and the equality of two networks can be decided without rounding. The number of
pieces grows fast with width: this is a microscope for networks of a few units.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

from torch import Tensor

from onebasin.errors import InputError

Point = tuple[Fraction, Fraction]
Polygon = tuple[Point, ...]
Affine = tuple[Fraction, Fraction, Fraction]
Layer = tuple[tuple[tuple[Fraction, ...], ...], tuple[Fraction, ...]]

SQUARE: Polygon = tuple((Fraction(x), Fraction(y)) for x, y in ((-1, -1), (1, -1), (1, 1), (-1, 1)))
"""The square [-1, 1] x [-1, 1], counter-clockwise."""


@dataclass(frozen=True)
class Piece:
    """A convex polygon on which every output of the network is affine.

    Args:
        corners: Counter-clockwise corners of the polygon.
        outputs: One affine map ``(a, b, c)`` per output, with value ``a x + b y + c`` at
            ``(x, y)``.
    """

    corners: Polygon
    outputs: tuple[Affine, ...]


def layers(state: Mapping[str, Tensor], prefix: str = "layers") -> list[Layer]:
    """The weights and biases of a chain of linear layers as exact fractions.

    Args:
        state: Tensors ``PREFIX.0.weight``, ``PREFIX.0.bias``, ``PREFIX.1.weight``, ...
        prefix: What the names begin with.

    Returns:
        One pair (rows of the weight matrix, bias) per layer, first layer first.

    Raises:
        InputError: if there is no such layer or the first one does not take two inputs.
    """
    found: list[Layer] = []
    while f"{prefix}.{len(found)}.weight" in state:
        name = f"{prefix}.{len(found)}"
        rows = tuple(tuple(map(Fraction, row)) for row in state[f"{name}.weight"].tolist())
        bias = tuple(map(Fraction, state[f"{name}.bias"].tolist()))
        found.append((rows, bias))
    if not found or len(found[0][0][0]) != 2:
        raise InputError("state", sorted(state), f"needs {prefix}.0.weight with two inputs")
    return found


def between(ref: Sequence[Layer], other: Sequence[Layer], lam: Fraction) -> list[Layer]:
    """The network at ``lam`` on the line from ``ref`` (0) to ``other`` (1), weight by weight."""

    def mix(a: Sequence[Fraction], b: Sequence[Fraction]) -> tuple[Fraction, ...]:
        return tuple((1 - lam) * p + lam * q for p, q in zip(a, b, strict=True))

    return [
        (tuple(mix(r, s) for r, s in zip(rows, twins, strict=True)), mix(bias, shift))
        for (rows, bias), (twins, shift) in zip(ref, other, strict=True)
    ]


def at(affine: Affine, point: Point) -> Fraction:
    """Value of an affine map at a point."""
    return affine[0] * point[0] + affine[1] * point[1] + affine[2]


def clip(corners: Polygon, affine: Affine) -> Polygon:
    """The part of a convex polygon where ``affine >= 0``; empty if that part has no area."""
    kept: list[Point] = []
    for here, after in zip(corners, corners[1:] + corners[:1], strict=True):
        a, b = at(affine, here), at(affine, after)
        if a >= 0:
            kept.append(here)
        if a * b < 0:
            share = a / (a - b)
            kept.append(
                (here[0] + share * (after[0] - here[0]), here[1] + share * (after[1] - here[1]))
            )
    polygon = tuple(kept)
    return polygon if area(polygon) > 0 else ()


def area(corners: Polygon) -> Fraction:
    """Area of a convex polygon with counter-clockwise corners."""
    pairs = zip(corners, corners[1:] + corners[:1], strict=True)
    return sum((p[0] * q[1] - q[0] * p[1] for p, q in pairs), Fraction(0)) / 2


def pieces(network: Sequence[Layer], corners: Polygon = SQUARE) -> list[Piece]:
    """Cut a polygon into the linear pieces of a ReLU network.

    Args:
        network: From :func:`layers`; every layer but the last is followed by a ReLU.
        corners: Convex polygon, counter-clockwise.

    Returns:
        Pieces that cover the polygon and overlap only at their edges.
    """
    start = ((Fraction(1), Fraction(0), Fraction(0)), (Fraction(0), Fraction(1), Fraction(0)))
    parts = [Piece(corners, start)]
    for depth, layer in enumerate(network):
        parts = [Piece(part.corners, _linear(layer, part.outputs)) for part in parts]
        if depth + 1 < len(network):
            for unit in range(len(layer[1])):
                parts = [half for part in parts for half in _rectify(part, unit)]
    return parts


def positive(parts: Iterable[Piece]) -> list[Polygon]:
    """Where the first output is at least 0, as convex polygons (closed: a flat zero counts)."""
    clipped = (clip(part.corners, part.outputs[0]) for part in parts)
    return [polygon for polygon in clipped if polygon]


def intersect(corners: Polygon, window: Polygon) -> Polygon:
    """The common part of two convex polygons with counter-clockwise corners."""
    for p, q in zip(window, window[1:] + window[:1], strict=True):
        if not corners:
            break
        inward = (p[1] - q[1], q[0] - p[0], p[0] * q[1] - q[0] * p[1])
        corners = clip(corners, inward)
    return corners


def difference(
    ref: Sequence[Layer], other: Sequence[Layer], corners: Polygon = SQUARE
) -> list[Piece]:
    """The pieces of ``ref - other``: polygons on which both networks are affine.

    Args:
        ref: One network.
        other: Another one with as many outputs.
        corners: Where to compare, convex and counter-clockwise.

    Returns:
        Pieces that cover the polygon; the two are equal there exactly if all their maps are zero.
    """
    cells = []
    for part in pieces(ref, corners):
        for cell in pieces(other, part.corners):
            pairs = zip(part.outputs, cell.outputs, strict=True)
            gap = tuple((p[0] - q[0], p[1] - q[1], p[2] - q[2]) for p, q in pairs)
            cells.append(Piece(cell.corners, gap))
    return cells


def largest(parts: Iterable[Piece]) -> Fraction:
    """Largest absolute value of the first output; an affine map has it at a corner."""
    return max(abs(at(part.outputs[0], corner)) for part in parts for corner in part.corners)


def square_integral(parts: Iterable[Piece]) -> Fraction:
    """Integral of the square of the first output."""
    return sum((_square_over(part.corners, part.outputs[0]) for part in parts), Fraction(0))


def _linear(layer: Layer, inputs: tuple[Affine, ...]) -> tuple[Affine, ...]:
    rows, bias = layer
    out = []
    for row, shift in zip(rows, bias, strict=True):
        slope = [
            sum((w * z[k] for w, z in zip(row, inputs, strict=True)), Fraction(0)) for k in range(3)
        ]
        out.append((slope[0], slope[1], slope[2] + shift))
    return tuple(out)


def _rectify(part: Piece, unit: int) -> list[Piece]:
    form = part.outputs[unit]
    zero = (Fraction(0), Fraction(0), Fraction(0))
    off = (*part.outputs[:unit], zero, *part.outputs[unit + 1 :])
    if form[0] == form[1] == 0:
        return [part if form[2] > 0 else Piece(part.corners, off)]
    above = clip(part.corners, form)
    below = clip(part.corners, (-form[0], -form[1], -form[2]))
    halves = [Piece(above, part.outputs)] if above else []
    return halves + ([Piece(below, off)] if below else [])


def _square_over(corners: Polygon, affine: Affine) -> Fraction:
    """Integral of the square of an affine map over a convex polygon (a sum over its triangles)."""
    total = Fraction(0)
    for second, third in pairwise(corners[1:]):
        triangle = (corners[0], second, third)
        u, v, w = (at(affine, corner) for corner in triangle)
        total += area(triangle) * (u * u + v * v + w * w + u * v + v * w + w * u) / 6
    return total
