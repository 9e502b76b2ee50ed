"""What every tensor operation does to axes: entry by entry, in place, and by shape.

The registry :data:`RULES` maps the name of an ATen operation to a function of the trace and the
operation's arguments. Sums over axes, layers with weights and attention are in
:mod:`onebasin.symmetry.layers`, pooling and padding in :mod:`onebasin.symmetry.positions`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from onebasin.symmetry import atoms
from onebasin.symmetry.atoms import Axis
from onebasin.symmetry.tracing import Trace, Traced, numel

RULES: dict[str, Callable[..., Any]] = {}

_POINTWISE = """
abs acos add addcdiv addcmul alias asin atan atan2 bitwise_and bitwise_not bitwise_or bitwise_xor
bernoulli ceil celu clamp clamp_max clamp_min clone contiguous copy cos cosh detach div dropout elu
eq erf exp expm1 feature_dropout floor floor_divide fmod ge gelu gt hardsigmoid hardswish hardtanh
isfinite isinf isnan le leaky_relu lerp lift_fresh_copy log log10 log1p log2 log_sigmoid logical_and
logical_not logical_or logical_xor logit lt masked_fill maximum minimum mish mul ne neg nan_to_num
pow reciprocal relu relu6 remainder round rrelu rsqrt rsub selu sgn sigmoid sign silu sin sinh
softplus softshrink softsign sqrt square sub tan tanh tanhshrink threshold to true_divide trunc
type_as where xlogy _to_copy hardshrink alpha_dropout special_erf fill heaviside result_type
positive float_power sinc erfc resolve_conj resolve_neg __and__ __or__ __xor__ __invert__ __lshift__
__rshift__ logaddexp hypot copysign _weight_norm
"""


def rule(*names: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register a rule under the names of operations."""

    def enter(function: Callable[..., Any]) -> Callable[..., Any]:
        RULES.update(dict.fromkeys(names, function))
        return function

    return enter


def traced(values: Any) -> list[Traced]:
    """The tensors among an operation's arguments."""
    if isinstance(values, Traced):
        return [values]
    if isinstance(values, list | tuple):
        return [one for value in values for one in traced(value)]
    return []


def broadcast(tensors: Sequence[Traced], shape: Sequence[int]) -> list[Axis]:
    """Axes of what tensors become that are combined entry by entry, aligned at the right."""
    found: list[Axis] = []
    for place in range(-len(shape), 0):
        here: Axis | None = None
        for tensor in tensors:
            if len(tensor.axes) >= -place and atoms.size(tensor.axes[place]) == shape[place] != 1:
                on = tensor.axes[place]
                here = on if here is None else atoms.unify(here, on)
        found.append(atoms.new(shape[place]) if here is None else here)
    return found


@rule(*_POINTWISE.split(), "declared elementwise")
def pointwise(trace: Trace, *args: Any, **kwargs: Any) -> Traced:
    """Every entry by itself: the axes of all tensors agree."""
    if not hasattr(trace.node.meta.get("val"), "shape"):
        raise trace.cannot('has several outputs, so that only "fixed" can be declared')
    return trace.value(broadcast(traced([*args, *kwargs.values()]), trace.shape))


@rule("declared fixed")
def frozen(trace: Trace, *args: Any, **kwargs: Any) -> Any:
    """Declared by hand: nothing it touches may be permuted."""
    for tensor in traced([*args, *kwargs.values()]):
        for axis in tensor.axes:
            atoms.fix(axis, "declared fixed by hand")
    found = trace.node.meta.get("val")
    shapes = [found.shape] if hasattr(found, "shape") else [one.shape for one in found or ()]
    out = [trace.fixed(tuple(map(int, shape)), "declared fixed by hand") for shape in shapes]
    return out[0] if hasattr(found, "shape") else tuple(out)


@rule("zeros", "ones", "full", "zeros_like", "ones_like", "full_like", "new_zeros", "new_ones")
@rule("new_full", "scalar_tensor", "empty", "new_empty", "empty_like", "zero")
def constant(trace: Trace, *args: Any, **kwargs: Any) -> Traced:
    """Equal entries: no axis of it tells its units apart."""
    return trace.uniform(trace.shape)


@rule("arange", "linspace", "eye", "rand", "randn", "rand_like", "randn_like", "randperm")
def numbered(trace: Trace, *args: Any, **kwargs: Any) -> Traced:
    """Entries that differ by their place."""
    return trace.fixed(trace.shape, "a constant of the code")


@rule("getitem")
def getitem(trace: Trace, values: Sequence[Any], number: int) -> Any:
    """One of several outputs."""
    return values[number]


@rule("view", "reshape", "flatten", "unflatten", "squeeze", "unsqueeze", "_unsafe_view", "view_as")
@rule("reshape_as", "atleast_1d", "ravel")
def reshape(trace: Trace, x: Traced, *args: Any, **kwargs: Any) -> Traced:
    """The same entries in the same order under another shape."""
    return trace.value(reshaped(x.axes, trace.shape))


def reshaped(axes: Sequence[Axis], shape: Sequence[int]) -> list[Axis]:
    """Axes after a reshape: groups of neighbouring axes of equal size on both sides."""
    ins = [axis for axis in axes if atoms.size(axis) != 1]
    outs = [size for size in shape if size != 1]
    found: list[Axis] = []
    while ins:
        taken, made = [ins.pop(0)], [outs.pop(0)]
        while (left := numel([atoms.size(a) for a in taken])) != (right := numel(made)):
            if left < right:
                taken.append(ins.pop(0))
            else:
                made.append(outs.pop(0))
        whole = taken[0] if len(taken) == 1 else atoms.merge(taken)
        found += [whole] if len(made) == 1 else atoms.factor(whole, made)
    return [found.pop(0) if size != 1 else atoms.new(1) for size in shape]


@rule("permute", "transpose", "movedim", "t", "numpy_T", "swapaxes", "moveaxis")
@rule("mT", "mH", "adjoint")
def permuted(trace: Trace, x: Traced, *args: Any) -> Traced:
    """Axes in another order."""
    name, count = str(trace.node.target).split(".")[-2], len(x.axes)
    order = list(range(count))
    if name == "permute":
        order = [axis % count for axis in args[0]]
    elif name in ("movedim", "moveaxis"):
        sources, targets = (
            [k % count for k in (each if isinstance(each, list | tuple) else [each])]
            for each in args
        )
        order = [k for k in order if k not in sources]
        for target, source in sorted(zip(targets, sources, strict=True)):
            order.insert(target, source)
    else:
        first, second = args if args else ((0, 1) if name in ("t", "numpy_T") else (-2, -1))
        if name == "numpy_T" or (name == "t" and count < 2):
            order.reverse()
        else:
            order[first % count], order[second % count] = second % count, first % count
    return trace.value(x.axes[k] for k in order)


@rule("expand", "expand_as", "broadcast_to")
def expanded(trace: Trace, x: Traced, *args: Any, **kwargs: Any) -> Traced:
    """New entries are copies, which no permutation tells apart."""
    return trace.value(broadcast([x], trace.shape))


@rule("repeat", "tile")
def repeated(trace: Trace, x: Traced, times: Sequence[int]) -> Traced:
    """Copies one after another."""
    extra = len(times) - len(x.axes)
    times = [*([1] * -extra), *times]
    axes = [*(atoms.new(1) for _ in range(extra)), *x.axes]
    return trace.value(
        atoms.merge([atoms.new(count), axis]) for count, axis in zip(times, axes, strict=True)
    )


@rule("repeat_interleave")
def interleaved(trace: Trace, x: Traced, count: Any, dim: int | None = None, **_: Any) -> Traced:
    """Copies next to each entry."""
    if not isinstance(count, int) or dim is None:
        raise trace.cannot("repeats entries a varying number of times")
    axes = list(x.axes)
    axes[dim] = atoms.merge([axes[dim], atoms.new(count)])
    return trace.value(axes)


@rule("cat", "concat", "concatenate")
def concatenated(trace: Trace, parts: Sequence[Traced], dim: int = 0) -> Traced:
    """Segments one after another; the other axes agree."""
    parts = [part for part in parts if numel(part.shape)]
    axes = [list(part.axes) for part in parts]
    dim %= len(axes[0])
    joined: list[Axis] = list(axes[0])
    for other in axes[1:]:
        joined = [
            mine if k == dim else atoms.unify(mine, theirs)
            for k, (mine, theirs) in enumerate(zip(joined, other, strict=True))
        ]
    joined[dim] = tuple(segment for each in axes for segment in each[dim])
    return trace.value(joined)


@rule("stack")
def stacked(trace: Trace, parts: Sequence[Traced], dim: int = 0) -> Traced:
    """A new axis, whose places tell the tensors apart."""
    axes = broadcast(parts, parts[0].shape)
    axes.insert(dim % (len(axes) + 1), atoms.new(len(parts), "tensors stacked by their place"))
    return trace.value(axes)


@rule("select")
def select(trace: Trace, x: Traced, dim: int, number: int) -> Traced:
    """One place of an axis."""
    dim %= len(x.axes)
    return trace.selected(x.axes, dim, number % x.shape[dim])


@rule("unbind")
def unbound(trace: Trace, x: Traced, dim: int = 0) -> tuple[Traced, ...]:
    """Every place of an axis."""
    dim %= len(x.axes)
    return tuple(trace.selected(x.axes, dim, k) for k in range(x.shape[dim]))


@rule("split", "split_with_sizes", "chunk", "tensor_split", "unsafe_chunk", "unsafe_split")
def split(trace: Trace, x: Traced, *args: Any, **kwargs: Any) -> tuple[Traced, ...]:
    """Segments of an axis."""
    dim = kwargs.get("dim", args[1] if len(args) > 1 else 0) % len(x.axes)
    lengths = [int(each.shape[dim]) for each in trace.node.meta["val"]]
    found, start = [], 0
    for length in lengths:
        found.append(narrowed(trace, x, dim, start, length))
        start += length
    return tuple(found)


@rule("slice", "narrow")
def sliced(trace: Trace, x: Traced, dim: int = 0, start: int | None = None, *rest: Any) -> Traced:
    """Part of an axis; every so many entries only where the axis stays anyway."""
    dim %= len(x.axes)
    length, step = trace.shape[dim], rest[1] if len(rest) > 1 else 1
    start = min(max((start or 0) + (x.shape[dim] if (start or 0) < 0 else 0), 0), x.shape[dim])
    if step != 1:
        reason = "every so many of its entries are taken"
        atoms.fix(x.axes[dim], reason)
        axes = list(x.axes)
        axes[dim] = atoms.new(length, reason)
        return trace.value(axes)
    return narrowed(trace, x, dim, start, length)


def narrowed(trace: Trace, x: Traced, dim: int, start: int, length: int) -> Traced:
    """``length`` entries of an axis from ``start`` on."""
    axes, whole = list(x.axes), x.shape[dim]
    if length == whole:
        return x
    if length == 1:
        kept = list(trace.selected(axes, dim, start).axes)
        kept.insert(dim, atoms.new(1))
        return trace.value(kept)
    left = list(atoms.resolve(axes[dim]))
    parts: list[list] = []
    for wanted in (start, length, whole - start - length):
        taken = []
        while wanted > 0:
            if atoms.size((left[0],)) > wanted:
                left[:1] = atoms.cut(left[0], wanted)
            taken.append(left.pop(0))
            wanted -= atoms.size((taken[-1],))
        parts.append(taken)
    axes[dim] = tuple(parts[1])
    return trace.value(axes)


@rule("flip", "roll", "cumsum", "cumprod", "sort", "argsort", "tril", "triu", "diagonal", "one_hot")
@rule("logcumsumexp", "cummax", "cummin", "diff", "bincount", "nonzero", "unfold", "im2col")
def by_place(trace: Trace, x: Traced, *args: Any, **kwargs: Any) -> Any:
    """What depends on the order of entries along the named axes, or on all if none is named."""
    name = str(trace.node.target).split(".")[-2]
    places = {"flip": 0, "roll": 1, "cumsum": 0, "cumprod": 0}
    dims: Any = range(len(x.axes))
    if name in places and len(args) > places[name]:
        dims = args[places[name]]
    chosen = [k % len(x.axes) for k in ([dims] if isinstance(dims, int) else dims)]
    reason = f"{name} depends on the order of its entries"
    for k in chosen:
        atoms.fix(x.axes[k], reason)
    if len(chosen) < len(x.axes):
        return trace.value(x.axes)
    values = trace.node.meta["val"]
    several = isinstance(values, list | tuple)
    out = [trace.fixed(tuple(map(int, v.shape)), reason) for v in (values if several else [values])]
    return tuple(out) if several else out[0]


@rule("embedding")
def embedding(trace: Trace, weight: Traced, numbers: Traced, *_: Any, **__: Any) -> Traced:
    """Rows looked up by their number."""
    atoms.fix(weight.axes[0], "rows are looked up by their number")
    return trace.value([*numbers.axes, weight.axes[1]])


@rule("index_select", "index", "gather", "index_put", "take_along_dim", "masked_select")
@rule("scatter", "scatter_add", "scatter_reduce", "index_add", "index_copy", "slice_scatter")
@rule("select_scatter", "masked_scatter")
def looked_up(trace: Trace, x: Traced, *args: Any, **kwargs: Any) -> Traced:
    """Entries looked up by their place on the indexed axes."""
    reason, name = "entries are looked up by their place", str(trace.node.target).split(".")[-2]
    if name == "index_select":
        dim = args[0] % len(x.axes)
        atoms.fix(x.axes[dim], reason)
        axes = list(x.axes)
        axes[dim] = atoms.new(trace.shape[dim], reason)
        return trace.value(axes)
    if name == "index":
        return _advanced(trace, x, args[0], reason)
    for tensor in traced([x, *args]):
        for axis in tensor.axes:
            atoms.fix(axis, reason)
    return trace.fixed(trace.shape, reason)


def _advanced(trace: Trace, x: Traced, numbers: Sequence[Traced | None], reason: str) -> Traced:
    chosen = [k for k, number in enumerate(numbers) if number is not None]
    for axis in (*(x.axes[k] for k in chosen), *(a for n in traced(numbers) for a in n.axes)):
        atoms.fix(axis, reason)
    together = chosen == list(range(chosen[0], chosen[-1] + 1))
    at = chosen[0] if together else 0
    kept = [axis for k, axis in enumerate(x.axes) if k not in chosen]
    count = len(trace.shape) - len(kept)
    middle = [atoms.new(size, reason) for size in trace.shape[at : at + count]]
    return trace.value([*kept[:at], *middle, *kept[at:]])
