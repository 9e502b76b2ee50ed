import pytest
import torch
import torch.nn.functional as F
from random_modules import Attention, Builder, Fn, Ready, Residual
from torch import nn

from onebasin.errors import InputError
from onebasin.networks import READY
from onebasin.symmetry import (
    CannotFollow,
    Concat,
    Inner,
    Permutation,
    Product,
    Spec,
    apply,
    check_function,
    derive,
)
from onebasin.symmetry.counting import free_sizes

BATCH = 20


class Together(nn.Module):
    """Independent modules in one, because tracing has a price of its own."""

    def __init__(self, parts):
        super().__init__()
        self.parts = nn.ModuleList(parts)

    def forward(self, *inputs):
        return tuple(part(x) for part, x in zip(self.parts, inputs, strict=True))


def cut(spec, prefix):
    """The spec of one submodule."""
    part = spec.only([name for name in spec.axes if name.startswith(prefix)])
    axes = {name.removeprefix(prefix): on for name, on in part.axes.items()}
    return Spec(
        axes, part.nested, part.units, frozenset(n.removeprefix(prefix) for n in part.carried)
    )


@pytest.mark.bad_input  # traces many small modules, which checks of every call would slow down
@pytest.mark.parametrize("batch", range(200 // BATCH))
def test_random_modules_keep_their_function_and_have_every_free_group(batch):
    seeds = range(batch * BATCH, (batch + 1) * BATCH)
    torch.manual_seed(batch)
    modules, examples, free = zip(*(Builder(seed).build() for seed in seeds), strict=True)
    spec = derive(Together(modules), examples)
    for k, module in enumerate(modules):
        found = check_function(cut(spec, f"parts.{k}."), module, examples[k], free=free[k])
        assert found.passed, (seeds[k], free[k], found)


BY_HAND = {
    "mlp": 3,
    "siren": 4,
    "cnn": 7,
    "tinyten": 8,
    "tinyten-layer": 8,
    "vgg11": 8,
    "vgg16": 15,
    "vgg16-batch": 15,
    "vgg16-large": 15,
    "resnet20": 12,
    "resnet32": 18,
    "resnet50": 37,
    "googlenet": 55,
    "vit": 1 + 2 * (1 + 2 * 3 + 1),
}


@pytest.mark.parametrize("name", READY)
def test_derived_is_hand_written(name):
    network = READY[name].small()
    example = torch.randn(2, *READY[name].small_sample)
    spec = derive(network, example)
    assert spec.same(network.spec)
    assert spec.carried == network.spec.carried
    assert len(free_sizes(spec, spec.sizes(network.state_dict()))) == BY_HAND[name]
    assert check_function(spec, network, example, free=BY_HAND[name]).passed


@pytest.mark.parametrize("name", ["cnn", "resnet20", "vit"])
def test_taps_see_the_units_move(name):
    network = READY[name].small().eval().double()
    example = torch.randn(2, *READY[name].small_sample, dtype=torch.float64)
    spec, state = derive(network, example), dict(network.state_dict())
    sizes = spec.sizes(state)
    element = Permutation.random(spec, sizes, torch.Generator().manual_seed(0))

    def seen(weights):
        network.load_state_dict(weights)
        found, hooks = {}, []
        for group, tap in spec.taps.items():
            part = network.get_submodule(tap.module)

            def hook(_, args, out, group=group, tap=tap):
                found[group] = tap.read(args[0] if tap.side == "input" else out, group, sizes)

            hooks.append(part.register_forward_hook(hook))
        with torch.no_grad():
            network(example)
        for hook in hooks:
            hook.remove()
        return found

    before, after = seen(state), seen(apply(element, state))
    assert set(before) == set(spec.groups)
    for group in spec.groups:
        moved = before[group][:, element.perms[group]]
        # blocks of one group share their samples, whose order a tap does not promise
        assert torch.allclose(after[group].sum(0), moved.sum(0), atol=1e-9)


class Stem(nn.Module):
    """A layer, something in between, a layer."""

    def __init__(self, inside, width=8):
        super().__init__()
        self.first, self.inside, self.last = nn.Linear(5, width), inside, nn.Linear(width, 3)

    def forward(self, x):
        return self.last(self.inside(self.first(x)))


def test_attention_has_one_permutation_of_heads_and_two_inside_each():
    nesting = {"qk": ("heads", 2), "vo": ("heads", 2)}
    ends = {"first.weight": ("s", None), "first.bias": ("s",), "last.weight": (None, "s")}
    ends["last.bias"] = (None,)
    fused, apart = (Concat("qk", "qk", "vo"), "s"), {}
    for part, group in (("q", "qk"), ("k", "qk"), ("v", "vo")):
        apart |= {f"inside.inside.0.{part}.weight": (group, "s")}
        apart |= {f"inside.inside.0.{part}.bias": (group,)}
    out = {"inside.inside.0.out.weight": ("s", "vo"), "inside.inside.0.out.bias": ("s",)}
    whole = "inside.inside.0.attention"
    ready = {f"{whole}.in_proj_weight": fused, f"{whole}.in_proj_bias": fused[:1]}
    ready |= {f"{whole}.out_proj.weight": ("s", "vo"), f"{whole}.out_proj.bias": ("s",)}
    qkv = {"inside.inside.0.qkv.weight": fused, "inside.inside.0.qkv.bias": fused[:1]}
    for layer, axes in [
        (Ready(8, 2), ready),
        (Attention(8, 2, True), {**qkv, **out}),
        (Attention(8, 2, False), {**apart, **out}),
    ]:
        module, x = Stem(Residual(layer)), torch.randn(2, 7, 5)
        spec = derive(module, x)
        assert spec.same(Spec({**ends, **axes}, nesting))
        assert check_function(spec, module, x, free=1 + 1 + 4).passed


def test_a_norm_shared_by_all_heads_ties_what_is_inside_them():
    class Normed(Attention):
        def __init__(self):
            super().__init__(8, 2, False)
            self.norm = nn.LayerNorm(4)

        def forward(self, x):
            n, t, c = x.shape
            q, k, v = (part(x).view(n, t, 2, 4) for part in self._parts())
            y = F.scaled_dot_product_attention(*(z.transpose(1, 2) for z in (self.norm(q), k, v)))
            return self.out(y.transpose(1, 2).reshape(n, t, c))

    spec = derive(Stem(Normed()), torch.randn(2, 7, 5))
    heads, inside = spec.axes["inside.q.weight"][0].factors
    assert spec.axes["inside.norm.weight"] == (inside,)
    assert spec.axes["inside.k.bias"] == (Product(heads, inside),)
    value = spec.axes["inside.v.weight"][0]
    assert spec.nested == {value: (heads, 2)}


class Images(nn.Module):
    """Convolutions, then the mean over positions."""

    def __init__(self, *layers, width):
        super().__init__()
        self.layers, self.last = nn.Sequential(*layers), nn.Linear(width, 3)

    def forward(self, x):
        return self.last(self.layers(x).mean((2, 3)))


def test_grouped_convolutions_move_blocks_and_what_is_inside():
    layers = nn.Conv2d(3, 6, 1), nn.ReLU(), nn.Conv2d(6, 4, 3, groups=2), nn.ReLU()
    module, x = Images(*layers, width=4), torch.randn(2, 3, 6, 6)
    spec = derive(module, x)
    first, second = spec.axes["layers.0.bias"][0], spec.axes["layers.2.bias"][0]
    assert spec.axes["layers.2.weight"] == (second, Inner(first), None, None)
    assert spec.nested[first] == spec.nested[second] and spec.nested[first][1] == 2
    assert check_function(spec, module, x, free=5).passed


def test_depthwise_convolutions_with_several_outputs_follow_their_channel():
    layers = nn.Conv2d(3, 4, 1), nn.Conv2d(4, 12, 3, groups=4), nn.ReLU()
    module, x = Images(*layers, width=12), torch.randn(2, 3, 6, 6)
    spec = derive(module, x)
    channel, outputs = spec.axes["layers.0.bias"][0], spec.axes["layers.1.bias"][0]
    assert spec.nested == {outputs: (channel, 4)}
    assert check_function(spec, module, x, free=5).passed


def test_channels_padded_on_a_shortcut_are_groups_of_their_own():
    class Shortcut(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 9, 3, 2, 1)

        def forward(self, x):
            x = self.first(x).relu()
            return (F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 2, 3)) + self.second(x)).relu()

    module, x = Images(Shortcut(), width=9), torch.randn(2, 3, 6, 6)
    spec = derive(module, x)
    (entry,) = spec.axes["layers.0.second.bias"]
    assert entry.parts[1] == spec.axes["layers.0.first.bias"][0] and len(entry.parts) == 3
    assert check_function(spec, module, x, free=3).passed


def test_flattened_positions_first_or_last():
    for order, entry in [((0, 1, 2, 3), Product("c", 12)), ((0, 2, 3, 1), Product(12, "c"))]:
        turn = Fn(lambda x, order=order: x.permute(order).flatten(1))
        module = nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU(), turn, nn.Linear(48, 2))
        spec, x = derive(module, torch.randn(2, 3, 3, 4)), torch.randn(2, 3, 3, 4)
        wanted = {"0.weight": ("c", None, None, None), "0.bias": ("c",)}
        wanted |= {"3.weight": (None, entry), "3.bias": (None,)}
        assert spec.same(Spec(wanted))
        assert check_function(spec, module, x, free=1).passed


def test_the_largest_entries_are_those_of_the_last_axis_unless_said_otherwise():
    x = torch.randn(4, 5)
    for ask in (
        lambda y: torch.topk(y.T, 4).values.T,  # four samples, of each of eight units
        lambda y: torch.topk(y, 4, 0).values,
        lambda y: torch.topk(y, 4, dim=0).values,
        lambda y: torch.kthvalue(y.T, 2).values + y,
        lambda y: torch.mode(y.T).values + y,
        lambda y: y.max(0).values + y,
    ):
        module = Stem(Fn(ask))
        spec = derive(module, x)
        assert len(spec.groups) == 1 and check_function(spec, module, x, free=1).passed
    for ask in (
        lambda y: y + torch.topk(y, 8).values,
        lambda y: y + torch.topk(y, 2, dim=1).values[:, :1],
        lambda y: y * y.argmax(keepdim=True),
        lambda y: y * sum(torch.aminmax(y)),
    ):
        spec = derive(Stem(Fn(ask)), x)
        assert spec.fixed[("first.weight", 0)] == "the place of an entry is asked for"


def test_positions_of_a_grid_are_looked_up_in_any_order():
    class Warped(nn.Module):
        """Looks channels up at places that units compute from another input."""

        def __init__(self):
            super().__init__()
            self.channels, self.places = nn.Conv2d(3, 12, 1), nn.Linear(5, 6)
            self.last, self.score = nn.Linear(6, 4), nn.Linear(12, 2)

        def forward(self, image, x):
            asked = self.places(x).view(len(x), 6, 1, 1)
            grid = torch.cat([asked, asked.square()], dim=-1).tanh()
            found = F.grid_sample(self.channels(image), grid, align_corners=False)
            return self.last(found[..., 0]).tanh().sum(1), self.score(found.mean((2, 3)))

    module, inputs = Warped(), (torch.randn(2, 3, 4, 4), torch.randn(2, 5))
    spec = derive(module, inputs)
    unit, channel = spec.axes["places.bias"][0], spec.axes["channels.bias"][0]
    assert spec.axes["last.weight"] == (None, unit)
    assert spec.axes["score.weight"] == (None, channel)
    assert check_function(spec, module, inputs, free=2).passed


def test_tied_weights_stand_under_both_names():
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.words, self.inside = nn.Embedding(11, 6), nn.Linear(6, 6)
            self.scores = nn.Linear(6, 11)
            self.scores.weight = self.words.weight

        def forward(self, x):
            return self.scores(self.words(x) + self.inside(self.words(x)).tanh())

    module, x = Tied(), torch.randint(0, 11, (2, 5))
    spec = derive(module, x)
    assert spec.axes["words.weight"] == spec.axes["scores.weight"] == (None, spec.groups[0])
    assert spec.axes["inside.weight"] == (spec.groups[0],) * 2
    assert check_function(spec, module, x, free=1).passed


def test_every_axis_that_stays_has_a_reason():
    class Odd(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b, self.unused = nn.Linear(4, 6), nn.Linear(6, 6), nn.Linear(2, 2)

        def forward(self, x):
            return self.b(self.a(x) * torch.arange(6.0).to(x)).cumsum(1)

    spec = derive(Odd(), torch.randn(2, 4))
    assert spec.groups == ()
    assert spec.fixed[("a.weight", 1)] == "an input of the network"
    assert spec.fixed[("a.weight", 0)] == spec.fixed[("b.weight", 1)] == "a constant of the code"
    assert spec.fixed[("b.bias", 0)] == "cumsum depends on the order of its entries"
    assert spec.fixed[("unused.bias", 0)] == "not used by the forward pass"
    named = {(name, k) for name, on in spec.axes.items() for k in range(len(on))}
    assert set(spec.fixed) == named


@pytest.mark.parametrize("name", ["resnet20", "vit"])
def test_groups_and_reasons_leave_no_axis_out(name):
    network = READY[name].small()
    spec = derive(network, torch.randn(2, *READY[name].small_sample))
    for tensor, on in spec.axes.items():
        for axis, entry in enumerate(on):
            assert (entry is None) == ((tensor, axis) in spec.fixed)


def test_evaluation_mode_is_restored():
    module = Stem(nn.BatchNorm1d(8)).train()
    module.last.eval()
    derive(module, torch.randn(4, 5))
    assert module.inside.training and not module.last.training


class Branching(nn.Module):
    def __init__(self):
        super().__init__()
        self.inside = nn.Linear(5, 3)

    def forward(self, x):
        y = self.inside(x)
        return y if y.sum() > 0 else -y


@pytest.mark.bad_input
def test_what_cannot_be_followed_is_named():
    x = torch.randn(2, 7, 5)
    with pytest.raises(CannotFollow, match=r"module='lstm'.*in 'inside.0'.*declare=\{'lstm'"):
        derive(Stem(nn.Sequential(nn.LSTM(8, 8, batch_first=True), Fn(lambda y: y[0]))), x)
    with pytest.raises(CannotFollow, match=r"'fft_rfft'.*in 'inside'"):
        derive(Stem(Fn(lambda y: torch.fft.rfft(y, 14).abs())), x)
    with pytest.raises(CannotFollow, match="transposed convolution in groups"):
        derive(nn.Sequential(nn.ConvTranspose1d(4, 4, 3, groups=2)), torch.randn(2, 4, 6))
    with pytest.raises(CannotFollow, match="depends on the values"):
        derive(Stem(Fn(lambda y: y[y > 0])), x)
    with pytest.raises(CannotFollow, match="several outputs"):
        declare = {"lstm": "elementwise"}
        lstm = nn.Sequential(nn.LSTM(8, 8, batch_first=True), Fn(lambda y: y[0]))
        derive(Stem(lstm), x, declare=declare)
    with pytest.raises(InputError, match=r"declare='relo'.*no operation or module"):
        derive(Stem(nn.ReLU()), x, declare={"relo": "elementwise"})
    with pytest.raises(CannotFollow, match=r"'Branching'.*torch.export cannot trace.*by hand"):
        derive(Branching(), torch.randn(2, 5))
    with pytest.raises(InputError, match='must be "fixed" or "elementwise"'):
        derive(Stem(nn.ReLU()), x, declare={"relu": "free"})


FOLLOWED = {
    "ellipsis": lambda y: torch.einsum("...ac,...bc->...ab", y, y.exp()).sum(-1, True) * y,
    "cosine": lambda y: y * F.cosine_similarity(y, y.flip(1), dim=-1)[..., None],
    "distance": lambda y: y * F.pairwise_distance(y, y.flip(1))[..., None],
    "shuffle": lambda y: F.channel_shuffle(y.transpose(1, 2)[..., None], 2)[..., 0].transpose(1, 2),
    "tile": lambda y: y.tile(2)[..., :8],
    "weight norm": lambda y: torch._weight_norm(y, y.norm(dim=2, keepdim=True), 1),
    "scatter": lambda y: (
        y * torch.zeros(2, 7).scatter(1, y.sum(-1).argmax(1, True), 1.0)[..., None]
    ),
}


@pytest.mark.parametrize("name", FOLLOWED)
def test_these_operations_are_followed(name):
    module, x = Stem(Fn(FOLLOWED[name])), torch.randn(2, 7, 5)
    spec = derive(module, x)
    free = 2 if name == "shuffle" else 1
    assert check_function(spec, module, x, free=free).passed, spec.axes


class Bilinear(nn.Module):
    def __init__(self):
        super().__init__()
        self.left, self.right = nn.Linear(5, 4), nn.Linear(5, 3)
        self.both, self.last = nn.Bilinear(4, 3, 6), nn.Linear(6, 2)

    def forward(self, x):
        return self.last(self.both(self.left(x), self.right(x)).tanh())


def test_both_sides_of_a_bilinear_layer_are_free():
    x = torch.randn(2, 7, 5)
    assert check_function(derive(Bilinear(), x), Bilinear(), x, free=3).passed


class Table(nn.Module):
    """A position embedding that is longer than the sequence."""

    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Linear(5, 8), nn.Linear(8, 3)
        self.places = nn.Parameter(torch.randn(20, 8))

    def forward(self, x):
        return self.last(torch.tanh(self.first(x) + self.places[: x.shape[1]]).mean(1))


def test_rows_of_a_table_that_are_not_reached_stay():
    spec = derive(Table(), torch.randn(4, 7, 5))
    assert spec.groups == ("first",) and spec.axes["places"] == (None, "first")
    assert "not reached" in spec.fixed["places", 0] or "input" in spec.fixed["places", 0]
    assert check_function(spec, Table(), torch.randn(4, 11, 5), free=1).passed


class Masked(nn.Module):
    """Attention with every kind of constant in its state."""

    def __init__(self):
        super().__init__()
        self.query, self.key = nn.Linear(6, 6), nn.Linear(6, 6)
        self.value, self.last = nn.Linear(6, 6), nn.Linear(6, 3)
        self.norm = nn.BatchNorm1d(6)
        self.register_buffer("causal", torch.ones(16, 16).tril())
        self.register_buffer("allowed", torch.ones(7, 7, dtype=torch.bool).tril())
        self.register_buffer("barred", torch.full((7, 7), -torch.inf).triu(1))
        self.register_buffer("rows", torch.arange(16)[None])
        self.register_buffer("table", torch.randn(16, 6))
        self.register_buffer("waves", torch.tensor([1.0, 0.3, 0.1, 0.03, 0.01, 0.003]))

    def forward(self, x):
        count = x.shape[1]
        x = x + self.table[self.rows[:, :count]]
        weights = (self.query(x) * self.waves) @ self.key(x).transpose(1, 2) + self.barred
        weights = weights.masked_fill(self.causal[:count, :count] == 0, -1e9)
        weights = weights.masked_fill(~self.allowed, -1e9).softmax(-1)
        return self.last(self.norm((weights @ self.value(x)).transpose(1, 2)).transpose(1, 2))


def test_constants_of_the_architecture_stay():
    x = torch.randn(4, 7, 6)
    free = derive(Masked(), x)
    assert (
        free.axes["waves"] == free.axes["query.bias"] != (None,)
    )  # a statistic or a constant: nobody can tell
    spec = derive(Masked(), x, constants=["waves", "norm.running_mean", "norm.running_var"])
    for name in ("causal", "allowed", "barred", "rows", "waves"):
        assert not any(spec.axes[name]), name
    assert spec.groups == ("value",) and spec.axes["norm.running_mean"] == ("value",)
    assert check_function(spec, Masked(), x, free=1).passed


def test_what_is_normalised_across_blocks_keeps_their_order_in_common():
    for dim, free in ((1, 2), (2, 3)):

        def spread(y, dim=dim):
            return y.view(2, 7, 2, 4).softmax(dim + 1).view(2, 7, 8)

        module, x = Stem(Fn(spread)), torch.randn(2, 7, 5)
        assert check_function(derive(module, x), module, x, free=free).passed, dim


class Functional(nn.Module):
    """Weights of its own, used in the middle of its forward pass."""

    def __init__(self):
        super().__init__()
        self.w, self.v = nn.Parameter(torch.randn(8, 8)), nn.Parameter(torch.randn(8, 8))

    def forward(self, x):
        self.seen = x
        return torch.einsum("bi,io->bo", torch.tanh(F.linear(x, self.w)), self.v)


def test_taps_are_at_the_ends_of_modules_only():
    spec = derive(nn.Sequential(nn.Linear(5, 8), Functional(), nn.Linear(8, 2)), torch.randn(4, 5))
    assert set(spec.taps) < set(spec.groups) and len(spec.groups) == 3
    heads = nn.TransformerEncoderLayer(8, 2, 12, batch_first=True)
    spec = derive(nn.Sequential(nn.Linear(5, 8), heads, nn.Linear(8, 2)), torch.randn(4, 7, 5))
    assert not any(tap.module.endswith("self_attn") for tap in spec.taps.values())


def test_tracing_leaves_no_mark_on_a_module():
    module = nn.Sequential(nn.Linear(5, 8), Functional(), nn.Linear(8, 2))
    derive(module, torch.randn(4, 5))
    assert not hasattr(module[1], "seen")


def test_what_is_declared_is_followed():
    turn = Fn(lambda y: torch.fft.rfft(y, 14).abs())
    for key in ("fft_rfft", "inside"):
        spec = derive(Stem(turn), torch.randn(2, 7, 5), declare={key: "fixed"})
        assert spec.groups == ()
        assert spec.fixed[("first.weight", 0)] == "declared fixed by hand"
    odd = Stem(Fn(torch.special.bessel_j0))
    spec = derive(odd, torch.randn(2, 5), declare={"special_bessel_j0": "elementwise"})
    assert len(spec.groups) == 1 and check_function(spec, odd, torch.randn(2, 5), free=1).passed


def test_a_wrong_spec_never_passes():
    network = READY["resnet20"].small()
    x = torch.randn(2, *READY["resnet20"].small_sample)
    good = network.spec
    places = [
        (name, k) for name in good.compared for k, entry in enumerate(good.axes[name]) if entry
    ]
    for name, axis in places[::6]:
        on = good.axes[name]
        axes = {**good.axes, name: (*on[:axis], None, *on[axis + 1 :])}  # one axis forgotten
        assert not check_function(Spec(axes, carried=good.carried), network, x).passed


@pytest.mark.bad_input
def test_an_empty_spec_and_a_wrong_count_do_not_pass():
    network, x = READY["mlp"].small(), torch.randn(4, 6)
    empty = Spec({name: (None,) * len(on) for name, on in network.spec.axes.items()})
    assert not check_function(empty, network, x).passed
    assert check_function(network.spec, network, x, free=3).passed
    assert not check_function(network.spec, network, x, free=4).passed
    with pytest.raises(InputError, match=r"lacks the tensor 'layers\.0\.weight'"):
        check_function(Spec({}), network, x)
