"""The activations of every group of units: from the network itself, or read off a plain module."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from onebasin.errors import InputError
from onebasin.networks.inputs import per_model
from onebasin.networks.population import call
from onebasin.symmetry.spec import Spec, State


def activations(
    network: nn.Module, spec: Spec, state: State, x: Tensor, at: Literal["pre", "post"]
) -> Mapping[str, Float[Tensor, "*models samples _"]]:
    """Activations of every group of ``spec``, positions of an image or a sequence as samples.

    A network that takes ``capture=`` is asked. Any other module is read where ``spec.taps`` says,
    at what goes into or comes out of one of its submodules; the taps decide the place, not ``at``.

    Args:
        network: The kind of network; its own parameters are not used.
        spec: The groups.
        state: One network or a stack.
        x: Inputs ``[samples ...]``, or ``[models samples ...]``.
        at: Activations ``"pre"`` or ``"post"`` the activation function.

    Raises:
        InputError: if the module is in training mode, or cannot be read.
    """
    check_evaluating(network)
    if "capture" in inspect.signature(network.forward).parameters or hasattr(network, "run"):
        return call(network, state, x, capture=at)[1]
    if at != "post":
        remedy = 'a module without capture= is read where the taps of its spec are; use "post"'
        raise InputError("options.at", at, remedy)
    return Tapped(network, spec).read(state, x)


def check_evaluating(network: nn.Module, name: str = "network") -> None:
    """Refuse a module whose answer is random or depends on the other samples of the batch.

    Args:
        network: Any module.
        name: What the caller calls it, for the message.

    Raises:
        InputError: if a batch norm or an active dropout is in training mode.
    """
    for where, module in network.named_modules():
        own = isinstance(module, nn.modules.dropout._DropoutNd)
        rate = module.p if own else getattr(module, "dropout", 0.0)  # attention has a rate inside
        noisy = isinstance(rate, float) and rate > 0
        if module.training and (noisy or isinstance(module, nn.modules.batchnorm._BatchNorm)):
            remedy = f"{where or name!r} is in training mode; call {name}.eval() first"
            raise InputError(name, type(module).__name__, remedy)


class Tapped:
    """A plain module, read by forward hooks at the taps of its spec.

    Args:
        network: The module.
        spec: The groups, with a tap for each.

    Raises:
        InputError: if a group has no tap, or a tap names no submodule.
    """

    def __init__(self, network: nn.Module, spec: Spec) -> None:
        modules = dict(network.named_modules())
        for group in spec.groups:
            tap = spec.taps.get(group)
            if tap is None or tap.module not in modules:
                remedy = (
                    f"has no place where group {group!r} can be read; give the spec a tap for it "
                    "(taps={group: Tap(module, axis)}), or match weights"
                )
                raise InputError("spec.taps", sorted(spec.taps), remedy)
        self.network, self.spec, self.modules = network, spec, modules

    def read(self, state: State, x: Tensor) -> dict[str, Float[Tensor, "*models samples _"]]:
        """Run the module on ``x`` and return what passed by the taps.

        Raises:
            InputError: if a tapped submodule runs more than once, or not at all.
        """
        models, sizes = self.spec.models(state), self.spec.sizes(state)

        def one(tensors: State, inputs: Tensor) -> dict[str, Tensor]:
            with self._listening() as heard:
                torch.func.functional_call(
                    self.network, dict(tensors), (inputs,), tie_weights=False
                )
            return {group: self._take(heard, group, sizes) for group in self.spec.groups}

        if models is None:
            return one(state, x)
        own = per_model(self.network, x, models)
        return torch.vmap(one, in_dims=(0, 0 if own else None))(dict(state), x)

    @contextmanager
    def _listening(self) -> Iterator[dict[tuple[str, str], list[Tensor]]]:
        heard: dict[tuple[str, str], list[Tensor]] = {}

        def listen(place: tuple[str, str]) -> Any:
            def hook(module: nn.Module, inputs: tuple, output: Any) -> None:
                value = inputs[0] if place[1] == "input" else output
                heard.setdefault(place, []).append(value[0] if isinstance(value, tuple) else value)

            return hook

        places = {(tap.module, tap.side) for tap in self.spec.taps.values()}
        hooks = [
            self.modules[place[0]].register_forward_hook(listen(place))
            for place in sorted(places)
            if place[0] in self.modules
        ]
        try:
            yield heard
        finally:
            for hook in hooks:
                hook.remove()

    def _take(self, heard: Mapping, group: str, sizes: Mapping[str, int]) -> Tensor:
        tap = self.spec.taps[group]
        found = heard.get((tap.module, tap.side), [])
        if len(found) != 1:
            remedy = (
                f"ran {len(found)} times in one pass, so group {group!r} cannot be told from "
                "others there; tap a submodule that runs once"
            )
            raise InputError("spec.taps", tap.module, remedy)
        return tap.read(found[0], group, sizes)
