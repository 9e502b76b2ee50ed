"""The networks at the stops of a line, and what each of them answers."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from onebasin.connectivity.line import interpolate
from onebasin.errors import InputError
from onebasin.networks.population import call, stack
from onebasin.symmetry.spec import State

#: Numbers of one activation that stay in the cache of a CPU core.
_CACHE_ELEMENTS = 640_000
#: The same for an accelerator.
_DEVICE_ELEMENTS = 1 << 27


def stops(ref: State, other: State, lambdas: int | Sequence[float] = 25) -> dict[str, Tensor]:
    """All networks on the line between two single networks, as a population.

    Args:
        ref: Weights at lambda 0.
        other: Weights at lambda 1.
        lambdas: How many evenly spaced places, ends included, or the places themselves.

    Raises:
        InputError: if the networks differ in tensors or there is no place.
    """
    places = lambdas if isinstance(lambdas, Sequence) else torch.linspace(0, 1, lambdas).tolist()
    if len(places) == 0:
        raise InputError("lambdas", lambdas, "name at least one place on the line")
    return stack([interpolate(ref, other, lam) for lam in places])


@torch.no_grad()
def answers(
    network: nn.Module, states: State, inputs: Float[Tensor, "samples fan"]
) -> Float[Tensor, "models samples outputs"]:
    """What every network of a population answers to the same inputs.

    Networks run one after the other on pieces that stay in the cache; on an accelerator, on as many
    inputs at once as its kernels want.

    Args:
        network: The kind of network.
        states: The population.
        inputs: Shared by all networks.
    """
    widest = max(tensor.shape[1] for tensor in states.values() if tensor.ndim > 1)
    room = _CACHE_ELEMENTS if inputs.device.type == "cpu" else _DEVICE_ELEMENTS
    pieces = inputs.split(max(1, room // widest))
    count = len(next(iter(states.values())))
    one_by_one = ({name: tensor[k] for name, tensor in states.items()} for k in range(count))
    return torch.stack(
        [torch.cat([call(network, state, part) for part in pieces]) for state in one_by_one]
    )


def share_between(
    values: Float[Tensor, "*models samples"], low: float, high: float
) -> Float[Tensor, "*models"]:
    """Fraction of the values that lie in a closed interval, float64.

    Raises:
        InputError: if there are no values, or the interval is empty.
    """
    if values.shape[-1] == 0:
        raise InputError("values", tuple(values.shape), "give at least one value")
    if not low <= high:
        raise InputError("low", low, f"must not lie above {high}")
    return ((values >= low) & (values <= high)).double().mean(-1)
