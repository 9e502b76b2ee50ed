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
# (inr-predictions)=
# # What the networks in between predict
#
# *Aim.* Look behind the loss: what do the networks on the line between two INRs answer, and which
# shape can be read back from them? Pictures of the thesis become shares and rank correlations.
#
# *Needs.* The networks of [an earlier chapter](fitting.py). At smoke about twenty seconds on one
# CPU core; at laptop some ten minutes on two, nearly all of it for reading a thousand clouds back.

# %%
import torch

from onebasin import book, seeds
from onebasin.connectivity import answers, features, loss_along_line, peaks, share_between, stops
from onebasin.data import shapes as data
from onebasin.matching import weight_match
from onebasin.plotting import predictions as draw
from onebasin.shapes import Counts, fitting, metrics, recipes, reconstruction
from onebasin.symmetry import apply

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
points = 2000  # points that are predicted (the thesis has 10,000)
lines = 1  # lines per shape and kind that are read back
read_back = 128  # points read back from each network
rounds = 40  # budget of each search, in rounds of 4,096 candidates
study = "generated/chair_0"  # the shape that is shown
device = "cpu"

# %% tags=["remove-output"]
run = book.start(
    "inrs/predictions",
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
    study=study,
    device=device,
)

# %% [markdown]
# ## Three puzzles
#
# **Claims** ({cite:t}`ballerini2023`, §3.1.2, Fig. 3.9-3.11). Between INRs of *different starts* the
# thesis sees a loss half-way about as low as at the ends. Are the networks there good ones?
#
# - No: the clouds read back from them "quickly degrade" and do not come back where the loss sinks.
# - At the *peaks* of the loss, most predictions say "as far away as can be"; in the *dip* of
#   unmatched pairs, most say "half-way".
# - After *weight matching* the clouds follow the loss: where it rises, they get worse, smoothly.
#
# The lines are those of [the chapter on the loss](line.py), with the thesis's 25 stops.


# %% tags=["remove-output"]
inrs = recipes.load(run.recipe(recipes.make(recipes.of(run.params), device=device)))
network = inrs.settings.network(device)
surfaces = {name: data.surface(name) for name in shapes}
lambdas = torch.linspace(0, 1, 25)


# %%
def between(shape, kind):
    """The networks at the stops of every line of a shape, one population a line."""
    numbers = [1] if kind == "same" else list(range(2, 2 + initialisations))
    ref = inrs.pick([inrs.index(shape, 0)] * len(numbers), device)
    other = inrs.pick([inrs.index(shape, number) for number in numbers], device)
    if kind == "weight":
        other = apply(weight_match(network.spec, ref, other).element, other)
    both = [[{n: t[k] for n, t in s.items()} for s in (ref, other)] for k in range(len(numbers))]
    return [stops(*ends) for ends in both]


# %% [markdown]
# ## Answers at every stop
#
# A network answers a point $x$ with $\hat y(x;\theta_\lambda)\in[0,1]$: 1 on the surface, 0 at the
# distance $\tau$ and beyond ({eq}`eq-udf-label`). We ask all 25 at the points the loss is measured on,
# and keep the loss, a histogram, and two shares: predictions of at most 0.1 count as *far away*,
# those from 0.4 to 0.6 as *half-way*. A fourth number says whether an answer still has to do with
# the shape, the correlation of prediction and label over the points:
#
# ```{math}
# :label: eq-prediction-share
# F(\lambda)=\tfrac1N\#\bigl\{i:\hat y_i\le 0.1\bigr\},\qquad
# H(\lambda)=\tfrac1N\#\bigl\{i:\lvert\hat y_i-\tfrac12\rvert\le 0.1\bigr\},\qquad
# \rho(\lambda)=\operatorname{corr}_i(\hat y_i,y_i).
# ```


# %%
def asked(shape):
    """Points around an independent sample of the surface, and their labels."""
    return fitting.held_out_points(surfaces[shape], inrs.settings, Counts().scaled(points), device)


def look(line, x, y):
    """Loss, histogram, shares, correlation with the labels and median, at every stop."""
    logits = answers(network, line, x)[..., 0]
    predicted = torch.sigmoid(logits)
    truth = y[:, 0].expand_as(logits)
    return {
        "loss": fitting.bce.elementwise(logits, truth).double().mean(1).cpu(),
        "histogram": torch.stack([torch.histc(one, 20, 0, 1) for one in predicted.cpu()]),
        "far": share_between(predicted, 0.0, 0.1).cpu(),
        "middle": share_between(predicted, 0.4, 0.6).cpu(),
        "knows": features.likeness(predicted, truth).cpu(),
        "median": predicted.median(1).values.cpu(),
    }


# %% [markdown]
# The loss is the one of the chapter before, so the two ways to it must agree.

# %%
first = between(shapes[0], "none")[0]
x, y = asked(shapes[0])
seen = look(first, x[:500], y[:500])
ends = ({name: tensor[k] for name, tensor in first.items()} for k in (0, -1))
known = loss_along_line(network, *ends, fitting.bce, (x[:500], y[:500])).loss.cpu()
assert torch.allclose(seen["loss"], known, atol=1e-4)
assert (seen["histogram"].sum(1) == 500).all()

# %% tags=["remove-output"]
kinds = ("same", "none", "weight")
held = {}
for kind in kinds:
    with run.clock("answers"):
        rows = [
            (k, look(line, *asked(s))) for k, s in enumerate(shapes) for line in between(s, kind)
        ]
    held[kind] = {key: torch.stack([row[key] for _, row in rows]) for key in rows[0][1]}
    held[kind]["shape"] = torch.tensor([k for k, _ in rows])

# %% [markdown]
# ## Where the mass goes
#
# At a peak we take the share $F$, at the lowest stop between two peaks the share $H$, and from both
# the same share at the two ends. Pairs that share network 0 are not independent: every interval
# resamples whole shapes.


# %%
def rise(curve, at):
    """Mean over some stops, minus the mean of the two ends."""
    return float(curve[at].mean() - (curve[0] + curve[-1]) / 2)


def at_peaks(kind):
    """Share of far predictions at the peaks of every line, above the ends."""
    found = peaks(held[kind]["loss"])
    return [rise(far, at or [12]) for far, at in zip(held[kind]["far"], found, strict=True)]


def interval(values, kind, of=None):
    """Mean with its interval over shapes."""
    groups = held[kind]["shape"].tolist() if of is None else of
    return book.measured(book.bootstrap(values, groups))


dips = features.dip_at(held["none"]["loss"])
dipped = [k for k, at in enumerate(dips) if at is not None]
half = [rise(held["none"]["middle"][k], [dips[k]]) for k in dipped]
peak = {kind: at_peaks(kind) for kind in ("none", "weight")}
both = held["none"]["shape"].tolist() + held["weight"]["shape"].tolist()
far = interval(peak["none"] + peak["weight"], "none", both)
middle = interval(half, "none", [int(held["none"]["shape"][k]) for k in dipped])

# %% [markdown]
# What would a network earn that knows nothing but the mean label $\bar y$ and answers it everywhere?
# Its loss is $-\bar y\ln\bar y-(1-\bar y)\ln(1-\bar y)$, and no constant does better. This is the
# control for the dip. If the networks there are hardly more than a constant, the loss must be lowest
# at the stop whose answer is nearest to $\bar y$.


# %%
def there(kind, key, at):
    """A curve of each line at one stop of that line."""
    stops_of = zip(held[kind][key], at, strict=True)
    return [float(curve[stop]) for curve, stop in stops_of if stop is not None]


def nearest(line, dip):
    """Whether the dip is, to one stop, where the median answer is nearest to the mean label."""
    found = peaks(held["none"]["loss"][line])[0]
    wrong = held["none"]["median"][line] - mean_label[held["none"]["shape"][line]]
    return abs(found[0] + int(wrong[found[0] : found[-1] + 1].abs().argmin()) - dip) <= 1


mean_label = torch.stack([asked(shape)[1].double().mean() for shape in shapes]).cpu()
constant = -(torch.xlogy(mean_label, mean_label) + torch.xlogy(1 - mean_label, 1 - mean_label))
agree = [float(nearest(k, dips[k])) for k in dipped]
highest = {kind: held[kind]["loss"].argmax(1).tolist() for kind in kinds}
assert (constant > 0).all() and (mean_label < 1).all()

# %% tags=["remove-output"]
units = {"loss": "nats"}
for kind in kinds:
    groups = held[kind]["shape"].tolist()
    curves = {key: value for key, value in held[kind].items() if key not in ("shape", "histogram")}
    rows = {"constant": book.metric(constant, "nats"), "label": book.metric(mean_label)}
    for key in ("loss", "knows", "median"):
        rows[f"{key}_start"] = book.metric(curves[key][:, 0], units.get(key, "1"), groups)
        values = there(kind, key, highest[kind])
        rows[f"{key}_peak"] = book.metric(values, units.get(key, "1"), groups)
        if kind == "none":
            of = [groups[k] for k in dipped]
            rows[f"{key}_dip"] = book.metric(there(kind, key, dips), units.get(key, "1"), of)
            rows["half_at_dip"] = book.metric(half, "1", of)
            rows["nearest"] = book.metric(agree, "1", of)
    if kind != "same":
        rows["far_at_peaks"] = book.metric(peak[kind], "1", groups)
    arrays = {"lambdas": lambdas, "constant": constant.mean(), **curves}
    run.record("answers", method=kind, metrics=rows, seeds=range(len(groups)), arrays=arrays)

# %% mystnb={"figure": {"name": "fig-inr-shares", "caption": "Above: loss along all lines (thin) and their mean (thick), for the same start, different starts, and different starts after weight matching; the dotted line is the loss of the best constant answer. Below: mean share of predictions that say far away or half-way, and mean correlation of prediction and label."}, "image": {"alt": "Three columns of two panels against position on the line. Same start: the loss is low and shares and correlation are level. Different starts: two peaks of the loss; between them predictions half-way appear, while the correlation with the labels is near zero. After weight matching: one broad rise of the loss, with the correlation sinking more slowly from both ends."}}
run.show(draw.draw_shares, "answers", height=4.4)

# %% [markdown]
# At the peaks, the share of predictions that say "far away" rises by
# {measured}`inrs/predictions/answers.none:far_at_peaks:.2f` above the ends for different starts, and by
# {measured}`inrs/predictions/answers.weight:far_at_peaks:.2f` after weight matching; at the largest recorded
# profile by {measured}`inrs/predictions/answers.none:far_at_peaks:.2f@largest` and
# {measured}`inrs/predictions/answers.weight:far_at_peaks:.2f@largest`. The median prediction at the highest
# stop is {measured}`inrs/predictions/answers.none:median_peak:.2f` and
# {measured}`inrs/predictions/answers.weight:median_peak:.2f` (largest profile:
# {measured}`inrs/predictions/answers.none:median_peak:.2f@largest` and
# {measured}`inrs/predictions/answers.weight:median_peak:.2f@largest`). In the dip the share of those half-way
# rises by {measured}`inrs/predictions/answers.none:half_at_dip:.2f`, at the largest profile by
# {measured}`inrs/predictions/answers.none:half_at_dip:.2f@largest`.
#
# ### What the dip is
#
# The dip has an explanation that needs no basin. Its loss is
# {measured}`inrs/predictions/answers.none:loss_dip:.3f` nats. The best constant answer, the mean label
# {measured}`inrs/predictions/answers.none:label:.2f`, costs
# {measured}`inrs/predictions/answers.none:constant:.3f`, because nearly all points lie near the surface; the
# trained networks cost {measured}`inrs/predictions/answers.none:loss_start:.3f`. The correlation of answer
# and label is {measured}`inrs/predictions/answers.none:knows_dip:.2f` in the dip, against
# {measured}`inrs/predictions/answers.none:knows_start:.2f` at the ends: what is left there says nearly the same
# everywhere. Between the two peaks that one answer climbs towards the mean label and sinks again, and in
# a share of {measured}`inrs/predictions/answers.none:nearest:.2f` of the lines the loss is lowest, to one
# stop, where it is nearest to it. At the lowest stop it is
# {measured}`inrs/predictions/answers.none:median_dip:.2f`, at the largest recorded profile
# {measured}`inrs/predictions/answers.none:median_dip:.2f@largest`: where it stands well beyond one half, the
# answer has passed "half-way" on both flanks of the dip.
#
# ## Reading the clouds back
#
# Now the question itself: which shape does a network on the line hold? All stops of a line are
# searched at once ({eq}`eq-udf-walk`). A field without a surface never fills its quota; the thesis
# prints an "X" where the search took more than a minute. Here the budget is a number of rounds, so
# that the verdict does not depend on the machine. It is also given up as soon as a field that would
# fill its quota just in time had found so little with a chance below 1 in 1,000:
#
# ```{source} onebasin.shapes.reconstruction._open
# ```

# %%
search = reconstruction.SearchOptions(
    points=read_back, rounds=rounds, walkers=2 * read_back, hopeless=1e-3, seconds=None
)


def read(shape, line):
    """Clouds at all stops of a line; equal stops of different lines get equal candidates."""
    generators = [seeds.stream(f"line/{shape}", stop) for stop in range(len(lambdas))]
    return reconstruction.reconstruct(network, line, generators, search)


# %% [markdown]
# Searching together is a matter of speed only: a field gives the same cloud alone.

# %%
line = between(shapes[0], "weight")[0]
ends = {name: tensor[[0, 1, 24]] for name, tensor in line.items()}
few = reconstruction.SearchOptions(points=40, candidates=2048, rounds=10)
streams = [seeds.stream("together", k) for k in range(3)]
all_at_once = reconstruction.reconstruct(network, ends, streams, few)
alone = {name: tensor[1:2] for name, tensor in ends.items()}
again = reconstruction.reconstruct(network, alone, [seeds.stream("together", 1)], few)
assert all_at_once.complete.all() and again.rounds[0] == all_at_once.rounds[1]
assert metrics.chamfer(all_at_once.clouds[1], again.clouds[0]) < 1e-6


# %%
def distances(shape, found):
    """Chamfer distance of each cloud to the shape, infinite where it is unfinished."""
    cloud = surfaces[shape].sample(2048, generator=seeds.stream(f"reference/{shape}"))
    ready = zip(found.clouds, found.complete.tolist(), strict=True)
    return torch.tensor(
        [metrics.chamfer(one.cpu(), cloud) if whole else float("inf") for one, whole in ready]
    )


# %% tags=["remove-output"]
chamfer, shown, spent = {}, {}, {}
with run.clock("clouds"):
    for kind in kinds:
        rows, spent[kind] = [], []
        for shape in shapes:
            for line in between(shape, kind)[:lines]:
                found = read(shape, line)
                rows.append(distances(shape, found))
                spent[kind] += found.rounds.tolist()
                if shape == study:
                    shown.setdefault(kind, found)
        chamfer[kind] = torch.stack(rows)

# %% [markdown]
# Two statistics of every line: the rank correlation of loss and Chamfer distance over its 25 stops, in
# which unfinished reconstructions rank last, all alike; and the share of stops whose cloud is still
# good, at most twice as far from the shape as the clouds of the two ends.


# %%
def read_lines(kind, key):
    """Rows of the lines that were read back."""
    of = held[kind]["shape"]
    chosen = [k for s in range(len(shapes)) for k in (of == s).nonzero()[:lines, 0].tolist()]
    return held[kind][key][chosen]


follow = {
    kind: features.rank_likeness(read_lines(kind, "loss"), chamfer[kind]).tolist()
    for kind in ("none", "weight")
}
good = {
    kind: (curve <= curve[:, [0, -1]].mean(1, keepdim=True) * 2).double().mean(1)
    for kind, curve in chamfer.items()
}
assert all(torch.isfinite(curve[:, [0, -1]]).all() for curve in chamfer.values())

# %% tags=["remove-output"]
for kind in kinds:
    groups = read_lines(kind, "shape").tolist()
    rows = {
        "unfinished": book.metric(torch.isinf(chamfer[kind]).double().mean(1), "1", groups),
        "good": book.metric(good[kind], "1", groups),
        "ends": book.metric(chamfer[kind][:, [0, -1]].mean(1), "squared radius", groups),
        "spent": book.metric(spent[kind], "rounds"),
        "budget": book.metric(rounds, "rounds"),
    }
    if kind != "same":
        rows["follow"] = book.metric(follow[kind], "1", groups)
    arrays = {"lambdas": lambdas, "loss": read_lines(kind, "loss"), "chamfer": chamfer[kind]}
    run.record("clouds", method=kind, metrics=rows, seeds=range(len(groups)), arrays=arrays)

# %% mystnb={"figure": {"name": "fig-inr-follow", "caption": "Chamfer distance of the cloud read back against the loss, every stop of every line, for different starts as trained and after weight matching. Colour: distance of the stop from the nearer end. Crosses on top: reconstructions that ran out of their budget."}, "image": {"alt": "Two scatter plots of Chamfer distance against loss with logarithmic distance. Different starts: a cluster at low loss and small distance, and crosses for unfinished clouds at all losses, low ones included. After weight matching: a cloud of points that rises from low loss and small distance towards high loss and large distance, with fewer crosses."}}
run.show(draw.draw_follow, "clouds", height=3.4)

# %% [markdown]
# Of the stops of a line, {measured}`inrs/predictions/clouds.same:good:.2f` give a good cloud for the same
# start, {measured}`inrs/predictions/clouds.none:good:.2f` for different starts and
# {measured}`inrs/predictions/clouds.weight:good:.2f` after weight matching; the searches of
# {measured}`inrs/predictions/clouds.none:unfinished:.2f` and
# {measured}`inrs/predictions/clouds.weight:unfinished:.2f` of the stops of the last two kinds ran out of
# their budget. Loss and distance are tied with a rank correlation of
# {measured}`inrs/predictions/clouds.none:follow:.2f` without matching and of
# {measured}`inrs/predictions/clouds.weight:follow:.2f` with it.

# %%
ranks = read_lines("none", "shape").tolist()
quantities = {
    "far": far,
    "middle": middle,
    "follow_wm": interval(follow["weight"], "weight", ranks),
    "follow_diff": interval(follow["none"], "none", ranks),
}
_ = run.claim("inr-predictions", **quantities)

# %% [markdown]
# ## Three lines in pictures
#
# One shape, one pair: the twins of the thesis's figures 3.9 to 3.11, each with the loss on top, the
# clouds read back at the 25 stops in reading order ($\theta_{\ref}$ at the top left), and the
# histograms of the predictions.

# %% tags=["remove-output"]
at = shapes.index(study)
for kind in kinds:
    row = int((held[kind]["shape"] == at).nonzero()[0, 0])
    found = shown[kind]
    kept = torch.zeros(len(lambdas), read_back, 3)
    for k, cloud in enumerate(found.clouds):
        kept[k, : len(cloud)] = cloud.cpu()
    arrays = {"lambdas": lambdas, "loss": held[kind]["loss"][row], "complete": found.complete}
    arrays |= {"histogram": held[kind]["histogram"][row].int(), "points": kept.half()}
    count = book.metric(int((~found.complete).sum()), "clouds")
    run.record("shown", method=kind, metrics={"unfinished": count}, seeds=[0], arrays=arrays)

# %% mystnb={"figure": {"name": "fig-inr-line-same", "caption": "Same start (twin of the thesis's Fig. 3.9): loss along one line; clouds read back at its 25 stops, in reading order; histograms of the predictions at 25 stops, in the same order."}, "image": {"alt": "Top: a flat loss curve. Bottom left: twenty-five small clouds that all show the same shape. Bottom right: twenty-five histograms that all have their mass near one."}}
run.show(draw.draw_same, "shown", height=4.6, share=False)

# %% mystnb={"figure": {"name": "fig-inr-line-diff", "caption": "Different starts (twin of Fig. 3.10), arranged as above. A cross: the search ran out of its budget."}, "image": {"alt": "Top: a loss curve with two peaks and a dip between them. Bottom left: clouds of the shape only next to the two ends, crosses at most stops between. Bottom right: histograms whose mass jumps towards zero at the peaks and stands further right at the dip."}}
run.show(draw.draw_diff, "shown", height=4.6, share=False)

# %% mystnb={"figure": {"name": "fig-inr-line-weight", "caption": "The same pair after weight matching (twin of Fig. 3.11), arranged as above."}, "image": {"alt": "Top: a loss curve with a rise towards the middle. Bottom left: clouds that keep the shape for several stops from both ends and dissolve or turn to crosses towards the middle. Bottom right: histograms whose mass moves gradually away from one and back."}}
run.show(draw.draw_matched, "shown", height=4.6, share=False)

# %% [markdown]
# ## Paper vs measured
#
# ```{verdicts} inrs/predictions
# ```
#
# ## Caveats
#
# - *Far*, *half-way* and *good* are our words for what the thesis shows in pictures: at most 0.1, from
#   0.4 to 0.6, at most twice the Chamfer distance of the ends. They were chosen before anything was
#   measured.
# - *A cross is a matter of budget.* A search is given {measured}`inrs/predictions/clouds.none:budget:.0f`
#   rounds at most; the thesis's minute on a graphics card allows more. A field that is barely there may
#   change sides with it.
# - *A finished cloud is not a good one.* A network that calls the whole cube "on the surface" fills its
#   quota in one round, with noise; the Chamfer distance sees that, the cross does not.
# - The Chamfer distance of a small cloud has a floor of its own, the same at every stop: the ends have
#   {measured}`inrs/predictions/clouds.same:ends:.4f` squared radii.
#
# ## Cost
#
# ```{cost} inrs/predictions
# ```
#
# ## Exercises
#
# 1. *Recall.* Why is a constant answer so cheap here, and what would change if the points were drawn
#    uniformly from the cube?
# 2. *Change one assumption.* Give unfinished reconstructions the Chamfer distance of whatever was found.
#    Which of the two rank correlations moves more?
# 3. *Measure something new.* Replace the threshold of 0.02 in `SearchOptions(on=...)` by 0.05. How many
#    crosses of *diff* turn into clouds, and of what?
#
# ````{dropdown} Solutions
# 1. Labels near the surface are close to 1, and 95 % of the points are near it, so the mean label is a
#    good guess. Uniform points have mostly label 0: the same constant would be a bad one.
# 2. That of the kind with more crosses (their shares stand below the scatter plot); and searches that found
#    nothing have no distance at all.
# 3. Half-way means a predicted distance of 0.05, so a field that says "half-way" or more everywhere fills its
#    quota at once: the cloud is the cube.
# ````
#
# References: {cite:p}`ballerini2023,deluigi2023,chibane2020`.

# %% tags=["nbval-check-output"]
run.finish()
