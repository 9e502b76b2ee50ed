"""Multilayer perceptrons with an element-wise activation."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from onebasin.errors import InputError
from onebasin.networks.activations import ACTIVATIONS
from onebasin.networks.dense import Dense


class Mlp(Dense):
    r"""Multilayer perceptron :math:`x_l = \sigma(W_l x_{l-1} + b_l)`, no function after the last.

    Weights and biases start uniform in :math:`\pm 1/\sqrt{\mathrm{fan}}`, PyTorch's default.

    Args:
        widths: Units of every layer, inputs and outputs included.
        activation: One of :data:`~onebasin.networks.activations.ACTIVATIONS`.
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
        super().__init__(widths, ACTIVATIONS[activation], generator=generator)

    def extra_repr(self) -> str:
        """Shown by ``print``: widths and activation."""
        return f"widths={self.widths}, activation={self.activation_name!r}"
