"""Networks, and many of them at once.

``mlp`` and ``siren`` are the two dense families of the book; ``population`` stacks, draws, runs and
trains any number of networks of one kind together.
"""

from __future__ import annotations

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
]
