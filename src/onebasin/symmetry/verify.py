"""Whether two outputs are the same, and whether a spec really keeps the function of a module."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.utils import _pytree as pytree

from onebasin import seeds
from onebasin.errors import InputError
from onebasin.symmetry.action import apply
from onebasin.symmetry.axes import Inner
from onebasin.symmetry.counting import free_sizes
from onebasin.symmetry.permutation import Permutation
from onebasin.symmetry.spec import Spec

#: Largest relative difference of float64 outputs that rounding may explain in a deep network.
TOLERANCE = 1e-9


def roundings(value: Tensor, reference: Tensor) -> float:
    """Largest difference in units of one rounding of the largest entry.

    Args:
        value: What was computed.
        reference: What it should be, same shape and dtype.

    Returns:
        max |value - reference| / (eps max |reference|), with eps the spacing of the dtype at 1;
        infinite if the reference is zero and the value is not.
    """
    value, reference = value.detach(), reference.detach()
    difference = (value.double() - reference.double()).abs().max()
    if difference == 0:
        return 0.0
    scale = torch.finfo(reference.dtype).eps * reference.double().abs().max()
    return float(difference / scale)


def relative_change(value: Tensor, reference: Tensor) -> float:
    """Root mean square difference divided by the root mean square of the reference."""
    value, reference = value.detach().double(), reference.detach().double()
    return float((value - reference).norm() / reference.norm())


@dataclass(frozen=True)
class FunctionCheck:
    """What :func:`check_function` found.

    Args:
        error: Largest relative change of an output under elements of the spec.
        control: Smallest such change under moves that are no elements: how clearly the check sees
            an error; 0 without groups.
        free: Groups that may be permuted independently, counting every block by itself.
        passed: Whether the function stayed, something moved, and the count is as expected.
    """

    error: float
    control: float
    free: int
    passed: bool


@torch.no_grad()
def check_function(
    spec: Spec,
    module: nn.Module,
    inputs: Any,
    *,
    free: int | None = None,
    seed: int = 0,
    tolerance: float = TOLERANCE,
) -> FunctionCheck:
    """Apply random elements of a spec to a module and compare its outputs, in float64.

    The weights are disturbed first (also norm layers at their initial ones and zeros, on which a
    wrong permutation would not show). As a control, the same elements move every group on one axis
    of one tensor only, which must change the outputs: an error that nobody could see proves
    nothing. A spec without free groups does not pass.

    Args:
        spec: Must list every tensor of ``module.state_dict()``.
        module: Any network; left as it is.
        inputs: Its input, or a tuple of inputs.
        free: How many free groups there ought to be, if known.
        seed: Number of the random weights and of the two random elements.
        tolerance: Largest relative change that counts as rounding. A module that computes in
            float32 somewhere, whatever its weights are, needs about 1e-5.

    Raises:
        InputError: if the spec does not fit the module's tensors.
    """
    double = copy.deepcopy(module).double().eval()
    inputs = inputs if isinstance(inputs, tuple) else (inputs,)
    inputs = pytree.tree_map(
        lambda x: x.double() if isinstance(x, Tensor) and x.is_floating_point() else x, inputs
    )
    generator = seeds.stream("check-function", seed)
    state = _disturbed(double, spec, generator)
    spec.check(state, finite=False)
    before = outputs(double, state, inputs)
    errors: list[float] = []
    controls: list[float] = []
    sizes = spec.sizes(state)
    for _ in range(2 if spec.groups else 0):
        element = _moving(spec, sizes, generator)
        errors.append(difference(outputs(double, apply(element, state), inputs), before))
        controls.append(difference(outputs(double, torn(element, state), inputs), before))
    count = len(free_sizes(spec, sizes))
    error, control = max(errors, default=0.0), min(controls, default=0.0)
    kept = error <= tolerance and control > 10 * tolerance
    return FunctionCheck(error, control, count, kept and free in (None, count))


def outputs(module: nn.Module, state: Mapping[str, Tensor], inputs: tuple) -> list[Tensor]:
    """All tensors that a module gives out with these weights."""
    found = functional_call(module, dict(state), inputs, tie_weights=False)
    return [leaf for leaf in pytree.tree_leaves(found) if isinstance(leaf, Tensor)]


def difference(values: list[Tensor], reference: list[Tensor]) -> float:
    """Largest :func:`relative_change` of several outputs, infinite where one is not finite.

    Outputs that are zero and stay zero say nothing; if all do, the change is infinite.
    """
    pairs = [(a, b) for a, b in zip(values, reference, strict=True) if a.any() or b.any()]
    changes = [relative_change(a, b) for a, b in pairs]
    return max((c if c == c else torch.inf for c in changes), default=torch.inf)


def torn(element: Permutation, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """What is no symmetry: every group is moved on one axis of one tensor only."""
    spec, chosen = element.spec, set()
    for group in spec.groups:
        places = [(n, k) for n, k in spec.occurrences(group) if spec.axes[n][k] != Inner(group)]
        chosen.add(min(places, key=lambda place: place[1]))
    axes = {
        name: tuple(entry if (name, k) in chosen else None for k, entry in enumerate(on))
        for name, on in spec.axes.items()
    }
    units = {f"units of {group}": perm.double() for group, perm in element.perms.items()}
    half = Spec(axes | {f"units of {g}": (g,) for g in element.perms}, spec.nested)
    moved = apply(Permutation(half, element.perms), {**state, **units})
    return {name: moved[name] for name in state}


def _disturbed(module: nn.Module, spec: Spec, generator: torch.Generator) -> dict[str, Tensor]:
    state, seen = {}, {}
    for name, tensor in module.state_dict(keep_vars=True).items():
        if name not in spec.axes:
            raise InputError("spec", list(spec.axes), f"lacks the tensor {name!r} of the module")
        if id(tensor) not in seen:
            moved = tensor.detach().clone()
            if moved.is_floating_point():
                noise = torch.randn(2, *moved.shape, generator=generator, dtype=moved.dtype)
                moved = moved * (1 + 0.3 * noise[0]) + 0.05 * noise[1]
                moved = moved.abs() if name in spec.carried and (tensor >= 0).all() else moved
            seen[id(tensor)] = moved
        state[name] = seen[id(tensor)]
    return state


def _moving(spec: Spec, sizes: Mapping[str, int], generator: torch.Generator) -> Permutation:
    """A random element that leaves no group of two or more units as it is, if chance allows."""
    still = {group: torch.arange(units) for group, units in sizes.items()}
    element = Permutation.random(spec, sizes, generator)
    for _ in range(20):
        rest = [g for g in spec.groups if sizes[g] > 1 and torch.equal(element.perms[g], still[g])]
        if not rest:
            break
        families = [f for f in spec.families if set(f) & set(rest)]
        fresh = Permutation.random(spec, sizes, generator)
        chosen = {g: fresh.perms[g] for family in families for g in family}
        element = Permutation(spec, {**element.perms, **chosen})
    return element
