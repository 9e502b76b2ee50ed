r"""Running statistics of networks that were permuted, averaged or interpolated.

A batch normalisation layer computes, in evaluation mode,

.. math:: y = \gamma\, \frac{x - m}{\sqrt{v + \epsilon}} + \beta

with running estimates :math:`m, v` of mean and variance. They belong to units, so a permutation
moves them; they are no weights, so matching does not compare them. What they should be in a network
between two others is a choice, and it is made here, by name:

``"none"``
    They are interpolated as weights are. Between two networks the signal varies less than
    :math:`v` says, and it fades from layer to layer.
``"reset"``
    They are estimated anew on data: each the cumulative average, over batches, of the batch's mean
    and of its variance (unbiased), every layer seeing what the layers before make of the batch.
    This is what Git Re-Basin and neuron alignment do.
``"repair"``
    First :math:`\gamma, \beta` of every layer are set such that its outputs have the interpolated
    mean and standard deviation of its outputs in the two ends, then the estimates are made anew.

The ends themselves, :math:`\lambda = 0` and 1, are never changed, whatever the choice.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from onebasin.errors import InputError
from onebasin.networks.inputs import per_model
from onebasin.networks.population import call
from onebasin.symmetry.spec import State

Policy = Literal["none", "reset", "repair"]
POLICIES = ("none", "reset", "repair")


@dataclass(frozen=True, eq=False)
class Outputs:
    """Mean and standard deviation of what every batch normalisation layer gives out, by its name.

    Args:
        mean: Over samples and pixels, float64.
        std: The same for the standard deviation (divided by the number of samples).
    """

    mean: Mapping[str, Float[Tensor, "*models units"]]
    std: Mapping[str, Float[Tensor, "*models units"]]


def layers(network: nn.Module) -> dict[str, nn.Module]:
    """The batch normalisation layers of a network that keep running statistics, by name."""
    kinds = nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d
    return {
        name: module
        for name, module in network.named_modules()
        if isinstance(module, kinds) and module.track_running_stats
    }


@torch.no_grad()
def reset(
    network: nn.Module, state: State, inputs: Tensor, *, batch: int = 500
) -> dict[str, Tensor]:
    """The network with running statistics estimated on data; weights stay.

    Source: [tatro2020], App. B; the code of [ainsworth2023], with 100 batches of 1,000 images.

    Args:
        network: The kind of network; it is not changed.
        state: One network or a stack.
        inputs: Data ``[samples ...]``, shared, or ``[models samples ...]``; labels are not needed.
        batch: Samples a batch. A last batch that is not full is left out unless it is the only one.

    Returns:
        New state; without batch normalisation an equal one.

    Raises:
        InputError: if there are no data, or a batch of one sample.
    """
    fresh = {name: tensor.clone() for name, tensor in state.items()}
    twin = copy.deepcopy(network).eval()
    for module in layers(twin).values():
        module.train()
    if not layers(twin):
        return fresh
    count = 0
    for part in _batches(twin, fresh, inputs, batch):
        count += 1
        for module in layers(twin).values():
            module.momentum = 1 / count  # type: ignore[assignment]  # makes the average cumulative
        call(twin, fresh, part)
    for name in layers(twin):
        fresh[f"{name}.num_batches_tracked"].fill_(count)
    return fresh


@torch.no_grad()
def measure(network: nn.Module, state: State, inputs: Tensor, *, batch: int = 500) -> Outputs:
    """Statistics of the outputs of every batch normalisation layer, in evaluation mode.

    Args:
        network: The kind of network; it is not changed.
        state: One network or a stack.
        inputs: Data ``[samples ...]``, shared, or ``[models samples ...]``.
        batch: Samples run at once; as in :func:`reset` only full batches count.

    Raises:
        InputError: if there are no data.
    """
    twin = copy.deepcopy(network).eval()
    count = 0
    mean: dict[str, Tensor] = {}
    square: dict[str, Tensor] = {}
    for part in _batches(twin, state, inputs, batch):
        count += 1
        for name, (here, squares) in _moments(twin, state, part).items():
            mean[name] = mean.get(name, torch.zeros_like(here)) + here
            square[name] = square.get(name, torch.zeros_like(here)) + squares
    mean = {name: total / count for name, total in mean.items()}
    std = {n: (t / count - mean[n].square()).clamp(min=0).sqrt() for n, t in square.items()}
    return Outputs(mean, std)


@torch.no_grad()
def between(
    network: nn.Module,
    ref: State,
    other: State,
    lam: float,
    *,
    policy: Policy = "reset",
    inputs: Tensor | None = None,
    batch: int = 500,
) -> dict[str, Tensor]:
    r"""The network at :math:`\lambda` between two, with running statistics by a policy.

    Args:
        network: The kind of network.
        ref: Weights and statistics at 0, of one network or of a stack.
        other: The same at 1, already aligned.
        lam: Place on the way; at 0 and 1 the end itself is returned, with its own statistics.
        policy: See the head of this module.
        inputs: Data for ``"reset"`` and ``"repair"``, as in :func:`reset`.
        batch: Samples a batch.

    Raises:
        InputError: for an unknown policy, or one that needs data and has none.
    """
    if policy not in POLICIES:
        raise InputError("policy", policy, f"choose one of {POLICIES}")
    if lam in (0, 1):
        return {name: tensor.clone() for name, tensor in (other if lam else ref).items()}
    state = {
        name: torch.lerp(t, other[name], lam) if t.is_floating_point() else t.clone()
        for name, t in ref.items()
    }
    if policy == "none":
        return state
    if inputs is None:
        raise InputError("inputs", None, f"policy {policy!r} estimates on data; pass some inputs")
    if policy == "repair":
        ends = [measure(network, end, inputs, batch=batch) for end in (ref, other)]
        state |= _target(state, ends[0], ends[1], lam)
    return reset(network, state, inputs, batch=batch)


def _target(state: State, ref: Outputs, other: Outputs, lam: float) -> dict[str, Tensor]:
    """Scale and shift of every layer that has them; its normalised input has mean 0, deviation 1.

    Source: [jordan2023], here for layers that are normalised already.
    """
    changed = {}
    for name in ref.mean:
        if (
            f"{name}.weight" not in state
        ):  # without a scale its outputs have these statistics anyway
            continue
        weight, bias = state[f"{name}.weight"], state[f"{name}.bias"]
        std = torch.lerp(ref.std[name], other.std[name], lam).to(weight.dtype)
        changed[f"{name}.weight"] = torch.where(weight < 0, -std, std)
        changed[f"{name}.bias"] = torch.lerp(ref.mean[name], other.mean[name], lam).to(bias.dtype)
    return changed


def _moments(twin: nn.Module, state: State, part: Tensor) -> dict[str, tuple[Tensor, Tensor]]:
    """Means of the outputs and of their squares over one batch, by layer."""

    def one(tensors: State, x: Tensor) -> dict[str, tuple[Tensor, Tensor]]:
        with _listening(twin) as heard:
            torch.func.functional_call(twin, dict(tensors), (x,), tie_weights=False)
        return heard

    name, own = next(iter(twin.named_parameters()))
    if state[name].ndim == own.ndim:
        return one(state, part)
    axis = 0 if per_model(twin, part, len(state[name])) else None
    return torch.vmap(one, in_dims=(0, axis))(dict(state), part)


@contextmanager
def _listening(twin: nn.Module) -> Iterator[dict[str, tuple[Tensor, Tensor]]]:
    heard: dict[str, tuple[Tensor, Tensor]] = {}

    def listen(name: str):
        def hook(module: nn.Module, inputs: tuple, output: Tensor) -> None:
            units = output.transpose(0, 1).flatten(1).double()
            heard[name] = units.mean(1), units.square().mean(1)

        return hook

    hooks = [module.register_forward_hook(listen(n)) for n, module in layers(twin).items()]
    try:
        yield heard
    finally:
        for hook in hooks:
            hook.remove()


def _batches(twin: nn.Module, state: State, inputs: Tensor, batch: int) -> Iterator[Tensor]:
    name, own = next(iter(twin.named_parameters()))
    stacked = state[name].ndim > own.ndim
    axis = 1 if stacked and per_model(twin, inputs, len(state[name])) else 0
    samples = inputs.shape[axis]
    size = min(batch, samples)
    if size < 2:
        remedy = "statistics need batches of two or more samples"
        raise InputError("inputs, batch", (tuple(inputs.shape), batch), remedy)
    for start in range(0, samples - size + 1, size):
        yield inputs.narrow(axis, start, size)
