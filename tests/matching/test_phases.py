import math

import pytest
import torch

from helpers import close
from onebasin.errors import InputError
from onebasin.matching import PhaseOptions, phase_match
from onebasin.networks import Siren, call, initialise
from onebasin.symmetry import apply
from onebasin.symmetry.dihedral import Dihedral

NET = Siren(12, 2)
SPEC = NET.spec


def points(samples, seed=0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    return (2 * torch.rand(samples, 3, generator=generator, dtype=torch.float64) - 1).to(dtype)


def nets(count, start=0, dtype=torch.float64):
    drawn = initialise(NET, list(range(start, start + count)))
    return {name: tensor.to(dtype) for name, tensor in drawn.items()}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("spread", [0.0, 0.1])
def test_planted_elements_are_found(dtype, spread):
    ref = nets(3, dtype=dtype)
    sizes, generator = SPEC.sizes(ref), torch.Generator().manual_seed(5)
    planted = Dihedral.random(SPEC, sizes, generator, 3, omega=30.0, farthest=1)
    other = apply(planted.inverse(), ref)
    x = points(300, dtype=dtype)
    options = PhaseOptions(spread=spread, batch=128)
    found = phase_match(SPEC, ref, other, network=NET, data=x, omega=30.0, options=options)
    for group in SPEC.groups:
        assert torch.equal(found.element.perms[group], planted.perms[group])
        assert torch.equal(found.element.signs[group], planted.signs[group])
        assert torch.equal(found.element.shifts[group], planted.shifts[group].long())
    assert torch.allclose(found.objective, torch.tensor(24.0).double(), atol=1e-3)
    assert (found.history.diff(dim=0) >= 0).all() and found.converged.all()


@pytest.mark.parametrize("spread", [0.0, 0.3])
def test_no_element_of_a_small_layer_does_better(spread):
    net = Siren(3, 1)
    ref, other = ({n: t[k].double() for n, t in initialise(net, [7, 8]).items()} for k in (0, 1))
    x, spec = points(200), net.spec
    options = PhaseOptions(spread=spread)
    found = phase_match(spec, ref, other, network=net, data=x, omega=30.0, options=options)

    def value(element):
        moved = apply(element, other)
        pair = (call(net, s, x, capture="pre")[1]["hidden.0"] * 30 for s in (ref, moved))
        apart = next(pair) - next(pair)
        return (apart.cos() - spread / 2 * apart.square()).mean(0).sum()

    assert found.objective.item() == pytest.approx(value(found.element).item(), abs=1e-9)
    still = Dihedral.identity(spec, {"hidden.0": 3}, omega=30.0)
    assert found.history[0].item() == pytest.approx(value(still).item(), rel=1e-9)
    generator = torch.Generator().manual_seed(0)
    for _ in range(500):
        one = Dihedral.random(spec, {"hidden.0": 3}, generator, omega=30.0, farthest=2)
        assert value(one) <= found.objective + 1e-9


def test_stacks_batches_and_own_data_agree_with_one_at_a_time():
    ref, other, x = nets(3), nets(3, 3), points(200)
    whole = phase_match(SPEC, ref, other, network=NET, data=x, omega=30.0)
    small = PhaseOptions(batch=33)
    own = phase_match(
        SPEC, ref, other, network=NET, data=x.expand(3, -1, -1), omega=30.0, options=small
    )
    assert torch.allclose(whole.objective, own.objective, rtol=1e-9)
    for k in range(3):
        pair = ({n: t[k] for n, t in s.items()} for s in (ref, other))
        one = phase_match(SPEC, *pair, network=NET, data=x, omega=30.0)
        assert torch.allclose(one.objective, whole.objective[k], rtol=1e-9)


def test_the_function_is_kept_and_the_other_end_may_be_moved_first():
    ref, other, x = nets(2), nets(2, 2), points(200)
    found = phase_match(SPEC, ref, other, network=NET, data=x, omega=30.0)
    moved = apply(found.element, other)
    assert close(call(NET, moved, x), call(NET, other, x), torch.float64, terms=1000)
    generator = torch.Generator().manual_seed(1)
    turn = Dihedral.random(SPEC, SPEC.sizes(other), generator, 2, omega=30.0)
    again = phase_match(SPEC, ref, apply(turn, other), network=NET, data=x, omega=30.0)
    assert torch.allclose(again.objective, found.objective, rtol=1e-9)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"omega": 0.0}, "positive, finite"),
        ({"omega": math.nan}, "positive, finite"),
        ({"data": torch.empty(0, 3)}, "at least one sample"),
        ({"data": torch.full((4, 3), math.nan)}, "clean it"),
        ({"options": PhaseOptions(spread=-1.0)}, "0 or more"),
        ({"options": PhaseOptions(batch=0)}, "1 or more"),
    ],
)
def test_what_cannot_be_matched_is_said(change, message):
    ref = nets(1)
    given = {"network": NET, "data": points(10), "omega": 30.0, **change}
    with pytest.raises(InputError, match=message):
        phase_match(SPEC, ref, ref, **given)
