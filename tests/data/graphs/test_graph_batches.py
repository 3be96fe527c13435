"""Parsed captions as padded nodes: their order, their ends, their words, and what a cut leaves."""

import pytest
import torch

from crossgraph.data.graphs.caption_graphs import words_of_span
from crossgraph.data.graphs.graph_batches import RememberedNodes, batch_graphs, batch_nodes, caption_nodes
from crossgraph.graphs.caption_parser import CaptionParser
from crossgraph.graphs.scene_graph import Attribute, GraphObject, Relation, SceneGraph
from crossgraph.types import ATTRIBUTE, OBJECT, PLACE, RELATION, TextGraphs
from crossgraph.words import normalise, tokenize

CAPTIONS = (
    "a small dog chases two black cats",
    "running quickly",
    "a man sits on a wooden bench and a dog sleeps under the bench",
    "dogs",
)
DOG_CHASES_CAT = SceneGraph(
    (GraphObject("dog", (Attribute("small", (2, 7)),), (8, 11)), GraphObject("cat", span=(21, 24))),
    (Relation(0, "chase", 1, (12, 18)),),
)
SENTENCE = "a small dog chases a cat"

Told = tuple[int, tuple[int, int], tuple[str, ...]]


def told(graphs: TextGraphs, row: int, caption: str) -> list[Told]:
    """Kind, ends and words of every real node."""
    words, nodes = tokenize(caption), graphs.nodes
    return [
        (
            int(nodes.kinds[row, node]),
            tuple(nodes.ends[row, node].tolist()),
            tuple(words[place] for place in graphs.words[row, node].nonzero()[:, 0].tolist()),
        )
        for node in nodes.mask[row].nonzero()[:, 0].tolist()
    ]


def batched(parser: CaptionParser, captions: tuple[str, ...], cut: int = 99) -> TextGraphs:
    graphs = [parser.parse(normalise(caption)) for caption in captions]
    return batch_graphs(captions, graphs, lengths=[min(cut, len(tokenize(caption))) for caption in captions])


def test_a_graph_becomes_objects_then_relations_then_attributes_by_hand() -> None:
    graphs = batch_graphs([SENTENCE], [DOG_CHASES_CAT], lengths=[6])
    assert told(graphs, 0, SENTENCE) == [
        (OBJECT, (0, 0), ("dog",)),
        (OBJECT, (1, 1), ("cat",)),
        (RELATION, (0, 1), ("chases",)),
        (ATTRIBUTE, (0, 0), ("small",)),
    ]
    assert graphs.words.shape == (1, 4, 6)


def test_a_phrase_of_place_is_a_place_and_a_bare_side_an_attribute(parser: CaptionParser) -> None:
    caption = "a ball on the left and a left shoe"
    assert told(batched(parser, (caption,)), 0, caption) == [
        (OBJECT, (0, 0), ("ball",)),
        (OBJECT, (1, 1), ("shoe",)),
        (PLACE, (0, 0), ("on", "the", "left")),
        (ATTRIBUTE, (1, 1), ("left",)),
    ]


def test_a_parsed_caption_tells_its_objects_relations_and_attributes(parser: CaptionParser) -> None:
    assert told(batched(parser, CAPTIONS[:1]), 0, CAPTIONS[0]) == [
        (OBJECT, (0, 0), ("dog",)),
        (OBJECT, (1, 1), ("cats",)),
        (RELATION, (0, 1), ("chases",)),
        (ATTRIBUTE, (0, 0), ("small",)),
        (ATTRIBUTE, (1, 1), ("black",)),
    ]


def slow_nodes(caption: str, graph: SceneGraph) -> list[Told]:
    """The same from the graph's own spans, for uncut captions."""

    def words(span: tuple[int, int]) -> tuple[str, ...]:
        return tuple(tokenize(normalise(caption)[slice(*span)]))

    objects = [(OBJECT, (i, i), words(thing.span)) for i, thing in enumerate(graph.objects)]
    relations = [(RELATION, (one.subject, one.object), words(one.span)) for one in graph.relations]
    attributes = [
        (ATTRIBUTE, (i, i), words(one.span)) for i, thing in enumerate(graph.objects) for one in thing.attributes
    ]
    return objects + relations + attributes or [(OBJECT, (0, 0), tuple(tokenize(caption)))]


def test_whole_captions_in_company_tell_what_their_parses_say(parser: CaptionParser) -> None:
    graphs = batched(parser, CAPTIONS)
    for row, caption in enumerate(CAPTIONS):
        assert told(graphs, row, caption) == slow_nodes(caption, parser.parse(normalise(caption)))


def test_company_only_pads(parser: CaptionParser) -> None:
    together = batched(parser, CAPTIONS)
    assert (together.nodes.mask.int().diff(dim=1) <= 0).all()
    assert not together.nodes.kinds[~together.nodes.mask].any()
    assert not together.nodes.ends[~together.nodes.mask].any()
    assert not together.words[~together.nodes.mask].any()
    for row, caption in enumerate(CAPTIONS):
        alone = batched(parser, (caption,))
        nodes, words = alone.words.shape[1:]
        assert torch.equal(alone.words[0], together.words[row, :nodes, :words])
        assert torch.equal(alone.nodes.kinds[0], together.nodes.kinds[row, :nodes])
        assert torch.equal(alone.nodes.ends[0], together.nodes.ends[row, :nodes])
        assert together.nodes.mask[row].sum() == nodes


@pytest.mark.parametrize("caption", ["running quickly", "", "..."])
def test_a_caption_without_objects_is_one_object_that_all_words_say(parser: CaptionParser, caption: str) -> None:
    graphs = batch_graphs([caption], [SceneGraph()], lengths=[len(tokenize(caption))])
    assert told(graphs, 0, caption) == [(OBJECT, (0, 0), tuple(tokenize(caption)))]


@pytest.mark.parametrize(
    ("kept", "expected"),
    [
        (5, [(OBJECT, (0, 0), ("dog",)), (ATTRIBUTE, (0, 0), ("small",))]),
        (3, [(OBJECT, (0, 0), ("dog",)), (ATTRIBUTE, (0, 0), ("small",))]),
        (2, [(OBJECT, (0, 0), ("a", "small"))]),
    ],
)
def test_what_only_words_beyond_the_cut_say_is_left_out(kept: int, expected: list[Told]) -> None:
    graphs = batch_graphs([SENTENCE], [DOG_CHASES_CAT], lengths=[kept])
    assert told(graphs, 0, SENTENCE) == expected
    assert graphs.words.shape[2] == kept


def test_objects_after_one_that_was_cut_keep_their_relations() -> None:
    # the subject is named last: "sat on by a cat, a mat in a box", cut before "box"
    caption = "a mat in a box by a cat"
    graph = SceneGraph(
        (GraphObject("cat", span=(20, 23)), GraphObject("mat", span=(2, 5)), GraphObject("box", span=(11, 14))),
        (Relation(0, "by", 1, (15, 17)), Relation(1, "in", 2, (6, 8))),
    )
    assert told(batch_graphs([caption], [graph], lengths=[5]), 0, caption) == [
        (OBJECT, (0, 0), ("mat",)),
        (OBJECT, (1, 1), ("box",)),
        (RELATION, (0, 1), ("in",)),
    ]


def test_a_relation_is_left_out_when_its_words_are_cut_and_kept_when_it_never_had_any() -> None:
    caption = "a dog and a cat fight"
    objects = (GraphObject("dog", span=(2, 5)), GraphObject("cat", span=(12, 15)))
    for span, expected in (((16, 21), []), (None, [(RELATION, (0, 1), ())])):
        graph = SceneGraph(objects, (Relation(0, "fight", 1, span),))
        assert told(batch_graphs([caption], [graph], lengths=[5]), 0, caption)[2:] == expected


def test_no_captions_give_no_graphs() -> None:
    assert batch_graphs([], [], lengths=[]).words.shape == (0, 0, 0)


def test_another_number_of_graphs_than_captions_is_refused() -> None:
    with pytest.raises(ValueError, match="shorter"):
        batch_graphs([SENTENCE, SENTENCE], [DOG_CHASES_CAT], lengths=[6, 6])


@pytest.mark.parametrize("cut", [99, 5, 1])
def test_words_found_once_for_a_caption_are_those_of_each_span_by_itself(parser: CaptionParser, cut: int) -> None:
    for caption in (*CAPTIONS, "the man’s t-shirt is a dog's", "?!", ""):
        graph, length = parser.parse(normalise(caption)), min(cut, len(tokenize(caption)))
        spans = [thing.span for thing in graph.objects]
        said = [{place for place in words_of_span(caption, span) if place < length} for span in spans if span]
        found = caption_nodes(caption, graph, length=length)
        objects = [
            set(row.nonzero()[0].tolist()) for row, kind in zip(found.words, found.kinds, strict=True) if kind == OBJECT
        ]
        assert objects == ([places for places in said if places] or [set(range(length))])


def test_remembered_nodes_are_those_laid_out_anew_and_no_more_than_wished(parser: CaptionParser) -> None:
    remembered, graphs = RememberedNodes(most=2), {one: parser.parse(normalise(one)) for one in CAPTIONS}
    asked: list[str] = []

    def graph(caption: str) -> SceneGraph:
        asked.append(caption)
        return graphs[caption]

    for caption in (*CAPTIONS, CAPTIONS[-1], CAPTIONS[0]):
        length = len(tokenize(caption))
        told_again = batch_nodes([remembered.of(caption, graph, length=length)])
        anew = batch_graphs([caption], [graphs[caption]], lengths=[length])
        assert torch.equal(told_again.words, anew.words)
        assert torch.equal(told_again.nodes.ends, anew.nodes.ends)
        assert len(remembered) <= 2
    assert asked == [*CAPTIONS, CAPTIONS[0]], "the last was known, the first forgotten"
