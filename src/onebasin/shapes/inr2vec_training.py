"""Training inr2vec end to end, as a recipe in slices: a killed run loses the slice it was in.

Encoder and decoder learn together: of every INR of a batch the decoder is asked at random points,
and is to give the label that the INR's own cloud has there. Everything random is a function of the
epoch and the seed, so training in slices gives what training in one go gives.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from onebasin import artifacts, seeds
from onebasin.errors import InputError
from onebasin.shapes.fitting import bce, labelled_points
from onebasin.shapes.inr2vec import Inr2vec, Sizes
from onebasin.shapes.inr2vec_population import Population
from onebasin.shapes.udf import Counts

NAME = "inr2vec"
artifacts.declare(NAME, "inr2vec: an encoder of INRs and a decoder, trained end to end")


@dataclass(frozen=True)
class Schedule:
    """How an inr2vec is trained; the defaults are [deluigi2023]'s where they are known.

    Args:
        epochs: Passes over the population.
        slices: Parts that are stored one by one.
        batch: INRs per step.
        queries: Points per INR and step.
        pool: Labelled points kept for each INR, of which the queries are drawn.
        counts: Where the pool lies, as proportions.
        lr: Largest step size; it rises to it and falls again (one cycle).
        warm: Part of the steps in which it rises.
        decay: Weight decay of AdamW.
        noise: Standard deviation of noise added to every weight that is read in training (in
            units of what is read: a scaled matrix or bias has a spread of 1).
        precision: ``"float32"``, or ``"bfloat16"`` for products with half the digits.
        seed: Number of the whole draw.
    """

    epochs: int = 300
    slices: int = 10
    batch: int = 16
    queries: int = 20_000
    pool: int = 100_000
    counts: Counts = field(default_factory=Counts)
    lr: float = 1e-4
    warm: float = 0.3
    decay: float = 1e-2
    noise: float = 0.0
    precision: str = "float32"
    seed: int = 0

    def __post_init__(self) -> None:
        if not 1 <= self.slices <= self.epochs:
            raise InputError("slices", self.slices, f"choose between 1 and {self.epochs}")
        if self.precision not in ("float32", "bfloat16"):
            raise InputError("precision", self.precision, 'choose "float32" or "bfloat16"')
        if min(self.batch - 1, self.queries, self.pool) < 1:
            raise InputError("batch", self.batch, "batch starts at 2, queries and pool at 1")

    def lr_at(self, step: int, steps: int) -> float:
        """Step size: up along half a cosine from a 25th, then down to nearly nothing."""
        rise = max(1, round(self.warm * steps))
        if step < rise:
            low, way = self.lr / 25, step / rise
            return low + (self.lr - low) * (1 - math.cos(math.pi * way)) / 2
        return self.lr * (1 + math.cos(math.pi * (step - rise) / max(1, steps - rise))) / 2 + 1e-8


@dataclass(frozen=True)
class Trained:
    """A trained inr2vec and its way there.

    Args:
        model: Encoder and decoder.
        loss: Mean loss of every epoch's batches (nats).
        held_out: Loss on the held-out INRs after each slice (nats).
        slice_models: The parameters at the end of each slice.
    """

    model: Inr2vec
    loss: Float[Tensor, " epochs"]
    held_out: Float[Tensor, " slices"]
    slice_models: tuple[dict[str, Tensor], ...]

    def at(self, index: int) -> Inr2vec:
        """The model as it was after slice ``index``."""
        twin = Inr2vec(self.model.kind, self.model.sizes)
        twin.load_state_dict(self.slice_models[index])
        return twin.to(next(self.model.parameters()).device).eval()


def training(
    populations: Sequence[artifacts.Recipe],
    held_out: artifacts.Recipe,
    sizes: Sizes,
    schedule: Schedule,
    *,
    budget_seconds: float = 3600.0,
) -> artifacts.Recipe:
    """The recipe of a training.

    Args:
        populations: Recipes of the INRs it learns from.
        held_out: Recipe of the INRs it is judged by after every slice.
        sizes: How large it is.
        schedule: How it is trained.
        budget_seconds: Time the whole recipe may take.
    """
    params = {
        "populations": [one.key for one in populations],
        "held_out": held_out.key,
        "sizes": asdict(sizes) | {"encoder": list(sizes.encoder)},
        "schedule": _to_json(schedule),
    }
    shards = [{"slice": index} for index in range(schedule.slices)]
    data = {name: mark for one in (*populations, held_out) for name, mark in one.data.items()}
    return artifacts.Recipe(NAME, params, data, shards, budget_seconds=budget_seconds)


def make(
    recipe: artifacts.Recipe,
    population: Population,
    held_out: Population,
    *,
    device: torch.device | str = "cpu",
) -> artifacts.Artifact:
    """Give the recipe's artifact, training the slices that are missing on ``device``.

    Args:
        recipe: What to train, made by :func:`training`.
        population: The INRs of its recipes, in their order; see :func:`join`.
        held_out: Those it is judged by.
        device: Where it trains.
    """
    build = partial(_build, population=population, held_out=held_out, device=device)
    return artifacts.make(recipe, build, device=device, chained=True)


def load(artifact: artifacts.Artifact, network: nn.Module) -> Trained:
    """The trained model of an artifact, on the device of ``network``, ready to be asked.

    Args:
        artifact: Made by :func:`make`.
        network: The kind of INR it reads.
    """
    parts = list(artifact)
    sizes = _sizes(artifact.recipe.params["sizes"])
    model = Inr2vec(network, sizes)
    kept = tuple(_part(part, "model.") for part in parts)
    model.load_state_dict(kept[-1])
    model.to(next(network.parameters()).device).eval()
    held_out = torch.stack([part["held_out"] for part in parts])
    return Trained(model, parts[-1]["loss"], held_out, kept)


def _build(
    values: Mapping[str, Any],
    before: Mapping[str, Tensor] | None,
    *,
    population: Population,
    held_out: Population,
    device: torch.device | str,
) -> dict[str, Tensor]:
    schedule = _schedule(values["schedule"])
    work = _Work(population, _sizes(values["sizes"]), schedule, device)
    if before is not None:
        work.restore(before)
    first, last = (schedule.epochs * (values["slice"] + k) // schedule.slices for k in (0, 1))
    for epoch in range(first, last):
        work.epoch(epoch)
    return work.kept() | {"held_out": torch.tensor(work.judge(held_out))}


class _Work:
    """A training at work: model, optimiser, the INRs' matrices and their labelled points."""

    def __init__(self, population, sizes: Sizes, schedule: Schedule, device) -> None:
        self.schedule, self.device = schedule, device
        network = population.settings.network(device)
        with seeds.lent(seeds.stream("inr2vec/init", schedule.seed)):
            self.model = Inr2vec(network, sizes).to(device)
        self.optimiser = torch.optim.AdamW(
            self.model.parameters(), lr=schedule.lr, weight_decay=schedule.decay
        )
        states = {name: tensor.to(device) for name, tensor in population.states.items()}
        self.model.measure(states)
        self.matrix = self.model.matrix(states)
        self.asked = pool(population, schedule, device)
        self.loss: list[float] = []

    def epoch(self, number: int) -> None:
        """One pass over the population, in an order of its own."""
        generator = seeds.stream("inr2vec/order", self.schedule.seed, number)
        order = torch.randperm(len(self.matrix), generator=generator)
        batches = [part for part in order.split(self.schedule.batch) if len(part) > 1]
        self.model.train()
        total = 0.0
        for index, rows in enumerate(batches):
            rate = self.schedule.lr_at(
                number * len(batches) + index, self.schedule.epochs * len(batches)
            )
            total += self._step(rows, rate, generator)
        self.loss.append(total / len(batches))

    def _step(self, rows: Tensor, rate: float, generator: torch.Generator) -> float:
        size = (len(rows), self.schedule.queries)
        spots = torch.randint(self.asked[0].shape[1], size, generator=generator)
        x, y = (part[rows[:, None], spots].to(self.device) for part in self.asked)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        self.optimiser.zero_grad(set_to_none=True)
        loss = self._loss(self._read(rows, generator), x, y)
        loss.backward()
        self.optimiser.step()
        if not torch.isfinite(loss):
            raise InputError("loss", float(loss), "it stopped being finite; lower lr")
        return float(loss.detach())

    def _read(self, rows: Tensor, generator: torch.Generator) -> Tensor:
        matrix = self.matrix[rows.to(self.matrix.device)]
        if not self.schedule.noise:
            return matrix
        noise = torch.randn(matrix.shape, generator=generator).to(matrix)
        return matrix + self.schedule.noise * noise * (matrix != 0)  # not where it is filled up

    def _loss(self, matrix: Tensor, x: Tensor, y: Tensor) -> Tensor:
        kind = torch.device(self.device).type
        low = self.schedule.precision == "bfloat16"
        with torch.autocast(kind, dtype=torch.bfloat16, enabled=low):
            logits = self.model(matrix, x)
        return bce(logits.float().reshape(-1, 1), y.reshape(-1, 1))

    @torch.no_grad()
    def judge(self, held_out: Population) -> float:
        """Loss on INRs that training does not see, at the first points of their pools (nats)."""
        self.model.eval()
        states = {name: tensor.to(self.device) for name, tensor in held_out.states.items()}
        x, y = pool(held_out, replace(self.schedule, pool=4000), self.device)
        matrix, parts = self.model.matrix(states), []
        for some in torch.arange(len(matrix)).split(self.schedule.batch):
            values = self._loss(matrix[some], x[some].to(self.device), y[some].to(self.device))
            parts.append(float(values) * len(some))
        return sum(parts) / len(matrix)

    def kept(self) -> dict[str, Tensor]:
        """All that going on needs."""
        held = {f"model.{name}": tensor for name, tensor in self.model.state_dict().items()}
        for index, state in self.optimiser.state_dict()["state"].items():
            held |= {f"adam.{index}.{name}": value for name, value in state.items()}
        return held | {"loss": torch.tensor(self.loss, dtype=torch.float64)}

    def restore(self, before: Mapping[str, Tensor]) -> None:
        """Take up what :meth:`kept` gave."""
        self.model.load_state_dict(_part(before, "model."))
        whole = self.optimiser.state_dict()
        for name, value in _part(before, "adam.").items():
            index, _, key = name.partition(".")
            whole["state"].setdefault(int(index), {})[key] = value
        self.optimiser.load_state_dict(whole)
        self.loss = before["loss"].tolist()


def pool(
    population: Population, schedule: Schedule, device: torch.device | str = "cpu"
) -> tuple[Float[Tensor, "models pool 3"], Float[Tensor, "models pool"]]:
    """Labelled points around every INR's cloud, for the decoder to be asked at.

    Returns:
        Points and labels, on the CPU.
    """
    counts = schedule.counts.scaled(schedule.pool)
    points, answers = [], []
    for member, cloud in zip(population.members, population.clouds, strict=True):
        name = f"inr2vec/{member.shape}/{member.stretch}"
        generator = seeds.stream(name, member.number, member.start, schedule.seed)
        truncation = population.settings.truncation
        x, y = labelled_points(
            cloud, counts, truncation=truncation, generator=generator, device=device
        )
        points.append(x.cpu())
        answers.append(y[:, 0].cpu())
    return torch.stack(points), torch.stack(answers)


def join(populations: Sequence[Population]) -> Population:
    """Several populations of one kind of INR as one.

    Raises:
        InputError: if there is none, or they were made differently.
    """
    if not populations or any(one.settings != populations[0].settings for one in populations):
        raise InputError("populations", len(populations), "give at least one, all of one kind")
    names = populations[0].states
    return Population(
        populations[0].settings,
        tuple(member for one in populations for member in one.members),
        {name: torch.cat([one.states[name] for one in populations]) for name in names},
        torch.cat([one.clouds for one in populations]),
        torch.cat([one.loss for one in populations]),
    )


def _part(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {
        name.removeprefix(prefix): tensor
        for name, tensor in tensors.items()
        if name.startswith(prefix)
    }


def _to_json(schedule: Schedule) -> dict[str, Any]:
    values = asdict(schedule)
    values["counts"]["spreads"] = list(values["counts"]["spreads"])
    return values


def _schedule(values: Mapping[str, Any]) -> Schedule:
    counts = dict(values["counts"]) | {"spreads": tuple(values["counts"]["spreads"])}
    return Schedule(**{**values, "counts": Counts(**counts)})


def _sizes(values: Mapping[str, Any]) -> Sizes:
    return Sizes(**{**values, "encoder": tuple(values["encoder"])})
