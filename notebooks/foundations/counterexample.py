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
# (counterexample)=
# # A counterexample: the same function, and no way across
#
# *Aim.* Look at two networks that agree at every point of their data and that no permutation connects, and find out
# what would.
#
# *Needs.* Seconds on one CPU core and little memory; nothing is trained and nothing is downloaded.
#
# The rest of this book looks for permutations that bring two trained networks into one basin. Before they start to
# look, the authors of Git Re-Basin {cite:p}`ainsworth2023` step back and ask whether such a permutation has to exist.
# It does not, and the example that shows it is tiny: two hidden layers of two units, so $2!\cdot 2! = 4$
# permutations, which can all be tried. Their conclusion is worth having in mind on every later page. If *some*
# networks cannot be connected, then success with trained ones says something about **training**, not about the
# architecture.

# %%
from fractions import Fraction

import torch

from onebasin import Scaling, apply, book, seeds
from onebasin.matching.exhaustive import group_elements
from onebasin.networks import counterexample as example
from onebasin.networks import pieces
from onebasin.plotting import counterexample as draw

# %% tags=["parameters"]
profile = "smoke"
steps = 24  # the path is cut into this many steps
points = 500  # drawn for the picture of the task
trials = 200  # random scalings tried for each permutation

# %% tags=["remove-output"]
run = book.start(
    "foundations/counterexample",
    profile=profile,
    steps=steps,
    points=points,
    trials=trials,
)

# %% [markdown]
# ## Two networks for one task
#
# **Claim** ({cite:t}`ainsworth2023`, §4 and A.3). *Two ReLU networks 2-2-2-1 with given weights both classify
# perfectly, and none of the four permutations gives linear mode connectivity.*
#
# Inputs are uniform on the square $[-1, 1]^2$. The label is 1 where $x_1 < 0$ and $x_2 > 0$, and a network says
# "positive" where $f(x) \ge 0$. The two sets of weights are
#
# ```{math}
# :label: eq-counterexample
# \begin{aligned}
# f_{\ref}(x) &= \begin{bmatrix}-1 & -1\end{bmatrix}\,\sigma\!\left(\begin{bmatrix}-1&0\\0&1\end{bmatrix}
# \sigma\!\left(\begin{bmatrix}-1&0\\0&-1\end{bmatrix}x+\begin{bmatrix}1\\0\end{bmatrix}\right)+\begin{bmatrix}1\\0\end{bmatrix}\right),\\
# f_{\other}(x) &= \begin{bmatrix}-1 & -1\end{bmatrix}\,\sigma\!\left(\begin{bmatrix}1&0\\0&-1\end{bmatrix}
# \sigma\!\left(\begin{bmatrix}1&0\\0&1\end{bmatrix}x+\begin{bmatrix}0\\1\end{bmatrix}\right)+\begin{bmatrix}0\\1\end{bmatrix}\right).
# \end{aligned}
# ```
#
# Each layer asks one question. In the first network, layer 1 looks whether $x_2$ is negative and layer 2 whether
# $x_1$ is positive; the second network asks in the other order. The library holds them as two ordinary states.

# %% tags=["remove-output"]
ref, other = example.pair()
inputs, labels = example.sample(points, seeds.stream("counterexample", 0))
positive = book.metric(labels.double().mean(), "fraction")
_ = run.record(
    "task",
    metrics={"positive": positive},
    seeds=[0],
    arrays={"inputs": inputs.float(), "labels": labels},
)

# %% mystnb={"figure": {"name": "fig-counterexample-task", "caption": "The task, drawn as in Git Re-Basin, Fig. 7: points of the square and their labels."}, "image": {"alt": "Scatter plot over the square from -1 to 1 in both inputs: filled blue circles fill the upper left quadrant and nothing else, open grey squares fill the other three quadrants."}}
run.show(draw.draw_task, "task")

# %% [markdown]
# ## They are the same function there
#
# The paper says that both networks classify perfectly. More is true, and it makes the example stronger: on the square
# the two are *equal*.
#
# ````{prf:lemma}
# :label: lem-counterexample-equal
#
# On $[-1,1]^2$ both networks compute $f(x) = -\max(x_1, 0) - \max(-x_2, 0)$.
# ````
#
# ```{prf:proof}
# In `ref` the first layer gives $\max(1 - x_1, 0) = 1 - x_1$, because $x_1 \le 1$, and $\max(-x_2, 0)$. The second
# layer turns the one into $\max(-(1 - x_1) + 1, 0) = \max(x_1, 0)$ and leaves the other as it is. In `other` the
# first layer gives $\max(x_1, 0)$ and $\max(x_2 + 1, 0) = x_2 + 1$, because $x_2 \ge -1$; the second leaves the one
# and turns the other into $\max(-(x_2 + 1) + 1, 0) = \max(-x_2, 0)$. The last layer adds the two and changes the
# sign.
# ```
#
# So $f$ is never positive, and it is 0 exactly where $x_1 \le 0$ and $x_2 \ge 0$: on the quadrant, edges included.
# (The labels leave the edges out, which have no area.)
#
# A check by sampling would leave a doubt, and this claim deserves none. A ReLU network of two inputs is affine on
# each of finitely many polygons. If its weights are fractions, the corners of these polygons are fractions as well,
# and Python computes with fractions without any rounding. The routine below starts with the square as one piece and
# cuts every piece along the zero line of one unit after the other.
#
# ```{source} onebasin.networks.pieces.pieces
# ```
#
# The largest difference of two piecewise affine functions is found at a corner of a common piece, so it is exact too.

# %%
start, end = pieces.layers(ref), pieces.layers(other)
wrong = max(example.wrong(start), example.wrong(end))
difference = pieces.largest(pieces.difference(start, end))
assert wrong == 0 and difference == 0

# %% [markdown]
# Zero means the integer here. To see that the check can fail, we move one bias by a thousandth.

# %%
spoiled = pieces.layers({**ref, "layers.0.bias": torch.tensor([1.0, 0.001])})
assert example.wrong(spoiled) > 0
assert pieces.largest(pieces.difference(spoiled, end)) > 0

# %% [markdown]
# ## Four paths, four barriers
#
# Now we walk from `ref` to each of the four permuted versions of `other`, still in exact arithmetic, and measure two
# things on the way: the share of the square that is classified wrongly, and the mean squared distance from the
# function that both ends share. The distance needs no threshold.

# %%
lambdas = [Fraction(k, steps) for k in range(steps + 1)]
paths = []
for permutation in example.permutations():
    goal = pieces.layers(apply(permutation, other))
    paths.append([pieces.between(start, goal, lam) for lam in lambdas])
error = [[example.wrong(network) for network in path] for path in paths]
distance = [
    [example.distance(start, network) for network in path] for path in paths
]

# %% [markdown]
# Both ends make no error and compute one function. So the two definitions of the barrier, {eq}`eq-barrier` and
# {eq}`eq-mean-barrier`, agree, and both are simply the highest point of the curve.

# %% tags=["remove-output"]
barriers = [max(curve) for curve in error]
assert all(curve[0] == curve[-1] == 0 for curve in error + distance)
assert barriers == [Fraction(1, 4)] * 4
heights = {
    "barrier": book.metric(
        [float(height) for height in barriers], "fraction of the square"
    ),
    "distance": book.metric(
        [float(max(curve)) for curve in distance], "squared output"
    ),
}
arrays = draw.path_arrays(lambdas, error, distance, paths)
_ = run.record("paths", metrics=heights, seeds=range(4), arrays=arrays)

# %% mystnb={"figure": {"name": "fig-counterexample-paths", "caption": "On the straight line from one network to each of the four permuted versions of the other (Git Re-Basin, Fig. 6, left). Left: share of the square that is classified wrongly. Right: mean squared distance from the function that both ends compute. Every point is an exact fraction, nothing is sampled."}, "image": {"alt": "Two panels over lambda from 0 to 1. Left, share classified wrongly: two coinciding curves jump at once to one quarter and stay there; two others rise to a peak of one quarter in the middle. Right, squared distance: all four rise from zero to a single peak in the middle, much higher for the first two."}}
run.show(draw.draw_paths, "paths")

# %% [markdown]
# All four barriers are a quarter of the square, no more and no less. A network that always answers "negative" is
# wrong on just as much, so half-way along every path nothing useful is left.
#
# Two of the curves do not rise, they jump: after one step nothing at all is called positive. That is a peculiarity of
# the example. Its networks put the whole quadrant exactly *on* the threshold, $f = 0$, where the slightest push
# downwards empties it. The distance on the right has no threshold and shows the same four hills.

# %% mystnb={"figure": {"name": "fig-counterexample-regions", "caption": "The functions along the four paths (Git Re-Basin, Fig. 6, right). Rows: the four permutations. Columns: position on the path. White is what the network calls positive, the other colours show its output; the dashed lines mark the quadrant that is positive."}, "image": {"alt": "Grid of small maps of the square, four rows for the permutations and seven columns from lambda 0 to 1. In the outer columns the upper left quadrant is white. In the first two rows the white area vanishes in between; in the last two it opens to a half plane above the diagonal in the middle column."}}
run.show(draw.draw_regions, "paths", share=False, height=4.2)

# %% [markdown]
# ## Why the middle fails
#
# The middle column suggests a statement that can be proved by hand, and that no longer depends on the threshold.
#
# ````{prf:lemma}
# :label: lem-counterexample-middle
#
# At $\lambda = \tfrac12$, on each of the four paths and for every threshold $t$, calling positive where $f(x) \ge t$
# is wrong on at least a quarter of the square.
# ````
#
# ```{prf:proof}
# *No layer swapped.* The weight matrices of layers 1 and 2 cancel; the biases that are left give $f = -1$ everywhere.
# *Second layer swapped.* The first layer's matrices still cancel and both its units are $\tfrac12$ wherever one
# looks, so $f$ is constant again. *First layer swapped.* With $u = \tfrac12(x_2 - x_1)$ the first layer gives $1 + u$
# and $\max(-u, 0)$; both units of the second see $\tfrac12(\max(-u, 0) - u)$, and $f = -2\max(-u, 0)$. *Both
# swapped.* The first layer is the same. One unit of the second sees $-u$, the other $\max(-u, 0)$, and again
# $f = -2\max(-u, 0)$.
#
# A constant calls everything positive or nothing and is wrong on $\tfrac34$ or $\tfrac14$. The other function is 0
# where $x_2 \ge x_1$ and negative elsewhere. A threshold above 0 calls nothing positive. Any other calls at least
# that half plane positive, and so at least a quarter of the square too much.
# ```
#
# We let exact arithmetic look for a better threshold, in case the proof is wrong.

# %%
thresholds = [Fraction(k, 16) for k in range(-32, 9)]
goals = [
    pieces.layers(apply(permutation, other))
    for permutation in example.permutations()
]
middle = [pieces.between(start, goal, Fraction(1, 2)) for goal in goals]
best = [min(example.wrong(network, t) for t in thresholds) for network in middle]
assert best == [Fraction(1, 4)] * 4

# %% [markdown]
# ## One idle unit
#
# *(This section is ours.)* What would have to change for a path to open? Later chapters find that wide networks
# connect more easily than narrow ones. Here one can watch it happen. We add one *idle* unit to a hidden layer of both
# networks, all its weights and its bias zero. The functions stay what they are; only the number of permutations
# grows, from 4 to $3!\cdot 2! = 12$.


# %%
def all_barriers(first, second):
    """Barriers of all permutations, with idle units in either hidden layer."""
    wide, target = (
        example.widen(ref, first, second),
        example.widen(other, first, second),
    )
    elements, found = group_elements(example.SPEC, example.SPEC.sizes(wide)), []
    for k in range(elements.models):
        goal = pieces.layers(apply(elements.select(k), target))
        path = [pieces.between(pieces.layers(wide), goal, lam) for lam in lambdas]
        found.append(max(example.wrong(network) for network in path))
    return found


# %% tags=["remove-output"]
widths = {"idle_0_0": (0, 0), "idle_0_1": (0, 1), "idle_1_0": (1, 0)}
idle = {name: all_barriers(*extra) for name, extra in widths.items()}
unit = "fraction of the square"
metrics = {
    name: book.metric([float(b) for b in found], unit)
    for name, found in idle.items()
}
_ = run.record("idle", metrics=metrics, seeds=range(12))
assert min(idle["idle_0_1"]) == Fraction(1, 4) and idle["idle_1_0"].count(0) == 1

# %% mystnb={"figure": {"name": "fig-counterexample-idle", "caption": "Barriers of all permutations, without an idle unit and with one in either hidden layer; the number at a point counts the permutations there. One idle unit in the first hidden layer is enough: one of twelve permutations has no barrier at all."}, "image": {"alt": "Three rows of points on an axis of barriers from 0 to one quarter. For widths 2-2-2-1 and 2-2-3-1 all points lie at one quarter; for 2-3-2-1 one point lies at zero, one at an eighth, and the rest at one quarter."}}
run.show(draw.draw_idle, "idle", height=2.6)

# %% [markdown]
# Without room all permutations are equally bad. Room in the second hidden layer changes nothing. Room in the first
# opens exactly one path, and on that path not a single point of the square is ever classified wrongly.
#
# ````{prf:lemma}
# :label: lem-counterexample-idle
#
# With one idle unit in the first hidden layer there is a permutation for which every network on the path,
# $0 \le \lambda \le 1$, is right on the whole square.
# ````
#
# ```{prf:proof}
# Let the two units that carry a bias meet, and keep the other two apart with the help of the idle ones. The first
# layer at $\lambda$ then holds $1 - (1-\lambda)x_1 + \lambda x_2$, which is never negative,
# $(1-\lambda)\max(-x_2, 0)$ and $\lambda\max(x_1, 0)$. In the second layer the unit of `ref` that looks for $x_1 > 0$
# meets the one of `other` that looks for $x_2 < 0$. Together they see $(1-\lambda)x_1 - \lambda x_2$; the other unit
# holds $(1-\lambda)^2\max(-x_2, 0) + \lambda^2\max(x_1, 0)$. For $0<\lambda<1$ the second is zero exactly on the
# quadrant, and there the first is zero as well, so $f = 0$ on the quadrant and $f < 0$ outside.
# ```
#
# The functions along this path are not equal to those at its ends, only equally good at the task. That is what a
# basin of a *loss* asks for, and no more.
#
# ## Do scales help?
#
# Git Re-Basin closes its interlude with other symmetries, among them rescaling, and says that their importance
# "remains unclear". Here it can be looked at. Every ReLU unit may be multiplied by a positive number if its outgoing
# weights are divided by it (see the [chapter on scalings](scaling.py)). Powers of two keep the arithmetic exact.

# %%
both = example.permutations()[3]
scales = {
    "hidden.0": torch.tensor([2.0, 2.0]),
    "hidden.1": torch.tensor([8.0, 2.0]),
}
goal = pieces.layers(apply(Scaling(example.SPEC, scales), apply(both, other)))
fine = [Fraction(k, 4 * steps) for k in range(4 * steps + 1)]
scaled = max(example.wrong(pieces.between(start, goal, lam)) for lam in fine)
assert pieces.largest(pieces.difference(start, goal)) == 0 and scaled < Fraction(
    1, 8
)

# %% [markdown]
# The rescaled network is the same function still, exactly, and its barrier has fallen from 0.25 to
# {measured}`foundations/counterexample/scales.none:doubled:.3f`. Could better scales remove it? We draw many at
# random, this time in floating point and on a grid of points, and keep the smallest barrier for each permutation.

# %% tags=["remove-output"]
found = []
for k, permutation in enumerate(example.permutations()):
    stream = seeds.stream("counterexample-scales", k)
    found.append(float(example.search_scales(permutation, trials, stream).min()))
metrics = {
    "smallest": book.metric(found, unit),
    "best": book.metric(min(found), unit),
    "doubled": book.metric(float(scaled), unit),
}
_ = run.record("scales", metrics=metrics, seeds=range(4))
assert min(found) > 0.05 and min(found[:2]) == 0.25

# %% [markdown]
# The smallest barrier of all was {measured}`foundations/counterexample/scales.none:best:.3f`. Where the first layer
# is not swapped no scaling can help: its first unit looks at $-x_1$ in one network and at $+x_1$ in the other, so
# somewhere on the way it does not look at $x_1$ at all, and a classifier that only knows $x_2$ is wrong on a quarter.
# For the other two permutations this is a search and not a proof: scales matter, but they do not undo the example
# easily.
#
# ## Paper and measurement

# %% tags=["remove-output"]
_ = run.claim(
    "counterexample",
    barrier=book.measured(min(barriers), unit, n=len(paths)),
    wrong=book.measured(wrong, unit),
    permutations=book.measured(len(paths), "permutations"),
    difference=book.measured(difference, "output"),
)

# %% [markdown]
# ```{verdicts} foundations/counterexample
# ```
#
# ## Caveats
#
# - The exact values are those at $\lambda = k/24$. A barrier is a maximum, so what happens in between could only
#   raise it. For the path *without* a barrier that would matter, and there {prf:ref}`lem-counterexample-idle` covers
#   every $\lambda$.
# - Outside the square the two functions differ: for $x_1 > 1$ the first network cannot tell how large $x_1$ is.
# - The error along the first two paths hangs on the threshold; {prf:ref}`lem-counterexample-middle` and the squared
#   distance do not.
# - Nobody trained these networks. The example shows what an architecture allows and says nothing about how often
#   training ends in such a pair. That is what the later parts measure.
#
# ## Cost
#
# ```{cost} foundations/counterexample
# ```
#
# ## Exercises
#
# 1. Give a point outside the square where $f_{\ref} \ne f_{\other}$. Which sentence of the proof of
#    {prf:ref}`lem-counterexample-equal` fails there?
#
#    ```{dropdown} Solution
#    At $x = (2, 1)$ the first layer of `ref` gives $\max(1 - 2, 0) = 0$ instead of $1 - x_1 = -1$, so $f_{\ref} = -1$
#    and $f_{\other} = -2$. "Because $x_1 \le 1$" fails. Below the square, where $x_2 < -1$, it is the other network
#    that saturates.
#    ```
#
# 2. In {prf:ref}`lem-counterexample-idle`, which permutation is it? Find it in the output of `group_elements`, and
#    say why an idle unit in the second hidden layer does not help.
#
#    ```{dropdown} Solution
#    `hidden.0` is `[1, 2, 0]` and `hidden.1` is `[1, 0]`. Without an idle unit in the first layer, its two slots each
#    hold one unit of either network, so at $\lambda=\tfrac12$ that layer is one of only two: a constant, or $1+u$ and
#    $\max(-u,0)$. Both have forgotten everything but (at most) $x_2 - x_1$, and no second layer, however wide, can
#    tell the quadrant from that.
#    ```
#
# 3. Measure something new: on the path without errors, how far is the function from that of the ends? Is the distance
#    smaller than on the four paths of the narrow networks?
#
#    ```{dropdown} Solution
#    Replace `example.wrong(network)` in `all_barriers` by `example.distance(pieces.layers(wide), network)`. The
#    highest distance on that path is $29/384 \approx 0.076$, hardly below the $1/12 \approx 0.083$ of the best narrow
#    path: the loss has a basin there, the function has none.
#    ```
#
# ## References
#
# The example is that of {cite:t}`ainsworth2023`, §4 and A.3, Figures 6 and 7. That linear connectivity is a matter of
# training was first seen by {cite:t}`frankle2020`; the conjecture that permutations are all that is missing is from
# {cite:t}`entezari2022`.

# %% tags=["nbval-check-output"]
run.finish()
