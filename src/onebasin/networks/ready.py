"""The networks the library has ready, each with a small twin for tests and examples."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from torch import nn

from onebasin.networks.cnn import Cnn
from onebasin.networks.googlenet import GoogLeNet
from onebasin.networks.mlp import Mlp
from onebasin.networks.resnet import ResNet, ResNet50
from onebasin.networks.siren import Siren
from onebasin.networks.tinyten import TinyTen
from onebasin.networks.vgg import Vgg
from onebasin.networks.vit import Vit


@dataclass(frozen=True)
class Ready:
    """One kind of network.

    Args:
        make: Makes it in the size of its paper; keyword arguments are passed on.
        small: Makes a narrow one of the same architecture.
        sample: Shape of one input of the network in its paper's size.
        small_sample: Shape of one input of the narrow one.
    """

    make: Callable[..., nn.Module]
    small: Callable[..., nn.Module]
    sample: tuple[int, ...]
    small_sample: tuple[int, ...]


_IMAGE = (3, 32, 32)

READY: dict[str, Ready] = {
    "mlp": Ready(
        partial(Mlp, (784, 512, 512, 512, 10)), partial(Mlp, (6, 8, 7, 5, 3)), (784,), (6,)
    ),
    "siren": Ready(partial(Siren, 512), partial(Siren, 8), (3,), (3,)),
    "cnn": Ready(Cnn, partial(Cnn, (4, 5, 4, 6, 5, 7, 6), side=16), _IMAGE, (3, 16, 16)),
    "tinyten": Ready(TinyTen, partial(TinyTen, 0.25), _IMAGE, (3, 28, 28)),
    "tinyten-layer": Ready(
        partial(TinyTen, norm="layer"),
        partial(TinyTen, 0.25, norm="layer"),
        _IMAGE,
        (3, 28, 28),
    ),
    "vgg11": Ready(partial(Vgg, 11, norm="none"), partial(Vgg, 11, 3, norm="none"), _IMAGE, _IMAGE),
    "vgg16": Ready(partial(Vgg, 16), partial(Vgg, 16, 3), _IMAGE, _IMAGE),
    "vgg16-batch": Ready(
        partial(Vgg, 16, norm="batch"), partial(Vgg, 16, 3, norm="batch"), _IMAGE, _IMAGE
    ),
    "vgg16-large": Ready(
        partial(Vgg, 16, hidden=(4096, 4096), norm="none", side=224, classes=1000),
        partial(Vgg, 16, 2, hidden=(6, 5), norm="none", side=64),
        (3, 224, 224),
        (3, 64, 64),
    ),
    "resnet20": Ready(partial(ResNet, 20), partial(ResNet, 20, 0.25), _IMAGE, (3, 16, 16)),
    "resnet32": Ready(
        partial(ResNet, 32, norm="batch", shortcut=1),
        partial(ResNet, 32, 0.25, norm="batch", shortcut=1),
        _IMAGE,
        (3, 16, 16),
    ),
    "resnet50": Ready(ResNet50, partial(ResNet50, 4, classes=10), (3, 224, 224), (3, 32, 32)),
    "googlenet": Ready(GoogLeNet, partial(GoogLeNet, 0.125), _IMAGE, (3, 16, 16)),
    "vit": Ready(Vit, partial(Vit, 12, 2, 3, patch=8, side=16), _IMAGE, (3, 16, 16)),
}
"""Every ready network by name."""
