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
    r"""Loss and gradients of a stack of dense networks, written out.

    With :math:`h_0 = x`, :math:`z_l = g_l (W_l h_{l-1} + b_l)`, :math:`h_l = \sigma(z_l)` and
    :math:`\delta_l` the derivative of the loss by :math:`W_l h_{l-1} + b_l`:

    .. math::
        \nabla W_l = \delta_l h_{l-1}^T, \qquad \nabla b_l = \delta_l, \qquad
        \delta_{l-1} = g_{l-1}\, \sigma'(z_{l-1}) \odot W_l^T \delta_l

    summed over samples. These are the sums that automatic differentiation does; what it does
    besides, making and freeing every intermediate tensor anew, costs small networks as much as a
    quarter of their time. Here :math:`z_l` and :math:`h_l` have a buffer each, made once;
    :math:`\sigma'(z_l)` replaces the one, :math:`W_{l+1}^T \delta_{l+1}` the other. All parameters
    lie in one vector, so that an optimiser has one tensor to step.

    Args:
        network: The kind of network.
        parameters: A stack of its parameters, ``[models ...]`` each; they are copied.
        loss: As in :func:`losses`. Where it carries ``loss.elementwise`` it may also carry that
            function's derivative by the output as ``loss.slope``.
        samples: The most samples that a call will bring.

    Attributes:
        learned: What an optimiser steps: all parameters as one vector, with its ``grad``.
        state: The parameters by name, views of that vector.
        gradients: The gradients by name, views of its ``grad``.
    """

    def __init__(self, network: Dense, parameters: State, loss: Loss, samples: int) -> None:
        self.loss, self.activation, last = loss, network.activation, len(network.layers) - 1
        values = torch.cat([tensor.detach().flatten() for tensor in parameters.values()])
        self.state = _parts(values.detach(), parameters)
        values.grad = torch.zeros_like(values)
        self.gradients = _parts(values.grad, parameters)
        self.learned = [values.requires_grad_()]
        self.gains = [network.gain] * last + [1.0]
        names = [f"layers.{index}" for index in range(last + 1)]
        self.weights = [self.state[f"{name}.weight"] for name in names]
        self.biases = [self.state[f"{name}.bias"] for name in names]
        self.of_weights = [self.gradients[f"{name}.weight"] for name in names]
        self.of_biases = [self.gradients[f"{name}.bias"] for name in names]
        self.rows, self.turned = [b[:, None] for b in self.biases], [w.mT for w in self.weights]
        sizes = [bias.numel() * samples for bias in self.biases]
        self.rooms = [values.new_empty(size) for size in sizes + sizes[:-1]]
        self.samples, self.views = samples, dict[int, tuple[list[Tensor], list[Tensor]]]()
        self.start()

    def start(self) -> None:
        """Forget the gradients: the next call replaces them, later ones add to them."""
        self.kept = 0.0

    @torch.no_grad()
    def __call__(self, inputs: Tensor, targets: Tensor, share: float) -> Float[Tensor, " models"]:
        """Add the gradients of one piece of a batch to those since :meth:`start`.

        Args:
            inputs: ``[models samples fan]``.
            targets: ``[models samples ...]``.
            share: What part of the batch it is.

        Returns:
            The piece's share in the loss of every network.
        """
        pre, post = self._forward(inputs)
        value, delta = self._loss(pre[-1], targets, share)
        for index in reversed(range(len(self.weights))):
            delta = self._backward(index, delta, pre, post)
        self.kept = 1.0
        return value

    def _forward(self, inputs: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """Every ``z`` and every ``h``, the inputs first."""
        pre, hidden = self._buffers(inputs.shape[1])
        post = [inputs, *hidden]
        for index, (z, gain) in enumerate(zip(pre, self.gains, strict=True)):
            row, weight = self.rows[index], self.turned[index]
            torch.baddbmm(row, post[index], weight, beta=gain, alpha=gain, out=z)
            if index < len(hidden):
                self.activation.value(z, out=hidden[index])
        return pre, post

    def _buffers(self, samples: int) -> tuple[list[Tensor], list[Tensor]]:
        """Room for every ``z`` and ``h``: views of the front (a last piece may be shorter)."""
        if samples not in self.views:
            models, layers = len(self.biases[0]), len(self.biases)
            fronts = [room[: room.numel() // self.samples * samples] for room in self.rooms]
            shaped = [front.view(models, samples, -1) for front in fronts]
            self.views[samples] = shaped[:layers], shaped[layers:]
        return self.views[samples]

    def _loss(self, output: Tensor, targets: Tensor, share: float) -> tuple[Tensor, Tensor]:
        """The loss of every network and its derivative by the output."""
        if hasattr(self.loss, "slope"):
            value = losses(self.loss, output, targets) * share
            slope = self.loss.slope(output, targets)
            return value, slope.mul_(share / output[0].numel())
        with torch.enable_grad():
            output = output.detach().requires_grad_()
            value = losses(self.loss, output, targets) * share
            (delta,) = torch.autograd.grad(value.sum(), output)
        return value.detach(), delta

    def _backward(self, index: int, delta: Tensor, pre: list[Tensor], post: list[Tensor]) -> Tensor:
        """Add the gradients of one layer; ``delta`` of the layer before."""
        weight, of_weight = self.weights[index], self.of_weights[index]
        if weight.shape[2] < weight.shape[1]:  # few inputs: five times as fast this way round
            _add((post[index].mT @ delta).mT, of_weight, self.kept)
        else:
            torch.baddbmm(of_weight, delta.mT, post[index], beta=self.kept, out=of_weight)
        _add(delta.sum(1), self.of_biases[index], self.kept)
        if index == 0:
            return delta
        gain, slope = self.gains[index - 1], self.activation.slope(pre[index - 1], post[index])
        if weight.shape[1] == 1:  # one output: no product of matrices
            return slope.mul_(delta).mul_(weight * gain)
        back = torch.baddbmm(post[index], delta, weight, beta=0, alpha=gain, out=post[index])
        return slope.mul_(back)


def _parts(vector: Tensor, like: State) -> dict[str, Tensor]:
    """Views of the pieces of a vector, by name and in the shapes of ``like``."""
    pieces = vector.split([tensor.numel() for tensor in like.values()])
    named = zip(like.items(), pieces, strict=True)
    return {name: piece.view_as(tensor) for (name, tensor), piece in named}


def _add(term: Tensor, total: Tensor, kept: float) -> None:
    """Add to what is kept of a total, or replace it."""
    if kept:
        total.add_(term)
    else:
        total.copy_(term)
