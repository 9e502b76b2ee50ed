"""The neural graph of a small network, and all relabellings that keep it."""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from onebasin.errors import InputError

#: A vertex is (layer, number); the inputs are layer 0.
Vertex = tuple[int, int]
#: An edge carries one parameter (or, labelled "skip", the fixed weight 1) at one shift.
Edge = tuple[Vertex, Vertex, str]

_LIMIT = 50_000


@dataclass(frozen=True)
class Graph:
    """The neural graph: one vertex per unit or channel, one edge per parameter.

    Edges are ``(source, target, kind)``. The kind is ``"0"`` in a dense layer, the shift of the
    kernel's entry in a convolution, and ``"skip"`` where a signal is passed on with weight 1.
    Biases hang on an edge from a vertex of their own, ``(-1, 0)``.

    Source: [flowweights], §4.1, after the neural DAGs of Lim et al. (2023).

    Args:
        widths: Vertices of every layer, inputs and outputs included.
        edges: All edges.
    """

    widths: tuple[int, ...]
    edges: frozenset[Edge]

    @cached_property
    def hidden(self) -> tuple[Vertex, ...]:
        """The vertices that may be relabelled; inputs, outputs and the bias vertex may not."""
        inner = range(1, len(self.widths) - 1)
        return tuple((layer, unit) for layer in inner for unit in range(self.widths[layer]))


def neural_graph(
    widths: Sequence[int], *, shifts: Sequence[int] = (0,), skips: Sequence[tuple[int, int]] = ()
) -> Graph:
    """Graph of a chain of layers, dense or (circularly) convolutional, with skip connections.

    Args:
        widths: Units or channels of every layer, inputs and outputs included.
        shifts: Positions of the kernel's entries; ``(0,)`` makes the layers dense.
        skips: Pairs of layers ``(early, late)`` of equal width; the early signal is added to the
            late one's pre-activation.

    Raises:
        InputError: if a skip joins layers of different width.
    """
    edges: set[Edge] = set()
    for layer, (fan, units) in enumerate(itertools.pairwise(widths)):
        for unit in range(units):
            edges.add(((-1, 0), (layer + 1, unit), "0"))
            edges |= {
                ((layer, k), (layer + 1, unit), str(shift)) for k in range(fan) for shift in shifts
            }
    for early, late in skips:
        if widths[early] != widths[late]:
            raise InputError("skips", (early, late), "a skip must join layers of equal width")
        edges |= {((early, unit), (late, unit), "skip") for unit in range(widths[early])}
    return Graph(tuple(widths), frozenset(edges))


def relabellings(graph: Graph) -> Iterator[dict[Vertex, Vertex]]:
    """Every bijection of the hidden vertices, across layers too, as a mapping of vertices.

    Raises:
        InputError: if there are more than 50,000.
    """
    if math.factorial(len(graph.hidden)) > _LIMIT:
        raise InputError(
            "graph", f"{len(graph.hidden)} hidden vertices", "enumeration ends at 8; shrink it"
        )
    for image in itertools.permutations(graph.hidden):
        yield dict(zip(graph.hidden, image, strict=True))


def automorphisms(graph: Graph) -> list[dict[Vertex, Vertex]]:
    """All relabellings of the hidden vertices that map the set of edges onto itself."""
    return [mapping for mapping in relabellings(graph) if _keeps(graph, mapping)]


def layerwise(graph: Graph, tied: Sequence[Sequence[int]]) -> list[dict[Vertex, Vertex]]:
    """The permutation group of the architecture, as relabellings.

    Args:
        graph: Its neural graph.
        tied: Hidden layers that share one permutation, e.g. ``[[1], [2, 4], [3]]``.

    Returns:
        One mapping per element of the product of symmetric groups.
    """
    orders = [itertools.permutations(range(graph.widths[layers[0]])) for layers in tied]
    return [
        {
            (layer, unit): (layer, image[unit])
            for layers, image in zip(tied, images, strict=True)
            for layer in layers
            for unit in range(graph.widths[layer])
        }
        for images in itertools.product(*orders)
    ]


def move(mapping: Mapping[Vertex, Vertex], weights: Mapping[Edge, float]) -> dict[Edge, float]:
    """Carry every parameter along with its edge."""
    image = {**mapping}
    return {(image.get(a, a), image.get(b, b), kind): w for (a, b, kind), w in weights.items()}


def run(
    graph: Graph,
    weights: Mapping[Edge, float],
    x: Tensor,
    activation: Callable[[Tensor], Tensor] = torch.tanh,
) -> Tensor:
    """The network's function, read off its graph vertex by vertex.

    Args:
        graph: The graph.
        weights: One parameter per edge; skips count 1.
        x: Signals ``[inputs positions samples]``; one position for a dense network.
        activation: Applied at hidden vertices.

    Returns:
        ``[outputs positions samples]``.
    """
    arriving = defaultdict(list)
    for edge in sorted(graph.edges):
        arriving[edge[1]].append(edge)
    value = {(0, unit): x[unit] for unit in range(graph.widths[0])}
    value[(-1, 0)] = torch.ones_like(x[0])
    last = len(graph.widths) - 1
    for layer in range(1, last + 1):
        for unit in range(graph.widths[layer]):
            total = torch.stack([_pass(value, e, weights) for e in arriving[(layer, unit)]]).sum(0)
            value[(layer, unit)] = total if layer == last else activation(total)
    return torch.stack([value[(last, unit)] for unit in range(graph.widths[last])])


def _pass(value: Mapping[Vertex, Tensor], edge: Edge, weights: Mapping[Edge, float]) -> Tensor:
    source, _, kind = edge
    if kind == "skip":
        return value[source]
    return weights[edge] * value[source].roll(int(kind), dims=0)


def _keeps(graph: Graph, mapping: Mapping[Vertex, Vertex]) -> bool:
    image = mapping.get
    return all((image(a, a), image(b, b), kind) in graph.edges for a, b, kind in graph.edges)
