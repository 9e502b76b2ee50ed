"""The element-wise functions between layers, each with its derivative."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class Activation:
    """An element-wise function and its derivative.

    Args:
        value: ``value(pre, out=None)``, the function of every element, written to ``out`` if given.
        slope: ``slope(pre, post)``, the derivative at ``pre``, where ``post = value(pre)``. It may
            write into ``pre`` and returns it.
    """

    value: Callable[..., Tensor]
    slope: Callable[[Tensor, Tensor], Tensor]

    def __call__(self, pre: Tensor) -> Tensor:
        """The function, element by element."""
        return self.value(pre)


def _relu(pre: Tensor, out: Tensor | None = None) -> Tensor:
    return torch.relu(pre) if out is None else torch.clamp(pre, min=0, out=out)


def _relu_slope(pre: Tensor, post: Tensor) -> Tensor:
    return pre.gt_(0)


def _tanh_slope(pre: Tensor, post: Tensor) -> Tensor:
    return torch.mul(post, post, out=pre).neg_().add_(1)


def _sigmoid_slope(pre: Tensor, post: Tensor) -> Tensor:
    return torch.addcmul(post, post, post, value=-1, out=pre)


def _sine(pre: Tensor, out: Tensor | None = None) -> Tensor:
    return torch.sin(pre) if out is None else _into(out, pre, torch.sin, np.sin)


def _sine_slope(pre: Tensor, post: Tensor) -> Tensor:
    return _into(pre, pre, torch.cos, np.cos)


def _into(out: Tensor, pre: Tensor, function: Callable[..., Tensor], twin: np.ufunc) -> Tensor:
    """Write a function of ``pre`` into ``out``, by torch or by its twin of NumPy.

    On one thread of a CPU NumPy's takes half to a third of the time; torch's is for several
    threads, which share the work, for other devices and for half precision.
    """
    alone = pre.is_cpu and torch.get_num_threads() == 1
    if alone and pre.dtype in (torch.float32, torch.float64):
        twin(pre.numpy(), out=out.numpy())
        return out
    return function(pre, out=out)


def _gelu(pre: Tensor, out: Tensor | None = None) -> Tensor:
    value = torch.nn.functional.gelu(pre)
    return value if out is None else out.copy_(value)


def _gelu_slope(pre: Tensor, post: Tensor) -> Tensor:
    below = (1 + torch.erf(pre / math.sqrt(2))) / 2
    density = torch.exp(-pre.square() / 2) / math.sqrt(2 * math.pi)
    return pre.mul_(density).add_(below)


def _identity(pre: Tensor, out: Tensor | None = None) -> Tensor:
    return pre if out is None else out.copy_(pre)


def _identity_slope(pre: Tensor, post: Tensor) -> Tensor:
    return pre.fill_(1)


ACTIVATIONS: dict[str, Activation] = {
    "relu": Activation(_relu, _relu_slope),
    "tanh": Activation(torch.tanh, _tanh_slope),
    "sigmoid": Activation(torch.sigmoid, _sigmoid_slope),
    "gelu": Activation(_gelu, _gelu_slope),
    "sin": Activation(_sine, _sine_slope),
    "identity": Activation(_identity, _identity_slope),
}
