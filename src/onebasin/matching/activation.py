"""Activation matching: units go together that answer alike to the same data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from onebasin.errors import InputError
from onebasin.matching.capture import activations
from onebasin.matching.nested import solve_groups, total_value
from onebasin.matching.result import Match
from onebasin.networks.inputs import per_model
from onebasin.registry import register
from onebasin.symmetry.permutation import Permutation
from onebasin.symmetry.spec import Spec, State


@dataclass(frozen=True)
class ActivationOptions:
    """Options of :func:`activation_match`.

    Args:
        objective: ``"least_squares"`` for the mean product of two units' activations (not centred),
            ``"correlation"`` for Pearson's correlation, 0 where a unit is constant.
        at: Activations ``"pre"`` or ``"post"`` the activation function.
        batch: Inputs run through the networks at once; by default 4096, and 128 of images and
            sequences, whose positions are samples too.
    """

    objective: Literal["least_squares", "correlation"] = "least_squares"
    at: Literal["pre", "post"] = "post"
    batch: int | None = None


@register(
    name="activation",
    label="activation matching",
    colour="#BF8400",
    marker="s",
    dash="-",
    cite="ainsworth2023",
    cost="data pass",
)
@torch.no_grad()
def activation_match(
    spec: Spec,
    ref: State,
    other: State,
    *,
    network: nn.Module,
    data: Tensor,
    options: ActivationOptions | None = None,
) -> Match[Permutation]:
    r"""Permute the units of ``other`` so that their activations come close to those of ``ref``.

    For every group by itself, with activations :math:`X` of all samples in the columns:

    .. math:: \arg\min_P \| X_A - P X_B \|^2 = \arg\max_P \langle P, X_A X_B^T \rangle

    Source: [ballerini2023], §2.3.1, eq. 2.1, Alg. 2.1; [ainsworth2023], §3.1, eq. (1). Correlation
    is the variant of [ainsworth2023]'s convolutional networks. Every position of an image or a
    sequence is a sample, and a group that is read at several places has the samples of all. One
    pass over the data (the authors' code takes two); moments are float64 and merged batch by batch,
    so that large means do not cancel.

    Args:
        spec: The groups.
        ref: One network, or a stack of them.
        other: The networks to be permuted, one for each of ref.
        network: The kind of network, in evaluation mode; called with ``capture=options.at`` it
            returns its output and for every group the activations ``[*models samples units]``. Any
            other module is read at ``spec.taps``.
        data: Inputs ``[samples ...]``, shared, or ``[models samples ...]`` for each pair its own.
        options: Objective, place and batch size.

    Returns:
        Permutation of ``other``; the objective is the summed similarity of the units put together
        (mean product of activations, or correlation), beside that of the identity in ``history``.

    Raises:
        InputError: if the networks do not fit one another, there are no data, or activations are
            missing or not finite.
    """
    options = options or ActivationOptions()
    spec.check_pair(ref, other)
    _check(spec, data, options)
    models = spec.models(ref)
    moments: dict[str, Moments] = {}
    own = models is not None and per_model(network, data, models)
    size = options.batch or (4096 if data.ndim - own <= 2 else 128)
    for inputs in data.split(size, 1 if own else 0):
        seen = [activations(network, spec, state, inputs, options.at) for state in (ref, other)]
        for group in spec.groups:
            _check_seen(spec, ref, group, seen[0])
            moments.setdefault(group, Moments()).add(seen[0][group], seen[1][group])
    similar = {group: moments[group].similarity(options.objective) for group in spec.groups}
    perms = solve_groups(spec, similar)
    still = Permutation.identity(spec, spec.sizes(ref), models).to(data.device).perms
    history = torch.stack([total_value(similar, still), total_value(similar, perms)])
    return Match(
        element=Permutation(spec, perms),
        objective=history[-1],
        history=history,
        sweeps=torch.ones_like(history[-1], dtype=torch.long),
        converged=torch.ones_like(history[-1], dtype=torch.bool),
    )


class Moments:
    """Means, variances and cross moments of two streams of activations, in float64.

    Batches are merged by their own means (the pairwise update of Chan, Golub and LeVeque), which
    stays accurate where the textbook difference of large sums does not.
    """

    def __init__(self) -> None:
        self.count = 0

    def add(
        self,
        ref: Float[Tensor, "*models samples units"],
        other: Float[Tensor, "*models samples units"],
    ) -> None:
        """Take in a batch of activations of both networks at the same samples."""
        means = [t.mean(-2, dtype=torch.float64) for t in (ref, other)]
        centred = [
            t.double() - mean.unsqueeze(-2) for t, mean in zip((ref, other), means, strict=True)
        ]
        batch = {
            "cross": centred[0].mT @ centred[1],
            "ref_square": centred[0].square().sum(-2),
            "other_square": centred[1].square().sum(-2),
        }
        samples = ref.shape[-2]
        if self.count == 0:
            self.means, self.sums, self.count = means, batch, samples
            return
        total = self.count + samples
        step = [new - old for new, old in zip(means, self.means, strict=True)]
        weight = self.count * samples / total
        batch["cross"] += weight * step[0].unsqueeze(-1) * step[1].unsqueeze(-2)
        batch["ref_square"] += weight * step[0].square()
        batch["other_square"] += weight * step[1].square()
        self.sums = {name: self.sums[name] + batch[name] for name in batch}
        self.means = [old + d * (samples / total) for old, d in zip(self.means, step, strict=True)]
        self.count = total

    def similarity(self, objective: str) -> Float[Tensor, "*models units units"]:
        """Mean products of activations, or their correlations, ref's units in the rows."""
        cross = self.sums["cross"]
        if objective == "least_squares":
            return cross / self.count + self.means[0].unsqueeze(-1) * self.means[1].unsqueeze(-2)
        spread = [self.sums[name].sqrt() for name in ("ref_square", "other_square")]
        scale = spread[0].unsqueeze(-1) * spread[1].unsqueeze(-2)
        return torch.where(scale > 0, cross / scale, 0.0)


def _check(spec: Spec, data: Tensor, options: ActivationOptions) -> None:
    choices = {"objective": ("least_squares", "correlation"), "at": ("pre", "post")}
    for name, allowed in choices.items():
        if getattr(options, name) not in allowed:
            raise InputError(f"options.{name}", getattr(options, name), f"choose one of {allowed}")
    if options.batch is not None and options.batch < 1:
        raise InputError("options.batch", options.batch, "must be 1 or more")
    if not spec.groups:
        raise InputError("spec", spec.groups, "has no group of units to match")
    if data.ndim < 2 or data.numel() == 0:
        raise InputError("data", tuple(data.shape), "give at least one sample [samples ...]")
    if not torch.isfinite(data).all():
        raise InputError("data", "NaN or infinite", "has entries that are not finite; clean it")


def _check_seen(spec: Spec, state: State, group: str, seen: Mapping[str, Tensor]) -> None:
    if group not in seen:
        raise InputError("network", sorted(seen), f"captures no activations of group {group!r}")
    units, found = spec.sizes(state)[group], tuple(seen[group].shape)
    wanted = 2 if spec.models(state) is None else 3
    if len(found) != wanted or found[-1] != units:
        remedy = f"activations of {group!r} must be [*models samples {units}]"
        raise InputError("network", found, remedy)
