"""Labels against brute force, and where they are asked."""

from __future__ import annotations

import pytest
import torch

from onebasin.errors import InputError
from onebasin.seeds import stream
from onebasin.shapes import primitives
from onebasin.shapes.udf import Counts, distance, labels, queries

CLOUD = torch.rand(60, 3, generator=stream("cloud")) - 0.5
COUNTS = Counts(close=300, medium=200, far=100, uniform=50, surface=40)


def test_labels_equal_brute_force():
    points = queries(CLOUD, COUNTS, generator=stream("queries"))
    nearest = torch.cdist(points.double(), CLOUD.double()).amin(dim=1)
    expected = 1 - nearest.clamp(max=0.1) / 0.1
    torch.testing.assert_close(labels(points, CLOUD), expected.float(), rtol=0, atol=1e-5)


def test_labels_are_one_on_the_cloud_and_zero_far_away():
    assert torch.equal(labels(CLOUD, CLOUD), torch.ones(60))
    assert torch.equal(labels(CLOUD + 10, CLOUD), torch.zeros(60))
    edge = CLOUD[:1] + torch.tensor([[0.0, 0.0, 0.0]])
    assert labels(edge, CLOUD).shape == (1,)


def test_a_wider_truncation_tells_more_apart():
    points = queries(CLOUD, COUNTS, generator=stream("queries"))
    assert (labels(points, CLOUD, 0.5) >= labels(points, CLOUD, 0.1)).all()
    far = labels(points, CLOUD, 10.0)
    torch.testing.assert_close(10 * (1 - far), distance(points, CLOUD), rtol=0, atol=1e-5)


def test_distances_to_a_mesh_are_those_to_its_triangles():
    pytest.importorskip("open3d")
    cube = primitives.box((1.0, 1.0, 1.0))
    points = torch.tensor([[0.0, 0, 0], [0.75, 0, 0], [0.5, 0.5, 0.5], [2.0, 0, 0]])
    torch.testing.assert_close(distance(points, cube), torch.tensor([0.5, 0.25, 0.0, 1.5]))


def test_queries_stand_at_their_distances():
    counts = Counts(close=4000, medium=4000, far=4000, uniform=4000, surface=400)
    points = queries(CLOUD, counts, generator=stream("queries"))
    assert len(points) == counts.total and points.abs().max() <= 1
    parts = points.split([4000, 4000, 4000, 4000, 400])
    typical = [float(distance(part, CLOUD).median()) for part in parts]
    assert typical[0] < 0.006 < typical[1] < 0.02 < typical[2] < typical[3] and typical[4] == 0
    around = CLOUD[torch.arange(4000) % 60]
    assert abs((parts[1] - around).std() - 0.01) < 0.001


def test_the_default_counts_are_the_thesis_s():
    counts = Counts()
    assert (counts.total, counts.close, counts.medium) == (500_000, 250_000, 200_000)
    assert (counts.far, counts.uniform, counts.surface) == (25_000, 25_000, 0)
    small = counts.scaled(10_000)
    assert (small.close, small.medium, small.far, small.uniform) == (5000, 4000, 500, 500)


@pytest.mark.parametrize("cloud", [torch.empty(0, 3), torch.full((2, 3), float("inf"))])
def test_degenerate_clouds_are_refused(cloud):
    with pytest.raises(InputError):
        queries(cloud, COUNTS, generator=stream("queries"))
    with pytest.raises(InputError):
        labels(CLOUD, cloud)
    with pytest.raises(InputError):
        labels(cloud, CLOUD)


def test_impossible_settings_are_refused():
    with pytest.raises(InputError, match="counts"):
        Counts(close=-1)
    with pytest.raises(InputError, match="counts"):
        Counts(0, 0, 0, 0)
    with pytest.raises(InputError, match="truncation"):
        labels(CLOUD, CLOUD, 0.0)
