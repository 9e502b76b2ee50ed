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
# (inr-fitting)=
# # Fitting: a shape becomes the weights of a network
#
# *Aim.* Turn 3D shapes into implicit neural representations exactly as the thesis does, read them
# back as point clouds, and measure whether the networks really hold their shapes. The networks made
# here are the subjects of the rest of this part.
#
# *Needs.* At smoke about half a minute on one CPU core, with generated shapes and networks of width
# 64; nothing is downloaded. The laptop profile fits the thesis's own network to real shapes (a
# recipe of about an hour on one core) and needs the ModelNet40 meshes in a local folder;
# the gpu profile takes the thesis's exact schedule.

# %%
import torch

from onebasin import book
from onebasin.data import shapes as data
from onebasin.networks import call
from onebasin.plotting import inrs as draw
from onebasin.seeds import stream
from onebasin.shapes import Counts, distance, labels, metrics, queries, recipes, reconstruction
from onebasin.shapes.fitting import Settings, bce, fit, held_out_points, labelled_points

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
initialisations = 3  # further networks per shape, for the next chapter
together = 30  # networks fitted at once
read_back = 1024  # points read back from each network
device = "cpu"

# %% tags=["remove-output"]
run = book.start(
    "inrs/fitting",
    profile=profile,
    shapes=shapes,
    width=width,
    samples=samples,
    batch=batch,
    initialisations=initialisations,
    together=together,
    read_back=read_back,
    device=device,
)

# %% [markdown]
# ## What is fitted
#
# **Claim** ({cite:t}`ballerini2023`, ch. 3, after {cite:t}`deluigi2023`). *A small network with
# sine activations, trained for 500 steps on distances to a cloud of points, reconstructs the
# shape.*
#
# The object of interest is a surface, known through a cloud $X$ of 2,048 points on it, centred and
# scaled to the unit ball. The *unsigned distance field* of the cloud says how far any point of space
# is from it. Only what happens near the surface matters, so the distance is cut at $\tau=0.1$ and
# turned into a label in $[0,1]$, 1 on the surface and 0 from $\tau$ on:
#
# ```{math}
# :label: eq-udf-label
# y(x) = 1 - \frac{\min(d(x), \tau)}{\tau},\qquad d(x)=\min_{p\in X}\lVert x-p\rVert .
# ```
#
# The thesis asks for the label at 500,000 points: 250,000 close to the cloud, 200,000 at medium
# distance, 25,000 far away, 25,000 anywhere in the cube. "Close", "medium" and "far" are Gaussian
# displacements of the cloud's own points by 0.003, 0.01 and 0.1 {cite:p}`deluigi2023`. In the
# library:
#
# ```{source} onebasin.shapes.udf.labels
# ```
#
# A k-d tree finds the nearest point. A search of all pairs is the definition itself, so it is the
# test.

# %%
surfaces = [data.surface(name) for name in shapes]
first = surfaces[0].sample(2048, generator=stream("check", 0))
asked = queries(first, Counts().scaled(2000), generator=stream("check", 1))
nearest = torch.cdist(asked.double(), first.double()).amin(1)
exact = 1 - nearest.clamp(max=0.1) / 0.1
assert (labels(asked, first) - exact).abs().max() < 1e-4
assert labels(first, first).min() == 1 and labels(first + 3, first).max() == 0

# %% [markdown]
# ## The network and its loss
#
# The representation is a *SIREN* {cite:p}`sitzmann2020`, the network {eq}`eq-network` with
# $\sigma(a)=\sin(\omega_0 a)$, $\omega_0=30$, and layers 3-512-512-512-512-1. (Chapter 3 of the
# thesis speaks of three hidden layers, its §3.4 of $L=5$; the authors' code has four hidden layers,
# and so has ours.) Its one output is a logit $f(x;\theta)$, trained by the binary cross-entropy
#
# ```{math}
# :label: eq-bce
# \mathcal L(\theta) = -\frac1N\sum_{i=1}^N \Bigl[y_i\ln\hat y_i + (1-y_i)\ln(1-\hat y_i)\Bigr],
# \qquad \hat y_i = \frac{1}{1+e^{-f(x_i;\theta)}},
# ```
#
# with Adam {cite:p}`kingma2015` at a step size of $10^{-4}$. Labels are fractions, so the loss
# cannot reach zero: an INR that answers every question right still pays the entropy of the labels,
# $H(y)=-y\ln y-(1-y)\ln(1-y)$ on average. All losses of this part have to be read above that floor.
#
# How a SIREN starts decides how it trains; the first layer is drawn from $\pm\tfrac13$, all others
# from $\pm\sqrt{6/d}/\omega_0$. One draw per width is *the* shared initialisation of this book:
# wherever two networks are said to start alike, they start from it.
#
# ```{source} onebasin.networks.siren.shared_initialisation
# ```
#
# ## Fitting many at once
#
# Every shape gets several networks, because the next chapter connects them: number 0 and number 1
# start from the shared initialisation and see different samples of the surface, the others start
# from draws of their own. All draws are named by shape and number, so a network is the same
# whether it is fitted alone or with others. Together they are one *recipe*, made once and kept.

# %% tags=["remove-output"]
settings = Settings(width=width, batch=batch, counts=Counts().scaled(samples))
recipe = recipes.inr_pairs(shapes, settings, initialisations=initialisations, together=together)
inrs = recipes.load(run.recipe(recipes.make(recipe, device=device)))
network = settings.network(device)
ours = [inrs.index(name, 0) for name in shapes]
states, clouds = inrs.pick(ours, device), inrs.clouds[ours]

# %% [markdown]
# The population trains as one stack of batched products. That is a matter of speed only: fifty
# steps for two networks at once must give what fifty steps for one of them give.

# %%
short = Settings(width=32, steps=50, batch=200, counts=Counts().scaled(4000))
pair, _ = fit(surfaces[:2], [0, 0], shared=[True, True], settings=short)
alone, _ = fit(surfaces[1:2], [0], shared=[True], settings=short)
gaps = [float((pair.states[name][1] - alone.states[name][0]).abs().max()) for name in pair.states]
assert max(gaps) < 1e-4 and torch.allclose(pair.loss[:, 1], alone.loss[:, 0], atol=1e-4)

# %% [markdown]
# ## Does it learn?
#
# The loss is measured on the points of each step, and again at the end on points it has never seen:
# labels of an *independent* sample of the same surface. The difference matters. The cloud an INR is
# fitted to is one random sample of its shape, and part of what the network stores is that sample.


# %%
def entropy(y):
    """Least cross-entropy any answer to fractional labels can have (nats)."""
    return float(bce(torch.logit(y.double(), eps=1e-12), y.double()))


def unseen(surface, k, states=states):
    """Loss of network ``k`` on a sample of its surface that it was not fitted to."""
    state = {name: tensor[k] for name, tensor in states.items()}
    x, y = held_out_points(surface, settings, Counts().scaled(10_000), device)
    with torch.no_grad():
        return float(bce(call(network, state, x), y))


def floor(cloud, k):
    """The floor of the loss on the labels of a fitted cloud."""
    tau, rng = settings.truncation, stream("floor", k)
    return entropy(
        labelled_points(cloud, Counts().scaled(20_000), truncation=tau, generator=rng)[1]
    )


# %%
floors = [floor(cloud, k) for k, cloud in enumerate(clouds)]
held_out = [unseen(surface, k) for k, surface in enumerate(surfaces)]
loss = inrs.loss[:, ours]
final = loss[-20:].mean(0)
assert (final < loss[:5].mean(0)).all() and (final > torch.tensor(floors) - 0.02).all()
_ = run.record(
    "training",
    metrics={
        "final": book.metric(final, "nats"),
        "held_out": book.metric(held_out, "nats"),
        "floor": book.metric(floors, "nats"),
    },
    seeds=range(len(shapes)),
    arrays={"steps": torch.arange(0, len(loss), 4), "loss": loss[::4]},
)

# %% mystnb={"figure": {"name": "fig-inr-training", "caption": "Loss of each step's batch for network 0 of every shape (thin) and their mean (thick). The grey band spans the least possible loss, the entropy of the labels, over the shapes; n is the number of shapes."}, "image": {"alt": "Loss against training step for several shapes: all curves fall steeply within the first hundred steps and then flatten a little above a grey horizontal band that marks the least possible loss."}}
run.show(draw.draw_training, "training")

# %% [markdown]
# At the end the loss is {measured}`inrs/fitting/training.none:final:.3f` nats, where the floor is
# {measured}`inrs/fitting/training.none:floor:.3f`; on the unseen sample it is
# {measured}`inrs/fitting/training.none:held_out:.3f`. Most of what remains is in the labels, not in
# the network.
#
# ## Reading the shape back
#
# A low loss is not a shape. To get points out of a distance field, throw random points into the
# cube, drop those the network calls far away, and let the rest walk
#
# ```{math}
# :label: eq-udf-walk
# x \leftarrow x - u(x)\,\frac{\nabla u(x)}{\lVert\nabla u(x)\rVert},\qquad
# u(x)=\tau\,\bigl(1-\hat y(x)\bigr)
# ```
#
# five times {cite:p}`chibane2020,deluigi2023`; points that end within 0.02 of the surface, by the
# network's own account, are kept. The walk itself:
#
# ```{source} onebasin.shapes.reconstruction._walk
# ```
#
# A field without a surface never fills its quota, and the thesis marks reconstructions that took
# more than a minute with a cross. Here every search has a budget of rounds and seconds, and
# *unfinished* is an answer. Two fields with known answers test both sides: a sphere, and nothing.

# %%
budget = reconstruction.SearchOptions(points=500, candidates=2048, rounds=40)
sphere = reconstruction.search(
    lambda x, _: torch.logit(1 - (x.norm(dim=-1) - 0.5).abs().clamp(1e-5, 0.0999) / 0.1),
    [stream("sphere")],
    budget,
)
nothing = reconstruction.search(lambda x, _: 0 * x.sum(-1) - 9, [stream("nothing")], budget)
assert sphere.complete.all() and (sphere.clouds[0].norm(dim=1) - 0.5).abs().max() < 5e-3
assert not nothing.complete.any() and nothing.rounds[0] == 40

# %%
found = reconstruction.reconstruct(
    network,
    states,
    [stream(f"reconstruction/{name}") for name in shapes],
    reconstruction.SearchOptions(points=read_back, seconds=60.0 * len(shapes)),
)
read = [cloud.cpu() for cloud in found.clouds]
assert all(torch.isfinite(cloud).all() and cloud.norm(dim=1).max() < 1.8 for cloud in read)

# %% [markdown]
# ## How good is it?
#
# Clouds are compared by the *Chamfer distance*, the mean squared distance to the nearest point of
# the other cloud, both ways, summed:
#
# ```{math}
# :label: eq-chamfer
# \mathrm{CD}(X,Y)=\frac1{|X|}\sum_{x\in X}\min_{y\in Y}\lVert x-y\rVert^2
# +\frac1{|Y|}\sum_{y\in Y}\min_{x\in X}\lVert y-x\rVert^2 ,
# ```
#
# and by the F-score, the harmonic mean of the shares of points with a neighbour within 0.01. Neither
# number means much alone. Below it are two samples of the *same* surface, which are not at distance
# zero either; above it is the distance to *other* shapes. A network that holds its shape lies near
# the first and far from the second.

# %%
table = torch.tensor([[metrics.chamfer(a, b) for b in clouds] for a in read])
own = table.diagonal()
apart = (table.sum(1) - own) / (len(shapes) - 1)
again = [inrs.clouds[inrs.index(name, 1)] for name in shapes]
sampling = [metrics.chamfer(a, b) for a, b in zip(clouds, again, strict=True)]
scores = [metrics.f_score(a, b) for a, b in zip(read, clouds, strict=True)]
assert (own < apart).all()

# %% [markdown]
# Third, the error of every single point: its distance to a dense sample of the true surface. This
# one the network can win, since averaging over a random cloud is better than repeating it.

# %%
sizes = [200_000 if one.mesh is not None else len(one.cloud) for one in surfaces]
dense = [
    surface.sample(size, generator=stream("dense", k))
    for k, (surface, size) in enumerate(zip(surfaces, sizes, strict=True))
]
errors = [distance(cloud, truth) for cloud, truth in zip(read, dense, strict=True)]
mean_error = [float(error.mean()) for error in errors]

# %% tags=["remove-output"]
_ = run.record(
    "accuracy",
    metrics={
        "chamfer": book.metric(own, "squared radius"),
        "other": book.metric(apart, "squared radius"),
        "sampling": book.metric(sampling, "squared radius"),
        "f_score": book.metric(scores),
        "error": book.metric(mean_error, "radius"),
        "rounds": book.metric(found.rounds, "rounds"),
    },
    seeds=range(len(shapes)),
    arrays={"labels_of": [name.rpartition("/")[2] for name in shapes]},
)

# %% mystnb={"figure": {"name": "fig-inr-accuracy", "caption": "Chamfer distance of the cloud read back from each network to the cloud it was fitted to (blue), beside the distance of two samples of the same surface (open circles) and the mean distance to all other shapes (squares). Logarithmic axis; one row per shape."}, "image": {"alt": "Dot plot with one row per shape and a logarithmic axis of Chamfer distance: for every shape the blue dot of the network lies close to the open circle of two samples of the same surface and far to the left of the square for other shapes."}}
run.show(draw.draw_accuracy, "accuracy")

# %% tags=["remove-output"]
quantities = {
    "chamfer": book.measured(book.bootstrap(own), "squared radius of the shape"),
    "other": book.measured(book.bootstrap(apart), "squared radius of the shape"),
    "f_score": book.measured(book.bootstrap(scores)),
    "unfinished": book.measured(int((~found.complete).sum()), "reconstructions", n=len(shapes)),
}
_ = run.claim("inr-fit", **quantities)

# %% [markdown]
# ## A look at it
#
# Numbers first, pictures second. For a slice through each shape we keep the label and the INR's
# answer; the cloud read back is coloured by its error. Targets from a data set are kept as small
# pictures only, because their coordinates are not ours to hand on.


# %%
def sliced(k, pixels=64):
    """Label and answer on the plane y = 0, as 8-bit pictures."""
    axis = torch.linspace(-1, 1, pixels)
    up, across = torch.meshgrid(axis, axis, indexing="ij")
    plane = torch.stack([across, 0 * across, up], dim=-1).reshape(-1, 3).to(device)
    state = {name: tensor[k] for name, tensor in states.items()}
    with torch.no_grad():
        answer = torch.sigmoid(call(network, state, plane))[:, 0].cpu()
    both = torch.stack([labels(plane, clouds[k]).cpu(), answer]).reshape(2, pixels, pixels)
    return (255 * both).round().to(torch.uint8)


# %% tags=["remove-output"]
shown = list(range(min(6, len(shapes))))
slices = torch.stack([sliced(k) for k in shown])
least = min(len(read[k]) for k in shown)
_ = run.record(
    "gallery",
    metrics={"points": book.metric([len(read[k]) for k in shown], "points")},
    seeds=shown,
    arrays={
        "names": [shapes[k].rpartition("/")[2] for k in shown],
        "pictures": [draw.picture(clouds[k].numpy()) for k in shown],
        "labels": slices[:, 0],
        "answers": slices[:, 1],
        "points": torch.stack([read[k][:least] for k in shown]).half(),
        "errors": torch.stack([errors[k][:least] for k in shown]).half(),
    },
)

# %% mystnb={"figure": {"name": "fig-inr-gallery", "caption": "From shape to network and back, one column per shape: the cloud that is fitted; the label on the plane y = 0; the INR's answer there; the cloud read back from the INR, coloured by the distance of each point to the true surface (ends at 0.03 of the radius)."}, "image": {"alt": "Grid of small pictures with one column per shape. Top row: target clouds in grey. Second and third row: slices of the label and of the network's answer, which look alike. Bottom row: clouds read back from the networks that resemble the targets, mostly in dark colours for small errors."}}
run.show(draw.draw_gallery, "gallery", height=4.6, share=False)

# %% [markdown]
# The same cloud to turn around: only points that the network gave back, at most 4,096 of them.

# %%
run.interact(draw.view, "gallery")

# %% mystnb={"figure": {"name": "fig-inr-view", "caption": "The cloud above from three sides, for paper and for browsers without scripts."}, "image": {"alt": "Three orthographic views of one point cloud read back from a network, from the front, from the side and from above, coloured by the distance of each point to the true surface."}}
run.show(draw.draw_view, "gallery", height=2.6, share=False)

# %% [markdown]
# ## 500,000 points or 600,000?
#
# inr2vec's public code asks 100,000 points of the cloud itself, where the label is 1, besides the
# 500,000 that the thesis lists. The first shape once more, in these proportions: same cloud, same
# start, same number of steps and of points per step.

# %% tags=["remove-output"]
from dataclasses import replace

touching = replace(settings, counts=Counts(surface=100_000).scaled(round(1.2 * samples)))
recipe = recipes.inr_pairs(shapes[:1], touching, initialisations=0, together=2)
more = recipes.load(run.recipe(recipes.make(recipe, device=device)))
assert torch.equal(more.clouds[0], clouds[0])
other = reconstruction.reconstruct(
    network,
    more.pick([0], device),
    [stream(f"reconstruction/{shapes[0]}")],
    reconstruction.SearchOptions(points=read_back, seconds=60.0),
)
rows = {
    "loss": book.metric(held_out[0], "nats"),
    "loss_touching": book.metric(unseen(surfaces[0], 0, more.pick([0], device)), "nats"),
    "chamfer": book.metric(own[0], "squared radius"),
    "chamfer_touching": book.metric(
        metrics.chamfer(other.clouds[0].cpu(), clouds[0]), "squared radius"
    ),
}
_ = run.record("touching", metrics=rows, seeds=[0])

# %% [markdown]
# On the unseen points of the thesis's mixture the loss is
# {measured}`inrs/fitting/touching.none:loss:.3f` nats without and
# {measured}`inrs/fitting/touching.none:loss_touching:.3f` with points on the cloud, and the Chamfer
# distance of the cloud read back {measured}`inrs/fitting/touching.none:chamfer:.4f` and
# {measured}`inrs/fitting/touching.none:chamfer_touching:.4f` squared radii (largest recorded profile:
# {measured}`inrs/fitting/touching.none:loss:.3f@largest`,
# {measured}`inrs/fitting/touching.none:loss_touching:.3f@largest`;
# {measured}`inrs/fitting/touching.none:chamfer:.4f@largest`,
# {measured}`inrs/fitting/touching.none:chamfer_touching:.4f@largest`). It is one shape; the rest of the
# book keeps to the thesis's mixture.
#
# ## Paper vs measured
#
# ```{verdicts} inrs/fitting
# ```
#
# The mean distance of a point read back to the true surface is
# {measured}`inrs/fitting/accuracy.none:error:.4f` of the radius.
#
# ## Caveats
#
# - The thesis prints pictures and no numbers for this claim, so the threshold in our rule is our
#   own reading of "reconstructs". A stricter one, on the F-score at 0.01, would say as much about
#   the sampling of the clouds as about the networks.
# - The width, the number of points per step and the shapes at smoke are not the thesis's, and the
#   verdict there is capped for that reason. At laptop the network, the number of steps and of
#   labelled points are the thesis's, on 2,500 points a step instead of 10,000.
# - Clouds are drawn uniformly by area from meshes that have inner walls and loose parts. What is
#   "far" from such a surface is decided by the parts one cannot see.
# - Half of the shapes at gpu are airplanes known as clouds of 10,000 points. Two samples of 2,048 of
#   them share some 400 points, so "unseen" is a little less than unseen there.
# - The unsigned distance has a crease on the surface itself, where a smooth network must round it
#   off. Points read back from very thin parts are rounded off with it.
#
# ## Cost
#
# ```{cost} inrs/fitting
# ```
#
# ## Exercises
#
# 1. *Recall.* Why can the loss {eq}`eq-bce` not fall below a positive number, and for which labels
#    could it?
# 2. *Change one assumption.* The label can also be the distance to the mesh instead of the cloud
#    (`labels` accepts a `Mesh`). Which of the two has the lower floor, and which network should read
#    back better points?
# 3. *Measure something new.* How many steps does the Chamfer distance need to reach twice its final
#    value? Does it fall before or after the loss does?
#
# ````{dropdown} Solutions
# 1. The floor is the mean entropy of the labels. It is zero only if all labels are 0 or 1, that is
#    if every point lies on the surface or beyond the truncation.
# 2. The distance to the mesh is never larger than that to a cloud drawn from it, so labels near the
#    surface move towards 1, where the entropy is small: the floor is lower. It also does not depend
#    on the sample, so the network need not store the accidents of one cloud.
# 3. Fit with `Settings(steps=...)` for 50, 100, 200 and 500 steps, read back and compare. The
#    streams are named, so the shorter run is the beginning of the longer one.
# ````
#
# References: {cite:p}`ballerini2023,deluigi2023,sitzmann2020,chibane2020,kingma2015,wu2015`. Next:
# [the loss between these networks](line.py).

# %% tags=["nbval-check-output"]
run.finish()
