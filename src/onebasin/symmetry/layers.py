"""What sums over axes, layers with weights and attention do to axes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from onebasin.symmetry import atoms
from onebasin.symmetry.atoms import Axis
from onebasin.symmetry.positions import KERNEL, fix_all
from onebasin.symmetry.rules import RULES, broadcast, narrowed, rule, traced
from onebasin.symmetry.tracing import Reading, Trace, Traced, operation, runs_in

__all__ = ["RULES", "contract"]


def contract(
    trace: Trace, operands: Sequence[tuple[Sequence[Axis], str]], out: str, shape: Sequence[int]
) -> Traced:
    """Products summed over shared labels, as in Einstein's notation.

    Axes of one label agree. Inside a sum, units cannot be relabelled differently for different
    units of an axis that only one factor has.

    Args:
        trace: What is known so far.
        operands: Axes of each tensor with one letter for each.
        out: Letters of the result.
        shape: Its shape.
    """
    found: dict[str, Axis] = {}
    for axes, letters in operands:
        for letter, axis in zip(letters, axes, strict=True):
            if atoms.size(axis) != 1 or letter not in found:
                old = found.get(letter)
                both = old is not None and atoms.size(old) == atoms.size(axis)
                found[letter] = atoms.unify(old, axis) if both else axis  # type: ignore[arg-type]
    everywhere = set.intersection(*(set(letters) for _, letters in operands))
    for summed in set(found) - set(out):
        for _, letters in operands:
            for letter in set(letters) - everywhere:
                trace.separate(found[summed], found[letter])
    return trace.value(
        found[letter] if letter in found else atoms.new(size)
        for letter, size in zip(out, shape, strict=True)
    )


@rule("linear")
def linear(trace: Trace, x: Traced, weight: Traced, bias: Traced | None = None) -> Traced:
    """The last axis is summed with the weight's last; the weight's first comes out."""
    _read(trace, x, len(x.axes) - 1, "input", weight)
    atoms.unify(x.axes[-1], weight.axes[1])
    for axis in x.axes[:-1]:
        trace.separate(weight.axes[1], axis)
    if bias is not None:
        atoms.unify(bias.axes[0], weight.axes[0])
    found = trace.value([*x.axes[:-1], weight.axes[0]])
    _read(trace, found, len(x.axes) - 1, "output", weight)
    return found


@rule("addmm", "baddbmm", "addbmm", "addmv")
def added_product(trace: Trace, bias: Traced, left: Traced, right: Traced, **_: Any) -> Traced:
    """A matrix product with something added."""
    product = matmul(trace, left, right)
    return trace.value(broadcast([bias, product], trace.shape))


@rule("matmul", "mm", "bmm", "mv", "dot", "vdot", "__matmul__", "inner", "linalg_matmul")
def matmul(trace: Trace, left: Traced, right: Traced) -> Traced:
    """The last axis of one tensor is summed with the last but one of the other."""
    one, two = len(left.axes), len(right.axes)
    lead = max(one, two, 2) - 2
    batch = "".join(chr(ord("a") + k) for k in range(lead))
    rows = batch[max(lead - max(one - 2, 0), 0) :] + ("Y" if one > 1 else "") + "X"
    columns = batch[max(lead - max(two - 2, 0), 0) :] + "X" + ("Z" if two > 1 else "")
    out = batch + ("Y" if one > 1 else "") + ("Z" if two > 1 else "")
    return contract(trace, [(left.axes, rows), (right.axes, columns)], out, trace.shape)


@rule("einsum")
def einsum(trace: Trace, equation: str, operands: Sequence[Traced], **_: Any) -> Traced:
    """Products summed over shared letters; an ellipsis stands for as many more as there are."""
    sides = equation.replace(" ", "").split("->")
    inputs = sides[0].split(",")
    if "." in equation:
        spare = [chr(code) for code in range(ord("A"), ord("Z") + 1) if chr(code) not in equation]
        counts = [
            len(x.axes) - len(letters.replace("...", ""))
            for x, letters in zip(operands, inputs, strict=True)
            if "." in letters
        ]
        lead = spare[: max(counts)]
        left = iter(counts)
        inputs = [
            one.replace("...", "".join(lead[len(lead) - next(left) :])) if "." in one else one
            for one in inputs
        ]
        free = sorted(c for c in set(sides[0]) - set(",.") if sides[0].count(c) == 1)
        out = sides[1] if len(sides) > 1 else "..." + "".join(free)
        sides = [",".join(inputs), out.replace("...", "".join(lead))]
    once = sorted(c for c in set(sides[0]) - {","} if sides[0].count(c) == 1)
    out = sides[1] if len(sides) > 1 else "".join(once)
    pairs = [(x.axes, letters) for x, letters in zip(operands, inputs, strict=True)]
    return contract(trace, pairs, out, trace.shape)


@rule("outer")
def outer(trace: Trace, left: Traced, right: Traced) -> Traced:
    """All products."""
    return trace.value([left.axes[0], right.axes[0]])


@rule("sum", "mean", "amax", "amin", "prod", "var", "std", "norm", "linalg_vector_norm")
@rule("logsumexp", "any", "all", "nansum", "nanmean", "count_nonzero")
def reduced(trace: Trace, x: Traced, *args: Any, **kwargs: Any) -> Traced:
    """A function of all entries along some axes that does not see their order."""
    dims = kwargs.get("dim", next((a for a in args if isinstance(a, list | tuple)), None))
    if dims is None:
        name = str(trace.node.target).split(".")[-2:]
        by_number = name[0] in ("any", "all", "prod", "sum", "mean") and name[1] != "default"
        dims = args[0] if by_number and args and isinstance(args[0], int) else None
    chosen = range(len(x.axes)) if dims in (None, []) else dims
    chosen = [chosen] if isinstance(chosen, int) else chosen
    gone = {axis % len(x.axes) for axis in chosen}
    if len(trace.shape) == len(x.axes):
        axes = [atoms.new(1) if k in gone else axis for k, axis in enumerate(x.axes)]
    else:
        axes = [axis for k, axis in enumerate(x.axes) if k not in gone]
    return trace.value(axes)


@rule("max", "min", "median", "argmax", "argmin", "topk", "kthvalue", "mode", "aminmax")
def extreme(trace: Trace, *args: Any, **kwargs: Any) -> Any:
    """The largest entries; where they stand depends on the order, so that the axis stays."""
    tensors, values = traced([*args, *kwargs.values()]), trace.node.meta["val"]
    if len(tensors) == 2:
        return trace.value(broadcast(tensors, trace.shape))
    shapes = [tuple(v.shape) for v in (values if isinstance(values, tuple | list) else [values])]
    x = tensors[0]
    if shapes == [()]:
        if str(trace.node.target).split(".")[-2].startswith("arg"):
            fix_all(x.axes, "the place of an entry is asked for")
        return trace.value([])
    dim = _extreme_axis(str(trace.node.target).split(".")[-2], args, kwargs)
    if dim is None:  # over all entries, with axes of length 1 left or none
        fix_all(x.axes, "the place of an entry is asked for")
        rest = tuple(trace.value(map(atoms.new, shape)) for shape in shapes)
        return rest if isinstance(values, tuple | list) else rest[0]
    dim %= len(x.axes)
    atoms.fix(x.axes[dim], "the place of an entry is asked for")
    out = []
    for shape in shapes:
        axes = list(x.axes)
        axes[dim : dim + 1] = [atoms.new(shape[dim], "sorted")] if len(shape) == len(axes) else []
        out.append(trace.value(axes))
    return tuple(out) if isinstance(values, tuple | list) else out[0]


def _extreme_axis(name: str, args: Sequence[Any], kwargs: dict[str, Any]) -> int | None:
    """The axis that is asked about, by name or place; of some operations the last by default."""
    counted = name in ("topk", "kthvalue")  # their first number is not an axis but k
    given = args[2 if counted else 1 :][:1]
    dim = kwargs.get("dim", given[0] if given else None)
    return -1 if dim is None and (counted or name == "mode") else dim


@rule("softmax", "log_softmax", "_softmax", "_log_softmax", "special_softmax", "_safe_softmax")
def same(trace: Trace, x: Traced, *args: Any, **kwargs: Any) -> Traced:
    """A function of all entries along an axis that moves along with them."""
    dim = int(kwargs.get("dim", args[0] if args else -1)) % len(x.axes)
    for axis in (*x.axes[:dim], *x.axes[dim + 1 :]):
        trace.separate(axis, x.axes[dim])
    return x


@rule("batch_norm", "_native_batch_norm_legit_no_training", "native_batch_norm", "instance_norm")
@rule("cudnn_batch_norm", "prelu", "_prelu_kernel")
def channelwise(trace: Trace, x: Traced, *args: Any, **kwargs: Any) -> Traced:
    """One weight for each channel, axis 1."""
    for tensor in traced([*args, *kwargs.values()]):
        if tensor.shape != (1,):
            atoms.unify(tensor.axes[0], x.axes[1 if len(x.axes) > 1 else 0])
    return trace.value(x.axes)


@rule("cosine_similarity", "pairwise_distance")
def compared(trace: Trace, left: Traced, right: Traced, *args: Any, **kwargs: Any) -> Traced:
    """A sum over one axis of both tensors, the last if none is named."""
    shape = tuple(max(sizes) for sizes in zip(left.shape, right.shape, strict=True))
    axes = broadcast([left, right], shape)
    named = operation(trace.node) == "cosine_similarity"
    dim = int(kwargs.get("dim", args[0] if args and named else 1 if named else -1)) % len(axes)
    gone = [atoms.new(1)] if len(trace.shape) == len(axes) else []
    return trace.value([*axes[:dim], *gone, *axes[dim + 1 :]])


@rule("bilinear")
def bilinear(
    trace: Trace, left: Traced, right: Traced, weight: Traced, bias: Traced | None = None
) -> Traced:
    """The last axes of both inputs are summed with the weight's."""
    if bias is not None:
        atoms.unify(bias.axes[0], weight.axes[0])
    lead = "".join(chr(ord("a") + k) for k in range(len(left.axes) - 1))
    pairs = [(left.axes, lead + "X"), (right.axes, lead + "Y"), (weight.axes, "ZXY")]
    return contract(trace, pairs, lead + "Z", trace.shape)


@rule("layer_norm", "rms_norm", "_fused_rms_norm", "native_layer_norm")
def layer_norm(trace: Trace, x: Traced, shape: Sequence[int], *args: Any, **kwargs: Any) -> Traced:
    """Weights on the last axes."""
    for tensor in traced([*args, *kwargs.values()]):
        for mine, theirs in zip(x.axes[-len(shape) :], tensor.axes, strict=True):
            atoms.unify(mine, theirs)
    return trace.value(x.axes)


@rule("group_norm")
def group_norm(trace: Trace, x: Traced, groups: int, *args: Any, **kwargs: Any) -> Traced:
    """Channels come in blocks, which keep together."""
    for tensor in traced([*args, *kwargs.values()]):
        atoms.unify(tensor.axes[0], x.axes[1])
    channels = x.shape[1]
    if 1 < groups < channels:
        atoms.factor(x.axes[1], (groups, channels // groups))
    return trace.value(x.axes)


@rule("conv1d", "conv2d", "conv3d")
def convolution(
    trace: Trace, x: Traced, weight: Traced, bias: Traced | None = None, *rest: Any
) -> Traced:
    """Channels are summed inside each block; positions lie under a kernel."""
    rest = (*rest, *((1, 0, 1, 1)[len(rest) :]))
    spatial, groups = len(weight.axes) - 2, int(rest[3])
    channel = len(x.axes) - spatial - 1
    _read(trace, x, channel, "input", weight)
    if bias is not None:
        atoms.unify(bias.axes[0], weight.axes[0])
    if groups == 1:
        atoms.unify(x.axes[channel], weight.axes[1])
    else:
        _grouped(trace, x.axes[channel], weight, groups)
    axes = [*x.axes[:channel], weight.axes[0], *_positions(trace, x.axes, weight.axes[2:], rest)]
    found = trace.value(axes)
    _read(trace, found, channel, "output", weight)
    return found


def _grouped(trace: Trace, channels: Axis, weight: Traced, groups: int) -> None:
    inner = atoms.size(channels) // groups
    blocks, fan = atoms.factor(channels, (groups, inner))
    atoms.unify(fan, weight.axes[1])
    heads = atoms.factor(weight.axes[0], (groups, weight.shape[0] // groups))[0]
    atoms.unify(blocks, heads)
    trace.grouped |= {name for name, one in trace.parameters.items() if one is weight}


def _positions(trace: Trace, axes: Sequence[Axis], kernel: Sequence[Axis], rest: Any) -> list[Axis]:
    plain = all(
        value in (want, [want] * len(kernel), (want,) * len(kernel))
        for value, want in zip(rest[:2], (1, 0), strict=True)
    )
    positions = list(axes[len(axes) - len(kernel) :])
    for axis in kernel:
        atoms.fix(axis, KERNEL)
    if plain and all(atoms.size(axis) == 1 for axis in kernel):
        return positions
    fix_all(positions, KERNEL)
    return [atoms.new(size, KERNEL) for size in trace.shape[len(axes) - len(kernel) :]]


@rule("conv_transpose1d", "conv_transpose2d", "conv_transpose3d")
def transposed(
    trace: Trace, x: Traced, weight: Traced, bias: Traced | None = None, *rest: Any
) -> Traced:
    """The weight has the inputs first."""
    rest = (*rest, *((1, 0, 0, 1, 1)[len(rest) :]))
    if int(rest[3]) != 1:
        raise trace.cannot("a transposed convolution in groups is not followed")
    spatial = len(weight.axes) - 2
    channel = len(x.axes) - spatial - 1
    atoms.unify(x.axes[channel], weight.axes[0])
    if bias is not None:
        atoms.unify(bias.axes[0], weight.axes[1])
    fix_all([*weight.axes[2:], *x.axes[channel + 1 :]], KERNEL)
    positions = [atoms.new(size, KERNEL) for size in trace.shape[channel + 1 :]]
    return trace.value([*x.axes[:channel], weight.axes[1], *positions])


@rule("glu")
def glu(trace: Trace, x: Traced, dim: int = -1) -> Traced:
    """One half of an axis gates the other."""
    dim %= len(x.axes)
    half = x.shape[dim] // 2
    parts = [narrowed(trace, x, dim, start, half) for start in (0, half)]
    return trace.value(broadcast(parts, trace.shape))


@rule("scaled_dot_product_attention")
def attention(
    trace: Trace,
    query: Traced,
    key: Traced,
    value: Traced,
    mask: Traced | None = None,
    *rest: Any,
    is_causal: bool = False,
    enable_gqa: bool = False,
    **_: Any,
) -> Traced:
    """Products of queries and keys weigh the values; all other axes go side by side."""
    if enable_gqa:
        raise trace.cannot("heads that share keys are not followed")
    lead = "".join(chr(ord("a") + k) for k in range(len(query.axes) - 2))
    weights = contract(
        trace,
        [(query.axes, lead + "LX"), (key.axes, lead + "SX")],
        lead + "LS",
        (*query.shape[:-1], key.shape[-2]),
    )
    if mask is not None:
        weights = trace.value(broadcast([weights, mask], weights.shape))
    if is_causal or rest[1:2] == (True,):
        fix_all(weights.axes[-2:], "a causal mask depends on the order")
    pairs = [(weights.axes, lead + "LS"), (value.axes, lead + "SV")]
    return contract(trace, pairs, lead + "LV", trace.shape)


def _read(trace: Trace, x: Traced, axis: int, side: str, weight: Traced) -> None:
    """Note a tap, if ``x`` is what the module that owns the weight takes in or gives out."""
    owners = {n.rpartition(".")[0] for n, one in trace.parameters.items() if one is weight}
    beyond = [trace.node.args[0]] if side == "input" else list(trace.node.users)
    if trace.module in owners and not any(runs_in(node, trace.module) for node in beyond):
        place = -1 if axis == len(x.axes) - 1 else axis
        trace.readings.append(Reading(trace.module, place, side, x.axes[axis]))
