"""Training image classifiers, each in a plain loop.

Of network number ``k`` everything is a function of ``k``, the seed and the settings: its first
weights, its share of the data, its order of the data and its augmentation. Networks are trained one
after another: the kernels of one network of a useful size fill the cores.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from onebasin import seeds
from onebasin.errors import InputError
from onebasin.networks.classifiers import Judged, Settings, judge, labelled, share

_JUDGED = 10_000  # most training images by which a checkpoint is judged


@dataclass(frozen=True)
class Fitted:
    """One trained classifier at its checkpoints.

    Args:
        states: Weights and buffers, checkpoint after checkpoint.
        loss: Mean loss of the batches of each epoch, before their steps (nats).
        train: Judged on up to 10,000 of its own training images, at each checkpoint.
        test: Judged on the test images, at each checkpoint.
    """

    states: list[dict[str, Tensor]]
    loss: Float[Tensor, " epochs"]
    train: list[Judged]
    test: list[Judged]


def fit(settings: Settings, number: int, device: torch.device | str = "cpu") -> Fitted:
    """Train classifier ``number``.

    Args:
        settings: How.
        number: Which one; numbers are independent of one another.
        device: Where; all random draws are the same on every device.

    Raises:
        InputError: if the batch is larger than the data, or the loss stops being finite.
    """
    train, test = (labelled(settings.data, split) for split in ("train", "test"))
    rows = share(train.y, number, settings)
    x, y = train.x[rows].to(device), train.y[rows].to(device)
    held = test.x.to(device), test.y.to(device)
    if settings.batch > len(y):
        raise InputError("batch", settings.batch, f"there are {len(y)} images; take a smaller one")
    network = settings.make()
    network.redraw(seeds.stream("init/classifier", number, settings.seed))  # type: ignore[operator]
    network.to(device)
    loop = _Loop(settings, number, network, x, y)
    losses: list[Tensor] = []
    done = Fitted([], torch.empty(0), [], [])
    for epoch in range(settings.epochs + 1):
        if epoch in settings.checkpoints:
            done.states.append({k: t.detach().clone() for k, t in network.state_dict().items()})
            done.train.append(judge(network, settings, x[:_JUDGED], y[:_JUDGED]))
            done.test.append(judge(network, settings, *held))
        if epoch < settings.epochs:
            losses.append(loop.epoch(epoch))
    return Fitted(done.states, torch.stack(losses).cpu(), done.train, done.test)


class _Loop:
    """The plain training loop of one network."""

    def __init__(
        self, settings: Settings, number: int, network: nn.Module, x: Tensor, y: Tensor
    ) -> None:
        self.settings, self.number, self.network = settings, number, network.train()
        self.x, self.y = x, y
        self.steps = len(y) // settings.batch
        self.optimiser = _optimiser(settings, list(network.parameters()))

    def epoch(self, epoch: int) -> Tensor:
        """One pass over the data; the mean loss of its batches."""
        ids = (self.number, self.settings.seed, epoch)
        order = torch.randperm(len(self.y), generator=seeds.stream("data-order/classifier", *ids))
        generator = seeds.stream("augmentation/classifier", *ids)
        rows = order.to(self.y.device)[: self.steps * self.settings.batch]
        losses = []
        for step, some in enumerate(rows.view(self.steps, -1)):
            self.set_lr(epoch * self.steps + step)
            logits = self.network(self.settings.inputs(self.x[some], generator))
            loss = nn.functional.cross_entropy(logits, self.y[some])
            self.optimiser.zero_grad(set_to_none=True)
            loss.backward()
            self.optimiser.step()
            losses.append(loss.detach())
        mean = torch.stack(losses).mean()
        if not torch.isfinite(mean):
            remedy = f"the loss stopped being finite in epoch {epoch} of network {self.number}"
            raise InputError("lr", self.settings.lr, f"is too large: {remedy}")
        return mean

    def set_lr(self, step: int) -> None:
        """Set the step size of one step of the schedule."""
        for part in self.optimiser.param_groups:
            part["lr"] = step_size(self.settings, step, self.steps)


def step_size(settings: Settings, step: int, steps: int) -> float:
    """The step size at one step, with ``steps`` of them in an epoch."""
    warm = round(settings.warmup * steps)
    if step < warm:
        return 1e-6 + (settings.lr - 1e-6) * step / warm
    along = (step - warm) / max(1, settings.epochs * steps - warm)
    if settings.schedule == "cosine":
        return settings.lr * (1 + math.cos(math.pi * along)) / 2
    return settings.lr * (1 - along) if settings.schedule == "linear" else settings.lr


def _optimiser(settings: Settings, tensors: list[nn.Parameter]) -> torch.optim.Optimizer:
    common: dict[str, Any] = {
        "lr": settings.lr,
        "weight_decay": settings.weight_decay,
        "fused": True,
    }
    if settings.optimiser == "sgd":
        return torch.optim.SGD(tensors, momentum=0.9, **common)
    kind = torch.optim.Adam if settings.optimiser == "adam" else torch.optim.AdamW
    return kind(tensors, **common)
