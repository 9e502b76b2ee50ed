"""Networks, and many of them at once.

``mlp`` and ``siren`` are the two dense families of the book; ``population`` stacks, draws, runs and
trains any number of networks of one kind together. The networks for images are ``Cnn``,
``TinyTen``, ``Vgg``, ``ResNet``, ``ResNet50``, ``GoogLeNet`` and ``Vit``; ``READY`` is the table of
all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from onebasin import lazy

if TYPE_CHECKING:
    from onebasin.networks.cnn import Cnn
    from onebasin.networks.googlenet import GoogLeNet
    from onebasin.networks.mlp import Mlp
    from onebasin.networks.population import (
        Batches,
        Training,
        TrainOptions,
        call,
        initialise,
        stack,
        train,
        unstack,
    )
    from onebasin.networks.ready import READY
    from onebasin.networks.resnet import ResNet, ResNet50
    from onebasin.networks.siren import Siren
    from onebasin.networks.tinyten import TinyTen
    from onebasin.networks.vgg import Vgg
    from onebasin.networks.vit import Vit

__all__ = [
    "READY",
    "Batches",
    "Cnn",
    "GoogLeNet",
    "Mlp",
    "ResNet",
    "ResNet50",
    "Siren",
    "TinyTen",
    "TrainOptions",
    "Training",
    "Vgg",
    "Vit",
    "call",
    "initialise",
    "stack",
    "train",
    "unstack",
]

__getattr__, __dir__ = lazy.names(
    __name__,
    {
        "cnn": ["Cnn"],
        "googlenet": ["GoogLeNet"],
        "mlp": ["Mlp"],
        "population": [
            "Batches",
            "Training",
            "TrainOptions",
            "call",
            "initialise",
            "stack",
            "train",
            "unstack",
        ],
        "ready": ["READY"],
        "resnet": ["ResNet", "ResNet50"],
        "siren": ["Siren"],
        "tinyten": ["TinyTen"],
        "vgg": ["Vgg"],
        "vit": ["Vit"],
    },
)
