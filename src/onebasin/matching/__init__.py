"""Which element of the group: one matcher per file, all entered in the registry."""

from __future__ import annotations

from typing import TYPE_CHECKING

from onebasin import lazy

if TYPE_CHECKING:
    from onebasin.matching.activation import ActivationOptions, activation_match
    from onebasin.matching.assignment import brute_force, solve
    from onebasin.matching.descent import WeightOptions
    from onebasin.matching.dihedral import DihedralOptions, dihedral_match, sign_match
    from onebasin.matching.identity import identity_match
    from onebasin.matching.measured import Moments, measure_moments
    from onebasin.matching.phases import PhaseOptions, phase_match
    from onebasin.matching.refining import RefineOptions, phase_refine
    from onebasin.matching.result import ConvergenceWarning, Match
    from onebasin.matching.similarity import group_similarity, unit_similarity
    from onebasin.matching.steepest import loss_gradient, steepest_match
    from onebasin.matching.straight_through import StraightThroughOptions, straight_through_match
    from onebasin.matching.weight import weight_match

__all__ = [
    "ActivationOptions",
    "ConvergenceWarning",
    "DihedralOptions",
    "Match",
    "Moments",
    "PhaseOptions",
    "RefineOptions",
    "StraightThroughOptions",
    "WeightOptions",
    "activation_match",
    "brute_force",
    "dihedral_match",
    "group_similarity",
    "identity_match",
    "loss_gradient",
    "measure_moments",
    "phase_match",
    "phase_refine",
    "sign_match",
    "solve",
    "steepest_match",
    "straight_through_match",
    "unit_similarity",
    "weight_match",
]

__getattr__, __dir__ = lazy.names(
    __name__,
    {
        "activation": ["ActivationOptions", "activation_match"],
        "assignment": ["brute_force", "solve"],
        "descent": ["WeightOptions"],
        "dihedral": ["DihedralOptions", "dihedral_match", "sign_match"],
        "identity": ["identity_match"],
        "measured": ["Moments", "measure_moments"],
        "phases": ["PhaseOptions", "phase_match"],
        "refining": ["RefineOptions", "phase_refine"],
        "result": ["ConvergenceWarning", "Match"],
        "similarity": ["group_similarity", "unit_similarity"],
        "steepest": ["loss_gradient", "steepest_match"],
        "straight_through": ["StraightThroughOptions", "straight_through_match"],
        "weight": ["weight_match"],
    },
)
