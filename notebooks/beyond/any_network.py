# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#       format_version: '1.3'
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# (any-network)=
# # Any network: its symmetry, read off the module
#
# *Aim.* Derive from any PyTorch module which axes of which tensors may be permuted together,
# instead of writing it down by hand for every architecture, and make sure that a wrong answer
# cannot pass.
#
# *Needs.* Half a minute on one CPU core; nothing is trained and nothing is downloaded.
#
# Every matcher in this book asks the same question first: what may be moved? For a chain of layers
# the answer is short, for a residual network it fills a page of tensor names, and for attention it
# is easy to get wrong. The published codes carry one hand-written table per architecture, and "how
# do I write it for mine?" is what their users ask. A mistake in such a table does not
# crash. It quietly averages the wrong units.

# %%
import torch
from torch import nn

from onebasin import book
from onebasin.matching import exhaustive, nested
from onebasin.networks import READY
from onebasin.plotting import axes as draw
from onebasin.seeds import numpy_stream, stream
from onebasin.symmetry import CannotFollow, Concat, Product, Spec, check_function, derive

# %% tags=["parameters"]
profile = "smoke"
wrong = 3  # wrong specs tried for each architecture

# %% tags=["remove-output"]
run = book.start("beyond/any_network", profile=profile, wrong=wrong)

# %% [markdown]
# ## A network nobody listed
#
# **Claim** (ours). *The permutation spec of any module can be derived from the module itself, and
# verified by equality of functions.*
#
# Take a small image classifier with most of what makes hand-written tables long: a residual block,
# a normalisation, two branches put side by side, and a flattening between the last convolution and
# the first dense layer.


# %%
class Small(nn.Module):
    """A residual block, two branches, a flattening."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 6, 3, padding=1)
        self.norm = nn.BatchNorm2d(6)
        self.inside = nn.Conv2d(6, 5, 3, padding=1)
        self.back = nn.Conv2d(5, 6, 1)
        self.left, self.right = nn.Conv2d(6, 4, 3, padding=1), nn.Conv2d(6, 3, 1)
        self.dense, self.head = nn.Linear(7 * 16, 8), nn.Linear(8, 2)

    def forward(self, x):
        x = self.norm(self.stem(x)).relu()
        x = x + self.back(self.inside(x).relu())
        x = torch.cat([self.left(x), self.right(x)], 1).relu()
        return self.head(self.dense(x.flatten(1)).relu())


# %% [markdown]
# One call derives its spec. By hand, the same would read as follows. `Concat` is an axis of several
# segments; `Product("left", 16)` an axis on which each channel stands for its 16 positions; `None`
# an axis that stays.

# %%
module = Small()
example = torch.randn(2, 3, 4, 4, generator=stream("example"))
spec = derive(module, example)
both = Concat(Product("left", 16), Product("right", 16))
weights = {
    "stem": ("stream", None, None, None),
    "inside": ("inside", "stream", None, None),
    "back": ("stream", "inside", None, None),
    "left": ("left", "stream", None, None),
    "right": ("right", "stream", None, None),
    "dense": ("dense", both),
    "head": (None, "dense"),
}
by_hand = {f"{name}.weight": on for name, on in weights.items()}
by_hand |= {f"{name}.bias": on[:1] for name, on in weights.items()}
for name in ("weight", "bias", "running_mean", "running_var"):
    by_hand[f"norm.{name}"] = ("stream",)
by_hand["norm.num_batches_tracked"] = ()
assert spec.same(Spec(by_hand))

# %% tags=["remove-output"]
tensors, entries = draw.labels(spec)
groups = book.metric([len(spec.groups)], "groups")
arrays = {"tensors": tensors, "entries": entries}
_ = run.record("example", metrics={"groups": groups}, arrays=arrays)

# %% mystnb={"figure": {"name": "fig-any-axes", "caption": "The derived spec of the network above. One row for each tensor, one box for each of its axes; boxes of one number and colour are permuted together, grey ones stay. Numbers in brackets are positions that stay inside each unit."}, "image": {"alt": "A table of coloured boxes, one row per tensor of the small network and one box per axis. The stem, the norm and the convolution that leads back into the residual stream share one colour on their first axis. The weight of the dense layer has a second axis split into two colours, one for each branch. Kernel axes, inputs and outputs are grey."}}
run.show(draw.draw_axes, "example", height=5.6)

# %% [markdown]
# Nothing is frozen in silence. The spec says for every axis that stays why it does, and where the
# activations of each group can be read while the network runs, which is what activation matching
# needs.

# %%
stays = {(name, k) for name, on in spec.axes.items() for k, entry in enumerate(on) if not entry}
assert stays < set(spec.fixed)  # and the positions inside each unit of the dense layer
assert spec.fixed["stem.weight", 1] == "an input of the network"
assert spec.fixed["stem.weight", 2] == "positions under a kernel"
assert spec.fixed["head.weight", 0] == "an output of the network"
assert set(spec.taps) == set(spec.groups)

# %% [markdown]
# ## How it is found
#
# PyTorch's own tracer (`torch.export`) turns the module into a list of elementary operations. Every
# axis of every weight starts as an unknown of its own, and each operation says something about
# unknowns. A sum of two tensors makes their axes equal. A dense layer makes the axis it sums over
# equal to its input's. A concatenation puts segments one after another, a reshape multiplies or
# splits axes, and an input, an output or a position under a kernel has to stay. There is no list of
# known architectures, only rules for operations.
#
# Solving for the unknowns is *unification*: each is free, equal to another one, bound to a structure
# of others, or fixed with a reason. This is the step that makes two axes equal:
#
# ```{source} onebasin.symmetry.atoms.unify
# ```
#
# A rule can only ever add restrictions. One that adds too many loses a symmetry, which the comparison
# below would show; one that adds too few invents a symmetry, which the check of functions would.
#
# ## Attention: permutations inside permutations
#
# The heads of an attention may be exchanged as blocks, and inside head $h$ the $d$ coordinates of
# queries and keys may be permuted together, in every head in another way (values and output
# likewise). Unit $(h,i)$ receives unit $(\sigma(h),\tau_h(i))$, and one such move after another is
#
# ```{math}
# :label: eq-wreath
# (\sigma_2,\tau_2)\cdot(\sigma_1,\tau_1)
# =\bigl(\sigma_1\sigma_2,\;h\mapsto\tau_{1,\sigma_2(h)}\,\tau_{2,h}\bigr),
# ```
#
# the semidirect (wreath) product $S_d\wr S_H$ with $(d!)^H H!$ elements. The library stores such a
# move as the one permutation of all $Hd$ units that it is, so that composing, inverting and applying
# need no new code. Only *choosing* one does: for every pair of heads the best inner assignment is
# solved, and what it is worth decides which head goes with which. That is exact, as an enumeration
# of a small case shows.


# %%
class Attention(nn.Module):
    """Two heads on a residual stream."""

    def __init__(self):
        super().__init__()
        self.inwards, self.outwards = nn.Linear(3, 6), nn.Linear(6, 2)
        self.heads = nn.MultiheadAttention(6, 2, batch_first=True)

    def forward(self, x):
        x = self.inwards(x)
        return self.outwards(x + self.heads(x, x, x, need_weights=False)[0])


attention = Attention()
tokens = torch.randn(2, 5, 3, generator=stream("tokens"))
blocks = derive(attention, tokens)
family = next(family for family in blocks.families if len(family) == 2)
# the stream; the heads; queries with keys and values with outputs inside each of two heads
assert check_function(blocks, attention, tokens, free=1 + 1 + 2 * 2).passed

# %%
small = Spec({group: (group,) for group in family}, blocks.nested)
ways = exhaustive.group_elements(small, dict.fromkeys(family, 6))
assert ways.models == (6**2) ** 2 * 2  # 3! in each of two heads, twice; which head is which
gaps = []
for case in range(20):
    draws = torch.randn(2, 6, 6, generator=stream("heads", case), dtype=torch.float64)
    similar = dict(zip(family, draws, strict=True))
    stack = {group: s.expand(ways.models, 6, 6) for group, s in similar.items()}
    best = nested.total_value(stack, ways.perms).max()
    found = nested.total_value(similar, nested.solve_groups(small, similar))
    gaps.append(float((best - found) / best.abs()))
assert max(gaps) < 1e-12

# %% [markdown]
# ## All ready networks, in both directions
#
# For each architecture that the library has ready, its class carries a spec written by hand,
# independently of all this. Here is what is asked of the derived one.
#
# 1. It *equals* the hand-written one, up to the names of groups. This is the direction in which a
#    spec could be too small; one without any group would keep every function.
# 2. It *keeps the function*: random elements are applied in float64 to disturbed weights (at their
#    initial ones and zeros, normalisation layers would hide errors), and outputs are compared.
# 3. The check *can see*: the same elements applied to one axis of each group change the outputs.
# 4. It keeps the function with *fresh* weights, elements and inputs.
# 5. *Wrong specs do not pass*: one axis, drawn at random, is forgotten, and the check must fail. One kind
#    of axis is left out, since forgetting it is not wrong: the bias of an attention's keys adds the same to
#    all scores of a query, and the softmax ignores it.
#
# A relative change above $10^{-9}$ counts as a changed function.


# %%
def forget(spec, rng):
    """The same spec with one axis of a group left behind."""
    names = [name for name in spec.compared if not name.endswith("key.bias")]
    places = [(n, k) for n in names for k, on in enumerate(spec.axes[n]) if on]
    name, axis = places[int(rng.integers(len(places)))]
    on = tuple(None if k == axis else entry for k, entry in enumerate(spec.axes[name]))
    sizes = {**spec.units}
    return Spec({**spec.axes, name: on}, spec.nested, sizes, spec.carried)


def judge(name):
    """Everything that is asked of one architecture."""
    network, shape = READY[name].small(), READY[name].small_sample
    inputs = [torch.randn(2, *shape, generator=stream("inputs", k)) for k in (0, 1)]
    spec, rng = derive(network, inputs[0]), numpy_stream("forget", len(name))
    checks = [check_function(spec, network, x, seed=k) for k, x in enumerate(inputs)]
    bad = [check_function(forget(spec, rng), network, inputs[0]) for _ in range(wrong)]
    return spec.same(network.spec), checks, bad


# %% tags=["remove-output"]
names = sorted(READY)
with run.clock("networks"):
    right, checks, bad = zip(*(judge(name) for name in names), strict=True)
assert all(first.passed for first, _ in checks)
assert not any(check.passed for row in bad for check in row)
deceived = sum(first.passed and not fresh.passed for first, fresh in checks)
arrays = {
    "names": names,
    "error": [first.error for first, _ in checks],
    "fresh": [fresh.error for _, fresh in checks],
    "control": [first.control for first, _ in checks],
    "broken": [[check.error for check in row] for row in bad],
}
metrics = {
    "groups": book.metric([first.free for first, _ in checks], "groups"),
    "error": book.metric([*arrays["error"], *arrays["fresh"]]),
    "control": book.metric(arrays["control"]),
    "broken": book.metric([error for row in arrays["broken"] for error in row]),
}
_ = run.record("networks", metrics=metrics, seeds=range(len(names)), arrays=arrays)

# %% mystnb={"figure": {"name": "fig-any-checks", "caption": "What random moves do to the outputs of every ready network: elements of the derived spec, the same with fresh weights and inputs, elements applied to one axis of each group only, and elements of specs in which one axis is forgotten. Dotted: the largest change that counts as rounding."}, "image": {"alt": "Relative change of the output on a logarithmic axis for fourteen architectures. Circles and squares, elements of the derived spec, lie near rounding, far below the dotted line; triangles and crosses, wrong moves, lie many powers of ten above it."}}
run.show(draw.draw_checks, "networks", height=4.4)

# %%
share = book.measured(sum(right) / len(right), "fraction of architectures", n=len(right))
_ = run.claim("auto-spec", right=share, wrong=deceived, cases=len(names))

# %% [markdown]
# The largest relative change under an element is of the order of roundings, the smallest under a
# wrong move many powers of ten larger: there is no twilight between the two in which a tolerance
# would decide.
#
# ## What cannot be followed
#
# An operation without a rule is an error, never a guess. It names the operation and the module, and
# says how to declare by hand what it does: `"fixed"` for "no axis it touches may be permuted",
# `"elementwise"` for "it acts on every entry alike". With the declaration the derivation goes on.


# %%
class Spectrum(nn.Module):
    """A layer between two others that mixes its units by their order."""

    def __init__(self):
        super().__init__()
        self.one, self.two, self.three = nn.Linear(4, 8), nn.Linear(5, 6), nn.Linear(6, 2)

    def forward(self, x):
        return self.three(self.two(torch.fft.rfft(self.one(x)).abs()).tanh())


odd, x = Spectrum(), torch.randn(3, 4, generator=stream("odd"))
try:
    derive(odd, x)
    message = "nothing was wrong"
except CannotFollow as error:
    message = str(error)
assert "fft_rfft" in message and "declare=" in message
told = derive(odd, x, declare={"fft_rfft": "fixed"})
assert told.fixed["one.weight", 0] == "declared fixed by hand"
assert check_function(told, odd, x, free=1).passed

# %% [markdown]
# ## Paper vs measured
#
# ```{verdicts} beyond/any_network
# ```
#
# ## Caveats
#
# - *Derived means: what the operations allow.* A function can have more symmetries than its
#   operations show, such as two units that happen to be equal. Equality with the hand-written specs
#   says that on these architectures nothing is lost, not that it never is.
# - *The trace is one path.* A branch on data is an error. A branch on a shape or a flag is followed
#   as the example takes it; derive anew if another input takes the other.
# - *Evaluation mode.* Dropout does nothing then, and batch normalisation uses its running statistics,
#   which move with their channels but are not compared when networks are matched.
# - *Weights with an axis of their own for heads* (shape `[heads, d, model]`) get one common inner
#   permutation for all heads, a smaller group than the true one. An axis of length one carries no group.
# - *Chance.* A wrong spec that is tried passes only if the random elements all happen to keep the function. For
#   groups of two units and more, two draws of which none is the identity make that a matter of
#   exact ties in the weights, and the weights are disturbed at random first.
#
# ## Cost
#
# ```{cost} beyond/any_network
# ```
#
# ## Exercises
#
# 1. *Recall.* Why must the spec of a residual network tie the outputs of all blocks of a stage?
# 2. *Change one assumption.* Leave `disturbed` weights aside: apply a spec that forgets the batch
#    norm's axis to a freshly initialised network. Does the check still see it?
# 3. *Measure something new.* How many elements has the group of the small vision transformer if the
#    inner permutations had to be the same in all heads?
#
# ````{dropdown} Solutions
# 1. A sum adds channel by channel. If the block's output were relabelled and its input not, the sum
#    would pair channels that do not belong together.
# 2. No. Fresh weights are ones, biases zeros and running statistics zeros and ones, which no
#    permutation changes. This is why the weights are disturbed.
# 3. Each block then has $H!\,(d!)^2$ elements for its attention in the place of $H!\,(d!)^{2H}$, as
#    {py:func}`onebasin.symmetry.counting.count` of the sizes of the free groups gives.
# ````
#
# References: {cite:p}`ainsworth2023,ballerini2023,navon2024`.

# %% tags=["nbval-check-output"]
run.finish()
