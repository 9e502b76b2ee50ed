"""One Basin: align neural networks by their symmetries, and look at what lies between them."""

from __future__ import annotations

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_HOME = {
    "Spec": "onebasin.symmetry.spec",
    "Permutation": "onebasin.symmetry.permutation",
    "Scaling": "onebasin.symmetry.scaling",
    "apply": "onebasin.symmetry.action",
    "derive": "onebasin.symmetry.derive",
    "check_function": "onebasin.symmetry.verify",
    "align": "onebasin.aligning",
    "AlignOptions": "onebasin.aligning",
    "weight_match": "onebasin.matching.weight",
    "activation_match": "onebasin.matching.activation",
    "loss_along_line": "onebasin.connectivity.line",
    "barrier": "onebasin.connectivity.barrier",
    "Mlp": "onebasin.networks.mlp",
    "Siren": "onebasin.networks.siren",
}
__all__ = ["__version__", *sorted(_HOME)]


def __getattr__(name: str) -> Any:
    """Load a public name where it lives, on first use, so that importing the package is free."""
    if name not in _HOME:
        raise AttributeError(f"module 'onebasin' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return __all__
