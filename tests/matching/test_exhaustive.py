import pytest
import torch

from onebasin.errors import InputError
from onebasin.matching import exhaustive
from onebasin.networks import Mlp
from onebasin.networks.population import initialise, unstack
from onebasin.seeds import stream
from onebasin.symmetry.action import apply
from onebasin.symmetry.permutation import Permutation


def pair(widths, seed, dtype=torch.float64):
    network = Mlp(widths)
    states = unstack(initialise(network, [2 * seed, 2 * seed + 1]))
    return network.spec, *({name: t.to(dtype) for name, t in state.items()} for state in states)


def test_group_elements_are_all_and_distinct():
    spec = Mlp((1, 3, 2, 1)).spec
    elements = exhaustive.group_elements(spec, {"hidden.0": 3, "hidden.1": 2})
    assert elements.models == 12
    assert len({exhaustive.as_key(elements.select(k)) for k in range(12)}) == 12


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("seed", range(3))
def test_planted_permutation_is_the_only_minimiser(seed, dtype):
    spec, ref, _ = pair((2, 4, 3, 1), seed, dtype)
    planted = Permutation.random(spec, spec.sizes(ref), stream("test-exhaustive", seed))
    other = apply(planted.inverse(), ref)
    assert exhaustive.minimisers(spec, ref, other) == {exhaustive.as_key(planted)}


def test_twin_units_give_ties():
    spec, ref, other = pair((2, 3, 1), 5)
    for name, on in spec.axes.items():
        for axis, group in enumerate(on):
            if group is not None:
                other[name].select(axis, 1).copy_(other[name].select(axis, 0))
    assert len(exhaustive.minimisers(spec, ref, other)) == 2


def test_key_round_trip():
    spec, ref, _ = pair((2, 3, 3, 1), 0)
    element = Permutation.random(spec, spec.sizes(ref), stream("test-exhaustive", 9))
    again = exhaustive.from_key(spec, exhaustive.as_key(element))
    assert all(torch.equal(again.perms[g], element.perms[g]) for g in spec.groups)


def test_large_groups_are_refused():
    spec, ref, other = pair((2, 9, 1), 0)
    with pytest.raises(InputError, match="the limit"):
        exhaustive.minimisers(spec, ref, other)
