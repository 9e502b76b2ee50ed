"""Gradients of chains of dense layers, written out: what populations of small networks train by."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from onebasin.networks.dense import Dense, State

Loss = Callable[[Tensor, Tensor], Tensor]


def losses(loss: Loss, output: Tensor, target: Tensor) -> Float[Tensor, " models"]:
    """The loss of every network of a stack.

    Args:
        loss: ``loss(output, target)``, the mean over one network's samples. Where it is the mean of
            an element-wise function it may carry that as ``loss.elementwise``; then no vmap.
        output: ``[models samples ...]``.
        target: ``[models samples ...]``.
    """
    if hasattr(loss, "elementwise"):
        return loss.elementwise(output, target).flatten(1).mean(dim=1)
    return torch.vmap(loss)(output, target)


class Backprop:
    r"""Loss and gradients of a stack of dense networks, added to the parameters' ``.grad``.

    With :math:`h_0 = x`, :math:`z_l = g (W_l h_{l-1} + b_l)`, :math:`h_l = \sigma(z_l)` and
    :math:`\delta_l` the derivative of the loss by :math:`z_l`:

    .. math::
        \nabla W_l = g\, \delta_l h_{l-1}^T, \qquad \nabla b_l = g\, \delta_l, \qquad
        \delta_{l-1} = \sigma'(z_{l-1}) \odot g\, W_l^T \delta_l

    summed over samples. These are the sums that automatic differentiation does; what it does
    besides, making and freeing every intermediate tensor anew, costs small networks as much as a
    quarter of their time. Here :math:`z_l` and :math:`h_l` have a buffer each, made once;
    :math:`\sigma'(z_l)` replaces the one, :math:`W_{l+1}^T \delta_{l+1}` the other.

    Args:
        network: The kind of network.
        parameters: A stack of its parameters, ``[models ...]`` each.
        loss: As in :func:`losses`.
        samples: The most samples that a call will bring.
    """

    def __init__(self, network: Dense, parameters: State, loss: Loss, samples: int) -> None:
        self.loss, self.activation, last = loss, network.activation, len(network.layers) - 1
        self.gains = [network.gain] * last + [1.0]
        names = [f"layers.{index}" for index in range(last + 1)]
        self.weights = [parameters[f"{name}.weight"] for name in names]
        self.biases = [parameters[f"{name}.bias"] for name in names]
        self.of_weights = [torch.empty_like(weight) for weight in self.weights]
        self.of_biases = [torch.empty_like(bias) for bias in self.biases]
        rooms = [bias.numel() * samples for bias in self.biases]
        self.pre = [self.biases[0].new_empty(room) for room in rooms]
        self.post = [self.biases[0].new_empty(room) for room in rooms[:-1]]

    @torch.no_grad()
    def __call__(self, inputs: Tensor, targets: Tensor, share: float) -> Float[Tensor, " models"]:
        """Add the gradients of one piece of a batch to what is there.

        Args:
            inputs: ``[models samples fan]``.
            targets: ``[models samples ...]``.
            share: What part of the batch it is.

        Returns:
            The piece's share in the loss of every network.
        """
        self._start()
        pre, post = self._forward(inputs)
        with torch.enable_grad():
            output = pre[-1].requires_grad_()
            value = losses(self.loss, output, targets) * share
            (delta,) = torch.autograd.grad(value.sum(), output)
        for index in reversed(range(len(self.weights))):
            delta = self._backward(index, delta, pre, post)
        return value.detach()

    def _start(self) -> None:
        """Put zeros where there is no gradient yet."""
        tensors, gradients = self.weights + self.biases, self.of_weights + self.of_biases
        for tensor, gradient in zip(tensors, gradients, strict=True):
            if tensor.grad is None:
                tensor.grad = gradient.zero_()

    def _forward(self, inputs: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """Every ``z`` and every ``h``, the inputs first."""
        pre, post = [], [inputs]
        for index, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            shape = (*inputs.shape[:2], weight.shape[1])
            z, gain = _front(self.pre[index], shape), self.gains[index]
            torch.baddbmm(bias[:, None], post[-1], weight.mT, beta=gain, alpha=gain, out=z)
            pre.append(z)
            if index < len(self.post):
                post.append(self.activation.value(z, out=_front(self.post[index], shape)))
        return pre, post

    def _backward(self, index: int, delta: Tensor, pre: list[Tensor], post: list[Tensor]) -> Tensor:
        """Add the gradients of one layer; ``delta`` of the layer before."""
        weight, gain = self.weights[index], self.gains[index]
        into = self.of_weights[index]
        if weight.shape[2] < weight.shape[1]:  # few inputs: five times as fast this way round
            into.add_((post[index].mT @ delta).mT, alpha=gain)
        else:
            torch.baddbmm(into, delta.mT, post[index], alpha=gain, out=into)
        self.of_biases[index].add_(delta.sum(1), alpha=gain)
        if index == 0:
            return delta
        slope = self.activation.slope(pre[index - 1], post[index])
        back = torch.baddbmm(post[index], delta, weight, beta=0, alpha=gain, out=post[index])
        return slope.mul_(back)


def _front(room: Tensor, shape: tuple[int, ...]) -> Tensor:
    """A tensor in the first part of a buffer (the last piece of a batch may be shorter)."""
    return room[: torch.Size(shape).numel()].view(shape)
