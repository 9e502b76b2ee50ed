import math

import pytest
import torch

from helpers import close
from onebasin.errors import InputError
from onebasin.matching import WeightOptions, weight_match
from onebasin.matching.exhaustive import group_elements
from onebasin.matching.nested import solve_groups, total_value
from onebasin.symmetry import Concat, Inner, Permutation, Product, Scaling, Spec, Tap, apply, nested
from onebasin.symmetry.axes import index, normal, spread
from onebasin.symmetry.counting import free_sizes

SPEC = Spec(
    {
        "stem.weight": ("stream", None),
        "qkv.weight": (Concat("qk", "qk", "vo"), "stream"),
        "out.weight": ("stream", "vo"),
        "temperature": ("heads",),
        "wide.weight": ("wide", "stream"),
        "grouped.weight": ("deep", Inner("wide"), None),
        "flat.weight": (Product(2, "left"), Product("deep", 4)),
        "join.weight": (None, Concat("left", 3, "stream")),
        "steps": (),
    },
    nested={
        "qk": ("heads", 2),
        "vo": ("heads", 2),
        "wide": ("wide.blocks", 2),
        "deep": ("wide.blocks", 2),
    },
    carried=frozenset({"steps"}),
)
SHAPES = {
    "stem.weight": (5, 3),
    "qkv.weight": (6 + 6 + 4, 5),
    "out.weight": (5, 4),
    "temperature": (2,),
    "wide.weight": (6, 5),
    "grouped.weight": (4, 3, 2),
    "flat.weight": (2 * 4, 4 * 4),
    "join.weight": (2, 4 + 3 + 5),
    "steps": (),
}
SIZES = {"stream": 5, "qk": 6, "vo": 4, "heads": 2, "wide": 6, "deep": 4, "left": 4}
BLOCKS = Spec({"u": ("units",), "p": ("pairs",)}, {"units": ("pairs", 4), "pairs": ("top", 2)})


def draw(seed, models=None):
    generator = torch.Generator().manual_seed(seed)
    lead = () if models is None else (models,)
    return {
        name: torch.randn((*lead, *shape), generator=generator, dtype=torch.float64)
        for name, shape in SHAPES.items()
    }


def random(seed, models=None):
    return Permutation.random(SPEC, SIZES, torch.Generator().manual_seed(seed), models)


def equal(left, right):
    return left.keys() == right.keys() and all(torch.equal(left[n], right[n]) for n in right)


def test_sizes_families_and_groups_are_read_off():
    assert SPEC.sizes(draw(0)) == SIZES and SPEC.sizes(draw(0, 3)) == SIZES
    assert SPEC.families == (("stream",), ("qk", "vo", "heads"), ("wide", "deep"), ("left",))
    assert not SPEC.is_plain and SPEC.plain.is_plain and SPEC.plain.plain is SPEC.plain
    assert SPEC.neighbours("vo") == {"stream"} and SPEC.neighbours("left") == {"deep"}
    assert "steps" not in SPEC.compared


@pytest.mark.parametrize("models", [None, 1, 3])
def test_group_laws(models):
    state, p, q = draw(0, models), random(1, models), random(2, models)
    assert equal(apply(p @ q, state), apply(p, apply(q, state)))
    assert equal(apply(p.inverse(), apply(p, state)), state)
    assert equal(apply((p @ q).inverse(), state), apply(q.inverse() @ p.inverse(), state))
    still = Permutation.identity(SPEC, SIZES, models)
    assert equal(apply(still, state), state)
    assert all(torch.equal((p @ p.inverse()).perms[g], still.perms[g]) for g in SPEC.groups)


@pytest.mark.parametrize("models", [None, 3])
def test_moving_the_whole_is_moving_its_pieces(models):
    state, p = draw(0, models), random(1, models)
    plain, parts = SPEC.unfold(state)
    assert plain == SPEC.plain and plain.sizes(parts) == SIZES
    assert equal(SPEC.fold(parts), state)
    moved = apply(Permutation(plain, p.perms), parts)
    assert equal(SPEC.fold(moved), apply(p, state))
    assert equal(SPEC.unfold(apply(p, state))[1], moved)


def test_unfolding_a_plain_spec_costs_nothing():
    spec = Spec({"a": ("g", None)})
    state = {"a": torch.randn(3, 2)}
    plain, parts = spec.unfold(state)
    assert plain is spec and parts["a"] is state["a"]


def test_elements_with_blocks_multiply_as_the_semidirect_product_says():
    p, q = random(3), random(4)

    def parts(element):
        perm = element.perms["qk"]
        return nested.blocks_of(perm, 2), (perm % 3).view(2, 3)

    (second, within_second), (first, within_first) = parts(p), parts(q)
    order, within = parts(p @ q)
    assert torch.equal(order, first[second])
    assert torch.equal(within, within_first[second].gather(-1, within_second))
    assert torch.equal(nested.blocks_of((p @ q).perms["vo"], 2), order)
    assert torch.equal((p @ q).perms["heads"], order)
    assert torch.equal(nested.join(order, within), (p @ q).perms["qk"])


def test_one_head_moves_with_all_that_belongs_to_it():
    swap = {g: torch.arange(n) for g, n in SIZES.items()}
    swap |= {"qk": torch.tensor([3, 4, 5, 0, 2, 1]), "vo": torch.tensor([2, 3, 0, 1])}
    state = draw(0)
    moved = apply(Permutation(SPEC, {**swap, "heads": torch.tensor([1, 0])}), state)
    rows = torch.tensor([3, 4, 5, 0, 2, 1, 9, 10, 11, 6, 8, 7, 14, 15, 12, 13])
    assert torch.equal(moved["qkv.weight"], state["qkv.weight"][rows])
    assert torch.equal(moved["temperature"], state["temperature"].flip(0))


@pytest.mark.bad_input
def test_torn_blocks_are_refused():
    good = dict(random(0).perms)
    for group, bad, words in [
        ("qk", [1, 2, 3, 4, 5, 0], "tears the blocks 'heads' apart"),
        ("heads", (1 - good["heads"]).tolist(), "differently from another group"),
        ("vo", nested.join(1 - good["heads"], torch.arange(2).expand(2, -1)).tolist(), "diff"),
    ]:
        with pytest.raises(InputError, match=words):
            Permutation(SPEC, {**good, group: torch.tensor(bad)})


@pytest.mark.bad_input  # many draws, which checks of every call would slow down
def test_random_elements_are_uniform():
    spec = Spec({"u": ("units",)}, {"units": ("blocks", 2)})
    generator = torch.Generator().manual_seed(0)
    perms = Permutation.random(spec, {"units": 4}, generator, models=400).perms["units"]
    _, counts = perms.unique(dim=0, return_counts=True)
    assert len(counts) == 8  # (2!)^2 2!
    # 99.99 % of the chi-square distribution with 7 degrees of freedom lies below 29.9
    assert ((counts - 50).square() / 50).sum() < 29.9


@pytest.mark.parametrize(
    ("spec", "sizes", "order"),
    [
        (BLOCKS, {"units": 4, "pairs": 4}, 8),
        (BLOCKS, {"units": 8, "pairs": 4}, 2**4 * 8),
        (
            Spec({"a": ("qk",), "b": ("vo",)}, {"qk": ("h", 2), "vo": ("h", 2)}),
            {"qk": 6, "vo": 4},
            36 * 4 * 2,
        ),
    ],
)
def test_the_best_of_all_elements_is_found(spec, sizes, order):
    generator = torch.Generator().manual_seed(0)
    assert math.prod(map(math.factorial, free_sizes(spec, sizes))) == order
    similar = {
        g: torch.randn(5, n, n, generator=generator, dtype=torch.float64) for g, n in sizes.items()
    }
    found = solve_groups(spec, similar)
    Permutation(spec, found)  # an element
    if max(sizes.values()) > 6:
        return
    ways = group_elements(spec, sizes)
    assert (
        ways.models
        == order
        == len({tuple(r.tolist()) for r in torch.cat([*ways.perms.values()], -1)})
    )
    for k in range(5):
        stack = {g: s[k].expand(order, -1, -1) for g, s in similar.items()}
        best = total_value(stack, ways.perms).max()
        mine = total_value(
            {g: s[k] for g, s in similar.items()}, {g: p[k] for g, p in found.items()}
        )
        assert close(mine, best, torch.float64)


@pytest.mark.parametrize("models", [None, 2])
def test_weight_matching_recovers_a_planted_element(models):
    ref, planted = draw(5, models), random(6, models)
    other = apply(planted.inverse(), ref)
    found = weight_match(SPEC, ref, other, options=WeightOptions(restarts=8))
    assert equal(apply(found.element, other), ref)
    history = found.history
    assert (history.diff(dim=0) >= -1e-9 * history.abs().max()).all()


def test_scales_spread_along_structured_axes():
    spec = Spec({"in": (Product("a", 2), None), "out": (None, Concat(Product("a", 2), 1))})
    state = {"in": torch.randn(6, 2).double(), "out": torch.randn(2, 7).double()}
    scaling = Scaling(spec, {"a": torch.tensor([1.0, 2.0, 4.0]).double()})
    moved = apply(scaling, state)
    factor = torch.tensor([1.0, 1, 2, 2, 4, 4]).double()
    assert torch.equal(moved["in"], state["in"] * factor[:, None])
    assert torch.equal(moved["out"], state["out"] / torch.cat([factor, torch.ones(1)]))
    with pytest.raises(InputError, match="grouped convolution"):
        Scaling.identity(SPEC, SIZES).act(draw(0))


def test_entries_are_kept_in_their_shortest_form():
    assert normal(Product("a", 1)) == normal(Concat("a")) == "a"
    assert normal(Product(3, 4)) is normal(Concat(1, 2, Product(2, 3))) is None
    assert normal(Concat(1, "a", 2, Product(3))) == Concat(1, "a", 5)
    assert Spec({"t": (Product("a", 1),)}) == Spec({"t": ("a",)})


def test_index_and_spread_agree():
    perms = {"a": torch.tensor([2, 0, 1]), "b": torch.tensor([[1, 0], [0, 1]])}
    entry = Concat(Product("b", 2), 1, Product("a", "b"))
    values = {g: torch.arange(1.0, p.shape[-1] + 1) for g, p in perms.items()}
    moved = {g: values[g][p] for g, p in perms.items()}
    order = index(entry, perms)
    assert order.shape == (2, 4 + 1 + 6)
    assert torch.equal(spread(entry, values)[order], spread(entry, moved))


def test_json_keeps_everything_that_counts():
    back = Spec.from_json(SPEC.to_json())
    assert back == SPEC and hash(back) == hash(SPEC) and back.carried == SPEC.carried
    told = Spec({"t": (Concat("a", "b"),)}, units={"a": 2})
    assert Spec.from_json(told.to_json()) == told
    assert told.sizes({"t": torch.zeros(5)}) == {"a": 2, "b": 3}
    for text in (
        '{"t": [{"product": []}]}',
        '{"t": [{"sum": ["a"]}]}',
        '{"axes": {}, "nested": 3}',
    ):
        with pytest.raises(InputError, match="not a spec"):
            Spec.from_json(text)


def test_save_and_load(tmp_path):
    element = random(0, 2)
    element.save(tmp_path / "element")
    back = Permutation.load(tmp_path / "element")
    assert back.spec == SPEC and all(torch.equal(back.perms[g], element.perms[g]) for g in SIZES)


def test_same_up_to_names():
    names = {"qk": "Q", "vo": "V", "heads": "H", "stream": "S"}
    left = {"in": (Concat("qk", "vo"), "stream"), "t": ("heads",), "o": ("stream", "vo")}
    from onebasin.symmetry.axes import renamed

    right = {n: tuple(renamed(e, names) for e in on) for n, on in left.items()}
    nesting = {"qk": ("heads", 2), "vo": ("heads", 2)}
    other = {names[g]: (names[b], k) for g, (b, k) in nesting.items()}
    assert Spec(left, nesting).same(Spec(right, other))
    assert not Spec(left, nesting).same(Spec(right, {**other, "Q": ("H", 3), "V": ("H", 3)}))
    assert not Spec(left).same(Spec({**left, "o": ("stream", None)}))


def test_taps_read_segments_and_blocks():
    entry = Concat(2, Product("a", 4), "b")
    tensor = torch.arange(2 * 17.0).view(2, 17)
    sizes = {"a": 3, "b": 3}
    assert torch.equal(Tap("m", -1, entry=entry).read(tensor, "b", sizes), tensor[:, 14:])
    rows = Tap("m", 1, entry=entry).read(tensor, "a", sizes)
    assert torch.equal(rows, tensor[:, 2:14].view(2, 3, 4).movedim(1, 2).reshape(8, 3))
    image = torch.randn(2, 3, 4, 5)
    assert torch.equal(Tap("m", 1).read(image, "a", sizes), image.movedim(1, -1).reshape(-1, 3))
    with pytest.raises(InputError, match="does not stand"):
        Tap("m", 1, entry="b").read(tensor, "a", sizes)


@pytest.mark.bad_input
def test_what_does_not_fit_is_refused():
    good = draw(0)
    for name, shape, words in [
        ("qkv.weight", (15, 5), "must have length|does not tell|equal size"),
        ("join.weight", (2, 11), "axis 1 of tensor 'join.weight' must have length 12"),
        ("grouped.weight", (4, 2, 2), "must have length 3"),
        ("temperature", (3,), "consist of 2 blocks"),
        ("wide.weight", (7, 5), "equal size|must have length"),
    ]:
        with pytest.raises(InputError, match=words):
            SPEC.check({**good, name: torch.zeros(shape, dtype=torch.float64)})
    with pytest.raises(InputError, match=r"does not tell the units of groups \['a', 'b'\]"):
        Spec({"t": (Concat("a", "b"),)}).sizes({"t": torch.zeros(5)})
    for build in (
        lambda: Product(),
        lambda: Product("a", 0),
        lambda: Concat("a", None),
        lambda: Spec({"t": ("a",)}, {"b": ("x", 2)}),
        lambda: Spec({"t": ("a",)}, {"a": ("x", 2), "x": ("a", 2)}),
        lambda: Spec({"t": ("a", "b")}, {"a": ("x", 2), "b": ("x", 3)}),
        lambda: Spec({"t": ("a",)}, carried=frozenset({"u"})),
    ):
        with pytest.raises(InputError):
            build()
