"""Random ReLU networks of many shapes, by number, and a move that must change them."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from onebasin import seeds
from onebasin.networks.mlp import Mlp
from onebasin.symmetry.scaling import Scaling
from onebasin.symmetry.spec import Spec, State


def random_network(
    case: int, widest: int = 32, samples: int = 200
) -> tuple[Mlp, dict[str, Tensor], Float[Tensor, "samples fan"]]:
    """A network of random depth and widths, its state, and inputs for it.

    Args:
        case: Number of the network; odd ones are float64, even ones float32.
        widest: Most units of a hidden layer; there are one to four of them, of two units or more.
        samples: How many inputs, standard normal.
    """
    rng, dtype = seeds.numpy_stream("trial-shape", case), (torch.float32, torch.float64)[case % 2]
    hidden = rng.integers(2, widest + 1, size=rng.integers(1, 5)).tolist()
    widths = (int(rng.integers(1, 9)), *hidden, int(rng.integers(2, 7)))
    network = Mlp(widths, generator=seeds.stream("trial", case)).to(dtype)
    inputs = torch.randn(samples, widths[0], generator=seeds.stream("trial-inputs", case))
    return network, dict(network.state_dict()), inputs.to(dtype)


def flip_first_units(spec: Spec, state: State) -> dict[str, Tensor]:
    """The first unit of every group times -1, incoming and outgoing, as a scaling would do it.

    Keeps the function if the activation is odd, and has to change it for ReLU.
    """
    flipped = {name: tensor.clone() for name, tensor in state.items()}
    for group in spec.groups:
        for name, axis in spec.occurrences(group):
            flipped[name].select(axis, 0).neg_()
    return flipped


def spread_scales(spec: Spec, states: State, spread: float, *ids: int) -> Scaling:
    """Scales for a stack of networks: exp of ``spread`` times one fixed standard normal draw.

    Args:
        spec: The groups.
        states: Stack of networks, for its sizes.
        spread: Standard deviation of the logarithm; 0 gives scales of 1.
        ids: Numbers of the draw.
    """
    sizes, models = spec.sizes(states), spec.models(states)
    drawn = Scaling.random(spec, sizes, seeds.stream("trial-scales", *ids), models)
    return Scaling(spec, {group: scale**spread for group, scale in drawn.scales.items()})
