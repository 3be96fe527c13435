"""Concept labels from captions: which frequent things, and things doing something, the captions of a picture name.

Nobody annotated these labels. They are read off scene graphs: the head noun of every object ("dog" for "a small
sheep dog"), and a noun with what it does ("dog run", "man hold"). Concepts are chosen by how many training pictures
they are named for; pictures of any split are then labelled by the same names. Wherever they are printed they are
called `DERIVED_LABELS`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from crossgraph.config import LabelsConfig
from crossgraph.data.corpus import DERIVED_LABELS, Corpus
from crossgraph.errors import DataError
from crossgraph.graphs.predicates import PREPOSITIONS
from crossgraph.graphs.scene_graph import SceneGraph, Span
from crossgraph.words import normalise

_NO_ACTION = frozenset({"be", "have", "do", "show", "see"})


@dataclass(frozen=True)
class ConceptVocabulary:
    """The chosen concepts, most frequent first, and how many of a picture's captions must name one."""

    names: tuple[str, ...]
    agree: int = 1

    def describe(self) -> dict[str, Any]:
        """What a run must remember to label other pictures alike: plain JSON."""
        return {"kind": DERIVED_LABELS, "names": list(self.names), "agree": self.agree}


def learn_concepts(training: Corpus, graphs: Sequence[SceneGraph], settings: LabelsConfig) -> ConceptVocabulary:
    """The most frequent concepts of the training captions, whose scene graphs are `graphs`, in their order.

    A concept's frequency is the share of pictures it is named for, between `least` and `most`; equally frequent ones
    go by name. Raises `DataError` when fewer than two are left.
    """
    verbs = frozenset(
        verb for caption, graph in zip(training.captions, graphs, strict=True) for verb in _verbs(caption, graph)
    )
    counts = Counter(concept for own in _concepts_of_images(training, graphs, agree=settings.agree) for concept in own)
    least, most = settings.least * len(training), settings.most * len(training)
    kept = [
        name
        for name, count in counts.items()
        if least <= count <= most and (" " not in name or (settings.actions and name.split(" ")[1] in verbs))
    ]
    names = tuple(sorted(kept, key=lambda name: (-counts[name], name))[: settings.count])
    if len(names) < 2:
        raise DataError(
            f"corpus {training.name!r}: {len(names)} concepts are named for {settings.least:.2%} to "
            f"{settings.most:.0%} of its {len(training)} training pictures; lower labels.least or raise labels.most."
        )
    return ConceptVocabulary(names, settings.agree)


def concept_labels(corpus: Corpus, vocabulary: ConceptVocabulary, graphs: Sequence[SceneGraph]) -> Corpus:
    """The corpus with its labels replaced by derived ones; `graphs` are those of its captions, in their order."""
    column = {name: number for number, name in enumerate(vocabulary.names)}
    labels = np.zeros((len(corpus), len(column)), dtype=np.bool_)
    for row, own in enumerate(_concepts_of_images(corpus, graphs, agree=vocabulary.agree)):
        labels[row, [column[name] for name in own if name in column]] = True
    return replace(corpus, labels=labels, label_names=vocabulary.names, label_kind=DERIVED_LABELS)


def concepts_of(graph: SceneGraph) -> frozenset[str]:
    """The nouns of a scene graph, and each noun with the first word of all that is said of it: "dog", "dog run".

    The second word may be no verb ("dog brown"); which words are, `learn_concepts` learns from many captions.
    """
    nouns = [_word(thing.name.split(" ")[-1]) for thing in graph.objects]
    said = [(relation.subject, relation.predicate) for relation in graph.relations]
    said += [(number, one.name) for number, thing in enumerate(graph.objects) for one in thing.attributes]
    pairs = {f"{nouns[number]} {_word(phrase.split(' ')[0])}" for number, phrase in said if nouns[number]}
    return frozenset(nouns) - {""} | {pair for pair in pairs if not pair.endswith(" ")}


def _concepts_of_images(corpus: Corpus, graphs: Sequence[SceneGraph], *, agree: int) -> Iterator[list[str]]:
    """For every picture, the concepts that at least `agree` of its captions name; fewer captions must all agree."""
    if len(graphs) != len(corpus.captions):
        raise DataError(f"corpus {corpus.name!r}: {len(corpus.captions)} captions but {len(graphs)} scene graphs.")
    for own in corpus.captions_of_images():
        named = Counter(concept for caption in own for concept in concepts_of(graphs[caption]))
        yield [concept for concept, count in named.items() if count >= min(agree, len(own))]


def _verbs(caption: str, graph: SceneGraph) -> Iterator[str]:
    """What the caption says in another form than its name: "runs" is "run", so run is a verb.

    Graphs name verbs by their lemma and everything else as it stands ("red", "next to"), and a caption that says
    "dogs run" tells nothing; some other one will say "runs" or "running".
    """
    sentence = normalise(caption)
    phrases: list[tuple[str, Span | None]] = [(one.predicate, one.span) for one in graph.relations]
    phrases += [(one.name, one.span) for thing in graph.objects for one in thing.attributes]
    for phrase, span in phrases:
        verb = _word(phrase.split(" ")[0])
        if span is None or not verb or verb in _NO_ACTION or phrase in PREPOSITIONS.values():
            continue
        stood = sentence[span[0] : span[1]].lower().split(" ")[0]
        if stood != verb and stood[:1] == verb[0]:
            yield verb


def _word(text: str) -> str:
    """`text` if it is a word of two letters or more, else nothing: numbers and stray signs are no concepts."""
    return text if len(text) > 1 and text.replace("-", "").replace("'", "").isalpha() else ""
