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
# *Aim.* Follow the pairs of the [last chapter](merging.py) from their first weights to the end of
# training, match them after each of several epochs, and see when the barrier goes. Then carry the
# permutation found at the end back to the beginning.
#
# *Needs.* The networks of the last chapter, with the weights that its recipe keeps along the way. At
# smoke a few seconds on one CPU core, at laptop some minutes on two.

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
epochs = 20  # the paper has 100
batch = 100  # the paper has 500
pairs = 4  # independent pairs of networks
together = 8  # networks in one shard of the recipe
judged = 1000  # test images that the losses are measured on
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
    draws=draws,
    device=device,
)

# %% [markdown]
# ## The networks, epoch by epoch
#
# The recipe keeps the weights at the start (epoch 0) and after a few epochs, closer together early
# on, where most of the change is.

# %% tags=["remove-output"]
settings = classifiers.Settings(data=data, options={"hidden": hidden}, epochs=epochs, batch=batch)
nets = recipes.trained(settings, 2 * pairs, run=run, together=together, device=device)
network = settings.make().to(device)
spec = network.spec
test = classifiers.evaluation(settings, "test", judged, device=device)


# %%
def line(ref, other):
    """Test loss along the lines, ``[pairs lambdas]``."""
    ce = torch.nn.functional.cross_entropy
    return loss_along_line(network, ref, other, ce, test).loss.cpu()


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
kept = [epoch for epoch in nets.epochs if epoch > 0]
loss = {"none": [], "weight": []}
for epoch in nets.epochs:
    ref, other = nets.pairs(epoch=epoch, device=device)
    found = weight_match(spec, ref, other)
    aligned = apply(found.element, other)
    assert torch.allclose(network.run(aligned, test[0]), network.run(other, test[0]), atol=1e-3)
    loss["none"].append(line(ref, other))
    loss["weight"].append(line(ref, aligned))
last = found.element
loss = {name: torch.stack(curves) for name, curves in loss.items()}
height = {name: barrier(curves) for name, curves in loss.items()}

# %% tags=["remove-output"]
for name, curves in loss.items():
    rows = {
        f"barrier_{epoch}": book.metric(height[name][k], "nats")
        for k, epoch in enumerate(nets.epochs)
    }
    arrays = {
        "epochs": list(nets.epochs),
        "lambdas": torch.linspace(0, 1, 25),
        "loss": curves.float(),
        "barrier": height[name],
    }
    _ = run.record("epochs", method=name, metrics=rows, seeds=range(pairs), arrays=arrays)

# %% mystnb={"figure": {"name": "fig-onset-barrier", "caption": "Barrier in test loss after every kept epoch of training, as trained and after weight matching at that epoch (left; small marks are pairs, lines join the means), and the second divided by the first (right). Epochs are spaced by the logarithm of one plus the epoch."}, "image": {"alt": "Two panels over the epoch. Left, the barrier without alignment rises early in training and goes on growing, while the one after weight matching stays far lower. Right, their ratio for every pair, with its mean, against the marks of a fifth and a twentieth."}}
run.show(draw.draw_epochs, "epochs", height=3.4)


# %%
trained = torch.tensor([nets.epochs.index(epoch) for epoch in kept])
relative = height["weight"][trained] / height["none"][trained]  # [epochs pairs]
when = torch.tensor(kept)
trend = [float(rank_likeness(when, one)) if one.max() > one.min() else 0.0 for one in relative.T]
values = {"trend": trend, "first": relative[0].tolist(), "last": relative[-1].tolist()}
judgements = {name: book.measured(book.bootstrap(one)) for name, one in values.items()}
assert (height["none"][trained] > 0).all() and (relative >= 0).all()
_ = run.claim("gr-onset", **judgements)

# %% [markdown]
# After the first epoch matching leaves {measured}`rebasin/onset/gr-onset.claim:first:.2f` of the plain
# barrier, after the last {measured}`rebasin/onset/gr-onset.claim:last:.2f`; the rank correlation of
# epoch and ratio is {measured}`rebasin/onset/gr-onset.claim:trend:.2f`. The curves themselves, early
# and late:

# %% mystnb={"figure": {"name": "fig-onset-lines", "caption": "Test loss along the line at the start, after the first epoch and after the last, as trained and after weight matching. Thin lines are pairs, thick lines their mean. Every panel has an axis of its own, as in the paper's insets."}, "image": {"alt": "Three panels of loss against position, for the start of training, the first epoch and the last. At the start both curves are flat or sag slightly; after the first epoch the unaligned curve bulges; after the last it is a high mountain, and the matched one is much lower."}}
run.show(draw.draw_lines, "epochs", height=2.8, share=False)

# %% [markdown]
# After the first epoch matching leaves {measured}`rebasin/onset/gr-onset.claim:first:.2f` of the plain barrier, after
# the last {measured}`rebasin/onset/gr-onset.claim:last:.2f` (rank correlation with the epoch
# {measured}`rebasin/onset/gr-onset.claim:trend:+.2f`); at the largest recorded profile
# {measured}`rebasin/onset/gr-onset.claim:first:.2f@largest` and
# {measured}`rebasin/onset/gr-onset.claim:last:.2f@largest`
# ({measured}`rebasin/onset/gr-onset.claim:trend:+.2f@largest`). An epoch of all the digits has 120 steps
# of 500: where they are enough, what is early lies within the first epoch.
#
# ## Back to the beginning
#
# **Claim** (cited in §5.2 from {cite:t}`benzing2022`). *The permutation found at the end of training
# connects the two networks at initialisation.* At the start networks answer at random, every loss is
# close to $\ln 10$, and any barrier is small; the claim only means something beside *random*
# permutations, which are the control. Where they leave no more than the 0.02 nats that count as
# connected, there is nothing left for a permutation to do, and the row has no verdict.

# %%
start_ref, start_other = nets.pairs(epoch=0, device=device)
sizes = spec.sizes(start_ref)
lines = {"plain": [loss["none"][0]], "own": [loss["weight"][0]]}
lines["matched"] = [line(start_ref, apply(last, start_other))]
lines["random"] = []
for number in range(draws):
    chance = Permutation.random(spec, sizes, seeds.stream("onset-random", number), pairs)
    lines["random"].append(line(start_ref, apply(chance.to(device), start_other)))
begun = {name: torch.stack(curves) for name, curves in lines.items()}  # [draws pairs lambdas]

# %% tags=["remove-output"]
metrics, arrays = {}, {}
for name, curves in begun.items():
    middle = curves[..., 12] - curves[..., [0, -1]].mean(-1)
    metrics[f"{name}_barrier"] = book.metric(barrier(curves).mean(0), "nats")
    metrics[f"{name}_middle"] = book.metric(middle.mean(0), "nats")
    arrays[name] = middle
_ = run.record("start", method="weight", metrics=metrics, seeds=range(pairs), arrays=arrays)

# %%
matched, chance = (
    book.measured(book.bootstrap(barrier(begun[name]).mean(0).tolist()), "nats")
    for name in ("matched", "random")
)
idle = "not decidable: random permutations leave no barrier either"
_ = run.claim(
    "gr-init-lmc", matched=matched, random=chance, not_run=idle if chance.value <= 0.02 else None
)

# %% mystnb={"figure": {"name": "fig-onset-start", "caption": "Between the untrained networks of every pair: loss half-way minus the mean loss of the ends, as drawn, under random permutations, under the permutation found at the end of training, and under one found at the start. Below zero there is no barrier half-way."}, "image": {"alt": "Four columns of points around zero, the excess of the loss half-way between untrained networks: as drawn, random permutations, the permutation of the end, and weight matching at the start. Nearly all points lie below zero in every column."}}
run.show(draw.draw_start, "start", height=3.0)

# %% [markdown]
# The permutation of the end leaves a barrier of
# {measured}`rebasin/onset/start.weight:matched_barrier:.4f` nats at the start, and there is next to
# nothing it could have removed: random permutations leave
# {measured}`rebasin/onset/start.weight:random_barrier:.4f`. Half-way the loss even lies *below* the
# mean of the ends. Averaging the weights of two untrained networks makes their answers weaker, hence
# more even, and for a network that knows nothing even answers are the better ones. In the sense of
# barriers *every* permutation connects such networks, and whether the one of the end does cannot be
# told from chance.
#
# The excess half-way is the finer measure. Under the permutation of the end it is
# {measured}`rebasin/onset/start.weight:matched_middle:+.4f` nats, under random ones
# {measured}`rebasin/onset/start.weight:random_middle:+.4f`, and under the permutation that weight
# matching finds at the start itself {measured}`rebasin/onset/start.weight:own_middle:+.4f`
# ({numref}`fig-onset-start`); at the largest recorded profile
# {measured}`rebasin/onset/start.weight:matched_middle:+.4f@largest`,
# {measured}`rebasin/onset/start.weight:random_middle:+.4f@largest` and
# {measured}`rebasin/onset/start.weight:own_middle:+.4f@largest`. To see whether the end knows something about the
# beginning, this is where to look.
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
