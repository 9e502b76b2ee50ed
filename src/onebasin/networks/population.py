"""Many networks of one kind at once: stack, draw, run, train.

A population is one state in which every tensor has a leading ``models`` dimension. Training it
equals training its members one by one, to rounding: each has its own initial draw, its own data
and its own order of the data, and Adam acts element by element.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from threading import Event

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from onebasin import seeds as streams
from onebasin.errors import InputError
from onebasin.networks.backprop import Backprop, Loss, losses
from onebasin.networks.dense import Dense
from onebasin.networks.draws import redrawn
from onebasin.networks.inputs import per_model
from onebasin.parallel import spread

State = Mapping[str, Tensor]
Seed = int | tuple[int, ...] | torch.Generator
Sample = Callable[[int, slice], tuple[Tensor, Tensor]]

#: Elements of one activation that stay in the cache of a CPU core (1.3 MB in float32).
_CACHE_ELEMENTS = 320_000
#: The same for an accelerator, where the limit is memory and kernels want to be large.
_DEVICE_ELEMENTS = 1 << 27
_PIECE = 1250


def stack(states: Sequence[State]) -> dict[str, Tensor]:
    """Put states of equal networks into one, with a leading ``models`` dimension.

    Raises:
        InputError: if there is none, or names or shapes differ.
    """
    if not states:
        raise InputError("states", [], "give at least one state")
    shapes = {name: tensor.shape for name, tensor in states[0].items()}
    for state in states[1:]:
        if {name: tensor.shape for name, tensor in state.items()} != shapes:
            raise InputError("states", "mixed", "all must have the same names and shapes")
    return {name: torch.stack([state[name] for state in states]) for name in shapes}


def unstack(stacked: State) -> list[dict[str, Tensor]]:
    """The states of a population, one by one; the inverse of :func:`stack` (copies)."""
    count = models(stacked)
    return [{name: tensor[k].clone() for name, tensor in stacked.items()} for k in range(count)]


def models(stacked: State) -> int:
    """Number of networks in a population.

    Raises:
        InputError: if the tensors disagree on it.
    """
    counts = {len(tensor) if tensor.ndim else 0 for tensor in stacked.values()}
    if len(counts) != 1:
        raise InputError("state", sorted(counts), "every tensor needs the same leading models size")
    return counts.pop()


def initialise(
    network: nn.Module, seeds: Sequence[Seed], stream: str = "init"
) -> dict[str, Tensor]:
    """Initial draws of as many networks as there are seeds.

    Args:
        network: The kind of network; it is not changed.
        seeds: For each network an integer or a tuple of integers, the numbers of the stream, or
            a generator to draw from.
        stream: Name of the stream the numbers belong to.

    Returns:
        A population of ``len(seeds)`` networks on ``network``'s device, in its dtype, with the
        buffers of normalisation layers if it has any. The draws are made on the CPU, so that they
        are the same for every device.

    Raises:
        InputError: if a part of the network has parameters and no way to draw them.
    """
    draws = []
    for seed in seeds:
        numbers = seed if isinstance(seed, tuple) else (seed,)
        generator = seed if isinstance(seed, torch.Generator) else streams.stream(stream, *numbers)
        draws.append(redrawn(network, generator))
    return stack(draws)


def call(network: nn.Module, state: State, x: Tensor, *, own: bool | None = None, **options):
    """Run ``network`` with the parameters of ``state``, one network or a population.

    Args:
        network: The kind of network; its own parameters are not used.
        state: Parameters by name, with or without one leading ``models`` dimension.
        x: Inputs ``[samples ...]``, shared, or ``[models samples ...]``.
        own: Whether a population's inputs are the latter; by default
            :func:`~onebasin.networks.inputs.per_model` decides. A network with a ``run`` of its
            own, such as a dense one, tells by the dimensions always.
        options: Passed on to the network, e.g. ``capture="post"``.

    Returns:
        What the network returns, with a leading ``models`` dimension for a population.
    """
    if hasattr(network, "run"):
        return network.run(state, x, **options)  # type: ignore[operator]
    name, parameter = next(iter(network.named_parameters()))
    if state[name].ndim == parameter.ndim:
        return torch.func.functional_call(network, dict(state), (x,), options, tie_weights=False)

    def one(parameters: State, inputs: Tensor):
        tensors = dict(parameters)
        return torch.func.functional_call(network, tensors, (inputs,), options, tie_weights=False)

    count = len(state[name])
    own = per_model(network, x, count) if own is None else own
    if count == 1:  # one network needs no batched kernels
        only = {key: tensor[0] for key, tensor in state.items()}
        return _lift(one(only, x[0] if own else x))
    return torch.vmap(one, in_dims=(0, 0 if own else None))(dict(state), x)


def _lift(found):
    if isinstance(found, Tensor):
        return found.unsqueeze(0)
    if isinstance(found, Mapping):
        return {name: _lift(one) for name, one in found.items()}
    return tuple(map(_lift, found))


class Batches:
    """Mini-batches of every network's own data, without replacement, in its own order.

    The order is drawn anew at the start of each epoch by the stream ``(name, *seed, epoch)`` and
    then walked through; a last batch that is not full is left out. The data are not copied but for
    the batch at hand, and may be one set seen by all networks (``data.expand(models, ...)``).

    Args:
        inputs: ``[models samples ...]``.
        targets: ``[models samples ...]``.
        batch: Samples per step.
        seeds: Numbers of each network's stream, and its name if they come with one.

    Raises:
        InputError: if the batch is larger than the data or below 1.
    """

    def __init__(
        self, inputs: Tensor, targets: Tensor, *, batch: int, seeds: Sequence[tuple[str | int, ...]]
    ) -> None:
        if not 1 <= batch <= inputs.shape[1]:
            raise InputError("batch", batch, f"choose between 1 and {inputs.shape[1]} samples")
        if not len(inputs) == len(targets) == len(seeds):
            raise InputError("seeds", len(seeds), f"give one for each of {len(inputs)} networks")
        self.inputs, self.targets, self.batch, self.seeds = inputs, targets, batch, list(seeds)
        self._orders: dict[tuple[int, int], tuple[int, Tensor]] = {}

    def __call__(self, step: int, models: slice) -> tuple[Tensor, Tensor]:
        """The batch of one step for a range of networks: inputs and targets."""
        per_epoch = self.inputs.shape[1] // self.batch
        epoch, position = divmod(step, per_epoch)
        rows = self._order(epoch, models)[:, position * self.batch : (position + 1) * self.batch]
        return _take(self.inputs[models], rows), _take(self.targets[models], rows)

    def _order(self, epoch: int, models: slice) -> Int[Tensor, "models samples"]:
        """The order of an epoch, kept for each range of networks until its next epoch."""
        range_of = (models.start, models.stop)
        known, order = self._orders.get(range_of, (-1, self.inputs))
        if known != epoch:
            order = torch.stack([self._draw(seed, epoch) for seed in self.seeds[models]])
            order = order.to(self.inputs.device)
            self._orders[range_of] = epoch, order
        return order

    def _draw(self, seed: tuple[str | int, ...], epoch: int) -> Int[Tensor, " samples"]:
        name, *numbers = seed if isinstance(seed[0], str) else ("data-order", *seed)
        generator = streams.stream(name, *numbers, epoch)  # type: ignore[arg-type]
        return torch.randperm(self.inputs.shape[1], generator=generator)


def _take(data: Tensor, rows: Int[Tensor, "models batch"]) -> Tensor:
    """Some samples of every network, ``[models batch ...]``."""
    if data.stride(0):
        offset = torch.arange(len(data), device=data.device) * data.shape[1]
        data, rows = data.flatten(0, 1), rows + offset[:, None]
    else:  # one set of data for all
        data = data[0]
    return data.index_select(0, rows.flatten()).unflatten(0, rows.shape)


@dataclass(frozen=True)
class TrainOptions:
    """How a population is trained.

    Args:
        steps: Optimiser steps.
        lr: Step size of Adam.
        betas: Adam's averaging factors.
        eps: Adam's denominator term.
        optimiser: Maker of another element-wise optimiser from a list of tensors; it replaces Adam.
            Dense networks hand it one vector of all their parameters.
        lr_at: Factor of the step size at each step (a schedule), or none.
        rows: Samples times networks that a thread works on at once; by default as many as fit the
            cache (CPU) or the memory (accelerator). It changes results by rounding only.
    """

    steps: int = 500
    lr: float = 1e-4
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8
    optimiser: Callable[[list[Tensor]], torch.optim.Optimizer] | None = None
    lr_at: Callable[[int], float] | None = None
    rows: int | None = None


@dataclass(frozen=True)
class Training:
    """A trained population and its way there.

    Args:
        states: The trained parameters, stacked.
        loss: Mean loss of every step's batch before the step, ``[steps models]``.
    """

    states: dict[str, Tensor]
    loss: Float[Tensor, "steps models"]


def train(
    network: nn.Module,
    states: State,
    sample: Sample,
    loss: Loss,
    options: TrainOptions | None = None,
) -> Training:
    """Train every network of a population on its own batches.

    Networks are taken in groups, and batches in pieces whose gradients add up, so that the
    activations at work stay in the cache; neither changes the result but by rounding. On the CPU
    groups of dense networks are trained one a thread.

    Args:
        network: The kind of network.
        states: The population to start from (not changed).
        sample: ``sample(step, models)`` gives inputs and targets ``[models batch ...]`` for a range
            of networks; see :class:`Batches`. Several threads may call it, each with its own range.
        loss: ``loss(output, target)``, the mean over one network's samples. If it is the mean of
            an element-wise function, it may carry that as ``loss.elementwise``, and its derivative
            by the output as ``loss.slope``, which is faster.
        options: Steps, step size, and so on.

    Returns:
        The trained population, with its running statistics if it has any and ``network`` is in
        training mode, and the loss of each step.

    Raises:
        InputError: if a step's loss is not finite; the message names the step.
    """
    options = options or TrainOptions()
    count, device = models(states), next(iter(states.values())).device
    batch = min(sample(0, slice(0, 1))[0].shape[1], _PIECE)
    cores = torch.get_num_threads() if device.type == "cpu" else 1
    room, halt = _rows(states), Event()

    def work(members: slice, rows: int) -> Training:
        return _train_group(network, states, sample, loss, options, members, rows, halt)

    # Networks that cannot be shared out evenly are taken last, by all cores together.
    even = count - count % cores if isinstance(network, Dense) else 0
    alone, joint = options.rows or room, options.rows or room * cores
    groups = _groups(0, even, alone // batch, cores)
    parts = spread(lambda members: work(members, alone), groups, device, halt=halt)
    parts += [work(members, joint) for members in _groups(even, count, joint // batch)]
    trained = {name: torch.cat([part.states[name] for part in parts]) for name in states}
    return Training(trained, torch.cat([part.loss for part in parts], dim=1))


def _rows(states: State) -> int:
    """Samples times networks that one core, or an accelerator, works on at once."""
    widest = max(tensor.shape[1] if tensor.ndim > 1 else 1 for tensor in states.values())
    device = next(iter(states.values())).device
    limit = _CACHE_ELEMENTS if device.type == "cpu" else _DEVICE_ELEMENTS
    return max(1, limit // widest)


def _groups(start: int, stop: int, most: int, cores: int = 1) -> list[slice]:
    """Networks ``start`` to ``stop`` in equal groups, ``most`` in each, as many for every core."""
    count = cores * -(-(stop - start) // (cores * max(1, most)))
    edges = [start + (stop - start) * k // count for k in range(count + 1)] if count else []
    return [slice(*edge) for edge in pairwise(edges)]


def _train_group(network, states, sample, loss, options, members, rows, halt) -> Training:
    parameters = {name: tensor[members].detach() for name, tensor in states.items()}
    piece = max(1, rows // (members.stop - members.start))
    if len(parameters) > len(dict(network.named_parameters())):
        piece = sample(0, members)[0].shape[1]  # running statistics are those of a whole batch
    if isinstance(network, Dense):
        gradients: Backprop | _Autograd = Backprop(network, parameters, loss, piece)
    else:
        gradients = _Autograd(network, parameters, loss)
    optimiser = _optimiser(options, gradients.learned)
    history = []
    for step in range(options.steps):
        if halt.is_set():
            break
        _set_lr(optimiser, options, step)
        inputs, targets = sample(step, members)
        history.append(_accumulate(gradients, inputs, targets, piece))
        optimiser.step()
    path = torch.stack(history) if history else torch.empty(0, members.stop - members.start)
    _check_finite(path)
    return Training({name: tensor.detach() for name, tensor in gradients.state.items()}, path)


class _Autograd:
    """What :class:`~onebasin.networks.backprop.Backprop` does, for a network of any kind."""

    def __init__(self, network: nn.Module, parameters: State, loss: Loss) -> None:
        self.network, self.loss, own = network, loss, dict(network.named_parameters())
        self.state = {name: tensor.clone() for name, tensor in parameters.items()}
        self.learned = [t.requires_grad_() for name, t in self.state.items() if name in own]

    def start(self) -> None:
        for tensor in self.learned:
            tensor.grad = None

    def __call__(self, inputs: Tensor, targets: Tensor, share: float) -> Tensor:
        output = call(self.network, self.state, inputs, own=True)
        value = losses(self.loss, output, targets) * share
        value.sum().backward()
        return value.detach()


def _accumulate(
    gradients: Backprop | _Autograd, inputs: Tensor, targets: Tensor, piece: int
) -> Float[Tensor, " models"]:
    """The gradients of one batch, added up piece by piece; the loss of every network."""
    samples = inputs.shape[1]
    gradients.start()
    values = []
    for start in range(0, samples, piece):
        part = slice(start, min(start + piece, samples))
        share = (part.stop - part.start) / samples
        values.append(gradients(inputs[:, part], targets[:, part], share))
    return torch.stack(values).sum(0)


def _optimiser(options: TrainOptions, tensors: list[Tensor]) -> torch.optim.Optimizer:
    if options.optimiser is not None:
        return options.optimiser(tensors)
    return torch.optim.Adam(
        tensors, lr=options.lr, betas=options.betas, eps=options.eps, fused=True
    )


def _set_lr(optimiser: torch.optim.Optimizer, options: TrainOptions, step: int) -> None:
    if options.lr_at is None:
        return
    for part in optimiser.param_groups:
        part.setdefault("initial_lr", part["lr"])
        part["lr"] = part["initial_lr"] * options.lr_at(step)


def _check_finite(losses: Tensor) -> None:
    bad = (~torch.isfinite(losses)).any(dim=1).nonzero()
    if len(bad):
        step = int(bad[0])
        raise InputError("loss", float("nan"), f"it stopped being finite at step {step}; lower lr")
