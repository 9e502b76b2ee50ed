"""Chamfer distance and F-score: axioms and values known by hand."""

from __future__ import annotations

import pytest
import torch

from onebasin.errors import InputError
from onebasin.seeds import stream
from onebasin.shapes.metrics import chamfer, chamfer_table, f_score

A = torch.rand(80, 3, generator=stream("a"))
B = torch.rand(50, 3, generator=stream("b"))


def test_equal_clouds_are_at_distance_zero_and_symmetric_otherwise():
    assert chamfer(A, A) == 0 and f_score(A, A) == 1
    assert chamfer(A, B) > 0
    assert chamfer(A, B) == pytest.approx(chamfer(B, A))
    assert f_score(A, B, 0.1) == pytest.approx(f_score(B, A, 0.1))


def test_values_known_by_hand():
    point, pair = torch.zeros(1, 3), torch.tensor([[1.0, 0, 0], [0, 3, 0]])
    assert chamfer(point, pair) == pytest.approx(1 + (1 + 9) / 2)
    assert f_score(point, pair, 1.0) == pytest.approx(2 * 1 * 0.5 / 1.5)
    assert f_score(point, pair, 0.5) == 0


def test_chamfer_equals_brute_force():
    table = torch.cdist(A.double(), B.double()).square()
    assert chamfer(A, B) == pytest.approx(
        float(table.amin(1).mean() + table.amin(0).mean()), rel=1e-5
    )


def test_the_f_score_grows_with_the_threshold():
    scores = [f_score(A, B, threshold) for threshold in (0.01, 0.05, 0.1, 0.5, 2.0)]
    assert scores == sorted(scores) and scores[-1] == 1


def test_chamfer_ignores_the_order_of_points_and_moves():
    order = torch.randperm(80, generator=stream("order"))
    assert chamfer(A[order], B) == pytest.approx(chamfer(A, B))
    assert chamfer(A + 1, B + 1) == pytest.approx(chamfer(A, B), rel=1e-4)


def test_degenerate_input_is_refused():
    with pytest.raises(InputError):
        chamfer(torch.empty(0, 3), B)
    with pytest.raises(InputError):
        f_score(A, B, 0.0)


def test_a_table_holds_the_distances_of_all_pairs():
    clouds = [torch.rand(n, 3, generator=stream("table", n)) for n in (5, 9, 20)]
    table = chamfer_table(clouds[:2], clouds)
    assert table[0, 0] == 0 and table.shape == (2, 3)
    for i in range(2):
        for j in range(3):
            assert float(table[i, j]) == pytest.approx(chamfer(clouds[i], clouds[j]), abs=1e-6)
    with pytest.raises(InputError, match="cloud"):
        chamfer_table(clouds, [torch.empty(0, 3)])
