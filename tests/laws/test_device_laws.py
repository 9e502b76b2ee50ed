"""CPU and GPU agree on the objective: every registered matcher, and the loss along a line."""

import pytest
import torch
from test_matcher_laws import ALIGNING, make, run

from onebasin.connectivity import loss_along_line
from onebasin.networks import Mlp

DEVICE = "cuda"
WIDTHS = (6, 16, 16, 3)

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")


def moved(state):
    return {name: tensor.to(DEVICE) for name, tensor in state.items()}


@pytest.mark.parametrize("models", [None, 3])
@pytest.mark.parametrize("name", ALIGNING)
def test_matchers_agree_on_the_objective(name, models):
    ref, other = (make(WIDTHS, seed, torch.float64, models=models) for seed in (0, 1))
    inputs = torch.randn(64, WIDTHS[0], generator=torch.Generator().manual_seed(7)).double()
    here = run(name, WIDTHS, ref, other, data=inputs)
    network = Mlp(WIDTHS, "tanh").to(DEVICE)
    there = run(name, WIDTHS, moved(ref), moved(other), data=inputs.to(DEVICE), network=network)
    assert there.objective.device.type == DEVICE
    torch.testing.assert_close(there.objective.cpu(), here.objective, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("models", [None, 3])
def test_losses_along_a_line_agree(models):
    ref, other = (make(WIDTHS, seed, torch.float32, models=models) for seed in (0, 1))
    generator = torch.Generator().manual_seed(3)
    inputs = torch.randn(200, WIDTHS[0], generator=generator)
    targets = torch.randint(WIDTHS[-1], (200,), generator=generator)
    loss = torch.nn.functional.cross_entropy
    here = loss_along_line(Mlp(WIDTHS), ref, other, loss, (inputs, targets))
    data = (inputs.to(DEVICE), targets.to(DEVICE))
    there = loss_along_line(Mlp(WIDTHS).to(DEVICE), moved(ref), moved(other), loss, data)
    torch.testing.assert_close(there.loss.cpu(), here.loss, rtol=1e-4, atol=1e-5)
