"""The edits of a caption that need no other picture: swaps, exchanged properties, replaced predicates."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Literal

from crossgraph.graphs.meanings import canonical, is_symmetric, kind_of_attribute
from crossgraph.graphs.opposites import ALONE, WITH_OBJECT, inflected, opposite, surfaces_of, turned
from crossgraph.graphs.scene_graph import Attribute, GraphObject, Relation, SceneGraph, Span
from crossgraph.graphs.sentence_edits import (
    Change,
    begins_phrase,
    determined_start,
    is_plural,
    moved,
    opening_agreeing,
    phrase_start,
    rewritten,
    says,
    text_of,
    verb_agreeing,
)

Kind = Literal["swap", "attribute", "predicate", "similar", "borrowed"]
"""What is done to a caption; "borrowed" is a whole caption of a similar picture, which no edit makes."""


@dataclass(frozen=True)
class NegativeCaption:
    """A caption edited to be false, and by which kind of edit."""

    text: str
    kind: Kind


@dataclass(frozen=True)
class Edit:
    """A false caption, the graph it has if the edit did what it should, and the word a replaced predicate became."""

    caption: NegativeCaption
    graph: SceneGraph
    word: str = ""


def all_edits(sentence: str, graph: SceneGraph, kinds: Collection[Kind]) -> Iterator[Edit]:
    """Swaps, then exchanged properties, then replaced predicates, as far as asked for; some may say nothing new."""
    if "swap" in kinds:
        yield from _swaps(sentence, graph)
    if "attribute" in kinds:
        yield from _exchanged_attributes(sentence, graph)
    if "predicate" in kinds:
        yield from _replaced_predicates(sentence, graph)


def made(sentence: str, changes: Sequence[Change], kind: Kind, graph: SceneGraph, *, word: str = "") -> Iterator[Edit]:
    """The edit that such changes of a sentence make; none if they overlap."""
    text = rewritten(sentence, changes)
    if text is not None:
        yield Edit(NegativeCaption(text, kind), graph, word)


# Swaps


def _swaps(sentence: str, graph: SceneGraph) -> Iterator[Edit]:
    for relation in graph.relations:
        ends = sorted(
            (graph.objects[end] for end in (relation.subject, relation.object)), key=lambda one: one.span or (0, 0)
        )
        left, right = ends
        is_owned = relation.predicate == "have" and text_of(sentence, relation.span) not in ("has", "have", "having")
        if left.span is None or right.span is None or not says(sentence, left.span) or not says(sentence, right.span):
            continue
        if is_symmetric(relation.predicate) or is_owned or _says_the_same(sentence, left, right):
            continue
        first, second = (_whole_phrase(sentence, one) for one in ends)
        if _is_bare(sentence, graph, left, first) or _is_bare(sentence, graph, right, second):
            first, second = (
                (phrase_start(sentence, one), span[1]) for one, span in zip(ends, (first, second), strict=True)
            )
        changes = [(first, moved(sentence, second)), (second, moved(sentence, first))]
        plural = is_plural(sentence, right)
        shared = [one for one in graph.relations if one.span == relation.span and one.subject != relation.subject]
        if plural != is_plural(sentence, left) and not shared:
            changes += verb_agreeing(sentence, left.span[1], graph.relations, plural=plural)
            changes += opening_agreeing(sentence, first[0], plural=plural)
        yield from made(sentence, changes, "swap", _with_exchanged(sentence, graph, relation))


def _says_the_same(sentence: str, one: GraphObject, other: GraphObject) -> bool:
    names = [{canonical(own.name) for own in _before(sentence, thing)} for thing in (one, other)]
    return canonical(one.name) == canonical(other.name) and names[0] == names[1]


def _before(sentence: str, thing: GraphObject) -> tuple[Attribute, ...]:
    """The properties that are part of a thing's phrase."""
    start, end = phrase_start(sentence, thing), thing.span[0] if thing.span else 0
    return tuple(one for one in thing.attributes if one.span and start <= one.span[0] and one.span[1] <= end)


def _whole_phrase(sentence: str, thing: GraphObject) -> Span:
    start = determined_start(sentence, phrase_start(sentence, thing))
    return start, thing.span[1] if thing.span else start


def _is_bare(sentence: str, graph: SceneGraph, thing: GraphObject, phrase: Span) -> bool:
    """Whether the phrase may go on to the left in words that the graph does not know."""
    if phrase[0] != phrase_start(sentence, thing) or begins_phrase(sentence, phrase[0]):
        return False
    end = len(sentence[: phrase[0]].rstrip())
    return all(relation.span is None or relation.span[1] != end for relation in graph.relations)


def _with_exchanged(sentence: str, graph: SceneGraph, relation: Relation) -> SceneGraph:
    """The graph with the names, counts and phrase properties of a relation's ends exchanged; the rest stays."""
    objects = list(graph.objects)
    ends = (relation.subject, relation.object)
    for place, other in (ends, ends[::-1]):
        old, new = graph.objects[place], graph.objects[other]
        kept = tuple(one for one in old.attributes if one not in _before(sentence, old))
        objects[place] = replace(old, name=new.name, count=new.count, attributes=_before(sentence, new) + kept)
    return SceneGraph(tuple(objects), graph.relations)


# Attributes

_Place = tuple[int, int]
"""An object of a graph and one of its attributes, by number."""


def _exchanged_attributes(sentence: str, graph: SceneGraph) -> Iterator[Edit]:
    for first, second in combinations(range(len(graph.objects)), 2):
        pairs = [
            ((first, i), (second, j))
            for i in range(len(graph.objects[first].attributes))
            for j in range(len(graph.objects[second].attributes))
            if _exchangeable(sentence, graph.objects[first], i, graph.objects[second], j)
        ]
        alike = [pair for pair in pairs if _class_at(graph, pair[0]) == _class_at(graph, pair[1]) is not None]
        for one, other in alike or pairs:
            here, there = _attribute(graph, one), _attribute(graph, other)
            if here.span is None or there.span is None:
                continue
            changed = with_attribute(with_attribute(graph, one, there.name), other, here.name)
            changes = [(here.span, moved(sentence, there.span)), (there.span, moved(sentence, here.span))]
            yield from made(sentence, changes, "attribute", changed)


def _exchangeable(sentence: str, one: GraphObject, i: int, other: GraphObject, j: int) -> bool:
    """Whether two properties can take each other's place: both before their nouns, or of one class."""
    here, there = one.attributes[i], other.attributes[j]
    if not says(sentence, here.span) or not says(sentence, there.span) or here.span == there.span:
        return False
    names = canonical(here.name), canonical(there.name)
    if names[0] in {canonical(own.name) for own in other.attributes}:
        return False
    if names[1] in {canonical(own.name) for own in one.attributes}:
        return False
    classes = kind_of_attribute(here.name), kind_of_attribute(there.name)
    is_before = here in _before(sentence, one), there in _before(sentence, other)
    if "place" in classes or not all(is_before):
        return classes[0] == classes[1] is not None
    return all(re.fullmatch(r"[\w'-]+", text_of(sentence, span)) for span in (here.span, there.span))


def _attribute(graph: SceneGraph, place: _Place) -> Attribute:
    return graph.objects[place[0]].attributes[place[1]]


def _class_at(graph: SceneGraph, place: _Place) -> str | None:
    return kind_of_attribute(_attribute(graph, place).name)


def with_attribute(graph: SceneGraph, place: _Place, name: str) -> SceneGraph:
    """The graph with one attribute called otherwise."""
    objects, (thing, number) = list(graph.objects), place
    attributes = list(objects[thing].attributes)
    attributes[number] = replace(attributes[number], name=name)
    objects[thing] = replace(objects[thing], attributes=tuple(attributes))
    return SceneGraph(tuple(objects), graph.relations)


# Predicates


def _replaced_predicates(sentence: str, graph: SceneGraph) -> Iterator[Edit]:
    for relation in graph.relations:
        if relation.span is not None and says(sentence, relation.span):
            yield from _turned_relation(sentence, graph, relation, relation.span)
            yield from _other_verbs(sentence, graph, relation.predicate, relation.span, has_end=True)
    for thing in graph.objects:
        for attribute in thing.attributes:
            if attribute.span is None or not says(sentence, attribute.span) or thing.span is None:
                continue
            if kind_of_attribute(attribute.name) == "place":
                yield from _turned_place(sentence, graph, attribute, attribute.span)
            elif attribute.span[0] >= thing.span[1]:
                yield from _other_verbs(sentence, graph, attribute.name, attribute.span, has_end=False)


def _turned_relation(sentence: str, graph: SceneGraph, relation: Relation, span: Span) -> Iterator[Edit]:
    name = opposite(relation.predicate)
    found = _preposition(sentence, graph, relation, span)
    change = turned(sentence[found[0] : found[1]]) if found else None
    if name is None or found is None or change is None:
        return
    start, end, new = change
    relations = tuple(
        replace(one, predicate=name) if (one.span, one.predicate) == (relation.span, relation.predicate) else one
        for one in graph.relations
    )
    changed = SceneGraph(graph.objects, relations)
    tail = opposite(_tail(relation.predicate)) or name
    yield from made(sentence, [((found[0] + start, found[0] + end), new)], "predicate", changed, word=tail)


def _tail(predicate: str) -> str:
    """What a predicate is without its verb: "left of" of "stand left of"."""
    words = predicate.split()
    tails = (" ".join(words[start:]) for start in range(1, len(words)))
    return next((tail for tail in tails if words[0] in ALONE or words[0] in WITH_OBJECT), predicate)


def _preposition(sentence: str, graph: SceneGraph, relation: Relation, span: Span) -> Span | None:
    """Where the sentence says the preposition of a predicate: in its span, or between that and the object."""
    if turned(sentence[span[0] : span[1]]):
        return span
    end = graph.objects[relation.object].span
    if end is None or not span[1] <= end[0] <= len(sentence):
        return None
    for way in surfaces_of(relation.predicate):
        if found := list(re.finditer(rf"\b{re.escape(way)}\b", sentence[span[1] : end[0]], re.IGNORECASE)):
            return span[1] + found[-1].start(), span[1] + found[-1].end()
    return None


def _turned_place(sentence: str, graph: SceneGraph, attribute: Attribute, span: Span) -> Iterator[Edit]:
    change, name = turned(sentence[span[0] : span[1]]), opposite(attribute.name)
    if change is None or name is None:
        return
    start, end, new = change
    changed = _renamed(graph, attribute, name)
    yield from made(sentence, [((span[0] + start, span[0] + end), new)], "predicate", changed, word=name)


def _renamed(graph: SceneGraph, attribute: Attribute, name: str) -> SceneGraph:
    """The graph with what one place of the sentence says called otherwise, of all things it is said of."""
    objects = tuple(
        replace(one, attributes=tuple(replace(own, name=name) if own == attribute else own for own in one.attributes))
        for one in graph.objects
    )
    return SceneGraph(objects, graph.relations)


_WAYS = frozenset({"up", "down", "into", "onto", "out", "off", "towards", "toward", "away", "through", "across"})
_GOING = frozenset({"run", "walk", "jump", "crawl", "fly", "swim", "dance"})
"""Verbs that go with a preposition of `_WAYS`: nobody sits into the water."""


def _other_verbs(sentence: str, graph: SceneGraph, predicate: str, span: Span, *, has_end: bool) -> Iterator[Edit]:
    """The first word of a predicate replaced by its rivals, in its own form, for all that it is said of."""
    verb, _, rest = predicate.partition(" ")
    word = re.compile(r"[^\W\d_]+").match(sentence, span[0], span[1])
    if word is None:
        return
    words_before = sentence[: span[0]].split()
    way = rest.split(" ", 1)[0]
    with_object = has_end and (not rest or (way in _WAYS and verb not in ALONE))
    for rival in (WITH_OBJECT if with_object else ALONE).get(verb, ()):
        new = inflected(rival, word.group(), verb, before=words_before[-1] if words_before else "")
        if new is None or (way in _WAYS and not with_object and rival not in _GOING):
            continue
        relations = tuple(
            replace(one, predicate=" ".join((rival, *one.predicate.split(" ")[1:])))
            if one.span and one.span[0] == span[0] and one.predicate.split(" ", 1)[0] == verb
            else one
            for one in graph.relations
        )
        objects = tuple(
            replace(
                one,
                attributes=tuple(
                    replace(own, name=rival) if own.name == verb and own.span and own.span[0] == span[0] else own
                    for own in one.attributes
                ),
            )
            for one in graph.objects
        )
        yield from made(sentence, [(word.span(), new)], "predicate", SceneGraph(objects, relations), word=rival)
