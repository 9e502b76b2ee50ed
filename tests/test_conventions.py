"""The page on conventions, sentence by sentence."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from onebasin.connectivity.line import interpolate, loss_along_line
from onebasin.matching import ActivationOptions, WeightOptions, activation_match, weight_match
from onebasin.merging import merge_many
from onebasin.merging.batchnorm import POLICIES, between, layers, measure, reset
from onebasin.networks import READY, Mlp, initialise, stack, unstack
from onebasin.seeds import stream
from onebasin.symmetry import Permutation, apply

PAGE = Path(__file__).resolve().parents[1] / "book" / "conventions.md"
SENTENCES = re.findall(r"^- (.*)$", PAGE.read_text(), re.MULTILINE)
TESTS: dict[str, Callable[[], None]] = {}


def says(sentence: str) -> Callable[[Callable[[], None]], Callable[[], None]]:
    """Register the test of a sentence of the page."""

    def keep(test: Callable[[], None]) -> Callable[[], None]:
        TESTS[sentence] = test
        return test

    return keep


NETWORK = Mlp((3, 5, 4, 2)).double()
SPEC = NETWORK.spec


def _networks(count: int) -> list[dict[str, torch.Tensor]]:
    return unstack(initialise(NETWORK, range(count)))


def _batch_pair():
    network = READY["resnet32"].small().double().eval()
    x = torch.randn(16, *READY["resnet32"].small_sample, generator=stream("x"))
    states = reset(network, initialise(network, [0, 1]), x.double(), batch=8)
    return network, *unstack(states), x.double()


def _random(state) -> Permutation:
    return Permutation.random(SPEC, SPEC.sizes(state), stream("conventions"))


@says("`perm[i] = j` means that unit i of `ref` receives unit j of `other`.")
def receives() -> None:
    (other,) = _networks(1)
    perm = _random(other).perms
    moved = apply(Permutation(SPEC, perm), other)["layers.0.weight"]
    for i, j in enumerate(perm["hidden.0"].tolist()):
        assert torch.equal(moved[i], other["layers.0.weight"][j])
    found = weight_match(SPEC, apply(Permutation(SPEC, perm), other), other).element
    assert all(torch.equal(found.perms[group], perm[group]) for group in perm)


@says("Matching moves `other` onto `ref`, and neither of the two is changed in place.")
def moves_other() -> None:
    ref, other = _networks(2)
    before = [{name: t.clone() for name, t in state.items()} for state in (ref, other)]
    element = weight_match(SPEC, ref, other).element
    near, far = (
        sum(((ref[n] - state[n]) ** 2).sum() for n in ref)
        for state in (apply(element, other), apply(element.inverse(), other))
    )
    assert near < far
    for state, kept in zip((ref, other), before, strict=True):
        assert all(torch.equal(state[name], tensor) for name, tensor in kept.items())


@says(
    "As a matrix the permutation has a one at `[i, perm[i]]`: it multiplies incoming weights from "
    "the left, its transpose outgoing weights from the right."
)
def as_matrix() -> None:
    (state,) = _networks(1)
    element = _random(state)
    matrix = element.matrices()["hidden.0"]
    assert all(matrix[i, j] == 1 for i, j in enumerate(element.perms["hidden.0"].tolist()))
    only = Permutation(SPEC, {**element.perms, "hidden.1": torch.arange(4)})
    moved = apply(only, state)
    assert torch.equal(moved["layers.0.weight"], matrix @ state["layers.0.weight"])
    assert torch.equal(moved["layers.1.weight"], state["layers.1.weight"] @ matrix.T)


@says("`p @ q` acts like `q` first and `p` second.")
def composes() -> None:
    (state,) = _networks(1)
    generator = stream("two")
    p, q = (Permutation.random(SPEC, SPEC.sizes(state), generator) for _ in range(2))
    both = apply(p @ q, state)
    for name, tensor in apply(p, apply(q, state)).items():
        assert torch.equal(both[name], tensor)


@says("On a line, lambda 0 is `ref` and lambda 1 is `other`.")
def ends() -> None:
    ref, other = _networks(2)
    for lam, end in ((0, ref), (1, other)):
        assert all(torch.equal(t, end[n]) for n, t in interpolate(ref, other, lam).items())
    x = torch.randn(7, 3, generator=stream("x"), dtype=torch.float64)
    data = x, torch.zeros(7, 2, dtype=torch.float64)
    line = loss_along_line(NETWORK, ref, other, torch.nn.functional.mse_loss, data, lambdas=3)
    for place, end in ((0, ref), (-1, other)):
        torch.testing.assert_close(line.loss[place], NETWORK.run(end, x).square().mean())


@says(
    "In a stack, the first axis of every tensor counts the networks, and pair k is `ref[k]` with "
    "`other[k]`."
)
def stacks() -> None:
    states = _networks(4)
    refs, others = stack(states[:2]), stack(states[2:])
    together = weight_match(SPEC, refs, others).element
    for k in range(2):
        alone = weight_match(SPEC, states[k], states[2 + k]).element
        for group, perm in alone.perms.items():
            assert torch.equal(together.perms[group][k], perm)


@says("A group keeps the permutation it has unless another one is better by more than a rounding.")
def keeps() -> None:
    (state,) = _networks(1)
    flat = {name: torch.zeros_like(tensor) for name, tensor in state.items()}
    start = _random(state)
    found = weight_match(SPEC, flat, flat, init=start)
    for group, perm in start.perms.items():
        assert torch.equal(found.element.perms[group], perm)
    found = weight_match(SPEC, state, state)
    assert all(torch.equal(p, torch.arange(len(p))) for p in found.element.perms.values())


@says("Two units that are equal in everything keep their order.")
def twins() -> None:
    (state,) = _networks(1)
    for name, on in SPEC.axes.items():
        for axis, group in enumerate(on):
            if group == "hidden.0":
                state[name].select(axis, 3).copy_(state[name].select(axis, 1))
    perm = weight_match(SPEC, state, state).element.perms["hidden.0"]
    assert torch.equal(perm, torch.arange(5))


@says("The correlation of a unit that never varies is zero with every other.")
def dead() -> None:
    ref, other = _networks(2)
    for state, unit in ((ref, 0), (other, 2)):
        state["layers.0.weight"][unit] = 0
        state["layers.0.bias"][unit] = -1
    x = torch.randn(40, 3, generator=stream("x"), dtype=torch.float64)
    options = ActivationOptions(objective="correlation")
    found = activation_match(SPEC, ref, other, network=NETWORK, data=x, options=options)
    seen = [NETWORK.run(state, x, capture="post")[1] for state in (ref, other)]
    total = 0.0
    for group, perm in found.element.perms.items():
        for i, j in enumerate(perm.tolist()):
            pair = torch.stack([seen[0][group][:, i], seen[1][group][:, j]])
            if pair.std(1).min() > 0:
                total += float(torch.corrcoef(pair)[0, 1])
    assert float(found.objective) == pytest.approx(total)


@says(
    "Whatever the order of the layers, a tie is never broken by chance: the same seed gives the "
    "same permutation."
)
def seeded() -> None:
    ref, other = _networks(2)
    for seed in range(3):
        options = WeightOptions(restarts=2)
        first, again = (
            weight_match(SPEC, ref, other, seed=seed, options=options).element for _ in range(2)
        )
        assert all(torch.equal(first.perms[g], again.perms[g]) for g in first.perms)


@says("Permuting a network moves its running statistics along, so that the function stays.")
def statistics_move() -> None:
    network, state, _, x = _batch_pair()
    element = Permutation.random(network.spec, network.spec.sizes(state), stream("move"))
    moved = apply(element, state)
    perm = element.perms["stream.0"]
    for part in ("running_mean", "running_var"):
        assert torch.equal(moved[f"stem_norm.{part}"], state[f"stem_norm.{part}"][perm])
    outputs = [torch.func.functional_call(network, s, (x,)) for s in (state, moved)]
    torch.testing.assert_close(*outputs, rtol=1e-9, atol=1e-9)


@says("Matching does not compare running statistics.")
def statistics_uncompared() -> None:
    network, ref, other, _ = _batch_pair()
    spoiled = {n: t.flip(0) * 1e6 if "running" in n else t for n, t in other.items()}
    found = [weight_match(network.spec, ref, state) for state in (other, spoiled)]
    assert found[0].objective == found[1].objective
    for group, perm in found[0].element.perms.items():
        assert torch.equal(found[1].element.perms[group], perm)


@says("Merging many networks averages their running statistics, and integers are rounded down.")
def statistics_averaged() -> None:
    network, ref, other, _ = _batch_pair()
    other["stem_norm.num_batches_tracked"] += 1
    states = stack([ref, other])
    merged = merge_many(network.spec, states)
    aligned = apply(merged.element, states)
    for part in ("running_mean", "running_var"):
        mean = aligned[f"stem_norm.{part}"].mean(0)
        torch.testing.assert_close(merged.state[f"stem_norm.{part}"], mean)
    count = "stem_norm.num_batches_tracked"
    assert merged.state[count] == ref[count] and merged.state[count].dtype == torch.long
    assert (merged.history.diff() >= -1e-9 * merged.history.abs().max()).all()


@says("With policy `none`, statistics between two networks are interpolated as weights are.")
def policy_none() -> None:
    network, ref, other, _ = _batch_pair()
    found = between(network, ref, other, 0.25, policy="none")
    for name in ("stem_norm.running_var", "stem_norm.weight", "stem.weight"):
        torch.testing.assert_close(found[name], 0.75 * ref[name] + 0.25 * other[name])


@says(
    "With policy `reset`, they are the cumulative average over batches of the means and unbiased "
    "variances that the network itself produces."
)
def policy_reset() -> None:
    network, ref, other, x = _batch_pair()
    found = between(network, ref, other, 0.5, policy="reset", inputs=x, batch=8)
    middle = between(network, ref, other, 0.5, policy="none")
    first = torch.nn.functional.conv2d(x, middle["stem.weight"], padding=1)
    parts = [part.transpose(0, 1).flatten(1) for part in first.split(8)]
    mean = torch.stack([part.mean(1) for part in parts]).mean(0)
    variance = torch.stack([part.var(1) for part in parts]).mean(0)
    torch.testing.assert_close(found["stem_norm.running_mean"], mean)
    torch.testing.assert_close(found["stem_norm.running_var"], variance)


@says(
    "With policy `repair`, every layer's outputs have the interpolated mean and standard deviation "
    "of the two ends."
)
def policy_repair() -> None:
    network, ref, other, x = _batch_pair()
    found = between(network, ref, other, 0.5, policy="repair", inputs=x, batch=16)
    here, *sides = (measure(network, state, x, batch=16) for state in (found, ref, other))
    for name in layers(network):
        for part in ("mean", "std"):
            left, right = (getattr(side, part)[name] for side in sides)
            found_here = getattr(here, part)[name]
            torch.testing.assert_close(found_here, (left + right) / 2, rtol=0, atol=0.05)


@says("No policy changes the ends of a line.")
def policy_ends() -> None:
    network, ref, other, x = _batch_pair()
    for policy in POLICIES:
        for lam, end in ((0, ref), (1, other)):
            found = between(network, ref, other, lam, policy=policy, inputs=x)
            assert all(torch.equal(found[name], tensor) for name, tensor in end.items())


def test_every_sentence_has_its_test_and_every_test_its_sentence() -> None:
    assert SENTENCES and sorted(SENTENCES) == sorted(TESTS)


@pytest.mark.parametrize("sentence", SENTENCES)
def test_the_library_does_what_the_page_says(sentence: str) -> None:
    TESTS[sentence]()
