"""What an MLP and a SIREN share: dense layers run from a mapping of parameters, one net or a stack.

A layer is ``layers.<l>.weight`` (rows are its units) and ``layers.<l>.bias``; the hidden units of
layer ``l`` form the group ``hidden.<l>``. With one leading ``models`` dimension in front of every
tensor the same code runs all networks in batched products.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from onebasin.errors import InputError
from onebasin.networks.activations import Activation

if TYPE_CHECKING:
    from onebasin.symmetry.spec import Spec

Capture = Literal["pre", "post"]
State = Mapping[str, Tensor]


class Dense(nn.Module):
    """A chain of dense layers with one element-wise function between them.

    Args:
        widths: Units of every layer, inputs and outputs included, e.g. ``(3, 64, 64, 1)``.
        activation: The function between layers, applied to what :func:`affine` returns.
        gain: Factor inside it, ``activation(gain * (W x + b))``.
        generator: Stream of the initial draw; by default ``seeds.stream("init", 0)``.

    Raises:
        InputError: if there is no layer or a width below 1.
    """

    def __init__(
        self,
        widths: Sequence[int],
        activation: Activation,
        *,
        gain: float = 1.0,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        self.activation, self.gain = activation, gain
        self.widths = tuple(int(width) for width in widths)
        if len(self.widths) < 2 or min(self.widths) < 1:
            raise InputError("widths", tuple(widths), "give at least two widths, each at least 1")
        pairs = pairwise(self.widths)
        make = torch.nn.utils.skip_init
        self.layers = nn.ModuleList(make(nn.Linear, fan, units) for fan, units in pairs)
        self.redraw(generator)

    @property
    def spec(self) -> Spec:
        """The permutation symmetry of the chain: one group for each hidden layer."""
        from onebasin.symmetry.spec import chain

        return chain(len(self.layers))

    def bounds(self, layer: int) -> tuple[float, float]:
        """Half-widths of the uniform initial draw of a layer's weights and of its biases."""
        bound = self.widths[layer] ** -0.5
        return bound, bound

    @torch.no_grad()
    def redraw(self, generator: torch.Generator | None = None) -> None:
        """Draw all parameters anew from one stream, layer by layer, weights before biases."""
        from onebasin.seeds import stream

        generator = stream("init", 0) if generator is None else generator
        for index, layer in enumerate(self.layers):
            for tensor, bound in zip((layer.weight, layer.bias), self.bounds(index), strict=True):
                shape: torch.Size = tensor.shape  # type: ignore[assignment]
                draw = torch.rand(shape, generator=generator, dtype=torch.float64)
                tensor.copy_((2 * draw - 1) * bound)  # type: ignore[operator]

    def forward(self, x: Float[Tensor, "samples fan"], capture: Capture | None = None):
        """Output, or ``(output, {group: activations})`` if ``capture`` asks for them.

        Args:
            x: Inputs.
            capture: ``"pre"`` for :math:`W x + b` of every hidden layer, ``"post"`` for what the
                activation makes of it.

        Returns:
            ``[samples outputs]``, and with ``capture`` a mapping to ``[samples units]`` each.
        """
        return self.run(dict(self.named_parameters()), x, capture=capture)

    def run(self, state: State, x: Tensor, *, capture: Capture | None = None):
        """The same network with the parameters of ``state``, which may be a stack of many.

        Args:
            state: Parameters by name, each with or without one leading ``models`` dimension.
            x: ``[samples fan]``, shared by all models, or ``[models samples fan]``.
            capture: As in :meth:`forward`.

        Returns:
            ``[samples outputs]`` or ``[models samples outputs]``; with ``capture`` also the
            activations of every hidden layer in the same layout.

        Raises:
            InputError: if ``capture`` is unknown.
        """
        return self.finish(state, self.begin(state, x), capture=capture)

    def begin(self, state: State, x: Tensor) -> Tensor:
        """The first layer, up to its activation: affine in the parameters.

        Along a line between two networks it therefore has to be computed at the two ends only;
        :func:`onebasin.connectivity.line.loss_along_line` does so for every network that has this
        method and :meth:`finish`.

        Args:
            state: As in :meth:`run`.
            x: As in :meth:`run`.

        Returns:
            ``gain * (W x + b)`` of the first layer (without the gain if it is the last one too).
        """
        return affine(x, *_layer(state, 0), gain=self.gain if len(self.layers) > 1 else 1.0)

    def finish(self, state: State, first: Tensor, *, capture: Capture | None = None):
        """The rest of the network, from what :meth:`begin` returned; see :meth:`run`."""
        if capture not in (None, "pre", "post"):
            raise InputError("capture", capture, 'choose "pre", "post" or None')
        seen: dict[str, Tensor] = {}
        last = len(self.layers) - 1
        output = pre = first
        for index in range(last):
            x = self.activation(pre)
            if capture is not None:
                seen[f"hidden.{index}"] = x if capture == "post" else pre / self.gain
            # The gain goes into the small weights, not into a pass over the large activations.
            gain = self.gain if index + 1 < last else 1.0
            output = pre = affine(x, *_layer(state, index + 1), gain=gain)
        return output if capture is None else (output, seen)


def affine(x: Tensor, weight: Tensor, bias: Tensor, *, gain: float = 1.0) -> Tensor:
    r"""``gain * (x W^T + b)`` for one layer or a stack of layers.

    Args:
        x: ``[samples fan]`` or ``[models samples fan]``.
        weight: ``[units fan]`` or ``[models units fan]``.
        bias: ``[units]`` or ``[models units]``.
        gain: Common factor of weight and bias.

    Returns:
        ``[samples units]`` or ``[models samples units]``.
    """
    if gain != 1.0:
        weight, bias = weight * gain, bias * gain
    if weight.ndim == 2:
        return torch.nn.functional.linear(x, weight, bias)
    if x.ndim == 2:
        x = x.expand(len(weight), *x.shape)
    return torch.baddbmm(bias.unsqueeze(1), x, weight.mT)


def _layer(state: State, index: int) -> tuple[Tensor, Tensor]:
    return state[f"layers.{index}.weight"], state[f"layers.{index}.bias"]
