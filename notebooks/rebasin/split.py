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
# (rebasin-split)=
# # Data that never meet
#
# *Aim.* Train two networks on halves of the data that have no image in common and the classes in other
# shares; merge them after weight matching; and set the merge beside everything that could be done
# instead, from the plain average to a network that saw all the images. Then ask how well merges know
# what they do not know, and how much of that a single number would have taught a single network.
#
# *Needs.* At smoke about half a minute on one CPU core; nothing is downloaded. At laptop all of MNIST and
# the local copy of CIFAR-10: some 70 minutes of one core for the networks (by recipes of their own,
# half of that on two cores), beside those of [the first chapter of this part](merging.py), then a few minutes.

# %%
from dataclasses import replace

import torch

from onebasin import apply, book, seeds, weight_match
from onebasin.connectivity import interpolate, loss_along_line
from onebasin.connectivity.calibration import best_temperature, calibration
from onebasin.merging import ManyOptions, merge_many
from onebasin.networks import classifiers, population, recipes
from onebasin.plotting import split as draw

# %% tags=["parameters"]
profile = "smoke"
data = "mnist5k"  # or "mnist", from the folder named by ONEBASIN_DATA
hidden = [64, 64, 64]  # units of the hidden layers (the authors have 512 in each of three)
epochs = 20  # the authors have 100
batch = 100  # the authors have 500
pairs = 3  # pairs of networks on two halves of the digits
whole = 8  # networks trained on all digits: those of the other chapters
pictures = {  # at smoke digits, turned and zoomed at random, stand in for the photographs of CIFAR-10
    "data": "mnist5k",
    "options": {"hidden": [64, 64, 64]},
    "epochs": 10,
    "batch": 100,
    "optimiser": "adamw",
    "weight_decay": 5e-4,
    "schedule": "cosine",
    "warmup": 1.0,
    "augmentation": "affine",
}
picture_pairs = 2  # pairs of networks on two halves of the photographs
picture_whole = 4  # networks trained on all photographs: those of the first chapter of this part
bias = 0.2  # share of the lower classes in the first half, and of the upper ones in the second
models = 8  # networks on random halves of the digits (the paper has 32)
together = 8  # networks in one shard of a recipe
judged = 1000  # test images, and as many training images
device = "cpu"

# %% tags=["remove-output"]
run = book.start(
    "rebasin/split",
    profile=profile,
    data=data,
    hidden=hidden,
    epochs=epochs,
    batch=batch,
    pairs=pairs,
    whole=whole,
    pictures=pictures,
    picture_pairs=picture_pairs,
    picture_whole=picture_whole,
    bias=bias,
    models=models,
    together=together,
    judged=judged,
    device=device,
)

# %% [markdown]
# ## Two halves
#
# **Claim** ({cite:t}`ainsworth2023`, §5.4, Fig. 5 and 9). *Two ResNet20 trained on disjoint, biased halves
# of CIFAR-100 merge into one network that beats both in test loss on all the data, though not in accuracy,
# and beats plain averaging by far. An ensemble of the two, and one network trained on everything, do
# better.*
#
# The first half gets a fifth of every class below the middle and four fifths of every class above it, the
# second half the rest. CIFAR-100 is not among the data of this book. We split the ten classes of the
# digits and, at the larger profiles, of CIFAR-10.

# %%
settings = {
    "digits": classifiers.Settings(
        data=data, options={"hidden": hidden}, epochs=epochs, batch=batch
    ),
    "pictures": classifiers.Settings(**pictures),
}
halves = {name: replace(one, bias=bias, checkpoints=()) for name, one in settings.items()}
counts = {}
for name, half in halves.items():
    y = classifiers.labelled(half.data, "train").y
    first, second = (classifiers.share(y, number, half) for number in (0, 1))
    assert torch.cat([first, second]).sort().values.equal(torch.arange(len(y)))
    counts[name] = torch.stack([y[rows].bincount(minlength=10) for rows in (first, second)])
    part = torch.tensor([bias] * 5 + [1 - bias] * 5)
    assert ((counts[name][0] - part * y.bincount(minlength=10)).abs() <= 1).all()

# %% [markdown]
# ## What a half teaches
#
# Before any weight is averaged: what should a network that learned its half *perfectly* say about an image?
# The images of a class look alike in both halves, only classes are more or less frequent. By Bayes' rule
# its probabilities are those of all the data, tilted by the shares $p_h$ of the classes in its half $h$,
#
# ```{math}
# :label: eq-tilt
# \log p_h(y\mid x)=\log p(y\mid x)+\log\frac{p_h(y)}{p(y)}+c_h(x).
# ```
#
# A share $b$ of a class in one half is $1-b$ in the other, so that $p_1(y)\,p_2(y)/p(y)^2$ is the same for
# every class. **The two tilts cancel**: the mean of the two networks' logits has no bias left. That is
# what an ensemble does. And each network could undo its own tilt without any other, as it knows the shares
# of its classes {cite:p}`saerens2002`. So a merge has two rivals that average no weights, one of which
# needs no second network.

# %%
exact = torch.tensor([[bias] * 5 + [1 - bias] * 5, [1 - bias] * 5 + [bias] * 5]).double()
frequency = counts["digits"].sum(0).double()
shares = exact * frequency / (exact * frequency).sum(-1, keepdim=True)
ideal = torch.randn(1000, 10, generator=seeds.stream("split-ideal")).double()
tilted = [ideal + (one * frequency.sum() / frequency).log() for one in shares]
assert torch.allclose((sum(tilted) / 2).softmax(-1), ideal.softmax(-1), atol=1e-12)
assert not torch.allclose(tilted[0].softmax(-1), ideal.softmax(-1), atol=1e-2)


# %% [markdown]
# ## Both ends and what lies between

# %% tags=["remove-output"]
common = {"run": run, "together": together, "device": device}
sizes = {"digits": (pairs, whole), "pictures": (picture_pairs, picture_whole)}
networks, ends, everything, known = {}, {}, {}, {}
for name, (few, many) in sizes.items():
    networks[name] = settings[name].make().to(device).eval()
    ends[name] = recipes.trained(halves[name], 2 * few, **common).pairs(device=device)
    last = [settings[name].epochs]
    nets = recipes.trained(settings[name], many, epochs=last, **common)
    everything[name] = nets.at(range(few), device=device)
    known[name] = classifiers.evaluation(settings[name], "test", judged, device=device)

# %%
aligned = {}
for name, (ref, other) in ends.items():
    found = weight_match(networks[name].spec, ref, other)
    aligned[name] = apply(found.element, other)
    x = known[name][0][:200]
    gap = population.call(networks[name], aligned[name], x)
    gap = gap - population.call(networks[name], other, x)
    assert found.converged.all() and gap.abs().max() < 1e-2


# %% [markdown]
# The line between the two networks, judged on test images of *all* classes, and on the same images the
# logits of everything that competes with the middle of the line:


# %%
def accuracy(output, y):
    """Share of images whose class has the largest logit."""
    return (output.argmax(-1) == y).double().mean()


ce = torch.nn.functional.cross_entropy
lines = {}
for name, (ref, other) in ends.items():
    network, test = networks[name], known[name]
    for method, moved in (("none", other), ("weight", aligned[name])):
        for kind, measure in (("loss", ce), ("accuracy", accuracy)):
            line = loss_along_line(network, ref, moved, measure, test).loss
            lines[name, method, kind] = line.cpu()
    meet = [lines[name, m, "loss"][:, [0, -1]] for m in ("none", "weight")]
    assert torch.allclose(*meet, atol=1e-3)


# %%
def answers(name):
    """Logits of all who compete, ``[pairs networks samples classes]`` each."""
    network, x = networks[name], known[name][0]
    (ref, other), moved = ends[name], aligned[name]
    states = {"plain": interpolate(ref, other, 0.5), "merge": interpolate(ref, moved, 0.5)}
    states["whole"] = everything[name]
    out = {kind: population.call(network, state, x)[:, None] for kind, state in states.items()}
    both = torch.stack([population.call(network, one, x) for one in (ref, other)], 1)
    per_class = counts[name].to(both)
    tilt = (per_class / per_class.sum(-1, keepdim=True)).log() - per_class.sum(0).log()
    out |= {"ends": both, "untilted": both - tilt[:, None]}
    return {**out, "ensemble": both.mean(1, keepdim=True)}


def judge(logits, y):
    """Cross-entropy and accuracy, ``[pairs networks]`` each."""
    flat = [[(float(ce(net, y)), float(accuracy(net, y))) for net in one] for one in logits]
    return torch.tensor(flat).double().unbind(-1)


with torch.no_grad():
    logits = {name: answers(name) for name in sizes}
quality = {
    name: {kind: judge(one, known[name][1]) for kind, one in many.items()}
    for name, many in logits.items()
}

# %% tags=["remove-output"]
for name, (few, _) in sizes.items():
    for method in ("none", "weight"):
        arrays = {kind: lines[name, method, kind].float() for kind in ("loss", "accuracy")}
        units = {"loss": "nats", "accuracy": "1"}
        middle = {k: book.metric(line[:, 12], units[k]) for k, line in arrays.items()}
        arrays["lambdas"] = torch.linspace(0, 1, 25)
        run.record(f"lines-{name}", method=method, metrics=middle, seeds=range(few), arrays=arrays)
    metrics, arrays = {}, {}
    for kind, (loss, right) in quality[name].items():
        metrics[f"loss_{kind}"] = book.metric(loss.mean(1), "nats")
        metrics[f"accuracy_{kind}"] = book.metric(right.mean(1))
        arrays |= {f"loss.{kind}": loss, f"accuracy.{kind}": right}
    run.record(f"quality-{name}", metrics=metrics, seeds=range(few), arrays=arrays)

# %% mystnb={"figure": {"name": "fig-split-lines", "caption": "Loss (top) and accuracy (bottom) on test images of all classes, between two networks trained on disjoint, biased halves of the digits (left) and of the photographs (right; at smoke digits again), before and after weight matching (twin of Git Re-Basin's Fig. 5 and 9). Thin lines are pairs, thick lines their mean; horizontal lines are the means of the ensemble of both ends and of networks trained on everything."}, "image": {"alt": "Four panels over the position between two networks, loss above and accuracy below, digits left and pictures right. Without matching the loss rises steeply half-way and the accuracy falls; after weight matching both stay near the ends. At smoke the ensemble and the network trained on everything have the lowest losses and the highest accuracies."}}
run.show(
    draw.draw_lines,
    ["lines-digits", "lines-pictures", "quality-digits", "quality-pictures"],
    height=5.0,
)


# %%
def mean(values, unit="1"):
    """A mean over pairs with its interval."""
    return book.measured(book.bootstrap(values.tolist()), unit)


loss, right = ({kind: both[k] for kind, both in quality["pictures"].items()} for k in (0, 1))
merged = loss["merge"][:, 0]
_ = run.claim(
    "gr-split",
    gain=mean(loss["ends"].amin(1) - merged, "nats"),
    naive=mean(loss["plain"][:, 0] - merged, "nats"),
    accuracy=mean(right["merge"][:, 0] - right["ends"].amax(1)),
    ensemble=mean(merged - loss["ensemble"][:, 0], "nats"),
    whole=mean(merged - loss["whole"][:, 0], "nats"),
)

# %% [markdown]
# Five signs decide the claim, given here and, in brackets, at the largest recorded profile. Where the gain is positive, the
# merge has a lower loss on all the data than the better end: {measured}`rebasin/split/gr-split.claim:gain:+.3f`
# ({measured}`rebasin/split/gr-split.claim:gain:+.3f@largest`) nats. Against the plain average it gains
# {measured}`rebasin/split/gr-split.claim:naive:+.3f` ({measured}`rebasin/split/gr-split.claim:naive:+.3f@largest`) nats; it lies
# {measured}`rebasin/split/gr-split.claim:ensemble:+.3f` ({measured}`rebasin/split/gr-split.claim:ensemble:+.3f@largest`)
# nats above the ensemble and {measured}`rebasin/split/gr-split.claim:whole:+.3f`
# ({measured}`rebasin/split/gr-split.claim:whole:+.3f@largest`) above networks trained on everything, and its accuracy is
# {measured}`rebasin/split/gr-split.claim:accuracy:+.3f` ({measured}`rebasin/split/gr-split.claim:accuracy:+.3f@largest`) from
# that of the better end.
#
# ## Who else could have done it
#
# The ends, without their tilt; the plain average, the merge, the ensemble; and a network that was
# trained on everything. In brackets, here and below, the largest recorded profile.

# %% mystnb={"figure": {"name": "fig-split-quality", "caption": "Test loss (top, the axis cut where the plain average leaves it) and test accuracy (bottom) of the networks of every pair and of all their rivals, digits left, photographs right (at smoke digits again). Columns of marks within a place are pairs."}, "image": {"alt": "Four panels with a column of marks each for the ends, the ends without their tilt, the plain average, the merge, the ensemble and the network trained on everything. The plain average has by far the highest loss and the lowest accuracy; at smoke the network trained on everything and the ensemble have the lowest losses, and the merge lies near the ends."}}
run.show(draw.draw_quality, ["quality-digits", "quality-pictures"], height=5.0)

# %% [markdown]
# | | loss, digits | accuracy, digits | loss, pictures | accuracy, pictures |
# | --- | --- | --- | --- | --- |
# | ends, mean | {measured}`rebasin/split/quality-digits.none:loss_ends:.3f` ({measured}`rebasin/split/quality-digits.none:loss_ends:.3f@largest`) | {measured}`rebasin/split/quality-digits.none:accuracy_ends:.3f` ({measured}`rebasin/split/quality-digits.none:accuracy_ends:.3f@largest`) | {measured}`rebasin/split/quality-pictures.none:loss_ends:.3f` ({measured}`rebasin/split/quality-pictures.none:loss_ends:.3f@largest`) | {measured}`rebasin/split/quality-pictures.none:accuracy_ends:.3f` ({measured}`rebasin/split/quality-pictures.none:accuracy_ends:.3f@largest`) |
# | ends without their tilt, mean | {measured}`rebasin/split/quality-digits.none:loss_untilted:.3f` ({measured}`rebasin/split/quality-digits.none:loss_untilted:.3f@largest`) | {measured}`rebasin/split/quality-digits.none:accuracy_untilted:.3f` ({measured}`rebasin/split/quality-digits.none:accuracy_untilted:.3f@largest`) | {measured}`rebasin/split/quality-pictures.none:loss_untilted:.3f` ({measured}`rebasin/split/quality-pictures.none:loss_untilted:.3f@largest`) | {measured}`rebasin/split/quality-pictures.none:accuracy_untilted:.3f` ({measured}`rebasin/split/quality-pictures.none:accuracy_untilted:.3f@largest`) |
# | plain average | {measured}`rebasin/split/quality-digits.none:loss_plain:.3f` ({measured}`rebasin/split/quality-digits.none:loss_plain:.3f@largest`) | {measured}`rebasin/split/quality-digits.none:accuracy_plain:.3f` ({measured}`rebasin/split/quality-digits.none:accuracy_plain:.3f@largest`) | {measured}`rebasin/split/quality-pictures.none:loss_plain:.3f` ({measured}`rebasin/split/quality-pictures.none:loss_plain:.3f@largest`) | {measured}`rebasin/split/quality-pictures.none:accuracy_plain:.3f` ({measured}`rebasin/split/quality-pictures.none:accuracy_plain:.3f@largest`) |
# | merge after weight matching | {measured}`rebasin/split/quality-digits.none:loss_merge:.3f` ({measured}`rebasin/split/quality-digits.none:loss_merge:.3f@largest`) | {measured}`rebasin/split/quality-digits.none:accuracy_merge:.3f` ({measured}`rebasin/split/quality-digits.none:accuracy_merge:.3f@largest`) | {measured}`rebasin/split/quality-pictures.none:loss_merge:.3f` ({measured}`rebasin/split/quality-pictures.none:loss_merge:.3f@largest`) | {measured}`rebasin/split/quality-pictures.none:accuracy_merge:.3f` ({measured}`rebasin/split/quality-pictures.none:accuracy_merge:.3f@largest`) |
# | ensemble of logits | {measured}`rebasin/split/quality-digits.none:loss_ensemble:.3f` ({measured}`rebasin/split/quality-digits.none:loss_ensemble:.3f@largest`) | {measured}`rebasin/split/quality-digits.none:accuracy_ensemble:.3f` ({measured}`rebasin/split/quality-digits.none:accuracy_ensemble:.3f@largest`) | {measured}`rebasin/split/quality-pictures.none:loss_ensemble:.3f` ({measured}`rebasin/split/quality-pictures.none:loss_ensemble:.3f@largest`) | {measured}`rebasin/split/quality-pictures.none:accuracy_ensemble:.3f` ({measured}`rebasin/split/quality-pictures.none:accuracy_ensemble:.3f@largest`) |
# | trained on everything | {measured}`rebasin/split/quality-digits.none:loss_whole:.3f` ({measured}`rebasin/split/quality-digits.none:loss_whole:.3f@largest`) | {measured}`rebasin/split/quality-digits.none:accuracy_whole:.3f` ({measured}`rebasin/split/quality-digits.none:accuracy_whole:.3f@largest`) | {measured}`rebasin/split/quality-pictures.none:loss_whole:.3f` ({measured}`rebasin/split/quality-pictures.none:loss_whole:.3f@largest`) | {measured}`rebasin/split/quality-pictures.none:accuracy_whole:.3f` ({measured}`rebasin/split/quality-pictures.none:accuracy_whole:.3f@largest`) |
#
# The tilt should be subtracted before a merge is praised. It costs no training, no second network and no
# data but ten shares. What the merge is worth beyond it is the difference of the second and the fourth row;
# what two networks are worth beyond one is the fifth. On the digits of the largest profile the order of the last three rows
# is not the paper's: {measured}`rebasin/split/quality-digits.none:loss_merge:.3f@largest` nats of the merge against
# {measured}`rebasin/split/quality-digits.none:loss_ensemble:.3f@largest` of the ensemble and
# {measured}`rebasin/split/quality-digits.none:loss_whole:.3f@largest` of networks trained on everything. All of them are
# right nearly always and too sure of it, so let us first see what softness is worth.
#
# ## Who knows what they do not know
#
# **Claim** ({cite:t}`ainsworth2023`, §5.4 and A.6, Fig. 10 and 12). *Merged networks are better calibrated
# than the ones they are made of.* The paper shows diagrams, of the CIFAR-100 halves and of 32 networks on
# random halves of MNIST. The number, the expected calibration error in ten bins of confidence, is ours:
#
# ```{math}
# :label: eq-ece
# \mathrm{ECE}=\sum_b\frac{n_b}{n}\,\lvert\mathrm{acc}_b-\mathrm{conf}_b\rvert .
# ```
#
# An overconfident network needs no merging to be better calibrated: one number by which its logits are
# divided does it, and cannot change a single answer {cite:p}`guo2017`. The paper lacks this control. The
# number is fitted on one half of the test images and judged, with everything else from here on, on the other.


# %%
def tempered(logits, fit, y):
    """Logits divided by the temperature that suits each network on images it is not judged on."""
    scale = [[best_temperature(net, y) for net in one] for one in fit]
    scale = torch.tensor(scale).double().to(logits.device)
    return logits.double() / scale[:, :, None, None], scale


def parted(many):
    """All logits on the half of the images that temperatures are fitted to, and on the other."""
    return ({kind: one[:, :, s] for kind, one in many.items()} for s in (front, back))


def reliability(many, y):
    """Calibration errors ``[sets networks]`` of every kind, and its diagram over all networks."""
    error = {
        kind: torch.stack([calibration(one, y).error.cpu() for one in sets])
        for kind, sets in many.items()
    }
    diagrams = {}
    for kind in ("inputs", "tempered", "merge"):
        flat = many[kind].flatten(0, 1).flatten(0, 1)
        held = calibration(flat, y.repeat(len(flat) // len(y)))
        diagrams |= {f"{w}.{kind}": getattr(held, w) for w in ("confidence", "accuracy", "share")}
    return error, diagrams


# %%
half = judged // 2
front, back = slice(half), slice(half, None)
errors, diagrams, scales, losses = {}, {}, {}, {}
for name, many in logits.items():
    y = known[name][1]
    early, late = parted(many)
    late["inputs"] = late.pop("ends")
    late["tempered"], scales[name] = tempered(late["inputs"], early["ends"], y[:half])
    late["corrected"], _ = tempered(late["untilted"], early["untilted"], y[:half])
    late["cooled"], _ = tempered(late["merge"], early["merge"], y[:half])
    assert torch.equal(late["tempered"].argmax(-1), late["inputs"].argmax(-1))
    errors[name], diagrams[name] = reliability(late, y[half:])
    losses[name] = {kind: judge(one, y[half:])[0] for kind, one in late.items()}

# %% [markdown]
# And many networks on random halves, merged [by turns](many.py). Halves of two networks overlap, and what a
# network did not see another has: of the training images every network knows half.

# %% tags=["remove-output"]
some = replace(settings["digits"], fraction=0.5, checkpoints=())
inputs = recipes.trained(some, models, **common).at(device=device)
merged = merge_many(networks["digits"].spec, inputs, options=ManyOptions(max_rounds=1000))
assert merged.converged
kinds = {"inputs": inputs, "merge": {name: t[None] for name, t in merged.state.items()}}
kinds["plain"] = {name: t.mean(0, keepdim=True) for name, t in inputs.items()}
many, answered = {}, {}
for split in ("test", "train"):
    x, answered[split] = classifiers.evaluation(some, split, judged, device=device)
    run_on = {kind: population.call(networks["digits"], one, x) for kind, one in kinds.items()}
    many[split] = {kind: one.detach()[None] for kind, one in run_on.items()}  # one set
    many[split]["ensemble"] = many[split]["inputs"].mean(1, keepdim=True)

# %%
y = answered["test"]
early, late = parted(many["test"])
late["tempered"], scales["random"] = tempered(late["inputs"], early["inputs"], y[:half])
late["cooled"], _ = tempered(late["merge"], early["merge"], y[:half])
errors["random"], diagrams["random"] = reliability(late, y[half:])
scale = scales["random"][:, :, None, None]
many["train"]["tempered"] = many["train"]["inputs"] / scale
errors["train"], diagrams["train"] = reliability(many["train"], answered["train"])
losses["random"] = {kind: judge(one, y[half:])[0] for kind, one in late.items()}

# %% tags=["remove-output"]
for name, found in errors.items():
    metrics = {f"error_{kind}": book.metric(one.flatten()) for kind, one in found.items()}
    if name in scales:
        metrics["temperature"] = book.metric(scales[name].flatten())
    for kind, one in losses.get(name, {}).items():
        metrics[f"loss_{kind}"] = book.metric(one.flatten(), "nats")
    arrays = {f"error.{kind}": one for kind, one in found.items()} | diagrams[name]
    run.record(f"calibration-{name}", method="weight", metrics=metrics, arrays=arrays)
gains = {name: found["inputs"] - found["merge"] for name, found in errors.items()}
_ = run.claim(
    "gr-calibration",
    pair=mean(gains["pictures"].mean(1)),
    many=mean(gains["random"][0]),
    train=mean(gains["train"][0]),
)

# %% mystnb={"figure": {"name": "fig-split-reliability", "caption": "Reliability: accuracy against confidence in ten bins (top; the dotted diagonal is perfect) and the share of samples in each bin (bottom, logarithmic), of the inputs, of each input divided by a temperature of its own, and of the merge (twin of Git Re-Basin's Fig. 10 and 12). Biased halves of the photographs (at smoke digits) on the left; random halves of the digits in the middle, and on their training images on the right."}, "image": {"alt": "Six panels. Above, accuracy against confidence around the diagonal: at smoke, on test images, the inputs run below it at most confidences, the tempered inputs as close or closer, and the merge above it. Below, the share of samples at each confidence."}}
run.show(
    draw.draw_reliability,
    ["calibration-pictures", "calibration-random", "calibration-train"],
    height=4.6,
)

# %% mystnb={"figure": {"name": "fig-split-errors", "caption": "Expected calibration error of every single network and of everything made from them, in the four settings: biased halves of the digits and of the photographs, random halves of the digits, and these on their training images."}, "image": {"alt": "Four panels with marks of the calibration error for the inputs, the tempered inputs, the merge and the ensemble. Temperature lowers the error of the inputs on test images; at smoke the merge is lower than the inputs in some settings and higher in others."}}
run.show(
    draw.draw_errors,
    [f"calibration-{name}" for name in ("digits", "pictures", "random", "train")],
    height=3.0,
)

# %% [markdown]
# | calibration error | inputs | inputs, tempered | merge | merge, tempered | ensemble |
# | --- | --- | --- | --- | --- | --- |
# | biased halves, digits | {measured}`rebasin/split/calibration-digits.weight:error_inputs:.3f` ({measured}`rebasin/split/calibration-digits.weight:error_inputs:.3f@largest`) | {measured}`rebasin/split/calibration-digits.weight:error_tempered:.3f` ({measured}`rebasin/split/calibration-digits.weight:error_tempered:.3f@largest`) | {measured}`rebasin/split/calibration-digits.weight:error_merge:.3f` ({measured}`rebasin/split/calibration-digits.weight:error_merge:.3f@largest`) | {measured}`rebasin/split/calibration-digits.weight:error_cooled:.3f` ({measured}`rebasin/split/calibration-digits.weight:error_cooled:.3f@largest`) | {measured}`rebasin/split/calibration-digits.weight:error_ensemble:.3f` ({measured}`rebasin/split/calibration-digits.weight:error_ensemble:.3f@largest`) |
# | biased halves, pictures | {measured}`rebasin/split/calibration-pictures.weight:error_inputs:.3f` ({measured}`rebasin/split/calibration-pictures.weight:error_inputs:.3f@largest`) | {measured}`rebasin/split/calibration-pictures.weight:error_tempered:.3f` ({measured}`rebasin/split/calibration-pictures.weight:error_tempered:.3f@largest`) | {measured}`rebasin/split/calibration-pictures.weight:error_merge:.3f` ({measured}`rebasin/split/calibration-pictures.weight:error_merge:.3f@largest`) | {measured}`rebasin/split/calibration-pictures.weight:error_cooled:.3f` ({measured}`rebasin/split/calibration-pictures.weight:error_cooled:.3f@largest`) | {measured}`rebasin/split/calibration-pictures.weight:error_ensemble:.3f` ({measured}`rebasin/split/calibration-pictures.weight:error_ensemble:.3f@largest`) |
# | random halves | {measured}`rebasin/split/calibration-random.weight:error_inputs:.3f` ({measured}`rebasin/split/calibration-random.weight:error_inputs:.3f@largest`) | {measured}`rebasin/split/calibration-random.weight:error_tempered:.3f` ({measured}`rebasin/split/calibration-random.weight:error_tempered:.3f@largest`) | {measured}`rebasin/split/calibration-random.weight:error_merge:.3f` ({measured}`rebasin/split/calibration-random.weight:error_merge:.3f@largest`) | {measured}`rebasin/split/calibration-random.weight:error_cooled:.3f` ({measured}`rebasin/split/calibration-random.weight:error_cooled:.3f@largest`) | {measured}`rebasin/split/calibration-random.weight:error_ensemble:.3f` ({measured}`rebasin/split/calibration-random.weight:error_ensemble:.3f@largest`) |
# | random halves, training images | {measured}`rebasin/split/calibration-train.weight:error_inputs:.3f` ({measured}`rebasin/split/calibration-train.weight:error_inputs:.3f@largest`) | {measured}`rebasin/split/calibration-train.weight:error_tempered:.3f` ({measured}`rebasin/split/calibration-train.weight:error_tempered:.3f@largest`) | {measured}`rebasin/split/calibration-train.weight:error_merge:.3f` ({measured}`rebasin/split/calibration-train.weight:error_merge:.3f@largest`) | – | {measured}`rebasin/split/calibration-train.weight:error_ensemble:.3f` ({measured}`rebasin/split/calibration-train.weight:error_ensemble:.3f@largest`) |
#
# The temperatures are on average {measured}`rebasin/split/calibration-random.weight:temperature:.2f` on
# random halves; above one a network was too sure of itself. Averaging weights makes answers softer, which is
# a temperature of its own that nobody has fitted: it helps as far as the inputs were overconfident by about
# as much, and where matching leaves a barrier it can overshoot, so that the merge is *less* sure than it has
# reason to be.
#
# The same holds for the loss, which a temperature repairs as well. These are nats on the second half of the test
# images:
#
# | loss | inputs | inputs, tempered | without their tilt, tempered | merge | merge, tempered | ensemble |
# | --- | --- | --- | --- | --- | --- | --- |
# | biased halves, digits | {measured}`rebasin/split/calibration-digits.weight:loss_inputs:.3f` ({measured}`rebasin/split/calibration-digits.weight:loss_inputs:.3f@largest`) | {measured}`rebasin/split/calibration-digits.weight:loss_tempered:.3f` ({measured}`rebasin/split/calibration-digits.weight:loss_tempered:.3f@largest`) | {measured}`rebasin/split/calibration-digits.weight:loss_corrected:.3f` ({measured}`rebasin/split/calibration-digits.weight:loss_corrected:.3f@largest`) | {measured}`rebasin/split/calibration-digits.weight:loss_merge:.3f` ({measured}`rebasin/split/calibration-digits.weight:loss_merge:.3f@largest`) | {measured}`rebasin/split/calibration-digits.weight:loss_cooled:.3f` ({measured}`rebasin/split/calibration-digits.weight:loss_cooled:.3f@largest`) | {measured}`rebasin/split/calibration-digits.weight:loss_ensemble:.3f` ({measured}`rebasin/split/calibration-digits.weight:loss_ensemble:.3f@largest`) |
# | biased halves, pictures | {measured}`rebasin/split/calibration-pictures.weight:loss_inputs:.3f` ({measured}`rebasin/split/calibration-pictures.weight:loss_inputs:.3f@largest`) | {measured}`rebasin/split/calibration-pictures.weight:loss_tempered:.3f` ({measured}`rebasin/split/calibration-pictures.weight:loss_tempered:.3f@largest`) | {measured}`rebasin/split/calibration-pictures.weight:loss_corrected:.3f` ({measured}`rebasin/split/calibration-pictures.weight:loss_corrected:.3f@largest`) | {measured}`rebasin/split/calibration-pictures.weight:loss_merge:.3f` ({measured}`rebasin/split/calibration-pictures.weight:loss_merge:.3f@largest`) | {measured}`rebasin/split/calibration-pictures.weight:loss_cooled:.3f` ({measured}`rebasin/split/calibration-pictures.weight:loss_cooled:.3f@largest`) | {measured}`rebasin/split/calibration-pictures.weight:loss_ensemble:.3f` ({measured}`rebasin/split/calibration-pictures.weight:loss_ensemble:.3f@largest`) |
# | random halves | {measured}`rebasin/split/calibration-random.weight:loss_inputs:.3f` ({measured}`rebasin/split/calibration-random.weight:loss_inputs:.3f@largest`) | {measured}`rebasin/split/calibration-random.weight:loss_tempered:.3f` ({measured}`rebasin/split/calibration-random.weight:loss_tempered:.3f@largest`) | – | {measured}`rebasin/split/calibration-random.weight:loss_merge:.3f` ({measured}`rebasin/split/calibration-random.weight:loss_merge:.3f@largest`) | {measured}`rebasin/split/calibration-random.weight:loss_cooled:.3f` ({measured}`rebasin/split/calibration-random.weight:loss_cooled:.3f@largest`) | {measured}`rebasin/split/calibration-random.weight:loss_ensemble:.3f` ({measured}`rebasin/split/calibration-random.weight:loss_ensemble:.3f@largest`) |
#
# What the merge gains in loss over its inputs should be compared with the second and the third column, which need
# no second network. On the photographs of the largest recorded profile the inputs have {measured}`rebasin/split/calibration-pictures.weight:loss_inputs:.2f@largest` nats,
# their merge {measured}`rebasin/split/calibration-pictures.weight:loss_merge:.2f@largest`, each input by a temperature
# {measured}`rebasin/split/calibration-pictures.weight:loss_tempered:.2f@largest`, and without its tilt as well
# {measured}`rebasin/split/calibration-pictures.weight:loss_corrected:.2f@largest`; at a temperature of its own the merge has
# {measured}`rebasin/split/calibration-pictures.weight:loss_cooled:.2f@largest`, more than either. On the digits it does gain:
# {measured}`rebasin/split/calibration-digits.weight:loss_cooled:.3f@largest` against
# {measured}`rebasin/split/calibration-digits.weight:loss_corrected:.3f@largest`, the best that one end can do. A temperature repairs
# calibration, of a merge as of a single network; what it leaves of the loss is what the network does not know.
#
# ## Paper and measurement
#
# ```{verdicts} rebasin/split
# ```
#
# **Caveats.** No row of this page can be *reproduced*: ten classes stand for a hundred, and eight networks
# for thirty-two. At smoke the photographs are digits as well and all networks are narrow: matching leaves a
# barrier, and the merge pays for it. At laptop the photographs are learned by perceptrons, which is not
# what one would take for photographs; the ResNet20 of the paper stands in the gpu profile. Two networks on
# halves have seen half as many images as the one trained on everything, over as many passes. There are few
# pairs; intervals resample them, and for random halves the single networks, whose merge is one and the same.
# A calibration error in bins is biased upwards where bins hold few samples.
#
# **Cost.**
#
# ```{cost} rebasin/split
# ```
#
# ## Exercises
#
# 1. *(recall)* Why does the mean of both networks' logits lose the tilt, and the mean of their probabilities
#    not?
# 2. *(change an assumption)* Let the halves differ in nothing but their images (`bias = 0.5`). What is left of
#    the ensemble's lead over the ends without tilt?
# 3. *(measure)* Take the tilt from the ends *before* their logits are averaged. Does the ensemble change?
#
# ````{dropdown} Solutions
# 1. By {eq}`eq-tilt` the tilts add in logarithms, and their sum is the same for all classes. Probabilities are
#    tilted by factors; the sum of $b\,p$ and $(1-b)\,p$ over two halves cancels only where both normalisers
#    agree, that is, for an $x$ between classes of both kinds.
# 2. What two networks know beyond one: the ends differ in their images and first weights still, and the mean
#    of two such networks is usually better than either.
# 3. Average `untilted` instead of `both`. By what stands behind {eq}`eq-tilt`, not at all but for rounding: both
#    tilts add to the same number for every class, up to one image.
# ````
#
# References: {cite:p}`ainsworth2023,guo2017,krizhevsky2009,lecun1998,saerens2002`.

# %% tags=["nbval-check-output"]
run.finish()
