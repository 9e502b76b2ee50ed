"""Parametric CAD families: labelled shapes without limit, each a function of named proportions.

Every family is built from primitives and has at least five continuous parameters with a range. The
shape ``chair_3`` is the chair whose parameters the stream ``("family/chair", 3)`` draws.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from onebasin import seeds
from onebasin.errors import InputError
from onebasin.shapes.clouds import Mesh, normalise_mesh
from onebasin.shapes.primitives import box, cylinder, ellipsoid, joined, ring, sheared, tube

Range = tuple[float, float]


@dataclass(frozen=True)
class Family:
    """One kind of shape.

    Args:
        name: E.g. ``"chair"``.
        ranges: Lowest and highest value of every parameter (lengths in units of about a metre).
        parts: Builds the parts from one value for each parameter.
    """

    name: str
    ranges: Mapping[str, Range]
    parts: Callable[..., list[Mesh]]

    def middle(self) -> dict[str, float]:
        """The middle of every range."""
        return {name: (low + high) / 2 for name, (low, high) in self.ranges.items()}


@dataclass(frozen=True)
class Example:
    """One member of a family.

    Args:
        name: ``family_number``.
        label: Position of the family among all families.
        parameters: Value of every parameter.
        mesh: The shape in the unit ball, z up.
    """

    name: str
    label: int
    parameters: dict[str, float]
    mesh: Mesh


FAMILIES: dict[str, Family] = {}


def _family(**ranges: Range) -> Callable[[Callable[..., list[Mesh]]], Callable[..., list[Mesh]]]:
    def add(parts: Callable[..., list[Mesh]]) -> Callable[..., list[Mesh]]:
        FAMILIES[parts.__name__] = Family(parts.__name__, ranges, parts)
        return parts

    return add


def build(family: str, **parameters: float) -> Mesh:
    """The member of a family with these proportions, in the unit ball.

    Args:
        family: One of :data:`FAMILIES`.
        parameters: Values; what is not given is the middle of its range.

    Raises:
        InputError: for an unknown family or parameter, or a value outside its range.
    """
    if family not in FAMILIES:
        raise InputError("family", family, f"choose one of {sorted(FAMILIES)}")
    entry = FAMILIES[family]
    for name, value in parameters.items():
        if name not in entry.ranges:
            raise InputError(name, value, f"{family} has the parameters {sorted(entry.ranges)}")
        low, high = entry.ranges[name]
        if not low <= value <= high:
            raise InputError(name, value, f"choose between {low:g} and {high:g}")
    return normalise_mesh(joined(entry.parts(**{**entry.middle(), **parameters})))


def draw(family: str, number: int) -> Example:
    """Member ``number`` of a family, with proportions drawn uniformly from their ranges.

    Raises:
        InputError: for an unknown family or a negative number.
    """
    if family not in FAMILIES:
        raise InputError("family", family, f"choose one of {sorted(FAMILIES)}")
    if number < 0:
        raise InputError("number", number, "count from 0")
    generator = seeds.numpy_stream(f"family/{family}", number)
    ranges = FAMILIES[family].ranges
    parameters = {name: float(generator.uniform(*ranges[name])) for name in ranges}
    label = list(FAMILIES).index(family)
    return Example(f"{family}_{number}", label, parameters, build(family, **parameters))


def named(name: str) -> Example:
    """The shape called ``family_number``, e.g. ``chair_3``; errors as in :func:`draw`."""
    family, _, number = name.rpartition("_")
    if not number.isdigit():
        raise InputError("name", name, "write family_number, for instance chair_3")
    return draw(family, int(number))


@_family(
    width=(0.40, 0.70),
    depth=(0.40, 0.70),
    seat_height=(0.35, 0.60),
    back_height=(0.30, 0.75),
    back_slope=(0.0, 0.3),
    leg=(0.02, 0.06),
    thickness=(0.03, 0.10),
)
def chair(width, depth, seat_height, back_height, back_slope, leg, thickness) -> list[Mesh]:
    """Four legs, a seat and a back that leans."""
    x, y = width / 2 - leg, depth / 2 - leg
    legs = [
        box((2 * leg, 2 * leg, seat_height), (sx * x, sy * y, seat_height / 2))
        for sx in (-1, 1)
        for sy in (-1, 1)
    ]
    seat = box((width, depth, thickness), (0, 0, seat_height))
    back = box((width, thickness, back_height), (0, depth / 2, seat_height + back_height / 2))
    return [*legs, seat, sheared(back, 1, 2, back_slope, at=seat_height)]


@_family(
    width=(0.8, 1.8),
    depth=(0.5, 1.0),
    height=(0.4, 0.9),
    thickness=(0.02, 0.10),
    leg=(0.02, 0.07),
    splay=(0.0, 0.25),
)
def table(width, depth, height, thickness, leg, splay) -> list[Mesh]:
    """A top on four round legs that may stand outwards."""
    x, y = width / 2 - 2 * leg, depth / 2 - 2 * leg
    legs = []
    for sx in (-1, 1):
        for sy in (-1, 1):
            pole = cylinder(leg, height, (sx * x, sy * y, height / 2))
            legs.append(sheared(pole, 0, 2, sx * splay, at=height))
    return [*legs, box((width, depth, thickness), (0, 0, height + thickness / 2))]


@_family(
    base=(0.12, 0.30),
    pole=(0.01, 0.04),
    height=(0.5, 1.4),
    shade_low=(0.15, 0.40),
    shade_high=(0.06, 0.25),
    shade_height=(0.15, 0.45),
)
def lamp(base, pole, height, shade_low, shade_high, shade_height) -> list[Mesh]:
    """A foot, a pole and an open shade."""
    foot = cylinder(base, 0.04, (0, 0, 0.02))
    shade = tube(shade_low, shade_height, (0, 0, height + shade_height / 2), top=shade_high)
    return [foot, cylinder(pole, height, (0, 0, height / 2)), shade]


@_family(
    length=(1.4, 2.4),
    body=(0.08, 0.18),
    span=(1.2, 2.4),
    chord=(0.15, 0.45),
    sweep=(0.0, 0.7),
    wing_at=(-0.15, 0.20),
    tail=(0.25, 0.55),
)
def airplane(length, body, span, chord, sweep, wing_at, tail) -> list[Mesh]:
    """A fuselage along x with swept wings, tail wings and a fin."""
    hull = ellipsoid((length / 2, body, body))
    back, half = -0.44 * length, span / 2
    parts = [hull, sheared(box((chord / 2, 0.02, tail), (back, 0, tail / 2)), 0, 2, -sweep)]
    for side in (-1, 1):
        wing = box((chord, half, 0.03), (wing_at * length, side * half / 2, 0))
        level = box((chord / 2, tail * half, 0.02), (back, side * tail * half / 2, body / 2))
        parts += [sheared(wing, 0, 1, -sweep), sheared(level, 0, 1, -sweep)]
    return parts


@_family(
    radius=(0.30, 0.50),
    height=(0.60, 1.20),
    taper=(0.75, 1.30),
    wall=(0.02, 0.06),
    handle=(0.35, 0.75),
    grip=(0.02, 0.06),
)
def mug(radius, height, taper, wall, handle, grip) -> list[Mesh]:
    """A cup with a wall, a floor and a ring for a handle."""
    centre = (0.0, 0.0, height / 2)
    outside = tube(radius, height, centre, top=radius * taper)
    inside = tube(radius - wall, height, centre, top=radius * taper - wall)
    loop = ring(handle * height / 2, grip, (radius * (1 + taper) / 2, 0, height / 2))
    return [outside, inside, cylinder(radius, wall, (0, 0, wall / 2)), loop]


@_family(
    radius=(0.15, 0.35),
    height=(0.50, 1.00),
    shoulder=(0.08, 0.35),
    neck=(0.04, 0.12),
    neck_height=(0.10, 0.40),
    waist=(0.75, 1.0),
)
def bottle(radius, height, shoulder, neck, neck_height, waist) -> list[Mesh]:
    """A body with a waist, a shoulder and a neck."""
    half = height / 2
    return [
        cylinder(radius, half, (0, 0, half / 2), top=radius * waist),
        cylinder(radius * waist, half, (0, 0, 1.5 * half), top=radius),
        cylinder(radius, shoulder, (0, 0, height + shoulder / 2), top=neck),
        cylinder(neck, neck_height, (0, 0, height + shoulder + neck_height / 2)),
    ]


@_family(
    width=(0.9, 1.8),
    length=(1.8, 2.2),
    frame=(0.15, 0.40),
    mattress=(0.10, 0.30),
    head=(0.30, 1.00),
    foot=(0.05, 0.50),
    board=(0.03, 0.10),
)
def bed(width, length, frame, mattress, head, foot, board) -> list[Mesh]:
    """A frame with a mattress, a head board and a foot board."""
    top = frame + mattress
    return [
        box((length, width, 0.08), (0, 0, frame - 0.04)),
        box((length * 0.97, width * 0.95, mattress), (0, 0, frame + mattress / 2)),
        box((board, width, top + head), (-length / 2, 0, (top + head) / 2)),
        box((board, width, top + foot), (length / 2, 0, (top + foot) / 2)),
    ]


@_family(
    width=(0.6, 1.4),
    depth=(0.2, 0.5),
    height=(0.8, 2.0),
    board=(0.02, 0.06),
    low=(0.15, 0.40),
    high=(0.50, 0.80),
)
def shelf(width, depth, height, board, low, high) -> list[Mesh]:
    """Two sides, a back, and four boards of which two are free to move."""
    at = (board / 2, low * height, high * height, height - board / 2)
    sides = [
        box((board, depth, height), (side * (width - board) / 2, 0, height / 2)) for side in (-1, 1)
    ]
    boards = [box((width, depth, board), (0, 0, z)) for z in at]
    return [*sides, *boards, box((width, board, height), (0, depth / 2, height / 2))]
