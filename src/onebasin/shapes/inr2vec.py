r"""inr2vec: an encoder that reads the weights of an INR, and a decoder that answers for its shape.

The encoder stacks the rows of all weight matrices into one matrix, sends every row through the same
MLP and takes the largest answer over rows; that *embedding* is all the decoder knows of the shape.
The embedding does not change if rows change places, but every row lists its weights in the order of
the units before it: relabelling hidden units changes the rows themselves.

Source: [deluigi2023], §3 and their public code; [ballerini2023], §3.4, for the matrix with all
layers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn

from onebasin.errors import InputError
from onebasin.shapes.reconstruction import Reconstruction, SearchOptions, search

#: INRs that are encoded at once.
_TOGETHER = 32
#: Numbers of one activation that stay in the cache of a CPU core.
_ROOM = 640_000


def encoder_input(
    network: nn.Module, state: Mapping[str, Tensor], layers: str = "all"
) -> Float[Tensor, "*models rows columns"]:
    r"""The matrix that an encoder reads: one row for each unit.

    ``"all"`` is the thesis's: every layer gives its rows :math:`[W \mid b]`; the first layer's
    weights are followed by zeros so that its rows are as long as the others, and a network of
    :math:`L` layers of width :math:`H` with one output fills
    :math:`((L-1)H+1) \times (H+1)`. ``"hidden"`` is inr2vec's: the first and the last layer are
    left out, and every other layer's biases are one more row below its weights,
    :math:`(L-2)(H+1) \times H`.

    Source: [ballerini2023], §3.4, Fig. 3.7; [deluigi2023]'s code.

    Args:
        network: A dense network whose hidden layers are equally wide.
        state: Its parameters, one network or a stack of them.
        layers: Which of the two.

    Raises:
        InputError: if hidden widths differ, or ``layers`` is unknown.
    """
    widths: tuple[int, ...] = network.widths  # type: ignore[assignment]
    _, columns = input_size(widths, layers)
    last = len(widths) - 2
    parts = []
    for index in range(last + 1):
        weight, bias = state[f"layers.{index}.weight"], state[f"layers.{index}.bias"]
        if layers == "all":
            weight = nn.functional.pad(weight, (0, columns - 1 - weight.shape[-1]))
            parts.append(torch.cat([weight, bias.unsqueeze(-1)], dim=-1))
        elif 0 < index < last:
            parts.append(torch.cat([weight, bias.unsqueeze(-2)], dim=-2))
    return torch.cat(parts, dim=-2)


def input_size(widths: Sequence[int], layers: str = "all") -> tuple[int, int]:
    """Rows and columns of :func:`encoder_input` for a network of these widths.

    Raises:
        InputError: as :func:`encoder_input`.
    """
    if layers not in ("all", "hidden"):
        raise InputError("layers", layers, 'choose "all" or "hidden"')
    hidden = set(widths[1:-1])
    least = 1 if layers == "all" else 2
    if len(hidden) != 1 or len(widths) < least + 2 or max(widths[0], 1) > max(hidden):
        remedy = (
            f"must be inputs, {least} or more hidden layers and outputs, with all hidden layers "
            "equally wide and no narrower than the inputs"
        )
        raise InputError("widths", tuple(widths), remedy)
    (width,) = hidden
    if layers == "all":
        return sum(widths[1:]), width + 1
    return (len(widths) - 3) * (width + 1), width


class Encoder(nn.Module):
    """From the matrix of an INR to its embedding: one MLP for every row, then the largest answer.

    Every layer but the last is followed by batch normalisation (over all rows of all networks of a
    batch) and a ReLU.

    Source: [deluigi2023], §3; layer sizes of their public code.

    Args:
        columns: Columns of the matrix, see :func:`input_size`.
        code: Length of the embedding.
        widths: Units of the row MLP's hidden layers.
    """

    def __init__(
        self, columns: int, code: int = 1024, widths: Sequence[int] = (512, 512, 1024, 1024)
    ) -> None:
        super().__init__()
        sizes = (columns, *widths)
        self.rows = nn.ModuleList(nn.Linear(fan, units) for fan, units in pairwise(sizes))
        self.norms = nn.ModuleList(nn.BatchNorm1d(units) for units in widths)
        self.last = nn.Linear(sizes[-1], code)

    def forward(self, matrix: Float[Tensor, "batch rows columns"]) -> Float[Tensor, "batch code"]:
        """Embeddings of a batch of networks."""
        count = len(matrix)
        x = matrix.flatten(0, 1)
        for layer, norm in zip(self.rows, self.norms, strict=True):
            x = torch.relu(norm(layer(x)))
        return self.last(x).unflatten(0, (count, -1)).amax(dim=1)


def frequencies(x: Tensor, count: int) -> Tensor:
    r"""NeRF's encoding: :math:`x`, then :math:`\sin 2^k x` and :math:`\cos 2^k x` for each k.

    Source: [deluigi2023]'s code, after NeRF (without its factor of pi; the input is kept).

    Args:
        x: ``[... 3]``.
        count: Number of frequencies, :math:`k = 0, \dots`, count − 1.

    Returns:
        ``[... 3 (1 + 2 count)]``.
    """
    scales = 2.0 ** torch.arange(count, device=x.device, dtype=x.dtype)
    angles = (x.unsqueeze(-2) * scales[:, None]).flatten(-2)
    return torch.cat([x, torch.sin(angles), torch.cos(angles)], dim=-1)


class Decoder(nn.Module):
    """From an embedding and points in space to the logits of the labels there.

    A ReLU MLP reads the embedding beside the encoded point: one layer, two more, then the input
    once more (projected and added), two more, one output.

    Source: [deluigi2023], §3; layer sizes of their public code.

    Args:
        code: Length of the embedding.
        width: Units of every hidden layer.
        octaves: Frequencies of the encoding of points.
    """

    def __init__(self, code: int = 1024, width: int = 512, octaves: int = 10) -> None:
        super().__init__()
        self.octaves = octaves
        spot = 3 * (1 + 2 * octaves)
        # The layers that read both are kept apart, so that an embedding is projected once for all
        # its points instead of once for each.
        self.first = nn.ModuleList([nn.Linear(code, width), nn.Linear(spot, width, bias=False)])
        self.again = nn.ModuleList([nn.Linear(code, width), nn.Linear(spot, width, bias=False)])
        self.before = nn.ModuleList(nn.Linear(width, width) for _ in range(2))
        self.after = nn.ModuleList(nn.Linear(width, width) for _ in range(2))
        self.last = nn.Linear(width, 1)

    def forward(
        self, code: Float[Tensor, "batch code"], x: Float[Tensor, "batch points 3"]
    ) -> Float[Tensor, "batch points"]:
        """Logits at points, for every embedding its own."""
        spot = frequencies(x, self.octaves)
        y = torch.relu(self._both(self.first, code, spot))
        for layer in self.before:
            y = torch.relu(layer(y))
        y = y + self._both(self.again, code, spot)
        for layer in self.after:
            y = torch.relu(layer(y))
        return self.last(y).squeeze(-1)

    @staticmethod
    def _both(layers: nn.ModuleList, code: Tensor, spot: Tensor) -> Tensor:
        return layers[0](code).unsqueeze(-2) + layers[1](spot)


@dataclass(frozen=True)
class Sizes:
    """How large an inr2vec is, and what it reads; the defaults are those of the papers.

    Args:
        layers: Which matrix of an INR, see :func:`encoder_input`.
        scaled: Whether every weight matrix and bias is divided by its standard deviation over the
            training population, since a SIREN's hidden weights are far smaller than its biases.
        code: Length of the embedding.
        encoder: Units of the row MLP's hidden layers.
        decoder: Units of the decoder's hidden layers.
        octaves: Frequencies of the decoder's encoding of points.
    """

    layers: str = "all"
    scaled: bool = False
    code: int = 1024
    encoder: tuple[int, ...] = (512, 512, 1024, 1024)
    decoder: int = 512
    octaves: int = 10


class Inr2vec(nn.Module):
    """Encoder and decoder together: from the weights of INRs to fields of their shapes.

    Args:
        network: The kind of INR it reads.
        sizes: How large it is.
    """

    def __init__(self, network: nn.Module, sizes: Sizes | None = None) -> None:
        super().__init__()
        self.sizes = sizes or Sizes()
        # A list keeps the INR, which only gives the layout, out of the parameters.
        self._kind = [network]
        shape = input_size(network.widths, self.sizes.layers)  # type: ignore[arg-type]
        self.register_buffer("scale", torch.ones(shape))
        self.encoder = Encoder(shape[1], self.sizes.code, self.sizes.encoder)
        self.decoder = Decoder(self.sizes.code, self.sizes.decoder, self.sizes.octaves)

    @property
    def kind(self) -> nn.Module:
        """The kind of INR it reads."""
        return self._kind[0]

    def matrix(self, states: Mapping[str, Tensor]) -> Float[Tensor, "models rows columns"]:
        """What the encoder reads of a population."""
        return encoder_input(self.kind, states, self.sizes.layers) / self.scale  # type: ignore[operator]

    def measure(self, states: Mapping[str, Tensor]) -> None:
        """Take the scales of the matrix from a population, if this model is a scaled one."""
        if not self.sizes.scaled:
            return
        spread = {name: tensor.std().expand(tensor.shape[1:]) for name, tensor in states.items()}
        scale = encoder_input(self.kind, spread, self.sizes.layers)
        self.scale.copy_(torch.where(scale > 0, scale, 1))  # type: ignore[operator]  # filled-up zeros

    def forward(
        self, matrix: Float[Tensor, "batch rows columns"], x: Float[Tensor, "batch points 3"]
    ) -> Float[Tensor, "batch points"]:
        """Logits at points, for every INR its own; what training differentiates."""
        return self.decoder(self.encoder(matrix), x)

    @torch.no_grad()
    def encode(self, states: Mapping[str, Tensor]) -> Float[Tensor, "models code"]:
        """Embeddings of a population, with the statistics that training left behind."""
        training = self.training
        self.eval()
        parts = [self.encoder(part) for part in self.matrix(states).split(_TOGETHER)]
        self.train(training)
        return torch.cat(parts)

    def reconstruct(
        self,
        codes: Float[Tensor, "models code"],
        generators: Sequence[torch.Generator],
        options: SearchOptions | None = None,
    ) -> Reconstruction:
        """Clouds of the fields that the decoder makes of embeddings.

        Args:
            codes: One for each field.
            generators: Each field's stream of candidates (CPU).
            options: Budgets and thresholds of the search.
        """
        codes = codes.detach()

        def field(x: Tensor, active: Tensor) -> Tensor:
            return self.decoder(codes[active], x)

        if len(generators) != len(codes):
            raise InputError("generators", len(generators), f"give one for each of {len(codes)}")
        rows = max(1, _ROOM // self.sizes.decoder) if codes.device.type == "cpu" else None
        return search(field, generators, options, device=codes.device, rows=rows)
