"""Multilayer perceptrons with an element-wise activation."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from onebasin.errors import InputError
from onebasin.networks.dense import Dense

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": torch.relu,
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "gelu": torch.nn.functional.gelu,
    "sin": torch.sin,
    "identity": lambda pre: pre,
}


class Mlp(Dense):
    r"""Multilayer perceptron :math:`x_l = \sigma(W_l x_{l-1} + b_l)`, no function after the last.

    Weights and biases start uniform in :math:`\pm 1/\sqrt{\mathrm{fan}}`, PyTorch's default.

    Args:
        widths: Units of every layer, inputs and outputs included.
        activation: One of :data:`ACTIVATIONS`.
        generator: Stream of the initial draw; by default ``seeds.stream("init", 0)``.

    Raises:
        InputError: for an unknown activation or impossible widths.
    """

    def __init__(
        self,
        widths: Sequence[int],
        activation: str = "relu",
        *,
        generator: torch.Generator | None = None,
    ) -> None:
        if activation not in ACTIVATIONS:
            raise InputError("activation", activation, f"choose one of {sorted(ACTIVATIONS)}")
        self.activation_name = activation
        super().__init__(widths, generator=generator)

    def activation(self, pre: Tensor) -> Tensor:
        """The activation, element by element."""
        return ACTIVATIONS[self.activation_name](pre)

    def extra_repr(self) -> str:
        """Shown by ``print``: widths and activation."""
        return f"widths={self.widths}, activation={self.activation_name!r}"
