"""Students that are fitted to the function of a teacher until nothing is left to fit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from onebasin.errors import InputError
from onebasin.networks.population import call
from onebasin.symmetry.spec import State

_DOWN, _UP = 0.3, 3.0  # what a step that was good or bad does to the damping


@dataclass(frozen=True)
class Students:
    """Networks fitted to a teacher's answers.

    Args:
        states: Their parameters, stacked.
        error: Root mean square difference from the teacher, divided by that of the teacher.
    """

    states: dict[str, Tensor]
    error: Float[Tensor, " models"]


def fit_students(
    network: nn.Module, starts: State, x: Tensor, y: Tensor, *, steps: int = 200
) -> Students:
    """Fit a stack of small networks to the same answers by Levenberg and Marquardt's method.

    A damped Gauss-Newton step for each network; one that does not lower the error is not taken and
    raises the damping. Gradient descent stalls long before two functions agree to rounding; this
    does not.

    Args:
        network: The kind of network.
        starts: Parameters to start from, a float64 stack.
        x: Inputs ``[samples fan]``.
        y: The teacher's answers ``[samples outputs]``.
        steps: Steps for every network.

    Returns:
        The fitted networks. Each step costs O(samples parameters^2) for each.

    Raises:
        InputError: if the starts are no stack in float64.
    """
    names, shapes = list(starts), [starts[name].shape[1:] for name in starts]
    if any(t.dtype != torch.float64 for t in starts.values()):
        raise InputError("starts", "float32", "needs float64; a fit to rounding is the point")
    sizes = [shape.numel() for shape in shapes]

    def residual(flat: Tensor) -> Tensor:
        parts = zip(names, flat.split(sizes), shapes, strict=True)
        return (call(network, {n: part.view(s) for n, part, s in parts}, x) - y).flatten()

    flat = torch.cat([starts[name].flatten(1) for name in names], dim=1)
    flat = _descend(residual, flat, steps)
    error = torch.vmap(residual)(flat).square().mean(1).sqrt() / y.square().mean().sqrt()
    parts = zip(names, flat.split(sizes, dim=1), shapes, strict=True)
    return Students({n: part.reshape(-1, *s) for n, part, s in parts}, error)


def free_directions(network: nn.Module, state: State, x: Tensor, *, rtol: float = 1e-9) -> int:
    """In how many directions a network's parameters move without changing its answers.

    The dimension of the null space of the Jacobian of all answers by all parameters.

    Args:
        network: The kind of network.
        state: Parameters of one network, float64.
        x: Inputs, more of them than the network has parameters.
        rtol: Singular values below this share of the largest count as zero.
    """
    jacobian = torch.func.jacrev(lambda values: call(network, values, x).flatten())(dict(state))
    matrix = torch.cat([part.flatten(1) for part in jacobian.values()], dim=1)
    singular = torch.linalg.svdvals(matrix)
    return int((singular <= rtol * singular[0]).sum())


@torch.no_grad()
def _descend(
    residual: Callable[[Tensor], Tensor], flat: Float[Tensor, "models p"], steps: int
) -> Float[Tensor, "models p"]:
    damping = torch.ones(len(flat), 1, dtype=flat.dtype, device=flat.device)
    values = torch.vmap(residual)(flat)
    jacobian_of = torch.vmap(torch.func.jacfwd(residual))
    for _ in range(steps):
        jacobian = jacobian_of(flat)
        curvature, slope = jacobian.mT @ jacobian, (jacobian.mT @ values.unsqueeze(-1))
        ridge = damping * (curvature.diagonal(dim1=1, dim2=2) + 1e-12)
        trial = flat - torch.linalg.solve(curvature + ridge.diag_embed(), slope).squeeze(-1)
        found = torch.vmap(residual)(trial)
        better: Bool[Tensor, " models"] = found.square().sum(1) < values.square().sum(1)
        taken = better.unsqueeze(1)
        flat, values = torch.where(taken, trial, flat), torch.where(taken, found, values)
        damping = (damping * torch.where(taken, _DOWN, _UP)).clamp(1e-15, 1e15)
    return flat
