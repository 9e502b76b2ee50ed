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
# (inr-identity)=
# # Is the permutation the identity?
#
# *Aim.* Count how many units weight matching leaves where they are: for networks that started alike
# it should be all of them, for others next to none. Then find out what the count is worth.
#
# *Needs.* The networks of [an earlier chapter](fitting.py). At smoke some ten seconds on one CPU core;
# at laptop about a minute.

# %%
import torch

from onebasin import apply, book, seeds
from onebasin.data import shapes as data
from onebasin.matching import activation_match, weight_match
from onebasin.plotting import variations as draw
from onebasin.shapes import Counts, queries, recipes
from onebasin.symmetry import Permutation

# %% tags=["parameters"]
profile = "smoke"
shapes = [
    "generated/airplane_0",
    "generated/bed_0",
    "generated/chair_0",
    "generated/lamp_0",
    "generated/mug_0",
    "generated/table_0",
]
width = 64  # units of each of the four hidden layers
samples = 50_000  # labelled points around each shape (the thesis has 500,000)
batch = 250  # of them per step (the thesis has 10,000)
initialisations = 3  # pairs of different starts per shape
together = 30  # networks fitted at once
activation_points = 4000  # points for activation matching (the thesis has 125,000)
device = "cpu"

# %% tags=["remove-output"]
run = book.start(
    "inrs/identity",
    profile=profile,
    shapes=shapes,
    width=width,
    samples=samples,
    batch=batch,
    initialisations=initialisations,
    together=together,
    activation_points=activation_points,
    device=device,
)

# %% [markdown]
# ## A test that needs no loss
#
# **Claim** ({cite:t}`ballerini2023`, §3.2, Fig. 3.3). *For two INRs of the same start, weight matching
# returns the identity or nearly so, 512 ones on the diagonal of each matrix; for different starts, something
# far from it.*
#
# The reasoning: networks of one start lie in one basin already, so a method that looks for the permutation
# into the basin should notice that there is nothing to do. With $P_l$ the permutation of layer $l$ of
# width $d$,
#
# ```{math}
# :label: eq-in-place
# \operatorname{stay}(P_1,\dots,P_4)=\frac1{4d}\sum_{l=1}^{4}\operatorname{tr}P_l .
# ```
#
# A permutation drawn at random leaves one unit of each layer in place on average, whatever the width: a
# stay of $1/d$ is chance.

# %% tags=["remove-output"]
inrs = recipes.load(run.recipe(recipes.make(recipes.of(run.params), device=device)))
network = inrs.settings.network(device)
spec = network.spec


# %%
def stay(element):
    """Fraction of the units of every layer that stay in place, ``[models layers]``."""
    counts = element.fixed_points()
    return torch.stack([counts[group] for group in spec.groups], -1).double().cpu() / width


sizes = dict.fromkeys(spec.groups, width)
nothing = Permutation.identity(spec, sizes)
chance = Permutation.random(spec, sizes, seeds.stream("chance"), models=400)
assert (stay(nothing) == 1).all()
assert abs(float(stay(chance).mean()) - 1 / width) < 4 / width / 40

# %% [markdown]
# ## Counting
#
# Network 0 of every shape against network 1, which started from the same weights, and against the
# others, which did not.


# %%
def pairs(shape, kind):
    """Network 0 against those of its own start, or of others, as two stacks."""
    numbers = [1] if kind == "same" else list(range(2, 2 + initialisations))
    ref = inrs.pick([inrs.index(shape, 0)] * len(numbers), device)
    return ref, inrs.pick([inrs.index(shape, number) for number in numbers], device)


def by_activations(shape, ref, other):
    """Activation matching on points around the shape."""
    surface = data.surface(shape)
    cloud = surface.sample(2048, generator=seeds.stream(f"activation-cloud/{shape}"))
    asked = Counts().scaled(activation_points)
    x = queries(cloud, asked, generator=seeds.stream(f"activation/{shape}")).to(device)
    return activation_match(spec, ref, other, network=network, data=x)


# %% tags=["remove-output"]
matchers = {
    "weight": lambda shape, ref, other: weight_match(spec, ref, other),
    "activation": by_activations,
}
in_place, shape_of = {}, {}
for kind in ("same", "diff"):
    for method, match in matchers.items():
        with run.clock(kind):
            parts = [stay(match(name, *pairs(name, kind)).element) for name in shapes]
        in_place[kind, method] = torch.cat(parts)
        shape_of[kind] = [k for k, part in enumerate(parts) for _ in part]

# %% tags=["remove-output"]
for (kind, method), values in in_place.items():
    groups = shape_of[kind]
    rows = {"stay": book.metric(values.mean(1), "1", groups)}
    rows["exact"] = book.metric((values == 1).all(1).double(), "1", groups)
    rows["ones"] = book.metric(values.mean(1) * width, "units", groups)
    arrays = {"in_place": values, "shape": groups, "names": shapes}
    run.record(kind, method=method, metrics=rows, seeds=range(len(groups)), arrays=arrays)

# %% mystnb={"figure": {"name": "fig-inr-identity", "caption": "Fraction of units that weight matching leaves in place (twin of the thesis's Fig. 3.3, which counts ones on the diagonal): mean over layers for every shape (left), every pair at each hidden layer (right)."}, "image": {"alt": "Two dot plots of the fraction of units that stay. For the same start all dots lie at or near one, for every shape and layer; for different starts all dots lie near zero."}}
run.show(draw.draw_by_weights, ["same", "diff"], height=3.2)

# %%
quantities = {
    kind: book.measured(book.bootstrap(in_place[kind, "weight"].mean(1), shape_of[kind]), unit)
    for kind, unit in (("same", "fraction of units"), ("diff", "fraction of units"))
}
assert all(((v >= 0) & (v <= 1)).all() for v in in_place.values())
_ = run.claim("inr-wm-identity", **quantities)

# %% [markdown]
# For the same start {measured}`inrs/identity/same.weight:stay:.3f` of the units stay, and
# {measured}`inrs/identity/same.weight:exact:.2f` of the pairs get the exact identity; for different starts
# {measured}`inrs/identity/diff.weight:stay:.3f` stay, that is {measured}`inrs/identity/diff.weight:ones:.1f` units
# of each layer.
#
# ## Is the identity found, or not left?
#
# Coordinate descent *starts* at the identity. A method that is stuck where it starts would pass the test
# above. So the units of network 1 are shuffled first, at random: now nothing is in place, and the right
# answer is the permutation that undoes the shuffle. Two shuffles a shape.


# %%
def shuffled(shape, draws=2):
    """Fraction of units brought back in place after a random relabelling, same start."""
    ref, other = pairs(shape, "same")
    ref, other = ({n: t.expand(draws, *t.shape[1:]) for n, t in s.items()} for s in (ref, other))
    mix = Permutation.random(spec, sizes, seeds.stream(f"mix/{shape}"), models=draws).to(device)
    found = weight_match(spec, ref, apply(mix, other))
    return stay(found.element @ mix), found.sweeps.double().cpu()


# %% tags=["remove-output"]
with run.clock("shuffled"):
    parts = [shuffled(name) for name in shapes]
back = torch.cat([part for part, _ in parts]).mean(1)
groups = [k for k, (part, _) in enumerate(parts) for _ in part]
rows = {"stay": book.metric(back, "1", groups)}
rows["sweeps"] = book.metric(torch.cat([count for _, count in parts]), "sweeps", groups)
_ = run.record("shuffled", method="weight", metrics=rows, seeds=range(len(groups)))

# %%
from onebasin.networks.siren import shared_initialisation
from onebasin.shapes.hyper import distance_in_norms

first = shared_initialisation(inrs.settings.network())
zeros = [inrs.pick([inrs.index(name, 0)]) for name in shapes]
moved = [distance_in_norms({n: t[0] for n, t in one.items()}, first) for one in zeros]
_ = run.record("moved", metrics={"moved": book.metric(moved)}, seeds=range(len(shapes)))

# %% [markdown]
# After the shuffle {measured}`inrs/identity/shuffled.weight:stay:.3f` of the units are brought back, in
# {measured}`inrs/identity/shuffled.weight:sweeps:.1f` sweeps: the identity is found, not only kept.
#
# ## Moved far is not moved well
#
# About *activation* matching the thesis suspects that "the permutation did not move $\theta_B$
# significantly", since the loss curve stays what it was. The count answers that, too. For the same start
# it leaves {measured}`inrs/identity/same.activation:stay:.3f` of the units in place, for different starts
# {measured}`inrs/identity/diff.activation:stay:.3f`; chance is one unit in a layer.

# %% mystnb={"figure": {"name": "fig-inr-identity-activation", "caption": "The same count for activation matching."}, "image": {"alt": "Two dot plots of the fraction of units that activation matching leaves in place: near one for pairs of the same start, near zero for different starts, for every shape and hidden layer."}}
run.show(draw.draw_by_activations, ["same", "diff"], height=3.2)

# %% [markdown]
# So both methods move nearly every unit of networks of different starts, and neither connects them
# ([the loss between INRs](line.py)). How far a permutation is from the identity says that the labels of
# the units were arbitrary, and nothing about whether the new ones are better.
#
# ## Paper vs measured
#
# ```{verdicts} inrs/identity
# ```
#
# ## Caveats
#
# - All networks 0 and 1 start from the one shared draw of the book. What is found for the same start is
#   found for that start.
# - Five hundred steps move the weights by {measured}`inrs/identity/moved.none:moved:.2f` of their norm at the
#   shared start ({measured}`inrs/identity/moved.none:moved:.2f@largest` at the largest recorded profile). Longer
#   training could move units past each other.
# - Twin units, equal to rounding, could be exchanged without any loss; the count would call that a
#   difference.
#
# ## Cost
#
# ```{cost} inrs/identity
# ```
#
# ## Exercises
#
# 1. *Recall.* How many units does a random permutation of 512 leave in place on average, and with what
#    spread?
# 2. *Change one assumption.* Match network 1 of one shape to network 0 of *another*. Same start,
#    different shape: how much stays?
# 3. *Measure something new.* How much noise on the weights of network 1 does it take until half of the
#    shuffled units are not brought back?
#
# ````{dropdown} Solutions
# 1. One, with variance one: each unit stays with probability $1/512$, and the events are nearly
#    independent.
# 2. `inrs.pick([inrs.index(other_shape, 1)])` in the place of network 1. Compare the answer with how far
#    training moves the weights from the start they share (in the caveats).
# 3. Add `scale * torch.randn(...)` from a named stream to every tensor before `apply(mix, ...)` and
#    raise `scale` in steps of two.
# ````
#
# References: {cite:p}`ballerini2023,ainsworth2023`.

# %% tags=["nbval-check-output"]
run.finish()
