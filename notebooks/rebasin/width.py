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
# (rebasin-width)=
# # Wider networks
#
# *Aim.* Train pairs of networks that differ from other pairs in nothing but their width, match them,
# and see what is left of the barrier. First perceptrons, at widths that a laptop can train, then the
# convolutional networks that the paper speaks about, as far as there is time for them; with batch
# normalisation among them, where one has to say whose statistics a merged network uses.
#
# *Needs.* At smoke half a minute on one CPU core, with digits that come with a package. At laptop all
# of MNIST, and CIFAR-10 for small convolutional networks: an hour of training on two cores, then a
# quarter of one. VGG16 and ResNet20 of the paper's widths and epochs need the gpu profile and many hours.

# %%
import math

import torch

from onebasin import book, seeds
from onebasin.connectivity import (
    barrier,
    loss_along_line,
    loss_along_normalised,
    mean_barrier,
    rank_likeness,
)
from onebasin.matching import weight_match
from onebasin.networks import classifiers, recipes
from onebasin.plotting import width as draw
from onebasin.symmetry import apply

# %% tags=["parameters"]
profile = "smoke"
data = "mnist5k"  # or "mnist", from the folder named by ONEBASIN_DATA
widths = [8, 16, 32, 64]  # units of each of three hidden layers
epochs = 20  # after which networks are compared
batch = 100
pairs = 4  # independent pairs of networks at every width
together = 8  # networks in one shard of a recipe
shared = {"width": 64, "epochs": 20, "networks": 8, "together": 8}  # of other chapters, used here
judged = 1000  # test images that losses are measured on
orders = 5  # random orders of the layers, per pair
images = "mnist5k"  # of the convolutional networks; the paper has "cifar10"
steps = 50  # images in a batch of theirs; the authors' code has 100
grid = [  # network, factor of its width, norm, epochs, pairs, share of the images it learns from
    "VGG16 1 layer 0 0 1",  # without epochs it is named and not run
    "ResNet20 1 layer 0 0 1",
    "ResNet20 0.25 batch 4 1 0.25",
    "TinyTen 1 layer 2 1 0.1",
]
looks = {"orders": 2, "stops": 7, "seen": 200, "judged": 400}  # how closely those are judged
device = "cpu"

# %% tags=["remove-output"]
run = book.start(
    "rebasin/width",
    profile=profile,
    data=data,
    widths=widths,
    epochs=epochs,
    batch=batch,
    pairs=pairs,
    together=together,
    shared=shared,
    judged=judged,
    orders=orders,
    images=images,
    steps=steps,
    grid=grid,
    looks=looks,
    device=device,
)

# %% [markdown]
# ## Perceptrons
#
# Three hidden layers of equal width, Adam with step size $10^{-3}$, every width for as many epochs.
# The networks of one width are those of [an earlier chapter](merging.py), looked at after these
# epochs.


# %%
def perceptrons(width):
    """Trained networks of one width, at the start and after the epochs of this chapter."""
    known = width == shared["width"]
    length, count, shard = (
        (shared[name] for name in ("epochs", "networks", "together"))
        if known
        else (epochs, 2 * pairs, together)
    )
    settings = classifiers.Settings(
        data=data, options={"hidden": [width] * 3}, epochs=length, batch=batch
    )
    how = {"together": shard, "epochs": [0, epochs], "device": device}
    nets = recipes.trained(settings, count, run=run, **how)
    return settings.make().to(device), nets


def first(state):
    """As many networks of a stack as there are pairs at every width."""
    return {name: t[:pairs] for name, t in state.items()}


# %% tags=["remove-output"]
nets = {width: perceptrons(width) for width in widths}
settings = nets[widths[0]][1].settings
test = classifiers.evaluation(settings, "test", judged, device=device)
ce = torch.nn.functional.cross_entropy

# %% [markdown]
# ## What width does to chance
#
# Why should width matter? One reason speaks against it. Compare a unit of one network with the $n$
# units of another, all drawn at random with $d$ incoming weights. Each cosine is of size about
# $1/\sqrt d$, and of the best of $n$ one can expect
#
# ```{math}
# :label: eq-width-chance
# \mathbb E\,\max_{j\le n}\cos(w,w'_j)\;\le\;\sqrt{\frac{2\ln n}{d}} ,
# ```
#
# nearly reached where $n$ is large. In a layer between two of width $n$, where $d=n$, this *falls* with
# $n$: partners that match by chance are found among narrow layers. If wide networks merge better, then
# not because more candidates give better matches, but because training puts more of the same features
# into both, or because averages over many units forgive more. We therefore look at the agreement of
# matched weights as well, at the start, where all of it is chance, and at the end.


# %%
def flat(state):
    """All weights between hidden layers of every network, in one row each."""
    inner = [t.flatten(1) for name, t in state.items() if "weight" in name]
    return torch.cat(inner[1:-1], 1).double()


def agreement(network, nets, epoch, seed):
    """Cosine of the weights between hidden layers of every pair, once matched, and the match."""
    ref, other = (first(state) for state in nets.pairs(epoch=epoch, device=device))
    moved = apply(weight_match(network.spec, ref, other, seed=seed).element, other)
    return torch.cosine_similarity(flat(ref), flat(moved)).cpu(), (ref, other, moved)


def best_of(width):
    """Mean of the largest of so many random cosines in a space of as many dimensions."""
    draws = max(8, 2**20 // width**2)
    rows = torch.randn(draws, width, width, generator=seeds.stream("best-of", width))
    return float(torch.nn.functional.normalize(rows, dim=-1)[..., 0].amax(-1).mean())


# %% [markdown]
# Random draws say how near to that bound chance comes. They are the yardstick of the figure.

# %%
chance = torch.tensor([best_of(width) for width in widths])
bound = torch.tensor([math.sqrt(2 * math.log(width) / width) for width in widths])
assert (chance <= bound).all() and (chance >= bound / 2).all() and (chance.diff() < 0).all()

# %% [markdown]
# ## Barrier against width
#
# **Claim** ({cite:t}`ainsworth2023`, §5.3, Fig. 4). *For VGG16 and ResNet20 on CIFAR-10 the barrier after
# weight matching falls with the width, to zero for a wide ResNet20; at the ordinary width neither
# connects.* Perceptrons are not in that claim. They show the same experiment where it can be
# afforded, and no verdict comes of them.


# %%
def line(network, ref, other):
    """Test loss along the lines of all pairs, ``[pairs lambdas]``."""
    return loss_along_line(network, ref, other, ce, test).loss.cpu()


held = {name: [] for name in ("none", "weight", "start", "end", "mean")}
for network, some in nets.values():
    held["start"].append(agreement(network, some, 0, 0)[0])
    found = [agreement(network, some, epochs, seed) for seed in range(orders)]
    ref, other, _ = found[0][1]
    lines = torch.stack([line(network, ref, moved) for _, (_, _, moved) in found], 1)
    held["none"].append(barrier(line(network, ref, other)))
    held["weight"].append(barrier(lines))  # [pairs orders]
    held["mean"].append(mean_barrier(lines).mean(1))
    held["end"].append(torch.stack([cosine for cosine, _ in found], 1).mean(1))
held = {name: torch.stack(values) for name, values in held.items()}

# %%
matched = held["weight"].mean(-1)  # [widths pairs]
assert held["weight"].isfinite().all() and (held["weight"] >= 0).all()
assert (held["none"][-1] > matched[-1]).all()
gap = (held["mean"] - matched).abs().max()  # the paper's definition of the barrier beside ours


# %%
def trend(heights):
    """Rank correlation of width and barrier, pair by pair; ``heights`` is [widths pairs]."""
    order = torch.arange(len(heights))
    return [float(rank_likeness(order, one)) if one.max() > one.min() else 0.0 for one in heights.T]


# %% tags=["remove-output"]
shown = {"widths": widths, "start": held["start"], "end": held["end"], "chance": chance}
for name, heights in (("none", held["none"]), ("weight", matched)):
    rows = {
        f"barrier_{w}": book.metric(one, "nats") for w, one in zip(widths, heights, strict=True)
    }
    rows |= {"narrow": book.metric(heights[0], "nats"), "wide": book.metric(heights[-1], "nats")}
    rows["trend"] = book.metric(trend(heights))
    if name == "weight":
        mean = matched.mean(-1).clamp(min=0.01)  # nats; below that there is nothing left to vary
        rows["orders"] = book.metric(held["weight"].std(-1).mean(-1) / mean)
        rows["pairs"] = book.metric(matched.std(-1) / mean)
        rows |= {"mean_definition": book.metric(gap, "nats")}
        for when in ("start", "end"):
            rows |= {f"{when}_narrow": book.metric(held[when][0])}
            rows |= {f"{when}_wide": book.metric(held[when][-1])}
    arrays = {**shown, "barrier": held[name] if name == "weight" else heights[..., None]}
    _ = run.record("perceptrons", method=name, metrics=rows, seeds=range(pairs), arrays=arrays)

# %% mystnb={"figure": {"name": "fig-width-barrier", "caption": "Perceptrons of three hidden layers. Left: barrier in test loss against the width, as trained and after weight matching; lines join the means, points are pairs, and of matched pairs every order of the layers. Right: cosine of the weights between hidden layers once matched, at the start of training and at its end, and the best of as many random units (dotted)."}, "image": {"alt": "Two panels over the width on a logarithmic axis. Left, one curve for the barrier without alignment and a lower one after weight matching, each with its points. Right, two curves for the cosine of matched weights, before training and after it, and the dotted curve of chance, which falls with the width."}}
run.show(draw.draw_widths, "perceptrons", height=3.4)

# %% [markdown]
# The barrier after matching goes from {measured}`rebasin/width/perceptrons.weight:narrow:.3f` nats at the
# narrowest to {measured}`rebasin/width/perceptrons.weight:wide:.3f` at the widest (rank correlation
# with the width, pair by pair: {measured}`rebasin/width/perceptrons.weight:trend:+.2f`), where it is
# {measured}`rebasin/width/perceptrons.none:narrow:.3f` and
# {measured}`rebasin/width/perceptrons.none:wide:.3f` without matching (rank correlation
# {measured}`rebasin/width/perceptrons.none:trend:+.2f`). At the largest recorded profile the matched
# barrier goes from {measured}`rebasin/width/perceptrons.weight:narrow:.3f@largest` to
# {measured}`rebasin/width/perceptrons.weight:wide:.4f@largest`.
#
# The agreement of matched weights goes from {measured}`rebasin/width/perceptrons.weight:start_narrow:.3f`
# (narrowest) to {measured}`rebasin/width/perceptrons.weight:start_wide:.3f` (widest) before training and from
# {measured}`rebasin/width/perceptrons.weight:end_narrow:.3f` to
# {measured}`rebasin/width/perceptrons.weight:end_wide:.3f` after it, at the largest recorded profile from
# {measured}`rebasin/width/perceptrons.weight:start_narrow:.3f@largest` to
# {measured}`rebasin/width/perceptrons.weight:start_wide:.3f@largest` and from
# {measured}`rebasin/width/perceptrons.weight:end_narrow:.3f@largest` to
# {measured}`rebasin/width/perceptrons.weight:end_wide:.3f@largest`. So trained wide networks agree no better
# than narrow ones. But narrow ones agreed nearly as well before they were trained, by chance, and wide ones did not: what
# training adds, the gap between the two curves ({numref}`fig-width-barrier`, right), grows with the width. This is one
# reason that speaks for wide networks. The other we have not measured: most of a matched pair of weights is noise still, and
# a wide layer averages over more of it.
#
# ## How much is luck
#
# Every barrier above has two sources of chance: which networks were trained, and in which order the
# matcher visited the layers. {ref}`A later chapter <rebasin-planted>` looks closely at the second. Here both
# are set side by side, width by width.

# %% mystnb={"figure": {"name": "fig-width-spread", "caption": "Standard deviation of the barrier after weight matching in units of its mean, against the width: over orders of the layers (mean over pairs) and over pairs of networks (of each pair's mean over orders)."}, "image": {"alt": "Two curves over the width on a logarithmic axis: the relative spread of the matched barrier over orders, and that over pairs of networks."}}
run.show(draw.draw_spread, "perceptrons", height=2.8)

# %% [markdown]
# On average over widths the spread over orders is
# {measured}`rebasin/width/perceptrons.weight:orders:.2f` of the barrier, that over pairs
# {measured}`rebasin/width/perceptrons.weight:pairs:.2f` (a mean below a hundredth of a nat counts as that much). The paper's definition of the barrier, from the
# mean of the ends ({eq}`eq-barrier-mean`), differs from ours by
# {measured}`rebasin/width/perceptrons.weight:mean_definition:.4f` nats at most.
#
# ## Convolutional networks
#
# VGG16 and ResNet20 have, in the authors' code, layer normalisation over the channels and are trained on CIFAR-10
# by SGD with step size 0.1 and momentum, warm-up and half a cosine, for 100 and 250 epochs. Width $k$ times
# means $64k$ channels in VGG16's first convolution and $16k$ in ResNet20's. TinyTen, the small network of
# neuron alignment {cite:p}`tatro2020`, stands beside them because a laptop can train it: eight convolutions,
# here with layer normalisation as well, by Adam with decoupled weight decay. Layer normalisation has no
# running statistics. Batch normalisation, the more usual choice, has, and then a permutation and a mean of
# weights are not all: what are the mean and the variance of a network that never saw data? The library
# asks for an answer by name,
#
# - `"none"`: they are interpolated like weights;
# - `"reset"`: they are estimated anew, on training images, for every network on the way;
# - `"repair"`: scale and shift are first set so that the outputs of every layer have the mean and
#   deviation that interpolating the two ends gives {cite:p}`jordan2023`; then as before.


# %%
def convolutional(kind, factor, norm, length, count, share):
    """Trained networks of one kind and width, and what they are judged by."""
    sgd = {"optimiser": "sgd", "lr": 0.1, "augmentation": "affine"}
    network, options, changes = {
        "VGG16": ("vgg", {"depth": 16, "width": int(64 * factor)}, {**sgd, "weight_decay": 5e-4}),
        "ResNet20": ("resnet", {"depth": 20, "width": factor}, {**sgd, "weight_decay": 1e-4}),
        "TinyTen": ("tinyten", {"width": factor}, swift),
    }[kind]
    changes = changes if images == "cifar10" else {**changes, "augmentation": "none"}
    settings = classifiers.Settings(
        data=images,
        network=network,
        options={**options, "norm": norm},
        epochs=length,
        batch=steps,
        schedule="cosine",
        warmup=warm[kind] * length / paper[kind],
        fraction=share,
        checkpoints=(),
        **changes,
    )
    return settings, recipes.trained(settings, 2 * count, run=run, device=device)


paper = {"VGG16": 100, "ResNet20": 250, "TinyTen": 250}  # epochs, in the papers they come from
warm = {"VGG16": 1, "ResNet20": 5, "TinyTen": 10}  # of these, to warm up
swift = {"optimiser": "adamw", "lr": 0.003, "weight_decay": 5e-4, "augmentation": "shift"}


# %%
def policies(network, ref, moved, known, policy):
    """Barrier of every pair under one policy."""
    how = {"policy": policy, "seen": known["train"][0], "lambdas": looks["stops"]}
    found = loss_along_normalised(network, ref, moved, ce, known["test"], **how)
    return barrier(found.loss).cpu()


def judge(settings, some, norm):
    """Barriers ``[policies pairs]`` without matching, and ``[policies pairs orders]`` with it."""
    sizes = {"train": looks["seen"], "test": looks["judged"]}
    known = {
        split: classifiers.evaluation(settings, split, size, device=device)
        for split, size in sizes.items()
    }
    network, (ref, other) = settings.make().to(device).eval(), some.pairs(device=device)
    moves = [
        apply(weight_match(network.spec, ref, other, seed=seed).element, other)
        for seed in range(looks["orders"])
    ]
    named = ("none", "reset", "repair") if norm == "batch" else ("none",)
    plain = [policies(network, ref, other, known, one) for one in named]
    lines = [[policies(network, ref, m, known, one) for m in moves] for one in named]
    quality = some.judged["test_accuracy"][:, -1].mean()
    return torch.stack(plain), torch.stack([torch.stack(one, -1) for one in lines]), float(quality)


# %% tags=["remove-output"]
parts = [entry.split() for entry in grid]
listed = [(kind, float(k), norm, int(n), int(m), float(q)) for kind, k, norm, n, m, q in parts]
trained = {entry: convolutional(*entry) for entry in listed if entry[3] > 0}
with run.clock("convolutional"):
    results = {entry: judge(*both, entry[2]) for entry, both in trained.items()}
for plain, moved, _ in results.values():
    assert plain.isfinite().all() and moved.isfinite().all()

# %% [markdown]
# The parameters say in how many orders each pair is matched and at how many stops it is judged. Networks
# that they list with no epochs are not trained: the figure names them, so that what is missing is seen.

# %% tags=["remove-output"]
title = "{} ×{:g}, {} norm\n{} of {} epochs"
names = [title.format(*entry[:4], paper[entry[0]]) for entry in listed]
most = max((entry[4] for entry in results), default=1)
blank = torch.full((len(listed), 3, most, looks["orders"]), torch.nan, dtype=torch.float64)
blocks = {"none": blank.clone(), "weight": blank.clone()}
for row, entry in enumerate(listed):
    if entry in results:
        plain, moved, _ = results[entry]
        blocks["none"][row, : len(plain), : plain.shape[1], 0] = plain
        blocks["weight"][row, : len(moved), : moved.shape[1]] = moved
for name, block in blocks.items():
    rows = {}
    for entry, (plain, moved, quality) in results.items():
        key = f"{entry[0]}_{entry[1]:g}_{entry[2]}".replace(".", "_")
        chosen = moved.mean(-1) if name == "weight" else plain
        for policy, one in zip(("none", "reset", "repair"), chosen, strict=False):
            rows[f"{key}_{policy}"] = book.metric(one, "nats")
        rows[f"{key}_accuracy"] = book.metric(quality)
    arrays = {"names": names, "barrier": block}
    _ = run.record("convolutional", method=name, metrics=rows, seeds=range(most), arrays=arrays)

# %% mystnb={"figure": {"name": "fig-width-convolutional", "caption": "Barrier in test loss of convolutional networks, as trained (dashes) and after weight matching (points: pairs and orders), with the running statistics interpolated, reset and repaired where there is batch normalisation. Networks that were not trained at this profile are named and have no points."}, "image": {"alt": "One group of columns for each network and width. Where it was trained with batch normalisation, three columns show the barrier under the three policies for its statistics, dashes without matching and points with it; the other groups are marked as not run."}}
run.show(draw.draw_convolutional, "convolutional", height=3.6)

# %% [markdown]
# The small ResNet20 with batch normalisation shows how much hangs on the policy. At smoke, after matching,
# its barrier is {measured}`rebasin/width/convolutional.weight:ResNet20_0_25_batch_none:.2f@smoke` nats with
# interpolated statistics, {measured}`rebasin/width/convolutional.weight:ResNet20_0_25_batch_reset:.2f@smoke` with
# reset and {measured}`rebasin/width/convolutional.weight:ResNet20_0_25_batch_repair:.2f@smoke` with repaired ones
# (without matching {measured}`rebasin/width/convolutional.none:ResNet20_0_25_batch_none:.2f@smoke`,
# {measured}`rebasin/width/convolutional.none:ResNet20_0_25_batch_reset:.2f@smoke` and
# {measured}`rebasin/width/convolutional.none:ResNet20_0_25_batch_repair:.2f@smoke`); at laptop
# {measured}`rebasin/width/convolutional.weight:ResNet20_0_25_batch_none:.2f@laptop`,
# {measured}`rebasin/width/convolutional.weight:ResNet20_0_25_batch_reset:.2f@laptop` and
# {measured}`rebasin/width/convolutional.weight:ResNet20_0_25_batch_repair:.2f@laptop`
# ({measured}`rebasin/width/convolutional.none:ResNet20_0_25_batch_none:.2f@laptop`,
# {measured}`rebasin/width/convolutional.none:ResNet20_0_25_batch_reset:.2f@laptop` and
# {measured}`rebasin/width/convolutional.none:ResNet20_0_25_batch_repair:.2f@laptop`). The choice matters more
# than the matching does, which for networks this narrow and this little trained is as likely to raise the barrier as to lower it. A barrier between networks with batch normalisation that does not name its policy is
# half a number.
#
# Whether TinyTen has learned its task its accuracy says: at laptop two networks classify
# {measured}`rebasin/width/convolutional.weight:TinyTen_1_layer_accuracy:.3f@laptop` of the test images right on
# average (at smoke, of a few hundred digits,
# {measured}`rebasin/width/convolutional.weight:TinyTen_1_layer_accuracy:.3f@smoke`), and the barrier between them is
# {measured}`rebasin/width/convolutional.none:TinyTen_1_layer_none:.2f@laptop` nats without matching and
# {measured}`rebasin/width/convolutional.weight:TinyTen_1_layer_none:.2f@laptop` with it. Its widest layer has 64
# channels: this is the narrow end of the paper's figure, where nothing is expected to connect.
#
# Is there enough for a verdict? The claim is judged on networks with layer normalisation that were trained for all
# of the paper's epochs, of both kinds, at the ordinary width and another.


# %%
def told():
    """Why the row has no verdict here, or None: both networks, at two widths, for all epochs."""
    short = []
    for kind in ("VGG16", "ResNet20"):
        whole = paper[kind]
        mine = [entry for entry in listed if entry[0] == kind and entry[2] == "layer"]
        full = [entry for entry in mine if entry[3] >= whole and entry[5] == 1]
        if len(full) < 2 or 1 not in [entry[1] for entry in full]:
            fit = max([entry[3] for entry in mine if entry[1] >= 1], default=0)
            short.append(f"{fit} of {whole} epochs of {kind} fit")
    return "; ".join(short) or None


def claimed():
    """The row's quantities, from the networks that were trained for all of the paper's epochs."""
    values = {}
    for kind in ("VGG16", "ResNet20"):
        mine = [entry for entry in results if (entry[0], entry[2], entry[5]) == (kind, "layer", 1)]
        full = sorted(entry for entry in mine if entry[3] >= paper[kind])
        least = min(entry[4] for entry in full)
        heights = torch.stack([results[entry][1][0].mean(-1)[:least] for entry in full])
        values[kind] = (trend(heights), heights[[entry[1] for entry in full].index(1)], heights[-1])
    measured = [book.measured(book.bootstrap(values[kind][0])) for kind in values]
    ordinary = [
        book.measured(book.bootstrap(heights.tolist()), "nats") for _, heights, _ in values.values()
    ]
    wide = book.measured(book.bootstrap(values["ResNet20"][2].tolist()), "nats")
    by_value = {"key": lambda one: one.value}
    return {"trend": max(measured, **by_value), "plain": min(ordinary, **by_value), "wide": wide}


# %%
reason = told()
_ = run.claim("gr-width", not_run=reason, **({} if reason else claimed()))

# %% [markdown]
# ## Paper and measurement
#
# ```{verdicts} rebasin/width
# ```
#
# **Caveats.** Perceptrons of different widths had the same epochs, not the same training loss; a
# wider one is further along after as many. The widths at smoke end where the paper's perceptrons have
# eight times as many units. Barriers are over 25 stops for perceptrons and as many as the parameters say
# for convolutional networks, which can only miss some of a peak. The row is judged where both VGG16 and ResNet20 were trained for all of the
# paper's epochs at the ordinary width and at least one other; a network that was trained for fewer is
# drawn and does not count.
#
# **Cost.**
#
# ```{cost} rebasin/width
# ```
#
# ## Exercises
#
# 1. *(recall)* Why does {eq}`eq-width-chance` fall with $n$ although there are more candidates?
# 2. *(change an assumption)* Compare widths at equal training loss instead of equal epochs. Does the
#    curve change its shape?
# 3. *(measure)* Widen only the first of the three hidden layers, then only the last. Which of them does
#    the barrier depend on?
# 4. *(measure)* Train the small ResNet20 without normalisation and correct the statistics of its merges.
#    Is as much gained as by `"reset"` between networks with batch normalisation?
#
# ````{dropdown} Solutions
# 1. Candidates count by the root of a logarithm, dimensions by the root of their number.
# 2. `nets.judged["train_loss"]` has the loss of every checkpoint; choose for each width the first epoch
#    below a mark. Narrow networks may never get there.
# 3. Set `options={"hidden": [512, 64, 64]}` and `[64, 64, 512]` in the cell that trains.
# 4. Put `none` in the place of `batch` in `grid` (with a smaller step size) and use
#    `loss_along_corrected_path`, which sets mean and deviation of every layer to those between the ends.
# ````
#
# References: {cite:p}`ainsworth2023,jordan2023,lecun1998,tatro2020`. Next: [where matching fails](failures.py).

# %% tags=["nbval-check-output"]
run.finish()
