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
# (rebasin-planted)=
# # Planted permutations, time, and the luck of the order
#
# *Aim.* Hide a permutation and see whether weight matching finds it, how many sweeps and seconds that
# takes, and then measure what no paper reports: by how much the result for two *trained* networks
# depends on the order in which the layers happen to be visited.
#
# *Needs.* Nothing is downloaded. At smoke some twenty seconds on one CPU core, and the networks of
# [an earlier chapter](merging.py); at laptop some minutes on two cores, 6 GB of
# memory, and the networks of 64 units of the [chapter on width](width.py).

# %%
import time

import torch

from onebasin import book, seeds
from onebasin.connectivity import barrier, loss_along_line, rank_likeness
from onebasin.matching import weight_match
from onebasin.networks import Mlp, classifiers, recipes, resnet, vgg
from onebasin.plotting import planted as draw
from onebasin.symmetry import Permutation, apply

# %% tags=["parameters"]
profile = "smoke"
mlp = 128  # units of each of three hidden layers (the paper has 512)
vgg16 = 16  # channels of the first convolution (64 is the usual width)
resnet20 = 1  # factor of the widths
resnet50 = 8  # channels of the stem (the paper has 64)
resnet20_timed = 4  # factor of the widths of the timed one (the paper has 32)
runs = 5  # planted permutations per network
repeats = 3  # timings per network
noisy = [16, 64, 256]  # units of the hidden layers that are disturbed
noise = [0, 1, 2, 4, 8, 16]  # standard deviations of the weights
data = "mnist5k"  # or "mnist", from the folder named by ONEBASIN_DATA
hidden = [64, 64, 64]  # units of the trained networks
epochs = 20  # the authors' code has 100
batch = 100  # the authors' code has 500
pairs = 4  # independent pairs of networks
together = 8  # networks in one shard of the recipe
judged = 1000  # test images that the losses are measured on
orders = 20  # random orders of the layers, per pair
device = "cpu"

# %% tags=["remove-output"]
run = book.start(
    "rebasin/planted",
    profile=profile,
    mlp=mlp,
    vgg16=vgg16,
    resnet20=resnet20,
    resnet50=resnet50,
    resnet20_timed=resnet20_timed,
    runs=runs,
    repeats=repeats,
    noisy=noisy,
    noise=noise,
    data=data,
    hidden=hidden,
    epochs=epochs,
    batch=batch,
    pairs=pairs,
    together=together,
    judged=judged,
    orders=orders,
    device=device,
)

# %% [markdown]
# ## A permutation is hidden
#
# **Claim** ({cite:t}`ainsworth2023`, A.2). *Weight matching recovers a planted random permutation
# exactly, in three or four sweeps.*
#
# Take a network, draw a random element $\pi$ of its symmetry group, and hand over $\theta$ and
# $\pi^{-1}(\theta)$. The objective
#
# ```{math}
# :label: eq-planted
# \bigl\langle\theta,\,\sigma\bigl(\pi^{-1}(\theta)\bigr)\bigr\rangle\;\le\;\lVert\theta\rVert^2
# ```
#
# reaches its bound at $\sigma=\pi$. That weight matching gets there is not obvious: its first
# assignment of a layer in the middle compares weights whose columns are still in the wrong order. But
# the first layer's columns are pixels, which are never moved. Its rows can be told apart at once, and
# from there order spreads upwards, a layer a sweep at worst. How fast depends on how often a layer
# comes after its neighbour in the random order.


# %%
def drawn(name, width, number):
    """An untrained network of one kind, and its weights from a stream of their own."""
    makers = {
        "MLP": lambda: Mlp((784, width, width, width, 10)),
        "VGG16": lambda: vgg.Vgg(16, width),
        "ResNet20": lambda: resnet.ResNet(20, width),
        "ResNet50": lambda: resnet.ResNet50(width),
    }
    network = makers[name]()
    network.redraw(seeds.stream("planted", number))
    return network.spec, dict(network.to(device).state_dict())


# %%
def plant(name, width, number):
    """Match a network to its relabelled self: share of units put back, and the history."""
    spec, state = drawn(name, width, number)
    element = Permutation.random(spec, spec.sizes(state), seeds.stream("hidden", number))
    element = element.to(device)
    found = weight_match(spec, state, apply(element.inverse(), state), seed=number)
    right = sum((found.element.perms[g] == perm).sum() for g, perm in element.perms.items())
    assert found.converged and (found.history.diff() >= 0).all()
    return float(right) / sum(spec.sizes(state).values()), found.history.cpu()


# %%
widths = {"MLP": mlp, "VGG16": vgg16, "ResNet20": resnet20, "ResNet50": resnet50}
with run.clock("planted"):
    outcome = {
        name: [plant(name, width, number) for number in range(runs)]
        for name, width in widths.items()
    }
recovered = {name: [share for share, _ in rows] for name, rows in outcome.items()}
needed = {name: [len(past) - 2.0 for _, past in rows] for name, rows in outcome.items()}

# %% [markdown]
# A history has the objective before the first sweep and after each one, the last of which changed
# nothing and only confirms. So *needed* leaves two entries out; the confirming sweep counts in
# the second number that we keep.

# %% tags=["remove-output"]
longest = max(len(past) for rows in outcome.values() for _, past in rows)
missing = torch.full((len(widths), runs, longest), torch.nan, dtype=torch.float64)
for row, rows in zip(missing, outcome.values(), strict=True):
    for line, (_, past) in zip(row, rows, strict=True):
        line[: len(past)] = (past[-1] - past) / (past[-1] - past[0])
metrics = {f"recovered_{name}": book.metric(recovered[name]) for name in widths}
metrics |= {f"needed_{name}": book.metric(needed[name]) for name in widths}
metrics |= {f"confirmed_{name}": book.metric([n + 1 for n in needed[name]]) for name in widths}
arrays = {"names": list(widths), "missing": missing}
run.record("planted", method="weight", metrics=metrics, seeds=range(runs), arrays=arrays)
every = [one for rows in recovered.values() for one in rows]
steps = [sum(rows) / runs for rows in needed.values()]
_ = run.claim(
    "gr-planted", recovered=min(every), fewest=min(steps), most=max(steps), runs=len(every)
)

# %% mystnb={"figure": {"name": "fig-planted-sweeps", "caption": "Weight matching of untrained networks to their relabelled selves: share of the objective that is still missing after every sweep, one line per planted permutation. The last sweep of each line changes nothing. Below a thousandth the axis is linear."}, "image": {"alt": "Lines that start at one before the first sweep and drop steeply to zero within a few sweeps. Those of the perceptron reach zero first; the deeper networks take a few sweeps more. Every line ends at zero."}}
run.show(draw.draw_sweeps, "planted", height=3.2)

# %% [markdown]
# Put back in place are {measured}`rebasin/planted/gr-planted.claim:recovered:.3f` of the units in the
# worst run. The MLP needs {measured}`rebasin/planted/planted.weight:needed_MLP:.1f` sweeps, VGG16
# {measured}`rebasin/planted/planted.weight:needed_VGG16:.1f`, ResNet20
# {measured}`rebasin/planted/planted.weight:needed_ResNet20:.1f` and ResNet50
# {measured}`rebasin/planted/planted.weight:needed_ResNet50:.1f`; one more confirms. (At the largest
# recorded profile: {measured}`rebasin/planted/planted.weight:needed_MLP:.1f@largest`,
# {measured}`rebasin/planted/planted.weight:needed_VGG16:.1f@largest`,
# {measured}`rebasin/planted/planted.weight:needed_ResNet20:.1f@largest` and
# {measured}`rebasin/planted/planted.weight:needed_ResNet50:.1f@largest`.) Only the residual networks lie near the
# paper's three or four: along the plain chain of VGG16 order has a longer way to go, in the perceptron next to none.
#
# ### With noise
#
# Trained networks are not copies of one another. How much disturbance does the method stand? We add
# Gaussian noise to every weight of the copy, in units of the standard deviation of its tensor.


# %%
def disturb(width, level):
    """Share of units put back in several MLPs at once, by the noise added to their copies."""
    network = Mlp((784, width, width, width, 10))
    spec, states = network.spec, [drawn("MLP", width, number)[1] for number in range(runs)]
    ref = {name: torch.stack([state[name] for state in states]) for name in states[0]}
    generator = seeds.stream("noise", width)
    element = Permutation.random(spec, spec.sizes(ref), generator, runs).to(device)
    loud = {
        name: t + level * t.std() * torch.randn(t.shape, generator=generator).to(t)
        for name, t in ref.items()
    }
    found = weight_match(spec, ref, apply(element.inverse(), loud)).element
    right = sum((found.perms[g] == perm).sum(-1) for g, perm in element.perms.items())
    return right.cpu() / sum(spec.sizes(ref).values())


# %% tags=["remove-output"]
with run.clock("noise"):
    table = torch.stack([torch.stack([disturb(w, level) for level in noise]) for w in noisy])
assert noise[0] == 0 and (table[:, 0] == 1).all()
run.record(
    "noise",
    method="weight",
    metrics={
        f"recovered_{width}_{level}": book.metric(table[k, j])
        for k, width in enumerate(noisy)
        for j, level in enumerate(noise)
    },
    seeds=range(runs),
    arrays={"noise": noise, "widths": noisy, "recovered": table},
)

# %% mystnb={"figure": {"name": "fig-planted-noise", "caption": "Share of hidden units put back in their place when noise is added to the weights of the copy, by width. Lines join the means of the small marks, which are networks."}, "image": {"alt": "One curve per width over the noise level. All stay at one while the noise is up to about as large as the weights themselves, and fall towards zero as it becomes many times larger."}}
run.show(draw.draw_noise, "noise", height=3.2)

# %% [markdown]
# Chance inner products of rows grow with the root of their length, a unit's with itself with the length. The first
# layer compares rows of 784 pixels and as many outgoing weights as the next layer has units, so that noise of
# the size of the weights does no harm. The layers behind it compare only as many numbers as there are units:
# narrow networks fail first.
# *Finding* a hidden relabelling is easy, then. Between two trained networks none is hidden, and the last
# section shows how differently the search may end there.
#
# ## How long it takes
#
# **Claim** ({cite:t}`ainsworth2023`, A.2). *3 s for an MLP of three layers of 512, 33 s for ResNet50, 194 s
# for a ResNet20 of 32 times the width*, on a machine with a V100. Here two independent networks are
# matched, which takes more sweeps than a planted permutation does.


# %%
def seconds_to_match(name, width, number):
    """Time to match two independent untrained networks."""
    (spec, ref), (_, other) = (drawn(name, width, 2 * number + k) for k in (0, 1))
    began = time.perf_counter()
    found = weight_match(spec, ref, other)
    if device != "cpu":
        torch.cuda.synchronize()
    spent = time.perf_counter() - began
    assert found.converged and found.objective > found.history[0]
    return spent


# %% tags=["remove-output"]
sizes = {"mlp": ("MLP", mlp), "resnet50": ("ResNet50", resnet50)}
sizes["resnet20"] = ("ResNet20", resnet20_timed)
with run.clock("timing"):
    spent = {
        key: [seconds_to_match(*one, number) for number in range(repeats)]
        for key, one in sizes.items()
    }
timed = {key: book.metric(times, "seconds") for key, times in spent.items()}
run.record("timing", method="weight", metrics=timed, seeds=range(repeats))
values = {key: book.measured(book.bootstrap(times), "seconds") for key, times in spent.items()}
_ = run.claim("gr-timing", **values)

# %% [markdown]
# | network | paper (V100) | here | at the largest recorded profile |
# | --- | --- | --- | --- |
# | MLP | 3 s | {measured}`rebasin/planted/timing.weight:mlp:.3f` s | {measured}`rebasin/planted/timing.weight:mlp:.3f@largest` s |
# | ResNet50 | 33 s | {measured}`rebasin/planted/timing.weight:resnet50:.2f` s | {measured}`rebasin/planted/timing.weight:resnet50:.2f@largest` s |
# | wide ResNet20 | 194 s | {measured}`rebasin/planted/timing.weight:resnet20:.2f` s | {measured}`rebasin/planted/timing.weight:resnet20:.2f@largest` s |
#
# At smoke the three networks are narrow twins of the paper's; the parameters cell says how narrow. At
# laptop only ResNet20 is, at 16 times the usual width: the weights of two of 32 times, in double
# precision and sorted by both sides, take more than 20 GB. Hence the cap of this claim.
# ImageNet, on whose ResNet50 the paper measures a barrier, is not among the book's data, so that of
# this network we can tell the time and the planted permutation and no more.
#
# ## The luck of the order
#
# Each sweep visits the layers in a random order, and coordinate ascent ends in one of many optima. Which
# one is luck. How much does the barrier between trained networks owe to it? Every pair is matched in
# many orders, nothing else changed. A standard deviation of a tenth of the mean barrier or more counts
# as one that matters. The perceptrons have 64 units a layer at every profile: between those of 512 units
# matching leaves no barrier in any order ([width](width.py)), and of nothing nothing can vary.

# %% tags=["remove-output"]
settings = classifiers.Settings(data=data, options={"hidden": hidden}, epochs=epochs, batch=batch)
nets = recipes.trained(settings, 2 * pairs, run=run, together=together, device=device)
network = settings.make().to(device)
test = classifiers.evaluation(settings, "test", judged, device=device)

# %%
ref, other = nets.pairs(device=device)
cross_entropy = torch.nn.functional.cross_entropy


def heights(states):
    """Barrier of every pair."""
    return barrier(loss_along_line(network, ref, states, cross_entropy, test).loss).cpu()


# %%
with run.clock("orders"):
    matches = [weight_match(network.spec, ref, other, seed=seed) for seed in range(orders)]
    height = torch.stack([heights(apply(one.element, other)) for one in matches], 1)
objective = torch.stack([one.objective.cpu() for one in matches], 1)  # [pairs orders]
ends = {tuple(one.objective.cpu().tolist()) for one in matches}
assert all(one.converged.all() for one in matches) and len(ends) > 1

# %% tags=["remove-output"]
plain = heights(other)
mean = height.mean(1).clamp(min=0.01)  # nats; below that there is nothing left to vary
spread = height.std(1) / mean
chosen = height.gather(1, objective.argmax(1, keepdim=True)).squeeze(1)
relative = objective / objective.mean(1, keepdim=True) - 1
varies = height.amax(1) > height.amin(1)
agree = rank_likeness(height[varies], objective[varies]) if varies.any() else torch.zeros(1)
run.record(
    "orders",
    method="weight",
    metrics={
        "plain": book.metric(plain, "nats"),
        "mean": book.metric(height.mean(1), "nats"),
        "lowest": book.metric(height.amin(1), "nats"),
        "highest": book.metric(height.amax(1), "nats"),
        "chosen": book.metric(chosen, "nats"),
        "spread": book.metric(spread),
        "objective_spread": book.metric(relative.std(1)),
        "rank_correlation": book.metric(agree),
    },
    seeds=range(pairs),
    arrays={"barrier": height, "objective": 100 * relative},
)

# %%
between = float(height.mean(1).std() / mean.mean())
values = {"spread": book.measured(book.bootstrap(spread.tolist())), "seeds": between}
_ = run.claim("order-variance", **values)

# %% mystnb={"figure": {"name": "fig-orders", "caption": "Barrier in test loss after weight matching in different random orders of the layers. Left: every pair of trained networks, one mark per order, the bar is the mean. Right: the same barriers against the objective reached, relative to the pair's mean; one shade and marker per pair."}, "image": {"alt": "Left, a column of scattered marks per pair of networks, each with a bar at its mean; each column has a spread of its own. Right, the same marks against the objective in per cent."}}
run.show(draw.draw_orders, "orders", height=3.2)

# %% [markdown]
# Over orders the barrier of one pair has a standard deviation of
# {measured}`rebasin/planted/orders.weight:spread:.3f` of its mean; over pairs it is
# {measured}`rebasin/planted/order-variance.claim:seeds:.3f`. From the luckiest order to the unluckiest it
# goes, on average over pairs, from {measured}`rebasin/planted/orders.weight:lowest:.3f` to
# {measured}`rebasin/planted/orders.weight:highest:.3f` nats ({measured}`rebasin/planted/orders.weight:plain:.3f`
# without matching). At the largest recorded profile the spread over orders is
# {measured}`rebasin/planted/orders.weight:spread:.3f@largest` and over pairs
# {measured}`rebasin/planted/order-variance.claim:seeds:.3f@largest`; the barrier goes from
# {measured}`rebasin/planted/orders.weight:lowest:.3f@largest` to
# {measured}`rebasin/planted/orders.weight:highest:.3f@largest` nats
# ({measured}`rebasin/planted/orders.weight:plain:.2f@largest` without matching).
#
# Could one simply keep the order with the highest objective? It varies by
# {measured}`rebasin/planted/orders.weight:objective_spread:.4f` of itself only; its rank correlation with
# the barrier is {measured}`rebasin/planted/orders.weight:rank_correlation:+.2f`
# ({measured}`rebasin/planted/orders.weight:rank_correlation:+.2f@largest` at the largest recorded profile; minus one would
# make it a guide), and the best by it has a barrier of {measured}`rebasin/planted/orders.weight:chosen:.3f`
# ({measured}`rebasin/planted/orders.weight:chosen:.3f@largest`) nats, the mean over orders being
# {measured}`rebasin/planted/orders.weight:mean:.3f` ({measured}`rebasin/planted/orders.weight:mean:.3f@largest`). Where a
# barrier is left, a comparison of two methods on one pair, in one order, is worth little unless the gap is several times
# this spread. (In both spreads a mean below a hundredth of a nat counts as that much: of almost nothing everything is a
# large fraction.)
#
# ## Paper and measurement
#
# ```{verdicts} rebasin/planted
# ```
#
# **Caveats.** Planted permutations are sought in untrained networks, whose units are as different from
# one another as they will ever be; after training, near-twins make some units exchangeable. The paper
# does not say whether its count of sweeps includes the confirming one, nor what its times include. The
# spread over orders is that of one recipe for the networks.
#
# **Cost.**
#
# ```{cost} rebasin/planted
# ```
#
# ## Exercises
#
# 1. *(recall)* Why can the first hidden layer be matched before any other is in order, and why is the
#    last one in a similar position?
# 2. *(change an assumption)* Visit the layers always from first to last
#    (`WeightOptions(order=...)`). How many sweeps does the planted permutation take now, and how many
#    from last to first?
# 3. *(measure)* Give weight matching ten restarts. Does the spread of the barrier fall along with that
#    of the objective?
#
# ````{dropdown} Solutions
# 1. Its columns are inputs, which nobody moves, so rows are compared like with like. The last hidden
#    layer's outgoing weights lead to the classes, which nobody moves either; but ten classes are too few to
#    decide which unit is which.
# 2. From first to last one sweep, and one to confirm; from last to first up to one for each layer.
# 3. Put `options=WeightOptions(restarts=10)` into the loop over seeds. The objective's spread falls by
#    construction; the barrier's follows only as far as the rank correlation above is from zero.
# ````
#
# References: {cite:p}`ainsworth2023,lecun1998`.

# %% tags=["nbval-check-output"]
run.finish()
