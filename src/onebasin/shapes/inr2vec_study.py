"""A whole study with inr2vec: which shapes are learned, which are kept apart, and who is judged.

Chapters that ask the same encoder build the same study from the same parameters, so that its
populations and its training are made once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from onebasin import artifacts
from onebasin.data import shapes as sources
from onebasin.errors import InputError
from onebasin.shapes import inr2vec_population as crowd
from onebasin.shapes import inr2vec_training as learning
from onebasin.shapes.fitting import Settings
from onebasin.shapes.inr2vec import Sizes
from onebasin.shapes.inr2vec_population import Member, Population
from onebasin.shapes.inr2vec_training import Schedule, Trained
from onebasin.shapes.udf import Counts

#: Kinds of population; the second is who judges an encoder that learns from the first.
JUDGES = {"shared": "unseen", "free": "free-unseen"}
# First number of the starts that no two INRs share; below it are those of `twice`.
_FREE, _FREE_UNSEEN = 100, 10_000
_PLAIN = ("train", "unseen", "twice", "starts", "together", "stretches")


@dataclass(frozen=True)
class Study:
    """Populations of INRs and the encoders that learn from them.

    Args:
        train: Shapes to learn from, as text that :func:`names` reads; those of ``twice`` are left
            out of it.
        unseen: Shapes the encoder is judged by.
        twice: Shapes that no encoder sees, with several INRs each: numbers 0 and 1 of the shared
            start, and number 0 of every other start.
        starts: How many starts the shapes of ``twice`` have, the shared one included.
        settings: How each INR is made.
        sizes: How large encoder and decoder are.
        schedule: How they are trained.
        together: INRs fitted at once.
        stretches: Distorted copies of every training shape that are learned, too.
    """

    train: str
    unseen: str
    twice: str
    starts: int
    settings: Settings
    sizes: Sizes
    schedule: Schedule
    together: int = 32
    stretches: int = 0

    def entries(self) -> list[tuple[int, int]]:
        """Number and start of every INR of a shape of ``twice``, in their order."""
        return [(0, 0), (1, 0), *((0, start) for start in range(1, self.starts))]

    def members(self, kind: str) -> list[Member]:
        """The INRs of one population: ``shared``, ``unseen``, ``free``, ``free-unseen``, ``twice``.

        Every INR of a free population has a start that no other has.

        Raises:
            InputError: if there is no such population, or it needs more starts than are told apart.
        """
        again = names(self.twice)
        kept = {name.rpartition("/")[2] for name in again}
        known = [name for name in names(self.train) if name.rpartition("/")[2] not in kept]
        strange = names(self.unseen)
        if kind == "twice":
            return [Member(name, *one) for name in again for one in self.entries()]
        if kind == "unseen":
            return [Member(name) for name in strange]
        copies = [(name, stretch) for stretch in range(self.stretches + 1) for name in known]
        if kind == "shared":
            return [Member(name, stretch=stretch) for name, stretch in copies]
        if kind == "free":
            if self.starts > _FREE or len(copies) > _FREE_UNSEEN - _FREE:
                raise InputError("starts", (self.starts, len(copies)), "at most 100, and 9,900")
            return [Member(one, 0, _FREE + k, stretch) for k, (one, stretch) in enumerate(copies)]
        if kind == "free-unseen":
            return [Member(name, start=_FREE_UNSEEN + k) for k, name in enumerate(strange)]
        every = [*JUDGES, *JUDGES.values(), "twice"]
        raise InputError("kind", kind, f"choose one of {every}")

    def recipe(self, kind: str) -> artifacts.Recipe:
        """The recipe of one population."""
        return crowd.population(self.members(kind), self.settings, together=self.together)

    def population(
        self, kind: str, *, device: torch.device | str = "cpu"
    ) -> tuple[artifacts.Artifact, Population]:
        """One population, from the store or made now."""
        artifact = crowd.make(self.recipe(kind), device=device)
        return artifact, crowd.load(artifact)

    def trained(
        self, kind: str = "shared", *, device: torch.device | str = "cpu"
    ) -> tuple[artifacts.Artifact, Trained]:
        """The encoder and decoder that learn from ``shared`` or ``free``, from the store or now."""
        judge = JUDGES.get(kind)
        if judge is None:
            raise InputError("kind", kind, f"choose one of {list(JUDGES)}")
        recipe = learning.training(
            [self.recipe(kind)], self.recipe(judge), self.sizes, self.schedule
        )
        people, others = (self.population(one, device=device)[1] for one in (kind, judge))
        artifact = learning.make(recipe, people, others, device=device)
        return artifact, learning.load(artifact, self.settings.network(device))


def of(params: Mapping[str, Any]) -> Study:
    """The study of the parameters of the chapter ``inrs/inr2vec`` (see its parameters cell)."""
    quarter = Counts(*[params["samples"] // 4] * 4)
    settings = Settings(
        width=params["width"],
        points=params["points"],
        counts=quarter,
        steps=params["steps"],
        batch=params["batch"],
        lr=params["lr"],
    )
    sizes = Sizes(
        "all",
        params["scaled"],
        params["code"],
        tuple(params["encoder"]),
        params["decoder"],
        params["octaves"],
    )
    schedule = Schedule(
        epochs=params["epochs"],
        slices=params["slices"],
        queries=params["queries"],
        pool=8 * params["queries"],
        counts=quarter,
        lr=params["rate"],
        noise=params["noise"],
        precision=params["precision"],
    )
    groups = {name: params[name] for name in _PLAIN}
    return Study(settings=settings, sizes=sizes, schedule=schedule, **groups)


def names(block: str) -> list[str]:
    """Shape names of a block.

    Args:
        block: ``"generated/airplane_{} 0-35"`` for all numbers from one to another, or
            ``"modelnet40_points1024_train 0::5"`` for every fifth shape of a pack.

    Raises:
        InputError: if it is neither.
    """
    template, _, rest = block.partition(" ")
    mark = "-" if "{" in template else "::"
    first, found, second = rest.partition(mark)
    if not (found and first.isdigit() and second.isdigit() and int(second)):
        raise InputError("block", block, 'write "source/name_{} 0-35" or "source 0::5"')
    if mark == "-":
        return [template.format(number) for number in range(int(first), int(second) + 1)]
    return sources.names(template)[int(first) :: int(second)]
