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
# (inr-pruning)=
# # Pruned INRs
#
# *Aim.* Set most parameters of an INR to zero, see how long the shape survives, and ask whether the
# line between two networks is easier to walk in the smaller space.
#
# *Needs.* The networks of [an earlier chapter](fitting.py). At smoke about twenty seconds on one CPU
# core; at laptop some ten minutes on two.

# %%
import torch

from onebasin import apply, book, seeds
from onebasin.connectivity import answers, barrier, features, stops
from onebasin.data import shapes as data
from onebasin.matching import weight_match
from onebasin.merging.pruning import prune, zero_shares
from onebasin.plotting import pruning as draw
from onebasin.shapes import Counts, fitting, metrics, recipes, reconstruction

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
points = 1000  # points the loss is measured on (the thesis has 10,000)
lines = 1  # lines per shape and kind that are read back
read_back = 128  # points read back from each network
rounds = 40  # budget of each search, in rounds of 4,096 candidates
percent = [0, 20, 40, 60, 80, 90, 95]  # shares of parameters set to zero
share = (
    40  # percent pruned for the lines (the thesis has 80, which a narrow network does not survive)
)
study = "generated/chair_0"  # the shape whose lines are shown
device = "cpu"

# %% tags=["remove-output"]
run = book.start(
    "inrs/pruning",
    profile=profile,
    shapes=shapes,
    width=width,
    samples=samples,
    batch=batch,
    initialisations=initialisations,
    together=together,
    points=points,
    lines=lines,
    read_back=read_back,
    rounds=rounds,
    percent=percent,
    share=share,
    study=study,
    device=device,
)

# %% [markdown]
# ## The smaller space
#
# **Claims** ({cite:t}`ballerini2023`, §3.3.2, Fig. 3.6 and 3.12). *Setting the smallest parameters of an
# INR to zero keeps its reconstruction acceptable up to about 80 %. Among INRs pruned by 80 % the
# picture is the same as before: same starts stay connected; weight matching does not connect different
# starts, but their reconstructions degrade more smoothly.*
#
# The hope behind it: fewer parameters, fewer ways to disagree. Pruning by $N$ % means one threshold for
# all layers,
#
# ```{math}
# :label: eq-prune
# \theta_i\leftarrow 0\quad\text{if}\quad\lvert\theta_i\rvert\le q_N,\qquad
# q_N=N\text{-th percentile of }\lvert\theta_1\rvert,\dots,\lvert\theta_n\rvert .
# ```
#
# The thesis words it as the percentile "of all weights and biases", without the bars. Taken literally,
# for values with balanced signs, that threshold is met by some $2N-100$ % of the magnitudes: at the 80th
# percentile only 60 % would go. The library knows both readings.

# %% tags=["remove-output"]
inrs = recipes.load(run.recipe(recipes.make(recipes.of(run.params), device=device)))
network = inrs.settings.network(device)
spec = network.spec
surfaces = {name: data.surface(name) for name in shapes}
firsts = inrs.pick([inrs.index(name, 0) for name in shapes], device)

# %%
cut, literal = prune(spec, firsts, 0.8), prune(spec, firsts, 0.8, by="signed")
values, left = (torch.cat([t.flatten(1) for t in s.values()], 1) for s in (firsts, cut.state))
largest = values.abs().where(left == 0, torch.tensor(0.0)).amax(1)
smallest = values.abs().where(left != 0, torch.tensor(torch.inf)).amin(1)
assert (cut.zeroed - 0.8).abs().max() < 1e-4 and (largest < smallest).all()
assert (left == values)[left != 0].all() and (literal.zeroed < cut.zeroed).all()

# %% [markdown]
# A permutation moves entries and changes none, so it commutes with pruning: it does not matter which
# is done first. What does matter is which *matcher* sees what; here, as in the thesis, weight matching
# sees the pruned networks.

# %%
one, two = ({name: t[k] for name, t in firsts.items()} for k in (0, 1))
move = weight_match(spec, one, two).element
before, after = apply(move, prune(spec, two, 0.8).state), prune(spec, apply(move, two), 0.8).state
assert all(torch.equal(before[name], after[name]) for name in two)

# %% [markdown]
# One threshold for all layers falls where the small numbers are. SIREN's hidden weights start within
# $\pm\sqrt{6/d}/\omega_0$, its biases within $\pm1/\sqrt d$ and its first layer within $\pm\tfrac13$:

# %% tags=["remove-output"]
shares = {by: zero_shares(spec, one.state) for by, one in (("magnitude", cut), ("signed", literal))}
means = {by: [float(share.mean()) for share in one.values()] for by, one in shares.items()}
run.record(
    "layers",
    method="pruned",
    metrics={
        "zeroed": book.metric(cut.zeroed),
        "zeroed_signed": book.metric(literal.zeroed),
        "biases": book.metric(
            torch.stack([t for n, t in shares["magnitude"].items() if "bias" in n]).mean(0)
        ),
        "first": book.metric(shares["magnitude"]["layers.0.weight"]),
    },
    seeds=range(len(shapes)),
    arrays={"names": list(spec.axes), **means},
)

# %% mystnb={"figure": {"name": "fig-prune-layers", "caption": "Share of each tensor that is set to zero by the 80th percentile of all layers, mean over shapes: percentile of magnitudes (filled) and of signed values (hatched)."}, "image": {"alt": "Horizontal bars, one pair for each weight matrix and bias vector of the network. The bars of the hidden weight matrices are by far the longest; those of the first layer's weights and of all biases are short. The hatched bars are shorter than the filled ones."}}
run.show(draw.draw_layers, "layers", height=3.4)

# %% [markdown]
# Of all parameters, {measured}`inrs/pruning/layers.pruned:zeroed:.3f` are zeroed by the percentile of
# magnitudes and {measured}`inrs/pruning/layers.pruned:zeroed_signed:.3f` by the literal one. Of the biases
# only {measured}`inrs/pruning/layers.pruned:biases:.2f` go, of the first layer's weights
# {measured}`inrs/pruning/layers.pruned:first:.2f`: what is pruned is the hidden weights.
#
# ## How long the shape survives
#
# For every shape, network 0 is pruned further and further and read back ({eq}`eq-udf-walk`). Quality is
# the Chamfer distance {eq}`eq-chamfer` to the shape, divided by that of the unpruned network.
# *Acceptable* is read as at most twice. A search that runs out of its budget has no cloud; where a
# number is needed, it counts as points thrown anywhere into the cube.

# %%
search = reconstruction.SearchOptions(
    points=read_back, rounds=rounds, walkers=2 * read_back, hopeless=1e-3, seconds=None
)
references = {
    name: one.sample(2048, generator=seeds.stream(f"reference/{name}"))
    for name, one in surfaces.items()
}


def read(shape, states):
    """Clouds of several networks of one shape, the same candidates for each in its place."""
    count = len(next(iter(states.values())))
    streams = [seeds.stream(f"line/{shape}", k) for k in range(count)]
    return reconstruction.reconstruct(network, states, streams, search)


def distances(shape, found):
    """Chamfer distance of each cloud to the shape, infinite where it is unfinished."""
    ready = zip(found.clouds, found.complete.tolist(), strict=True)
    far = float("inf")
    values = [metrics.chamfer(one.cpu(), references[shape]) if ok else far for one, ok in ready]
    return torch.tensor(values, dtype=torch.float64)


def anywhere(shape):
    """The same distance for points thrown anywhere into the cube."""
    thrown = 2 * torch.rand(read_back, 3, generator=seeds.stream("anywhere")) - 1
    return metrics.chamfer(thrown, references[shape])


# %%
def pruned(state, levels):
    """A single network at several percentages, as a population."""
    found = [prune(spec, state, level / 100).state for level in levels]
    return {name: torch.stack([one[name] for one in found]) for name in state}


# %% tags=["remove-output"]
kept, table = [], []
with run.clock("quality"):
    for k, shape in enumerate(shapes):
        kept.append(read(shape, pruned({name: t[k] for name, t in firsts.items()}, percent)))
        table.append(distances(shape, kept[-1]))
table = torch.stack(table)
filled = torch.where(table.isinf(), torch.tensor([anywhere(s) for s in shapes])[:, None], table)
assert percent[0] == 0 and torch.isfinite(table[:, 0]).all()

# %%
levels = {level: (filled[:, k] / filled[:, 0]).tolist() for k, level in enumerate(percent)}
run.record(
    "quality",
    method="pruned",
    metrics={f"at_{level}": book.metric(levels[level]) for level in percent}
    | {"unpruned": book.metric(filled[:, 0], "squared radius")},
    seeds=range(len(shapes)),
    arrays={"percent": percent, "ratio": table / table[:, :1]},
)
_ = run.claim(
    "inr-prune-quality",
    kept=book.measured(book.bootstrap(levels[80])),
    broken=book.measured(book.bootstrap(levels[95])),
)

# %% mystnb={"figure": {"name": "fig-prune-quality", "caption": "Chamfer distance of the cloud read back to the shape, as a multiple of that of the unpruned network, against the share of parameters set to zero: every shape (thin) and the median (thick, dashed). Dotted: twice the unpruned distance, and 80 %. Numbers on top: shapes without a finished reconstruction."}, "image": {"alt": "Line chart with a logarithmic vertical axis. The curves of all shapes stay near one for small percentages, begin to rise before or around the dotted line at eighty percent and are far above two at the right end, where some searches do not finish."}}
run.show(draw.draw_quality, "quality", height=3.4)

# %% tags=["remove-output"]
points_of = torch.zeros(len(shapes), len(percent), read_back, 3)
for k, found in enumerate(kept):
    for column, cloud in enumerate(found.clouds):
        points_of[k, column, : len(cloud)] = cloud.cpu()
finished = torch.stack([found.complete for found in kept])
run.record(
    "gallery",
    method="pruned",
    metrics={"unfinished": book.metric((~finished).double().sum(1), "clouds")},
    seeds=range(len(shapes)),
    arrays={
        "names": [name.rpartition("/")[2] for name in shapes][:8],
        "percent": percent,
        "points": points_of[:8].half(),
        "complete": finished[:8],
    },
)

# %% mystnb={"figure": {"name": "fig-prune-gallery", "caption": "Clouds read back from pruned INRs (twin of the thesis's Fig. 3.12), one row per shape, one column per percentage. A cross: the search ran out of its budget."}, "image": {"alt": "Grid of small point clouds with one row per shape and one column per percentage of zeroed parameters. The shapes are recognisable in the left columns, blur towards eighty percent and are lost or replaced by crosses in the last columns."}}
run.show(draw.draw_gallery, "gallery", height=4.8, share=False)

# %% [markdown]
# At 60 % the distance is {measured}`inrs/pruning/quality.pruned:at_60:.2f` times the unpruned one, at
# 80 % {measured}`inrs/pruning/quality.pruned:at_80:.2f` times, at 95 %
# {measured}`inrs/pruning/quality.pruned:at_95:.1f` times. (At the largest recorded profile:
# {measured}`inrs/pruning/quality.pruned:at_60:.2f@largest`,
# {measured}`inrs/pruning/quality.pruned:at_80:.2f@largest` and
# {measured}`inrs/pruning/quality.pruned:at_95:.1f@largest`.) The literal reading of the percentile turns the
# thesis's 80 % into 60 %.
#
# ### Why shapes differ
#
# A mean over shapes hides what {numref}`fig-prune-gallery` shows: at one percentage some shapes are intact
# and others gone. Two numbers tell what happens. One is the correlation of prediction and label. The
# other is what the search needs: of the points next to the surface (label above 0.9), the share that the
# network calls nearer than 0.02, that is $\hat y\ge 0.8$.


# %%
def health(k, shape):
    """Correlation with the labels, and share of surface points the search accepts, per level."""
    x, y = fitting.held_out_points(surfaces[shape], inrs.settings, Counts().scaled(points), device)
    states = pruned({name: t[k] for name, t in firsts.items()}, percent)
    predicted = torch.sigmoid(answers(network, states, x))[..., 0].cpu()
    label = y[:, 0].cpu()
    accepted = (predicted[:, label > 0.9] >= 0.8).double().mean(1)
    return features.likeness(predicted, label.expand_as(predicted)), accepted


# %% tags=["remove-output"]
with run.clock("health"):
    found = [health(k, shape) for k, shape in enumerate(shapes)]
knows, accepted = (torch.stack(part) for part in zip(*found, strict=True))
at = {level: percent.index(level) for level in (0, 80)}
rows = {f"knows_{level}": book.metric(knows[:, k]) for level, k in at.items()}
rows |= {f"accepted_{level}": book.metric(accepted[:, k]) for level, k in at.items()}
arrays = {"percent": percent, "knows": knows, "accepted": accepted}
_ = run.record("health", method="pruned", metrics=rows, seeds=range(len(shapes)), arrays=arrays)

# %% mystnb={"figure": {"name": "fig-prune-health", "caption": "Every shape's network 0 against the share of parameters set to zero: correlation of prediction and label (left), and share of points next to the surface whose prediction the search accepts (right). Dashed: mean over shapes."}, "image": {"alt": "Two line charts against the share of zeroed parameters, one thin curve per shape. Left: the correlations stay near one at first and then decline. Right: the shares of accepted surface points fall earlier and more steeply, and at different percentages for different shapes."}}
run.show(draw.draw_health, "health", height=3.0)

# %% [markdown]
# At 80 % the correlation is {measured}`inrs/pruning/health.pruned:knows_80:.2f`, of
# {measured}`inrs/pruning/health.pruned:knows_0:.2f` unpruned; the accepted share is
# {measured}`inrs/pruning/health.pruned:accepted_80:.2f`, of
# {measured}`inrs/pruning/health.pruned:accepted_0:.2f`. At the largest recorded profile these four are
# {measured}`inrs/pruning/health.pruned:knows_80:.2f@largest`,
# {measured}`inrs/pruning/health.pruned:knows_0:.2f@largest`,
# {measured}`inrs/pruning/health.pruned:accepted_80:.2f@largest` and
# {measured}`inrs/pruning/health.pruned:accepted_0:.2f@largest`. Where both are gone, the shape is. Where the
# correlation is left and the accepted share is not, what went is the height of the answers alone: those on the
# surface sank below the search's threshold, and little is left to find, though the network still tells near
# from far.
#
# ## The line between pruned networks
#
# Now the steps of the earlier chapters in the pruned space: all networks are pruned, by 80 % as in the
# thesis or, at smoke, by 40 %; then matched, then connected. The loss is measured along the line, and
# clouds are read back at its stops. (On the line itself, networks are not sparse: a zero of one end
# meets a number of the other.)


# %%
def loss_of(line, x, y):
    """Loss at every network of a population."""
    logits = answers(network, line, x)[..., 0]
    return fitting.bce.elementwise(logits, y[:, 0].expand_as(logits)).double().mean(1).cpu()


def between(shape, kind, fraction):
    """The networks at the stops of every line of a shape, pruned first and then matched."""
    numbers = [1] if kind == "same" else list(range(2, 2 + initialisations))
    ref = inrs.pick([inrs.index(shape, 0)] * len(numbers), device)
    other = inrs.pick([inrs.index(shape, number) for number in numbers], device)
    ref, other = (prune(spec, state, fraction).state for state in (ref, other))
    if kind == "weight":
        other = apply(weight_match(spec, ref, other).element, other)
    both = [[{n: t[k] for n, t in s.items()} for s in (ref, other)] for k in range(len(numbers))]
    return [stops(*ends) for ends in both]


# %% tags=["remove-output"]
kinds, lambdas, cut_by = ("same", "none", "weight"), torch.linspace(0, 1, 25), share / 100
loss = {(kind, fraction): [] for kind in kinds for fraction in (cut_by, 0.0)}
chamfer, shown = {kind: [] for kind in kinds}, {}
for shape in shapes:
    held_out = fitting.held_out_points(
        surfaces[shape], inrs.settings, Counts().scaled(points), device
    )
    for kind, fraction in loss:
        every = between(shape, kind, fraction)
        with run.clock("path"):
            loss[kind, fraction].append(torch.stack([loss_of(line, *held_out) for line in every]))
        with run.clock("clouds"):
            for line in every[: lines if fraction and (kind != "same" or shape == study) else 0]:
                found = read(shape, line)
                near = distances(shape, found)
                chamfer[kind].append(near.where(near.isfinite(), torch.tensor(anywhere(shape))))
                if shape == study:
                    shown.setdefault(kind, found)

# %%
of = {kind: [k for k, part in enumerate(loss[kind, cut_by]) for _ in part] for kind in kinds}
curves = {key: torch.cat(parts) for key, parts in loss.items()}
heights = {key: barrier(one) for key, one in curves.items()}
diff = heights["none", cut_by].reshape(len(shapes), -1).mean(1)
matched = heights["weight", cut_by].reshape(len(shapes), -1).mean(1) / diff
plain = (heights["weight", 0.0] / heights["none", 0.0]).reshape(len(shapes), -1).mean(1)
ends = curves["none", cut_by][:, [0, -1]]
assert torch.allclose(ends, curves["weight", cut_by][:, [0, -1]], atol=1e-3)
assert (diff > 0).all()

# %% tags=["remove-output"]
for kind in kinds:
    rows = {
        "barrier": book.metric(heights[kind, cut_by], "nats", of[kind]),
        "unpruned": book.metric(heights[kind, 0.0], "nats", of[kind]),
        "start": book.metric(curves[kind, cut_by][:, 0], "nats", of[kind]),
        "start_unpruned": book.metric(curves[kind, 0.0][:, 0], "nats", of[kind]),
    }
    if kind == "weight":
        rows |= {"relative": book.metric(matched), "relative_unpruned": book.metric(plain)}
    arrays = {"lambdas": lambdas, "loss": curves[kind, cut_by], "unpruned": curves[kind, 0.0]}
    run.record("path", method=kind, metrics=rows, seeds=range(len(of[kind])), arrays=arrays)

# %% mystnb={"figure": {"name": "fig-prune-path", "caption": "Loss along the line between pruned INRs (brown: every line thin, mean dashed), for the same start, different starts, and different starts after weight matching; in each panel the mean for the same networks unpruned, in the method's own colour."}, "image": {"alt": "Three panels of loss against position. Same start: both curves nearly level, the pruned one higher. Different starts: two peaks, pruned and unpruned alike in form. After weight matching: one broad rise in both."}}
run.show(draw.draw_paths, "path", height=3.2)

# %% [markdown]
# ## Roughness
#
# "Degrades more smoothly" becomes a number: the mean size of the second difference of the Chamfer
# distance along the stops, after matching divided by before, shape by shape. It is small for a path
# that gets worse and better at an even pace, and large for one that jumps.


# %%
def roughness(kind):
    """Mean size of the second difference of the Chamfer distance, per shape."""
    steps = torch.stack(chamfer[kind]).diff(n=2).abs().mean(1)
    return steps.reshape(len(shapes), -1).mean(1)


rough = roughness("none") > 0  # a line without any finished cloud is neither rough nor smooth
smoother = roughness("weight")[rough] / roughness("none")[rough]
assert rough.any() and torch.isfinite(smoother).all()
rows = {"shapes": book.metric(len(rough), "shapes")}
rows["left_out"] = book.metric((~rough).double().sum(), "shapes")
_ = run.record("roughness", metrics=rows)
_ = run.claim(
    "inr-prune-path",
    same=book.measured(book.bootstrap(heights["same", cut_by] / diff)),
    matched=book.measured(book.bootstrap(matched)),
    roughness=book.measured(book.bootstrap(smoother)),
)

# %% tags=["remove-output"]
for kind in kinds:
    kept_points = torch.zeros(len(lambdas), read_back, 3)
    for k, cloud in enumerate(shown[kind].clouds):
        kept_points[k, : len(cloud)] = cloud.cpu()
    rows = {"unfinished": book.metric((~shown[kind].complete).double().mean())}
    if kind != "same":
        rows["roughness"] = book.metric(roughness(kind), "squared radius")
    arrays = {"points": kept_points.half(), "complete": shown[kind].complete}
    run.record("clouds", method=kind, metrics=rows, seeds=[0], arrays=arrays)

# %% mystnb={"figure": {"name": "fig-prune-clouds", "caption": "Clouds read back along one line between pruned INRs, 25 stops in reading order (twin of the thesis's Fig. 3.6): same start, different starts, and the same pair after weight matching. A cross: the search ran out of its budget."}, "image": {"alt": "Three blocks of twenty-five small clouds. Same start: the shape at every stop. Different starts: the shape only next to the two ends, crosses or scattered points between. After weight matching: the shape for more stops from both ends."}}
run.show(draw.draw_clouds, "clouds", height=2.8, share=False)

# %% [markdown]
# The barrier after matching is {measured}`inrs/pruning/path.weight:relative:.2f` of that of unmatched
# pairs among pruned networks, and {measured}`inrs/pruning/path.weight:relative_unpruned:.2f` among unpruned
# ones. Pruning raises the loss of the ends from {measured}`inrs/pruning/path.none:start_unpruned:.3f` to
# {measured}`inrs/pruning/path.none:start:.3f` nats. Of {measured}`inrs/pruning/roughness.none:shapes:.0f` shapes
# {measured}`inrs/pruning/roughness.none:left_out:.0f` have no roughness to compare with, since no cloud
# between different starts ended, and are left out of the mean
# ({measured}`inrs/pruning/roughness.none:left_out:.0f@largest` of
# {measured}`inrs/pruning/roughness.none:shapes:.0f@largest` at the largest recorded profile).
#
# ### What pruning takes away
#
# That pruning changes so little about the line has a simple reason. Two independent draws agree in
# nothing, neither in their large entries nor in their small ones, and a threshold on single entries does
# not change whether they do. {numref}`fig-prune-layers` shows what it does change: the hidden weights lose
# their small entries, the biases stay. After pruning, biases make up a larger part of what weight
# matching compares, and [they were already](line.py) what turns two peaks into one.
#
# One threshold for all layers spares those whose entries are large. Are they the ones that can least be
# spared? One weight matrix at a time loses its own smallest 80 %, all else stays:


# %%
def thinned(state, name):
    """A network of which one tensor has lost the smaller 80 % of its entries."""
    tensor = state[name]
    return state | {name: tensor.where(tensor.abs() > tensor.abs().quantile(0.8), 0)}


weights = [name for name in firsts if name.endswith("weight")]
rises = []
for k, shape in enumerate(shapes):
    state = {name: tensor[k] for name, tensor in firsts.items()}
    every = [state, *(thinned(state, name) for name in weights)]
    x, y = fitting.held_out_points(surfaces[shape], inrs.settings, Counts().scaled(points), device)
    values = loss_of({n: torch.stack([one[n] for one in every]) for n in state}, x, y)
    rises.append(values[1:] - values[0])
rises = dict(zip(weights, torch.stack(rises).T, strict=True))
rows = {f"layer_{name.split('.')[1]}": book.metric(one, "nats") for name, one in rises.items()}
_ = run.record("alone", method="pruned", metrics=rows, seeds=range(len(shapes)))

# %% [markdown]
# The loss rises by {measured}`inrs/pruning/alone.pruned:layer_0:.3f` nats for the first layer, by
# {measured}`inrs/pruning/alone.pruned:layer_1:.3f`, {measured}`inrs/pruning/alone.pruned:layer_2:.3f` and
# {measured}`inrs/pruning/alone.pruned:layer_3:.3f` for the hidden ones, and by
# {measured}`inrs/pruning/alone.pruned:layer_4:.3f` for the last (largest recorded profile:
# {measured}`inrs/pruning/alone.pruned:layer_0:.3f@largest`;
# {measured}`inrs/pruning/alone.pruned:layer_1:.3f@largest`,
# {measured}`inrs/pruning/alone.pruned:layer_2:.3f@largest`,
# {measured}`inrs/pruning/alone.pruned:layer_3:.3f@largest`;
# {measured}`inrs/pruning/alone.pruned:layer_4:.3f@largest`).
#
# ## Paper vs measured
#
# ```{verdicts} inrs/pruning
# ```
#
# ## Caveats
#
# - "Acceptable" is a word; twice the unpruned Chamfer distance was written down before the run. The
#   distance of the unpruned networks is small, {measured}`inrs/pruning/quality.pruned:unpruned:.4f` squared
#   radii, so twice of it is still a good likeness: a milder reading moves the limit to higher percentages.
# - Clouds here have few points, and the Chamfer distance has a floor that depends on their number. The
#   floor is in both the numerator and the denominator, which makes the ratio milder than it would be with
#   more points.
# - The networks are pruned after training, once, without retraining, as in the thesis.
#
# ## Cost
#
# ```{cost} inrs/pruning
# ```
#
# ## Exercises
#
# 1. *Recall.* Why is the signed 80th percentile about the 60th percentile of magnitudes?
# 2. *Change one assumption.* Prune all tensors at once, each by its own 80th percentile. Is the loss higher
#    or lower than with one threshold for all, and what do the single layers above lead you to expect?
# 3. *Measure something new.* Match first and prune afterwards. Does the permutation differ from that
#    found among pruned networks, and the barrier?
#
# ````{dropdown} Solutions
# 1. If signs balance, 20 % of all values lie above the 80th percentile $q$ and 20 % below $-q$, so 60 %
#    have a magnitude of at most $q$.
# 2. Apply `thinned` to one weight matrix after the other and ask `loss_of`. Add the single rises up for a
#    guess; layers that one threshold spares are now thinned as much as all others.
# 3. Run `weight_match` on the unpruned pair and `apply` the result to the pruned one; compare the two
#    elements by `element.inverse() @ other_element` and its `fixed_points()`.
# ````
#
# References: {cite:p}`ballerini2023,deluigi2023,chibane2020`.

# %% tags=["nbval-check-output"]
run.finish()
