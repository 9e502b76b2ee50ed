"""Students fitted to a teacher until the functions agree to rounding."""

import pytest
import torch

from helpers import draw, network
from onebasin import Siren
from onebasin.errors import InputError
from onebasin.networks.students import fit_students, free_directions

WIDTHS = (2, 3, 1)
SIREN = Siren(3, 1, inputs=2, omega=1.0).double()
X = 4 * torch.rand(60, 2, generator=torch.Generator().manual_seed(0)).double() - 2


def near(teacher, models, noise):
    generator = torch.Generator().manual_seed(1)
    shape = {name: (models, *tensor.shape) for name, tensor in teacher.items()}
    drawn = {n: torch.randn(s, generator=generator).double() for n, s in shape.items()}
    return {name: teacher[name] + noise * drawn[name] for name in teacher}


def test_students_that_start_close_end_at_the_teacher():
    teacher = draw(network(WIDTHS), WIDTHS, 0)
    starts = near(teacher, 5, 0.01)
    found = fit_students(SIREN, starts, X, SIREN.run(teacher, X), steps=30)
    assert (found.error < 1e-12).all()
    for name, tensor in teacher.items():
        assert torch.allclose(found.states[name], tensor.expand(5, *tensor.shape), atol=1e-9)
        assert starts[name].shape == found.states[name].shape


def test_the_error_never_rises():
    teacher = draw(network(WIDTHS), WIDTHS, 0)
    starts, y = near(teacher, 8, 2.0), SIREN.run(teacher, X)
    errors = torch.stack([fit_students(SIREN, starts, X, y, steps=n).error for n in (0, 5, 20)])
    assert (errors.diff(dim=0) <= 0).all() and (errors[2] < errors[0]).any()


def test_free_directions_are_counted():
    teacher = draw(network(WIDTHS), WIDTHS, 0)
    assert free_directions(SIREN, teacher, X) == 0
    silent = {name: tensor.clone() for name, tensor in teacher.items()}
    silent["layers.1.weight"][:, 0] = 0
    assert free_directions(SIREN, silent, X) == 3  # two incoming weights and a bias


def test_single_precision_is_refused():
    teacher = draw(network(WIDTHS), WIDTHS, 0, models=2, dtype=torch.float32)
    with pytest.raises(InputError, match="float64"):
        fit_students(SIREN, teacher, X, X[:, :1])
