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
# (beyond-encoder)=
# # Why connected was not enough for inr2vec
#
# *Aim.* The thesis ends with a riddle: networks that are linearly connected are still noise to an
# encoder of weights. Measure what such an encoder reads, layer by layer: how much of it is the shape,
# and how much the draw a network started from.
#
# *Needs.* Networks of [the chapter on fitting](../inrs/fitting.py) and the encoder of
# [its own chapter](../inrs/inr2vec.py). On one CPU core half a minute at smoke and a few minutes at
# laptop, besides their recipes.

# %%
import torch

from onebasin import apply, book, matching, profiles, seeds
from onebasin.data import shapes as data
from onebasin.plotting import encoder as draw
from onebasin.shapes import Counts, fitting, inr2vec_study, queries, recipes
from onebasin.shapes.embedding import relative_distance, variance_shares
from onebasin.shapes.inr2vec_population import Member, first_weights

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
samples = 50_000  # labelled points around each shape
batch = 250  # of them per step
initialisations = 3  # pairs of different starts per shape
together = 30  # networks fitted at once
seen = 1000  # points for matching on data
study = "generated/chair_0"  # the shape that is fitted for longer and shorter
study_widths = [32, 64]
study_steps = [[100, 500], [100, 500, 2000]]  # lengths of its training, for each width
study_batch = 250
device = "cpu"

# %% tags=["remove-output"]
run = book.start(
    "beyond/encoder",
    profile=profile,
    shapes=shapes,
    width=width,
    samples=samples,
    batch=batch,
    initialisations=initialisations,
    together=together,
    seen=seen,
    study=study,
    study_widths=study_widths,
    study_steps=study_steps,
    study_batch=study_batch,
    device=device,
)

# %% [markdown]
# ## The riddle
#
# HYPER-MATCHING connects two INRs of a shape without a barrier, and [inr2vec](../inrs/inr2vec.py) makes
# noise of the result. The thesis concludes that linear connectivity may be necessary for its encoder,
# but not sufficient ({cite:t}`ballerini2023`, ch. 4), and asks what else is at play. The alignments of
# [an earlier chapter](siren.py) come near to connectivity, too, and leave every function as it is.
#
# **Claim.** *After any alignment the hidden weights of different starts stay almost orthogonal, so that the
# noise of initialisation, not the function, dominates what the encoder reads.*
#
# The measure is the distance of two weight tensors in units of their length,
#
# ```{math}
# :label: eq-relative-distance
# \delta(A,B)=\frac{\lVert A-B\rVert}{\sqrt{\tfrac12(\lVert A\rVert^2+\lVert B\rVert^2)}} ,
# ```
#
# 0 for equal tensors and $\sqrt2$ for orthogonal ones, which two independent draws are.

# %%
one, two = torch.randn(2, 40_000, generator=seeds.stream("orthogonal"), dtype=torch.float64)
assert relative_distance(one, one) == 0
assert abs(float(relative_distance(one, two)) - 2**0.5) < 0.02

# %% tags=["remove-output"]
inrs = recipes.load(run.recipe(recipes.make(recipes.of(run.params), device=device)))
settings, network = inrs.settings, inrs.settings.network(device)

# %% [markdown]
# ## Layer by layer
#
# Network 0 of every shape and its partners: one of the same start, and those of other starts as trained,
# after weight matching, after matching over signs and phases, and after matching phases on data.


# %%
def aligned(net, ref, other, method, x):
    """The networks other, moved towards ref; as they are for "same" and "none"."""
    sine = {"omega": net.gain}
    known = {
        "weight": (matching.weight_match, {}),
        "sign + phase": (matching.dihedral_match, sine),
        "phase": (matching.phase_match, {**sine, "network": net, "data": x}),
    }
    if method not in known:
        return other
    match, extra = known[method]
    return apply(match(net.spec, ref, other, **extra).element, other)


def partners(shape, method):
    """Network 0 of a shape, and its partners after a method, as two stacks."""
    numbers = [1] if method == "same" else list(range(2, 2 + initialisations))
    ref = inrs.pick([inrs.index(shape, 0)] * len(numbers), device)
    other = inrs.pick([inrs.index(shape, number) for number in numbers], device)
    cloud = fitting.fitted_cloud(data.surface(shape), 0, settings)
    x = queries(cloud, Counts().scaled(seen), generator=seeds.stream(f"statistics/{shape}"))
    return ref, aligned(network, ref, other, method, x.to(device))


def hidden(state):
    """The weights between hidden layers of every network, in one row."""
    last = len(state) // 2 - 1
    names = [f"layers.{layer}.weight" for layer in range(1, last)]
    return torch.cat([state[name].flatten(1) for name in names], dim=1)


# %% tags=["remove-output"]
methods = ("same", "none", "weight", "sign + phase", "phase")
apart, groups = {}, {}
for method in methods:
    every, whole, groups[method] = [], [], []
    for k, shape in enumerate(shapes):
        ref, other = partners(shape, method)
        every.append([relative_distance(ref[n].flatten(1), other[n].flatten(1)) for n in ref])
        whole.append(relative_distance(hidden(ref), hidden(other)).cpu())
        groups[method] += [k] * len(whole[-1])
    table = torch.cat([torch.stack(row, 1) for row in every]).cpu()
    apart[method] = torch.cat(whole)
    rows = {"hidden": book.metric(apart[method], "1", groups[method])}
    of_biases = [k for k, name in enumerate(ref) if name.endswith("bias")]
    of_biases.remove(list(ref).index(f"layers.{len(of_biases) - 1}.bias"))  # hidden ones only
    rows["biases"] = book.metric(table[:, of_biases].mean(1), "1", groups[method])
    arrays = {"names": list(ref), "distance": table}
    run.record("apart", method=method, metrics=rows, seeds=range(len(table)), arrays=arrays)

# %% mystnb={"figure": {"name": "fig-encoder-distances", "caption": "Relative distance of every tensor of network 0 from that of its partner, mean over all pairs: same start, and different starts as trained and after three alignments. Dotted: orthogonal tensors."}, "image": {"alt": "Line chart over the tensors of the network. The curve of the same start lies low for all of them. For the hidden weight matrices the curves of different starts stay close below the dotted line of orthogonality, whatever the alignment; they come down for the first layer and for the biases of hidden units."}}
run.show(draw.draw_distances, "apart", height=3.8)

# %%
after = ("weight", "sign + phase", "phase")
nearest = min(after, key=lambda method: float(apart[method].mean()))
best = book.measured(book.bootstrap(apart[nearest], groups[nearest]), "1")
assert all(((d >= 0) & (d <= 2)).all() for d in apart.values())

# %% [markdown]
# Between hidden layers the distance is {measured}`beyond/encoder/apart.none:hidden:.3f` as trained,
# {measured}`beyond/encoder/apart.weight:hidden:.3f` after weight matching,
# {measured}`beyond/encoder/apart.sign + phase:hidden:.3f` over signs and phases and
# {measured}`beyond/encoder/apart.phase:hidden:.3f` on data, where orthogonal is 1.414; for the same start it
# is {measured}`beyond/encoder/apart.same:hidden:.3f`. For biases the same four are
# {measured}`beyond/encoder/apart.none:biases:.2f`, {measured}`beyond/encoder/apart.weight:biases:.2f`,
# {measured}`beyond/encoder/apart.sign + phase:biases:.2f` and {measured}`beyond/encoder/apart.phase:biases:.2f`.
#
# Alignment does bring the networks together, in what a few numbers can settle: a unit has one bias, and a
# matcher of weights that may choose its partner among hundreds finds one with nearly the same. It has
# hundreds of hidden weights, and no choice of one partner makes hundreds of independent numbers agree.
# (Matching on data need not bring biases together: whole turns apart they mean the same.)
#
# ## How much of a layer is learned
#
# A network's hidden weights are its start plus what training added. The second part is where a shape could
# be read. One shape is fitted for shorter and for longer (named streams make the shorter run the beginning
# of the longer one), and three distances are followed: from its own start, from a second network of the
# same start, and from one of another start, aligned over signs and phases.


# %%
def trained(units, count):
    """Networks 0, 1 and 2 of the study's shape after so many steps."""
    longer = fitting.Settings(
        width=units, batch=study_batch, steps=count, counts=Counts().scaled(samples)
    )
    made = recipes.inr_pairs([study], longer, initialisations=1, together=3)
    return recipes.load(run.recipe(recipes.make(made, device=device))), longer


def own_start(net, number):
    """The first weights of a network of the study's shape."""
    first = fitting.start(net, study, number, shared=number < 2, seed=0)
    return {name: tensor[None] for name, tensor in first.items()}


def three_distances(units, count):
    """From their own starts (two networks), from the same start, from an aligned other start."""
    group, longer = trained(units, count)
    net = longer.network(device)
    zero, first, second = (group.pick([k], device) for k in range(3))
    moved = aligned(net, zero, second, "sign + phase", None)
    starts = ((own_start(net, 0), zero), (own_start(net, 2), second))
    pairs = (*starts, (zero, first), (zero, moved))
    return [float(relative_distance(hidden(a), hidden(b))) for a, b in pairs]


# %% tags=["remove-output"]
arrays = {"widths": study_widths}
for units, steps in zip(study_widths, study_steps, strict=True):
    held = torch.tensor([three_distances(units, count) for count in steps])
    kinds = {"learned": held[:, :2], "same": held[:, 2], "aligned": held[:, 3]}
    arrays |= {f"{kind}_{units}": values for kind, values in kinds.items()}
    arrays[f"steps_{units}"] = steps
rows = {"learned_last": book.metric(held[-1, :2]), "aligned_last": book.metric(held[-1, 3])}
rows |= {"steps_last": book.metric(steps[-1], "steps"), "width_last": book.metric(units, "units")}
_ = run.record("steps", metrics=rows, seeds=[0, 2], arrays=arrays)

# %% mystnb={"figure": {"name": "fig-encoder-steps", "caption": "Relative distance of the hidden weights of one INR from its own start, from a network of the same start fitted to another cloud, and from one of another start after alignment over signs and phases, against the steps of training, one panel a width. Dotted: orthogonal."}, "image": {"alt": "One panel per width, three curves against the number of training steps on a logarithmic axis. The distance from the own start and from a network of the same start begin low and rise with training; the distance from the aligned network of another start stays well above both, not far below the dotted line of orthogonality."}}
run.show(draw.draw_steps, "steps", height=3.6)

# %% [markdown]
# After {measured}`beyond/encoder/steps.none:steps_last:.0f` steps at width
# {measured}`beyond/encoder/steps.none:width_last:.0f` the distance from the own start is
# {measured}`beyond/encoder/steps.none:learned_last:.2f`, and the distance from the aligned partner still
# {measured}`beyond/encoder/steps.none:aligned_last:.2f`. What is learned is a correction to a draw: it makes
# sense together with that draw, and two corrections to two draws have no reason to agree.
#
# ## What the encoder makes of it
#
# inr2vec's encoder was trained on INRs of *one* start. Shapes that it never saw were fitted from several
# starts, the same ones for every shape, so the variance of what it reads can be split into what the shape
# explains, what the start explains, and what neither does alone:
#
# ```{source} onebasin.shapes.embedding.variance_shares
# ```
#
# Beside the three alignments stands a control that is no alignment at all and does change the function:
# subtract a network's own start and add the shared one, so that only what was learned is carried over.

# %% tags=["remove-output"]
asked = inr2vec_study.of({**profiles.resolve("inrs/inr2vec", profile), "device": device})
made, encoder = asked.trained("shared", device=device)
run.recipe(made)
made, group = asked.population("twice", device=device)
run.recipe(made)
reader, net = encoder.model, asked.settings.network(device)
crossed = [entry for entry in asked.entries() if entry != (1, 0)]


# %%
def exchanged(other):
    """Every network with the shared start in the place of its own."""
    own = [first_weights(net, start) for _, start in crossed]
    return {
        n: t - torch.stack([s[n] for s in own]).to(t) + own[0][n].to(t) for n, t in other.items()
    }


def read(shape, method):
    """The networks of one shape from every start as the encoder is to see them."""
    picks = [group.index(Member(shape, *entry)) for entry in crossed]
    ref, other = group.pick(picks[:1] * len(picks), device), group.pick(picks, device)
    if method == "exchanged":
        return exchanged(other)
    cloud = group.clouds[picks[0]]
    x = queries(cloud, Counts().scaled(seen), generator=seeds.stream(f"statistics/{shape}"))
    return aligned(net, ref, other, method, x.to(device))


def flat(state):
    """All weights and biases of each network in one row."""
    return torch.cat([tensor.flatten(1) for tensor in state.values()], dim=1)


# %% tags=["remove-output"]
names = inr2vec_study.names(asked.twice)
kinds = {
    "as trained": "none",
    "weight matching": "weight",
    "signs and phases": "sign + phase",
    "phases on data": "phase",
    "start exchanged": "exchanged",
}
grids = {key: {} for key in ("weights", "embedding")}
for label, method in kinds.items():
    states = [read(name, method) for name in names]
    grids["weights"][label] = torch.stack([flat(state).cpu() for state in states])
    grids["embedding"][label] = torch.stack([reader.encode(state).cpu() for state in states])

# %%
shares = {key: {k: variance_shares(g) for k, g in held.items()} for key, held in grids.items()}
bars = {key: [[s.shape, s.start, s.rest] for s in held.values()] for key, held in shares.items()}
assert all(abs(sum(row) - 1) < 1e-9 for rows in bars.values() for row in rows)
tags = {label: method.replace(" + ", "_") for label, method in kinds.items()}
rows = {f"start_{tags[k]}": book.metric(s.start) for k, s in shares["embedding"].items()}
rows |= {f"shape_{tags[k]}": book.metric(s.shape) for k, s in shares["embedding"].items()}
rows |= {f"weights_{tags[k]}": book.metric(s.start) for k, s in shares["weights"].items()}
arrays = {"kinds": list(kinds), **bars}
_ = run.record("shares", metrics=rows, seeds=range(len(names)), arrays=arrays)

# %% mystnb={"figure": {"name": "fig-encoder-shares", "caption": "Variance of INRs over shapes and starts, in their weights (left) and in the encoder's embedding (right): explained by the shape, by the start, and by neither alone. Networks as trained, after three alignments to the shared start, and with their own start exchanged for the shared one."}, "image": {"alt": "Two charts of stacked horizontal bars with five rows. In the weights the start takes nearly the whole bar of the networks as trained and a smaller part of it after each alignment; in the embedding the bars are divided between shape, start and what neither explains."}}
run.show(draw.draw_shares, "shares", height=3.0)


# %%
def start_share(label):
    """The start's share in the embedding, with its interval by leaving out one shape at a time."""
    grid = grids["embedding"][label]
    return book.jackknife(len(names), lambda rows: variance_shares(grid[rows]).start)


after = ("weight matching", "signs and phases", "phases on data")
least = min(after, key=lambda label: shares["embedding"][label].start)
_ = run.claim("siren-why-not-inr2vec", distance=best, share=book.measured(start_share(least), "1"))

# %% [markdown]
# In the embedding the start explains {measured}`beyond/encoder/shares.none:start_none:.2f` of the variance as
# trained, {measured}`beyond/encoder/shares.none:start_weight:.2f` after weight matching,
# {measured}`beyond/encoder/shares.none:start_sign_phase:.2f` over signs and phases,
# {measured}`beyond/encoder/shares.none:start_phase:.2f` on data, and
# {measured}`beyond/encoder/shares.none:start_exchanged:.2f` once the start is exchanged. The shape explains
# {measured}`beyond/encoder/shares.none:shape_none:.2f`, {measured}`beyond/encoder/shares.none:shape_weight:.2f`,
# {measured}`beyond/encoder/shares.none:shape_sign_phase:.2f`, {measured}`beyond/encoder/shares.none:shape_phase:.2f`
# and {measured}`beyond/encoder/shares.none:shape_exchanged:.2f`.
#
# The last of the five is a warning: with the shared start put back, the networks still differ by where they
# came from, since what each one learned was a correction to its own draw.
#
# So of the claim's two halves the second holds only in part. At the largest recorded profile, after alignment
# over signs and phases, the start explains {measured}`beyond/encoder/shares.none:start_sign_phase:.2f@largest` of
# the embedding's variance, the shape {measured}`beyond/encoder/shares.none:shape_sign_phase:.2f@largest`; the rest
# belongs to neither alone. Chance of the fitting is part of that rest: two fittings of one shape from one start
# differ in their hidden weights by {measured}`inrs/inr2vec/chance.none:hidden:.2f@largest` of what shapes differ by
# ([the chapter on inr2vec](../inrs/inr2vec.py)). How well the encoder asked here knows unseen shapes at all is
# measured there, too; nothing in this section speaks for a better one.
#
# Still, linear connectivity and readability are two things. A barrier asks what two networks *compute* half-way,
# and the answer depends on sums over hundreds of weights. An encoder of raw weights asks for the weights
# themselves. Alignment over the whole symmetry of the function can settle the first; it cannot make two
# independent draws one, because no symmetry of the function does.
#
# ## Paper vs measured
#
# ```{verdicts} beyond/encoder
# ```
#
# ## Caveats
#
# - The encoder here is narrow and was trained in minutes; how well it knows unseen shapes is measured
#   in [its chapter](../inrs/inr2vec.py), and what it says about starts is only as good as that.
# - It is one training. At smoke, INRs that differed by rounding alone gave an encoder with quite other shares,
#   and the intervals do not know of that.
# - The shares rest on few shapes of one category and few starts. The interval is the jackknife's over shapes:
#   one shape is left out at a time, since resampling would repeat shapes, and repeats look like a common start.
#   Other starts could give other shares.
# - Few shapes and starts have shares even in pure noise: of $n$ shapes and $m$ starts the shape explains
#   $(n-1)/(nm-1)$ of it on average, the start $(m-1)/(nm-1)$. Only what is above that says anything.
# - "Explained by the start" after an alignment means: by which start it was, although each network was
#   moved towards the same reference. Part of it is the method's own error.
# - Longer training changes more of the weights ({numref}`fig-encoder-steps`). What is said here holds for
#   networks trained as the thesis trains them.
#
# ## Cost
#
# ```{cost} beyond/encoder
# ```
#
# ## Exercises
#
# 1. *Recall.* Why are two independent random tensors with many entries nearly orthogonal, and why is that
#    not so for biases after matching?
# 2. *Change one assumption.* Train the encoder on networks from which their start has been subtracted.
#    Would it need a shared start?
# 3. *Measure something new.* Decode the embeddings of the networks with exchanged starts. Is the shape there?
#
# ````{dropdown} Solutions
# 1. The inner product of $n$ independent pairs is of order $\sqrt n$, the squared lengths of order $n$. A
#    unit has one bias only, and sorting brings one number per unit together.
# 2. In part: what was learned still depends on the draw, since the correction is made to it. `exchanged`
#    with a start of zeros gives what such an encoder would read.
# 3. `reader.reconstruct(reader.encode(state), streams, options)`, as in the chapter on inr2vec.
# ````
#
# References: {cite:p}`ballerini2023,deluigi2023,sitzmann2020`.

# %% tags=["nbval-check-output"]
run.finish()
