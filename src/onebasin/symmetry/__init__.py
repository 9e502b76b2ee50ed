"""What may be moved: specs, group elements and their action on weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

from onebasin import lazy

if TYPE_CHECKING:
    from onebasin.symmetry.action import Element, apply
    from onebasin.symmetry.axes import Concat, Inner, Product
    from onebasin.symmetry.deriving import derive
    from onebasin.symmetry.dihedral import Dihedral, Representative, canonical_sine
    from onebasin.symmetry.permutation import Permutation
    from onebasin.symmetry.scaling import Canonical, Scaling, canonical_form
    from onebasin.symmetry.spec import Spec, State, chain
    from onebasin.symmetry.taps import Tap
    from onebasin.symmetry.tracing import CannotFollow
    from onebasin.symmetry.verify import FunctionCheck, check_function

__all__ = [
    "CannotFollow",
    "Canonical",
    "Concat",
    "Dihedral",
    "Element",
    "FunctionCheck",
    "Inner",
    "Permutation",
    "Product",
    "Representative",
    "Scaling",
    "Spec",
    "State",
    "Tap",
    "apply",
    "canonical_form",
    "canonical_sine",
    "chain",
    "check_function",
    "derive",
]

__getattr__, __dir__ = lazy.names(
    __name__,
    {
        "action": ["Element", "apply"],
        "axes": ["Concat", "Inner", "Product"],
        "deriving": ["derive"],
        "dihedral": ["Dihedral", "Representative", "canonical_sine"],
        "permutation": ["Permutation"],
        "scaling": ["Canonical", "Scaling", "canonical_form"],
        "spec": ["Spec", "State", "chain"],
        "taps": ["Tap"],
        "tracing": ["CannotFollow"],
        "verify": ["FunctionCheck", "check_function"],
    },
)
