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
# (inr-inr2vec)=
# # inr2vec: what an encoder reads in the weights
#
# *Aim.* Train inr2vec, an encoder that reads the weights of an INR and a decoder that answers for
# the shape; find out whether it knows shapes it has not seen; then ask it what alignment is good
# for: are matched networks nearer in its eyes?
#
# *Needs.* At smoke about half a minute on one CPU core, with generated airplanes and a tiny encoder.
# The laptop profile needs the ModelNet40 clouds in a local folder; its recipes fit some 1,500 networks
# and train two encoders, about half an hour on two cores. The gpu profile takes the papers' sizes.

# %%
import torch

from onebasin import book, seeds
from onebasin.networks import Siren
from onebasin.plotting import inr2vec as draw
from onebasin.plotting.inrs import picture
from onebasin.shapes import metrics

# %% tags=["parameters"]
profile = "smoke"
train = "generated/airplane_{} 0-35"  # names, first and last number
unseen = "generated/airplane_{} 100-109"
twice = "generated/airplane_{} 200-204"  # shapes with several networks each, seen by no encoder
stretches = 0  # distorted copies of every training shape that are learned, too
starts = 3  # the shared start and others, for every shape of `twice`
width = 32  # units of each of the four hidden layers
points = 512  # of the cloud an INR is fitted to
samples = 8000  # labelled points around it
steps = 300
batch = 200
lr = 1e-3
together = 64  # networks fitted at once
scaled = True  # divide every weight matrix and bias by its spread before it is read
code = 64  # length of the embedding
encoder = [64, 64, 128]  # units of the row MLP
decoder = 64  # units of the decoder's hidden layers
octaves = 5
epochs = 120
slices = 4
queries = 256
noise = 0.1  # added in training to what is read, in units of its spread
rate = 3e-3  # largest step size of the encoder's training
precision = "float32"
hyper_steps = 100  # of HYPER-MATCHING (the thesis has 1,000)
device = "cpu"

# %% tags=["remove-output"]
run = book.start(
    "inrs/inr2vec",
    profile=profile,
    train=train,
    unseen=unseen,
    twice=twice,
    stretches=stretches,
    starts=starts,
    width=width,
    points=points,
    samples=samples,
    steps=steps,
    batch=batch,
    lr=lr,
    together=together,
    scaled=scaled,
    code=code,
    encoder=encoder,
    decoder=decoder,
    octaves=octaves,
    epochs=epochs,
    slices=slices,
    queries=queries,
    noise=noise,
    rate=rate,
    precision=precision,
    hyper_steps=hyper_steps,
    device=device,
)

# %% [markdown]
# ## What is read
#
# **Claim** ({cite:t}`ballerini2023`, §3.4, Fig. 3.7). *Stacked for the encoder, the weights and biases
# of an $L$-layer INR of width $H$ fill a matrix of $((L-1)H+1)\times(H+1)$.*
#
# Every unit is a row, its incoming weights followed by its bias. The first layer has three inputs
# only, so its rows are filled up with zeros:
#
# ```{math}
# :label: eq-encoder-input
# M(\theta)=\begin{pmatrix} W_1 & 0 & b_1\\ W_2 & & b_2\\ \vdots & & \vdots\\ W_L & & b_L\end{pmatrix}
# \in\mathbb R^{((L-1)H+1)\times(H+1)} .
# ```
#
# ```{source} onebasin.shapes.inr2vec.encoder_input
# ```
#
# inr2vec's own code {cite:p}`deluigi2023` does otherwise: it leaves the first and the last layer
# out and writes the biases of each hidden layer as one more row below its weights.
#
# To see that in the thesis's matrix nothing is lost or doubled, number all parameters 1, 2, 3, ... and
# look for the numbers.

# %%
from onebasin.shapes.inr2vec import encoder_input, input_size

paper = Siren(512)
count = sum(one.numel() for one in paper.parameters())
ends = torch.tensor([one.numel() for one in paper.parameters()]).cumsum(0)
numbered = {
    name: torch.arange(end - one.numel() + 1, end + 1, dtype=torch.float64).reshape(one.shape)
    for (name, one), end in zip(paper.named_parameters(), ends.tolist(), strict=True)
}
held = encoder_input(paper, numbered)
seen = held[held != 0].long().bincount(minlength=count + 1)[1:]
lost = int((seen != 1).sum())
_ = run.claim("inr-encoder-input", rows=held.shape[0], columns=held.shape[1], lost=lost)
assert len(seen) == count and held.numel() - count == 512 * 509

# %%
hidden = encoder_input(paper, numbered, "hidden")
assert hidden.shape == input_size(paper.widths, "hidden") == (3 * 513, 512)


def shades(layers):
    """Magnitudes in the matrix of a narrow INR as it starts, logarithmic, as 8-bit shades."""
    narrow = Siren(16)
    matrix = encoder_input(narrow, dict(narrow.named_parameters()), layers).detach()
    return (255 * (1 + matrix.abs().clamp(min=1e-3).log10() / 3)).round().to(torch.uint8)


_ = run.record(
    "input",
    metrics={
        "rows_all": book.metric(held.shape[0], "rows"),
        "rows_hidden": book.metric(hidden.shape[0], "rows"),
        "left_out": book.metric(count - hidden.numel(), "parameters"),
        "parameters": book.metric(count, "parameters"),
    },
    arrays={"all": shades("all"), "hidden": shades("hidden")},
)

# %% mystnb={"figure": {"name": "fig-inr2vec-input", "caption": "What the encoder reads of a network of width 16 as it starts; brighter is larger, on a logarithmic scale. Left, the thesis's matrix: four blocks of 16 rows, biases in the last column, the last layer as the last row, and zeros where the first layer has no inputs. Right, inr2vec's: hidden layers only, biases as rows."}, "image": {"alt": "Two heat maps of rows against columns. Left, a bright block of three columns at the top with black beside it, darker square blocks below, and a bright last column. Right, three dark square blocks with a bright row of biases under each."}}
run.show(draw.draw_matrix, "input", height=3.6)

# %% [markdown]
# Of {measured}`inrs/inr2vec/input.none:parameters:.0f` parameters that form leaves out
# {measured}`inrs/inr2vec/input.none:left_out:.0f`, less than one in two hundred; but they are the ones that touch
# the coordinates and the answer. This chapter reads all layers, as the thesis does.
#
# ## A population to learn from
#
# The encoder learns from many INRs, one for each of many shapes, that share *one* initialisation. A
# second population has the same shapes and samples, but every network its own start; it is for the
# control further down. Some shapes are kept apart and fitted several times: from the shared start on
# two samples of the surface, and from other starts, the same for all shapes.
#
# The labels are those of the [fitting chapter](fitting.py), with one difference. At the thesis's
# proportions nineteen queries in twenty lie near the surface, and a network as narrow as an encoder
# on a CPU asks for invents surfaces in the empty rest of the cube. Here the queries are spread
# evenly over the four kinds.

# %% tags=["remove-output"]
from onebasin.shapes import inr2vec_study
from onebasin.shapes.inr2vec_population import Member

study = inr2vec_study.of(run.params)
again, each = inr2vec_study.names(twice), study.entries()  # entries: number and start
shared, free = study.members("shared"), study.members("free")
assert [one.shape for one in shared] == [one.shape for one in free]
assert {one.start for one in shared} == {0} and len({one.start for one in free}) == len(free)
assert not {one.shape for one in shared} & {one.shape for one in study.members("unseen")}
people = {}
for kind in ("shared", "unseen", "free", "free-unseen", "twice"):
    made, people[kind] = study.population(kind, device=device)
    run.recipe(made)
network = study.settings.network(device)

# %% [markdown]
# ## Encoder and decoder
#
# The encoder sends every row of {eq}`eq-encoder-input` through the same small network $g$ and takes,
# entry by entry, the largest answer:
#
# ```{math}
# :label: eq-embedding
# z(\theta)=\max_{r}\; g\bigl(M(\theta)_{r\cdot}\bigr) .
# ```
#
# The decoder is itself a network on coordinates, $f(x;z)$, that is given the embedding beside the
# point; its output is a logit as in {eq}`eq-udf-label`. Both are trained at once, by {eq}`eq-bce`
# between $f(x;z(\theta))$ and the labels of the cloud that $\theta$ was fitted to
# {cite:p}`deluigi2023`.
#
# ```{source} onebasin.shapes.inr2vec.Encoder.forward
# ```
#
# A SIREN's hidden weights are far smaller than its biases and its first layer, and what is small is
# learned late. On two cores there is no time for that: unless the parameter `scaled` is off, as it is
# at gpu and in the papers, every weight matrix and every bias is divided by its spread over the
# training population before it is read. With a few hundred shapes to learn from, a little noise is
# added in training, too.
#
# The maximum forgets the order of the rows. It does *not* make the encoder blind to relabelled
# units: the weights inside a row stand in the order of the units below, and that order changes, too.
# The same function with its units shuffled is another embedding, with the very first, untrained
# encoder as with any other.

# %%
from onebasin.shapes.inr2vec import Inr2vec
from onebasin.symmetry import Permutation, apply

untrained = Inr2vec(network, study.sizes).to(device)
sample = people["unseen"].pick([0], device)
rows = untrained.matrix(sample)
mixed = rows[:, torch.randperm(rows.shape[1], generator=seeds.stream("rows"))]
untrained.encoder.eval()
assert torch.allclose(untrained.encoder(rows), untrained.encoder(mixed), atol=1e-5)
group_sizes = network.spec.sizes(sample)
shuffle = Permutation.random(network.spec, group_sizes, generator=seeds.stream("shuffle"))
first, moved = untrained.encode(sample), untrained.encode(apply(shuffle, sample))
assert (first - moved).norm() > 1e-3 * first.norm()

# %% tags=["remove-output"]
models = {}
for kind in inr2vec_study.JUDGES:
    made, models[kind] = study.trained(kind, device=device)
    run.recipe(made)

# %%
from onebasin.shapes.fitting import bce
from onebasin.shapes.inr2vec_training import pool

truth = pool(people["unseen"], study.schedule)[1].double().reshape(-1, 1)
floor = bce(torch.logit(truth, eps=1e-9), truth)
ends = [epochs * (k + 1) // slices for k in range(slices)]
_ = run.record(
    "training",
    metrics={
        "floor": book.metric(floor, "nats"),
        **{name: book.metric(model.loss[-1], "nats") for name, model in models.items()},
        **{f"{name}_unseen": book.metric(m.held_out[-1], "nats") for name, m in models.items()},
    },
    arrays={
        "ends": ends,
        **{name: model.loss.float() for name, model in models.items()},
        **{f"{name}_unseen": model.held_out for name, model in models.items()},
    },
)
assert all((model.loss[-1] < model.loss[0]) for model in models.values())

# %% mystnb={"figure": {"name": "fig-inr2vec-training", "caption": "Loss against epoch of an encoder that learns from INRs of one common start (blue) and of one that learns from INRs with a start each (red): mean of every epoch's batches (solid) and on shapes that neither sees (dashed, at the end of each stored slice). Dotted: the entropy of the labels, the least possible."}, "image": {"alt": "Loss against epoch: for INRs of one start the solid curve falls, while the dashed one for unseen shapes falls less and may rise again as shapes are learned by heart; for INRs with a start each the dashed curve stays above it. A dotted line below all of them marks the least possible loss."}}
run.show(draw.draw_training, "training")

# %% [markdown]
# ## Is it a real inr2vec?
#
# A low loss on shapes it has learned says little: the decoder could have learned them by heart. So
# the bar is set on shapes that were never seen. From the embedding of an unseen shape's INR the
# decoder's field is read back as a cloud, as in {eq}`eq-udf-walk`, and compared with the shape
# by {eq}`eq-chamfer`. Beside it stand
#
# - the *nearest training shape*: of all clouds of the training set the one with the least Chamfer
#   distance to the unseen shape, found by looking at the answer. Memory alone cannot do better;
# - the *best constant*: the one training cloud with the least mean distance to all unseen shapes;
# - the *INR* itself, read back without encoder and decoder.
#
# If the decoder's median is not below that of the nearest training shape, the encoder is not good
# enough to speak for embeddings: the rows that need one are *not run*, with that reason, and what was
# measured for them is shown without a verdict.

# %% tags=["remove-output"]
from onebasin.shapes.reconstruction import SearchOptions, reconstruct

search = SearchOptions(points=points, rounds=40, seconds=None, hopeless=1e-6)


def streams(key, count):
    """A stream of candidates for each field."""
    return [seeds.stream(f"decoded/{key}", k) for k in range(count)]


def decoded(model, states, key):
    """Clouds that a decoder makes of INRs; a field without a surface gives the origin."""
    codes = model.encode({name: tensor.to(device) for name, tensor in states.items()})
    found = model.reconstruct(codes, streams(key, len(codes)), search)
    return [cloud.cpu() if len(cloud) else torch.zeros(1, 3) for cloud in found.clouds]


def errors(clouds, targets):
    """Chamfer distance of each cloud to its own target."""
    return torch.tensor([metrics.chamfer(a, b) for a, b in zip(clouds, targets, strict=True)])


targets = people["unseen"].clouds
best = models["shared"].model
clouds = decoded(best, people["unseen"].states, "unseen")
table = metrics.chamfer_table(targets, people["shared"].clouds)
direct = reconstruct(network, people["unseen"].pick(range(len(targets)), device),
                     streams("inr", len(targets)), search)  # fmt: skip

# %% tags=["remove-output"]
error = {
    "decoded": errors(clouds, targets),
    "nearest": table.amin(1),
    "constant": table[:, table.mean(0).argmin()],
    "inr": errors([cloud.cpu() for cloud in direct.clouds], targets),
}
stops = list(range(1, slices - 1, 2))  # slices at whose end it is judged, besides the last
there = [decoded(models["shared"].at(k), people["unseen"].states, "unseen") for k in stops]
progress = [errors(clouds_then, targets).median() for clouds_then in there]
bar = {name: float(values.median()) for name, values in error.items()}
good = bar["decoded"] < bar["nearest"]
wins = (error["decoded"] < error["nearest"]).double()
_ = run.record(
    "unseen",
    metrics={
        **{name: book.metric(values, "squared radius") for name, values in error.items()},
        **{f"median_{name}": book.metric(one, "squared radius") for name, one in bar.items()},
        "wins": book.metric(wins),
    },
    seeds=range(len(targets)),
    arrays={"ends": [*(ends[k] for k in stops), ends[-1]], "progress": [*progress, bar["decoded"]]},
)

# %% mystnb={"figure": {"name": "fig-inr2vec-unseen", "caption": "Left: every unseen shape, the Chamfer distance of the cloud decoded from its INR against that of the nearest training shape; points below the line are better than memory. Right: the decoder's median along its training, with the medians of the nearest training shape (dashed) and of the INR read back directly (dotted)."}, "image": {"alt": "Left, scatter of decoder error against nearest training shape's error, logarithmic axes with the diagonal. Right, the decoder's median error against epoch, falling towards the two horizontal lines of the nearest training shape and the INR itself."}}
run.show(draw.draw_unseen, "unseen", height=3.4)

# %% [markdown]
# The medians: {measured}`inrs/inr2vec/unseen.none:median_decoded:.5f` for the decoder,
# {measured}`inrs/inr2vec/unseen.none:median_nearest:.5f` for the nearest training shape,
# {measured}`inrs/inr2vec/unseen.none:median_constant:.5f` for the best constant and
# {measured}`inrs/inr2vec/unseen.none:median_inr:.5f` for the INR itself. The decoder is the better one
# of the first two on a share of {measured}`inrs/inr2vec/unseen.none:wins:.2f` of the unseen shapes.

# %% tags=["remove-output"]
shown = error["decoded"].argsort()[:: max(1, len(targets) // 5)][:5].tolist()
nearest = people["shared"].clouds[table[shown].argmin(1)]
least = min(len(clouds[k]) for k in shown)
_ = run.record(
    "gallery",
    metrics={"decoded": book.metric(error["decoded"][shown], "squared radius")},
    arrays={
        "targets": torch.stack([torch.as_tensor(picture(targets[k].numpy())) for k in shown]),
        "nearest": torch.stack([torch.as_tensor(picture(one.numpy())) for one in nearest]),
        "points": torch.stack([clouds[k][:least] for k in shown]).half(),
    },
)

# %% mystnb={"figure": {"name": "fig-inr2vec-gallery", "caption": "Unseen shapes (top, as small pictures), the decoder's clouds (middle) and the nearest training shapes (bottom), from the decoder's best unseen shape on the left to one of its worst on the right."}, "image": {"alt": "Three rows of pictures of airplanes: unseen shapes, the clouds the decoder gives for their INRs, and the nearest shapes of the training set. The clouds show the same kind of airplane; towards the right they are less alike."}}
run.show(draw.draw_gallery, "gallery", height=3.6)

# %% [markdown]
# ## How much of the weights is the shape?
#
# What an encoder can learn is limited by what there is to read. Two INRs of one shape and one start
# still differ, by the sample of the surface, by the queries, by their order. That part of the variance
# over INRs of one start says nothing of the shape:
#
# ```{math}
# :label: eq-chance
# \nu=\frac{\tfrac12\,\mathbb E\,\lVert\theta_{s,0}-\theta_{s,1}\rVert^2}
# {\mathbb E\,\lVert\theta_{s,0}-\bar\theta\rVert^2}
# ```
#
# for networks 0 and 1 of a shape $s$, with the variance over all training shapes below. Is it the small
# batches of the fitting? The pairs are fitted once more with four times as many points in each step; where
# both batch sizes are compared, the variance below is that over the few shapes kept apart.


# %%
def both(group):
    """Networks 0 and 1 of every shape kept apart, of the shared start, as two stacks."""
    numbers = ([group.index(Member(name, number)) for name in again] for number in (0, 1))
    return [group.pick(one) for one in numbers]


def chance(names, group, crowd):
    """Part of the variance over a crowd that two INRs of one shape of the group have, too."""
    first, second = both(group)
    within = sum(float((first[k] - second[k]).square().sum()) / 2 / len(again) for k in names)
    return within / sum(float(crowd[k].var(0).sum()) for k in names)


hidden_weights = [f"layers.{layer}.weight" for layer in (1, 2, 3)]
parts = {
    "hidden": hidden_weights,
    "first": ["layers.0.weight"],
    "last": ["layers.4.weight"],
    "all": list(people["shared"].states),
}
crowd = people["shared"].states
noise_in = {name: chance(one, people["twice"], crowd) for name, one in parts.items()}
assert all(value > 0 for value in noise_in.values())

# %% tags=["remove-output"]
from dataclasses import replace

from onebasin.shapes import inr2vec_population

calm = replace(study.settings, batch=4 * batch)
members = [Member(name, number) for name in again for number in (0, 1)]
made = inr2vec_population.population(members, calm, together=together)
made = run.recipe(inr2vec_population.make(made, device=device))
for name, group in (("few", people["twice"]), ("calm", inr2vec_population.load(made))):
    noise_in[name] = chance(hidden_weights, group, both(group)[0])
_ = run.record("chance", metrics={name: book.metric(one) for name, one in noise_in.items()})

# %% [markdown]
# For the hidden weights $\nu$ is {measured}`inrs/inr2vec/chance.none:hidden:.2f`, for those of the
# first layer {measured}`inrs/inr2vec/chance.none:first:.2f` and for those of the last
# {measured}`inrs/inr2vec/chance.none:last:.2f`; at the largest recorded profile
# {measured}`inrs/inr2vec/chance.none:hidden:.2f@largest`,
# {measured}`inrs/inr2vec/chance.none:first:.2f@largest` and
# {measured}`inrs/inr2vec/chance.none:last:.2f@largest`. Where it is near 1, an encoder with a few hundred
# shapes to learn from can learn the accidents of its training set by heart, and
# {numref}`fig-inr2vec-training` shows that it does. This is why a little noise is added in training.
# Larger batches change it from {measured}`inrs/inr2vec/chance.none:few:.2f` to
# {measured}`inrs/inr2vec/chance.none:calm:.2f` for the hidden weights over the shapes kept apart
# ({measured}`inrs/inr2vec/chance.none:few:.2f@largest` to
# {measured}`inrs/inr2vec/chance.none:calm:.2f@largest` at the largest recorded profile).
#
# ## One start for all
#
# **Claim** ({cite:t}`ballerini2023`, ch. 1, Fig. 1.2, after {cite:t}`deluigi2023`). *The encoder trains
# on INRs that share their initialisation and does not on INRs that do not.*
#
# The second encoder is the same network with the same schedule and the same shapes; only the starts
# of its INRs differ. It is judged on unseen shapes whose INRs have yet other starts. *Trains* means
# that it halves the error of the best constant, *does not* that it stays within a tenth of it.

# %%
free = decoded(models["free"].model, people["free-unseen"].states, "free")
error["free"] = errors(free, people["free-unseen"].clouds)
unit = "squared radius of the shape"
_ = run.claim(
    "inr-shared-init",
    shared=book.measured(book.bootstrap(error["decoded"]), unit),
    free=book.measured(book.bootstrap(error["free"]), unit),
    mean=book.measured(book.bootstrap(error["constant"]), unit),
)

# %% [markdown]
# The mean error is {measured}`inrs/inr2vec/inr-shared-init.claim:shared:.4f` from one start,
# {measured}`inrs/inr2vec/inr-shared-init.claim:free:.4f` from a start each and
# {measured}`inrs/inr2vec/inr-shared-init.claim:mean:.4f` for the best constant (largest recorded profile:
# {measured}`inrs/inr2vec/inr-shared-init.claim:shared:.4f@largest`,
# {measured}`inrs/inr2vec/inr-shared-init.claim:free:.4f@largest` and
# {measured}`inrs/inr2vec/inr-shared-init.claim:mean:.4f@largest`). Where the first misses half of the last,
# {numref}`fig-inr2vec-training` and $\nu$ say why: what is learned of the training shapes does not carry over,
# since most of what differs between two INRs of one start is accident.
#
# ## Does alignment bring embeddings together?
#
# **Claim** ({cite:t}`ballerini2023`, §3.2, Fig. 3.4). *In inr2vec's embedding two INRs of one shape are
# nearest for the same start, further apart after weight matching, and furthest without it.*
#
# The pairs are those of the [previous chapter](line.py), fitted anew at the width the encoder reads,
# to shapes it has not seen. Network 0 of each shape started from the shared initialisation; *same* is
# another network of that start, fitted to another sample of the surface; the others started
# elsewhere and are aligned to network 0 before they are embedded. Two further kinds of alignment take
# part that the thesis does not know: a sine is odd and periodic, so its units may also change signs
# and shift their phases, without any change of the function.
#
# **Claim** ({cite:t}`ballerini2023`, §3.4, ch. 4). *The weights that HYPER-MATCHING emits lie further off
# than those of weight matching, for every shape, and the decoder makes noise of them: a line of low loss
# may be necessary, but it is not sufficient.*
#
# HYPER-MATCHING is the subject of [a later chapter](hyper.py): it trains new weights until the line
# from network 0 to them has a low loss. Here it does so for one other start of each shape, at the
# width this encoder reads, on points around the cloud of network 0.


# %%
from functools import partial

from onebasin.matching import dihedral_match, identity_match, sign_match, weight_match

matched = {
    "none": identity_match,
    "weight": weight_match,
    "sign": partial(sign_match, omega=study.settings.omega),
    "sign + phase": partial(dihedral_match, omega=study.settings.omega),
}
group = people["twice"]


def states_of(name, entries):
    """The networks of one shape with these numbers and starts, as a stack."""
    return group.pick([group.index(Member(name, *one)) for one in entries], device)


# %%
from onebasin.connectivity import barrier, interpolate, loss_along_line
from onebasin.networks import unstack
from onebasin.shapes import hyper
from onebasin.shapes.fitting import labelled_points

sizes = {"widths": tuple(encoder), "code": code, "rank": width}
options = hyper.HyperOptions(steps=hyper_steps, batch=batch, **sizes)


def around(name, number):
    """Labelled points around the cloud of a shape's network of the shared start."""
    cloud = group.clouds[group.index(Member(name, number))]
    settings, generator = study.settings, seeds.stream(f"around/{name}", number)
    kept = {"truncation": settings.truncation, "generator": generator, "device": device}
    return labelled_points(cloud, settings.counts, **kept)


def rewritten(name, ref, other):
    """What HYPER-MATCHING emits in the place of one network, as a stack of one."""
    ends = (unstack(states)[0] for states in (ref, other))
    found = hyper.hyper_match(network, *ends, around(name, 0), options=options)
    return {key: tensor[None] for key, tensor in found.state.items()}


# %%
def pairs(method):
    """Of every shape: network 0, and what a method makes of the others."""
    chosen = {"same": each[1:2], draw.HYPER: each[2:3]}.get(method, each[2:])
    for name in again:
        ref, other = states_of(name, each[:1] * len(chosen)), states_of(name, chosen)
        if method == draw.HYPER:
            other = rewritten(name, ref, other)
        elif method != "same":
            other = apply(matched[method](network.spec, ref, other).element, other)
        yield ref, other


def looked_at(name, ref, other):
    """Distance of embeddings, errors of decoded clouds at the end and half-way, and the barrier."""
    target = group.clouds[group.index(Member(name, *each[0]))]
    parts = {"decoded": other, "halfway": interpolate(ref, other, 0.5)}
    seen = {
        what: errors(
            decoded(best, states, f"{name}/{what}"), [target] * len(states["layers.0.bias"])
        )
        for what, states in parts.items()
    }
    seen["distance"] = (best.encode(ref) - best.encode(other)).norm(dim=1).cpu()
    line = loss_along_line(network, ref, other, bce, around(name, 1))
    return seen | {"barrier": barrier(line.loss).cpu()}


# %% tags=["remove-output"]
units = {"distance": "embedding units", "barrier": "nats"}
units |= dict.fromkeys(("decoded", "halfway"), "squared radius")
seen, labels = {}, {}
for method in ("same", *matched, draw.HYPER):
    parts = [looked_at(name, *pair) for name, pair in zip(again, pairs(method), strict=True)]
    labels[method] = [k for k, part in enumerate(parts) for _ in part["distance"]]
    seen[method] = {what: torch.cat([part[what] for part in parts]) for what in units}
    values = {
        what: book.metric(seen[method][what], unit, labels[method]) for what, unit in units.items()
    }
    _ = run.record("pairs", method=method, metrics=values, seeds=range(len(labels[method])))


# %%
def spread(method, what):
    """Mean of what was seen of pairs, with its interval over shapes."""
    return book.measured(book.bootstrap(seen[method][what].tolist(), labels[method]), units[what])


missed = None if good else "encoder not good enough"  # one that misses its bar has no say
order = {"same": "same", "matched": "weight", "diff": "none"}
order = {name: spread(method, "distance") for name, method in order.items()}
_ = run.claim("inr-embedding-distance", not_run=missed, **order)
same_pairs = seen["weight"]["distance"].unflatten(0, (len(again), -1))[:, 0]
further = (seen[draw.HYPER]["distance"] > same_pairs).double()
_ = run.record("further", method=draw.HYPER, metrics={"share": book.metric(further)})
_ = run.claim(
    "inr-hyper-embedding",
    not_run=missed,
    share=book.measured(book.bootstrap(further.tolist()), "fraction of shapes"),
    hyper=spread(draw.HYPER, "decoded"),
    same=spread("same", "decoded"),
)

# %% mystnb={"figure": {"name": "fig-inr2vec-distances", "caption": "Pairs of INRs of one unseen shape, by kind (twin of the thesis's Fig. 3.4). Left: distance of their embeddings. Right: Chamfer distance to the shape of the cloud that the decoder makes of the second network, on a logarithmic axis. Every mark is a pair; strokes are means."}, "image": {"alt": "Two panels with one row per kind of pair. Left, distances of embeddings on one scale: unmatched, aligned and emitted partners lie close to one another. Right, errors of the decoded clouds on a logarithmic axis: those of aligned pairs and of emitted weights lie near those of unmatched ones."}}
run.show(draw.draw_distances, "pairs", height=3.2)

# %% [markdown]
# Mean distances: {measured}`inrs/inr2vec/pairs.same:distance:.2f` for the same start,
# {measured}`inrs/inr2vec/pairs.weight:distance:.2f` after weight matching,
# {measured}`inrs/inr2vec/pairs.none:distance:.2f` without it, and
# {measured}`inrs/inr2vec/pairs.hyper-matching:distance:.2f` for HYPER-MATCHING, whose emitted weights are
# further off than the matched ones for a share of
# {measured}`inrs/inr2vec/further.hyper-matching:share:.2f` of the shapes. The right panel asks the
# harder question: does the decoder *understand* an aligned network? The mean error is
# {measured}`inrs/inr2vec/pairs.same:decoded:.4f` for the same start,
# {measured}`inrs/inr2vec/pairs.weight:decoded:.4f` after weight matching,
# {measured}`inrs/inr2vec/pairs.none:decoded:.4f` without and
# {measured}`inrs/inr2vec/pairs.hyper-matching:decoded:.4f` for emitted weights; half-way along the line,
# {measured}`inrs/inr2vec/pairs.same:halfway:.4f`, {measured}`inrs/inr2vec/pairs.weight:halfway:.4f`,
# {measured}`inrs/inr2vec/pairs.none:halfway:.4f` and
# {measured}`inrs/inr2vec/pairs.hyper-matching:halfway:.4f`. The line would have told otherwise: its barriers are
# {measured}`inrs/inr2vec/pairs.same:barrier:.4f`, {measured}`inrs/inr2vec/pairs.weight:barrier:.3f`,
# {measured}`inrs/inr2vec/pairs.none:barrier:.3f` and
# {measured}`inrs/inr2vec/pairs.hyper-matching:barrier:.3f` nats.
#
# ## What the embedding is about
#
# All shapes kept apart were fitted from the same few starts, so the variance of their embeddings can
# be split: what the shape explains, what the start explains, what neither explains alone. (Of pure
# noise over $n$ shapes and $m$ starts they explain $(n-1)/(nm-1)$ and $(m-1)/(nm-1)$ on average.)
#
# ```{source} onebasin.shapes.embedding.variance_shares
# ```

# %%
from onebasin.shapes.embedding import variance_shares

crossed = [each[0], *each[2:]]


def grid(method, read):
    """What is read of every shape from every start, aligned to the shared start."""
    rows = []
    for name in again:
        ref, other = states_of(name, each[:1] * len(crossed)), states_of(name, crossed)
        rows.append(read(apply(matched[method](network.spec, ref, other).element, other)).cpu())
    return torch.stack(rows)


def flat(states):
    """All weights and biases of each network in one row."""
    return torch.cat([tensor.flatten(1) for tensor in states.values()], dim=1)


# %%
kinds = {
    "as trained": "none",
    "after weight matching": "weight",
    "after signs, phases": "sign + phase",
}
read = {"weights": flat, "embedding": best.encode}
grids = {
    f"{what} {when}": grid(method, how)
    for what, how in read.items()
    for when, method in kinds.items()
}
shares = {kind: variance_shares(one) for kind, one in grids.items()}
names_of = {kind: kind.replace(",", "").replace(" ", "_") for kind in shares}
_ = run.record(
    "shares",
    metrics={names_of[kind]: book.metric(one.start) for kind, one in shares.items()},
    arrays={
        "kinds": list(shares),
        "shares": [[one.shape, one.start, one.rest] for one in shares.values()],
    },
)

# %% mystnb={"figure": {"name": "fig-inr2vec-shares", "caption": "Parts of the variance over shapes and starts that the shape explains, that the start explains, and that neither explains alone: of all weights and of the embedding, as trained, and after alignment to the network of the shared start by weight matching and over the whole symmetry of sine units."}, "image": {"alt": "Six horizontal stacked bars, weights and embeddings as trained and after two kinds of alignment, each cut into the parts explained by shape, by start and by neither. Of the weights as trained, the start explains nearly all."}}
run.show(draw.draw_shares, "shares", height=3.0)

# %% [markdown]
# Of the weights themselves the start explains a share of
# {measured}`inrs/inr2vec/shares.none:weights_as_trained:.2f`, and
# {measured}`inrs/inr2vec/shares.none:weights_after_weight_matching:.2f` after weight matching; of the
# embedding {measured}`inrs/inr2vec/shares.none:embedding_as_trained:.2f` and
# {measured}`inrs/inr2vec/shares.none:embedding_after_weight_matching:.2f`. What is left belongs to the
# shape, or to neither: {numref}`fig-inr2vec-shares` has all three parts.
#
# ## Paper vs measured
#
# ```{verdicts} inrs/inr2vec
# ```
#
# ## Caveats
#
# - *Small.* inr2vec learned from a hundred thousand shapes, augmented, at width 512. Below the gpu
#   profile the population is one category, the INRs are narrow, and so is the decoder. What an
#   encoder of that size does with a network of another start is measured; what a larger one would do
#   is not.
# - *Another mixture of queries and a larger step size* than the thesis's for the INRs: at this width
#   its own would leave surfaces in empty space.
# - *Near twins.* ModelNet40's airplanes hold many that are almost the same, so the nearest training
#   shape is often about as good as a second sample of the shape itself. The bar is a high one.
# - *One start.* The encoder knows one draw. That others are far away in its embedding does not say
#   that they are far in any embedding.
#
# ## Cost
#
# ```{cost} inrs/inr2vec
# ```
#
# ## Exercises
#
# 1. *Recall.* Why does the maximum over rows not make the encoder blind to a permutation of hidden
#    units?
# 2. *Change one assumption.* Which units could be permuted without any change of the embedding, if the
#    encoder read the first layer alone?
# 3. *Measure something new.* Train with `Sizes(layers="hidden")`. Does the decoder miss what the first
#    and the last layer say?
# 4. *Measure something new.* Embed the stops of the line between two INRs of the same start. Is the
#    path straight?
#
# ````{dropdown} Solutions
# 1. It forgets the order of rows only. The entries within a row of the next layer change their places
#    with the units, and $g$ reads them in order.
# 2. All of them: the columns of the first layer are the three coordinates and the bias, which do not
#    move.
# 3. The loss on unseen shapes tells; the matrix has fewer rows, so it also trains a little faster.
# 4. Compare the embedding of each stop with the point at the same part of the way between the ends;
#    the maximum over rows makes the path piecewise smooth, not straight.
# ````
#
# References: {cite:p}`ballerini2023,deluigi2023,sitzmann2020,wu2015`.

# %% tags=["nbval-check-output"]
run.finish()
