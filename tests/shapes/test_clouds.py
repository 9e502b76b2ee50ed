"""Clouds and meshes: frames, sampling by area, spread-out points, degenerate input."""

from __future__ import annotations

import pytest
import torch

from onebasin.errors import InputError
from onebasin.seeds import stream
from onebasin.shapes.clouds import (
    Mesh,
    farthest_points,
    normalise,
    normalise_mesh,
    sample_surface,
)

TRIANGLE = Mesh(torch.tensor([[0.0, 0, 0], [1, 0, 0], [0, 1, 0]]), torch.tensor([[0, 1, 2]]))


def test_a_normalised_cloud_is_centred_with_radius_one():
    cloud = normalise(5 + 3 * torch.randn(200, 3, generator=stream("cloud")))
    assert cloud.mean(dim=0).abs().max() < 1e-6
    assert abs(cloud.norm(dim=1).max() - 1) < 1e-6


def test_normalising_ignores_where_and_how_large_a_shape_is():
    cloud = torch.randn(50, 3, generator=stream("cloud"), dtype=torch.float64)
    torch.testing.assert_close(normalise(cloud), normalise(7 * cloud - 2))
    mesh = Mesh(3 * TRIANGLE.vertices + 4, TRIANGLE.faces)
    torch.testing.assert_close(normalise_mesh(mesh).vertices, normalise_mesh(TRIANGLE).vertices)


def test_points_lie_on_the_triangle_and_cover_it_evenly():
    points = sample_surface(TRIANGLE, 40_000, generator=stream("points")).double()
    x, y, z = points.unbind(1)
    assert (x >= 0).all() and (y >= 0).all() and (x + y <= 1 + 1e-6).all() and (z == 0).all()
    torch.testing.assert_close(
        points.mean(dim=0)[:2], torch.full((2,), 1 / 3).double(), rtol=0.03, atol=0
    )
    inner = ((x < 0.5) & (y < 0.5)).double().mean()  # a square of area 1/4 in a triangle of 1/2
    assert abs(inner - 0.5) < 0.02


def test_triangles_are_chosen_by_area():
    far = torch.tensor([[9.0, 0, 0], [12, 0, 0], [9, 1, 0]])
    mesh = Mesh(torch.cat([TRIANGLE.vertices, far]), torch.tensor([[0, 1, 2], [3, 4, 5]]))
    points = sample_surface(mesh, 20_000, generator=stream("points"))
    assert abs((points[:, 0] > 5).double().mean() - 0.75) < 0.02


def test_a_cloud_is_a_function_of_its_stream():
    first = sample_surface(TRIANGLE, 10, generator=stream("points", 1))
    assert torch.equal(first, sample_surface(TRIANGLE, 10, generator=stream("points", 1)))
    assert not torch.equal(first, sample_surface(TRIANGLE, 10, generator=stream("points", 2)))


def test_farthest_points_are_greedy():
    line = torch.tensor([[0.0, 0, 0], [1, 0, 0], [2, 0, 0], [10, 0, 0]])
    chosen = farthest_points(line, 3)
    assert chosen[:, 0].tolist() == [0, 10, 2]
    assert torch.equal(farthest_points(line, 4).sort(dim=0).values, line)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    "points",
    [torch.empty(0, 3), torch.zeros(5, 2), torch.full((4, 3), float("nan")), torch.ones(6, 3)],
)
def test_degenerate_clouds_are_refused(points):
    with pytest.raises(InputError):
        normalise(points)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("vertices", "faces"),
    [
        (torch.zeros(3, 3), [[0, 1, 2]]),
        (torch.eye(3), [[0, 1, 3]]),
        (torch.eye(3), [[0, 1, -1]]),
        (torch.eye(3) * float("inf"), [[0, 1, 2]]),
        (torch.empty(0, 3), [[0, 1, 2]]),
        (torch.eye(3), []),
    ],
)
def test_degenerate_meshes_are_refused(vertices, faces):
    with pytest.raises(InputError):
        Mesh(vertices, torch.tensor(faces, dtype=torch.int64))


def test_impossible_counts_are_refused():
    with pytest.raises(InputError):
        sample_surface(TRIANGLE, 0, generator=stream("points"))
    with pytest.raises(InputError):
        farthest_points(torch.eye(3), 4)
    with pytest.raises(InputError):
        farthest_points(torch.eye(3), 2, start=3)
