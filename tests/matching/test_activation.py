import pytest
import torch

from helpers import close, draw, network
from onebasin.errors import InputError
from onebasin.matching import ActivationOptions, activation_match, weight_match
from onebasin.matching.activation import Moments
from onebasin.networks import Mlp
from onebasin.symmetry import Permutation, apply

WIDTHS = (3, 8, 6, 2)
SPEC = network(WIDTHS)
NET = Mlp(WIDTHS, "tanh")
X = torch.randn(100, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def test_moments_do_not_depend_on_the_batches_and_survive_large_means():
    generator = torch.Generator().manual_seed(0)
    ref, other = (torch.randn(2, 1000, 5, generator=generator).double() + 1e6 for _ in "ab")
    whole, parts = Moments(), Moments()
    whole.add(ref, other)
    for start in range(0, 1000, 7):
        parts.add(ref[:, start : start + 7], other[:, start : start + 7])
    assert close(parts.similarity("correlation"), whole.similarity("correlation"), torch.float32)
    for k in range(2):
        both = torch.cat([ref[k], other[k]], -1).T
        expected = torch.corrcoef(both)[:5, 5:]
        assert torch.allclose(parts.similarity("correlation")[k], expected, atol=1e-8)
        mean = ref[k].T @ other[k] / 1000
        assert torch.allclose(parts.similarity("least_squares")[k], mean, rtol=1e-12)


@pytest.mark.parametrize("batch", [1, 9, 100, 4096])
def test_the_batch_does_not_matter(batch):
    ref, other = draw(SPEC, WIDTHS, 0, models=3), draw(SPEC, WIDTHS, 1, models=3)
    whole = activation_match(SPEC, ref, other, network=NET, data=X)
    parts = activation_match(
        SPEC, ref, other, network=NET, data=X, options=ActivationOptions(batch=batch)
    )
    assert all(torch.equal(whole.element.perms[g], parts.element.perms[g]) for g in SPEC.groups)
    assert torch.allclose(whole.objective, parts.objective, rtol=1e-10)


def test_each_pair_may_have_its_own_data():
    ref, other = draw(SPEC, WIDTHS, 0, models=3), draw(SPEC, WIDTHS, 1, models=3)
    own = torch.stack([X, X.flip(-1), 2 * X])
    found = activation_match(SPEC, ref, other, network=NET, data=own)
    for k in range(3):
        pair = ({n: t[k] for n, t in state.items()} for state in (ref, other))
        one = activation_match(SPEC, *pair, network=NET, data=own[k])
        assert all(
            torch.equal(one.element.perms[g], found.element.perms[g][k]) for g in SPEC.groups
        )


def test_least_squares_is_the_distance_of_activations():
    ref, other = draw(SPEC, WIDTHS, 0), draw(SPEC, WIDTHS, 1)
    found = activation_match(SPEC, ref, other, network=NET, data=X)
    generator = torch.Generator().manual_seed(0)

    def distance(element):
        from onebasin.networks.population import call

        mine, theirs = (call(NET, s, X, capture="post")[1] for s in (ref, other))
        return sum(
            (mine[g] - theirs[g][:, perm]).square().sum() for g, perm in element.perms.items()
        )

    best = distance(found.element)
    for _ in range(50):
        assert best <= distance(Permutation.random(SPEC, SPEC.sizes(ref), generator)) + 1e-9


def test_correlation_ignores_scale_and_shift_where_least_squares_does_not():
    ref = draw(SPEC, WIDTHS, 0)
    planted = Permutation.random(SPEC, SPEC.sizes(ref), torch.Generator().manual_seed(0))
    other = apply(planted.inverse(), ref)
    for layer in (0, 1):  # relabel, then rescale and shift what a unit of other reports
        other[f"layers.{layer}.bias"] = other[f"layers.{layer}.bias"] + 0
    seen_scale = torch.linspace(0.1, 9, 8, dtype=torch.float64)

    class Rescaled(Mlp):
        """Reports the first layer's activations of ``other`` in other units."""

        def run(self, state, x, *, capture=None):
            out, seen = super().run(state, x, capture=capture)
            if torch.equal(state["layers.0.weight"], other["layers.0.weight"]):
                seen["hidden.0"] = 3 + seen["hidden.0"] * seen_scale
            return out, seen

    options = [ActivationOptions(objective=name) for name in ("correlation", "least_squares")]
    found = [
        activation_match(SPEC, ref, other, network=Rescaled(WIDTHS, "tanh"), data=X, options=one)
        for one in options
    ]
    assert torch.equal(found[0].element.perms["hidden.0"], planted.perms["hidden.0"])
    assert not torch.equal(found[1].element.perms["hidden.0"], planted.perms["hidden.0"])


def test_dead_units_have_no_correlation():
    ref, other = draw(SPEC, WIDTHS, 0), draw(SPEC, WIDTHS, 1)
    for state in (ref, other):
        state["layers.0.weight"][:4] = 0
        state["layers.0.bias"][:4] = -1
    options = ActivationOptions(objective="correlation")
    found = activation_match(SPEC, ref, other, network=Mlp(WIDTHS), data=X, options=options)
    assert found.objective.isfinite()
    perm = found.element.perms["hidden.0"]
    assert found.history[-1] >= found.history[0]
    assert sorted(perm.tolist()) == list(range(8))


def test_data_in_other_precision_than_the_weights_is_an_error_or_runs():
    ref = draw(SPEC, WIDTHS, 0, dtype=torch.float32)
    found = activation_match(SPEC, ref, ref, network=NET, data=X.float())
    assert found.objective.dtype == torch.float64
    assert all((p == torch.arange(len(p))).all() for p in found.element.perms.values())
    assert weight_match(SPEC, ref, ref).objective.dtype == torch.float64


@pytest.mark.bad_input
def test_bad_arguments_are_refused():
    ref, other = draw(SPEC, WIDTHS, 0), draw(SPEC, WIDTHS, 1)
    for more, words in [
        ({"options": ActivationOptions(objective="cosine")}, "options.objective='cosine'.*choose"),
        ({"options": ActivationOptions(at="during")}, "options.at='during'.*choose"),
        ({"options": ActivationOptions(batch=0)}, "options.batch=0"),
        ({"data": X[:0]}, "at least one sample"),
        ({"data": X / 0}, "not finite"),
        ({"network": Mlp((3, 8, 2))}, "no activations of group 'hidden.1'"),
    ]:
        with pytest.raises(InputError, match=words):
            activation_match(SPEC, ref, other, **{"network": NET, "data": X, **more})
    with pytest.raises(InputError, match="shape differs"):
        activation_match(SPEC, ref, draw(SPEC, (3, 8, 5, 2), 0), network=NET, data=X)
    with pytest.raises(InputError, match="has no group"):
        activation_match(
            network((3, 2)), *[draw(network((3, 2)), (3, 2), 0)] * 2, network=Mlp((3, 2)), data=X
        )
