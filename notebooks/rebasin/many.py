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
# (rebasin-many)=
# # Many networks into one
#
# *Aim.* Merge several networks at once, in two ways; look at everything the merge changes, not only at the
# number that improves; and ask how much of the improvement is nothing but softer answers.
#
# *Needs.* Nothing is downloaded. At smoke some twenty seconds on one CPU core, at laptop a few minutes
# on two, beside the training of the networks.

# %%
import warnings
from itertools import permutations

import torch

from onebasin import apply, book, matching, weight_match
from onebasin.connectivity.calibration import best_temperature
from onebasin.merging import CycleOptions, ManyOptions, merge_cycle, merge_many
from onebasin.networks import classifiers, recipes
from onebasin.plotting import many as draw

# %% tags=["parameters"]
profile = "smoke"
data = "mnist5k"  # or "mnist", from the folder named by ONEBASIN_DATA
hidden = [64, 64, 64]  # units of the hidden layers (the paper has 512 in each of three)
epochs = 20  # the authors' code has 100
batch = 100  # the authors' code has 500
sets = 2  # sets of networks that are merged
models = 4  # networks in each (the paper has 5)
together = 8  # networks in one shard of the recipe
judged = 1000  # test and training images that the losses are measured on
device = "cpu"

# %% tags=["remove-output"]
run = book.start(
    "rebasin/many",
    profile=profile,
    data=data,
    hidden=hidden,
    epochs=epochs,
    batch=batch,
    sets=sets,
    models=models,
    together=together,
    judged=judged,
    device=device,
)

# %% [markdown]
# ## The networks
#
# The sets have no network in common, so that they are independent.

# %% tags=["remove-output"]
settings = classifiers.Settings(data=data, options={"hidden": hidden}, epochs=epochs, batch=batch)
nets = recipes.trained(settings, sets * models, run=run, together=together, device=device)
network = settings.make().to(device)
spec = network.spec
known = {
    split: classifiers.evaluation(settings, split, judged, device=device)
    for split in ("train", "test")
}
every = [
    nets.at(range(k * models, (k + 1) * models), epoch=epochs, device=device) for k in range(sets)
]

# %% [markdown]
# ## By turns
#
# **Claim** ({cite:t}`ainsworth2023`, A.6, Table 2). *Merging five MNIST MLPs gives a test loss of 0.0727 where the
# five have 0.1293 on average (43 % less, as the paper rounds it), at a higher training loss and a lower test accuracy.*
#
# MERGEMANY takes the networks in turn, in random order, and aligns each to the mean of the others. That
# never lowers the sum of its inner products with all others and touches no other pair, so
#
# ```{math}
# :label: eq-merge-many
# F(\pi_1,\dots,\pi_N)=\sum_{p<q}\bigl\langle\pi_p(\theta_p),\,\pi_q(\theta_q)\bigr\rangle
# ```
#
# never falls. The paper has the algorithm and does not name the quantity. Its core is one line of
# [weight matching](../foundations/assignment.py).

# %%
patient = ManyOptions(max_rounds=1000)
turns = [merge_many(spec, states, seed=k, options=patient) for k, states in enumerate(every)]
for states, merged in zip(every, turns, strict=True):
    scale = sum(float(t.double().square().sum()) for t in states.values())
    assert merged.converged and (merged.history.diff() >= -1e-12 * scale).all()

# %% [markdown]
# ## In a universe
#
# **Claim** (after {cite:t}`crisostomi2024`). *Permutations into a common universe of units compose, A to B
# to C being A to C, and merges in it are at least as good.*
#
# Matching all pairs by themselves need not fit together: going from A to B and on to C may end elsewhere
# than going from A to C. Give instead every network one permutation $\pi_p$ into a common order of units,
# the universe; from p to q it goes by $\pi_q^{-1}\pi_p$, and every cycle closes by construction. By turns
# that holds as well. What differs is the ascent: here all permutations are relaxed to doubly stochastic
# matrices and move together, and nobody comes first.
#
# Towards the assignments $Q$ that the gradient of {eq}`eq-merge-many` asks for, $P+t(Q-P)$, the
# objective is a polynomial in $t$ of degree four (each weight has two axes with units, and each product
# two weights). So the best step is found among the roots of a cubic:
#
# ```{source} onebasin.merging.cycle.best_length
# ```

# %%
with warnings.catch_warnings():  # a climb that its limit cuts short is finished by the turns
    warnings.simplefilter("ignore", matching.ConvergenceWarning)
    options = CycleOptions(turns=patient)
    universe = [
        merge_cycle(spec, states, seed=k, options=options) for k, states in enumerate(every)
    ]
for states, merged in zip(every, universe, strict=True):
    scale = sum(float(t.double().square().sum()) for t in states.values())
    assert merged.converged and (merged.history.diff() >= -1e-12 * scale).all()


# %%
def open_cycles(step):
    """Ordered triples for which going by way of B is not going directly."""
    same = 0
    for a, b, c in permutations(range(models), 3):
        detour, direct = step(b, c) @ step(a, b), step(a, c)
        same += all(torch.equal(detour.perms[g], direct.perms[g]) for g in spec.groups)
    return len(list(permutations(range(models), 3))) - same


# %%
def matched(states):
    """Weight matching of every ordered pair of a set by itself, as one stack."""
    pairs = list(permutations(range(models), 2))
    first, second = (
        {name: t[[pair[k] for pair in pairs]] for name, t in states.items()} for k in (0, 1)
    )
    found = weight_match(spec, second, first).element  # from first to second
    return lambda a, b: found.select(pairs.index((a, b)))


cycles = [open_cycles(merged.between) for merged in universe]
control = [open_cycles(matched(states)) for states in every]
assert all(count == 0 for count in cycles)

# %%
scaled = [1 / float(merged.history[0]) for merged in turns]
pasts = {
    "turns": [m.history * s for m, s in zip(turns, scaled, strict=True)],
    "relaxed": [m.history * s for m, s in zip(universe, scaled, strict=True)],
    "finish": [m.turns * s for m, s in zip(universe, scaled, strict=True)],
}
padded = {}
for name, rows in pasts.items():
    padded[name] = torch.full((sets, max(map(len, rows))), torch.nan, dtype=torch.float64)
    for k, row in enumerate(rows):
        padded[name][k, : len(row)] = row.cpu()

# %% tags=["remove-output"]
reached = {
    "turns": [float(past[-1]) for past in pasts["turns"]],
    "universe": [float(past[-1]) for past in pasts["finish"]],
}
rows = {f"objective_{name}": book.metric(one) for name, one in reached.items()}
rows |= {"cycles": book.metric(cycles, "triples"), "control": book.metric(control, "triples")}
_ = run.record("climb", method="joint", metrics=rows, seeds=range(sets), arrays=padded)

# %% mystnb={"figure": {"name": "fig-many-climb", "caption": "The sum of inner products of all pairs, in units of its value before, for every set of networks. Left: by turns, one network at a time. Right: all at once on relaxed permutations (triangles), then rounded and finished by turns (dotted)."}, "image": {"alt": "Two panels of rising curves that level off. On the left they rise in stairs as one network after another is aligned. On the right they rise in a few steps of all networks together to a similar height, and the dotted ends rise little or not at all."}}
run.show(draw.draw_climb, "climb", height=3.0)

# %% [markdown]
# By pairs, {measured}`rebasin/many/climb.joint:control:.0f` triples of a set do not close, which is all of them
# ({measured}`rebasin/many/climb.joint:control:.0f@largest` at the largest recorded profile, all again); in the
# universe none is left open. The sum of inner products ends at
# {measured}`rebasin/many/climb.joint:objective_turns:.2f` times its first value by turns and at
# {measured}`rebasin/many/climb.joint:objective_universe:.2f` in the universe (the first value, between networks that share
# nothing, is small, so that these factors do not compare across widths).
#
# ## What the merge is worth


# %%
def mean(states):
    """Average of a stack of networks, as a stack of one."""
    return {name: t.mean(0, keepdim=True) for name, t in states.items()}


def logits(split):
    """Answers of every kind of network for every set, ``[networks samples classes]``."""
    x = known[split][0]
    kinds = {"inputs": every, "plain": [mean(states) for states in every]}
    kinds["turns"] = [mean(apply(m.element, s)) for m, s in zip(turns, every, strict=True)]
    kinds["universe"] = [mean(apply(m.element, s)) for m, s in zip(universe, every, strict=True)]
    out = {name: [network.run(one, x).detach() for one in many] for name, many in kinds.items()}
    return out | {"ensemble": [one.mean(0, keepdim=True) for one in out["inputs"]]}


# %%
def judge(answers, y):
    """Cross-entropy and accuracy, ``[sets networks]`` each."""
    ce = torch.nn.functional.cross_entropy
    loss = torch.tensor([[float(ce(net, y)) for net in one] for one in answers])
    right = torch.stack([(one.argmax(-1) == y).double().mean(-1).cpu() for one in answers])
    return loss.double(), right


answers = {split: logits(split) for split in known}
loss, right = {}, {}
for split, (_, y) in known.items():
    found = {name: judge(one, y) for name, one in answers[split].items()}
    loss[split] = {name: both[0] for name, both in found.items()}
    right[split] = {name: both[1] for name, both in found.items()}

# %% tags=["remove-output"]
arrays = {f"loss.{name}": one for name, one in loss["test"].items()}
arrays |= {f"accuracy.{name}": one for name, one in right["test"].items()}
metrics = {}
for split in known:
    for name in loss[split]:
        metrics[f"{split}_loss_{name}"] = book.metric(loss[split][name].mean(1), "nats")
        metrics[f"{split}_accuracy_{name}"] = book.metric(right[split][name].mean(1))
arrays = {name: one.squeeze(-1) if one.shape[1] == 1 else one for name, one in arrays.items()}
_ = run.record("quality", method="weight", metrics=metrics, seeds=range(sets), arrays=arrays)

# %%
before = {split: loss[split]["inputs"].mean(1) for split in known}
gain = 1 - loss["test"]["turns"][:, 0] / before["test"]
train = loss["train"]["turns"][:, 0] - before["train"]
accuracy = right["test"]["turns"][:, 0] - right["test"]["inputs"].mean(1)
values = {"gain": gain, "train": train, "accuracy": accuracy}
judgements = {name: book.measured(book.bootstrap(one.tolist())) for name, one in values.items()}
_ = run.claim("gr-merge-many", **judgements)
better = (loss["test"]["turns"] - loss["test"]["universe"])[:, 0]
_ = run.claim(
    "cycle-consistent",
    cycles=sum(cycles),
    control=book.measured(min(control)),
    gain=book.measured(book.bootstrap(better.tolist())),
)

# %% mystnb={"figure": {"name": "fig-many-quality", "caption": "Test loss (left) and test accuracy (right) of the networks of each set, of their plain average, of the two merges and of the ensemble that averages logits. Columns of marks within a place are sets. A plain average beyond the axis is named."}, "image": {"alt": "Two panels with a column of marks each for inputs, plain average, merge by turns, merge in a universe and ensemble. The plain average is by far the worst in both. The two merges lie close to each other, at the small size between it and the inputs; the ensemble has the highest accuracy or is near it."}}
run.show(draw.draw_quality, "quality", height=3.2, share=False)

# %% [markdown]
# | | test loss | test accuracy | training loss |
# | --- | --- | --- | --- |
# | inputs, mean | {measured}`rebasin/many/quality.weight:test_loss_inputs:.3f` | {measured}`rebasin/many/quality.weight:test_accuracy_inputs:.4f` | {measured}`rebasin/many/quality.weight:train_loss_inputs:.4f` |
# | plain average | {measured}`rebasin/many/quality.weight:test_loss_plain:.3f` | {measured}`rebasin/many/quality.weight:test_accuracy_plain:.4f` | {measured}`rebasin/many/quality.weight:train_loss_plain:.4f` |
# | merged by turns | {measured}`rebasin/many/quality.weight:test_loss_turns:.3f` | {measured}`rebasin/many/quality.weight:test_accuracy_turns:.4f` | {measured}`rebasin/many/quality.weight:train_loss_turns:.4f` |
# | merged in a universe | {measured}`rebasin/many/quality.weight:test_loss_universe:.3f` | {measured}`rebasin/many/quality.weight:test_accuracy_universe:.4f` | {measured}`rebasin/many/quality.weight:train_loss_universe:.4f` |
# | ensemble | {measured}`rebasin/many/quality.weight:test_loss_ensemble:.3f` | {measured}`rebasin/many/quality.weight:test_accuracy_ensemble:.4f` | {measured}`rebasin/many/quality.weight:train_loss_ensemble:.4f` |
#
# Between narrow networks matching leaves a barrier, and a merge pays for it: at smoke its loss is not below but
# above that of its inputs, and its accuracy on *training* images falls from
# {measured}`rebasin/many/quality.weight:train_accuracy_inputs:.3f@smoke` to
# {measured}`rebasin/many/quality.weight:train_accuracy_turns:.3f@smoke`, which no softening of answers explains. Wide networks are
# another matter. At the largest recorded profile, beside the paper's Table 2:
#
# | | test loss | test accuracy | training loss | paper: test loss | test accuracy | training loss |
# | --- | --- | --- | --- | --- | --- | --- |
# | inputs, mean | {measured}`rebasin/many/quality.weight:test_loss_inputs:.4f@largest` | {measured}`rebasin/many/quality.weight:test_accuracy_inputs:.4f@largest` | {measured}`rebasin/many/quality.weight:train_loss_inputs:.4f@largest` | .1293 | .9854 to .9871 | 0 |
# | plain average | {measured}`rebasin/many/quality.weight:test_loss_plain:.4f@largest` | {measured}`rebasin/many/quality.weight:test_accuracy_plain:.4f@largest` | {measured}`rebasin/many/quality.weight:train_loss_plain:.4f@largest` | – | – | – |
# | merged by turns | {measured}`rebasin/many/quality.weight:test_loss_turns:.4f@largest` | {measured}`rebasin/many/quality.weight:test_accuracy_turns:.4f@largest` | {measured}`rebasin/many/quality.weight:train_loss_turns:.4f@largest` | .0727 | .9831 | .0141 |
# | merged in a universe | {measured}`rebasin/many/quality.weight:test_loss_universe:.4f@largest` | {measured}`rebasin/many/quality.weight:test_accuracy_universe:.4f@largest` | {measured}`rebasin/many/quality.weight:train_loss_universe:.4f@largest` | – | – | – |
# | ensemble | {measured}`rebasin/many/quality.weight:test_loss_ensemble:.4f@largest` | {measured}`rebasin/many/quality.weight:test_accuracy_ensemble:.4f@largest` | {measured}`rebasin/many/quality.weight:train_loss_ensemble:.4f@largest` | – | – | – |
#
# The test loss of the merge lies {measured}`rebasin/many/gr-merge-many.claim:gain:.1%@largest` below that of its inputs, the paper's
# 43.8 %.
#
# ## How much of it is softness
#
# A merge that answers with less confidence may have a lower loss for that alone. One number by which logits
# are divided does the same to a single network, and cannot change a single class {cite:p}`guo2017`. The paper
# lacks this control. We give every input such a temperature, and the merge one of its own, fitted on one half
# of the test images and judged on the other. What merging does to calibration itself is a subject of the
# [chapter on data that never meet](split.py).


# %%
def tempered(nets):
    """Logits of the second half of the test images, divided by what suits the first half."""
    soft = [net[half:].double() / best_temperature(net[:half], y[:half]) for net in nets]
    assert all(
        torch.equal(s.argmax(-1), n[half:].argmax(-1)) for s, n in zip(soft, nets, strict=True)
    )
    return torch.stack(soft)


half, y = judged // 2, known["test"][1]
tested = answers["test"]
late = {name: [one[:, half:] for one in tested[name]] for name in ("inputs", "turns")}
late |= {
    f"{name}_tempered": [tempered(one) for one in tested[name]] for name in ("inputs", "turns")
}
halves = {name: judge(many, y[half:])[0].mean(1) for name, many in late.items()}

# %% tags=["remove-output"]
metrics = {f"loss_{name}": book.metric(one, "nats") for name, one in halves.items()}
heat = [[best_temperature(net[:half], y[:half]) for net in one] for one in tested["inputs"]]
metrics["temperature"] = book.metric(torch.tensor(heat).mean(1))
heat = [best_temperature(one[0, :half], y[:half]) for one in tested["turns"]]
metrics["temperature_turns"] = book.metric(heat)
_ = run.record("softness", method="weight", metrics=metrics, seeds=range(sets))

# %% [markdown]
# | test loss, second half | as they are | each at its own temperature | temperature, mean |
# | --- | --- | --- | --- |
# | inputs | {measured}`rebasin/many/softness.weight:loss_inputs:.4f` | {measured}`rebasin/many/softness.weight:loss_inputs_tempered:.4f` | {measured}`rebasin/many/softness.weight:temperature:.2f` |
# | merged by turns | {measured}`rebasin/many/softness.weight:loss_turns:.4f` | {measured}`rebasin/many/softness.weight:loss_turns_tempered:.4f` | {measured}`rebasin/many/softness.weight:temperature_turns:.2f` |
#
# A temperature above one says that a network was too sure of itself, one below that it was too timid. What a
# single number does for a single network has to be subtracted before a merge is praised for its loss: the fair
# comparison is between the losses of inputs and merge at temperatures of their own.
#
# At the largest recorded profile the inputs have {measured}`rebasin/many/softness.weight:loss_inputs:.4f@largest` as they
# are and {measured}`rebasin/many/softness.weight:loss_inputs_tempered:.4f@largest` at their own temperatures, the merge
# {measured}`rebasin/many/softness.weight:loss_turns:.4f@largest` and
# {measured}`rebasin/many/softness.weight:loss_turns_tempered:.4f@largest`. Where the inputs are the lower ones at temperatures
# of their own, all that the merge had gained was softness, and one number would have done it.
#
# ## Paper and measurement
#
# ```{verdicts} rebasin/many
# ```
#
# **Caveats.** At smoke networks are eight times narrower than the paper's and trained on a fifteenth of its
# digits for a fifth of its epochs, and there are four in a set: matching between such networks leaves a
# barrier, and a merge suffers from that of all its pairs. With few sets, intervals are rough.
#
# **Cost.**
#
# ```{cost} rebasin/many
# ```
#
# ## Exercises
#
# 1. *(recall)* Why does aligning one network to the mean of the others never lower {eq}`eq-merge-many`?
# 2. *(change an assumption)* Align all networks to the first one instead. Which triples close, and why is
#    the merge worse?
# 3. *(measure)* Merge two, three and four of the networks. Which way does the temperature that suits the merge
#    go?
#
# ````{dropdown} Solutions
# 1. All terms with that network sum to its inner product with the sum of the others, which weight matching
#    raises or leaves; the other terms do not contain it.
# 2. All of them: the first network's order is a universe. But every network is aligned to one, and nobody
#    to each other.
# 3. Call `merge_many` on the first few rows of a set's states. Every network that joins takes something from the
#    length of the mean, as aligned weights still differ; shorter weights answer more softly, so that a lower
#    temperature should suit them.
# ````
#
# References: {cite:p}`ainsworth2023,crisostomi2024,guo2017,lecun1998`. See also [data that never meet](split.py).

# %% tags=["nbval-check-output"]
run.finish()
