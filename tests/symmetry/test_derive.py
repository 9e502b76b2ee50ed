import torch
import torch.nn.functional as F
from functools import partial

import pytest
from random_modules import Attention, Builder, Ready
from torch import nn

from onebasin.errors import InputError
from onebasin.networks import READY
from onebasin.symmetry import Concat, Inner, Product, Spec
from onebasin.symmetry.counting import free_sizes
from onebasin.symmetry.derive import derive
from onebasin.symmetry.tracing import CannotFollow
from onebasin.symmetry.verify import check_function

BATCH = 20


class Together(nn.Module):
    """Independent modules in one, because tracing has a price of its own."""

    def __init__(self, parts):
        super().__init__()
        self.parts = nn.ModuleList(parts)

    def forward(self, *inputs):
        return tuple(part(x) for part, x in zip(self.parts, inputs, strict=True))


def cut(spec, prefix):
    """The spec of one submodule."""
    part = spec.only([name for name in spec.axes if name.startswith(prefix)])
    axes = {name.removeprefix(prefix): on for name, on in part.axes.items()}
    return Spec(
        axes, part.nested, part.units, frozenset(n.removeprefix(prefix) for n in part.carried)
    )


@pytest.mark.parametrize("batch", range(200 // BATCH))
def test_random_modules_keep_their_function_and_have_every_free_group(batch):
    seeds = range(batch * BATCH, (batch + 1) * BATCH)
    torch.manual_seed(batch)
    modules, examples, free = zip(*(Builder(seed).build() for seed in seeds), strict=True)
    spec = derive(Together(modules), examples)
    for k, module in enumerate(modules):
        found = check_function(cut(spec, f"parts.{k}."), module, examples[k], free=free[k], draws=1)
        assert found.passed, (seeds[k], free[k], found)
