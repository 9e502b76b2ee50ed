"""Where the activations of a group can be read in a running network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from jaxtyping import Float
from torch import Tensor

from onebasin.errors import InputError
from onebasin.symmetry.axes import Entry, factors, length, segments


@dataclass(frozen=True)
class Tap:
    """One axis of what a module takes in or gives out.

    Args:
        module: Name of the module, as in ``named_modules()``.
        axis: Axis of its tensor on which the units stand (samples on axis 0).
        side: Whether it is the module's first input or its output.
        entry: What stands on that axis.
    """

    module: str
    axis: int
    side: Literal["input", "output"] = "output"
    entry: Entry = None

    def read(
        self, tensor: Float[Tensor, "..."], group: str, sizes: Mapping[str, int]
    ) -> Float[Tensor, "samples units"]:
        """The activations of a group; everything that is not a unit of it is a sample.

        Args:
            tensor: What the module took in or gave out.
            group: One of the groups of ``entry``.
            sizes: Units of every group.

        Raises:
            InputError: if the group does not stand on the axis.
        """
        start = 0
        for part in segments(self.entry if self.entry is not None else group):
            here = length(part, sizes) or 0
            if group in factors(part):
                shape = [sizes[f] if isinstance(f, str) else f for f in factors(part)]
                axis = self.axis % tensor.ndim
                cut = tensor.narrow(axis, start, here).unflatten(axis, shape)
                return cut.movedim(axis + factors(part).index(group), -1).flatten(0, -2)
            start += here
        raise InputError("group", group, f"does not stand on the axis {self.entry!r}")
