"""Five sentences about a scene, each a claim that can be checked against any scene's facts.

A sentence is made together with the facts it states, so whether it is false of another scene is looked up, not guessed.
A fact "holds" generously: wherever a person could still call the sentence true.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from crossgraph.data.drawn.scene_plans import COLOURS, KINDS, SIZES, TEXTURES, Scene, Thing, lies

WORDS: dict[str, tuple[str, ...]] = {
    **{word: (word,) for word in (*KINDS, *COLOURS)},
    "ball": ("ball", "sphere"),
    "box": ("box", "cube"),
    "tree": ("tree", "fir tree"),
    "house": ("house", "cottage"),
    "car": ("car", "automobile"),
    "cup": ("cup", "mug"),
    "flower": ("flower", "blossom"),
    "boat": ("boat", "sailboat"),
    "umbrella": ("umbrella", "parasol"),
    "moon": ("moon", "crescent moon"),
    "purple": ("purple", "violet"),
    "small": ("small", "little", "tiny"),
    "large": ("large", "big"),
    "plain": ("plain", "solid"),
    "striped": ("striped", "stripy"),
    "left of": ("to the left of", "left of", "on the left side of"),
    "right of": ("to the right of", "right of", "on the right side of"),
    "above": ("above", "higher up than"),
    "below": ("below", "lower down than"),
    "left": ("on the left", "at the left side"),
    "right": ("on the right", "at the right side"),
    "top": ("near the top", "in the upper part"),
    "bottom": ("near the bottom", "in the lower part"),
    "middle": ("in the middle", "in the centre"),
    "white": ("a white background", "an empty white ground"),
    "grey": ("a grey background", "a grey wall"),
    "dark": ("a dark background", "a nearly black ground"),
    "mist": ("a misty blue background", "a pale blue haze"),
    "dusk": ("a pink evening sky", "a background of pink dusk"),
    "speckled": ("a speckled background", "a noisy, grainy ground"),
    "meadow": ("a green meadow", "grass under a pale sky"),
    "beach": ("a sandy beach", "sand under a blue sky"),
}
"""Fact word -> the ways to say it."""

_NUMBERS = ("no", "one", "two", "three", "four", "five")


@dataclass(frozen=True)
class Description:
    """A kind of thing with as many attributes as the sentence mentions."""

    kind: str
    colour: str | None = None
    size: str | None = None
    texture: str | None = None

    def fits(self, thing: Thing) -> bool:
        """Whether the thing is of that kind and has every attribute mentioned."""
        return thing.kind == self.kind and all(
            said is None or said == seen
            for said, seen in ((self.colour, thing.colour), (self.size, thing.size), (self.texture, thing.texture))
        )


@dataclass(frozen=True)
class Present:
    """At least `count` things fit."""

    what: Description
    count: int = 1

    def holds(self, scene: Scene) -> bool:
        """Whether it is so in `scene`."""
        return sum(self.what.fits(thing) for thing in scene.things) >= self.count


@dataclass(frozen=True)
class Total:
    """There are `count` things in all."""

    count: int

    def holds(self, scene: Scene) -> bool:
        """Whether it is so in `scene`."""
        return len(scene.things) == self.count


@dataclass(frozen=True)
class Related:
    """Something that fits `subject` lies so to something else that fits `other`."""

    subject: Description
    relation: str
    other: Description

    def holds(self, scene: Scene) -> bool:
        """Whether it is so in `scene`, going by the centres."""
        return any(
            first is not second and lies(first, self.relation, second)
            for first in filter(self.subject.fits, scene.things)
            for second in filter(self.other.fits, scene.things)
        )


@dataclass(frozen=True)
class Placed:
    """Something that fits is in that part of the picture."""

    what: Description
    place: str

    def holds(self, scene: Scene) -> bool:
        """Whether it is so in `scene`; a part reaches up to the picture's centre lines."""
        return any(self.place in _places(thing, 0.5) for thing in scene.things if self.what.fits(thing))


@dataclass(frozen=True)
class Backdrop:
    """The background is this one."""

    background: str

    def holds(self, scene: Scene) -> bool:
        """Whether it is so in `scene`."""
        return scene.background == self.background


Fact = Present | Total | Related | Placed | Backdrop


@dataclass(frozen=True)
class Caption:
    """A sentence and everything it states."""

    text: str
    facts: tuple[Fact, ...]

    def holds(self, scene: Scene) -> bool:
        """Whether everything the sentence states is so in `scene`."""
        return all(fact.holds(scene) for fact in self.facts)


def describe_scene(scene: Scene, chance: random.Random, *, twin: Scene | None = None) -> tuple[Caption, ...]:
    """Five captions, all true: everything, the count, a relation, background and place, one thing in detail.

    Of several things to say in the last three, one that is false of `twin` is preferred.
    """
    things = chance.sample(scene.things, len(scene.things))
    if len(things) > 1:
        relations = chance.sample(scene.relations, len(scene.relations))
        related = [_say_relation(scene.things[i], name, scene.things[j], chance) for i, name, j in relations]
    else:
        related = [_say_place(things[0], place, chance) for place in _places(things[0], 0.36)]
    placed = [_say_backdrop(scene, thing, place, chance) for thing in things for place in _places(thing, 0.36)]
    return (
        _say_everything(things, chance),
        _say_count(things, chance),
        _telling_one(related, twin),
        _telling_one(placed, twin),
        _telling_one([_say_detail(thing, chance) for thing in things], twin),
    )


def _telling_one(candidates: Sequence[Caption], twin: Scene | None) -> Caption:
    return next((one for one in candidates if twin is not None and not one.holds(twin)), candidates[0])


def _places(thing: Thing, reach: float) -> list[str]:
    """The parts of the picture that the thing's centre is in; a part reaches `reach` into the picture."""
    x, y = thing.centre
    inside = {"left": x < reach, "right": 1 - x < reach, "top": y < reach, "bottom": 1 - y < reach}
    inside["middle"] = max(abs(x - 0.5), abs(y - 0.5)) <= reach / 2 or not any(inside.values())
    return [place for place, is_inside in inside.items() if is_inside]


def _say_everything(things: Sequence[Thing], chance: random.Random) -> Caption:
    counted = Counter(_mention(thing, chance, texture=0.4, size=0.2) for thing in things)
    listed = _list([_noun_phrase(what, chance, count) for what, count in counted.items()])
    form = chance.choice(("{}", "a picture of {}", "we see {}", "a scene with {}", "this picture shows {}"))
    return Caption(form.format(listed), tuple(Present(what, count) for what, count in counted.items()))


def _say_count(things: Sequence[Thing], chance: random.Random) -> Caption:
    counted = Counter(Description(thing.kind) for thing in things)
    listed = _list([_noun_phrase(what, chance, count) for what, count in counted.items()])
    word = chance.choice(("thing", "object", "item"))
    total = f"{_NUMBERS[len(things)]} {word if len(things) == 1 else _plural(word)}"
    form = chance.choice(("{total}: {listed}", "{listed}, {total} in all", "exactly {total}, namely {listed}"))
    facts: tuple[Fact, ...] = (Total(len(things)), *(Present(what, count) for what, count in counted.items()))
    return Caption(form.format(total=total, listed=listed), facts)


def _say_relation(first: Thing, relation: str, second: Thing, chance: random.Random) -> Caption:
    subject, other = (_mention(thing, chance, texture=0.4, size=0.4) for thing in (first, second))
    form = chance.choice(("{a} is {how} {b}", "{a} {how} {b}", "{how} {b} there is {a}"))
    text = form.format(
        a=_noun_phrase(subject, chance), how=chance.choice(WORDS[relation]), b=_noun_phrase(other, chance)
    )
    return Caption(text, (Related(subject, relation, other),))


def _say_place(thing: Thing, place: str, chance: random.Random) -> Caption:
    what = _mention(thing, chance, texture=0.4, size=0.4)
    form = chance.choice(("{a} is {where}", "{a} {where} of the picture", "{where} there is {a}"))
    text = form.format(a=_noun_phrase(what, chance), where=chance.choice(WORDS[place]))
    return Caption(text, (Placed(what, place),))


def _say_backdrop(scene: Scene, thing: Thing, place: str, chance: random.Random) -> Caption:
    what = _mention(thing, chance, texture=0.0, size=0.2)
    form = chance.choice(("{ground} with {a} {where}", "{a} {where}, {ground} behind", "on {ground}, {a} {where}"))
    text = form.format(
        ground=chance.choice(WORDS[scene.background]),
        a=_noun_phrase(what, chance),
        where=chance.choice(WORDS[place]),
    )
    return Caption(text, (Backdrop(scene.background), Placed(what, place)))


def _say_detail(thing: Thing, chance: random.Random) -> Caption:
    what = Description(thing.kind, thing.colour, thing.size, thing.texture)
    size, colour, texture = (chance.choice(WORDS[word]) for word in (thing.size, thing.colour, thing.texture))
    noun = _with_article(chance.choice(WORDS[thing.kind]))
    stripes = "with stripes" if thing.texture == "striped" else "without stripes"
    form = chance.choice((f"{noun} that is {size}, {colour} and {texture}", f"{noun}, {size} and {colour}, {stripes}"))
    return Caption(form, (Present(what),))


def _mention(thing: Thing, chance: random.Random, *, texture: float, size: float) -> Description:
    """The thing's kind and colour; texture and size only so often."""
    return Description(
        thing.kind,
        thing.colour,
        thing.size if chance.random() < size else None,
        thing.texture if chance.random() < texture else None,
    )


def _noun_phrase(what: Description, chance: random.Random, count: int = 1) -> str:
    adjectives = [
        chance.choice(WORDS[word])
        for word in (what.size, what.texture, what.colour)
        if word in (*SIZES, *TEXTURES, *COLOURS)
    ]
    noun = chance.choice(WORDS[what.kind])
    phrase = " ".join((*adjectives, noun if count == 1 else _plural(noun)))
    return _with_article(phrase) if count == 1 else f"{_NUMBERS[count]} {phrase}"


def _with_article(phrase: str) -> str:
    return f"{'an' if phrase[0] in 'aeiou' else 'a'} {phrase}"


def _plural(noun: str) -> str:
    if noun == "fish":
        return noun
    return f"{noun}es" if noun.endswith("x") else f"{noun}s"


def _list(phrases: Sequence[str]) -> str:
    return phrases[0] if len(phrases) == 1 else f"{', '.join(phrases[:-1])} and {phrases[-1]}"
