"""Fitting INRs: many networks at once, each to its own cloud, with named streams for every draw.

Of INR number ``k`` of shape ``s`` everything is a function of ``(s, k, seed)`` and the settings:
its cloud, its queries, its first weights and its order of the data. Fitting it alone or with others
gives the same network to rounding.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor

from onebasin import seeds
from onebasin.data.shapes import Surface
from onebasin.networks.population import Batches, Training, TrainOptions, initialise, stack, train
from onebasin.networks.siren import Siren, shared_initialisation
from onebasin.shapes.udf import Counts, labels, queries


@dataclass(frozen=True)
class Settings:
    """How one INR is made; the defaults are the thesis's.

    Args:
        width: Units of each hidden layer.
        hidden: Hidden layers.
        omega: Frequency of the sine.
        points: Points of the cloud it is fitted to.
        counts: Labelled points around the cloud.
        truncation: Largest distance that is told apart (radius of the shape is 1).
        steps: Steps of Adam.
        batch: Labelled points per step.
        lr: Step size.
        seed: Number of the whole draw.
    """

    width: int = 512
    hidden: int = 4
    omega: float = 30.0
    points: int = 2048
    counts: Counts = field(default_factory=Counts)
    truncation: float = 0.1
    steps: int = 500
    batch: int = 10_000
    lr: float = 1e-4
    seed: int = 0

    def network(self, device: torch.device | str = "cpu") -> Siren:
        """The kind of network, with the shared initialisation's parameters."""
        network = Siren(self.width, self.hidden, omega=self.omega)
        network.load_state_dict(shared_initialisation(network))
        return network.to(device)

    def to_json(self) -> dict:
        """All settings as JSON values, for recipes."""
        values = asdict(self)
        values["counts"]["spreads"] = list(values["counts"]["spreads"])
        return values

    @classmethod
    def from_json(cls, values: dict) -> Settings:
        """The inverse of :meth:`to_json`."""
        counts = dict(values["counts"])
        counts["spreads"] = tuple(counts["spreads"])
        return cls(**{**values, "counts": Counts(**counts)})


def bce(
    output: Float[Tensor, "samples 1"], target: Float[Tensor, "samples 1"]
) -> Float[Tensor, ""]:
    r"""Mean binary cross-entropy of a predicted logit and a label in [0, 1] (nats).

    .. math:: -\tfrac1N \sum_i y_i \ln \sigma(f_i) + (1 - y_i) \ln(1 - \sigma(f_i))

    Source: [ballerini2023], ch. 3; the sign is meant for both terms there.
    """
    return torch.nn.functional.binary_cross_entropy_with_logits(output, target)


_ELEMENTWISE = partial(torch.nn.functional.binary_cross_entropy_with_logits, reduction="none")
bce.elementwise = _ELEMENTWISE  # type: ignore[attr-defined]  # read by population.train
bce.slope = lambda output, target: output.sigmoid().sub_(target)  # type: ignore[attr-defined]


def fitted_cloud(surface: Surface, network: int, settings: Settings) -> Float[Tensor, "points 3"]:
    """The cloud that INR number ``network`` of a shape is fitted to."""
    generator = seeds.stream(f"cloud/{surface.name}", network, settings.seed)
    return surface.sample(settings.points, generator=generator)


def labelled_points(
    cloud: Float[Tensor, "points 3"],
    counts: Counts,
    *,
    truncation: float,
    generator: torch.Generator,
    device: torch.device | str = "cpu",
) -> tuple[Float[Tensor, "samples 3"], Float[Tensor, "samples 1"]]:
    """Queries around a cloud and their labels, the distance to that cloud."""
    points = queries(cloud, counts, generator=generator).to(device)
    return points, labels(points, cloud, truncation)[:, None]


def held_out_points(
    surface: Surface, settings: Settings, counts: Counts, device: torch.device | str = "cpu"
) -> tuple[Float[Tensor, "samples 3"], Float[Tensor, "samples 1"]]:
    """Labelled points around a cloud of the shape that no INR was fitted to.

    Args:
        surface: The shape.
        settings: Gives the size of the cloud, the truncation and the seed.
        counts: How many points at which distance.
        device: Where to put them.

    Returns:
        Points and labels; a loss measured on them is one on an independent sample of the surface.
    """
    generator = seeds.stream(f"test-cloud/{surface.name}", settings.seed)
    cloud = surface.sample(settings.points, generator=generator)
    generator = seeds.stream(f"test-queries/{surface.name}", settings.seed)
    truncation = settings.truncation
    return labelled_points(cloud, counts, truncation=truncation, generator=generator, device=device)


def start(network: Siren, shape: str, number: int, *, shared: bool, seed: int) -> dict[str, Tensor]:
    """First weights of one INR: the shared ones, or its own."""
    if shared:
        return shared_initialisation(network)
    drawn = initialise(network, [(number, seed)], stream=f"init/{shape}")
    return {name: tensor[0] for name, tensor in drawn.items()}


def fit(
    surfaces: Sequence[Surface],
    numbers: Sequence[int],
    *,
    settings: Settings,
    shared: Sequence[bool] = (),
    starts: Sequence[dict[str, Tensor]] = (),
    device: torch.device | str = "cpu",
) -> tuple[Training, Float[Tensor, "models points 3"]]:
    """Fit one INR to a cloud of each surface, all at once.

    Args:
        surfaces: The shape of each INR (shapes may repeat).
        numbers: The number of each INR among those of its shape.
        settings: How they are made.
        shared: Which of them start from the shared initialisation; the others draw their own.
        starts: First weights of each, in the place of ``shared``.
        device: Where they are trained; all random draws are the same on every device.

    Returns:
        The trained population with its loss at every step, and the clouds.
    """
    network = settings.network(device)
    starts = starts or [
        start(network, surface.name, number, shared=same, seed=settings.seed)
        for surface, number, same in zip(surfaces, numbers, shared, strict=True)
    ]
    clouds, data, orders = [], [], []
    for surface, number in zip(surfaces, numbers, strict=True):
        cloud = fitted_cloud(surface, number, settings)
        generator = seeds.stream(f"queries/{surface.name}", number, settings.seed)
        clouds.append(cloud)
        data.append(
            labelled_points(
                cloud,
                settings.counts,
                truncation=settings.truncation,
                generator=generator,
                device=device,
            )
        )
        orders.append((f"data-order/{surface.name}", number, settings.seed))
    inputs, targets = (torch.stack(part) for part in zip(*data, strict=True))
    sample = Batches(inputs, targets, batch=settings.batch, seeds=orders)
    options = TrainOptions(steps=settings.steps, lr=settings.lr)
    return train(network, stack(starts), sample, bce, options), torch.stack(clouds)
