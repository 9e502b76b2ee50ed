"""What several tests share: tolerances, small networks, stand-ins."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest
import torch
from torch import Tensor

from onebasin import artifacts
from onebasin.errors import SliceEnd
from onebasin.symmetry import Spec, chain


def tolerance(dtype: torch.dtype, terms: int = 1) -> float:
    """Relative error that sums of ``terms`` products may show in this precision."""
    return 8 * torch.finfo(dtype).eps * max(1, terms) ** 0.5


def close(left: Tensor, right: Tensor, dtype: torch.dtype, terms: int = 1) -> bool:
    """Whether two results agree to the tolerance of ``dtype``, relative to the largest entry."""
    scale = max(float(left.abs().max()), float(right.abs().max()), 1e-30)
    return float((left - right).abs().max()) <= tolerance(dtype, terms) * scale


def draw(
    spec: Spec,
    widths: tuple[int, ...],
    seed: int,
    *,
    models: int | None = None,
    dtype: torch.dtype = torch.float64,
) -> dict[str, Tensor]:
    """Gaussian weights of a fully connected network with these widths, or of a stack."""
    generator = torch.Generator().manual_seed(seed)
    lead = () if models is None else (models,)
    state = {}
    for name, axes in spec.axes.items():
        layer = int(name.split(".")[1])
        shape = (widths[layer + 1], widths[layer])[: len(axes)]
        state[name] = torch.randn(*lead, *shape, generator=generator, dtype=torch.float64).to(dtype)
    return state


def network(widths: tuple[int, ...]) -> Spec:
    """Spec of the fully connected network with these widths, inputs and outputs included."""
    return chain(len(widths) - 1)


def forward(state: dict[str, Tensor], x: Tensor, activation=torch.relu) -> Tensor:
    """Output of a fully connected network, written as plainly as possible."""
    last = len(state) // 2 - 1
    for layer in range(last + 1):
        x = x @ state[f"layers.{layer}.weight"].mT + state[f"layers.{layer}.bias"].unsqueeze(-2)
        x = activation(x) if layer < last else x
    return x


@dataclass
class Held:
    """What a drawing function needs of a record."""

    method: str = "none"
    arrays: dict = field(default_factory=dict)
    experiment: str = ""

    def load_arrays(self):
        return self.arrays


@contextmanager
def stopped_after_one_shard() -> Iterator[None]:
    """Time for one shard of an artifact; the next one finds that its slice is over."""
    left = [1]

    def one(needed):
        if not left:
            raise SliceEnd("over")
        left.pop()

    with pytest.MonkeyPatch.context() as patch, pytest.raises(SliceEnd):
        patch.setattr(artifacts._Work, "check_deadline", staticmethod(one))
        yield
