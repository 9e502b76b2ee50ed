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
# (inr-minmax)=
# # Normalised weights
#
# *Aim.* Rescale all weights to $[0,1]$ before weight matching sees them, as the thesis tried, measure
# what it does to the line, and find out why.
#
# *Needs.* The networks of [an earlier chapter](fitting.py). At smoke about twenty seconds on one CPU
# core; at laptop some eight minutes on two.

# %%
import torch

from onebasin import apply, book, seeds
from onebasin.connectivity import barrier, features, loss_along_line, stops
from onebasin.data import shapes as data
from onebasin.matching import group_similarity, preprocess, weight_match
from onebasin.networks import initialise
from onebasin.plotting import variations as draw
from onebasin.shapes import Counts, fitting, recipes, reconstruction

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
points = 2000  # points the loss is measured on (the thesis has 10,000)
read_back = 128  # points read back from each network
rounds = 40  # budget of each search, in rounds of 4,096 candidates
draws = 10  # initial draws whose first layers are compared
study = "generated/chair_0"  # the shape whose clouds are shown
device = "cpu"

# %% tags=["remove-output"]
run = book.start(
    "inrs/minmax",
    profile=profile,
    shapes=shapes,
    width=width,
    samples=samples,
    batch=batch,
    initialisations=initialisations,
    together=together,
    points=points,
    read_back=read_back,
    rounds=rounds,
    draws=draws,
    study=study,
    device=device,
)

# %% [markdown]
# ## A worry about size
#
# **Claims** ({cite:t}`ballerini2023`, §3.3.1, Fig. 3.5). *SIREN's initialisation makes the weights and
# biases of the first layer the largest.* Does weight matching, which minimises a Euclidean distance,
# then look at the first layer and neglect the rest? So all weights are normalised before matching, and
# the permutation is applied to the raw ones. *Both ways of normalising make the path worse.*
#
# The first statement is about draws alone. We compare mean magnitudes, weights and biases separately, of
# the first layer with those of every other layer:

# %% tags=["remove-output"]
inrs = recipes.load(run.recipe(recipes.make(recipes.of(run.params), device=device)))
network = inrs.settings.network(device)
spec = network.spec
fresh = initialise(network, range(draws), stream="first-layer")
sizes = {name: tensor.abs().flatten(1).mean(1).cpu() for name, tensor in fresh.items()}
kinds_of = ("weight", "bias")
ratios = {
    kind: torch.stack(
        [sizes[f"layers.0.{kind}"] / sizes[n] for n in sizes if kind in n and ".0." not in n]
    ).amin(0)
    for kind in kinds_of
}
smallest = torch.minimum(*ratios.values())
assert len(sizes) == 10 and (smallest > 0).all()

# %%
rows = {kind: book.metric(values) for kind, values in ratios.items()}
run.record("first-layer", metrics=rows, seeds=range(draws))
_ = run.claim("inr-first-layer", ratio=book.measured(book.bootstrap(smallest)))

# %% [markdown]
# The first layer's weights are on average {measured}`inrs/minmax/first-layer.none:weight:.0f` times as
# large as those of the next largest layer, its biases
# {measured}`inrs/minmax/first-layer.none:bias:.1f` times.
#
# ## Two ways to normalise
#
# ```{math}
# :label: eq-minmax
# W\leftarrow\frac{W-m}{M-m},\qquad
# \begin{cases}
# m=\min W,\ M=\max W & \text{minmax1: every tensor by itself}\\
# m=\min(W^A,W^B),\ M=\max(W^A,W^B) & \text{minmax2: tensors of both networks together}
# \end{cases}
# ```
#
# A tensor whose entries are all equal, such as the last layer's single bias, has no range; it becomes 0.
# In the library:
#
# ```{source} onebasin.matching.preprocess.minmax_paired
# ```


# %%
def pairs(shape):
    """Network 0 of a shape against the networks of other starts, as two stacks."""
    numbers = range(2, 2 + initialisations)
    ref = inrs.pick([inrs.index(shape, 0)] * initialisations, device)
    return ref, inrs.pick([inrs.index(shape, number) for number in numbers], device)


def blind(spec, ref, other):
    """Raw weights without biases, for a matcher that is not to see them."""
    return tuple(
        {n: 0 * t if n.endswith("bias") else t for n, t in s.items()} for s in (ref, other)
    )


shown = {
    "raw": lambda spec, ref, other: (ref, other),
    "single": preprocess.minmax_single,
    "paired": preprocess.minmax_paired,
    "blind": blind,
}


def matched(kind, ref, other):
    """Other, permuted by weight matching of what the kind of preprocessing shows."""
    return weight_match(spec, *shown[kind](spec, ref, other)).element


# %% [markdown]
# ## What it can change at all
#
# An assignment compares inner products of units. With $a'=(a-m)/r$ and $b'=(b-n)/s$,
#
# ```{math}
# :label: eq-minmax-shift
# \langle a',b'\rangle=\frac1{rs}\Bigl(\langle a,b\rangle-n\sum_f a_f-m\sum_f b_f+\text{const}\Bigr).
# ```
#
# The second term belongs to a row of the similarity alone, the third to a column alone. Every assignment
# takes each row and each column once, so these terms add the same to all assignments: *the shifts drop
# out*. Min-max is nothing but a weight $1/(rs)$ for each tensor. The two must therefore give the same
# permutation as division by the range without any shift.

# %%
ref, other = pairs(shapes[0])
spans = [
    {n: (t.flatten(1).amax(1) - t.flatten(1).amin(1)) for n, t in s.items()} for s in (ref, other)
]
ranged = [
    {
        n: t.double() / r[n].double().clamp(min=1e-9).view(-1, *[1] * (t.ndim - 1))
        for n, t in s.items()
    }
    for s, r in zip((ref, other), spans, strict=True)
]
shifted = matched("single", ref, other)
unshifted = weight_match(spec, *ranged).element
same = [(shifted.perms[g] == unshifted.perms[g]).double().mean() for g in spec.groups]
assert min(same) > 0.99

# %% [markdown]
# ## The line
#
# All pairs of different starts, with four things shown to the matcher: raw weights, the two normalised
# forms, and, for reasons that will be clear below, raw weights without the biases.

# %% tags=["remove-output"]
lambdas = torch.linspace(0, 1, 25)
curves, elements = {kind: [] for kind in ("none", *shown)}, {kind: [] for kind in shown}
for shape in shapes:
    surface, (ref, other) = data.surface(shape), pairs(shape)
    held_out = fitting.held_out_points(surface, inrs.settings, Counts().scaled(points), device)
    for kind in curves:
        with run.clock("path"):
            moved = other
            if kind != "none":
                elements[kind].append(matched(kind, ref, other))
                moved = apply(elements[kind][-1], other)
            curves[kind].append(loss_along_line(network, ref, moved, fitting.bce, held_out).loss)

# %%
loss = {kind: torch.cat(parts).cpu() for kind, parts in curves.items()}
groups = [k for k in range(len(shapes)) for _ in range(initialisations)]
heights = {kind: barrier(curve) for kind, curve in loss.items()}
ends = loss["none"][:, [0, -1]]
assert all(torch.allclose(curve[:, [0, -1]], ends, atol=1e-3) for curve in loss.values())
quantities = {
    kind: book.measured(book.bootstrap(heights[kind], groups), "nats")
    for kind in ("raw", "single", "paired")
}
_ = run.claim("inr-minmax", **quantities)


# %%
def agreement(kind, other_kind):
    """Fraction of units that two kinds of preprocessing send to the same place, per pair."""
    both = zip(elements[kind], elements[other_kind], strict=True)
    same = [(a.inverse() @ b).fixed_points() for a, b in both]
    return torch.cat([sum(one.values()) for one in same]).double().cpu() / (
        width * len(spec.groups)
    )


# %% tags=["remove-output"]
rows = {f"{kind}_barrier": book.metric(heights[kind], "nats", groups) for kind in loss}
for kind in ("raw", "single", "paired"):
    rows[f"{kind}_like_blind"] = book.metric(agreement(kind, "blind"), "1", groups)
    rows[f"{kind}_curve"] = book.metric(features.likeness(loss[kind], loss["blind"]), "1", groups)
rows["single_like_paired"] = book.metric(agreement("single", "paired"), "1", groups)
wide = [torch.stack([one[name] for name in one if one[name].min() > 0]) for one in spans]
rows["ranges"] = book.metric((torch.minimum(*wide) / torch.maximum(*wide)).mean(0))
worse = {kind: (heights[kind] > heights["raw"]).double() for kind in ("single", "paired")}
rows |= {f"{kind}_worse": book.metric(values, "1", groups) for kind, values in worse.items()}
arrays = {"lambdas": lambdas, **loss}
_ = run.record("path", method="weight", metrics=rows, seeds=range(len(groups)), arrays=arrays)

# %% mystnb={"figure": {"name": "fig-inr-minmax", "caption": "Loss along the line between INRs of different starts, mean over all pairs: unmatched (thin, dashed), and after weight matching of raw weights, of weights normalised tensor by tensor (minmax1) or in corresponding pairs of tensors (minmax2), and of raw weights without biases (grey)."}, "image": {"alt": "One line chart of loss against position. The unmatched curve and the grey one of matching without biases have two peaks. The curve after matching raw weights rises further inside. The two curves of normalised weights nearly coincide; their form lies between that of raw weights and that without biases."}}
run.show(draw.draw_minmax, "path", height=3.8)

# %% [markdown]
# The mean barrier is {measured}`inrs/minmax/path.weight:raw_barrier:.2f` nats with raw weights,
# {measured}`inrs/minmax/path.weight:single_barrier:.2f` with minmax1,
# {measured}`inrs/minmax/path.weight:paired_barrier:.2f` with minmax2, and
# {measured}`inrs/minmax/path.weight:none_barrier:.2f` unmatched. Of the pairs,
# {measured}`inrs/minmax/path.weight:single_worse:.2f` and {measured}`inrs/minmax/path.weight:paired_worse:.2f` have a
# higher barrier than with raw weights. The curves of the two normalised forms lie close together: of two ranges
# of one tensor in two networks the smaller is {measured}`inrs/minmax/path.weight:ranges:.2f` of the larger, on
# average over the tensors of the first shape's pairs, so that nearly the same is divided by nearly the same. The
# permutations are another matter: {measured}`inrs/minmax/path.weight:single_like_paired:.2f` of the units go to
# the same place, since a small change of the similarity is enough where many assignments are almost as good.
#
# ## Who decides
#
# The similarity of a group is a sum over tensors: incoming weights, biases, outgoing weights. A term that
# is nearly constant, up to rows and columns, decides nothing. So we take from every term the means of
# rows and columns and call the spread of what is left its influence:
#
# ```{math}
# :label: eq-influence
# I_T=\frac{\lVert H S_T H\rVert}{\sum_{T'}\lVert H S_{T'}H\rVert},\qquad
# S=\sum_T S_T,\qquad H=\mathbf I-\tfrac1d\mathbf 1\mathbf 1^\top .
# ```


# %%
def centred(similarity):
    """A similarity without the means of its rows and columns."""
    rows_out = similarity - similarity.mean(-1, keepdim=True)
    return rows_out - rows_out.mean(-2, keepdim=True)


def influence(kind, ref, other):
    """Share of incoming weights, biases and outgoing weights in each group, ``[groups parts]``."""
    left, right = shown[kind](spec, ref, other)
    element = matched(kind, ref, other)
    table = torch.zeros(len(spec.groups), 3, dtype=torch.float64)
    for row, group in enumerate(spec.groups):
        parts = (f"layers.{row}.weight", f"layers.{row}.bias", f"layers.{row + 1}.weight")
        for column, name in enumerate(parts):
            bare = [{n: t if n == name else 0 * t for n, t in s.items()} for s in (left, right)]
            alone = group_similarity(spec, *bare, group, element)
            table[row, column] = centred(alone).norm(dim=(-1, -2)).mean().cpu()
    return table / table.sum(1, keepdim=True)


# %%
square = torch.rand(5, 5, generator=seeds.stream("square"), dtype=torch.float64)
lifted = square + torch.arange(5.0)[:, None] - torch.arange(5.0)
assert torch.allclose(centred(square), centred(lifted))

# %% tags=["remove-output"]
with run.clock("influence"):
    tables = {
        kind: torch.stack([influence(kind, *pairs(shape)) for shape in shapes])
        for kind in ("raw", "single", "paired")
    }
rows = {f"bias_{kind}": book.metric(table[:, 1:, 1].mean(1)) for kind, table in tables.items()}
rows |= {f"bias_first_{kind}": book.metric(table[:, 0, 1]) for kind, table in tables.items()}
arrays = {kind: table.mean(0) for kind, table in tables.items()}
arrays |= {"groups": list(spec.groups), "parts": ["incoming weights", "bias", "outgoing weights"]}
_ = run.record("influence", metrics=rows, seeds=range(len(shapes)), arrays=arrays)

# %% mystnb={"figure": {"name": "fig-inr-influence", "caption": "Share of incoming weights, biases and outgoing weights in the spread of the similarity of each hidden layer, mean over shapes: raw weights, minmax1, minmax2."}, "image": {"alt": "Three stacked bar charts over the four hidden layers. With raw weights the biases make up a large part of the bar of the deeper layers; after either normalisation their part shrinks and that of the weights grows."}}
run.show(draw.draw_influence, "influence", height=3.0)

# %% [markdown]
# In the layers after the first, biases have a share of
# {measured}`inrs/minmax/influence.none:bias_raw:.2f` of the spread with raw weights,
# {measured}`inrs/minmax/influence.none:bias_single:.2f` with minmax1 and
# {measured}`inrs/minmax/influence.none:bias_paired:.2f` with minmax2. That is the effect of bringing all
# tensors to one range: a unit has one bias and hundreds of weights, and what was an order of magnitude
# larger no longer is. The worry about the first layer was about the wrong tensor: min-max does not so much
# free the matcher from the first layer as take the biases from it.
#
# [The chapter on the line](line.py) found that the biases are what turns two peaks into one. The prediction
# is that normalised matching behaves more like matching blind to biases. The curves of minmax1 correlate with the
# blind ones with {measured}`inrs/minmax/path.weight:single_curve:.3f`, those of raw weights with
# {measured}`inrs/minmax/path.weight:raw_curve:.3f`; the permutations send
# {measured}`inrs/minmax/path.weight:single_like_blind:.3f` and
# {measured}`inrs/minmax/path.weight:raw_like_blind:.3f` of the units to the same place as the blind ones.
#
# ## In pictures

# %% tags=["remove-output"]
search = reconstruction.SearchOptions(
    points=read_back, rounds=rounds, walkers=2 * read_back, hopeless=1e-3, seconds=None
)
ref, other = pairs(study)
clouds = torch.zeros(3, len(lambdas), read_back, 3)
complete = torch.zeros(3, len(lambdas), dtype=torch.bool)
for row, kind in enumerate(("raw", "single", "paired")):
    moved = apply(elements[kind][shapes.index(study)], other)
    line = stops(*({name: t[0] for name, t in s.items()} for s in (ref, moved)))
    streams = [seeds.stream(f"line/{study}", k) for k in range(len(lambdas))]
    found = reconstruction.reconstruct(network, line, streams, search)
    complete[row] = found.complete
    for k, cloud in enumerate(found.clouds):
        clouds[row, k, : len(cloud)] = cloud.cpu()
arrays = {"points": clouds.half(), "complete": complete}
rows = {"unfinished": book.metric((~complete).double().mean(1))}
_ = run.record("clouds", method="weight", metrics=rows, seeds=[0], arrays=arrays)

# %% mystnb={"figure": {"name": "fig-inr-minmax-clouds", "caption": "Clouds read back at the 25 stops of one line, in reading order (twin of the thesis's Fig. 3.5): after weight matching of raw weights, with minmax1, with minmax2. A cross: the search ran out of its budget."}, "image": {"alt": "Three blocks of twenty-five small clouds. In the first block the shape survives for several stops from both ends; in the other two it is lost sooner, and crosses or scattered points fill the middle."}}
run.show(draw.draw_clouds, "clouds", height=2.8, share=False)

# %% [markdown]
# ## Paper vs measured
#
# ```{verdicts} inrs/minmax
# ```
#
# ## Caveats
#
# - A barrier is one number of a curve. Two curves with the same barrier can differ in everything else;
#   {numref}`fig-inr-minmax` shows the whole.
# - That magnitudes of the first layer are the largest is a statement about the draw, and not about what
#   matters to a matcher: the first layer has three weights for each unit, the others hundreds.
# - Min and max are the most fragile statistics of a tensor: one large entry sets the weight of all others.
#
# ## Cost
#
# ```{cost} inrs/minmax
# ```
#
# ## Exercises
#
# 1. *Recall.* Why do the shifts of min-max not matter to an assignment, and would they matter to the
#    objective?
# 2. *Change one assumption.* Multiply all biases by ten before matching. Does the one peak move, or the
#    barrier?
# 3. *Measure something new.* Find the weight of the biases that gives the lowest barrier on one shape.
#    Does it do so on the others?
#
# ````{dropdown} Solutions
# 1. They add a number that depends on a row alone or on a column alone, and a permutation takes every row
#    and column once. The objective, the inner product, does change by that constant.
# 2. Write a `shown["loud"]` as `blind` is written, with `10 * t`.
# 3. The same with a factor from a grid; keep the reference network and the points fixed.
# ````
#
# References: {cite:p}`ballerini2023,sitzmann2020,ainsworth2023`.

# %% tags=["nbval-check-output"]
run.finish()
