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
# (barrier)=
# # Barriers: what lies between two networks
#
# *Aim.* Say precisely when two networks lie in one basin, see what the two definitions in use do
# with the same curve, and look at the conjecture that gave the book its name on real data, small
# enough to rerun while reading.
#
# *Needs.* At smoke less than a minute on one CPU core; the 5,000 digits come with a package,
# nothing is downloaded. The laptop profile takes all of MNIST from a local folder and some minutes
# more.

# %%
import torch

from onebasin import book, registry
from onebasin.connectivity import auc, barrier, excess, loss_along_line, mean_barrier
from onebasin.data import images
from onebasin.networks import Mlp, TrainOptions, initialise, train
from onebasin.plotting import barrier as draw
from onebasin.seeds import numpy_stream, stream
from onebasin.symmetry import apply

# %% tags=["parameters"]
profile = "smoke"
slices = 200  # random loss curves of each kind
data = "mnist5k"  # or "mnist", all 60,000 digits, from the folder named by ONEBASIN_DATA
widths = [8, 32, 96]  # hidden units per layer
hidden = 2  # hidden layers
pairs = 4  # independent pairs of networks at every width
epochs = 8
batch = 100
lr = 1e-3  # Adam

# %% tags=["remove-output"]
run = book.start(
    "foundations/barrier",
    profile=profile,
    slices=slices,
    data=data,
    widths=widths,
    hidden=hidden,
    pairs=pairs,
    epochs=epochs,
    batch=batch,
    lr=lr,
)

# %% [markdown]
# ## Two definitions
#
# Take two trained networks and walk from one to the other in a straight line,
# $\theta_\lambda=(1-\lambda)\,\theta_{\ref}+\lambda\,\theta_{\other}$. The loss
# $\mathcal L(\theta_\lambda)$ at 25 stops is a curve, and a barrier is a number that says how far
# this curve rises. It is measured from a base line, and here the papers part.
# {cite:t}`ballerini2023` and {cite:t}`navon2024` take the straight line between the two end losses,
#
# ```{math}
# :label: eq-excess
# \begin{aligned}
# \psi(\lambda)&=\mathcal L(\theta_\lambda)
# -\bigl[(1-\lambda)\,\mathcal L(\theta_{\ref})+\lambda\,\mathcal L(\theta_{\other})\bigr],\\
# B&=\max_{\lambda\in[0,1]}\psi(\lambda),
# \end{aligned}
# ```
#
# while {cite:t}`ainsworth2023`, after {cite:t}`frankle2020`, take the mean of the end losses, for
# ends with $\mathcal L(\theta_{\ref})\approx\mathcal L(\theta_{\other})$:
#
# ```{math}
# :label: eq-barrier-mean
# B_{\text{mean}}=\max_{\lambda\in[0,1]}\mathcal L(\theta_\lambda)
# -\tfrac12\bigl[\mathcal L(\theta_{\ref})+\mathcal L(\theta_{\other})\bigr].
# ```
#
# ```{prf:proposition} How far apart the two can be
# :label: prop-two-barriers
#
# $|B_{\text{mean}}-B|\le\tfrac12\,|\mathcal L(\theta_{\ref})-\mathcal L(\theta_{\other})|$; between
# equal ends the two agree.
# ```
#
# ```{prf:proof}
# The line and the mean differ at $\lambda$ by
# $(\lambda-\tfrac12)(\mathcal L(\theta_{\other})-\mathcal L(\theta_{\ref}))$, at most half the
# difference of the ends, and shifting a function by at most $c$ shifts its maximum by at most $c$.
# ```
#
# In the library, a barrier is two lines:
#
# ```{source} onebasin.connectivity.barrier.excess
# ```
#
# ```{source} onebasin.connectivity.barrier.barrier
# ```
#
# To test statements about curvature we need curves whose curvature is known. A *bowl* is a random
# positive mixture of three strictly convex functions, each with its own closed-form area under
# $\psi$; adding a random line keeps the curvature and makes the ends unequal.


# %%
lambdas = torch.linspace(0, 1, 25, dtype=torch.float64)
rng = numpy_stream("slices")
mixture = torch.tensor(rng.uniform(0.2, 1.0, (slices, 3)))
centre = torch.tensor(rng.uniform(0, 1, (slices, 1)))
rate = torch.tensor(rng.uniform(0.5, 3, (slices, 1)))
spike = (1 / (lambdas + 0.2)).expand(slices, -1)
shapes = torch.stack([(lambdas - centre) ** 2, torch.exp(rate * lambdas), spike])
bowl = (mixture.T.unsqueeze(-1) * shapes).sum(0)
ends = torch.tensor(rng.uniform(0.5, 4.0, (slices, 2, 1)))
line = (1 - lambdas) * ends[:, 0] + lambdas * ends[:, 1]
convex, concave = line + bowl, line - bowl

# %% [markdown]
# ## The sign of the barrier
#
# **Claim** ({cite:t}`ballerini2023`, Remark after Definition 2.1). *$B>0$ if the loss is concave
# between the two networks, $B=0$ if it is linear, $B<0$ if it is convex.*
#
# The first two are right. The third cannot be, as defined: the maximum in {eq}`eq-excess` includes
# $\lambda=0$ and $\lambda=1$, where $\psi=0$, so $B$ is never negative, and a convex loss gives
# exactly 0. What the remark must mean is the sign of $\psi$ at the *inner* stops, and that is
# indeed negative. We also check two laws that the text does not state: $B$ does not change when the
# networks are exchanged, and it vanishes for equal ones.

# %%
inner = excess(convex)[:, 1:-1].amax(-1)
curved = torch.cat([convex, concave])
asymmetry = (barrier(curved) - barrier(curved.flip(-1))).abs().max()
assert barrier(concave).min() > 0 and barrier(line).max() <= 1e-12
assert barrier(convex).max() == 0 and inner.max() < 0
assert asymmetry <= 1e-12 and barrier(torch.full((25,), 0.7)) <= 1e-12

signs = {"concave": barrier(concave).min(), "linear": barrier(line).max(), "inner": inner.max()}
largest = book.measured(barrier(convex).max(), "nats", n=slices)
_ = run.claim("barrier-sign", convex=largest, **signs, asymmetry=asymmetry, slices=3 * slices)

# %% [markdown]
# So the printed third case comes out as exactly zero and the row as *same direction*: two signs as
# stated, the third where it was meant. Nothing later depends on it, since a barrier of zero is all
# that a convex path needs.
#
# ## Never negative, and what zero means
#
# **Claim** ({cite:t}`ainsworth2023`, Definition 2.2 and §5.2). *Barriers are never negative; zero
# means a flat or convex slice; and a barrier may be positive although the path dips below both
# ends.*
#
# All of it holds between equal ends. Between unequal ones a convex slice has its maximum at the
# worse end, so that
#
# ```{math}
# :label: eq-convex-mean
# B_{\text{mean}}=\tfrac12\,|\mathcal L(\theta_{\ref})-\mathcal L(\theta_{\other})|
# \quad\text{(convex slice)},
# ```
#
# a positive "barrier" without any hill. The definition asks for $\approx$ between the ends for this
# reason; when ends differ by more than the effect in question, {eq}`eq-excess` is the safer number,
# and this book reports both. For the last part of the claim we take a *wave* that rises above its
# ends and dips below them.

# %%
level = 1 + excess(torch.cat([bowl, torch.zeros(1, 25)]))  # equal ends: bowls, and one flat slice
height = torch.tensor(rng.uniform(0.1, 1.0, (slices, 1)))
wave = ends[:, 0] + height * torch.sin(2 * torch.pi * lambdas)
half_difference = (convex[:, 0] - convex[:, -1]).abs() / 2
everything = torch.cat([convex, concave, line, level, wave])
gap = (mean_barrier(everything) - barrier(everything)).abs()
assert (gap <= (everything[:, 0] - everything[:, -1]).abs() / 2 + 1e-12).all()
assert (wave.amin(-1) < torch.minimum(wave[:, 0], wave[:, -1])).all()
assert mean_barrier(everything).min() >= 0 and mean_barrier(wave).min() > 0

# %% [markdown]
# All claims hold, and so does {prf:ref}`prop-two-barriers`, on every slice. Before we record that,
# four examples with unequal ends for the picture: one of each kind.

# %%
unequal = (mean_barrier(convex) - half_difference).abs().max()
zeros = {"convex": mean_barrier(level).max(), "unequal": unequal, "dip": mean_barrier(wave).min()}
lowest = book.measured(mean_barrier(everything).min(), "nats", n=len(everything))
_ = run.claim("barrier-nonneg", lowest=lowest, **zeros, slices=len(everything))

hill = lambdas * (1 - lambdas)
bends = torch.stack([4.2 * hill, 0 * hill, -2.8 * hill, torch.sin(2 * torch.pi * lambdas)])
examples = 1.0 + 1.2 * lambdas + bends
heights = {"barrier": barrier(examples), "mean_barrier": mean_barrier(examples)}
metrics = {name: book.metric(values, "nats") for name, values in heights.items()}
arrays = {"lambdas": lambdas, "loss": examples}
_ = run.record("slices", metrics=metrics, seeds=range(4), arrays=arrays)

# %% mystnb={"figure": {"name": "fig-slices", "caption": "What the two definitions measure. Each panel is a loss along a line between unequal ends (dots). The arrows are the barriers: dashed against the line between the ends, dotted against their mean. On the linear and the convex slice only the second one sees a barrier, half the difference of the ends."}, "image": {"alt": "Four panels of loss against position: a concave curve with two arrows from its base lines up to the curve, a linear one and a convex one where only the arrow from the mean of the ends to the higher end exists, and a wave that rises first and then dips below both ends."}}
run.show(draw.draw_slices, "slices")

# %% [markdown]
# ## The area under the curve
#
# **Claim** ({cite:t}`navon2024`, §6). *A second number is the integral of the same difference,*
#
# ```{math}
# :label: eq-area
# \mathrm{AUC}=\int_0^1\psi(\lambda)\,\mathrm d\lambda ,
# ```
#
# *and both are cut at zero from below.* A maximum is decided by one stop; the area also tells a
# narrow spike from a broad hill. Cutting is idle for the barrier, which is never negative, but not
# for the area, which is negative on every convex slice. For our bowls the integral is known: each
# of the three functions has one, and lines contribute nothing.

# %%
square = torch.full((slices,), -1 / 6, dtype=torch.float64)
growth = ((rate.exp() - 1) / rate - (1 + rate.exp()) / 2)[:, 0]
decay = (6 * torch.ones_like(growth)).log() - (1 / 0.2 + 1 / 1.2) / 2
area = torch.stack([square, growth, decay], dim=1)
exact = (mixture * area).sum(1)
error = ((auc(convex) - exact).abs() / exact.abs()).max()
cut_barrier = (barrier(convex).clamp(min=0) - barrier(convex)).abs().max()
cut_area = (auc(convex, clip=True) - auc(convex)).min()
assert error <= 0.01 and torch.allclose(auc(concave), -exact, rtol=0.01)
error, cuts = book.measured(error, n=2 * slices), {"cut_barrier": cut_barrier, "cut_area": cut_area}
_ = run.claim("barrier-auc", error=error, **cuts, slices=2 * slices)

# %% [markdown]
# The trapezoidal rule on 25 stops was off by at most
# {measured}`foundations/barrier/barrier-auc.claim:error:.4f` of the area: fine enough for every
# curve in this book.
#
# ## One basin?
#
# Now the slices become real. A pair is *linearly mode connected* if its barrier is about zero, and
# then we say that the two networks lie in one basin.
#
# ```{prf:conjecture} One basin
# :label: conj-one-basin
#
# ({cite:t}`ballerini2023`, Conj. 2.1; {cite:t}`ainsworth2023`, Conj. 1.) For two networks found by
# SGD there is a permutation $\pi$ of the hidden units such that $\theta_{\ref}$ and
# $\pi(\theta_{\other})$ are linearly mode connected. The thesis says any two
# {cite:p}`entezari2022`; Git Re-Basin says most.
# ```
#
# It speaks of existence, so a search that fails refutes nothing; and of all solutions of all tasks,
# so a few successes prove nothing. What an experiment can do is to see how far a search gets. Ours
# trains pairs of small perceptrons on real digits, from different starts and with different orders
# of the data.

# %%
digits = images.mnist5k() if data == "mnist5k" else images.mnist("train")
run.data(digits.name, digits.sha256, note=digits.note)
order = torch.randperm(len(digits.y), generator=stream("split"))
x, y = digits.x[order].flatten(1) / 255, digits.y[order]
cut = len(y) * 4 // 5
x_train, y_train, x_test, y_test = x[:cut], y[:cut], x[cut:], y[cut:]
ce = torch.nn.functional.cross_entropy

# %% [markdown]
# All networks of a width train at once, as one stack. The sampler hands each its own mini-batches,
# in its own order; the data themselves are shared.


# %%
def batches(ids):
    """Mini-batches for every network of a stack: a fresh shuffle per network and epoch."""
    per_epoch = cut // batch

    def rows(network, epoch):
        shuffled = torch.randperm(cut, generator=stream("order", *network, epoch))
        return shuffled[: per_epoch * batch].view(per_epoch, batch)

    table = torch.stack([torch.cat([rows(k, e) for e in range(epochs)]) for k in ids])
    return lambda step, some: (x_train[table[some, step]], y_train[table[some, step]])


# %%
def train_pairs(width):
    """``pairs`` reference networks and as many others, all independent."""
    network = Mlp((784, *[width] * hidden, 10))
    ids = [(width, k) for k in range(2 * pairs)]
    options = TrainOptions(steps=epochs * (cut // batch), lr=lr)
    states = train(network, initialise(network, ids), batches(ids), ce, options).states
    ref, other = (
        {n: t[half] for n, t in states.items()} for half in (slice(pairs), slice(pairs, None))
    )
    return network, ref, other


# %% [markdown]
# Then three lines per pair: as trained, after *weight matching*, which looks at the weights alone,
# and after *activation matching*, which compares what the units answer to the training digits. Both
# are explained in the [next chapter](assignment.py); here they are tools. The loss is that of
# digits no network has seen.

# %%
losses = {name: [] for name in ("none", "weight", "activation")}
for width in widths:
    network, ref, other = train_pairs(width)
    for name in losses:
        extra = {"network": network, "data": x_train} if name == "activation" else {}
        found = registry.get(name).match(network.spec, ref, other, **extra)
        aligned = apply(found.element, other)
        assert torch.allclose(network.run(aligned, x_test), network.run(other, x_test), atol=1e-3)
        losses[name].append(loss_along_line(network, ref, aligned, ce, (x_test, y_test)).loss)
losses = {name: torch.stack(curves) for name, curves in losses.items()}
heights = {name: barrier(curves) for name, curves in losses.items()}

# %% [markdown]
# Whatever the matchers do, they must not touch the function of the moved network: the assertion
# above holds them to it. Everything that changes between the curves below is the way, not the ends.

# %% tags=["remove-output"]
for name, curves in losses.items():
    both = {"barrier": heights[name], "mean_barrier": mean_barrier(curves)}
    metrics = {
        f"{kind}_{width}": book.metric(values[k], "nats")
        for kind, values in both.items()
        for k, width in enumerate(widths)
    }
    arrays = {
        "lambdas": lambdas,
        "widths": widths,
        "loss": curves.float(),
        "barrier": heights[name],
    }
    _ = run.record("mnist", method=name, metrics=metrics, seeds=range(pairs), arrays=arrays)

# %% mystnb={"figure": {"name": "fig-mnist-lines", "caption": "Test loss along the line between independently trained MNIST perceptrons, before and after matching. Thin curves are single pairs, thick ones their mean. All panels share one scale."}, "image": {"alt": "Panels of test loss against position, one per width: the curve without alignment rises high in all of them, weight and activation matching lower it, little for the narrowest networks and almost completely for the widest."}}
run.show(draw.draw_lines, "mnist", height=3.2)

# %% [markdown]
# Read the panels from left to right. Without alignment the middle of the way is a bad network at
# every width: averaging two sets of weights whose units do different jobs gives units that do
# neither. The narrow networks keep much of their barrier after matching, since eight units that
# learnt different things have no good partners, however they are paired. The wide ones lose nearly
# all of it, and the two matchers, which look at entirely different evidence, end in almost the same
# place.

# %% mystnb={"figure": {"name": "fig-mnist-widths", "caption": "Barrier in test loss against width, by method; both axes logarithmic. Small marks are single pairs, lines join the means."}, "image": {"alt": "Barrier against width on logarithmic axes: without alignment it falls only a little with width, after weight matching and activation matching it falls steeply, and the two lie close together."}}
run.show(draw.draw_widths, "mnist")

# %% [markdown]
# The rule for this row was fixed beforehand: *connected* means a barrier of at most 0.02 nats and a
# twentieth of the naive one; *same direction* asks that matching lowers the barrier beyond the
# intervals, and leaves a smaller share of it in wide networks than in narrow ones.

# %%
best = min(("weight", "activation"), key=lambda name: heights[name][-1].mean())
left = heights[best] / heights["none"]
assert heights[best][-1].mean() < heights["none"][-1].mean() and left[-1].mean() < left[0].mean()

measured = {"barrier": heights[best][-1], "naive": heights["none"][-1]}
measured |= {"narrow": left[0], "wide": left[-1]}
units = dict.fromkeys(measured, "1") | {"barrier": "nats", "naive": "nats"}
intervals = {
    name: book.measured(book.metric(values).interval(), units[name])
    for name, values in measured.items()
}
_ = run.claim("perm-conjecture", **intervals)

# %% [markdown]
# At the smallest width the better matcher leaves
# {measured}`foundations/barrier/perm-conjecture.claim:narrow:.2f` of the naive barrier, at the
# largest {measured}`foundations/barrier/perm-conjecture.claim:wide:.3f`. That is
# {measured}`foundations/barrier/perm-conjecture.claim:barrier:.3f` nats where the straight line
# without matching rises by {measured}`foundations/barrier/perm-conjecture.claim:naive:.2f`. At the
# smoke profile's size matching does *not* reach zero. It goes most of the way, more so the wider
# the network, as {cite:t}`ainsworth2023` report for networks five times as wide.
#
# ## Paper and measurement
#
# ```{verdicts} foundations/barrier
# ```
#
# **Caveats.** The row on the conjecture is capped at *same direction* in every profile, since no
# number of pairs could make it more. What would change what we see: width, first of all; the length
# of training (Git Re-Basin finds no connection early on); the optimiser and its step size; a better
# search. Four pairs make intervals too narrow, so the points are drawn as well. The barrier is
# taken over 25 stops, and a spike between two stops would be missed. The three rows about
# definitions are mathematics and do not depend on the profile.
#
# **Cost.**
#
# ```{cost} foundations/barrier
# ```
#
# ## Exercises
#
# 1. *(recall)* Which of $B$ and $B_{\text{mean}}$ can be positive on a convex slice, and how large
#    is it?
# 2. *(change an assumption)* Measure error rate instead of loss. Is "never negative" still true? Is
#    {prf:ref}`prop-two-barriers`?
# 3. *(measure)* Train two networks from the *same* start with different orders of the data. How
#    does the naive barrier depend on the width?
# 4. *(measure)* Draw a random permutation instead of a matched one. How does its barrier compare
#    with the naive one, and why?
#
# ````{dropdown} Solutions
# 1. $B_{\text{mean}}$, by {eq}`eq-convex-mean`: half the difference of the end losses.
# 2. Yes and yes. Neither argument uses anything about the loss except that it is a number at every
#    stop.
# 3. Use one network number for both halves of `ids` in `initialise`, and keep different ones in
#    `batches`. With so little training a pair stays close, and the barrier nearly vanishes, but for
#    some of the narrowest networks: sharing the start does what alignment tries to do afterwards.
#    [Part II](../inrs/line.py) meets the same effect.
# 4. About the same, within the spread of the pairs. The labels of independently trained networks
#    are already as good as random, so shuffling them again loses nothing.
# ````
#
# References: {cite:p}`ballerini2023,ainsworth2023,navon2024,entezari2022,frankle2020,lecun1998`.
# Next: [how the permutations are found](assignment.py).

# %% tags=["nbval-check-output"]
run.finish()
