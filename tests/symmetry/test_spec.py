import pytest
import torch

from helpers import draw, network
from onebasin.errors import InputError
from onebasin.symmetry import Permutation, Spec, apply, chain

WIDTHS = (3, 5, 4, 2)
SPEC = network(WIDTHS)


def test_chain_names_layers_and_groups():
    assert SPEC.groups == ("hidden.0", "hidden.1")
    assert SPEC.axes["layers.0.weight"] == ("hidden.0", None)
    assert SPEC.axes["layers.1.weight"] == ("hidden.1", "hidden.0")
    assert SPEC.axes["layers.2.weight"] == (None, "hidden.1")
    assert SPEC.axes["layers.2.bias"] == (None,)
    assert chain(1).groups == ()
    assert list(chain(1, "net").axes) == ["net.0.weight", "net.0.bias"]


def test_occurrences_and_neighbours():
    assert SPEC.occurrences("hidden.0") == (
        ("layers.0.weight", 0),
        ("layers.0.bias", 0),
        ("layers.1.weight", 1),
    )
    assert SPEC.neighbours("hidden.0") == {"hidden.1"}
    assert chain(5).neighbours("hidden.1") == {"hidden.0", "hidden.2"}


def test_sizes_and_models():
    assert SPEC.sizes(draw(SPEC, WIDTHS, 0)) == {"hidden.0": 5, "hidden.1": 4}
    assert SPEC.models(draw(SPEC, WIDTHS, 0)) is None
    assert SPEC.models(draw(SPEC, WIDTHS, 0, models=1)) == 1
    assert SPEC.sizes(draw(SPEC, WIDTHS, 0, models=6)) == {"hidden.0": 5, "hidden.1": 4}


def test_json_round_trip_equality_and_hash():
    back = Spec.from_json(SPEC.to_json())
    assert back == SPEC and hash(back) == hash(SPEC) and back != chain(4)
    for text in ("", "[1]", "{", '{"a": 3}'):
        with pytest.raises(InputError, match="not a spec"):
            Spec.from_json(text)


def test_a_scalar_and_a_counter_may_come_along():
    spec = Spec({"weight": ("units", None), "count": ()})
    state = {"weight": torch.randn(3, 2), "count": torch.tensor(4)}
    moved = apply(Permutation(spec, {"units": torch.tensor([2, 0, 1])}), state)
    assert torch.equal(moved["weight"], state["weight"][[2, 0, 1]])
    assert moved["count"] == 4


def changed(state, **tensors):
    return {**state, **{name.replace("__", "."): tensor for name, tensor in tensors.items()}}


@pytest.mark.bad_input
def test_bad_states_are_refused_in_one_sentence():
    good = draw(SPEC, WIDTHS, 0)
    nan = good["layers.0.bias"].clone()
    nan[2] = float("nan")
    for bad, words in [
        ({**good, "extra": torch.ones(2)}, "state=.*'extra'.*unknown to the spec"),
        ({n: t for n, t in good.items() if "1" not in n}, r"lacks the tensor 'layers.1.weight'"),
        (changed(good, layers__1__weight=torch.ones(4, 6).double()), "one common length"),
        (changed(good, layers__0__bias=torch.ones(5, 1, 1).double()), "one axis per entry"),
        (changed(good, layers__0__bias=torch.ones(2, 5).double()), "same leading models dim"),
        (changed(good, layers__0__bias=torch.ones(5, dtype=torch.long)), "must be real"),
        (changed(good, layers__0__bias=nan), "NaN or infinite.*retrain or remove"),
        (changed(good, layers__2__bias=nan[1:3]), r"state\['layers.2.bias'\].*not finite"),
        (changed(good, layers__0__bias=good["layers.0.bias"] / 0), "not finite"),
    ]:
        with pytest.raises(InputError, match=words) as caught:
            SPEC.check(bad)
        assert str(caught.value).count("\n") == 0 and str(caught.value).endswith(".")


@pytest.mark.bad_input
def test_pairs_that_differ_are_refused():
    ref = draw(SPEC, WIDTHS, 0)
    SPEC.check_pair(ref, draw(SPEC, WIDTHS, 1))
    for other, words in [
        (draw(SPEC, (3, 6, 4, 2), 0), "shape differs"),
        (draw(SPEC, WIDTHS, 0, models=2), "shape differs"),
        (draw(SPEC, WIDTHS, 0, dtype=torch.float32), "dtype differs from that of ref"),
        ({n: t.to("meta") for n, t in ref.items()}, "device differs"),
        (draw(network((3, 5, 4, 2, 2)), (3, 5, 4, 2, 2), 0), "other=.*unknown to the spec"),
        ({n: t * float("inf") for n, t in ref.items()}, r"other\['layers.0.weight'\].*not finite"),
    ]:
        with pytest.raises(InputError, match=words):
            SPEC.check_pair(ref, other)
