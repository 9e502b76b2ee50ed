import pytest
import torch

from onebasin.connectivity import auc, barrier, excess, mean_barrier, peaks
from onebasin.errors import InputError


def test_stacks_of_any_shape():
    loss = torch.rand(2, 3, 11, generator=torch.Generator().manual_seed(0))
    assert barrier(loss).shape == mean_barrier(loss).shape == auc(loss).shape == (2, 3)
    assert excess(loss).shape == (2, 3, 11)
    assert excess(loss)[..., [0, -1]].abs().max() == 0
    assert len(peaks(loss)) == 6 and len(peaks(loss[0, 0])) == 1


def test_a_dip_below_both_ends_may_hide_a_barrier():
    loss = torch.tensor([1.0, 0.2, 1.4, 0.2, 1.0])
    assert barrier(loss) == pytest.approx(0.4)
    assert auc(loss) == pytest.approx(0.25 * (-0.8 + 0.4 - 0.8))
    assert auc(loss, clip=True) == 0


def test_plateaus_and_ends():
    assert peaks(torch.tensor([0.0, 1.0, 1.0, 1.0, 0.0])) == [[2]]
    assert peaks(torch.tensor([3.0, 1.0, 0.5, 1.0, 3.0])) == [[]]
    assert peaks(torch.zeros(5)) == [[]]


@pytest.mark.bad_input
def test_bad_curves_are_refused():
    for measure in (excess, barrier, mean_barrier, auc, peaks):
        with pytest.raises(InputError, match="two ends"):
            measure(torch.ones(3, 1))
        with pytest.raises(InputError, match="not finite"):
            measure(torch.tensor([1.0, float("nan"), 1.0]))
    for places in ([0.0, 0.5], [0.0, 0.6, 0.5], [0.1, 0.5, 1.0], [0.0, 0.5, 0.9]):
        with pytest.raises(InputError, match="rise from 0 to 1"):
            barrier(torch.ones(3), lambdas=torch.tensor(places))
