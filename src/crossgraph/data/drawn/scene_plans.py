"""What a scene shows, decided before a pixel is drawn: things, where they are, how they relate, and twins.

Pictures come in pairs. About half of the pairs are twins: the same things over the same background, either in each
other's places or with one attribute exchanged between two of them. Whoever only counts things cannot tell twins apart.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from functools import cached_property

from crossgraph.data.drawn.scene_shapes import SHAPES

KINDS = tuple(SHAPES)
COLOURS = ("red", "green", "blue", "yellow", "purple", "orange")
SIZES = ("small", "large")
TEXTURES = ("plain", "striped")
BACKGROUNDS = ("white", "grey", "dark", "mist", "dusk", "speckled", "meadow", "beach")
INVERSE = {"left of": "right of", "right of": "left of", "above": "below", "below": "above"}

_LONGER_EDGE = {"small": 0.17, "large": 0.31}
_CELLS = 3
_MARGIN = 0.01


@dataclass(frozen=True)
class Spot:
    """A place in the picture: a cell of a 3 x 3 grid, and where in it, as a share of the room the thing leaves."""

    column: int
    row: int
    x_share: float
    y_share: float


@dataclass(frozen=True)
class Thing:
    """One thing with its attributes and its spot."""

    kind: str
    colour: str
    size: str
    texture: str
    spot: Spot

    @cached_property
    def box(self) -> tuple[float, float, float, float]:
        """x1, y1, x2, y2 as shares of the picture. Things in different cells never overlap."""
        aspect, edge = SHAPES[self.kind].aspect, _LONGER_EDGE[self.size]
        width, height = (edge, edge / aspect) if aspect >= 1 else (edge * aspect, edge)
        room = 1 / _CELLS - 2 * _MARGIN
        left = self.spot.column / _CELLS + _MARGIN + (room - width) * self.spot.x_share
        top = self.spot.row / _CELLS + _MARGIN + (room - height) * self.spot.y_share
        return left, top, left + width, top + height

    @property
    def centre(self) -> tuple[float, float]:
        """The middle of the box."""
        left, top, right, bottom = self.box
        return (left + right) / 2, (top + bottom) / 2


@dataclass(frozen=True)
class Scene:
    """One picture: its things over a background; `grain` seeds the background's noise."""

    things: tuple[Thing, ...]
    background: str
    grain: int

    @cached_property
    def relations(self) -> tuple[tuple[int, str, int], ...]:
        """Every ordered pair of things with how the first lies to the second, along the axis of the wider gap."""
        return tuple(
            (i, _relation(first, second), j)
            for i, first in enumerate(self.things)
            for j, second in enumerate(self.things)
            if i != j
        )


def lies(first: Thing, relation: str, second: Thing) -> bool:
    """Whether `relation` could be said at all, going by the centres: more generous than `Scene.relations`."""
    (x1, y1), (x2, y2) = first.centre, second.centre
    return {"left of": x1 < x2, "right of": x1 > x2, "above": y1 < y2, "below": y1 > y2}[relation]


def plan_pair(seed: int, pair: int) -> tuple[Scene, Scene, bool]:
    """Pictures 2 x `pair` and 2 x `pair` + 1, and whether they are twins. Depends on nothing but the arguments."""
    chance = random.Random(f"{seed}/{pair}")
    if chance.random() < 0.5:
        return _plan_scene(chance, 1, distinct=False), _plan_scene(chance, 1, distinct=False), False
    while True:
        scene = _plan_scene(chance, 2, distinct=True)
        twin = _places_exchanged(scene) if chance.random() < 0.5 else _attribute_exchanged(scene, chance)
        if twin is not None:
            return scene, twin, True


def _plan_scene(chance: random.Random, least: int, *, distinct: bool) -> Scene:
    count = chance.randint(least, 5)
    kinds = chance.sample(KINDS, count) if distinct else chance.choices(KINDS, k=count)
    cells = chance.sample(range(_CELLS * _CELLS), count)
    things = tuple(
        Thing(
            kind,
            chance.choice(COLOURS),
            chance.choice(SIZES),
            chance.choice(TEXTURES),
            Spot(cell % _CELLS, cell // _CELLS, chance.random(), chance.random()),
        )
        for kind, cell in zip(kinds, cells, strict=True)
    )
    return Scene(things, chance.choice(BACKGROUNDS), chance.getrandbits(32))


def _places_exchanged(scene: Scene) -> Scene | None:
    """Every thing in the next one's place; None if no relation of either scene is false in the other."""
    spots = [thing.spot for thing in scene.things]
    moved = tuple(replace(thing, spot=spot) for thing, spot in zip(scene.things, spots[1:] + spots[:1], strict=True))
    twin = replace(scene, things=moved)
    told = all(
        any(not lies(other.things[i], relation, other.things[j]) for i, relation, j in one.relations)
        for one, other in ((scene, twin), (twin, scene))
    )
    return twin if told else None


def _attribute_exchanged(scene: Scene, chance: random.Random) -> Scene | None:
    """Two things with one differing attribute exchanged, most often the colour; None if none differs."""
    i, j = chance.sample(range(len(scene.things)), 2)
    attribute = chance.choice(("colour", "colour", "texture", "size"))
    first, second = getattr(scene.things[i], attribute), getattr(scene.things[j], attribute)
    if first == second:
        return None
    things = list(scene.things)
    things[i] = replace(things[i], **{attribute: second})
    things[j] = replace(things[j], **{attribute: first})
    return replace(scene, things=tuple(things))


def _relation(first: Thing, second: Thing) -> str:
    left1, top1, right1, bottom1 = first.box
    left2, top2, right2, bottom2 = second.box
    gaps = {
        "left of": left2 - right1,
        "right of": left1 - right2,
        "above": top2 - bottom1,
        "below": top1 - bottom2,
    }
    return max(gaps, key=lambda name: gaps[name])
