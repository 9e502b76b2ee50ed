import pytest
import torch

from onebasin.errors import InputError
from onebasin.networks import Mlp
from onebasin.seeds import stream
from onebasin.symmetry import neural
from onebasin.symmetry.verify import relative_change, roundings

CASES = [
    ((2, 3, 3, 1), (0,), (), [[1], [2]], 36),
    ((1, 4, 2), (0,), (), [[1]], 24),
    ((2, 2, 2, 2, 1), (0,), (), [[1], [2], [3]], 8),
    ((2, 3, 2, 1), (-1, 0, 1), (), [[1], [2]], 12),
    ((2, 2, 3, 2, 1), (0,), ((1, 3),), [[1, 3], [2]], 12),
]


def key(mapping):
    return tuple(sorted(mapping.items()))


def weights_of(graph, generator):
    edges = sorted(edge for edge in graph.edges if edge[2] != "skip")
    draws = torch.randn(len(edges), generator=generator, dtype=torch.float64).tolist()
    return dict(zip(edges, draws, strict=True))


@pytest.mark.parametrize(("widths", "shifts", "skips", "tied", "order"), CASES)
def test_automorphisms_are_the_permutation_group(widths, shifts, skips, tied, order):
    graph = neural.neural_graph(widths, shifts=shifts, skips=skips)
    found = {key(mapping) for mapping in neural.automorphisms(graph)}
    assert found == {key(mapping) for mapping in neural.layerwise(graph, tied)}
    assert len(found) == order


@pytest.mark.parametrize(("widths", "shifts", "skips", "tied", "order"), CASES)
def test_automorphisms_keep_the_function(widths, shifts, skips, tied, order):
    graph = neural.neural_graph(widths, shifts=shifts, skips=skips)
    generator = stream("test-neural", 0)
    weights = weights_of(graph, generator)
    x = torch.randn(widths[0], 5, 3, generator=generator, dtype=torch.float64)
    before = neural.run(graph, weights, x)
    for mapping in neural.automorphisms(graph):
        assert roundings(neural.run(graph, neural.move(mapping, weights), x), before) < 256


def test_untied_permutation_is_no_automorphism_and_changes_the_function():
    graph = neural.neural_graph((1, 2, 2, 2, 1), skips=((1, 3),))
    mapping = {vertex: vertex for vertex in graph.hidden} | {(1, 0): (1, 1), (1, 1): (1, 0)}
    assert mapping not in neural.automorphisms(graph)
    weights = weights_of(graph, stream("test-neural", 1))
    x = torch.linspace(-1, 1, 7, dtype=torch.float64).view(1, 1, 7)
    before, after = (neural.run(graph, w, x) for w in (weights, neural.move(mapping, weights)))
    assert relative_change(after, before) > 1e-3


def test_graph_computes_the_mlp():
    network = Mlp((2, 3, 2), activation="tanh").double()
    graph = neural.neural_graph((2, 3, 2))
    weights = {}
    for layer, linear in enumerate(network.layers):
        for unit, row in enumerate(linear.weight.tolist()):
            weights[((-1, 0), (layer + 1, unit), "0")] = linear.bias[unit].item()
            for source, value in enumerate(row):
                weights[((layer, source), (layer + 1, unit), "0")] = value
    x = torch.randn(4, 2, generator=stream("test-neural", 2), dtype=torch.float64)
    ours = neural.run(graph, weights, x.T.unsqueeze(1)).squeeze(1).T
    assert roundings(ours, network(x)) < 64


def test_bad_graphs_are_refused():
    with pytest.raises(InputError, match="equal width"):
        neural.neural_graph((1, 2, 3, 1), skips=((1, 2),))
    with pytest.raises(InputError, match="enumeration"):
        neural.automorphisms(neural.neural_graph((1, 5, 5, 1)))
