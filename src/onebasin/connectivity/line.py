"""The straight line between two networks, and the loss along it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from onebasin.errors import InputError
from onebasin.networks.inputs import owned
from onebasin.symmetry.spec import State

Loss = Callable[[Tensor, Tensor], Tensor]

#: Numbers of one activation that stay in the cache of a few CPU cores.
_CACHE_ELEMENTS = 1 << 20
#: The same for an accelerator, where the limit is memory and kernels want to be large.
_DEVICE_ELEMENTS = 1 << 27


@dataclass(frozen=True, eq=False)
class Line:
    """Loss along the straight line from ``ref`` (lambda 0) to ``other`` (lambda 1).

    Args:
        lambdas: Places on the line, float64.
        loss: Loss there, float64, in the unit of the loss function.
    """

    lambdas: Float[Tensor, " lambdas"]
    loss: Float[Tensor, "*models lambdas"]


def interpolate(ref: State, other: State, lam: float | Tensor) -> dict[str, Tensor]:
    r"""Weights :math:`(1 - \lambda)\theta_A + \lambda\theta_B`; exact at both ends.

    Tensors of integers (counters) are taken from ``ref``.

    Args:
        ref: Weights at lambda 0.
        other: Weights at lambda 1.
        lam: A number, or a tensor that broadcasts against every weight.

    Raises:
        InputError: if the two have different tensors.
    """
    _check_pair(ref, other)
    return {
        name: torch.lerp(tensor, other[name], lam) if tensor.is_floating_point() else tensor
        for name, tensor in ref.items()
    }


@torch.no_grad()
def loss_along_line(
    network: nn.Module,
    ref: State,
    other: State,
    loss: Loss,
    data: tuple[Tensor, Tensor],
    *,
    lambdas: int | Sequence[float] = 25,
    chunk: int | None = None,
) -> Line:
    """Loss at evenly spaced points of the line between two networks, or of many lines at once.

    Points and pairs run as one stack of networks, as many at a time as stay in the cache. Where the
    network can split itself (methods ``begin`` and ``finish``, see
    :class:`onebasin.networks.dense.Dense`) its first layer is run at the two ends only: before the
    activation it is affine in the weights, so in between it is a weighted mean of the ends.

    Args:
        network: The kind of network; its own parameters are not used. It must give out one tensor
            with the samples on axis 0.
        ref: Weights at lambda 0, of one network or of a stack.
        other: Weights at lambda 1.
        loss: ``loss(output, target)`` of one network, a mean over samples.
        data: Inputs and targets ``[samples ...]``, shared, or both ``[models samples ...]``.
        lambdas: How many points, ends included, or the points themselves.
        chunk: Most samples run at once; by default as many as stay in the cache.

    Returns:
        Losses in float64, the weighted mean over chunks of samples.

    Raises:
        InputError: if the networks differ in tensors, or data or points are unusable.
    """
    _check_pair(ref, other)
    first = next(iter(ref.values()))
    places = positions(lambdas)
    if chunk is not None and chunk < 1:
        raise InputError("chunk", chunk, "must be 1 or more samples")
    pairs = _Pairs(network, ref, other)
    (inputs, targets), own = data, owned(network, data, pairs.models)
    total = torch.zeros(pairs.count, len(places), dtype=torch.float64, device=first.device)
    samples = inputs.shape[1 if own else 0]
    size = chunk or _samples_at_once(pairs.width, samples, first.device)
    nets = max(1, _room(first.device) // (pairs.width * min(size, samples)))
    every = torch.cartesian_prod(torch.arange(pairs.count), torch.arange(len(places)))
    for part in _slices(samples, size):
        x, y = (t[:, part] if own else t[part] for t in (inputs, targets))
        begun = pairs.begin(x, own)
        for some in every.split(nets):
            model, place = some.unbind(-1)
            lam = places[place].to(first)
            outputs = pairs.outputs(x, own, begun, model.to(first.device), lam)
            for k, (m, p) in enumerate(some.tolist()):
                mean = loss(outputs[k], y[m] if own else y)
                total[m, p] += mean.double() * (outputs.shape[1] / samples)
    shape = (len(places),) if pairs.models is None else (pairs.count, len(places))
    return Line(places, total.reshape(shape))


class _Between(dict):
    """Weights between pairs of networks, interpolated when they are asked for."""

    def __init__(self, ref: State, other: State, model: Tensor, lam: Tensor) -> None:
        super().__init__(ref)
        self.other, self.model, self.lam = other, model, lam

    def __getitem__(self, name: str) -> Tensor:
        mine, theirs = super().__getitem__(name), self.other[name]
        if len(mine) > 1:
            mine, theirs = mine[self.model], theirs[self.model]
        if not mine.is_floating_point():
            return mine.expand(len(self.lam), *mine.shape[1:])
        return torch.lerp(mine, theirs, along(self.lam, mine).to(mine.dtype))


class _Pairs:
    """Lines between stacks of networks, and how to run networks on them."""

    def __init__(self, network: nn.Module, ref: State, other: State) -> None:
        self.network: Any = network  # may offer begin and finish
        name, own = next(iter(network.named_parameters()))
        if name not in ref:
            raise InputError("ref", sorted(ref), f"lacks the network's parameter {name!r}")
        single = ref[name].ndim == own.ndim
        self.models = None if single else len(ref[name])
        self.count = self.models or 1
        self.ref, self.other = (
            {n: t.detach().unsqueeze(0) if single else t.detach() for n, t in state.items()}
            for state in (ref, other)
        )
        self.splits = hasattr(network, "begin") and hasattr(network, "finish")
        self.width = max((t.shape[1] for t in self.ref.values() if t.ndim > 1), default=1)

    def begin(self, x: Tensor, own: bool) -> tuple[Tensor, ...]:
        """First layers of all networks at both ends, ``[models samples units]`` each."""
        if not self.splits:
            return ()
        return tuple(self.network.begin(state, x) for state in (self.ref, self.other))

    def outputs(
        self, x: Tensor, own: bool, begun: tuple[Tensor, ...], model: Tensor, lam: Tensor
    ) -> Tensor:
        """Outputs ``[nets samples ...]`` of the networks (model, lam)."""
        state = _Between(self.ref, self.other, model, lam)
        if begun:
            ends = begun if self.count == 1 else (end[model] for end in begun)
            start, end = ends
            return self.network.finish(state, torch.lerp(start, end, along(lam, start)))
        weights = {name: state[name] for name in self.ref}
        run = torch.vmap(self._one, in_dims=(0, 0 if own else None), randomness="error")
        return run(weights, x[model] if own else x)

    def _one(self, state: State, x: Tensor) -> Tensor:
        return torch.func.functional_call(self.network, dict(state), (x,), tie_weights=False)


def along(lam: Float[Tensor, " nets"], tensor: Tensor) -> Tensor:
    """``lam`` viewed so that it multiplies the first axis of ``tensor``."""
    return lam.reshape(-1, *[1] * (tensor.ndim - 1))


def positions(lambdas: int | Sequence[float]) -> Float[Tensor, " lambdas"]:
    """Places on a path: so many, evenly spaced with both ends, or those given."""
    if isinstance(lambdas, int):
        if lambdas < 2:
            raise InputError("lambdas", lambdas, "needs at least the two ends")
        return torch.linspace(0, 1, lambdas, dtype=torch.float64)
    places = torch.as_tensor(lambdas, dtype=torch.float64)
    if places.ndim != 1 or len(places) == 0 or not torch.isfinite(places).all():
        raise InputError("lambdas", lambdas, "must be a number of points or a list of places")
    return places


def _check_pair(ref: State, other: State) -> None:
    shapes = [{name: tuple(t.shape) for name, t in state.items()} for state in (ref, other)]
    if shapes[0] != shapes[1]:
        differ = sorted(set(shapes[0].items()) ^ set(shapes[1].items()))
        raise InputError("other", differ, "names and shapes must be those of ref")


def _room(device: torch.device) -> int:
    return _CACHE_ELEMENTS if device.type == "cpu" else _DEVICE_ELEMENTS


def _samples_at_once(width: int, samples: int, device: torch.device) -> int:
    pieces = -(-samples * width // _room(device))
    return -(-samples // pieces)


def _slices(count: int, size: int) -> Iterator[slice]:
    return (slice(start, min(start + size, count)) for start in range(0, count, size))
