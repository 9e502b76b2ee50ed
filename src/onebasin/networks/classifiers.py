"""Image classifiers: how they are to be made, what they learn from, how good they are.

Training is in :mod:`onebasin.networks.training`, keeping the result in
:mod:`onebasin.networks.recipes`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from typing import Any, Literal

import torch
from jaxtyping import Int64, UInt8
from torch import Tensor, nn

from onebasin import seeds
from onebasin.data import images as sources
from onebasin.errors import InputError
from onebasin.networks.augmentation import AUGMENTATIONS, augment
from onebasin.networks.cnn import Cnn
from onebasin.networks.mlp import Mlp
from onebasin.networks.resnet import ResNet
from onebasin.networks.tinyten import TinyTen
from onebasin.networks.vgg import Vgg

#: Convolutional networks by the name settings give them; "mlp" is the other choice.
CONVOLUTIONAL: dict[str, type[nn.Module]] = {
    "cnn": Cnn,
    "tinyten": TinyTen,
    "vgg": Vgg,
    "resnet": ResNet,
}
#: Mean and standard deviation of each channel over the training images, of pixels in [0, 1].
CHANNELS = {
    "mnist": ((0.0,), (1.0,)),
    "mnist5k": ((0.0,), (1.0,)),
    "cifar10": ((0.4913, 0.4821, 0.4465), (0.2452, 0.2428, 0.2606)),
}
_CLASSES = 10
_SIDE = 32  # digits are padded with zeros to this side for convolutional networks

Data = Literal["mnist", "mnist5k", "cifar10"]
Optimiser = Literal["adam", "adamw", "sgd"]
Schedule = Literal["constant", "cosine", "linear"]
Pixels = UInt8[Tensor, "samples channels height width"]


@dataclass(frozen=True)
class Settings:
    """How one classifier is made; the defaults are Git Re-Basin's for its MNIST perceptron.

    Args:
        data: ``"mnist"``, ``"mnist5k"`` (5,000 digits that need no download, every fifth held out
            for testing) or ``"cifar10"``.
        network: ``"mlp"`` or one of :data:`CONVOLUTIONAL`.
        options: Options of the network: ``{"hidden": [512, 512, 512]}`` for the perceptron, keyword
            arguments of its class for another.
        epochs: Passes over the data.
        batch: Images per step; a last batch that is not full is left out.
        optimiser: ``"adam"``, ``"adamw"``, or ``"sgd"`` with momentum 0.9.
        lr: Step size.
        weight_decay: Of the optimiser.
        schedule: Step size over the epochs: constant, or falling to zero as half a cosine or along
            a line.
        warmup: Epochs over which the step size rises from 1e-6 at first.
        augmentation: One of :data:`onebasin.networks.augmentation.AUGMENTATIONS`.
        fraction: Share of the training images that each network gets, drawn by itself.
        bias: None, or the share of the images of the lower classes that even-numbered networks get
            (of the upper classes they get the rest); odd-numbered ones get the complement.
        checkpoints: Epochs after which weights are kept; those beyond the last epoch are left out,
            and the last epoch is always kept. 0 is the start.
        seed: Number of the whole draw.

    Raises:
        InputError: for an impossible value.
    """

    data: Data = "mnist"
    network: str = "mlp"
    options: Mapping[str, Any] = field(default_factory=lambda: {"hidden": [512, 512, 512]})
    epochs: int = 100
    batch: int = 500
    optimiser: Optimiser = "adam"
    lr: float = 1e-3
    weight_decay: float = 0.0
    schedule: Schedule = "constant"
    warmup: float = 0.0
    augmentation: str = "none"
    fraction: float = 1.0
    bias: float | None = None
    checkpoints: Sequence[int] = (0, 1, 2, 3, 5, 10, 20, 50, 100)
    seed: int = 0

    def __post_init__(self) -> None:
        choices = {
            "data": tuple(CHANNELS),
            "network": ("mlp", *CONVOLUTIONAL),
            "optimiser": ("adam", "adamw", "sgd"),
            "schedule": ("constant", "cosine", "linear"),
            "augmentation": tuple(AUGMENTATIONS),
        }
        for name, allowed in choices.items():
            if getattr(self, name) not in allowed:
                raise InputError(name, getattr(self, name), f"choose one of {allowed}")
        if self.epochs < 1 or self.batch < 1:
            raise InputError("epochs, batch", (self.epochs, self.batch), "must be 1 or more")
        if not 0 < self.fraction <= 1 or not 0 <= (self.bias or 0) <= 1:
            raise InputError("fraction, bias", (self.fraction, self.bias), "lie between 0 and 1")
        kept = {int(epoch) for epoch in self.checkpoints if 0 <= epoch < self.epochs}
        object.__setattr__(self, "checkpoints", (*sorted(kept), self.epochs))

    def make(self) -> nn.Module:
        """The kind of network, with the weights of its class's default stream."""
        channels = len(CHANNELS[self.data][0])
        if self.network == "mlp":
            pixels = 28 * 28 if channels == 1 else channels * _SIDE * _SIDE
            options = {**self.options}
            return Mlp((pixels, *options.pop("hidden"), _CLASSES), **options)
        return CONVOLUTIONAL[self.network](inputs=channels, classes=_CLASSES, **self.options)

    def inputs(self, pixels: Pixels, generator: torch.Generator | None = None) -> Tensor:
        """What the network is given of some images.

        Pixels are divided by 255, augmented if ``generator`` is given, and normalised channel by
        channel (:data:`CHANNELS`). Perceptrons get them as rows; for convolutional networks digits
        are padded with zeros to 32 x 32.

        Args:
            pixels: Images, 0 to 255.
            generator: Stream of the augmentation, on the CPU.
        """
        x = pixels.float().div_(255)
        how = AUGMENTATIONS[self.augmentation]
        if how is not None and generator is not None:
            x = augment(x, how, generator)
        mean, spread = (x.new_tensor(row).view(-1, 1, 1) for row in CHANNELS[self.data])
        if self.data == "cifar10":
            x = (x - mean) / spread
        if self.network == "mlp":
            return x.flatten(1)
        margin = (_SIDE - x.shape[-1]) // 2
        return nn.functional.pad(x, (margin,) * 4) if margin else x

    def to_json(self) -> dict[str, Any]:
        """All settings as JSON values, for recipes."""
        values = asdict(self)
        return {**values, "options": dict(self.options), "checkpoints": list(self.checkpoints)}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Settings:
        """The inverse of :meth:`to_json`."""
        return cls(**{**values, "checkpoints": tuple(values["checkpoints"])})


@lru_cache(maxsize=4)
def labelled(data: Data, split: sources.Split) -> sources.Images:
    """Training or test images; of the 5,000 digits 1,000, drawn once, are for testing."""
    if data == "mnist":
        return sources.mnist(split)
    if data == "cifar10":
        return sources.cifar10(split)
    digits = sources.mnist5k()
    order = torch.randperm(len(digits.y), generator=seeds.stream("split"))
    cut = len(order) * 4 // 5
    rows = order[:cut] if split == "train" else order[cut:]
    return sources.Images(digits.x[rows], digits.y[rows], digits.name, digits.sha256, digits.note)


def share(y: Int64[Tensor, " samples"], number: int, settings: Settings) -> Int64[Tensor, " kept"]:
    """The training images of one network, as sorted positions.

    With ``bias`` the images are split once for all networks: of each class below the middle a share
    ``bias`` goes to even-numbered networks, of each other class ``1 - bias``, the rest to
    odd-numbered ones. A ``fraction`` below 1 is then drawn for each network by itself.

    Source: [ainsworth2023], §5.4 (bias 0.2) and the code of A.6 (fraction 0.5); [navon2024], Fig. 5
    (bias 0.05).

    Args:
        y: Classes of all training images.
        number: Number of the network.
        settings: Gives ``fraction``, ``bias`` and ``seed``.
    """
    rows = torch.arange(len(y))
    if settings.bias is not None:
        generator = seeds.stream("classifier-split", settings.seed)
        order = torch.randperm(len(y), generator=generator)
        mine = []
        for kind in range(_CLASSES):
            members = order[y[order] == kind]
            part = settings.bias if kind < _CLASSES // 2 else 1 - settings.bias
            cut = round(part * len(members))
            mine.append(members[:cut] if number % 2 == 0 else members[cut:])
        rows = torch.cat(mine).sort().values
    if settings.fraction < 1:
        generator = seeds.stream("classifier-fraction", number, settings.seed)
        chosen = torch.randperm(len(rows), generator=generator)
        rows = rows[chosen[: round(settings.fraction * len(rows))].sort().values]
    return rows


@dataclass(frozen=True)
class Judged:
    """How good a network is on some images.

    Args:
        loss: Mean cross-entropy (nats).
        accuracy: Share of images whose class has the largest logit.
    """

    loss: float
    accuracy: float


@torch.no_grad()
def judge(
    network: nn.Module, settings: Settings, pixels: Pixels, y: Int64[Tensor, " samples"]
) -> Judged:
    """Loss and accuracy of a network in evaluation mode, without augmentation."""
    was_training = network.training
    network.eval()
    loss, right = 0.0, 0
    for some, classes in zip(pixels.split(2000), y.split(2000), strict=True):
        logits = network(settings.inputs(some))
        loss += float(nn.functional.cross_entropy(logits, classes, reduction="sum"))
        right += int((logits.argmax(-1) == classes).sum())
    network.train(was_training)
    return Judged(loss / len(y), right / len(y))


def evaluation(
    settings: Settings,
    split: sources.Split,
    count: int | None = None,
    *,
    device: torch.device | str = "cpu",
) -> tuple[Tensor, Int64[Tensor, " samples"]]:
    """Inputs and classes on which states are compared, for :func:`loss_along_line` and others.

    Args:
        settings: Give the data and their form.
        split: ``"train"`` or ``"test"``.
        count: How many, from the front; all by default.
        device: Where to put them.
    """
    found = labelled(settings.data, split)
    return settings.inputs(found.x[:count]).to(device), found.y[:count].to(device)
