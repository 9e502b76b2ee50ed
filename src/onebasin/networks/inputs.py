"""Whether the networks of a stack share their inputs, or each has its own."""

from __future__ import annotations

from torch import Tensor, nn

from onebasin.errors import InputError

#: Dimensions of one network's inputs by the kind of its first layer, that of the samples included.
_DIMS = {nn.Linear: 2, nn.Embedding: 2, nn.Conv1d: 3, nn.Conv2d: 4, nn.Conv3d: 5}


def per_model(network: nn.Module, x: Tensor, count: int) -> bool:
    """Whether ``x`` is ``[models samples ...]``, inputs of its own for each of ``count`` networks.

    It is if it has more dimensions than the inputs of one network, whatever their number. A network
    says by ``input_dims`` how many these are, with that of the samples. For one that does not, it
    is read off its first linear, embedding or convolutional layer (4 for images). A foreign network
    of sequences ``[samples length fan]`` should therefore say ``input_dims = 3``.

    Raises:
        InputError: if there are more dimensions, but the first does not count the networks.
    """
    dims = _input_dims(network)
    if x.ndim <= dims:
        return False
    if len(x) != count:
        remedy = (
            f"has more than {dims} dimensions, so that the first must count the {count} networks; "
            "if all share these inputs, set input_dims of the network to their number of dimensions"
        )
        raise InputError("inputs", tuple(x.shape), remedy)
    return True


def owned(network: nn.Module, data: tuple[Tensor, Tensor], models: int | None) -> bool:
    """Whether each of a stack of networks has inputs and targets of its own.

    They must agree in the number of networks and of samples, and the inputs have one dimension more
    than one network takes.

    Args:
        network: The kind of network, see :func:`per_model`.
        data: Inputs and targets ``[samples ...]``, shared, or both ``[models samples ...]``.
        models: Size of the stack, None for a single network.

    Raises:
        InputError: if there are no data, or inputs and targets do not fit one another.
    """
    inputs, targets = data
    if inputs.ndim < 1 or inputs.numel() == 0:
        raise InputError("data", tuple(inputs.shape), "give at least one sample")
    both = models is not None and inputs.shape[:2] == targets.shape[:2]
    own = models is not None and both and per_model(network, inputs, models)
    if not own and len(inputs) != len(targets):
        counts = (len(inputs), len(targets))
        raise InputError("data", counts, "inputs and targets must be equally many")
    return own


def _input_dims(network: nn.Module) -> int:
    if hasattr(network, "input_dims"):
        return int(network.input_dims)  # type: ignore[arg-type]
    kinds = (kind for part in network.modules() for kind in _DIMS if isinstance(part, kind))
    return _DIMS[next(kinds, nn.Linear)]
