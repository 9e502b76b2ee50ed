"""Which element of the group: one matcher per file, all entered in the registry."""

from __future__ import annotations

from onebasin.matching.activation import ActivationOptions, activation_match
from onebasin.matching.assignment import brute_force, solve
from onebasin.matching.descent import WeightOptions
from onebasin.matching.identity import identity_match
from onebasin.matching.result import ConvergenceWarning, Match
from onebasin.matching.similarity import group_similarity, unit_similarity
from onebasin.matching.weight import weight_match

__all__ = [
    "ActivationOptions",
    "ConvergenceWarning",
    "Match",
    "WeightOptions",
    "activation_match",
    "brute_force",
    "group_similarity",
    "identity_match",
    "solve",
    "unit_similarity",
    "weight_match",
]
