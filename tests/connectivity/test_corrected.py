import pytest
import torch

from onebasin.connectivity import (
    barrier,
    corrected_barrier,
    loss_along_corrected_path,
    loss_along_line,
)
from onebasin.errors import InputError
from onebasin.merging.repair import repair
from onebasin.networks import Siren, call, initialise

NET = Siren(16, 2).double()
MSE = torch.nn.functional.mse_loss


def points(samples, seed, models=()):
    generator = torch.Generator().manual_seed(seed)
    return 2 * torch.rand(*models, samples, 3, generator=generator, dtype=torch.float64) - 1


def pairs(models):
    drawn = {n: t.double() for n, t in initialise(NET, list(range(2 * models))).items()}
    return [{n: t[k::2] for n, t in drawn.items()} for k in (0, 1)]


@pytest.mark.parametrize("room", [1, 20_000, 1 << 22])
def test_every_stop_is_the_loss_of_the_repaired_network(room, monkeypatch):
    monkeypatch.setattr("onebasin.connectivity.corrected._ELEMENTS", room)
    ref, other = pairs(2)
    x, seen = points(300, 0), points(100, 1)
    y = x.sum(-1, keepdim=True)
    path = loss_along_corrected_path(NET, ref, other, MSE, (x, y), seen=seen, lambdas=5)
    for k, lam in enumerate(path.lambdas.tolist()):
        fixed = repair(NET, ref, other, seen, lam=lam)
        outputs = call(NET, fixed, x)
        expected = torch.stack([MSE(out, y) for out in outputs])
        assert torch.allclose(path.loss[:, k], expected, rtol=1e-9)
    line = loss_along_line(NET, ref, other, MSE, (x, y), lambdas=5).loss
    assert torch.allclose(path.loss[:, [0, -1]], line[:, [0, -1]], rtol=1e-9)
    assert not torch.allclose(path.loss[:, 2], line[:, 2], rtol=1e-3)
    assert torch.equal(corrected_barrier(path), barrier(path.loss))


def test_one_network_alone_and_each_with_its_own_data():
    ref, other = pairs(3)
    x, seen = points(60, 0, (3,)), points(50, 1, (3,))
    y = x.sum(-1, keepdim=True)
    path = loss_along_corrected_path(NET, ref, other, MSE, (x, y), seen=seen, lambdas=[0, 0.3, 1])
    for k in range(3):
        pair = ({n: t[k] for n, t in s.items()} for s in (ref, other))
        one = loss_along_corrected_path(
            NET, *pair, MSE, (x[k], y[k]), seen=seen[k], lambdas=[0, 0.3, 1]
        )
        assert one.loss.shape == (3,)
        assert torch.allclose(one.loss, path.loss[k], rtol=1e-9)


def test_equal_ends_have_no_corrected_barrier():
    ref, _ = pairs(2)
    x, seen = points(60, 0), points(50, 1)
    path = loss_along_corrected_path(NET, ref, ref, MSE, (x, x[:, :1]), seen=seen, lambdas=5)
    assert (corrected_barrier(path) < 1e-12).all()


def test_the_statistics_must_not_see_what_is_judged():
    ref, other = pairs(1)
    x = points(60, 0)
    seen = torch.cat([points(20, 1), x[7:9]])
    with pytest.raises(InputError, match="measure the loss on others"):
        loss_along_corrected_path(NET, ref, other, MSE, (x, x[:, :1]), seen=seen)
