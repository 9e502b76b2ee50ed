r"""Why the matching problem of weights is hard: two hard problems written in its form.

For three layers whose first and last matrices are zero, weight matching asks for
:math:`\min_{P,Q} \langle P A Q^\top, B\rangle_F`. The quadratic assignment problem and the search
for a complete part of a bipartite graph are both of this form.
"""

from __future__ import annotations

from itertools import combinations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from onebasin import seeds
from onebasin.errors import InputError
from onebasin.matching.quadratic import bilinear_values


def random_qap(units: int, case: int) -> tuple[Tensor, Tensor]:
    """A random quadratic assignment problem: entries of 1 and -1 if odd, else uniform in [0, 1].

    Args:
        units: d.
        case: Number of the draw.

    Returns:
        C and D, float64.
    """
    generator = seeds.stream("qap", units, case)
    both = torch.rand(2, units, units, generator=generator, dtype=torch.float64)
    flow, distance = (both - 0.5).sign() if case % 2 else both
    return flow, distance


def from_qap(
    flow: Float[Tensor, "units units"], distance: Float[Tensor, "units units"], factor: float
) -> tuple[Tensor, Tensor, float]:
    r"""Write a quadratic assignment problem as a bilinear one.

    The small problem minimises :math:`\langle P C P^\top, D\rangle`, the big one
    :math:`\langle P A Q^\top, B\rangle` with :math:`A = C + \lambda I`, :math:`B = D - \lambda I`.
    Here :math:`\lambda` is ``factor`` times :math:`d\alpha`, where :math:`\alpha` is the largest
    entry of C and D in absolute value; above 5 every P = Q beats every other pair.

    Args:
        flow: C.
        distance: D.
        factor: :math:`\lambda / (d\alpha)`, dimensionless.

    Returns:
        A, B and the constant that the big objective adds to the small one where P = Q.

    Source: [ainsworth2023], A.8.
    """
    units = len(flow)
    scale = factor * units * float(torch.stack([flow, distance]).abs().max())
    eye = torch.eye(units, dtype=flow.dtype)
    constant = scale * float(distance.trace() - flow.trace()) - scale**2 * units
    return flow + scale * eye, distance - scale * eye, constant


def separation(
    flow: Float[Tensor, "units units"],
    distance: Float[Tensor, "units units"],
    factors: Float[Tensor, " factors"],
) -> Float[Tensor, " factors"]:
    r"""By how much the pairs with P = Q beat all others, for many factors at once.

    Args:
        flow: C.
        distance: D.
        factors: Values of :math:`\lambda / (d\alpha)`, as in :func:`from_qap`.

    Returns:
        Best objective with P unlike Q minus worst with P = Q, in units of :math:`(d\alpha)^2`;
        positive where every P = Q is better (smaller).

    Source: [ainsworth2023], A.8, eq. 8-10: the objective is a quadratic in :math:`\lambda`.
    """
    units = len(flow)
    eye = torch.eye(units, dtype=flow.dtype)
    unit = units * torch.stack([flow, distance]).abs().max()
    constant = bilinear_values(flow, distance)
    slope = bilinear_values(eye, distance) - bilinear_values(flow, eye)
    scale = (factors * unit)[:, None, None]
    values = constant + scale * slope - scale**2 * bilinear_values(eye, eye)
    equal = values.diagonal(dim1=1, dim2=2).amax(1)
    apart = torch.where(torch.eye(values.shape[-1], dtype=torch.bool), torch.inf, values)
    return (apart.amin((1, 2)) - equal) / unit**2


def from_biclique(adjacency: Tensor, size: int) -> tuple[Tensor, Tensor]:
    r"""Write "does this bipartite graph contain a complete K-by-K part?" as a bilinear problem.

    With A the indicator of a K-by-K block and B that of the missing edges,
    :math:`\langle P A Q^\top, B\rangle` counts the edges that K chosen rows and K chosen columns
    lack. Its minimum is 0 exactly if the complete part exists, so an approximation within *any*
    factor decides an NP-complete question (Garey and Johnson, GT24). The reduction is ours.

    Args:
        adjacency: Square matrix of zeros and ones, left vertices by right vertices.
        size: K.

    Returns:
        A and B for :func:`bilinear_values`, to be minimised.

    Raises:
        InputError: if ``size`` does not fit.
    """
    if not 0 < size <= len(adjacency):
        raise InputError("size", size, f"choose 1 to {len(adjacency)}")
    block = torch.zeros_like(adjacency, dtype=torch.float64)
    block[:size, :size] = 1
    return block, 1 - adjacency.to(torch.float64)


def has_biclique(adjacency: Bool[Tensor, "units units"], size: int) -> bool:
    """Whether a bipartite graph contains a complete ``size``-by-``size`` part, by trying all."""
    sets = [list(chosen) for chosen in combinations(range(len(adjacency)), size)]
    return any(bool(adjacency[rows][:, columns].all()) for rows in sets for columns in sets)
