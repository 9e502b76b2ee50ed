"""Networks, and many of them at once.

``mlp`` and ``siren`` are the two dense families of the book; ``population`` stacks, draws, runs and
trains any number of networks of one kind together. The networks for images are loaded on first use:
``Cnn``, ``TinyTen``, ``Vgg``, ``ResNet``, ``ResNet50``, ``GoogLeNet``, ``Vit``, and ``READY``, the
table of all.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

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
from onebasin.networks.siren import Siren

#: Loaded on first use, so that a chapter depends only on the networks it has.
_LATER = {
    "READY": "ready",
    "Cnn": "cnn",
    "GoogLeNet": "googlenet",
    "ResNet": "resnet",
    "ResNet50": "resnet",
    "TinyTen": "tinyten",
    "Vgg": "vgg",
    "Vit": "vit",
}

__all__ = [
    "Batches",
    "Mlp",
    "Siren",
    "TrainOptions",
    "Training",
    "call",
    "initialise",
    "stack",
    "train",
    "unstack",
    *_LATER,
]


def __getattr__(name: str) -> Any:
    """Load a network where it lives, on first use."""
    if name not in _LATER:
        raise AttributeError(f"module 'onebasin.networks' has no attribute {name!r}")
    return getattr(import_module(f"onebasin.networks.{_LATER[name]}"), name)
