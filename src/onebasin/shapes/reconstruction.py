r"""From a distance field back to a cloud: throw points into the cube and walk them to the surface.

A field answers with a logit :math:`f`; its distance is :math:`u = \tau (1 - \sigma(f))`. A point
walks along :math:`x \leftarrow x - u \nabla u / \|\nabla u\|`. A field without a surface would be
searched for ever: every search has a budget of rounds and of time, and says whether it ended.
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


@dataclass(frozen=True)
class SearchOptions:
    """How a field is searched; the defaults are those of deluigi2023's public code.

    Args:
        points: Points wanted of every field.
        candidates: Points thrown in each round.
        walks: Moves towards the surface.
        near: Candidates predicted farther away than this are dropped at once.
        on: Points are kept if predicted no farther away than this before their last move.
        truncation: :math:`\\tau`, the largest distance a field tells apart.
        rounds: Budget of rounds.
        seconds: Budget of time for all fields together; none if it is None.
    """

    points: int = 2048
    candidates: int = 4096
    walks: int = 5
    near: float = 0.05
    on: float = 0.02
    truncation: float = 0.1
    rounds: int = 400
    seconds: float | None = 60.0

    def __post_init__(self) -> None:
        if min(self.points, self.candidates, self.walks, self.rounds) < 1:
            raise InputError("options", self, "points, candidates, walks and rounds start at 1")


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

    def field(x: Tensor, active: Tensor) -> Tensor:
        return call(network, {name: state[active] for name, state in states.items()}, x)[..., 0]

    if len(generators) != models(states):
        raise InputError("generators", len(generators), f"give one for each of {models(states)}")
    device = next(iter(states.values())).device
    return search(field, generators, options, device=device)


def search(
    field: Field,
    generators: Sequence[torch.Generator],
    options: SearchOptions | None = None,
    *,
    device: torch.device | str = "cpu",
) -> Reconstruction:
    """The same for any fields; see :data:`Field`."""
    options = options or SearchOptions()
    end = time.monotonic() + (float("inf") if options.seconds is None else options.seconds)
    count = len(generators)
    found: list[list[Tensor]] = [[] for _ in range(count)]
    have, rounds = torch.zeros(count, dtype=torch.int64), torch.zeros(count, dtype=torch.int64)
    for _ in range(options.rounds):
        active = (have < options.points).nonzero()[:, 0]
        if not len(active) or time.monotonic() > end:
            break
        x = torch.stack(
            [torch.rand(options.candidates, 3, generator=generators[k]) for k in active]
        )
        points, kept = _walk(field, (2 * x - 1).to(device), active.to(device), options)
        for row, k in enumerate(active.tolist()):
            found[k].append(points[row, kept[row]])
        have[active] += kept.sum(dim=1).cpu()
        rounds[active] += 1
    clouds = tuple(
        torch.cat(parts)[: options.points] if parts else torch.empty(0, 3, device=device)
        for parts in found
    )
    return Reconstruction(clouds, have >= options.points, rounds)


def _walk(
    field: Field, x: Tensor, active: Tensor, options: SearchOptions
) -> tuple[Float[Tensor, "fields points 3"], Bool[Tensor, "fields points"]]:
    with torch.no_grad():
        near = _predicted(field(x, active), options) <= options.near
    x, valid = _gather(x, near)
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
