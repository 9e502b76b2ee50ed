"""Sinusoidal networks, the implicit neural representations of the book."""

from __future__ import annotations

import torch

from onebasin.errors import InputError
from onebasin.networks.activations import ACTIVATIONS
from onebasin.networks.dense import Dense


class Siren(Dense):
    r"""SIREN :math:`x_l = \sin(\omega_0 (W_l x_{l-1} + b_l))`, the last layer without the sine.

    The first weights start uniform in :math:`\pm 1/\mathrm{inputs}`, all others, the last
    included, in :math:`\pm \sqrt{6/\mathrm{fan}}/\omega_0`; biases in
    :math:`\pm 1/\sqrt{\mathrm{fan}}`.

    Source: [sitzmann2020], §3.2, as used for shapes by [deluigi2023].

    Args:
        width: Units of every hidden layer.
        hidden: Number of hidden layers (the thesis's network has four).
        inputs: Coordinates in.
        outputs: Values out.
        omega: Frequency :math:`\omega_0` (radians per unit of pre-activation).
        generator: Stream of the initial draw; by default ``seeds.stream("init", 0)``.

    Raises:
        InputError: for impossible widths or a frequency that is not positive.
    """

    def __init__(
        self,
        width: int,
        hidden: int = 4,
        *,
        inputs: int = 3,
        outputs: int = 1,
        omega: float = 30.0,
        generator: torch.Generator | None = None,
    ) -> None:
        if hidden < 1:
            raise InputError("hidden", hidden, "give at least one hidden layer")
        if not 0 < omega < float("inf"):
            raise InputError("omega", omega, "give a positive, finite frequency")
        widths = (inputs, *[width] * hidden, outputs)
        super().__init__(widths, ACTIVATIONS["sin"], gain=float(omega), generator=generator)

    def bounds(self, layer: int) -> tuple[float, float]:
        """Half-widths of the uniform initial draw of a layer's weights and biases."""
        fan = self.widths[layer]
        weight = 1 / fan if layer == 0 else (6 / fan) ** 0.5 / self.gain
        return weight, fan**-0.5

    def extra_repr(self) -> str:
        """Shown by ``print``: widths and frequency."""
        return f"widths={self.widths}, omega={self.gain:g}"


def shared_initialisation(network: Siren) -> dict[str, Tensor]:
    """The one shared initialisation of this shape of network: same network, same draw, everywhere.

    Every first network of a pair starts from it, and so does the second one where both are to have
    the same initialisation; an encoder of shapes reads networks that started from it.

    Args:
        network: Gives the widths; its own parameters are neither read nor changed.

    Returns:
        A state, on the device and in the dtype of ``network``.
    """
    from onebasin.networks.population import initialise, unstack

    return unstack(initialise(network, [network.widths], stream="shared-init"))[0]
