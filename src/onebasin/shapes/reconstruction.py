r"""From a distance field back to a cloud: throw points into the cube and walk them to the surface.

A field answers with a logit :math:`f`; its distance is :math:`u = \tau (1 - \sigma(f))`. A point
walks along :math:`x \leftarrow x - u \nabla u / \|\nabla u\|`. A field without a surface would be
searched for ever: every search has a budget of rounds and of time, and says whether it ended.

Many fields are searched at once. Each draws its candidates from a stream of its own and walks its
own points, so its cloud is the same, to rounding, whichever fields are searched beside it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from onebasin.errors import InputError
from onebasin.networks.population import State, call, models

#: ``field(x, active)`` gives logits ``[fields points]`` of the fields numbered ``active`` at
#: ``x``, which is ``[fields points 3]``; it must be differentiable in ``x``.
Field = Callable[[Tensor, Tensor], Tensor]

#: Numbers of one activation that stay in the cache of a CPU core.
_CACHE_ELEMENTS = 640_000
#: The same for an accelerator, where the limit is memory and kernels want to be large.
_DEVICE_ELEMENTS = 1 << 27


@dataclass(frozen=True)
class SearchOptions:
    """How a field is searched; the defaults are those of [deluigi2023]'s public code.

    Args:
        points: Points wanted of every field.
        candidates: Points thrown in each round.
        walks: Moves towards the surface.
        near: Candidates predicted farther away than this are dropped at once.
        on: Points are kept if predicted no farther away than this before their last move.
        truncation: :math:`\\tau`, the largest distance a field tells apart.
        rounds: Budget of rounds.
        seconds: Budget of time for all fields together; none if it is None.
        walkers: Most candidates of a round that walk, the first drawn; all of them if it is None.
        hopeless: A field is given up before its budget is spent if one that fills it just in time
            would have found so little so far with less than this probability; never if 0.
    """

    points: int = 2048
    candidates: int = 4096
    walks: int = 5
    near: float = 0.05
    on: float = 0.02
    truncation: float = 0.1
    rounds: int = 400
    seconds: float | None = 60.0
    walkers: int | None = None
    hopeless: float = 0.0

    def __post_init__(self) -> None:
        walkers = 1 if self.walkers is None else self.walkers
        if min(self.points, self.candidates, self.walks, self.rounds, walkers) < 1:
            raise InputError("options", self, "points, candidates, walks, rounds start at 1")
        if not 0 <= self.hopeless < 1:
            raise InputError("options", self, "hopeless is a probability, 0 or more and below 1")


@dataclass(frozen=True)
class Reconstruction:
    """What was found.

    Args:
        clouds: For each field the points found, at most the number wanted.
        complete: Whether that number was reached within the budgets.
        rounds: Rounds that were needed, or spent.
    """

    clouds: tuple[Float[Tensor, "_ 3"], ...]
    complete: Bool[Tensor, " fields"]
    rounds: Int[Tensor, " fields"]


def reconstruct(
    network: nn.Module,
    states: State,
    generators: Sequence[torch.Generator],
    options: SearchOptions | None = None,
) -> Reconstruction:
    """Clouds of a population of distance fields.

    Args:
        network: The kind of network; its one output is the logit.
        states: The population.
        generators: Each field's stream of candidates (CPU); a field's cloud does not depend on
            the others.
        options: Budgets and thresholds.

    Returns:
        One cloud for each network, on the device of ``states``.
    """
    states = {name: tensor.detach() for name, tensor in states.items()}

    def field(x: Tensor, active: Tensor) -> Tensor:
        return call(network, {name: state[active] for name, state in states.items()}, x)[..., 0]

    if len(generators) != models(states):
        raise InputError("generators", len(generators), f"give one for each of {models(states)}")
    first = next(iter(states.values()))
    widest = max(t.shape[1] for t in states.values() if t.ndim > 1)
    room = _CACHE_ELEMENTS if first.device.type == "cpu" else _DEVICE_ELEMENTS
    rows = max(1, room // widest)
    return search(field, generators, options, device=first.device, rows=rows)


def search(
    field: Field,
    generators: Sequence[torch.Generator],
    options: SearchOptions | None = None,
    *,
    device: torch.device | str = "cpu",
    rows: int | None = None,
) -> Reconstruction:
    """The same for any fields; see :data:`Field`.

    Args:
        field: The fields.
        generators: A stream for each of them.
        options: Budgets and thresholds.
        device: Where the fields are asked.
        rows: Points of all fields together that one call of ``field`` gets; all if it is None.
    """
    options = options or SearchOptions()
    rows = rows or len(generators) * options.candidates
    end = time.monotonic() + (float("inf") if options.seconds is None else options.seconds)
    found: list[list[Tensor]] = [[] for _ in generators]
    have, rounds = (torch.zeros(len(generators), dtype=torch.int64) for _ in range(2))
    for _ in range(options.rounds):
        active = _open(have, rounds, options).nonzero()[:, 0]
        if not len(active) or time.monotonic() > end:
            break
        throws = [torch.rand(options.candidates, 3, generator=generators[k]) for k in active]
        x = (2 * torch.stack(throws) - 1).to(device)
        for k, points in zip(active.tolist(), _round(field, x, active, options, rows), strict=True):
            found[k].append(points)
            have[k] += len(points)
        rounds[active] += 1
    clouds = tuple(
        torch.cat(parts)[: options.points] if parts else torch.empty(0, 3, device=device)
        for parts in found
    )
    return Reconstruction(clouds, have >= options.points, rounds)


def _open(have: Tensor, rounds: Tensor, options: SearchOptions) -> Bool[Tensor, " fields"]:
    """Fields that want points and may still get them.

    A field that fills its quota just in time finds ``points / rounds`` a round on average; the
    Poisson law says how seldom it would have found no more than it has.
    """
    wanting = have < options.points
    if not options.hopeless:
        return wanting
    expected = rounds.double() * (options.points / options.rounds)
    chance = torch.special.gammaincc(have.double() + 1, expected.clamp(min=1e-300))
    return wanting & (chance >= options.hopeless)


def _round(
    field: Field, x: Tensor, active: Tensor, options: SearchOptions, rows: int
) -> list[Float[Tensor, "_ 3"]]:
    """One round: the points that every active field gets from its candidates."""
    active = active.to(x.device)
    near = _near(field, x, active, options, rows)
    counts = near.sum(dim=1)
    gained = [x.new_empty(0, 3)] * len(active)
    # Fields with about as many walkers go together: the shorter ones are padded to the longest.
    order = torch.argsort(counts, descending=True, stable=True)[: int((counts > 0).sum())]
    while len(order):
        size = max(1, rows // int(counts[order[0]]))
        some, order = order[:size], order[size:]
        begin, valid = _gather(x[some], near[some])
        parts = [
            _walk(field, points, held, active[some], options)
            for points, held in zip(begin.split(rows, 1), valid.split(rows, 1), strict=True)
        ]
        ends, kept = (torch.cat(part, dim=1) for part in zip(*parts, strict=True))
        for row, k in enumerate(some.tolist()):
            gained[k] = ends[row, kept[row]]
    return gained


@torch.no_grad()
def _near(
    field: Field, x: Tensor, active: Tensor, options: SearchOptions, rows: int
) -> Bool[Tensor, "fields points"]:
    """Which candidates walk, asked in pieces of at most ``rows`` points."""
    together = max(1, rows // x.shape[1])
    logits = [
        torch.cat([field(piece, some) for piece in part.split(rows, 1)], dim=1)
        for part, some in zip(x.split(together), active.split(together), strict=True)
    ]
    near = _predicted(torch.cat(logits), options) <= options.near
    return near if options.walkers is None else near & (near.cumsum(dim=1) <= options.walkers)


def _walk(
    field: Field, x: Tensor, valid: Tensor, active: Tensor, options: SearchOptions
) -> tuple[Float[Tensor, "fields points 3"], Bool[Tensor, "fields points"]]:
    """Move points to the surface; those that arrived there are marked."""
    for _ in range(options.walks):
        x = x.requires_grad_()
        logit = field(x, active)
        (up,) = torch.autograd.grad(logit.sum(), x)
        last = _predicted(logit.detach(), options)
        # The distance falls where the logit rises; the logit's gradient does not underflow.
        way = torch.nn.functional.normalize(up, dim=-1)
        x = x.detach() + last[..., None] * way
    return x, valid & (last <= options.on) & torch.isfinite(x).all(dim=-1)


def _predicted(logit: Tensor, options: SearchOptions) -> Tensor:
    return options.truncation * torch.sigmoid(-logit)


def _gather(x: Tensor, keep: Tensor) -> tuple[Tensor, Tensor]:
    """The kept points first, in their order, cut to the largest number of them in any field."""
    most = max(1, int(keep.sum(dim=1).max()))
    order = torch.argsort((~keep).to(torch.int8), dim=1, stable=True)[:, :most]
    return torch.gather(x, 1, order[..., None].expand(-1, -1, 3)), torch.gather(keep, 1, order)
