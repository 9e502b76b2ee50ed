"""Laws of every barrier-like number, and of the line it is measured on."""

import pytest
import torch

from helpers import draw, network
from onebasin.connectivity import auc, barrier, excess, loss_along_line, mean_barrier, peaks
from onebasin.networks import Mlp

WIDTHS = (4, 6, 5, 3)
MSE = torch.nn.functional.mse_loss


def line(ref, other, **more):
    generator = torch.Generator().manual_seed(3)
    x, y = torch.randn(40, 4, generator=generator), torch.randn(40, 3, generator=generator)
    first = next(iter(ref.values()))
    data = x.to(first.dtype), y.to(first.dtype)
    return loss_along_line(Mlp(WIDTHS), ref, other, MSE, data, **more)


def nets(seed, models=3, dtype=torch.float64):
    return draw(network(WIDTHS), WIDTHS, seed, models=models, dtype=dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("seed", range(3))
def test_between_equal_networks_there_is_no_barrier(seed, dtype):
    state = nets(seed, dtype=dtype)
    loss = line(state, state).loss
    assert (loss == loss[:, :1]).all()
    for measure in (barrier, mean_barrier, auc):
        assert (measure(loss).abs() <= 1e-15 * loss.amax()).all()
    assert peaks(loss) == [[], [], []]


@pytest.mark.parametrize("seed", range(5))
def test_barriers_are_symmetric_and_never_negative(seed):
    ref, other = nets(seed), nets(seed + 50)
    there, back = line(ref, other).loss, line(other, ref).loss
    assert torch.allclose(there, back.flip(-1), rtol=1e-12)
    for measure in (barrier, mean_barrier, auc):
        assert torch.allclose(measure(there), measure(back), rtol=1e-9, atol=1e-12)
    assert (barrier(there) >= 0).all() and (mean_barrier(there) >= 0).all()
    assert (auc(there, clip=True) >= 0).all()
    assert (barrier(there) >= auc(there)).all()


def test_barrier_of_convex_linear_and_concave_losses():
    lam = torch.linspace(0, 1, 25, dtype=torch.float64)
    convex, linear, concave = (lam - 0.3).square(), 2 + 3 * lam, -(lam - 0.3).square()
    loss = torch.stack([convex, linear, concave])
    assert barrier(loss)[:2].tolist() == [0, 0]
    assert excess(loss)[0, 1:-1].max() < 0  # only over the inner points a convex loss is negative
    assert barrier(loss)[2] == pytest.approx(0.25, abs=1e-15)
    # psi = lam (1 - lam) for the concave parabola: 1/4 at 1/2, area 1/6 (trapezoid: - h^2 / 6)
    assert auc(loss).tolist() == pytest.approx([-1 / 6 + 1 / 3456, 0, 1 / 6 - 1 / 3456], abs=1e-14)
    assert auc(loss, clip=True)[0] == 0
    assert mean_barrier(linear) == pytest.approx(1.5)  # half the difference of the ends


def test_uneven_points_are_weighed():
    lam = torch.tensor([0, 0.1, 0.5, 1], dtype=torch.float64)
    loss = torch.tensor([1, 1.1, 3.5, 2], dtype=torch.float64)
    assert barrier(loss, lambdas=lam) == pytest.approx(2.0)
    assert auc(loss, lambdas=lam) == pytest.approx(0.4 * 2 / 2 + 0.5 * 2 / 2)


def test_peaks_are_counted_by_prominence():
    lam = torch.linspace(0, 1, 25, dtype=torch.float64)
    bump = lambda at, height: height * (-((lam - at) / 0.08).square()).exp()  # noqa: E731
    two, one, ripple = bump(1 / 8, 1) + bump(7 / 8, 0.8), bump(0.5, 2), bump(1 / 8, 0.05)
    loss = torch.stack([two, one, one + ripple, lam])
    assert peaks(loss) == [[3, 21], [12], [12], []]
    assert peaks(one + ripple, prominence=0.01) == [[3, 12]]
