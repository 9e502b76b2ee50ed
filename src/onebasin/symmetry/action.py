"""How an element of a symmetry group acts on weights: the one door through which weights move."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from torch import Tensor

from onebasin.errors import InputError
from onebasin.symmetry.spec import Spec, State


@runtime_checkable
class Element(Protocol):
    """What every kind of group element offers: permutation, scaling, and those to come."""

    @property
    def spec(self) -> Spec:
        """The spec whose groups it acts on."""

    @property
    def models(self) -> int | None:
        """Number of elements in a stack, ``None`` for a single one."""

    def act(self, state: State) -> dict[str, Tensor]:
        """The moved weights, of a state that fits."""


def apply(element: Element, state: State) -> dict[str, Tensor]:
    """Move the weights of a network by a symmetry; its function stays what it is.

    A single element moves every network of a stack alike; a stack of elements moves network by
    network. Nothing is changed in place: what moves is new, on the device and in the dtype of
    ``state``, what stays is the tensor of ``state`` itself. Gradients flow through.

    Args:
        element: A permutation, a scaling, or another element of the spec's group.
        state: Tensors of one network, or of a stack with a leading models dimension.

    Raises:
        InputError: if ``state`` does not fit the element's spec, sizes or number of models.
    """
    element.spec.check(state, finite=False)
    models = element.spec.models(state)
    if element.models not in (None, models):
        raise InputError(
            "state",
            f"{models} models",
            f"the element is a stack of {element.models}; pass a stack of as many networks",
        )
    return element.act(state)
