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
# (rebasin-onset)=
# # When connectivity begins
#
# *Aim.* Follow the pairs of the [last chapter](merging.py), on digits and on photographs, from their
# first weights to the end of training, match them after each of several epochs, and see when the barrier
# goes. Then carry the permutation found at the end back to the beginning.
#
# *Needs.* The networks of the last chapter, with the weights that its recipes keep along the way. At
# smoke a few seconds on one CPU core, at laptop a quarter of an hour.

# %%
import torch

from onebasin import book, seeds
from onebasin.connectivity import barrier, loss_along_line, rank_likeness
from onebasin.matching import weight_match
from onebasin.networks import classifiers, recipes
from onebasin.plotting import onset as draw
from onebasin.symmetry import Permutation, apply

# %% tags=["parameters"]
profile = "smoke"
data = "mnist5k"  # or "mnist", from the folder named by ONEBASIN_DATA
hidden = [64, 64, 64]  # units of the hidden layers (the paper has 512 in each of three)
epochs = 20  # the authors' code has 100
batch = 100  # the authors' code has 500
pairs = 4  # independent pairs of networks
together = 8  # networks in one shard of the recipe
judged = 1000  # test images that the losses are measured on
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
picture_pairs = 2  # independent pairs of networks on the photographs
draws = 5  # random permutations a pair
device = "cpu"

# %% tags=["remove-output"]
run = book.start(
    "rebasin/onset",
    profile=profile,
    data=data,
    hidden=hidden,
    epochs=epochs,
    batch=batch,
    pairs=pairs,
    together=together,
    judged=judged,
    pictures=pictures,
    picture_pairs=picture_pairs,
    draws=draws,
    device=device,
)

# %% [markdown]
# ## The networks, epoch by epoch
#
# The recipes keep the weights at the start (epoch 0) and after a few epochs, closer together early
# on, where most of the change is.

# %% tags=["remove-output"]
settings = {
    "digits": classifiers.Settings(
        data=data, options={"hidden": hidden}, epochs=epochs, batch=batch
    ),
    "photographs": classifiers.Settings(**pictures),
}
counts = {"digits": pairs, "photographs": picture_pairs}
nets, networks, tests = {}, {}, {}
for kind, some in settings.items():
    common = {"run": run, "together": together, "device": device}
    nets[kind] = recipes.trained(some, 2 * counts[kind], **common)
    networks[kind] = some.make().to(device)
    tests[kind] = classifiers.evaluation(some, "test", judged, device=device)


# %%
def line(kind, ref, other):
    """Test loss along the lines of all pairs of a kind, ``[pairs lambdas]``."""
    ce = torch.nn.functional.cross_entropy
    return loss_along_line(networks[kind], ref, other, ce, tests[kind]).loss.cpu()


# %% [markdown]
# ## The claim
#
# **Claim** ({cite:t}`ainsworth2023`, §5.2, Fig. 3). *Linear connectivity is absent early in training
# and appears gradually.* The paper shows barriers against time. Two networks that have hardly left
# their first weights answer at random, as do all between them, and cannot have a high barrier, whatever
# matching does; so we look at the matched barrier **relative to the plain one of the same epoch**,
#
# ```{math}
# :label: eq-onset
# r_t=\frac{B\bigl(\theta_{\ref}^{(t)},\,\pi_t(\theta_{\other}^{(t)})\bigr)}
# {B\bigl(\theta_{\ref}^{(t)},\,\theta_{\other}^{(t)}\bigr)},
# ```
#
# where $\pi_t$ is found by weight matching after epoch $t$. Absent is read as at least a fifth left
# after the first epoch, present as at most a twentieth after the last, gradual as a rank correlation
# of epoch and $r_t$ below $-\tfrac12$.


# %%
def follow(kind):
    """Loss along the lines ``[epochs pairs lambdas]`` before and after matching; the last match."""
    network, x = networks[kind], tests[kind][0]
    loss = {"none": [], "weight": []}
    for epoch in nets[kind].epochs:
        ref, other = nets[kind].pairs(epoch=epoch, device=device)
        found = weight_match(network.spec, ref, other)
        aligned = apply(found.element, other)
        assert torch.allclose(network.run(aligned, x), network.run(other, x), atol=1e-3)
        loss["none"].append(line(kind, ref, other))
        loss["weight"].append(line(kind, ref, aligned))
    return {name: torch.stack(curves) for name, curves in loss.items()}, found.element


# %%
followed = {kind: follow(kind) for kind in settings}
height = {
    kind: {name: barrier(curves) for name, curves in loss.items()}
    for kind, (loss, _) in followed.items()
}

# %% tags=["remove-output"]
for kind, (loss, _) in followed.items():
    for name, curves in loss.items():
        rows = {
            f"barrier_{epoch}": book.metric(height[kind][name][k], "nats")
            for k, epoch in enumerate(nets[kind].epochs)
        }
        arrays = {
            "epochs": list(nets[kind].epochs),
            "lambdas": torch.linspace(0, 1, 25),
            "loss": curves.float(),
            "barrier": height[kind][name],
        }
        seen = {"metrics": rows, "seeds": range(counts[kind]), "arrays": arrays}
        run.record(f"epochs-{kind}", method=name, **seen)

# %% mystnb={"figure": {"name": "fig-onset-barrier", "caption": "Barrier in test loss after every kept epoch of training, as trained and after weight matching at that epoch (left; small marks are pairs, lines join the means), and the second divided by the first (right): digits above, photographs (at smoke digits, turned and zoomed) below. Twin of Git Re-Basin's Fig. 3. Epochs are spaced by the logarithm of one plus the epoch."}, "image": {"alt": "Four panels over the epoch, digits above and photographs below. Left, the barrier without alignment rises early in training, while the one after weight matching stays far lower. Right, their ratio for every pair, with its mean, against the marks of a fifth and a twentieth."}}
run.show(draw.draw_epochs, [f"epochs-{kind}" for kind in settings], height=5.4)


# %%
def course(kind):
    """Matched barrier in units of the plain one: after the first epoch, the last, and its trend."""
    kept = [k for k, epoch in enumerate(nets[kind].epochs) if epoch > 0]
    relative = height[kind]["weight"][kept] / height[kind]["none"][kept]  # [epochs pairs]
    assert (height[kind]["none"][kept] > 0).all() and (relative >= 0).all()
    when = torch.tensor([nets[kind].epochs[k] for k in kept])
    trend = [float(rank_likeness(when, r)) if r.max() > r.min() else 0.0 for r in relative.T]
    values = {"trend": trend, "first": relative[0].tolist(), "last": relative[-1].tolist()}
    return {name: book.measured(book.bootstrap(one)) for name, one in values.items()}


far = {f"pictures_{name}": value for name, value in course("photographs").items()}
_ = run.claim("gr-onset", **course("digits"), **far)

# %% [markdown]
# | matched barrier, in units of the plain one | after the first epoch | after the last | rank correlation with the epoch |
# | --- | --- | --- | --- |
# | digits | {measured}`rebasin/onset/gr-onset.claim:first:.2f` | {measured}`rebasin/onset/gr-onset.claim:last:.2f` | {measured}`rebasin/onset/gr-onset.claim:trend:+.2f` |
# | photographs | {measured}`rebasin/onset/gr-onset.claim:pictures_first:.2f` | {measured}`rebasin/onset/gr-onset.claim:pictures_last:.2f` | {measured}`rebasin/onset/gr-onset.claim:pictures_trend:+.2f` |
# | digits, largest recorded profile | {measured}`rebasin/onset/gr-onset.claim:first:.2f@largest` | {measured}`rebasin/onset/gr-onset.claim:last:.2f@largest` | {measured}`rebasin/onset/gr-onset.claim:trend:+.2f@largest` |
# | photographs, largest recorded profile | {measured}`rebasin/onset/gr-onset.claim:pictures_first:.2f@largest` | {measured}`rebasin/onset/gr-onset.claim:pictures_last:.2f@largest` | {measured}`rebasin/onset/gr-onset.claim:pictures_trend:+.2f@largest` |
#
# The curves themselves, between networks trained on digits, early and late:

# %% mystnb={"figure": {"name": "fig-onset-lines", "caption": "Test loss along the line at the start, after the first epoch and after the last, as trained and after weight matching. Thin lines are pairs, thick lines their mean. Every panel has an axis of its own, as in the paper's insets."}, "image": {"alt": "Three panels of loss against position, for the start of training, the first epoch and the last. At the start both curves are flat or sag slightly; after the first epoch the unaligned curve bulges; after the last it is a high mountain, and the matched one is much lower."}}
run.show(draw.draw_lines, "epochs-digits", height=2.8, share=False)

# %% [markdown]
# An epoch of all the digits has 120 steps of 500: where they are enough, what is early lies within the first epoch. On
# the photographs the paper's picture is there, but at laptop not gradually. What matching leaves falls to
# {measured}`rebasin/onset/epochs-photographs.weight:barrier_2:.2f@laptop` nats after two epochs, rises to
# {measured}`rebasin/onset/epochs-photographs.weight:barrier_20:.2f@laptop` after twenty, and ends at
# {measured}`rebasin/onset/epochs-photographs.weight:barrier_50:.2f@laptop`, when the step size has gone to nothing.
#
# ## Back to the beginning
#
# **Claim** (cited in §5.2 from {cite:t}`benzing2022`). *The permutation found at the end of training
# connects the two networks at initialisation.* At the start networks answer at random, every loss is
# close to $\ln 10$, and any barrier is small; the claim only means something beside *random*
# permutations, which are the control. Where they leave no more than the 0.02 nats that count as
# connected, the barrier has nothing to tell, and a finer measure is asked for the direction: by how much lower
# the loss *half-way* is under the permutation of the end than under random ones, pair by pair.

# %%
start_ref, start_other = nets["digits"].pairs(epoch=0, device=device)
spec = networks["digits"].spec
loss, last = followed["digits"]
lines = {"plain": [loss["none"][0]], "own": [loss["weight"][0]]}
lines["matched"] = [line("digits", start_ref, apply(last, start_other))]
lines["random"] = []
for number in range(draws):
    generator = seeds.stream("onset-random", number)
    chance = Permutation.random(spec, spec.sizes(start_ref), generator, pairs).to(device)
    lines["random"].append(line("digits", start_ref, apply(chance, start_other)))
begun = {name: torch.stack(curves) for name, curves in lines.items()}  # [draws pairs lambdas]

# %% tags=["remove-output"]
metrics, arrays = {}, {}
for name, curves in begun.items():
    arrays[name] = curves[..., 12] - curves[..., [0, -1]].mean(-1)
    metrics[f"{name}_barrier"] = book.metric(barrier(curves).mean(0), "nats")
    metrics[f"{name}_middle"] = book.metric(arrays[name].mean(0), "nats")
_ = run.record("start", method="weight", metrics=metrics, seeds=range(pairs), arrays=arrays)

# %%
over = {name: barrier(begun[name]).mean(0) for name in ("matched", "random")}
over["lower"] = (arrays["random"] - arrays["matched"]).mean(0)
values = {name: book.measured(book.bootstrap(v.tolist()), "nats") for name, v in over.items()}
_ = run.claim("gr-init-lmc", **values)

# %% mystnb={"figure": {"name": "fig-onset-start", "caption": "Between the untrained networks of every pair: loss half-way minus the mean loss of the ends, as drawn, under random permutations, under the permutation found at the end of training, and under one found at the start. Below zero there is no barrier half-way."}, "image": {"alt": "Four columns of points around zero, the excess of the loss half-way between untrained networks: as drawn, random permutations, the permutation of the end, and weight matching at the start. Nearly all points lie below zero in every column."}}
run.show(draw.draw_start, "start", height=3.0)

# %% [markdown]
# The permutation of the end leaves a barrier of
# {measured}`rebasin/onset/start.weight:matched_barrier:.4f` nats at the start, and there is next to
# nothing it could have removed: random permutations leave
# {measured}`rebasin/onset/start.weight:random_barrier:.4f`. Half-way the loss even lies *below* the
# mean of the ends. Averaging the weights of two untrained networks makes their answers weaker, hence
# more even, and for a network that knows nothing even answers are the better ones. In the sense of
# barriers *every* permutation connects such networks.
#
# The excess half-way is the finer measure. Under the permutation of the end it is
# {measured}`rebasin/onset/start.weight:matched_middle:+.4f` nats, under random ones
# {measured}`rebasin/onset/start.weight:random_middle:+.4f`, and under the permutation that weight
# matching finds at the start itself {measured}`rebasin/onset/start.weight:own_middle:+.4f`
# ({numref}`fig-onset-start`); at the largest recorded profile
# {measured}`rebasin/onset/start.weight:matched_middle:+.4f@largest`,
# {measured}`rebasin/onset/start.weight:random_middle:+.4f@largest` and
# {measured}`rebasin/onset/start.weight:own_middle:+.4f@largest`. On average over pairs the permutation of the end lies
# {measured}`rebasin/onset/gr-init-lmc.claim:lower:.4f` ({measured}`rebasin/onset/gr-init-lmc.claim:lower:.4f@largest`)
# nats below chance, and in every pair it lies below: the end does know something about the beginning. What weight
# matching finds at the start itself is hardly better than chance. It makes the most of agreements between
# first weights, nearly all of which are accidents; training has picked out the ones that matter.
#
# ## Paper and measurement
#
# ```{verdicts} rebasin/onset
# ```
#
# **Caveats.** At smoke the networks are eight times narrower than the paper's and see a fifteenth of
# its digits for a fifth of its epochs, so that "the last epoch" is early still. A ratio of barriers
# is noisy where the plain barrier is small, that is, in the first epochs. Intervals resample pairs,
# of which there are few.
#
# **Cost.**
#
# ```{cost} rebasin/onset
# ```
#
# ## Exercises
#
# 1. *(recall)* Why is the barrier at the start of training low without any matching?
# 2. *(change an assumption)* Give both networks of a pair the same first weights and other orders of
#    the data. When does the plain barrier begin to rise?
# 3. *(measure)* Use the permutation of the end at every epoch. From when on is it as good as that
#    epoch's own?
#
# ````{dropdown} Solutions
# 1. Both ends answer with nearly equal probabilities, and so does everything between them: the loss
#    is close to $\ln 10$ all along.
# 2. Train with one number for `init` and two for the order of the data. Within the first epochs; the
#    permutation that helps is then close to the identity.
# 3. Replace `found.element` by `last` in the loop. Expect: only late, if units change what they do for
#    many epochs.
# ````
#
# References: {cite:p}`ainsworth2023,benzing2022,lecun1998`. Next: [wider networks](width.py).

# %% tags=["nbval-check-output"]
run.finish()
