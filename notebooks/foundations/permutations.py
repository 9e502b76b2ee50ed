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
# (permutations)=
# # Permutations: the same function at many addresses
#
# *Aim.* Show that the hidden units of a network can be relabelled without changing what it
# computes, count in how many ways, and find out what aligning two networks has to respect because
# of it.
#
# *Needs.* Seconds on one CPU core and little memory; nothing is trained and nothing is downloaded.
#
# Two people train the same network from different random starts. Afterwards they compare the
# weights and find nothing in common. Part of the difference is real. Part of it is bookkeeping:
# which unit happened to be called number one. This chapter is about the bookkeeping, which is exact
# mathematics, so almost every claim in it can be checked to the last bit. The numbers in the
# parameters cell say how many random cases each check draws; every draw has a named stream, so you
# will see the same cases as we did.

# %%
import torch

from onebasin import book
from onebasin.matching import exhaustive
from onebasin.networks import Mlp
from onebasin.plotting import permutations as draw
from onebasin.seeds import numpy_stream, stream
from onebasin.symmetry import Permutation, Spec, apply, chain, counting, neural
from onebasin.symmetry.verify import relative_change, roundings

# %% tags=["parameters"]
profile = "smoke"
networks = 240  # random networks for the invariance theorem
maps = 25  # random linear maps of each kind, for every activation
triples = 120  # triples of group elements
pairs = 60  # pairs of tiny networks that are aligned exactly

# %% tags=["remove-output"]
run = book.start(
    "foundations/permutations",
    profile=profile,
    networks=networks,
    maps=maps,
    triples=triples,
    pairs=pairs,
)

# %% [markdown]
# ## Moving rows and columns
#
# **Claim** ({cite:t}`ballerini2023`, Example 2.1). *For $\pi(1)=2$, $\pi(2)=3$, $\pi(3)=1$ there is
# a matrix $P$ such that $PX$ moves row $i$ of $X$ to row $\pi(i)$, and $XP^\top$ does the same to
# columns.*
#
# A permutation can be written down in two ways, by where things go or by where they come from, and
# most alignment bugs are a confusion of the two. The library stores where they come from,
#
# ```{math}
# :label: eq-perm-matrix
# \text{perm}[i] = j \iff P_{ij} = 1 \iff (PX)_{i,:} = X_{j,:}\,,
# ```
#
# so the example's $\pi$ is stored as its inverse. Below, the entry $x_{23}$ is simply the number
# 23, and $X$ is used both as a first layer, whose rows belong to the hidden units, and as a second
# layer, whose columns do. The results are compared with the three matrices that the thesis prints.
# The control comes last: with $P$ in place of $P^\top$ the columns go the other way round.

# %%
X = torch.tensor([[11.0, 12, 13], [21, 22, 23], [31, 32, 33]])
none = torch.zeros(3)
tensors = {"layers.0.weight": X, "layers.0.bias": none, "layers.1.weight": X, "layers.1.bias": none}
example = Permutation(chain(2), {"hidden.0": torch.tensor([2, 0, 1])})
P, moved = example.matrices()["hidden.0"].float(), apply(example, tensors)
printed = [
    torch.tensor([[0.0, 0, 1], [1, 0, 0], [0, 1, 0]]),
    torch.tensor([[31.0, 32, 33], [11, 12, 13], [21, 22, 23]]),
    torch.tensor([[13.0, 11, 12], [23, 21, 22], [33, 31, 32]]),
]
found = [P, moved["layers.0.weight"], moved["layers.1.weight"]]
mismatches = sum(int((a != b).sum()) for a, b in zip(found, printed, strict=True))
wrong_side = int((printed[2] != X @ P).sum())
assert mismatches == 0 and wrong_side > 0
_ = run.claim("perm-example", mismatches=mismatches, matrices=len(found), control=wrong_side)

# %% [markdown]
# ## The invariance theorem
#
# **Claim** ({cite:t}`ballerini2023`, Theorem 2.1; also {cite:t}`ainsworth2023`,
# {cite:t}`navon2024`, {cite:t}`tatro2020`; known since {cite:t}`hechtnielsen1990`).
#
# ````{prf:theorem} Permutation invariance
# :label: thm-invariance
#
# Let $\sigma$ act element by element, and let $P_1,\dots,P_{L-1}$ be permutation matrices of the
# hidden layers, $P_0=P_L=I$. Then the networks {eq}`eq-network` with parameters
#
# ```{math}
# :label: eq-invariance
# W'_\ell = P_\ell W_\ell P_{\ell-1}^\top, \qquad b'_\ell = P_\ell b_\ell
# ```
#
# and with parameters $W_\ell, b_\ell$ compute the same function.
# ````
#
# ````{prf:proof}
# We show $z'_\ell = P_\ell z_\ell$ by induction. It holds for $\ell=0$. If it holds for $\ell-1$,
# then
#
# ```{math}
# \begin{aligned}
# W'_\ell z'_{\ell-1} + b'_\ell
# &= P_\ell W_\ell P_{\ell-1}^\top P_{\ell-1} z_{\ell-1} + P_\ell b_\ell \\
# &= P_\ell (W_\ell z_{\ell-1} + b_\ell) .
# \end{aligned}
# ```
#
# A map that acts on every entry alike does not care about their order, so
# $\sigma(P_\ell y) = P_\ell\,\sigma(y)$ and $z'_\ell = P_\ell z_\ell$. In the last layer $P_L = I$
# and there is no $\sigma$: the outputs are equal.
# ````
#
# In the library the theorem is one method. It walks through the axes of every tensor and reorders
# those that belong to a group of units; which axes do is data, the *spec*, so the same lines serve
# every architecture.
#
# ```{source} onebasin.symmetry.permutation.Permutation.act
# ```
#
# The check draws networks of random depth (two to six layers), random widths (1 to 47), five
# activations, and both floating-point types. On paper the outputs are equal; in a computer the
# terms of a sum are added in another order, which costs a few roundings. We measure in that unit.


# %%
def random_mlp(case):
    """A network of random shape, its weights, and inputs for it."""
    rng = numpy_stream("shape", case)
    hidden = rng.integers(1, 48, size=rng.integers(1, 6)).tolist()
    sigma = ("relu", "tanh", "sigmoid", "gelu", "sin")[case % 5]
    network = Mlp((int(rng.integers(1, 6)), *hidden, int(rng.integers(1, 6))), sigma)
    network.redraw(stream("weights", case))
    network.to(torch.float64 if case % 2 else torch.float32)
    x = torch.randn(64, network.widths[0], generator=stream("inputs", case))
    return network, dict(network.state_dict()), x.to(network.layers[0].weight.dtype)


# %%
def random_element(network, state, *ids):
    """A random relabelling of the hidden units of ``network``."""
    return Permutation.random(network.spec, network.spec.sizes(state), stream("element", *ids))


errors = []
for case in range(networks):
    network, state, x = random_mlp(case)
    relabelled = apply(random_element(network, state, case), state)
    errors.append(roundings(network.run(relabelled, x), network.run(state, x)))
assert max(errors) <= 256

# %% [markdown]
# Roundings can hide a small error, so the second check leaves no room for any. With whole numbers
# for weights, biases and inputs, float64 sums are exact in any order and the outputs have to agree
# *bit by bit*. It also lets us take the words "any element-wise $\sigma$" seriously: a step, and
# the remainder modulo 7, are about as far from smooth as functions get.

# %%
strange = [lambda y: (y > 0).to(y), lambda y: y.remainder(7), torch.abs, torch.relu]
inexact = 0
for case in range(networks):
    network, state, x = random_mlp(case)
    network.activation = strange[case % 4]
    state = {name: (9 * tensor.double()).round() for name, tensor in state.items()}
    relabelled, x = apply(random_element(network, state, case), state), (3 * x).double().round()
    inexact += not torch.equal(network.run(relabelled, x), network.run(state, x))
assert inexact == 0

# %% [markdown]
# A check should also be able to fail. Since the symmetry is data, forgetting half of it is easy: in
# the spec below the outgoing axes belong to no group, so rows and biases move and the next layer is
# not told.

# %%
wide = Mlp((4, 32, 32, 3)).double()
half = Spec({name: (axes[0], None)[: len(axes)] for name, axes in wide.spec.axes.items()})
x = torch.randn(256, 4, generator=stream("half"), dtype=torch.float64)
damage = []
for case in range(20):
    state = dict(Mlp(wide.widths, generator=stream("half", case)).double().state_dict())
    one_sided = Permutation(half, random_element(wide, state, case).perms)
    damage.append(relative_change(wide.run(apply(one_sided, state), x), wide.run(state, x)))
assert min(damage) > 0.001

metrics = {"error": book.metric(errors, "roundings"), "control": book.metric(damage)}
_ = run.record("invariance", metrics=metrics, seeds=range(networks))
error = book.measured(max(errors), "roundings", n=networks)
cases = 2 * networks
_ = run.claim("perm-invariance", error=error, inexact=inexact, cases=cases, control=min(damage))

# %% [markdown]
# The largest difference over all networks was
# {measured}`foundations/permutations/perm-invariance.claim:error:.1f` roundings, the mean
# {measured}`foundations/permutations/invariance.none:error:.2f`; with whole numbers not one bit
# differed; and the forgotten half changed the output by at least
# {measured}`foundations/permutations/perm-invariance.claim:control:.2f` of its size.
#
# ## What else commutes
#
# **Claim** ({cite:t}`tatro2020`, §3). *The $P_\ell$ have to be permutations, since more general
# linear maps do not commute with $\sigma$.*
#
# Replace the permutations in {eq}`eq-invariance` by any invertible matrices $M_\ell$, and the
# transposes by inverses:
#
# ```{math}
# :label: eq-general-map
# W'_\ell = M_\ell W_\ell M_{\ell-1}^{-1}, \qquad b'_\ell = M_\ell b_\ell .
# ```
#
# The function stays the same if $\sigma(M y) = M\sigma(y)$ for all $y$. For a generic $M$ that
# fails, as claimed. But two families are missing from the sentence. ReLU satisfies
# $\sigma(sy) = s\,\sigma(y)$ for $s>0$, so *positive diagonal* matrices commute with it;
# {cite:t}`flowweights` builds on that. An odd activation satisfies $\sigma(-y) = -\sigma(y)$, so
# *flips of sign* commute with tanh and with the sine of a SIREN. We try four kinds of map on five
# activations.


# %%
def change_basis(state, maps):
    """Change the basis of every hidden layer by a matrix M of its own."""
    out, below = {}, torch.eye(state["layers.0.weight"].shape[1], dtype=torch.float64)
    for k, M in enumerate([*maps, torch.eye(len(state[f"layers.{len(maps)}.bias"])).double()]):
        out[f"layers.{k}.weight"] = M @ state[f"layers.{k}.weight"] @ torch.linalg.inv(below)
        out[f"layers.{k}.bias"] = M @ state[f"layers.{k}.bias"]
        below = M
    return out


def draw_map(kind, units, generator):
    """A random matrix of one kind, in float64."""
    normal = torch.randn(units, units, generator=generator, dtype=torch.float64)
    if kind == "orthogonal":
        return torch.linalg.qr(normal).Q
    if kind == "permutation":
        return torch.eye(units, dtype=torch.float64)[normal[0].argsort()]
    return torch.diag(normal[0].exp() if kind == "positive diagonal" else normal[0].sign())


# %%
kinds = ["permutation", "orthogonal", "positive diagonal", "sign flips"]
sigmas = ["relu", "tanh", "sigmoid", "gelu", "sin"]
change = torch.zeros(len(kinds), len(sigmas), maps, dtype=torch.float64)
x = torch.randn(128, 3, generator=stream("commute"), dtype=torch.float64)
for k, a, case in torch.cartesian_prod(*map(torch.arange, change.shape)).tolist():
    network = Mlp((3, 16, 16, 2), sigmas[a], generator=stream("commute", a, case)).double()
    state, generator = dict(network.state_dict()), stream("map", k, case)
    new = change_basis(state, [draw_map(kinds[k], 16, generator) for _ in range(2)])
    change[k, a, case] = relative_change(network.run(new, x), network.run(state, x))

# %% [markdown]
# An exception is a pair of a map that is no permutation and an activation that it leaves alone in
# *every* draw. As the sentence is printed it allows none, so its row cannot be better than *same
# direction*: what holds is that a generic orthogonal matrix changes the function of every one of
# these networks.

# %%
kept = (change < 1e-12).all(dim=2)
exceptions = [(kinds[k], sigmas[a]) for k, a in kept.nonzero().tolist() if k > 0]
assert kept[0].all() and not kept[1].any()
assert exceptions == [("positive diagonal", "relu"), ("sign flips", "tanh"), ("sign flips", "sin")]

metrics = {"orthogonal": book.metric(change[1].flatten())}
arrays = {"change": change, "kinds": kinds, "activations": sigmas}
_ = run.record("commute", metrics=metrics, seeds=range(maps), arrays=arrays)
tries = change[1].numel()
least = book.measured(change[1].min(), n=tries)
_ = run.claim("perm-only", change=least, exceptions=len(exceptions), cases=tries)

# %% mystnb={"figure": {"name": "fig-commute", "caption": "Which linear maps of the hidden units keep a network's function. Every mark is one network 3-16-16-2 with random maps in both hidden layers (float64). Permutations always do. An orthogonal matrix never does, while positive diagonals do with ReLU and flips of sign with tanh and sine."}, "image": {"alt": "Relative change of the output on a logarithmic axis for four kinds of linear maps and five activations: all marks of permutations lie in the rounding band, all of orthogonal maps far above it, positive diagonals fall into the band only for ReLU, sign flips only for tanh and sine."}}
run.show(draw.draw_commute, "commute")

# %% [markdown]
# The exceptions matter later. [Scalings](scaling.py) get a chapter of their own, and the signs are
# the beginning of an explanation why permutations alone align implicit representations so badly.
#
# ## The group and its action
#
# **Claim** ({cite:t}`navon2024`, §2). *Permutations form a group $G$ that acts on weights:*
#
# ```{math}
# :label: eq-group-laws
# (g g')\#v = g\#(g'\#v), \qquad g g^{-1} = e, \qquad g^{-1} = g^\top ,
# ```
#
# where $g\#v$ is the action {eq}`eq-invariance` on the weights $v$. That it is a *left* action,
# $g'$ first and then $g$, is the part worth testing: code that composes in the other order passes
# every test with a single permutation. Moving weights does no arithmetic, so all laws are compared
# bit by bit.


# %%
def same(a, b):
    """Whether two states, or two mappings of tensors, agree bit by bit."""
    return all(torch.equal(a[name], b[name]) for name in a)


def laws(v, p, q, r):
    """The group laws, as a list of booleans; the last one is the wrong order, which should fail."""
    unit, P, Q = p @ p.inverse(), p.matrices(), q.matrices()
    return [
        same(apply(p @ q, v), apply(p, apply(q, v))),
        same(((p @ q) @ r).perms, (p @ (q @ r)).perms) and same(apply(unit, v), v),
        same(p.inverse().matrices(), {g: P[g].T for g in P}),
        same((p @ q).matrices(), {g: P[g] @ Q[g] for g in P}),
        not same(apply(q @ p, v), apply(p, apply(q, v))),
    ]


# %%
verdicts = []
for case in range(triples):
    network, v, _ = random_mlp(case)
    verdicts.append(laws(v, *(random_element(network, v, case, k) for k in range(3))))
table = torch.tensor(verdicts)
broken, noticed = int((~table[:, :4]).sum()), float(table[:, 4].double().mean())
assert broken == 0 and noticed >= 0.5
mismatches = book.measured(broken, "laws", n=triples)
_ = run.claim("perm-group-laws", mismatches=mismatches, cases=triples, control=noticed)

# %% [markdown]
# The wrong order was noticed in
# {measured}`foundations/permutations/perm-group-laws.claim:control:.2f` of the cases; in the rest
# the two elements happen to commute, as in networks of a unit or two.
#
# ## Symmetries as automorphisms of a graph
#
# **Claim** ({cite:t}`flowweights`, §4.1, after Lim et al.). *The permutation symmetries are the
# automorphisms of the neural graph that fix inputs and outputs.*
#
# Draw a vertex for every unit (or channel) and an edge for every parameter. A relabelling of the
# hidden vertices is an *automorphism* if it maps edges to edges, of the same kind. This needs no
# notion of a layer: units of different layers may be exchanged, as far as the definition is
# concerned. For tiny networks all relabellings can be tried, and the claim becomes a statement
# about two finite sets. Our five networks are two perceptrons, a CNN with kernels of three taps,
# and two with a skip connection, which forces the layers it joins to share one permutation.

# %%
cases = [
    {"widths": (2, 3, 3, 1), "tied": [[1], [2]]},
    {"widths": (1, 4, 3, 2), "tied": [[1], [2]]},
    {"widths": (2, 3, 2, 1), "shifts": (-1, 0, 1), "tied": [[1], [2]]},
    {"widths": (2, 2, 3, 2, 1), "skips": [(1, 3)], "tied": [[1, 3], [2]]},
    {"widths": (1, 2, 2, 2, 1), "shifts": (0, 1), "skips": [(1, 3)], "tied": [[1, 3], [2]]},
]
graphs = [neural.neural_graph(**{k: v for k, v in c.items() if k != "tied"}) for c in cases]
tried = [sum(1 for _ in neural.relabellings(graph)) for graph in graphs]
found = [neural.automorphisms(graph) for graph in graphs]

# %% [markdown]
# Equal as sets? And does every automorphism, carrying each parameter along with its edge, keep the
# function? The function is evaluated on the graph itself, vertex by vertex, so nothing about layers
# is assumed here either.

# %%
stray, error = 0, 0.0
for graph, case, kept in zip(graphs, cases, found, strict=True):
    expected = {frozenset(m.items()) for m in neural.layerwise(graph, case["tied"])}
    stray += len(expected ^ {frozenset(m.items()) for m in kept})
    x = torch.randn(graph.widths[0], 5, 8, generator=stream("graph"), dtype=torch.float64)
    values = torch.randn(len(graph.edges), generator=stream("graph", 1), dtype=torch.float64)
    weights = dict(zip(sorted(graph.edges), values.tolist(), strict=True))
    before = neural.run(graph, weights, x)
    moved = [neural.run(graph, neural.move(m, weights), x) for m in kept]
    error = max(error, *(roundings(after, before) for after in moved))
assert stray == 0 and error <= 256

sizes = {"relabellings": book.metric(tried), "automorphisms": book.metric([len(k) for k in found])}
panels = draw.graph_panels(graphs[0])
_ = run.record("automorphisms", metrics=sizes, seeds=range(len(cases)), arrays=panels)
counts = {"relabellings": sum(tried), "networks": len(cases)}
stray = book.measured(stray, "relabellings", n=sum(tried))
_ = run.claim("perm-automorphism", mismatches=stray, error=error, **counts)

# %% mystnb={"figure": {"name": "fig-graphs", "caption": "The neural graph of a perceptron 2-3-3-1 (biases not drawn) and two relabellings. A permutation within a layer maps edges to edges. Exchanging units across layers asks for connections that the network does not have (dashed), so it has nowhere to put the weights."}, "image": {"alt": "Three drawings of a small layered graph with two inputs, two hidden layers of three units and one output; in the second the units of the first hidden layer are reordered and all edges stay, in the third two units of different layers are exchanged and several dashed red edges appear that the network does not have."}}
run.show(draw.draw_graphs, "automorphisms", height=2.4)

# %% [markdown]
# ## How many there are
#
# **Claim** ({cite:t}`ainsworth2023`, Table 1). *An MLP with three hidden layers of 512 has
# $10^{3498}$ permutation symmetries, VGG16 $10^{35160}$, ResNet50 $10^{55109}$; the observable
# universe has at most $10^{82}$ atoms.*
#
# The group is a product of symmetric groups, one for each set of units that can be relabelled
# independently, so its order is
#
# ```{math}
# :label: eq-group-order
# |G| = \prod_{g} d_g!\,, \qquad \log_{10}|G| = \sum_g \log_{10} d_g!\,.
# ```
#
# The factorials are multiplied as exact integers, so only the last logarithm is rounded.

# %%
architectures = {
    "MLP 3 x 512": (counting.mlp_groups(512, 3), counting.mlp_groups(512, 3)),
    "VGG16": (counting.vgg16_groups(), counting.vgg16_groups()),
    "ResNet50": (counting.resnet50_groups(tied=False), counting.resnet50_groups(tied=True)),
}
free = [counting.count(groups) for groups, _ in architectures.values()]
tied = [counting.count(groups) for _, groups in architectures.values()]
printed = [3498, 35160, 55109]
assert [count.floors for count in free] == printed
exact = [count.exact for count in tied]
assert min(exact) > counting.ATOMS_LOG10

metrics = {"exact": book.metric(exact, "powers of ten")}
arrays = {"names": list(architectures), "printed": printed, "tied": exact}
_ = run.record("counts", metrics=metrics, seeds=range(len(exact)), arrays=arrays)
mine = dict(zip(["mlp", "vgg", "resnet"], exact, strict=True))
floors = {f"{name}_floor": count.floors for name, count in zip(mine, free, strict=True)}
_ = run.claim("perm-count", **mine, **floors)

# %% [markdown]
# So the printed exponents come out to the last digit, by a recipe that can be told from them: round
# the exponent of every layer down, then add. Added first and rounded last, the MLP has $10^k$
# symmetries with $k=$ {measured}`foundations/permutations/perm-count.claim:mlp:.1f`, some forty
# times as many, and VGG16 {measured}`foundations/permutations/perm-count.claim:vgg:.1f` (with two
# dense layers of 4096: the table fits no other width).
#
# ResNet50 is more instructive. Its table entry counts the outputs of all 49 convolutions as free.
# But a skip connection adds channel 7 of a block's input to channel 7 of its output, so the two
# must carry the same label, block after block through a whole stage. As in the last two graphs
# above, tied layers share one permutation. That leaves $k=$
# {measured}`foundations/permutations/perm-count.claim:resnet:.1f`: less than half the digits, and
# still beyond all comparison with atoms.

# %% mystnb={"figure": {"name": "fig-counts", "caption": "The number of permutation symmetries of three architectures as a power of ten, printed and exact. The axis shows the exponent, and even that on a logarithmic scale."}, "image": {"alt": "Exponents of the number of symmetries on a logarithmic axis for an MLP, VGG16 and ResNet50: printed and exact marks nearly coincide for the first two, for ResNet50 the exact mark lies clearly below the printed one, and all lie far to the right of a dashed line for the atoms of the universe."}}
run.show(draw.draw_counts, "counts", height=3.2)

# %% [markdown]
# ## What alignment inherits
#
# **Claim** ({cite:t}`navon2024`, Propositions 1 and 2). *Let
# $\mathcal G(v,v')=\argmin_{k\in G}\lVert v-k\#v'\rVert^2$. Then*
#
# ```{math}
# :label: eq-equivariance
# \mathcal G(g\#v,\;g'\#v') = g\,\mathcal G(v,v')\,g'^\top, \qquad
# \mathcal G(v',v)=\mathcal G(v,v')^\top .
# ```
#
# Shuffle the labels of both networks, and the best alignment shuffles along; exchange the networks,
# and it inverts. A learned aligner should be built to satisfy both, which is the idea behind
# Deep-Align. The reason is one line:
# $\lVert g\#v - k\#(g'\#v')\rVert = \lVert v - (g^\top k g')\#v'\rVert$, because permuting all
# coordinates changes no distance. The paper adds that several minimisers transform as a set, and
# that any other objective $E(v, v')$ will do if it is invariant under $G$ and symmetric. For tiny
# networks all of it can be enumerated.


# %%
def two_sides(spec, v, w, g, h, objective):
    """Both sides of the two laws, as sets of permutations."""
    best = [
        exhaustive.from_key(spec, key)
        for key in exhaustive.minimisers(spec, v, w, objective=objective)
    ]
    shuffled = exhaustive.minimisers(spec, apply(g, v), apply(h, w), objective=objective)
    swapped = exhaustive.minimisers(spec, w, v, objective=objective)
    first = shuffled == {exhaustive.as_key(g @ k @ h.inverse()) for k in best}
    return first, swapped == {exhaustive.as_key(k.inverse()) for k in best}, len(best) > 1


# %% [markdown]
# Four objectives are tried: the squared distance, the sum of absolute differences, and two that
# must fail. The third weights every parameter by its position in the list, so it is not invariant.
# The fourth punishes only what $v$ lacks, so it is not symmetric. Half of the pairs have weights
# from $\{-1,0,1\}$ only, which makes ties common.


# %%
def distance(power):
    """Sum of powers of absolute differences."""
    return lambda v, w: sum((v[n] - w[n]).abs().pow(power).flatten(1).sum(1) for n in w)


def positional(v, w):
    return sum(
        ((v[n] - w[n]).square().flatten(1) * (1 + torch.arange(w[n][0].numel()))).sum(1) for n in w
    )


def one_sided(v, w):
    return sum((w[n] - v[n]).relu().square().flatten(1).sum(1) for n in w)


# %%
outcome = {name: [] for name in ("squared", "absolute", "positional", "one-sided")}
objectives = dict(
    zip(outcome, [exhaustive.squared_distance, distance(1), positional, one_sided], strict=True)
)
for case in range(pairs):
    network = Mlp((2, 3, 3, 1) if case % 4 < 2 else (1, 4, 2))
    states = [
        Mlp(network.widths, generator=stream("align", case, k)).double().state_dict()
        for k in (0, 1)
    ]
    v, w = ({n: (2 * t).round() if case % 2 else t for n, t in state.items()} for state in states)
    g, h = (random_element(network, v, case, k) for k in (0, 1))
    for name, objective in objectives.items():
        outcome[name].append(two_sides(network.spec, v, w, g, h, objective))
table = {name: torch.tensor(rows) for name, rows in outcome.items()}

# %%
lawful = torch.cat([table["squared"], table["absolute"]])
failures = int((~table["positional"][:, 0]).sum() + (~table["one-sided"][:, 1]).sum())
ties = int(lawful[:, 2].sum())
assert lawful[:, :2].all() and failures > 0 and ties >= 10
broken = int((~lawful[:, :2]).any(1).sum())
mismatches = book.measured(broken, "pairs", n=len(lawful))
counts = {"cases": len(lawful), "ties": ties, "control": failures}
_ = run.claim("align-equivariance", mismatches=mismatches, **counts)

# %% [markdown]
# Of {measured}`foundations/permutations/align-equivariance.claim:cases:.0f` pairs,
# {measured}`foundations/permutations/align-equivariance.claim:ties:.0f` had more than one
# minimiser, and the laws held for all of them, as sets. The two unlawful objectives broke a law
# {measured}`foundations/permutations/align-equivariance.claim:control:.0f` times.
#
# ## Paper and measurement
#
# ```{verdicts} foundations/permutations
# ```
#
# **Caveats.** Exact statements are tested on random networks, so a verdict here means that no
# counterexample was found among those tried; the proofs carry the rest. Two rows stop at *same
# direction*, because the sentence as printed is too strong (*perm-only*) or its number is something
# else than the count it stands for (*perm-count*). Reading *perm-only* as "a generic linear map",
# or *perm-count* as "about that many", would turn both into *reproduced*. The group studied here is
# the one that works for *all* weights: particular networks have more symmetry, for instance two
# units with equal weights, or a dead unit whose outgoing weights can be anything.
#
# **Cost.**
#
# ```{cost} foundations/permutations
# ```
#
# ## Exercises
#
# 1. *(recall)* In the example, which entry of `perm` says where row 1 of $X$ goes?
# 2. *(change an assumption)* Let $\sigma$ be the identity. Which maps $M_\ell$ keep the function
#    now, and what does that do to the number of symmetries?
# 3. *(change an assumption)* Prune a weight, that is, delete its edge from the graph of a
#    perceptron 2-3-3-1. How many automorphisms are left?
# 4. *(measure)* Give two hidden units equal incoming *and* outgoing weights. How many elements of
#    $G$ map $v$ to itself, and what does that do to $\mathcal G(v, v)$?
#
# ````{dropdown} Solutions
# 1. `perm` says where rows come *from*. Row 1 (index 0) goes to row 2 (index 1) because
#    `perm[1] == 0`.
# 2. All invertible ones: a linear network has a continuous family of symmetries,
#    $\mathrm{GL}(d_1)\times\dots\times\mathrm{GL}(d_{L-1})$, and no number counts them.
# 3. The edge between the hidden layers fixes its two ends, so the rest permutes freely:
#    $2!\cdot 2! = 4$ of 36. Try it:
#    `pruned = neural.Graph(graphs[0].widths, graphs[0].edges - {((1, 0), (2, 0), "0")})`, then
#    `len(neural.automorphisms(pruned))`.
# 4. Two: the identity and the exchange of the twins. $\mathcal G(v,v)$ is exactly that set, so it
#    contains the identity but is not alone: ties are not an accident of round numbers but a sign of
#    a symmetric network.
# ````
#
# References:
# {cite:p}`ballerini2023,ainsworth2023,navon2024,tatro2020,flowweights,hechtnielsen1990`. Next:
# [the loss between two networks](barrier.py).

# %% tags=["nbval-check-output"]
run.finish()
