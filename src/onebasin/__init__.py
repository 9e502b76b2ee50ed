"""One Basin: align neural networks by their symmetries, and look at what lies between them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from onebasin import lazy

if TYPE_CHECKING:
    from onebasin.aligning import AlignOptions, align
    from onebasin.connectivity.barrier import barrier
    from onebasin.connectivity.line import loss_along_line
    from onebasin.matching.activation import activation_match
    from onebasin.matching.weight import weight_match
    from onebasin.networks.mlp import Mlp
    from onebasin.networks.siren import Siren
    from onebasin.symmetry.action import apply
    from onebasin.symmetry.deriving import derive
    from onebasin.symmetry.permutation import Permutation
    from onebasin.symmetry.scaling import Scaling
    from onebasin.symmetry.spec import Spec
    from onebasin.symmetry.verify import check_function

__version__ = "0.1.0"

__all__ = [
    "AlignOptions",
    "Mlp",
    "Permutation",
    "Scaling",
    "Siren",
    "Spec",
    "__version__",
    "activation_match",
    "align",
    "apply",
    "barrier",
    "check_function",
    "derive",
    "loss_along_line",
    "weight_match",
]

__getattr__, __dir__ = lazy.names(
    __name__,
    {
        "aligning": ["AlignOptions", "align"],
        "connectivity.barrier": ["barrier"],
        "connectivity.line": ["loss_along_line"],
        "matching.activation": ["activation_match"],
        "matching.weight": ["weight_match"],
        "networks.mlp": ["Mlp"],
        "networks.siren": ["Siren"],
        "symmetry.action": ["apply"],
        "symmetry.deriving": ["derive"],
        "symmetry.permutation": ["Permutation"],
        "symmetry.scaling": ["Scaling"],
        "symmetry.spec": ["Spec"],
        "symmetry.verify": ["check_function"],
    },
)
