"""Initial draws of one network: its own way, or part by part as PyTorch does."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from onebasin import seeds
from onebasin.errors import InputError


@torch.no_grad()
def redrawn(network: nn.Module, generator: torch.Generator) -> dict[str, Tensor]:
    """The tensors of a network whose parameters are drawn anew, on the devices they are on.

    A network with ``redraw(generator)`` is asked to draw itself. Of any other, every part with
    ``reset_parameters()`` draws its own; then, inner ones first, parts with ``_reset_parameters()``
    do, as PyTorch's attention and transformers call it.

    Args:
        network: The kind of network; it is not changed.
        generator: Where the draws come from, on the CPU; it is advanced by them.

    Raises:
        InputError: if a part has parameters and no way to draw them.
    """
    homes = {name: tensor.device for name, tensor in network.state_dict().items()}
    twin = copy.deepcopy(network).cpu()
    if hasattr(twin, "redraw"):
        twin.redraw(generator)  # type: ignore[operator]
    else:
        with seeds.lent(generator):
            _reset(twin)
    return {name: tensor.detach().to(homes[name]) for name, tensor in twin.state_dict().items()}


def _reset(network: nn.Module) -> None:
    whole = []
    for name, module in network.named_modules():
        inner = any(True for child in module.children() for _ in child.parameters())
        if hasattr(module, "reset_parameters") and not inner:
            module.reset_parameters()
        elif hasattr(module, "reset_parameters") or hasattr(module, "_reset_parameters"):
            whole.append(module)
        elif list(module.parameters(recurse=False)):
            place = repr(name) if name else "it"
            remedy = (
                f"{place} has parameters of its own but no reset_parameters() to draw them; "
                "write one, or give the network redraw(generator)"
            )
            raise InputError("network", type(module).__name__, remedy)
    for module in reversed(whole):  # after its parts, which it may draw its own way
        draw = getattr(module, "reset_parameters", None) or module._reset_parameters
        draw()
