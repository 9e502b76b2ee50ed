"""From a module to a graph of operations, and from the graph to axes that belong together."""

from __future__ import annotations

import copy
import math
import warnings
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from onebasin.errors import InputError
from onebasin.symmetry import atoms
from onebasin.symmetry.atoms import Atom, Axis

#: Operations that hand entries on without looking at them.
_VIEWS = """
view reshape flatten unflatten squeeze unsqueeze _unsafe_view view_as reshape_as atleast_1d ravel
permute transpose movedim t numpy_T swapaxes moveaxis mT mH adjoint expand expand_as broadcast_to
slice narrow split split_with_sizes chunk tensor_split unsafe_chunk unsafe_split select unbind
getitem clone contiguous to _to_copy detach alias type_as lift_fresh_copy
"""
#: Norms whose buffers are running statistics of their channels.
_NORMS = """
batch_norm _native_batch_norm_legit_no_training native_batch_norm cudnn_batch_norm instance_norm
"""


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
        used: Names of those that the forward pass takes at all.
        read: Axes whose entries some operation looked at; of a table of which only some rows are
            taken, the rest stands on none.
        declared: Operations and modules declared by hand, see :func:`derive`.
        heeded: Those of them that were met.
    """

    parameters: dict[str, Traced] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)
    read: list[Axis] = field(default_factory=list)
    declared: Mapping[str, str] = field(default_factory=dict)
    heeded: set[str] = field(default_factory=set)
    tensors: list[Traced] = field(default_factory=list)
    apart: list[tuple[Axis, Axis]] = field(default_factory=list)
    grouped: set[str] = field(default_factory=set)
    families: dict[tuple[int, int], tuple[Atom, Atom, list[Atom]]] = field(default_factory=dict)
    readings: list[Reading] = field(default_factory=list)
    node: Any = None

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of what the current operation gives out."""
        sizes = tuple(self.node.meta["val"].shape)
        if any(isinstance(size, torch.SymInt) for size in sizes):
            raise self.cannot("its shape depends on the values of the input")
        return tuple(map(int, sizes))

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
        self.read += rest
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
            f'"fixed" if no axis it touches may be permuted (a module\'s name works too); '
            "or write the Spec by hand and pass it as spec="
        )
        return CannotFollow("module", name, remedy)


def runs_in(node: Any, module: str) -> bool:
    """Whether a node belongs to a call of this module (parts of it included)."""
    stack = node.meta.get("nn_module_stack") or {}
    return any(str(name) == module for name, _ in stack.values())


def operation(node: Any) -> str:
    """Short name of a node's operation, without overload and trailing underscore."""
    target = node.target
    if isinstance(target, str):
        return target
    name = getattr(getattr(target, "overloadpacket", target), "__name__", str(target))
    return str(name).removesuffix("_") if not str(name).startswith("_") else str(name)


def copied(module: nn.Module) -> nn.Module:
    """A copy in evaluation mode: tracing and running may leave their marks on a module.

    Raises:
        InputError: if it cannot be copied.
    """
    try:
        return copy.deepcopy(module).eval()
    except Exception as error:
        remedy = f"cannot be copied ({error}); delete what its forward pass has kept, or detach it"
        raise InputError("module", type(module).__name__, remedy) from error


def export(module: nn.Module, example: tuple[Any, ...]) -> Any:
    """The module as a graph of ATen operations.

    Raises:
        CannotFollow: if PyTorch cannot trace it.
    """
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
            "pass all its inputs, a tuple if it takes several, trace a part of it, or write its "
            "Spec by hand and pass it as spec="
        )
        raise CannotFollow("module", type(module).__name__, remedy) from error


def follow(
    module: nn.Module,
    example: tuple[Any, ...],
    rules: Mapping[str, Callable],
    declared: Mapping[str, str],
    constants: Collection[str],
) -> Trace:
    """Trace a copy of a module, in evaluation mode, and apply the rule of every operation.

    Raises:
        CannotFollow: if there is no rule, or it does not cover the case.
        InputError: if something was declared that is not met.
    """
    module = copied(module)
    program = export(module, example)
    trace = Trace(declared=declared)
    places = _inputs(program, module, trace, constants)
    for out in _flat(_run(trace, program.graph_module, places, rules)):
        for axis in out.axes:
            atoms.fix(axis, "an output of the network")
    for name in set(declared) - trace.heeded:
        raise InputError("declare", name, "is no operation or module that the trace meets")
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


def _inputs(
    program: Any, module: nn.Module, trace: Trace, constants: Collection[str]
) -> dict[str, Callable]:
    state = module.state_dict(keep_vars=True)
    stay = _constants(program, module, constants)
    first: dict[int, str] = {}
    for name, tensor in state.items():
        twin = first.setdefault(id(tensor), name)
        if twin == name:
            plain = (atoms.new(size) for size in tensor.shape)
            one = _constant(trace, tensor) if name in stay else trace.value(plain)
        trace.parameters[name] = trace.parameters.get(twin) or one
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


def _constants(program: Any, module: nn.Module, named: Collection[str]) -> set[str]:
    """Buffers that belong to the architecture: numbers, masks, and those that are named so."""
    read = {
        one.name
        for node in program.graph_module.graph.nodes
        if operation(node) in _NORMS.split()
        for one in node.all_input_nodes
    }
    specs = program.graph_signature.input_specs
    statistics = {spec.target for spec in specs if str(getattr(spec.arg, "name", "")) in read}
    strange = {
        name
        for name, buffer in module.named_buffers(remove_duplicate=False)
        if not buffer.is_floating_point() or not torch.isfinite(buffer).all()
    }
    return strange | (set(named) - statistics)


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
    """A tensor that belongs to the architecture: an axis stays unless all its entries are equal."""
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
        trace.read += [axis for one in _flat([args, kwargs]) for axis in one.axes]
        return rules[f"declared {declared}"](trace, *args, **kwargs)
    if name not in rules:
        if node.meta.get("val") is None and not node.users:
            return None  # an assertion of the tracer
        raise trace.cannot("its effect on axes is not known")
    if name not in _VIEWS.split():
        trace.read += [axis for one in _flat([args, kwargs]) for axis in one.axes]
    result = rules[name](trace, *args, **kwargs)
    _check_shape(trace, result)
    return result


def _declared(trace: Trace, name: str) -> str | None:
    module = trace.module
    for key, kind in trace.declared.items():
        if key == name or (key and (module == key or module.startswith(f"{key}."))):
            if kind not in ("fixed", "elementwise"):
                raise InputError(f"declare[{key!r}]", kind, 'must be "fixed" or "elementwise"')
            trace.heeded.add(key)
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
