r"""HYPER-MATCHING: new weights, found by training, that a line of low loss connects to a network.

No permutation is looked for. An encoder reads the weights :math:`\theta_B` and a hyper-network
emits a whole new set :math:`\hat\theta_B`; both are trained, for this one pair and shape, until the
loss on the straight line from :math:`\theta_A` to :math:`\hat\theta_B` is low. What results does
not compute what :math:`\theta_B` computed, so this is no alignment in the sense of the others.

Since the input of the encoder never changes, encoder and hyper-network are together a way to write
:math:`\hat\theta_B` down, and :math:`\hat\theta_B = \theta_A` is an optimum. The two controls here,
a code without encoder and free weights without any network, measure what that way of writing does.

Source: [ballerini2023], §3.4. The paper leaves the hyper-network open; see :class:`RowHead`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from onebasin import seeds
from onebasin.errors import InputError
from onebasin.networks.backprop import Backprop
from onebasin.networks.dense import Dense
from onebasin.shapes.fitting import bce
from onebasin.shapes.inr2vec import Encoder, encoder_input

State = Mapping[str, Tensor]
#: Units times samples times networks whose activations stay in the cache of a CPU core.
_CACHE_ELEMENTS = 1_280_000


@dataclass(frozen=True)
class HyperOptions:
    """Options of :func:`hyper_match`; the defaults are the thesis's.

    Args:
        steps: Optimiser steps.
        batch: Labelled points of each step.
        lr: Step size at the start of the one-cycle schedule, whose top is 25 times as high.
        weight_decay: Of AdamW.
        lambdas: Random positions in each step, one in each of as many equal parts of [0, 1).
        source: Where the new weights come from: ``"encoder"`` reads ``other``; ``"code"`` has a
            trained vector in the place of the encoder; ``"free"`` trains the weights themselves,
            from ``other`` on.
        widths: Units of the encoder's hidden layers.
        code: Length of the embedding.
        rank: Numbers that stand for one unit in the hyper-network.
        watch: Distances are noted every so many steps.
    """

    steps: int = 1000
    batch: int = 10_000
    lr: float = 1e-4
    weight_decay: float = 1e-2
    lambdas: int = 4
    source: Literal["encoder", "code", "free"] = "encoder"
    widths: tuple[int, ...] = (512, 512, 1024, 1024)
    code: int = 1024
    rank: int = 512
    watch: int = 20


@dataclass(frozen=True)
class HyperMatch:
    """What :func:`hyper_match` found.

    Args:
        state: The new weights :math:`\\hat\\theta_B`.
        loss: Mean loss of the step's positions, before each step (nats).
        steps: The steps at which distances were noted, the last one included.
        to_ref: :math:`\\|\\hat\\theta_B - \\theta_A\\| / \\|\\theta_A\\|` at these steps.
        to_other: :math:`\\|\\hat\\theta_B - \\theta_B\\| / \\|\\theta_B\\|` at these steps.
        parameters: How many numbers were trained.
    """

    state: dict[str, Tensor]
    loss: Float[Tensor, " steps"]
    steps: tuple[int, ...]
    to_ref: Float[Tensor, " noted"]
    to_other: Float[Tensor, " noted"]
    parameters: int


class RowHead(nn.Module):
    r"""A hyper-network that emits the weights of a dense network unit by unit.

    A linear layer from the embedding to all 790,529 weights of the thesis's INR would itself have
    810 million. So every unit :math:`u` of every layer :math:`l` has a trained vector
    :math:`z_{lu}`, which the embedding :math:`e` shifts, and each layer one matrix that turns it
    into the unit's weights and bias:

    .. math:: [W_l, b_l]_u = c_l \odot U_l\, \mathrm{relu}(z_{lu} + P e / \|e\|)

    with :math:`c_l` fixed, such that the first output has the spread of the network's own initial
    draw. All trained numbers start at order 1, with the scales kept outside, since Adam's steps
    have one size for all. Source: the chunks of [ha2017], §2.2, one chunk a unit.

    Args:
        network: The kind of network to emit.
        code: Length of the embedding.
        rank: Length of :math:`z`; a layer's weights have at most this rank.
        generator: Stream of the initial draw.
    """

    def __init__(self, network: Dense, code: int, rank: int, generator: torch.Generator) -> None:
        super().__init__()

        def draw(*shape: int) -> nn.Parameter:
            return nn.Parameter(torch.randn(*shape, generator=generator))

        fans, units = network.widths[:-1], network.widths[1:]
        self.units = nn.ParameterList(draw(count, rank) for count in units)
        self.rows = nn.ParameterList(draw(rank, fan + 1) for fan in fans)
        self.project = draw(code, rank)
        # relu(z + P e) has mean square 1; a uniform draw of half-width c has the variance c^2 / 3
        self.scale = (3 * rank) ** -0.5
        self.bounds = [network.bounds(layer) for layer in range(len(fans))]

    def forward(self, code: Float[Tensor, " code"]) -> dict[str, Tensor]:
        """The weights of one network, by name."""
        state = {}
        shift = nn.functional.normalize(code, dim=0) @ self.project
        for layer, (units, rows) in enumerate(zip(self.units, self.rows, strict=True)):
            emitted = torch.relu(units + shift) @ rows
            weight, bias = (bound * self.scale for bound in self.bounds[layer])
            state[f"layers.{layer}.weight"] = weight * emitted[:, :-1]
            state[f"layers.{layer}.bias"] = bias * emitted[:, -1]
        return state


class _FromEncoder(nn.Module):
    """Encoder and head: the thesis's construction."""

    def __init__(self, network, other: State, options: HyperOptions, generator) -> None:
        super().__init__()
        rows = encoder_input(network, other)
        self.register_buffer("seen", rows.unsqueeze(0))
        with seeds.lent(generator):
            self.encoder = Encoder(rows.shape[-1], options.code, options.widths)
        self.head = RowHead(network, options.code, options.rank, generator)

    def forward(self) -> dict[str, Tensor]:
        return self.head(self.encoder(self.seen)[0])


class _FromCode(nn.Module):
    """A trained vector in the place of the encoder."""

    def __init__(self, network, other: State, options: HyperOptions, generator) -> None:
        super().__init__()
        self.code = nn.Parameter(torch.randn(options.code, generator=generator))
        self.head = RowHead(network, options.code, options.rank, generator)

    def forward(self) -> dict[str, Tensor]:
        return self.head(self.code)


class _Free(nn.Module):
    """The weights themselves, no network."""

    def __init__(self, network, other: State, options: HyperOptions, generator) -> None:
        super().__init__()
        self.names = list(other)
        self.weights = nn.ParameterList(nn.Parameter(t.detach().clone()) for t in other.values())

    def forward(self) -> dict[str, Tensor]:
        return dict(zip(self.names, self.weights, strict=True))


_SOURCES = {"encoder": _FromEncoder, "code": _FromCode, "free": _Free}


def hyper_match(
    network: Dense,
    ref: State,
    other: State,
    data: tuple[Float[Tensor, "samples fan"], Float[Tensor, "samples outputs"]],
    *,
    seed: int = 0,
    options: HyperOptions | None = None,
) -> HyperMatch:
    r"""Train weights :math:`\hat\theta_B` that are connected to ``ref`` by a line of low loss.

    .. math::
        \frac{1}{k+1} \sum_{i=1}^{k+1} L\big((1-\lambda_i)\,\theta_A + \lambda_i\hat\theta_B\big),
        \qquad \lambda_i \sim U[\tfrac{i-1}{k}, \tfrac{i}{k}),\quad \lambda_{k+1} = 1

    with AdamW and a one-cycle schedule. Source: [ballerini2023], §3.4.

    Args:
        network: The kind of network; its own weights are not used.
        ref: :math:`\theta_A`, one network.
        other: :math:`\theta_B`, one network.
        data: Labelled points, of which each step takes ``options.batch`` without replacement.
        seed: Number of the draws.
        options: Steps, schedule, and what emits the weights.

    Returns:
        The new weights with the course of the loss and of the distances to both ends.

    Raises:
        InputError: if the networks do not fit, an option is impossible or a loss is not finite.
    """
    options = options or HyperOptions()
    _check(network, ref, other, data, options)
    device = data[0].device
    model = _SOURCES[options.source](network, other, options, seeds.stream("hyper-init", seed))
    model = model.to(device).train()
    optimiser = torch.optim.AdamW(
        model.parameters(), lr=options.lr, weight_decay=options.weight_decay
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, max_lr=25 * options.lr, div_factor=25, total_steps=options.steps
    )
    losses, noted = [], []
    for step in range(options.steps):
        if step % options.watch == 0:
            noted.append((step, *_distances(model(), ref, other)))
        optimiser.zero_grad(set_to_none=True)
        losses.append(_step(network, model, ref, _sample(data, options, seed, step)))
        if not torch.isfinite(losses[-1]):
            raise InputError("loss", "NaN or infinite", f"stopped at step {step}; lower options.lr")
        optimiser.step()
        schedule.step()
    state = {name: tensor.detach().clone() for name, tensor in model().items()}
    noted.append((options.steps, *_distances(state, ref, other)))
    steps, to_ref, to_other = zip(*noted, strict=True)
    return HyperMatch(
        state,
        torch.stack(losses).cpu(),
        steps,
        torch.tensor(to_ref),
        torch.tensor(to_other),
        sum(p.numel() for p in model.parameters()),
    )


def _sample(data, options: HyperOptions, seed: int, step: int) -> tuple[Tensor, Tensor, Tensor]:
    """Points, labels and positions of one step, drawn from its own stream."""
    generator = seeds.stream("hyper-step", seed, step)
    rows = torch.randperm(len(data[0]), generator=generator)[: options.batch].to(data[0].device)
    parts = torch.arange(options.lambdas) + torch.rand(options.lambdas, generator=generator)
    lambdas = torch.cat([parts / options.lambdas, torch.ones(1)]).to(data[0].device)
    return data[0][rows], data[1][rows], lambdas


def _step(network: Dense, model: nn.Module, ref: State, sample) -> Tensor:
    """Add the gradient of one step's loss up in ``model``; returns the loss.

    Points go through in pieces whose activations stay in the cache; what they give is gathered at
    the networks of the line and sent back through the model once.
    """
    inputs, targets, lambdas = sample
    line = _between(ref, model(), lambdas)
    elements = max(network.widths) * len(lambdas)
    piece = max(1, _CACHE_ELEMENTS // elements) if inputs.is_cpu else len(inputs)
    add = Backprop(network, line, bce, piece)
    total = torch.zeros((), device=inputs.device)
    for start in range(0, len(inputs), piece):
        x, y = (t[start : start + piece].expand(len(lambdas), -1, -1) for t in (inputs, targets))
        total = total + add(x, y, x.shape[1] / len(inputs)).mean()
    gradients = [add.gradients[name] / len(lambdas) for name in line]
    torch.autograd.backward(list(line.values()), gradients)
    return total


def _between(ref: State, new: State, lambdas: Float[Tensor, " models"]) -> dict[str, Tensor]:
    """The networks at these positions of the line, as a stack."""
    shaped = {n: lambdas.view(-1, *[1] * ref[n].ndim) for n in new}
    return {n: (1 - shaped[n]) * ref[n] + shaped[n] * new[n] for n in new}


@torch.no_grad()
def _distances(state: State, ref: State, other: State) -> tuple[float, float]:
    return distance_in_norms(state, ref), distance_in_norms(state, other)


def distance_in_norms(state: State, target: State) -> float:
    """Norm of the difference of all weights over the norm of ``target``."""
    squares = sum((state[n].double() - target[n].double()).square().sum() for n in target)
    return float((squares / sum(t.double().square().sum() for t in target.values())) ** 0.5)


def _check(network: Dense, ref: State, other: State, data, options: HyperOptions) -> None:
    network.spec.check_pair(ref, other)
    if network.spec.models(ref) is not None:
        raise InputError("ref", network.spec.models(ref), "give one network, not a stack")
    if options.source not in _SOURCES:
        raise InputError("options.source", options.source, f"choose one of {list(_SOURCES)}")
    for name in ("steps", "batch", "lambdas", "code", "rank", "watch"):
        if getattr(options, name) < 1:
            raise InputError(f"options.{name}", getattr(options, name), "must be 1 or more")
    if options.batch > len(data[0]) or len(data[0]) != len(data[1]):
        raise InputError("options.batch", options.batch, f"there are {len(data[0])} points")
