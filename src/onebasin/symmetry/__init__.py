"""What may be moved: specs, group elements and their action on weights."""

from __future__ import annotations

from onebasin.symmetry.action import Element, apply
from onebasin.symmetry.permutation import Permutation
from onebasin.symmetry.scaling import Canonical, Scaling, canonical_form
from onebasin.symmetry.spec import Spec, State, chain

__all__ = [
    "Canonical",
    "Element",
    "Permutation",
    "Scaling",
    "Spec",
    "State",
    "apply",
    "canonical_form",
    "chain",
]
