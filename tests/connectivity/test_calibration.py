import pytest
import torch
from torch.nn.functional import cross_entropy

from onebasin.connectivity.calibration import best_temperature, calibration
from onebasin.errors import InputError


def drawn(count=4000, scale=1.0, models=()):
    """Logits, and classes drawn from the very probabilities they state."""
    generator = torch.Generator().manual_seed(0)
    logits = 2 * torch.randn(count, 5, generator=generator).double()
    classes = torch.multinomial(logits.softmax(-1), 1, generator=generator).squeeze(-1)
    return (scale * logits).expand(*models, count, 5), classes


def test_who_means_what_he_says_has_no_error_and_who_shouts_has():
    honest, classes = drawn()
    assert calibration(honest, classes).error < 0.03
    loud = calibration(3 * honest, classes)
    assert loud.error > 0.15 and (loud.confidence >= loud.accuracy - 0.05).all()


def test_bins_by_hand():
    logits = torch.tensor([[0.9, 0.1], [0.85, 0.15], [0.65, 0.35], [0.25, 0.75]]).log()
    found = calibration(logits, torch.tensor([0, 1, 0, 1]), bins=5)
    assert found.share.tolist() == [0, 0, 0, 0.5, 0.5]
    assert found.confidence[3:].tolist() == pytest.approx([0.7, 0.875])
    assert found.accuracy[3:].tolist() == [1.0, 0.5]
    assert found.error.item() == pytest.approx(0.5 * 0.3 + 0.5 * 0.375)


def test_a_stack_is_its_members():
    logits, classes = drawn(300, models=(3,))
    stack, one = calibration(logits, classes), calibration(logits[1], classes)
    assert torch.allclose(stack.error[1], one.error) and stack.share.shape == (3, 10)
    assert torch.allclose(stack.share.sum(-1), torch.ones(3).double())


@pytest.mark.parametrize("scale", [0.25, 1.0, 4.0])
def test_the_temperature_is_found(scale):
    logits, classes = drawn(scale=scale)
    found = best_temperature(logits, classes)
    assert found == pytest.approx(scale, rel=0.1)
    best = cross_entropy(logits / found, classes)
    assert all(best <= cross_entropy(logits / (found * f), classes) for f in (0.97, 1.03))


@pytest.mark.bad_input
def test_bad_arguments_are_refused():
    with pytest.raises(InputError, match="1 or more each"):
        calibration(torch.zeros(0, 3), torch.zeros(0, dtype=torch.long))
