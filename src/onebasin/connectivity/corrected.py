"""The loss along the path with corrected statistics, which is no straight line in weight space.

Its height is called *corrected barrier*. It is a different thing from the barrier and stands beside
it, never in its place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from onebasin.connectivity.barrier import barrier
from onebasin.connectivity.line import positions
from onebasin.errors import InputError
from onebasin.merging.repair import measure, repaired
from onebasin.networks.inputs import per_model
from onebasin.networks.population import call
from onebasin.symmetry.spec import State

Loss = Callable[[Tensor, Tensor], Tensor]

#: Numbers of one activation worked on at once on a CPU, and on an accelerator.
_ELEMENTS, _DEVICE_ELEMENTS = 1 << 22, 1 << 28


@dataclass(frozen=True, eq=False)
class CorrectedPath:
    """Loss on the way from ``ref`` to ``other`` over networks with corrected statistics.

    Args:
        lambdas: Places on the way, float64.
        loss: Loss there, float64, in the unit of the loss function; at 0 and 1 that of the ends.
    """

    lambdas: Float[Tensor, " lambdas"]
    loss: Float[Tensor, "*models lambdas"]


def corrected_barrier(path: CorrectedPath) -> Float[Tensor, "*models"]:
    """Largest rise above the line between the end losses, of the corrected path (never negative).

    Args:
        path: From :func:`loss_along_corrected_path`.
    """
    return barrier(path.loss, lambdas=path.lambdas)


@torch.no_grad()
def loss_along_corrected_path(
    network: nn.Module,
    ref: State,
    other: State,
    loss: Loss,
    data: tuple[Tensor, Tensor],
    *,
    seen: Tensor,
    lambdas: int | Sequence[float] = 25,
) -> CorrectedPath:
    r"""Loss of the networks between two, each with the statistics of both.

    The network at :math:`\lambda` is :func:`onebasin.merging.repair.repair` of the two ends.

    Args:
        network: The kind of network; see :func:`onebasin.merging.repair.measure`.
        ref: Weights at lambda 0, of one network or of a stack.
        other: Weights at lambda 1, already aligned.
        loss: ``loss(output, target)`` of one network, a mean over samples.
        data: Inputs and targets ``[samples ...]`` the loss is measured on, shared by all pairs, or
            both ``[models samples ...]``.
        seen: Inputs that the statistics are measured on, shared or each pair's own.
        lambdas: How many points, ends included, or the points themselves.

    Returns:
        Losses in float64.

    Raises:
        InputError: if a sample stands both in ``seen`` and in ``data``.
    """
    places, paths = positions(lambdas), _Paths(network, ref, other, seen)
    inputs, targets = data
    own = paths.owned(inputs)
    _check_apart(inputs.flatten(0, int(own)), seen.flatten(0, int(paths.own)))
    total = torch.zeros(paths.count, len(places), dtype=torch.float64)
    every = torch.cartesian_prod(torch.arange(paths.count), torch.arange(len(places)))
    for some in every.split(paths.at_once):
        model, place = some.unbind(-1)
        state = paths.networks(model.to(inputs.device), places[place])
        for rows in _slices(inputs.shape[int(own)], seen.shape[int(paths.own)]):
            x, y = (t[model][:, rows] if own else t[rows] for t in (inputs, targets))
            output = call(network, state, x)
            share = output.shape[1] / inputs.shape[int(own)]
            values = [loss(one, y[k] if own else y) for k, one in enumerate(output)]
            total[model, place] += torch.stack(values).double().cpu() * share
    return CorrectedPath(places, total[0] if paths.models is None else total)


class _Paths:
    """Corrected paths between a stack of pairs: the pairs, and the statistics of their ends."""

    def __init__(self, network: nn.Module, ref: State, other: State, seen: Tensor) -> None:
        name, parameter = next(iter(network.named_parameters()))
        if name not in ref:
            raise InputError("ref", sorted(ref), f"lacks the network's parameter {name!r}")
        single = ref[name].ndim == parameter.ndim
        self.network, self.seen = network, seen
        self.ref, self.other = (
            {n: t.detach()[None] for n, t in s.items()} if single else s for s in (ref, other)
        )
        self.count = len(self.ref[name])
        self.models = None if single else self.count
        self.own = self.owned(seen)
        self.ends = [measure(network, state, seen) for state in (self.ref, self.other)]

    def owned(self, data: Tensor) -> bool:
        """Whether each pair has data of its own."""
        return self.models is not None and per_model(self.network, data, self.models)

    @property
    def at_once(self) -> int:
        """How many networks are worked on at once."""
        widest = max((t.shape[1] for t in self.ref.values() if t.ndim > 1), default=1)
        room = _ELEMENTS if self.seen.device.type == "cpu" else _DEVICE_ELEMENTS
        return max(1, room // (widest * self.seen.shape[int(self.own)]))

    def networks(self, model: Tensor, lam: Tensor) -> dict[str, Tensor]:
        """The networks at places ``lam`` of the paths numbered ``model``."""
        pair = [{n: t[model] for n, t in state.items()} for state in (self.ref, self.other)]
        ends = [statistics.pick(model) for statistics in self.ends]
        seen = self.seen[model] if self.own else self.seen
        return repaired(self.network, (pair[0], pair[1]), (ends[0], ends[1]), seen, lam=lam)


def _check_apart(inputs: Tensor, seen: Tensor) -> None:
    known = {row.tobytes() for row in seen.cpu().numpy()}
    shared = sum(row.tobytes() in known for row in inputs.cpu().numpy())
    if shared:
        remedy = "samples of data are in seen too; measure the loss on others"
        raise InputError("seen", shared, remedy)


def _slices(count: int, size: int) -> Iterator[slice]:
    return (slice(start, start + size) for start in range(0, count, size))
