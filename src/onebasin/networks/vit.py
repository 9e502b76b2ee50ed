"""A small vision transformer."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from onebasin.errors import InputError
from onebasin.networks.parts import Captured, Seen, affine_axes
from onebasin.symmetry.spec import Spec


class Layer(nn.Module):
    """Attention and a two-layer perceptron, both behind a layer normalisation and a skip.

    Args:
        width: Units of the stream.
        heads: Heads of the attention, each with ``width / heads`` units.
        hidden: Units of the perceptron.
    """

    def __init__(self, width: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm1 = nn.LayerNorm(width)
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.out = nn.Linear(width, width)
        self.norm2 = nn.LayerNorm(width)
        self.fc1 = nn.Linear(width, hidden)
        self.fc2 = nn.Linear(hidden, width)

    def compute(self, x: Tensor, seen: Seen, name: str) -> Tensor:
        """The stream ``[batch tokens width]`` behind the layer."""
        normed = self.norm1(x)
        asked, answered = (
            seen.pass_through(f"{name}.qk", _same, layer(normed), -1)
            for layer in (self.query, self.key)
        )

        def attend(value: Tensor) -> Tensor:
            parts = (t.unflatten(-1, (self.heads, -1)) for t in (asked, answered, value))
            ask, answer, told = (t.transpose(-3, -2) for t in parts)
            # Spelled out: the fused kernel cannot be run for a stack of networks.
            weights = (ask @ answer.mT * ask.shape[-1] ** -0.5).softmax(-1)
            return (weights @ told).transpose(-3, -2).flatten(-2)

        mixed = seen.pass_through(f"{name}.vo", attend, self.value(normed), -1)
        x = seen.pass_through("stream", _same, x + self.out(mixed), -1)
        gelu = nn.functional.gelu
        hidden = seen.pass_through(f"{name}.mlp", gelu, self.fc1(self.norm2(x)), -1)
        return seen.pass_through("stream", _same, x + self.fc2(hidden), -1)


class Vit(Captured):
    """Vision transformer: patches, a class token, layers of attention, dense layer.

    Source: dosovitskiy2021, §3.1, without dropout.

    Args:
        width: Units of the stream.
        layers: How many layers.
        heads: Heads of each attention; they divide the width.
        patch: Side of a patch (pixels); it divides the side of the image.
        inputs: Channels of the image.
        classes: Outputs.
        side: Height and width of the image (pixels).
        generator: Stream of the initial draw; by default ``seeds.stream("init", 0)``.

    Raises:
        InputError: if heads do not divide the width, or patches the image.
    """

    rule = "tokens"

    def __init__(
        self,
        width: int = 192,
        layers: int = 6,
        heads: int = 3,
        *,
        patch: int = 4,
        inputs: int = 3,
        classes: int = 10,
        side: int = 32,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        if width % heads or side % patch:
            raise InputError("heads, patch", (heads, patch), f"must divide {width} and {side}")
        self.patch = nn.Conv2d(inputs, width, patch, patch)
        self.token = nn.Parameter(torch.zeros(1, 1, width))
        self.position = nn.Parameter(torch.zeros(1, 1 + (side // patch) ** 2, width))
        self.layers: Any = nn.ModuleList(Layer(width, heads, 4 * width) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, classes)
        self.redraw(generator)

    def compute(self, x: Tensor, seen: Seen) -> Tensor:
        """The logits; see :class:`onebasin.networks.parts.Captured`."""
        patches = self.patch(x).flatten(2).transpose(1, 2)
        token = self.token.expand(len(x), -1, -1)
        x = torch.cat([token, patches], 1) + self.position
        x = seen.pass_through("stream", _same, x, -1)
        for index, layer in enumerate(self.layers):
            x = layer.compute(x, seen, f"layer.{index}")
        return self.head(self.norm(x)[:, 0])

    @property
    def spec(self) -> Spec:
        """One group for the stream, and three for each layer.

        Queries and keys meet in inner products, so they share their units; values go to the output
        through theirs. Both consist of one block for each head: heads may change places, queries,
        keys and values alike, and inside each head units may, so that these groups are nested.
        """
        axes: dict = {
            "token": (None, None, "stream"),
            "position": (None, None, "stream"),
            **dict(affine_axes("patch", "stream", None, kernel=True)),
        }
        nested = {}
        for index, layer in enumerate(self.layers):
            name, group = f"layers.{index}", f"layer.{index}"
            inside = {"query": "qk", "key": "qk", "value": "vo", "fc1": "mlp"}
            for module, inner in inside.items():
                units = f"{group}.{inner}"
                axes |= affine_axes(f"{name}.{module}", units, "stream", kernel=False)
            for module, inner in {"out": "vo", "fc2": "mlp"}.items():
                fan = f"{group}.{inner}"
                axes |= affine_axes(f"{name}.{module}", "stream", fan, kernel=False)
            for module in ("norm1", "norm2"):
                axes |= {f"{name}.{module}.{part}": ("stream",) for part in ("weight", "bias")}
            for inner in ("qk", "vo"):
                nested[f"{group}.{inner}"] = (f"{group}.heads", layer.heads)
        axes |= {f"norm.{part}": ("stream",) for part in ("weight", "bias")}
        axes |= affine_axes("head", None, "stream", kernel=False)
        return Spec(axes, nested=nested)


def _same(x: Tensor) -> Tensor:
    return x
