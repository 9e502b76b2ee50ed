"""What every matcher returns."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Generic, TypeVar

from jaxtyping import Bool, Float, Int
from torch import Tensor

from onebasin.symmetry.action import Element

Kind = TypeVar("Kind", bound=Element)


class ConvergenceWarning(UserWarning):
    """A matcher stopped at its limit before it had converged."""


@dataclass(frozen=True, eq=False)
class Match(Generic[Kind]):
    """An alignment of ``other`` to ``ref``: apply ``element`` to ``other``.

    Args:
        element: The group element found; ``perm[i] = j`` gives unit i of ref unit j of other.
        objective: What the matcher maximised, at its end (float64; unit as the matcher says).
        history: The objective before the first sweep and after each one. In a stack, a pair that
            is done keeps its last value.
        sweeps: Sweeps over all groups made, the last one, which changed nothing, included.
        converged: Whether the last sweep changed nothing.
    """

    element: Kind
    objective: Float[Tensor, "*models"]
    history: Float[Tensor, "steps ..."]
    sweeps: Int[Tensor, "*models"]
    converged: Bool[Tensor, "*models"]

    def warn_unless_converged(self, limit: str) -> Match[Kind]:
        """Warn if a pair has not converged; returns itself.

        Args:
            limit: The argument to raise, e.g. ``"max_sweeps=100"``.
        """
        missing = int((~self.converged).sum())
        if missing:
            warnings.warn(
                f"{missing} of {self.converged.numel()} alignments stopped at {limit} before they "
                "converged; raise it, or use the best found",
                ConvergenceWarning,
                stacklevel=3,
            )
        return self
