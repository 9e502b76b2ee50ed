"""What an embedding of INRs tells apart: their shapes, or the weights they started from."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from onebasin.errors import InputError


@dataclass(frozen=True)
class Shares:
    """Parts of the variance of embeddings, which add up to 1.

    Args:
        shape: What the shape explains.
        start: What the start explains.
        rest: What neither explains alone: start and shape together, and chance.
    """

    shape: float
    start: float
    rest: float


def variance_shares(codes: Float[Tensor, "shapes starts code"]) -> Shares:
    r"""Which part of the embeddings' variance is due to shapes, and which to starts.

    .. math:: \sum_{ij} \|z_{ij} - \bar z\|^2 = m \sum_i \|\bar z_{i\cdot} - \bar z\|^2
              + n \sum_j \|\bar z_{\cdot j} - \bar z\|^2 + \text{rest}

    for :math:`n` shapes, each fitted from the same :math:`m` starts: the analysis of variance with
    two factors, summed over the entries of the embedding. With few shapes and starts, chance alone
    gives each factor a share of about :math:`1/m` or :math:`1/n` of the rest.

    Args:
        codes: Embedding of every shape from every start.

    Raises:
        InputError: if there are fewer than two shapes or starts, or all embeddings are equal.
    """
    if min(codes.shape[:2]) < 2:
        raise InputError("codes", tuple(codes.shape), "give at least two shapes and two starts")
    away = codes.double() - codes.double().mean(dim=(0, 1))
    total = float(away.square().sum())
    if not total > 0:
        raise InputError("codes", "equal", "embeddings that do not differ have no variance")
    shape = float(away.mean(dim=1).square().sum()) * codes.shape[1] / total
    start = float(away.mean(dim=0).square().sum()) * codes.shape[0] / total
    return Shares(shape, start, 1 - shape - start)


def relative_distance(ref: Tensor, other: Tensor) -> Tensor:
    r"""Distance of embeddings or flattened weights as a multiple of their mean length.

    .. math:: \|a - b\| \Big/ \sqrt{\tfrac12 (\|a\|^2 + \|b\|^2)}

    0 for equal vectors, :math:`\sqrt 2` for orthogonal ones, at most 2.

    Args:
        ref: ``[... entries]``.
        other: Likewise.
    """
    lengths = (ref.double().square().sum(-1) + other.double().square().sum(-1)) / 2
    return (ref.double() - other.double()).norm(dim=-1) / lengths.sqrt()
