"""What the networks for images share: normalisation, capture of activations, initial draws, specs.

Every network here is a plain ``nn.Module`` that runs its convolutions one after another and hands
each activation function to a :class:`Seen`, which keeps what the activation of a group of units
was, if somebody asks for it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from onebasin.errors import InputError

if TYPE_CHECKING:
    from onebasin.symmetry.spec import Spec

Capture = Literal["pre", "post"]
Norm = Literal["layer", "batch", "none"]
Rule = Literal["he", "xavier", "uniform", "tokens"]
NORMS = ("layer", "batch", "none")


class ChannelNorm(nn.Module):
    r"""Layer normalisation over the channels, at each pixel by itself.

    .. math:: y_{chw}
              = \gamma_c \frac{x_{chw} - \mu_{hw}}{\sqrt{\sigma_{hw}^2 + \epsilon}} + \beta_c

    This is what Git Re-Basin's networks use. ``nn.GroupNorm(1, C)``, often taken in its place,
    takes mean and variance over the pixels as well: another network.

    Args:
        channels: Number of channels.
        eps: Added to the variance.
    """

    def __init__(self, channels: int, eps: float = 1e-6) -> None:
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Float[Tensor, "batch channels *pixels"]) -> Tensor:
        """Normalised ``x``, in its own layout."""
        last = nn.functional.layer_norm(
            x.movedim(1, -1), self.weight.shape, self.weight, self.bias, self.eps
        )
        return last.movedim(-1, 1)


def normalisation(kind: Norm, channels: int) -> nn.Module:
    """The layer that normalises the channels of an image, or nothing.

    Args:
        kind: ``"layer"`` for :class:`ChannelNorm`, ``"batch"`` for batch normalisation with running
            statistics, ``"none"``.
        channels: Number of channels.

    Raises:
        InputError: for another kind.
    """
    if kind not in NORMS:
        raise InputError("norm", kind, f"choose one of {NORMS}")
    if kind == "none":
        return nn.Identity()
    return ChannelNorm(channels) if kind == "layer" else nn.BatchNorm2d(channels)


class Seen:
    """The activations of every group of units that passed by in one run of a network.

    Args:
        at: ``"pre"`` for what enters the activation function, ``"post"`` for what leaves it, or
            None to keep nothing.

    Raises:
        InputError: if ``at`` is none of these.
    """

    def __init__(self, at: Capture | None) -> None:
        if at not in (None, "pre", "post"):
            raise InputError("capture", at, 'choose "pre", "post" or None')
        self.at = at
        self.found: dict[str, list[Tensor]] = {}

    def pass_through(
        self, group: str, function: Callable[[Tensor], Tensor], pre: Tensor, axis: int = 1
    ) -> Tensor:
        """``function(pre)``; keeps one of the two for ``group``, whose units are on ``axis``."""
        post = function(pre)
        if self.at is not None:
            kept = (pre if self.at == "pre" else post).movedim(axis, -1)
            self.found.setdefault(group, []).append(kept.reshape(-1, kept.shape[-1]))
        return post

    def result(self) -> dict[str, Float[Tensor, "samples units"]]:
        """For each group its activations; every pixel and every place of reading is a sample."""
        return {group: torch.cat(parts) for group, parts in self.found.items()}


class Captured(nn.Module, ABC):
    """A network that tells the activations of its groups on request and can be drawn anew."""

    #: How :meth:`redraw` draws weights; see :func:`redraw`.
    rule: Rule = "he"
    #: Dimensions of the inputs of one network: batch, channels, height, width.
    input_dims = 4

    @property
    @abstractmethod
    def spec(self) -> Spec:
        """The permutation symmetry, written by hand, with one entry for every tensor."""

    @abstractmethod
    def compute(self, x: Tensor, seen: Seen) -> Tensor:
        """The output, with every activation function passed through ``seen``."""

    def forward(self, x: Float[Tensor, "batch channels height width"], capture=None):
        """Output, or ``(output, {group: activations})`` if ``capture`` asks for them.

        Args:
            x: Images.
            capture: ``"pre"`` for what enters the activation function of every group, ``"post"``
                for what leaves it, None for nothing.

        Returns:
            ``[batch classes]``, and with ``capture`` a mapping to ``[samples units]`` each, where
            every pixel of every image is a sample; a group that is read at several places of the
            network (a residual stream) has the samples of all of them.

        Raises:
            InputError: if ``capture`` is unknown.
        """
        seen = Seen(capture)
        output = self.compute(x, seen)
        return output if capture is None else (output, seen.result())

    def redraw(self, generator: torch.Generator | None = None) -> None:
        """Draw all parameters anew from one stream, by default ``seeds.stream("init", 0)``."""
        redraw(self, generator, self.rule)


@torch.no_grad()
def redraw(network: nn.Module, generator: torch.Generator | None, rule: Rule) -> None:
    r"""Draw the weights of all convolutions and dense layers of a network from one stream.

    ``"he"``: normal, variance :math:`2 / \mathrm{fan}`; ``"xavier"``: normal, variance
    :math:`2 / (\mathrm{fan} + \mathrm{units})`, both with zero biases and counted with the kernel's
    area; ``"uniform"``: weights and biases in :math:`\pm 1/\sqrt{\mathrm{fan}}`; ``"tokens"``:
    normal with deviation 0.02 for all weights, tokens and positions included, zero biases.
    Normalisation layers start as the identity.

    Args:
        network: Changed in place.
        generator: Stream of the draw; by default ``seeds.stream("init", 0)``.
        rule: One of the four.
    """
    from onebasin.seeds import stream

    generator = stream("init", 0) if generator is None else generator
    for module in network.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d | nn.LayerNorm):
            module.reset_parameters()
        elif isinstance(module, ChannelNorm):
            module.weight.fill_(1.0)
            module.bias.zero_()
        else:
            for name, tensor in module.named_parameters(recurse=False):
                tensor.copy_(_draw(name, tensor, module, generator, rule))


def _draw(name: str, tensor: Tensor, module: nn.Module, generator, rule: Rule) -> Tensor:
    weight: Tensor = module.weight if name == "bias" else tensor  # type: ignore[assignment]
    if name == "bias" and rule != "uniform":
        return torch.zeros_like(tensor)
    fan = weight[0].numel()
    if rule == "uniform":
        draw = torch.rand(tensor.shape, generator=generator, dtype=torch.float64)
        return (2 * draw - 1) * fan**-0.5
    units = len(weight) * weight[0][0].numel()
    spread = {"he": (2 / fan) ** 0.5, "xavier": (2 / (fan + units)) ** 0.5, "tokens": 0.02}[rule]
    return spread * torch.randn(tensor.shape, generator=generator, dtype=torch.float64)


Axes = Iterator[tuple[str, tuple]]


def affine_axes(name: str, units, fan, *, kernel: bool, bias: bool = True) -> Axes:
    """Entries of a spec for a convolution or a dense layer.

    Args:
        name: Name of the module.
        units: Entry of its outputs.
        fan: Entry of its inputs.
        kernel: Whether it has the two axes of a kernel.
        bias: Whether it has a bias.
    """
    yield f"{name}.weight", (units, fan, *[None, None][: 2 * kernel])
    if bias:
        yield f"{name}.bias", (units,)


def norm_axes(name: str, kind: Norm, units) -> Axes:
    """Entries of a spec for a layer made by :func:`normalisation`."""
    if kind != "none":
        yield f"{name}.weight", (units,)
        yield f"{name}.bias", (units,)
    if kind == "batch":
        yield f"{name}.running_mean", (units,)
        yield f"{name}.running_var", (units,)
        yield f"{name}.num_batches_tracked", ()


def with_statistics(axes: dict) -> Spec:
    """The spec of these entries, in which running statistics are moved but not compared."""
    from onebasin.symmetry.spec import Spec

    ends = ("running_mean", "running_var", "num_batches_tracked")
    return Spec(axes, carried=frozenset(name for name in axes if name.endswith(ends)))
