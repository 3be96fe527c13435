"""Concept labels: what a caption names, which concepts are chosen, and how pictures come by them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from crossgraph.config import LabelsConfig
from crossgraph.data.concepts import ConceptVocabulary, concept_labels, concepts_of, learn_concepts
from crossgraph.data.corpus import DERIVED_LABELS, Corpus
from crossgraph.errors import DataError
from crossgraph.graphs.caption_parser import CaptionParser
from tests.data.drawn_sets import labels_of

CAPTIONS = (
    ("a small sheep dog runs on the grass", "a dog is running"),
    ("two dogs run", "brown dogs next to a man"),
    ("a man rides a horse", "a man in a red hat"),
    ("a horse", "a red ball on the left of a box"),
)
ALL = LabelsConfig(source="concepts", least=0, most=1)


def captioned(*captions: tuple[str, ...], split: str = "train") -> Corpus:
    """Pictures with these captions."""
    ids = tuple(f"{row}.jpg" for row in range(len(captions)))
    return Corpus(
        name="captioned",
        image_paths=tuple(map(Path, ids)),
        image_ids=ids,
        image_splits=(split,) * len(ids),
        captions=tuple(text for own in captions for text in own),
        caption_image=np.repeat(np.arange(len(ids)), [len(own) for own in captions]),
    )


def test_a_caption_names_head_nouns_and_what_they_do(parser: CaptionParser) -> None:
    assert concepts_of(parser.parse("a small sheep dog runs on the grass")) == {"dog", "grass", "dog small", "dog run"}
    assert concepts_of(parser.parse("two men")) == {"man"}
    assert concepts_of(parser.parse("")) == frozenset()


def test_concepts_are_frequent_nouns_and_nouns_with_a_verb(parser: CaptionParser) -> None:
    corpus = captioned(*CAPTIONS)
    names = learn_concepts(corpus, parser.parse_all(corpus.captions), ALL).names
    assert names[:4] == ("dog", "dog run", "horse", "man")
    assert {"man ride", "ball", "box", "grass", "hat"} <= set(names)
    # adjectives, prepositions and places are no verbs, whatever they are said of
    assert not {"dog brown", "dog small", "dog next", "ball left", "ball red", "hat red", "man in"} & set(names)


def test_shares_count_and_actions_bound_the_vocabulary(parser: CaptionParser) -> None:
    corpus = captioned(*CAPTIONS)
    graphs = parser.parse_all(corpus.captions)
    assert learn_concepts(corpus, graphs, ALL.model_copy(update={"count": 3})).names == ("dog", "dog run", "horse")
    halves = ALL.model_copy(update={"least": 0.5})
    assert learn_concepts(corpus, graphs, halves).names == ("dog", "dog run", "horse", "man")
    assert learn_concepts(corpus, graphs, halves.model_copy(update={"actions": False})).names == ("dog", "horse", "man")
    assert "dog" not in learn_concepts(corpus, graphs, ALL.model_copy(update={"most": 0.4})).names
    with pytest.raises(
        DataError, match=r"0 concepts .* 90.00% to 100% of its 4 training pictures; lower labels\.least"
    ):
        learn_concepts(corpus, graphs, ALL.model_copy(update={"least": 0.9}))


def test_pictures_of_any_split_are_labelled_by_the_same_rule(parser: CaptionParser) -> None:
    vocabulary = ConceptVocabulary(("dog", "dog run", "kite"))
    other = captioned(("the dogs were running", "grass"), ("a running dog",), ("a cat",), (), split="val")
    labelled = concept_labels(other, vocabulary, parser.parse_all(other.captions))
    assert [labels_of(labelled, row) for row in range(4)] == [["dog", "dog run"], ["dog"], [], []]
    assert labelled.label_names == vocabulary.names
    assert labelled.label_kind == DERIVED_LABELS == "derived labels (concepts from captions)"
    assert replace(labelled, labels=None, label_names=(), label_kind="labels").fingerprint() == other.fingerprint()


def test_as_many_captions_as_asked_must_agree(parser: CaptionParser) -> None:
    corpus = captioned(("a dog on grass", "a dog"), ("a dog",), ("a cat", "a dog"))
    graphs = parser.parse_all(corpus.captions)
    labelled = concept_labels(corpus, ConceptVocabulary(("dog", "grass"), agree=2), graphs)
    assert [labels_of(labelled, row) for row in range(3)] == [["dog"], ["dog"], []]


def test_labels_do_not_depend_on_the_order_of_pictures(parser: CaptionParser) -> None:
    corpus = captioned(*CAPTIONS)
    turned = corpus.take([3, 1, 0, 2])
    graphs, others = parser.parse_all(corpus.captions), parser.parse_all(turned.captions)
    vocabulary = learn_concepts(corpus, graphs, ALL)
    assert learn_concepts(turned, others, ALL) == vocabulary
    expected = concept_labels(corpus, vocabulary, graphs).take([3, 1, 0, 2])
    assert np.array_equal(concept_labels(turned, vocabulary, others).labels, expected.labels)


def test_graphs_of_other_captions_are_refused(parser: CaptionParser) -> None:
    with pytest.raises(DataError, match="8 captions but 1 scene graphs"):
        concept_labels(captioned(*CAPTIONS), ConceptVocabulary(("dog", "man")), parser.parse_all(["a dog"]))
