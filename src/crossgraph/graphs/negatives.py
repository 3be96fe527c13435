"""Captions edited to be false: phrases exchanged, properties exchanged, predicates replaced, a look-alike's phrase.

    kind       edit of "a black dog chases two white cats"     rule
    swap       two white cats chase a black dog                subject and object of a relation exchanged
    attribute  a white dog chases two black cats               properties of two objects exchanged
    predicate  a black dog carries two white cats              predicate replaced by one of its class (`opposites`)
    similar    a black dog chases two white ducks              what tells a look-alike apart put in (`similar_edits`)

Every edit has a validity filter behind it (`negative_captions`): what any caption of the picture says, in the same or
in other words, is no negative. The kinds follow what public code edits (Structure-CLIP: swaps; TSVLC: words of a list),
"similar" what SGFNS's abstract says of similar pictures (Wang 2025); every rule is this project's own.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace

from crossgraph.graphs.caption_edits import Edit, Kind, NegativeCaption, all_edits, made, with_attribute
from crossgraph.graphs.meanings import (
    Meaning,
    canonical,
    kind_of_attribute,
    kind_of_thing,
    may_name_the_same,
)
from crossgraph.graphs.opposites import ALONE, WITH_OBJECT
from crossgraph.graphs.scene_graph import GraphObject, SceneGraph
from crossgraph.graphs.sentence_edits import (
    is_plural,
    numbered,
    says,
)

__all__ = ["NegativeCaption", "Kind", "edits", "negative_captions", "similar_edits", "valid"]


def edits(sentence: str, graph: SceneGraph, *, kinds: Collection[Kind]) -> list[NegativeCaption]:
    """All edits of the kinds "swap", "attribute" and "predicate" that change what the sentence says, in that order.

    `graph` is the sentence's own, with spans of it; what has no span there is not edited. Nothing for edits without
    effect (two equal phrases, a symmetric predicate). Other captions of the picture are not asked: `negative_captions`.
    """
    return [edit.caption for edit in _telling(sentence, graph, all_edits(sentence, graph, kinds))]


def similar_edits(
    sentence: str, graph: SceneGraph, look_alike: Sequence[tuple[str, SceneGraph]], own: Sequence[SceneGraph]
) -> list[NegativeCaption]:
    """The sentence with one thing or property of a similar picture in place of one that the similar picture lacks.

    `look_alike` is that picture's captions with their graphs, `own` the graphs of this one's. A thing is replaced by
    one of its type (person, animal, clothes, setting, mover, body, other), a property by one of its class (colour,
    size, ...) that the look-alike has of the same thing; neither may be, in this or other words, in a graph of `own`.
    """
    return [edit.caption for edit in _telling(sentence, graph, _similar(sentence, graph, look_alike, own))]


def valid(
    candidate_text: str,
    candidate_graph: SceneGraph | None,
    own_captions: Sequence[str],
    own_graphs: Sequence[SceneGraph],
) -> bool:
    """Whether a caption says anything that the picture's own do not, as text and, with a graph, as meaning.

    Texts are compared without case, punctuation and spaces. A graph is rejected if it is empty or if the picture's
    graphs together make all its claims, be it in synonyms, by an inverse ("left of", "right of"), or of things told
    with more properties; so one that equals any of them is.
    """
    text = _plain(candidate_text)
    if not text or any(text == _plain(caption) for caption in own_captions):
        return False
    return candidate_graph is None or _says_more(candidate_graph, Meaning.of(own_graphs))


def negative_captions(
    sentence: str,
    graph: SceneGraph,
    *,
    own_captions: Sequence[str],
    own_graphs: Sequence[SceneGraph],
    kinds: Collection[Kind],
    look_alike: Sequence[tuple[str, SceneGraph]] = (),
    parse: Callable[[str], SceneGraph] | None = None,
) -> list[NegativeCaption]:
    """The valid edits of a caption: swaps, attributes, predicates, then the look-alike's phrases; none twice.

    `own_captions` and `own_graphs` are of all captions of the picture. Besides what `valid` rejects, no swap is made
    that another caption tells, and no predicate put in that another caption uses of the same things. With `parse`,
    each edit is read again, and what it was found to say must be valid too. The same input gives the same list.
    """
    captions, graphs = [sentence, *own_captions], [graph, *own_graphs]
    texts, told = {_plain(caption) for caption in captions}, Meaning.of(graphs)
    found: list[NegativeCaption] = []
    candidates = [*all_edits(sentence, graph, kinds)]
    if "similar" in kinds:
        candidates += _similar(sentence, graph, look_alike, graphs)
    for edit in candidates:
        text = _plain(edit.caption.text)
        if not text or text in texts or not _says_more(edit.graph, told) or _is_told(edit, graphs):
            continue
        if parse is None or _says_more(parse(edit.caption.text), told):
            texts.add(text)
            found.append(edit.caption)
    return found


def _plain(text: str) -> str:
    return " ".join(re.findall(r"[^\W_]+", unicodedata.normalize("NFKC", text).casefold()))


def _says_more(graph: SceneGraph, told: Meaning) -> bool:
    return bool(graph.objects) and not told.covers(Meaning.of([graph]))


def _telling(sentence: str, graph: SceneGraph, candidates: Iterator[Edit]) -> list[Edit]:
    """The edits that say something else than the sentence, each text once."""
    told, texts, found = Meaning.of([graph]), {_plain(sentence), ""}, []
    for edit in candidates:
        text = _plain(edit.caption.text)
        if text not in texts and _says_more(edit.graph, told):
            texts.add(text)
            found.append(edit)
    return found


def _is_told(edit: Edit, graphs: Sequence[SceneGraph]) -> bool:
    """Whether another caption tells a swapped relation by name, or the new predicate of one of the same things."""
    if edit.caption.kind == "swap":
        first = {(canonical(one), predicate, canonical(other)) for one, predicate, other in edit.graph.triples()}
        others = [
            (canonical(one), predicate, canonical(other))
            for graph in graphs[1:]
            for one, predicate, other in graph.triples()
        ]
        mine = {(canonical(one), predicate, canonical(other)) for one, predicate, other in graphs[0].triples()}
        return any(triple in first - mine for triple in others)
    if edit.caption.kind != "predicate":
        return False
    word = edit.word
    if word in ALONE or word in WITH_OBJECT:
        return any(
            word in [attribute.name for attribute in one.attributes] for graph in graphs for one in graph.objects
        ) or any(relation.predicate.split(" ", 1)[0] == word for graph in graphs for relation in graph.relations)
    names = [one.name for one in edit.graph.objects]
    return any(
        (predicate == word or predicate.endswith(f" {word}"))
        and any(may_name_the_same(one, name) for name in names)
        and any(may_name_the_same(other, name) for name in names)
        for graph in graphs[1:]
        if graph != graphs[0]
        for one, predicate, other in graph.triples()
    )


def _similar(
    sentence: str, graph: SceneGraph, look_alike: Sequence[tuple[str, SceneGraph]], own: Sequence[SceneGraph]
) -> Iterator[Edit]:
    theirs = [(caption, one, other) for caption, other in look_alike for one in other.objects]
    own_objects = [one for other in own for one in other.objects] + list(graph.objects)
    for number, thing in enumerate(graph.objects):
        if thing.span is None or not says(sentence, thing.span):
            continue
        if any(may_name_the_same(thing.name, one.name) for _, one, _ in theirs):
            yield from _similar_attributes(sentence, graph, number, theirs, own_objects)
            continue
        fitting = [
            (not (_roles(other, one) & _roles(graph, thing)), place)
            for place, (caption, one, other) in enumerate(theirs)
            if kind_of_thing(one.name) == kind_of_thing(thing.name) != "vague"
            and not any(may_name_the_same(one.name, mine.name) for mine in own_objects)
            and _fits(thing, caption, one)
        ]
        for name in dict.fromkeys(theirs[place][1].name for _, place in sorted(fitting)):
            objects = list(graph.objects)
            objects[number] = replace(thing, name=name)
            new = numbered(name, plural=is_plural(sentence, thing))
            changed = SceneGraph(tuple(objects), graph.relations)
            yield from made(sentence, [(thing.span, new)], "similar", changed)


def _roles(graph: SceneGraph, thing: GraphObject) -> set[tuple[bool, str]]:
    """The predicates a thing has to do with, and whether as their subject."""
    return {
        (is_subject, relation.predicate)
        for relation in graph.relations
        for is_subject, end in ((True, relation.subject), (False, relation.object))
        if graph.objects[end] is thing
    }


def _fits(thing: GraphObject, caption: str, other: GraphObject) -> bool:
    """Whether another thing's name can stand in a phrase with a number: what is not counted ("grass") cannot."""
    if thing.count is None:
        return True
    return other.count is not None or (is_plural(caption, other) and numbered(other.name, plural=True) != other.name)


def _similar_attributes(
    sentence: str,
    graph: SceneGraph,
    number: int,
    theirs: Sequence[tuple[str, GraphObject, SceneGraph]],
    own_objects: Sequence[GraphObject],
) -> Iterator[Edit]:
    thing = graph.objects[number]
    other_names = [
        attribute.name
        for _, one, _ in theirs
        if canonical(one.name) == canonical(thing.name)
        for attribute in one.attributes
    ]
    known = {
        canonical(attribute.name)
        for one in own_objects
        if may_name_the_same(one.name, thing.name)
        for attribute in one.attributes
    }
    for place, attribute in enumerate(thing.attributes):
        kind = kind_of_attribute(attribute.name)
        if kind in (None, "place") or attribute.span is None or not says(sentence, attribute.span):
            continue
        if canonical(attribute.name) in map(canonical, other_names):
            continue
        for name in dict.fromkeys(other_names):
            if kind_of_attribute(name) == kind and canonical(name) not in known:
                changed = with_attribute(graph, (number, place), name)
                yield from made(sentence, [(attribute.span, name)], "similar", changed)
