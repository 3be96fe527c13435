"""What scene graphs claim, whether others claim it too, and which words may name the same thing or property."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from crossgraph.graphs.lexicon import ANIMALS, CLOTHES, COLOURS, MOVERS, PEOPLE
from crossgraph.graphs.scene_graph import GraphObject, SceneGraph


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_SAME = """
small little tiny
large big huge
grey gray
purple violet
gold golden
blond blonde
plain solid
striped stripy
ball sphere
box cube
tree fir_tree
house cottage
car automobile
cup mug
flower blossom
boat sailboat
umbrella parasol
moon crescent_moon
man guy gentleman male
woman lady female
child kid
baby infant toddler
person people individual human
bike bicycle
motorcycle motorbike
stairs step
rock stone boulder
sofa couch
photo picture
street road
sea ocean
forest wood
run jog
near next_to close_to beside by alongside adjacent_to
below under beneath underneath
above over
inside in
"""
SYNONYMS: Mapping[str, str] = {
    word.replace("_", " "): line.split()[0] for line in _SAME.strip().splitlines() for word in line.split()[1:]
}
"""Word -> the one that stands for all words of its meaning."""

INVERSES: Mapping[str, str] = {"right of": "left of", "below": "above", "behind": "in front of", "follow": "lead"}
"""Predicate -> the one that says the same with subject and object exchanged."""

_SYMMETRIC_ENDS = (
    "next to|near|close to|beside|by|with|without|and|alongside|among|between|against|far from|away from|opposite|"
    "across from|on the other side of|adjacent to|around|together"
)
_SYMMETRIC = re.compile(rf"(?:.* )?(?:{_SYMMETRIC_ENDS})", re.DOTALL)
_SYMMETRIC_VERBS = _words(
    "be face fight wrestle hug kiss embrace meet race match marry box touch resemble greet join spar"
)

_SIZES = _words("small large tall short long wide narrow high low thin thick")
_AGES = _words("young old elderly new adult teenage")
_SURFACES = _words(
    "plain striped wooden metal stone brick concrete plastic leather grassy sandy snowy rocky dirt wet dry"
)
PLACES = _words("left right top bottom middle background foreground distance")
"""Where in the picture a thing can be."""

_MAY_BE_ONE = """
dog puppy greyhound poodle terrier retriever labrador shepherd collie dalmatian
cat kitten
horse pony
bird duck goose swan chicken hen rooster eagle owl parrot seagull gull pigeon crane penguin
car truck van taxi bus vehicle
boat ship canoe kayak raft vessel
bike motorcycle scooter
plane airplane aeroplane jet aircraft
water sea lake river pond pool stream wave waterfall creek surf fountain puddle
grass field lawn yard meadow park ground hill area land garden
street sidewalk pavement path ground city crosswalk track trail town corner area
sand beach shore sea desert ground water coast
snow ground hill mountain slope ice area
rock cliff mountain hill wall
shirt t-shirt tshirt top jersey jacket coat sweater sweatshirt hoodie vest uniform outfit clothes clothing suit
dress skirt gown costume outfit clothes clothing
hat cap helmet headgear
pants jeans trousers shorts clothes clothing
shoe boot sandal sneaker
glasses sunglasses goggles
building house store shop tower structure
stairs stair staircase ladder
tree forest branch log plant bush
toy ball frisbee stick bone doll
chair bench sofa seat
table desk counter
background wall sky
crowd audience group people
"""
_SETTINGS = _words(
    "water sea ocean lake river pond pool stream creek grass field lawn yard meadow park ground hill street road "
    "sidewalk path trail track sand beach shore desert snow mountain slope ice cliff rock forest wood "
    "city sky building house store wall garden court stadium stage room kitchen bridge stairs background"
)
_BODY = _words("hand arm head face leg foot hair mouth ear eye tail body finger nose tongue beard neck paw shoulder")
_VAGUE = _words(
    "side end way top bottom front near middle air distance high trick part thing object item one area place position "
    "direction catch run strip jump game fun time day look pose midair kind type other action something stripe motion"
)
_RINGS = tuple(frozenset(line.split()) for line in _MAY_BE_ONE.strip().splitlines())
_BASIC_PEOPLE = _words("man woman boy girl baby")
_ROLES = _words(
    "skier surfer skateboarder snowboarder swimmer golfer motorcyclist bride firefighter cyclist climber chef"
)

_TYPES = (
    ("person", PEOPLE),
    ("animal", ANIMALS),
    ("clothes", CLOTHES),
    ("setting", _SETTINGS),
    ("mover", MOVERS),
    ("body", _BODY),
    ("vague", _VAGUE),
)

Thing = tuple[str, frozenset[str]]


@lru_cache(maxsize=1 << 15)
def canonical(word: str) -> str:
    """The word that stands for all of the same meaning, in lower case."""
    return SYNONYMS.get(word.lower(), word.lower())


@lru_cache(maxsize=1 << 15)
def kind_of_thing(name: str) -> str:
    """The type of an object by name: "person", "animal", "clothes", "setting", "mover", "body", "vague" or "other"."""
    for word in (name, name.rsplit(" ", 1)[-1]):
        for kind, words in _TYPES:
            if word in words:
                return kind
    return "other"


def kind_of_attribute(name: str) -> str | None:
    """The type of a property: "colour", "size", "age", "surface" or "place"; None for any other."""
    word = canonical(name)
    kinds = (("colour", COLOURS), ("size", _SIZES), ("age", _AGES), ("surface", _SURFACES), ("place", PLACES))
    return next((kind for kind, words in kinds if word in words), None)


@lru_cache(maxsize=1 << 17)
def may_name_the_same(one: str, other: str) -> bool:
    """Whether two object names could stand for one thing: synonyms, a kind and its general name, a man and a rider."""
    first, second = canonical(one), canonical(other)
    tails = canonical(first.rsplit(" ", 1)[-1]), canonical(second.rsplit(" ", 1)[-1])
    if first == second or tails[0] == tails[1] or any(set(tails) <= ring for ring in _RINGS):
        return True
    kinds = kind_of_thing(first), kind_of_thing(second)
    if kinds == ("animal", "animal"):
        return bool({"animal", "pet"} & set(tails))
    if kinds == ("person", "person"):
        return not any(tails[0] in words and tails[1] in words for words in (_BASIC_PEOPLE, _ROLES))
    return False


def is_symmetric(predicate: str) -> bool:
    """Whether the predicate says as much with its ends exchanged ("play with", and "of": dusk of a ground)."""
    verb = predicate.split(" ", 1)[0]
    return predicate == "of" or verb in _SYMMETRIC_VERBS or _SYMMETRIC.fullmatch(predicate) is not None


@dataclass(frozen=True)
class Meaning:
    """What graphs claim: things with their sets of properties, and triples of such things. Counts do not count.

    Names are `canonical`; of inverse predicates only one is used, and a symmetric one has its ends in order.
    """

    things: frozenset[Thing]
    triples: frozenset[tuple[Thing, str, Thing]]

    @classmethod
    def of(cls, graphs: Iterable[SceneGraph]) -> Meaning:
        """All that any of the graphs claims."""
        things: set[Thing] = set()
        triples: set[tuple[Thing, str, Thing]] = set()
        for graph in graphs:
            own = [_thing(one) for one in graph.objects]
            things.update(own)
            for relation in graph.relations:
                triples.add(_triple(own[relation.subject], relation.predicate, own[relation.object]))
        return cls(frozenset(things), frozenset(triples))

    def covers(self, other: Meaning) -> bool:
        """Whether everything `other` claims is claimed here too, perhaps of things with more properties."""
        return all(any(_is_part(thing, own) for own in self.things) for thing in other.things) and all(
            any(
                predicate == own_predicate and _is_part(subject, own_subject) and _is_part(thing, own_thing)
                for own_subject, own_predicate, own_thing in self.triples
            )
            for subject, predicate, thing in other.triples
        )


def _thing(one: GraphObject) -> Thing:
    return canonical(one.name), frozenset(canonical(attribute.name) for attribute in one.attributes)


def _triple(subject: Thing, predicate: str, thing: Thing) -> tuple[Thing, str, Thing]:
    name = canonical(predicate)
    if name in INVERSES:
        return thing, INVERSES[name], subject
    if is_symmetric(name) and _order(thing) < _order(subject):
        return thing, name, subject
    return subject, name, thing


def _order(thing: Thing) -> tuple[str, list[str]]:
    return thing[0], sorted(thing[1])


def _is_part(thing: Thing, whole: Thing) -> bool:
    return thing[0] == whole[0] and thing[1] <= whole[1]
