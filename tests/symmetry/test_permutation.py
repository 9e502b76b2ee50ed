import pytest
import torch

from helpers import draw, network
from onebasin.errors import InputError
from onebasin.symmetry import Permutation, Spec, apply

WIDTHS = (3, 4, 2)
SPEC = network(WIDTHS)
CYCLE = Permutation(SPEC, {"hidden.0": torch.tensor([2, 0, 3, 1])})


def test_unit_i_of_ref_receives_unit_j_of_other():
    other = draw(SPEC, WIDTHS, 0)
    moved = apply(CYCLE, other)
    for i, j in enumerate([2, 0, 3, 1]):
        assert torch.equal(moved["layers.0.weight"][i], other["layers.0.weight"][j])
        assert torch.equal(moved["layers.0.bias"][i], other["layers.0.bias"][j])
        assert torch.equal(moved["layers.1.weight"][:, i], other["layers.1.weight"][:, j])
    assert torch.equal(moved["layers.1.bias"], other["layers.1.bias"])


def test_as_a_matrix_it_moves_rows_and_its_transpose_columns():
    matrix = CYCLE.matrices()["hidden.0"]
    assert matrix.dtype == torch.float64
    assert [matrix[i, j].item() for i, j in enumerate([2, 0, 3, 1])] == [1] * 4
    other = draw(SPEC, WIDTHS, 0)
    moved = apply(CYCLE, other)
    assert torch.equal(matrix @ other["layers.0.weight"], moved["layers.0.weight"])
    assert torch.equal(other["layers.1.weight"] @ matrix.T, moved["layers.1.weight"])
    back = Permutation.from_matrices(SPEC, CYCLE.matrices())
    assert torch.equal(back.perms["hidden.0"], CYCLE.perms["hidden.0"])
    assert torch.equal(CYCLE.inverse().matrices()["hidden.0"], matrix.T)


def test_fixed_points_are_the_ones_on_the_diagonal():
    some = Permutation(SPEC, {"hidden.0": torch.tensor([[0, 2, 1, 3], [1, 2, 3, 0]])})
    assert some.fixed_points()["hidden.0"].tolist() == [2, 0]
    diagonal = some.matrices()["hidden.0"].diagonal(dim1=-2, dim2=-1).sum(-1)
    assert diagonal.tolist() == [2, 0]


def test_random_permutations_are_uniform_and_named_by_their_stream():
    draws = Permutation.random(
        SPEC, {"hidden.0": 3} | {"hidden.0": 3}, torch.Generator().manual_seed(0), models=6000
    ).perms["hidden.0"]
    _, counts = draws.unique(dim=0, return_counts=True)
    assert len(counts) == 6
    # 99.99 % of the chi-square distribution with 5 degrees of freedom lies below 25.7
    assert ((counts - 1000).square() / 1000).sum() < 25.7
    again = [
        Permutation.random(SPEC, {"hidden.0": 9}, torch.Generator().manual_seed(4)) for _ in "ab"
    ]
    assert torch.equal(again[0].perms["hidden.0"], again[1].perms["hidden.0"])


def test_a_group_on_both_axes_of_one_tensor():
    spec = Spec({"in": ("units", None), "recurrent": ("units", "units"), "out": (None, "units")})
    state = {"in": torch.randn(4, 2), "recurrent": torch.randn(4, 4), "out": torch.randn(1, 4)}
    perm = torch.tensor([2, 0, 3, 1])
    moved = apply(Permutation(spec, {"units": perm}), state)
    assert torch.equal(moved["recurrent"], state["recurrent"][perm][:, perm])


@pytest.mark.bad_input
def test_what_is_not_a_permutation_is_refused():
    for bad in ([0, 0, 1, 2], [1, 2, 3, 4], [0, 1, 2, -1], [[0, 1, 2, 3], [0, 1, 1, 3]]):
        with pytest.raises(InputError, match="exactly once"):
            Permutation(SPEC, {"hidden.0": torch.tensor(bad)})
    with pytest.raises(InputError, match="exactly once"):
        Permutation(SPEC, {"hidden.0": torch.tensor([0.0, 1.0, 2.0])})
    with pytest.raises(InputError, match="one entry per group"):
        Permutation(SPEC, {})
    with pytest.raises(InputError, match="must be \\[units\\]"):
        Permutation(
            network((1, 2, 2, 1)),
            {"hidden.0": torch.tensor([0, 1]), "hidden.1": torch.tensor([[0, 1]])},
        )


@pytest.mark.bad_input
def test_what_is_not_a_permutation_matrix_is_refused():
    rotation = torch.tensor([[0.6, -0.8], [0.8, 0.6]])
    twice = torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    for bad in (rotation, twice, 2 * torch.eye(2), torch.full((2, 2), 0.5), torch.ones(2, 3)):
        with pytest.raises(InputError, match="not a permutation matrix"):
            Permutation.from_matrices(SPEC, {"hidden.0": bad})
