"""From a module to a graph of operations, and from the graph to axes that belong together."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from onebasin.errors import InputError
from onebasin.symmetry import atoms
from onebasin.symmetry.atoms import Atom, Axis


class CannotFollow(InputError):
    """An operation whose effect on axes is not known; the message says how to declare it."""


@dataclass(frozen=True)
class Traced:
    """A tensor of the traced network, by its axes."""

    axes: tuple[Axis, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """Length of every axis."""
        return tuple(map(atoms.size, self.axes))


@dataclass(frozen=True)
class Reading:
    """A place where a module's input or output was seen to carry an axis."""

    module: str
    axis: int
    side: str
    on: Axis


@dataclass
class Trace:
    """What is known about a network's axes while its operations are followed one by one.

    Args:
        parameters: Axes of every tensor of the state, tied tensors sharing theirs.
        declared: Operations and modules declared by hand, see :func:`derive`.
    """

    parameters: dict[str, Traced] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)
    declared: Mapping[str, str] = field(default_factory=dict)
    tensors: list[Traced] = field(default_factory=list)
    apart: list[tuple[Axis, Axis]] = field(default_factory=list)
    grouped: set[str] = field(default_factory=set)
    families: dict[tuple[int, int], tuple[Atom, Atom, list[Atom]]] = field(default_factory=dict)
    readings: list[Reading] = field(default_factory=list)
    node: Any = None

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of what the current operation gives out."""
        return tuple(map(int, self.node.meta["val"].shape))

    @property
    def module(self) -> str:
        """Name of the innermost module in which the current operation runs."""
        stack = list((self.node.meta.get("nn_module_stack") or {}).values())
        return str(stack[-1][0]) if stack else ""

    def value(self, axes: Iterable[Axis]) -> Traced:
        """A tensor with these axes, kept for the questions asked at the end."""
        found = Traced(tuple(axes))
        self.tensors.append(found)
        return found

    def fixed(self, shape: Sequence[int], reason: str) -> Traced:
        """A tensor whose axes all stay."""
        return self.value(atoms.new(size, reason) for size in shape)

    def uniform(self, shape: Sequence[int]) -> Traced:
        """A tensor of equal entries, which any permutation keeps."""
        return self.value(atoms.new(size) for size in shape)

    def separate(self, inner: Axis, outer: Axis) -> None:
        """Units of ``inner`` may not be permuted differently for different units of ``outer``."""
        self.apart.append((inner, outer))

    def selected(self, axes: Sequence[Axis], axis: int, number: int) -> Traced:
        """The tensor at one place of an axis.

        Where a reshape has just split that axis off (query, key and value in one), what is left
        has groups of its own at every place.
        """
        rest = [on for k, on in enumerate(axes) if k != axis]
        on = atoms.resolve(axes[axis])
        lone = on[0][0] if len(on) == 1 and len(on[0]) == 1 else None
        atoms.fix(on, "one of its entries is taken out by its place")
        if lone is None or lone.kin < 0:
            return self.value(rest)
        return self.value(self._at(one, lone, number) for one in rest)

    def _at(self, axis: Axis, chooser: Atom, number: int) -> Axis:
        def place(atom: Atom) -> Atom:
            kin = atom.kin == chooser.kin and atom.rank > chooser.rank
            if not kin or atom.reason is not None or atom.bound is not None:
                return atom
            key = (atom.number, chooser.number)
            if key not in self.families:
                members = [Atom(atom.size) for _ in range(chooser.size)]
                self.families[key] = (atom, chooser, members)
            return self.families[key][2][number]

        return tuple(tuple(map(place, segment)) for segment in atoms.resolve(axis))

    def cannot(self, why: str) -> CannotFollow:
        """The error for the current operation."""
        name, where = operation(self.node), self.module or "the module itself"
        lines = [part.strip() for part in (self.node.meta.get("stack_trace") or "").splitlines()]
        at = f" (line {lines[-1]!r})" if lines else ""
        remedy = (
            f"{why}, in {where!r}{at}; declare it by hand: "
            f'derive(..., declare={{{name!r}: "elementwise"}}) if it acts on every entry alike, '
            f'"fixed" if no axis it touches may be permuted (a module\'s name works too)'
        )
        return CannotFollow("module", name, remedy)


def operation(node: Any) -> str:
    """Short name of a node's operation, without overload and trailing underscore."""
    target = node.target
    if isinstance(target, str):
        return target
    name = getattr(getattr(target, "overloadpacket", target), "__name__", str(target))
    return str(name).removesuffix("_") if not str(name).startswith("_") else str(name)


def export(module: nn.Module, example: tuple[Any, ...]) -> Any:
    """The module as a graph of ATen operations, in evaluation mode, which is then restored.

    Raises:
        CannotFollow: if PyTorch cannot trace it.
    """
    modes = {name: part.training for name, part in module.named_modules()}
    module.eval()
    try:
        # without gradients some layers take a fused path of no known operation; the tracer's own
        # warnings are about running the graph, which nobody does here
        with torch.enable_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return torch.export.export(module, example, strict=False)
    except Exception as error:  # whatever tracing stumbles over: the user's code runs in it
        reason = str(error).strip().splitlines() or [type(error).__name__]
        remedy = (
            f"torch.export cannot trace it ({type(error).__name__}: {reason[0][:200]}); "
            "trace a part of it, or write its Spec by hand"
        )
        raise CannotFollow("module", type(module).__name__, remedy) from error
    finally:
        for name, part in module.named_modules():
            part.training = modes[name]


def follow(
    module: nn.Module,
    example: tuple[Any, ...],
    rules: Mapping[str, Callable],
    declared: Mapping[str, str],
) -> Trace:
    """Trace a module and apply the rule of every operation.

    Raises:
        CannotFollow: if there is no rule, or it does not cover the case.
    """
    program = export(module, example)
    trace = Trace(declared=declared)
    places = _inputs(program, module, trace)
    for out in _flat(_run(trace, program.graph_module, places, rules)):
        for axis in out.axes:
            atoms.fix(axis, "an output of the network")
    return trace


def _run(
    trace: Trace, graph: torch.fx.GraphModule, places: Mapping[str, Callable], rules: Mapping
) -> Any:
    """Follow all nodes of a graph; returns its outputs."""
    values: dict[Any, Any] = {}
    for node in graph.graph.nodes:
        trace.node = node
        if node.op == "placeholder":
            values[node] = places[node.name](node)
        elif node.op == "call_function":
            values[node] = _call(trace, node, values, rules)
        elif node.op == "get_attr":
            values[node] = _constant(trace, getattr(graph, node.target, None))
        elif node.op == "output":
            return torch.fx.node.map_arg(node.args, lambda n: values[n])
    return None


def _inputs(program: Any, module: nn.Module, trace: Trace) -> dict[str, Callable]:
    state = module.state_dict(keep_vars=True)
    first: dict[int, str] = {}
    for name, tensor in state.items():
        twin = first.setdefault(id(tensor), name)
        axes = (atoms.new(size) for size in tensor.shape)
        trace.parameters[name] = trace.parameters.get(twin) or trace.value(axes)
    aliases = dict(module.named_parameters(remove_duplicate=False)) | dict(
        module.named_buffers(remove_duplicate=False)
    )
    found: dict[str, Callable] = {}
    for spec in program.graph_signature.input_specs:
        target, name = spec.target, str(getattr(spec.arg, "name", ""))
        if target in state:
            found[name] = lambda node, n=target: _parameter(trace, node, n)
        elif target is not None:
            known = program.constants.get(target, aliases.get(target))
            found[name] = lambda node, t=known: _constant(trace, t)
        else:
            found[name] = lambda node: _input(trace, node)
    return found


def _parameter(trace: Trace, node: Any, name: str) -> Traced:
    tensor = trace.parameters[name]
    if node.users:
        trace.used |= {twin for twin, one in trace.parameters.items() if one is tensor}
    return tensor


def _input(trace: Trace, node: Any) -> Any:
    value = node.meta.get("val")
    if not isinstance(value, Tensor):
        return value
    return trace.fixed(tuple(map(int, value.shape)), "an input of the network")


def _constant(trace: Trace, tensor: Any) -> Any:
    """A tensor that is no part of the state: an axis stays unless all its entries are equal."""
    if not isinstance(tensor, Tensor):
        return tensor
    axes = []
    for axis, size in enumerate(tensor.shape):
        first = tensor.narrow(axis, 0, 1) if size else tensor
        reason = None if torch.equal(first.expand_as(tensor), tensor) else "a constant of the code"
        axes.append(atoms.new(size, reason))
    return trace.value(axes)


def _call(trace: Trace, node: Any, values: Mapping, rules: Mapping[str, Callable]) -> Any:
    args = torch.fx.node.map_arg(node.args, lambda n: values[n])
    kwargs = torch.fx.node.map_arg(node.kwargs, lambda n: values[n])
    name = operation(node)
    if name.startswith("wrap_with_"):  # a region without gradients, or of another precision
        number = next(k for k, one in enumerate(args) if isinstance(one, torch.fx.GraphModule))
        names = [n.name for n in args[number].graph.nodes if n.op == "placeholder"]
        inside = {n: lambda _, x=x: x for n, x in zip(names, args[number + 1 :], strict=True)}
        found = _run(trace, args[number], inside, rules)
        return found[0] if isinstance(found, tuple) and len(found) == 1 else found
    declared = _declared(trace, name)
    if declared is not None:
        return rules[f"declared {declared}"](trace, *args, **kwargs)
    if name not in rules:
        if node.meta.get("val") is None and not node.users:
            return None  # an assertion of the tracer
        raise trace.cannot("its effect on axes is not known")
    result = rules[name](trace, *args, **kwargs)
    _check_shape(trace, result)
    return result


def _declared(trace: Trace, name: str) -> str | None:
    module = trace.module
    for key, kind in trace.declared.items():
        if key == name or (key and (module == key or module.startswith(f"{key}."))):
            if kind not in ("fixed", "elementwise"):
                raise InputError(f"declare[{key!r}]", kind, 'must be "fixed" or "elementwise"')
            return kind
    return None


def _check_shape(trace: Trace, result: Any) -> None:
    wanted = trace.node.meta.get("val")
    if isinstance(result, Traced) and isinstance(wanted, Tensor):
        shape = tuple(map(int, wanted.shape))
        if result.shape != shape:
            raise trace.cannot(f"gives {shape}, followed as {result.shape}")


def _flat(value: Any) -> list[Traced]:
    if isinstance(value, Traced):
        return [value]
    if isinstance(value, Mapping):
        value = value.values()
    if isinstance(value, Iterable) and not isinstance(value, str):
        return [one for each in value for one in _flat(each)]
    return []


def numel(shape: Sequence[int]) -> int:
    """Number of entries of a tensor of this shape."""
    return math.prod(shape)
