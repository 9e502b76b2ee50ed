"""Align one trained module to another: everything between two ``nn.Module`` and the result."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from onebasin import registry
from onebasin.connectivity.line import interpolate
from onebasin.errors import InputError
from onebasin.matching.capture import check_evaluating
from onebasin.matching.descent import WeightOptions
from onebasin.matching.result import Match
from onebasin.symmetry.action import Element, apply
from onebasin.symmetry.deriving import derive
from onebasin.symmetry.spec import Spec, all_finite
from onebasin.symmetry.tracing import copied
from onebasin.symmetry.verify import (
    TOLERANCE,
    FunctionCheck,
    check_function,
    difference,
    outputs,
)

Loss = Callable[[Tensor, Tensor], Tensor]
#: Roundings (of the modules' precision) by which the outputs may change; many layers add up.
_KEPT = 1e4
#: Relative change of outputs that single precision somewhere in the module may explain.
_SINGLE = 1e-5


@dataclass(frozen=True)
class AlignOptions:
    """Options of :func:`align`.

    Args:
        loss: ``loss(output, target)``, a mean over samples; for methods that learn.
        seed: Number of every random order.
        restarts: Starts of weight matching in all; the best end is returned.
        example: Inputs to read the symmetry off the module, a tuple if it takes several; by default
            the first eight samples of ``data``.
        matcher: Options of the matcher itself, e.g. ``ActivationOptions(objective="correlation")``.
        omega: Frequency of the module's sines (radians per unit of pre-activation), for methods
            that move signs and phases.
        declare: What to do about operations that cannot be followed, see
            :func:`~onebasin.symmetry.deriving.derive`.
        check: Whether the spec is verified on the example before it is used.
        tolerance: Largest relative change of the outputs, in double precision, that the check takes
            for rounding. Parts that compute in single precision whatever their weights are (some
            norms of language models do) need about 1e-5.
    """

    loss: Loss | None = None
    seed: int = 0
    restarts: int = 1
    example: Any = None
    matcher: Any = None
    omega: float | None = None
    declare: Mapping[str, str] | None = None
    check: bool = True
    tolerance: float = TOLERANCE


@dataclass(frozen=True, eq=False, repr=False)
class Alignment:
    """One module aligned to another.

    Args:
        module: A copy of ``other`` with its units reordered, in evaluation mode. It computes what
            ``other`` computes.
        ref: The module it was aligned to, as it was given.
        element: What was done to the units; ``perm[i] = j`` gives unit i of ref unit j of other.
        spec: Which axes of which tensors were moved together.
        match: All that the matcher returned.
        distance_before: Euclidean distance of the weights of ref and other.
        distance_after: The same after the alignment.
        function_change: By how much the copy's outputs differ from those of ``other`` on the
            example, relative (rounding only); nan if there was no example.
    """

    module: nn.Module
    ref: nn.Module
    element: Element
    spec: Spec
    match: Match
    distance_before: float
    distance_after: float
    function_change: float

    @property
    def objective(self) -> float:
        """What the matcher maximised, at its end."""
        return float(self.match.objective)

    def between(self, lam: float = 0.5) -> nn.Module:
        """The module whose weights are ``1 - lam`` of ref's and ``lam`` of the aligned ones.

        Running statistics of batch norms are interpolated too and no longer fit; see
        :func:`onebasin.merging.batchnorm.reset`.
        """
        ref, aligned = (dict(one.state_dict()) for one in (self.ref, self.module))
        return _loaded(self.ref, interpolate(ref, aligned, lam))

    def __repr__(self) -> str:
        units = sum(len(perm) for perm in getattr(self.element, "perms", {}).values())
        ended = "converged" if bool(self.match.converged) else "not converged"
        return (
            f"Alignment(distance {self.distance_before:.4g} -> {self.distance_after:.4g}, "
            f"{units} units in {len(self.spec.groups)} groups, {ended})"
        )


def align(
    ref: nn.Module,
    other: nn.Module,
    data: Any = None,
    method: str = "weight",
    *,
    spec: Spec | None = None,
    options: AlignOptions | None = None,
) -> Alignment:
    """Reorder the hidden units of ``other`` so that its weights come close to those of ``ref``.

    The symmetry is read off the module (:func:`~onebasin.symmetry.deriving.derive`) unless the
    module brings it (``ref.spec``) or you do, and verified: random elements must keep the function.
    Buffers that are equal in both modules (frequencies, masks) belong to the architecture and stay;
    others are moved along. Neither module is changed, and what runs is a copy.

    Args:
        ref: A trained module, in evaluation mode.
        other: Another one of the same architecture, dtype and device.
        data: Inputs ``[samples ...]``, or ``(inputs, targets)``. Weight matching takes only the
            shape of a few inputs from it, and needs none where the module brings its spec. For a
            module of several inputs give ``options.example``.
        method: Name of a registered matcher, such as ``"weight"``, ``"activation"``,
            ``"straight-through"``, or ``"sign + phase"`` for networks of sines.
        spec: The symmetry, if you want to declare it yourself.
        options: Loss, seed, restarts, options of the matcher.

    Raises:
        InputError: if the modules differ in architecture, are in training mode, the symmetry cannot
            be found or does not keep the function, or what the method needs is missing.
    """
    options = _options(options)
    check_same_architecture(ref, other)
    for name, module in (("ref", ref), ("other", other)):
        check_evaluating(module, name)
        _check_weights(module, name)
    states = [_state(module, name) for name, module in (("ref", ref), ("other", other))]
    example = _example(data, options)
    equal = [n for n, _ in ref.named_buffers() if n in states[0] and _same(n, *states)]
    whole = _spec(ref, spec, example, equal, options)
    spec, states = _without(whole, [n for n in equal if not any(whole.axes[n])], states)
    spec.check_pair(*states)
    match = _match(method, spec, states, copied(ref), data, options)
    moved = apply(match.element, states[1])
    module = _loaded(other, moved)
    change = float("nan")
    if example is not None:
        change = difference(*(_answers(module, state, example) for state in (moved, states[1])))
        rounding = max(torch.finfo(t.dtype).eps for t in moved.values() if t.is_floating_point())
        if not change <= _KEPT * rounding:
            what = f"changed the outputs by {change:.2g} of them: the module has no such symmetry"
            raise InputError("method", method, f"{what}; choose another, or declare spec=")
    return Alignment(
        module=module,
        ref=ref,
        element=match.element,
        spec=whole,
        match=match,
        distance_before=_distance(spec, *states),
        distance_after=_distance(spec, states[0], moved),
        function_change=change,
    )


def check_same_architecture(ref: nn.Module, other: nn.Module) -> None:
    """Refuse two modules that are not made of the same parts in the same places.

    Raises:
        InputError: naming the first submodule that differs.
    """
    mine, theirs = (dict(module.named_modules()) for module in (ref, other))
    for name in dict.fromkeys([*mine, *theirs]):
        pair = [_part(modules.get(name)) for modules in (mine, theirs)]
        if pair[0] != pair[1]:
            where = f"other.{name}" if name else "other"
            remedy = f"ref has {pair[0]} there; pass two modules of one architecture"
            raise InputError(where, pair[1], remedy)
    ties = [_ties(module) for module in (ref, other)]
    for name in dict.fromkeys([*ties[0], *ties[1]]):
        pair = [one.get(name, "missing") for one in ties]
        if pair[0] != pair[1]:
            remedy = f"ref has {pair[0]!r} there; tie the same tensors in both"
            raise InputError(f"other[{name!r}]", f"the same tensor as {pair[1]!r}", remedy)


def _part(module: nn.Module | None) -> str:
    if module is None:
        return "nothing"
    dropping = isinstance(module, nn.modules.dropout._DropoutNd)  # its rate does not matter here
    return f"{type(module).__name__}({'' if dropping else module.extra_repr()})"


def _ties(module: nn.Module) -> dict[str, str]:
    """For every tensor the first name under which it stands."""
    first: dict[int, str] = {}
    state = module.state_dict(keep_vars=True)
    return {name: first.setdefault(id(tensor), name) for name, tensor in state.items()}


def _options(options: AlignOptions | None) -> AlignOptions:
    if options is None:
        return AlignOptions()
    if not isinstance(options, AlignOptions):
        raise InputError("options", options, "pass an AlignOptions")
    return options


def _check_weights(module: nn.Module, name: str) -> None:
    for key, tensor in module.named_parameters():
        if not all_finite(tensor):
            remedy = "has entries that are not finite; retrain or remove this network"
            raise InputError(f"{name}[{key!r}]", "NaN or infinite", remedy)


def _same(name: str, ref: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> bool:
    return torch.equal(ref[name].cpu(), other[name].cpu())


def _without(
    spec: Spec, names: list[str], states: list[dict[str, Tensor]]
) -> tuple[Spec, list[dict[str, Tensor]]]:
    """Spec and states without some tensors that stay: no matcher has to look at them."""
    axes = {name: on for name, on in spec.axes.items() if name not in names}
    rest = replace(spec, axes=axes, carried=spec.carried & set(axes))
    return rest, [{n: t for n, t in state.items() if n not in names} for state in states]


@torch.no_grad()
def _answers(module: nn.Module, state: Mapping[str, Tensor], example: tuple) -> list[Tensor]:
    """Outputs of a copy of a module on copies of everything: a forward pass may change them."""
    own = {name: tensor.clone() for name, tensor in state.items()}
    return outputs(copied(module), own, copy.deepcopy(example))


def _state(module: nn.Module, name: str) -> dict[str, Tensor]:
    state = dict(module.state_dict())
    strange = [key for key, value in state.items() if not isinstance(value, Tensor)]
    if strange:
        raise InputError(name, strange, "state_dict() must hold tensors only; remove extra state")
    return state


def _example(data: Any, options: AlignOptions) -> tuple | None:
    if options.example is not None:
        example = options.example
        return example if isinstance(example, tuple) else (example,)
    inputs = data[0] if isinstance(data, tuple | list) and data else data
    if inputs is None:
        return None
    if not isinstance(inputs, Tensor):
        remedy = (
            "pass a tensor of inputs or (inputs, targets), e.g. one batch of a loader; "
            "what a module takes besides goes into AlignOptions(example=(x, y, ...))"
        )
        raise InputError("data", type(inputs).__name__, remedy)
    if not inputs.ndim or not len(inputs):
        raise InputError("data", tuple(inputs.shape), "has no samples; pass inputs [samples ...]")
    if not all_finite(inputs[:8]):
        raise InputError("data", "NaN or infinite", "clean the inputs first")
    return (inputs[:8],)


def _spec(
    ref: nn.Module,
    given: Spec | None,
    example: tuple | None,
    constants: list[str],
    options: AlignOptions,
) -> Spec:
    if given is not None and not isinstance(given, Spec):
        raise InputError("spec", given, "pass a Spec")
    own = getattr(ref, "spec", None)
    spec = given if given is not None else own if isinstance(own, Spec) else None
    if example is None and (spec is None or (given is not None and options.check)):
        what = "read the symmetry off the module" if spec is None else "verify your spec"
        other = "or declare it with spec=" if spec is None else "or AlignOptions(check=False)"
        remedy = f"a few inputs are needed to {what}; pass data=inputs (no labels needed), {other}"
        raise InputError("data", None, remedy)
    if spec is None:
        spec = derive(ref, example, declare=options.declare, constants=constants)
    missing = sorted(set(ref.state_dict()) - set(spec.axes))
    if missing:
        remedy = "must list every tensor of state_dict(); give those that stay None on every axis"
        raise InputError("spec", f"without {missing}", remedy)
    if options.check and example is not None:
        how = {"seed": options.seed, "tolerance": options.tolerance}
        found = check_function(spec, copied(ref), example, **how)  # type: ignore[arg-type]
        if not found.passed:
            why = _why(found, spec, ref, example, options)
            raise InputError("spec", spec.groups, why)
    return spec


def _why(
    found: FunctionCheck, spec: Spec, ref: nn.Module, example: tuple, options: AlignOptions
) -> str:
    if not spec.groups:
        reasons = ", ".join(dict.fromkeys(spec.fixed.values())) or "none is declared"
        return f"has no group of units to permute, so there is nothing to align ({reasons})"
    if found.error <= options.tolerance:
        return f"could not be verified: a wrong move changes outputs by {found.control:.2g} only"
    state = _state(ref, "ref")
    if difference(_answers(ref, state, example), _answers(ref, state, example)) > 0:
        return "cannot be verified: the module answers the same inputs in two ways; make it stop"
    remedy = "correct it, or declare it by hand"
    if found.error < _SINGLE:
        remedy = (
            "if the module computes in single precision whatever its weights are, pass "
            f"AlignOptions(tolerance={_SINGLE:g}); otherwise {remedy}"
        )
    return (
        f"changes the module's outputs by {found.error:.2g} (relative) when units are permuted; "
        f"{remedy}"
    )


def _match(
    method: str,
    spec: Spec,
    states: list[dict[str, Tensor]],
    network: nn.Module,
    data: Any,
    options: AlignOptions,
) -> Match:
    matcher = registry.get(method).match
    if matcher is None:
        raise InputError("method", method, f"is no matcher; choose one of {[*registry.matchers()]}")
    wanted = inspect.signature(matcher).parameters
    known: dict[str, Any] = {"seed": options.seed, "network": network, "options": options.matcher}
    known |= _needed(method, wanted, data, options)
    if "omega" in wanted:
        if options.omega is None:
            remedy = f"method={method!r} moves the phases of sines: pass their frequency"
            raise InputError("options.omega", None, remedy)
        known["omega"] = options.omega
    if options.restarts != 1:
        if method != "weight" or options.matcher is not None:
            remedy = 'restarts are those of method="weight" without options of its own'
            raise InputError("options.restarts", options.restarts, remedy)
        known["options"] = WeightOptions(restarts=options.restarts)
    return matcher(spec, *states, **{k: v for k, v in known.items() if k in wanted})


def _needed(
    method: str, wanted: Mapping[str, Any], data: Any, options: AlignOptions
) -> dict[str, Any]:
    """Data and loss, as the matcher takes them."""
    if "data" not in wanted:
        return {}
    pair = isinstance(data, tuple | list)
    required = wanted["data"].default is inspect.Parameter.empty
    if "loss" in wanted:
        if not pair or options.loss is None:
            remedy = f"method={method!r} learns: pass data=(inputs, targets) and options.loss"
            raise InputError("data", type(data).__name__, remedy)
        return {"data": tuple(data), "loss": options.loss}
    if data is None and required:
        raise InputError("data", None, f"method={method!r} runs the networks: pass data=inputs")
    return {} if data is None else {"data": data[0] if pair else data}


@torch.no_grad()
def _loaded(module: nn.Module, state: Mapping[str, Tensor]) -> nn.Module:
    twin = copied(module)
    twin.load_state_dict({**module.state_dict(), **state})
    return twin


def _distance(spec: Spec, ref: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> float:
    gaps = (
        (ref[name].double() - other[name].double()).square().sum()
        for name in spec.axes
        if ref[name].is_floating_point() and name not in spec.carried
    )
    return float(sum(gaps, torch.zeros((), dtype=torch.float64))) ** 0.5
