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
# (assignment)=
# # Two assignment problems, one easy and one hard
#
# *Aim.* See why matching activations is solved exactly in milliseconds, why matching weights is not, and what
# coordinate descent does about it.
#
# *Needs.* Seconds on one CPU core and little memory; nothing is trained and nothing is downloaded.
#
# Aligning two networks means to decide which unit goes with which. If all that counts is how alike two units are,
# this is the oldest problem of operations research: workers and jobs, one each. If the worth of a pair also depends
# on how *other* units were paired, it becomes one of the hardest. The two matchers of this book live on the two sides
# of that line.

# %%
import itertools

import torch

from onebasin import Mlp, Spec, book, matching, seeds
from onebasin.matching import assignment, quadratic, reductions, witness
from onebasin.merging.many import merge_many
from onebasin.networks import initialise
from onebasin.plotting import assignment as draw

# %% tags=["parameters"]
profile = "smoke"
cases = 150  # random problems for each identity
pairs = 4  # pairs of networks visited in every order
runs = 30  # descents at each depth
instances = 24  # quadratic assignment problems of each size
merges = 20  # groups of networks that are merged

# %% tags=["remove-output"]
run = book.start(
    "foundations/assignment",
    profile=profile,
    cases=cases,
    pairs=pairs,
    runs=runs,
    instances=instances,
    merges=merges,
)

# %% [markdown]
# ## The easy problem
#
# **Claim** ({cite:t}`ballerini2023`, §2.3.1, eq. 2.1; {cite:t}`ainsworth2023`, eq. 1; {cite:t}`flowweights`, eq.
# 4.2). *The permutation that brings one set of features closest to another solves a linear assignment problem.*
#
# Let $X_{\ref}$ and $X_{\other}$ hold the activations of one hidden layer in two networks, a row for each unit and a
# column for each input.
#
# ````{prf:lemma}
# :label: lem-lap
#
# For every permutation matrix $P$,
#
# ```{math}
# :label: eq-lap
# \lVert X_{\ref} - P X_{\other}\rVert_F^2 = \lVert X_{\ref}\rVert_F^2 + \lVert X_{\other}\rVert_F^2
#   - 2\,\langle P, S\rangle_F
# ```
#
# with $S = X_{\ref} X_{\other}^\top$, so the closest $P$ is the one with the largest
# $\langle P, S\rangle_F = \sum_i S_{i,\text{perm}[i]}$.
# ````
#
# ```{prf:proof}
# Expand the square. A permutation keeps lengths, hence $\lVert P X_{\other}\rVert = \lVert X_{\other}\rVert$. The
# cross term is
# $\langle X_{\ref}, P X_{\other}\rangle = \mathrm{tr}(X_{\ref}^\top P X_{\other}) = \mathrm{tr}(X_{\other} X_{\ref}^\top P) = \langle P, X_{\ref} X_{\other}^\top\rangle$.
# ```
#
# Everything about the data is now in the square matrix $S$. There are $d!$ permutations, but one does not have to
# look at them: the problem has been solved in polynomial time since {cite:t}`kuhn1955`. The library calls the solver
# of SciPy (or a faster one that gives the same objective) and keeps the slow way as a witness:
#
# ```{source} onebasin.matching.assignment.brute_force
# ```
#
# The test draws random sizes up to six units, in float32 and float64, with activations as they come: ReLU, so some
# rows are zero, and whole numbers, so that many permutations tie.

# %%
gaps, errors, leads = [], [], []
for case in range(cases):
    ref, other = witness.random_features(case).double()
    S, lengths = ref @ other.T, ref.square().sum() + other.square().sum()
    perm, values = assignment.solve(S), quadratic.linear_values(S)
    gaps.append((values.max() - assignment.value(S, perm)).abs() / (1 + lengths))
    squared = (ref - other[quadratic.every(len(S))]).square().sum((-2, -1))
    errors.append((squared - (lengths - 2 * values)).abs().max() / (1 + lengths))
    if case % 18 >= 6 and len(S) > 2:
        leads.append((values.max() - values.topk(2).values[-1]) / (1 + lengths))

# %% [markdown]
# Two controls. The runner-up has to be worse than the winner by a visible amount, or a solver that returns the second
# best would pass. And the identity uses that a permutation keeps lengths, so it has to fail for the average of two
# permutations, which does not.

# %% tags=["remove-output"]
ref, other = witness.random_features(5).double()
blend = (
    torch.eye(6, dtype=torch.float64) + torch.eye(6, dtype=torch.float64).flip(0)
) / 2
expanded = (
    ref.square().sum() + other.square().sum() - 2 * (blend * (ref @ other.T)).sum()
)
assert (expanded - (ref - blend @ other).square().sum()).abs() > 0.1
assert max(gaps) < 1e-9 and max(errors) < 1e-9 and min(leads) > 0
_ = run.claim(
    "lap-frobenius",
    gap=book.measured(max(gaps), n=cases),
    identity=book.measured(max(errors)),
    cases=book.measured(cases, "problems"),
    control=book.measured(min(leads)),
)

# %% [markdown]
# ## Activation matching is separable
#
# **Claim** ({cite:t}`ainsworth2023`, §3.1; {cite:t}`ballerini2023`, Alg. 2.1). *Activation matching solves every
# layer by itself; the order of the layers does not matter.*
#
# The objective is a sum over layers, and $P_\ell$ stands in one term only. That is nearly the whole argument. What is
# left to see is that permuting layer $\ell$ does not change the activations of the others, so it makes no difference
# whether the network is permuted at once or as one goes along. We go along: visit the layers in every order, solve
# one, permute the network, run it again.

# %%
network = Mlp((3, 9, 9, 9, 2), "tanh").double()
spec, mismatches, depends = network.spec, [], []
for pair in range(pairs):
    nets = initialise(network, (2 * pair, 2 * pair + 1))
    ref, other = ({n: t[k].double() for n, t in nets.items()} for k in (0, 1))
    data = torch.randn(64, 3, generator=seeds.stream("order", pair)).double()
    at_once = matching.activation_match(
        spec, ref, other, network=network, data=data
    ).element
    ends = []
    for order in itertools.permutations(spec.groups):
        found = witness.activation_match_in_order(network, ref, other, data, order)
        both = ((found.perms[g], at_once.perms[g]) for g in order)
        mismatches.append(not all(torch.equal(one, two) for one, two in both))
        options = matching.WeightOptions(order=order)
        ends.append(
            matching.weight_match(spec, ref, other, options=options).objective
        )
    depends.append(bool(max(ends) - min(ends) > 1e-9))

# %% [markdown]
# The control is weight matching on the same pairs in the same orders: there the order decides where one ends, in a
# share {measured}`foundations/assignment/am-separable.claim:control:.2f` of the pairs.

# %% tags=["remove-output"]
assert not any(mismatches) and any(depends)
_ = run.claim(
    "am-separable",
    mismatches=book.measured(sum(mismatches), "orders", n=len(mismatches)),
    orders=book.measured(len(mismatches), "orders"),
    control=book.measured(
        sum(depends) / len(depends), "fraction of pairs", n=pairs
    ),
)

# %% [markdown]
# ## The hard problem, one step at a time
#
# **Claim** ({cite:t}`ainsworth2023`, §3.2, eq. 2, Alg. 1; {cite:t}`ballerini2023`, §2.3.2, Alg. 2.2). *Bringing the
# weights as close as possible is maximising an inner product; with all layers but one held fixed, it is a linear
# assignment.*
#
# Write $A_\ell$ for the weight matrices of `ref` and $B_\ell$ for those of `other`. As in {prf:ref}`lem-lap`,
# permutations keep lengths, so
#
# ```{math}
# :label: eq-soblap
# \begin{aligned}
# \argmin_\pi\ \lVert\theta_{\ref} - \pi(\theta_{\other})\rVert^2
#  &= \argmax_\pi\ \langle\theta_{\ref}, \pi(\theta_{\other})\rangle \\
#  &= \argmax_{P_1,\dots,P_{L-1}}\ \sum_{\ell=1}^{L} \langle A_\ell,\, P_\ell B_\ell P_{\ell-1}^\top\rangle_F .
# \end{aligned}
# ```
#
# Git Re-Basin calls it a *sum of bilinear assignment problems*, SOBLAP: every $P_\ell$ stands in two terms and shares
# each with a neighbour. But fix the neighbours, and by the same rotation of the trace what depends on $P_\ell$ is
# $\langle P_\ell, S_\ell\rangle$ with
#
# ```{math}
# :label: eq-wm-step
# S_\ell = A_\ell P_{\ell-1} B_\ell^\top + A_{\ell+1}^\top P_{\ell+1} B_{\ell+1} .
# ```
#
# The papers leave biases out "for simplicity". They add $a_\ell b_\ell^\top$ to $S_\ell$, and the library includes
# them, as it includes every tensor on which the group of units acts:
#
# ```{source} onebasin.matching.similarity.group_similarity
# ```
#
# To test a step we take random networks with biases, permute all layers at random, choose one layer, and try *every*
# permutation of it on the whole network, by distance and by inner product. Their combination
# $\lVert\theta_{\ref}-\pi(\theta_{\other})\rVert^2 + 2\langle\theta_{\ref}, \pi(\theta_{\other})\rangle$ has to be
# the same for all.

# %%
gaps, errors, halves = [], [], []
for case in range(cases):
    spec, ref, other, element = witness.random_pair(case)
    group = spec.groups[case % len(spec.groups)]
    inner, squared = witness.group_values(spec, ref, other, group, element)
    scale, constant = squared.max() + inner.abs().max(), squared + 2 * inner
    errors.append((constant - constant[0]).abs().max() / scale)
    incoming = Spec({name: on for name, on in spec.axes.items() if on[0] == group})
    for terms, lost in ((spec, gaps), (incoming, halves)):
        perm = assignment.solve(
            matching.group_similarity(terms, ref, other, group, element)
        )
        lost.append((inner.max() - inner[quadratic.index(perm)]) / scale)

# %% [markdown]
# The solved step is the best of all, every time. Leaving out the second term of {eq}`eq-wm-step`, the outgoing
# weights, is noticed.

# %% tags=["remove-output"]
assert max(gaps) < 1e-9 and max(errors) < 1e-9 and max(halves) > 1e-3
_ = run.claim(
    "wm-coordinate",
    gap=book.measured(max(gaps), n=cases),
    identity=book.measured(max(errors)),
    cases=book.measured(cases, "layers"),
    control=book.measured(max(halves)),
)

# %% [markdown]
# ## It climbs, and it ends
#
# **Claim** ({cite:t}`ainsworth2023`, Lemma 2 and A.9). *Weight matching terminates.*
#
# ````{prf:lemma}
# :label: lem-wm-ends
#
# Visit the layers in any order and replace $P_\ell$ by a solution of {eq}`eq-wm-step` only if that raises the
# objective. Then the objective never falls, and after finitely many steps nothing changes any more.
# ````
#
# ```{prf:proof}
# With its neighbours fixed, the objective is $\langle P_\ell, S_\ell\rangle$ plus a number that $P_\ell$ does not
# change, so a step raises both or leaves both. Each change leads to a strictly larger objective, hence to a choice of
# permutations not seen before, and there are finitely many.
# ```
#
# Our wording has four words more than the algorithm as printed: *only if that raises*. The printed proof takes for
# granted that a changed $P_\ell$ means a larger objective. At a tie it does not. Nothing in Algorithm 1 forbids a
# solver that answers with *another* best assignment each time; such ties occur whenever two units are twins or dead.
# Here is a network with a pair of twins, matched with itself by a solver of that kind.

# %%
generator = seeds.stream("twins")
twins = [
    torch.randn(3, 2, generator=generator),
    torch.randn(2, 3, generator=generator),
]
twins[0][1], twins[1][:, 1] = twins[0][0], twins[1][:, 0]
restless = quadratic.descend(twins, twins, choose=quadratic.move_on_ties)
calm = quadratic.descend(twins, twins, choose=quadratic.keep_ties)
assert calm.converged and not restless.converged and all(restless.changed)

# %% [markdown]
# It exchanges the twins for ever. The cure is the rule in the lemma, up to a relative tolerance of $10^{-12}$ for
# rounding. (The authors' code keeps the old *objective* as a witness and stops when it no longer grows, which serves
# as well.)
#
# Now many networks, with up to three hidden layers, in random orders. Each step is recorded. As a control we update
# all layers *at once* from the same old permutations, which looks harmless and runs in parallel: then
# {prf:ref}`lem-wm-ends` says nothing.

# %%
descents, control, reached = [], 0, {}
for hidden, k in itertools.product((1, 2, 3), range(runs)):
    ref, other = quadratic.random_pair((4, *[5] * hidden, 3), k)
    found = quadratic.descend(ref, other, generator=seeds.stream("descend", k))
    wrongly = quadratic.descend(ref, other, at_once=True, max_sweeps=12)
    descents.append(found)
    control += wrongly.falls()
    share = quadratic.share(found.objective[-1], quadratic.landscape(ref, other))
    reached.setdefault(f"hidden_{hidden}", []).append(share)

# %% [markdown]
# The networks are small enough for something that is never possible in earnest: to look at every choice of
# permutations. With three hidden layers of five units these are $120^3 = 1\,728\,000$. So each descent can be put on
# an honest scale, from 0, the average choice, to 1, the best there is.

# %% tags=["remove-output"]
ref, other = quadratic.random_pair((4, 5, 5, 5, 3), 0)
every, climbs, metrics = quadratic.landscape(ref, other), [], {}
for k in range(12):
    one = quadratic.descend(ref, other, generator=seeds.stream("climb", k))
    climbs.append([quadratic.share(value, every) for value in one.objective])
for name, shares in reached.items():
    metrics[name] = book.metric(shares, "share of the best")
    solved = [share > 1 - 1e-9 for share in shares]
    metrics[f"solved_{name}"] = book.metric(solved, "fraction")
arrays = {"climbs": draw.padded(climbs)}
_ = run.record(
    "climb", method="weight", metrics=metrics, seeds=range(runs), arrays=arrays
)

# %% mystnb={"figure": {"name": "fig-climb", "caption": "Left: one pair of networks with three hidden layers, twelve random orders of the layers; each line is one descent, each dot its end. Right: the ends of many pairs by number of hidden layers, with the share that reached the best of all permutations. On both scales 0 is the average permutation and 1 the best one."}, "image": {"alt": "Left, twelve rising staircases over steps that flatten at several different heights below the dashed line of the best permutation. Right, columns of dots for one, two and three hidden layers: all at the line for one, and more and more below it for two and three."}}
run.show(draw.draw_climb, "climb")

# %% [markdown]
# Every line climbs and none falls. With one hidden layer there is nothing to fix and a single assignment gives the
# optimum. With two it is found in a share {measured}`foundations/assignment/climb.weight:solved_hidden_2:.2f` of the
# pairs, with three in {measured}`foundations/assignment/climb.weight:solved_hidden_3:.2f`. These are random weights,
# a hard case: networks that share a solution are kinder. But the ends are honest local optima, and which one is
# reached is decided by the order of the layers. The matcher therefore has a seed and restarts.

# %% tags=["remove-output"]
falls = sum(one.falls() for one in descents)
unfinished = sum(not one.converged for one in descents)
_ = run.claim(
    "wm-terminates",
    falls=book.measured(falls, "steps", n=len(descents)),
    unfinished=book.measured(unfinished, "runs"),
    runs=book.measured(len(descents), "runs"),
    sweeps=book.measured(max(one.sweeps for one in descents), "sweeps"),
    control=book.measured(control, "steps"),
    restless=book.measured(restless.sweeps, "sweeps"),
)
assert falls == unfinished == 0 and control > 0

# %% [markdown]
# ## Why there is no better way
#
# **Claim** ({cite:t}`ainsworth2023`, Lemma 1 and A.8). *For more than two layers, SOBLAP is NP-hard and admits no
# constant-factor approximation in polynomial time.*
#
# With two layers there is one $P$ and the problem is linear. With three, set $A_1, B_1, A_3, B_3$ to zero and rename
# what is left: the question is $\min_{P,Q}\,\langle P A Q^\top, B\rangle$. The paper reduces the *quadratic
# assignment problem* to it, $\min_P \langle P C P^\top, D\rangle$ {cite:p}`koopmans1957`, which is NP-hard
# {cite:p}`sahni1976`. Take $A = C + \lambda I$ and $B = D - \lambda I$; then
#
# ```{math}
# :label: eq-qap
# \langle P A Q^\top, B\rangle = \langle P C Q^\top, D\rangle - \lambda\langle P C Q^\top, I\rangle + \lambda\langle P Q^\top, D\rangle - \lambda^2\,\mathrm{tr}(P Q^\top),
# ```
#
# and a large $\lambda$ pays so well for $P = Q$ that nothing else can win. With $P = Q$ all but the first term are
# constant, and what remains is the quadratic problem. How large? With $\alpha$ the largest entry of $C$ and $D$ in
# absolute value, $\lambda > 5 d\alpha$ is enough. That is a statement about finitely many pairs $(P, Q)$, and for
# $d \le 5$ there are at most $120^2$.

# %%
factors = torch.tensor([*(k / 10 for k in range(51)), 5.001], dtype=torch.float64)
needs, violations, control = {}, 0, 0
for units, k in itertools.product((2, 3, 4, 5), range(instances)):
    lead = reductions.separation(*reductions.random_qap(units, k), factors)
    violations += bool(lead[-1] <= 0)
    control += bool(lead[1] < 0)
    lost = factors[lead <= 1e-12].tolist()
    needs.setdefault(f"need_{units}", []).append(max(lost, default=0.0))
assert violations == 0 and control > 0
metrics = {name: book.metric(found, "factor") for name, found in needs.items()}
metrics["most"] = book.metric(max(map(max, needs.values())), "factor")
_ = run.record("bound", metrics=metrics, seeds=range(instances))

# %% mystnb={"figure": {"name": "fig-qap-bound", "caption": "The largest factor at which some pair with P unlike Q still wins or ties, for random instances of each size (entries uniform in [0, 1] or plus and minus 1), by enumeration. Lines: the factor that the paper asks for, the root of its inequality, and the same with two moved rows."}, "image": {"alt": "Dots for sizes two to five, all in the lowest part of the axis of factors, well below three horizontal lines for the three bounds."}}
run.show(draw.draw_bound, "bound")

# %% [markdown]
# The bound holds with room to spare: no instance needed more than
# {measured}`foundations/assignment/bound.none:most:.2f`. The proof's own inequality,
# $\lambda^2 > 2d^2\alpha^2 + 4\lambda d\alpha$, is satisfied from $\lambda = (2 + \sqrt6)\,d\alpha$ on. And since a
# permutation unlike the identity moves at least *two* units, "at least one entry of $PQ^\top$ must be 0" may be
# sharpened to two, which brings the factor down to $1 + \sqrt2$. So the first half of the lemma stands on firm
# ground.
#
# The second half, about approximation, needs more care. A.8 proves "no PTAS", which is less than "no constant
# factor". And a reduction that adds a constant of size $\lambda^2 d$ does not carry ratios over: it drowns the small
# problem. On every instance that it produces the *identity* is already a good answer.
#
# ````{prf:lemma}
# :label: lem-identity
#
# For $\lambda > 5 d\alpha$, the objective at $P = Q = I$ is at least $1 - \tfrac{2}{25d - 9}$ of the best.
# ````
#
# ```{prf:proof}
# With $P = Q$ the objective is $K + q(P)$, where $K = \lambda(\mathrm{tr}\,D - \mathrm{tr}\,C) - \lambda^2 d$ and
# $|q(P)| \le d^2\alpha^2$. Now $-K \ge \lambda d(\lambda - 2\alpha) \ge (25d - 10)\,d^2\alpha^2$. All these
# objectives are negative and their ratio is at least
# $(-K - d^2\alpha^2)/(-K + d^2\alpha^2) \ge (25d - 11)/(25d - 9)$.
# ```
#
# As $d$ grows this tends to 1, so answering "identity" *is* an approximation scheme for these instances, though it
# knows nothing of $C$ and $D$. We measure both: how good the identity is for the big problem, and how far a solution
# within one per cent of its optimum can miss the small one's.

# %%
ratio, identity = 1.0, 1.0
for units, k in itertools.product((3, 4, 5), range(instances)):
    flow, distance = reductions.random_qap(units, 2 * k)
    big = quadratic.bilinear_values(*reductions.from_qap(flow, distance, 5.001)[:2])
    small = quadratic.bilinear_values(flow, distance).diagonal()
    good = small[big.diagonal() <= big.min() + 0.01 * big.min().abs()]
    ratio = max(ratio, float(good.max() / small.min()))
    identity = min(identity, float(big[0, 0] / big.min()))
    assert big[0, 0] / big.min() >= 1 - 2 / (25 * units - 9)

# %% tags=["remove-output"]
_ = run.claim(
    "soblap-hard",
    violations=book.measured(violations, "instances", n=4 * instances),
    instances=book.measured(4 * instances, "instances"),
    control=book.measured(control, "instances"),
    ratio=book.measured(ratio, "factor"),
)

# %% [markdown]
# The identity reached at least {measured}`foundations/assignment/approximation.none:identity:.4f` of the best; among
# the solutions within one per cent, the worst missed the small optimum by a factor
# {measured}`foundations/assignment/soblap-hard.claim:ratio:.2f`. So the paper's argument supports the hardness and
# not the factor. The lemma itself is right, however. A different problem shows it in three lines.
#
# ````{prf:proposition}
# :label: prop-biclique
#
# *(Ours.)* If P $\ne$ NP, no polynomial algorithm approximates $\min_{P,Q}\langle P A Q^\top, B\rangle$ within any
# factor.
# ````
#
# ```{prf:proof}
# Given a bipartite graph with $d$ vertices on either side and a number $K$, let $A$ be 1 on a $K \times K$ block and
# 0 elsewhere, and let $B$ be 1 where the graph has *no* edge. Then $\langle P A Q^\top, B\rangle$ counts the edges
# missing between $K$ chosen vertices on the left and $K$ on the right. The minimum is 0 exactly if the graph contains
# a complete $K \times K$ part, which is NP-complete to decide {cite:p}`garey1979`. An answer within any factor of 0
# is 0, so approximating is deciding.
# ```

# %%
agree = []
for k in range(instances):
    graph = torch.rand(5, 5, generator=seeds.stream("graph", k)) < 0.6
    lacking = quadratic.bilinear_values(*reductions.from_biclique(graph, 3))
    agree.append(bool(lacking.min() == 0) == reductions.has_biclique(graph, 3))
assert all(agree)
best = book.metric(identity, "share of the best")
_ = run.record("approximation", metrics={"identity": best}, seeds=range(instances))

# %% [markdown]
# What this does *not* say is that distances cannot be approximated. In
# $\lVert\theta_{\ref} - \pi(\theta_{\other})\rVert^2$ the two squared lengths come back as a constant, and once more
# a constant spoils the ratio.
#
# ## Many networks at once
#
# **Claim** ({cite:t}`ainsworth2023`, A.6, Alg. 3). *MERGEMANY, which aligns each network in turn to the mean of the
# others, terminates by the same argument.*
#
# The paper does not say which quantity rises. It is the sum over all pairs,
#
# ```{math}
# :label: eq-pairs
# \rho(\theta_1,\dots,\theta_N) = \sum_{i<j}\langle\theta_i, \theta_j\rangle .
# ```
#
# ````{prf:lemma}
# :label: lem-merge-ends
#
# Each turn of MERGEMANY that changes a network raises $\rho$, so it ends. The norm of the merged network grows along.
# ````
#
# ```{prf:proof}
# Only the terms with $\theta_i$ change; their sum is $\langle\theta_i, \sum_{j\ne i}\theta_j\rangle$, which is $N-1$
# times the objective of weight matching against the mean of the others. {prf:ref}`lem-wm-ends` applies, from the
# present $\theta_i$ as the start. Permutations keep lengths, so
# $\lVert\sum_i\theta_i\rVert^2 = \sum_i\lVert\theta_i\rVert^2 + 2\rho$ grows with $\rho$.
# ```
#
# "In turn" is essential again. Aligned all at once, each to a mean of partners that are about to move themselves, the
# networks chase one another.

# %%
network, merged, wrongly = Mlp((4, 12, 12, 3)), [], []
for k in range(merges):
    numbers = range(100 * k, 100 * k + (2, 3, 4, 5)[k % 4])
    states = {n: t.double() for n, t in initialise(network, numbers).items()}
    merged.append(merge_many(network.spec, states, seed=k))
    if k % 4 == 3:
        wrongly.append(witness.merge_at_once(network.spec, states, 8))
rises = [one.history.diff() / one.history.abs().max() for one in merged]
falls = sum(int((rise < -1e-12).sum()) for rise in rises)
control = int((torch.tensor(wrongly).diff() < -1e-9).sum())

# %% tags=["remove-output"]
in_turn = []  # the groups of five networks, once per round
for one, curve in zip(merged[3::4], wrongly, strict=True):
    history = one.history[::5]
    in_turn.append((history * (curve[0] / history[0])).tolist())
arrays = {"in_turn": draw.padded(in_turn), "at_once": draw.padded(wrongly)}
rounds = {"rounds": book.metric([one.rounds for one in merged], "rounds")}
_ = run.record("merge", metrics=rounds, seeds=range(merges), arrays=arrays)

# %% tags=["remove-output"]
_ = run.claim(
    "mergemany-terminates",
    falls=book.measured(falls, "steps", n=merges),
    unfinished=book.measured(sum(not one.converged for one in merged), "runs"),
    runs=book.measured(merges, "runs"),
    control=book.measured(control, "rounds"),
)
assert falls == 0 and control > 0

# %% mystnb={"figure": {"name": "fig-merge", "caption": "Groups of five random networks. Left: MERGEMANY, one network after another; the mean cosine between two networks rises until nothing changes. Right: the same networks, all aligned at once; the way up is longer and leads down in between."}, "image": {"alt": "Two panels over rounds. Left, five curves of the mean cosine rise, flatten and end in a triangle. Right, five curves rise more slowly, with small steps down, and have not come to rest at the end."}}
run.show(draw.draw_merge, "merge")

# %% [markdown]
# ## Paper and measurement
#
# ```{verdicts} foundations/assignment
# ```
#
# ## Caveats
#
# - Hardness is about the worst case. Weights of trained networks are not the worst case, and nothing here says how
#   far from the best permutation weight matching ends on them; nobody can look there.
# - "The best permutation" means the closest in weight space. It need not have the lowest barrier, as
#   {cite:t}`ballerini2023` finds for implicit representations.
# - The verdict on the hardness row is about the argument as printed. {prf:ref}`prop-biclique` supports the statement,
#   for signed objectives as in A.8.
# - Random weights, five units a layer: the shares in {numref}`fig-climb` belong to them alone.
#
# ## Cost
#
# ```{cost} foundations/assignment
# ```
#
# ## Exercises
#
# 1. Greedy matching gives every unit of `ref`, one after another, its best partner still free. Find a $2 \times 2$
#    similarity for which it loses as much as you like.
#
#    ```{dropdown} Solution
#    $S = \begin{bmatrix} 1 & 0 \\ 0.9 & -M\end{bmatrix}$. Greedy takes the 1 and is left with $-M$; the assignment
#    takes $0 + 0.9$.
#    ```
#
# 2. Change one assumption: let the two networks be *equal up to a permutation* (`quadratic.permuted(ref, perms)`).
#    How often does the descent now reach the best choice with three hidden layers?
#
#    ```{dropdown} Solution
#    Set `other = quadratic.permuted(ref, perms)` with random `perms`; the best objective is then
#    $\lVert\theta_{\ref}\rVert^2$. Most descents find it, far more than for unrelated networks, but even here some
#    get stuck: with five units a layer a wrong start is hard to undo. Wider layers are easier (try 50, without the
#    enumeration).
#    ```
#
# 3. Measure something new: how many restarts make three hidden layers as reliable as two?
#
#    ```{dropdown} Solution
#    Take the best of several `quadratic.descend` with different generators. It helps at first and then no more: from
#    the one start at the identity, all orders together reach only a few ends. Other starts are needed, and the
#    matcher for real networks has them: `WeightOptions(restarts=...)` begins at random permutations.
#    ```
#
# ## References
#
# Linear assignment: {cite:t}`kuhn1955`. Quadratic assignment: {cite:t}`koopmans1957`, {cite:t}`sahni1976`,
# {cite:t}`makarychev2014`. Weight and activation matching, MERGEMANY and the two lemmas: {cite:t}`ainsworth2023`; the
# thesis that applies them to implicit representations: {cite:t}`ballerini2023`.

# %% tags=["nbval-check-output"]
run.finish()
