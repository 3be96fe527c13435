"""A table of captions with every edit a reader would accept, and what no generated negative may ever be."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crossgraph.graphs.caption_parser import CaptionParser
from crossgraph.graphs.meanings import is_symmetric, may_name_the_same
from crossgraph.graphs.negatives import Kind, NegativeCaption, edits, negative_captions, similar_edits, valid
from crossgraph.graphs.opposites import inflected, opposite, turned
from crossgraph.graphs.scene_graph import Attribute, GraphObject, Relation, SceneGraph
from crossgraph.graphs.sentence_edits import numbered, rewritten

EDITS: tuple[Kind, ...] = ("swap", "attribute", "predicate")
KINDS: tuple[Kind, ...] = (*EDITS, "similar")

# Sentence -> its edits by kind; the last dozen are worded as drawn scenes are.
TABLE: list[tuple[str, dict[Kind, list[str]]]] = [
    (
        "the grey horse chases an old goat",
        {
            "swap": ["an old goat chases the grey horse"],
            "attribute": ["the old horse chases a grey goat"],
            "predicate": ["the grey horse carries an old goat", "the grey horse ignores an old goat"],
        },
    ),
    (
        "Two boys push a heavy cart",
        {
            "swap": ["A heavy cart pushes two boys"],
            "predicate": ["Two boys pull a heavy cart", "Two boys carry a heavy cart"],
        },
    ),
    ("an owl watches the mice", {"swap": ["the mice watch an owl"], "predicate": ["an owl ignores the mice"]}),
    ("a nurse is hugging a child", {"predicate": ["a nurse is pushing a child", "a nurse is chasing a child"]}),
    ("a lamp next to a bed", {"predicate": ["a lamp far from a bed"]}),
    (
        "a brown dog chases a brown dog",
        {"predicate": ["a brown dog carries a brown dog", "a brown dog ignores a brown dog"]},
    ),
    (
        "a tall man throws an orange ball",
        {
            "swap": ["an orange ball throws a tall man"],
            "attribute": ["an orange man throws a tall ball"],
            "predicate": ["a tall man catches an orange ball", "a tall man holds an orange ball"],
        },
    ),
    ("a farmer climbs a hill", {"swap": ["a hill climbs a farmer"], "predicate": ["a farmer descends a hill"]}),
    (
        "a cat jumped onto a green sofa",
        {
            "swap": ["a green sofa jumped onto a cat"],
            "predicate": ["a cat jumped off a green sofa", "a cat crawled onto a green sofa"],
        },
    ),
    (
        "a girl has climbed the wall",
        {"swap": ["the wall has climbed a girl"], "predicate": ["a girl has descended the wall"]},
    ),
    (
        "a rabbit is chased by two foxes",
        {
            "swap": ["two foxes are chased by a rabbit"],
            "predicate": ["a rabbit is carried by two foxes", "a rabbit is ignored by two foxes"],
        },
    ),
    (
        "a monkey sits on a roof",
        {
            "swap": ["a roof sits on a monkey"],
            "predicate": ["a monkey sits under a roof", "a monkey stands on a roof", "a monkey runs on a roof"],
        },
    ),
    (
        "a plane flies above a white cloud",
        {
            "swap": ["a white cloud flies above a plane"],
            "predicate": [
                "a plane flies below a white cloud",
                "a plane sits above a white cloud",
                "a plane swims above a white cloud",
            ],
        },
    ),
    (
        "children run into a barn",
        {
            "swap": ["a barn runs into children"],
            "predicate": ["children run out of a barn", "children walk into a barn"],
        },
    ),
    (
        "a cow stands in front of a church",
        {
            "swap": ["a church stands in front of a cow"],
            "predicate": [
                "a cow stands behind a church",
                "a cow sits in front of a church",
                "a cow lies in front of a church",
            ],
        },
    ),
    (
        "a sailor carries an oar and a rope",
        {
            "swap": ["an oar carries a sailor and a rope", "a rope carries an oar and a sailor"],
            "predicate": ["a sailor throws an oar and a rope", "a sailor kicks an oar and a rope"],
        },
    ),
    (
        "a woman wearing a red hat",
        {
            "swap": ["a red hat wearing a woman"],
            "predicate": ["a woman holding a red hat", "a woman throwing a red hat"],
        },
    ),
    (
        "a goat walks up a steep path",
        {
            "swap": ["a steep path walks up a goat"],
            "predicate": ["a goat walks down a steep path", "a goat runs up a steep path"],
        },
    ),
    (
        "an hour glass stands on a shelf",
        {
            "swap": ["a shelf stands on an hour glass"],
            "predicate": [
                "an hour glass stands under a shelf",
                "an hour glass sits on a shelf",
                "an hour glass lies on a shelf",
            ],
        },
    ),
    ("a young boy and an old man", {"attribute": ["an old boy and a young man"]}),
    (
        "a boy runs and a girl sleeps",
        {
            "predicate": [
                "a boy walks and a girl sleeps",
                "a boy lies and a girl sleeps",
                "a boy runs and a girl runs",
                "a boy runs and a girl jumps",
            ]
        },
    ),
    (
        "a cat lies under a wooden table",
        {
            "swap": ["a wooden table lies under a cat"],
            "predicate": [
                "a cat lies on a wooden table",
                "a cat stands under a wooden table",
                "a cat jumps under a wooden table",
            ],
        },
    ),
    (
        "a man walks towards a bus",
        {
            "swap": ["a bus walks towards a man"],
            "predicate": ["a man walks away from a bus", "a man runs towards a bus"],
        },
    ),
    (
        "a yellow bird near a large tree",
        {"attribute": ["a large bird near a yellow tree"], "predicate": ["a yellow bird far from a large tree"]},
    ),
    (
        "there is a dog chasing two cats",
        {
            "swap": ["there are two cats chasing a dog"],
            "predicate": ["there is a dog carrying two cats", "there is a dog ignoring two cats"],
        },
    ),
    (
        "a red ball to the left of an orange box",
        {
            "swap": ["an orange box to the left of a red ball"],
            "attribute": ["an orange ball to the left of a red box"],
            "predicate": ["a red ball to the right of an orange box"],
        },
    ),
    (
        "an orange box is on the right side of a small green cup",
        {
            "swap": ["a small green cup is on the right side of an orange box"],
            "attribute": ["a green box is on the right side of a small orange cup"],
            "predicate": ["an orange box is on the left side of a small green cup"],
        },
    ),
    (
        "higher up than a blue umbrella there is a tiny red car",
        {
            "swap": ["higher up than a tiny red car there is a blue umbrella"],
            "attribute": ["higher up than a red umbrella there is a tiny blue car"],
            "predicate": ["lower down than a blue umbrella there is a tiny red car"],
        },
    ),
    (
        "a plain green tree lower down than a striped yellow hat",
        {
            "swap": ["a striped yellow hat lower down than a plain green tree"],
            "attribute": [
                "a striped green tree lower down than a plain yellow hat",
                "a plain yellow tree lower down than a striped green hat",
            ],
            "predicate": ["a plain green tree higher up than a striped yellow hat"],
        },
    ),
    (
        "a white background with a purple moon near the top",
        {
            "attribute": ["a purple background with a white moon near the top"],
            "predicate": [
                "a white background without a purple moon near the top",
                "a white background with a purple moon near the bottom",
            ],
        },
    ),
    (
        "on a grey wall, a blue fish in the lower part",
        {
            "swap": ["on a blue fish, a grey wall in the lower part"],
            "attribute": ["on a blue wall, a grey fish in the lower part"],
            "predicate": [
                "under a grey wall, a blue fish in the lower part",
                "on a grey wall, a blue fish in the upper part",
            ],
        },
    ),
    (
        "an orange flower at the left side, a green meadow behind",
        {
            "attribute": ["a green flower at the left side, an orange meadow behind"],
            "predicate": ["an orange flower at the right side, a green meadow behind"],
        },
    ),
    ("a picture of a red car and a green house", {"attribute": ["a picture of a green car and a red house"]}),
    ("a mug, large and yellow, without stripes", {"predicate": ["a mug, large and yellow, with stripes"]}),
    ("a red cube is below a red cube", {}),
    ("at the right side there is a yellow star", {"predicate": ["at the left side there is a yellow star"]}),
    ("three things: a ball, a box and a tree", {}),
]


@pytest.mark.parametrize(("sentence", "expected"), TABLE, ids=[sentence for sentence, _ in TABLE])
def test_a_caption_has_exactly_the_edits_of_the_table(
    parser: CaptionParser, sentence: str, expected: dict[Kind, list[str]]
) -> None:
    made = edits(sentence, parser.parse(sentence), kinds=EDITS)
    assert made == [NegativeCaption(text, kind) for kind, texts in expected.items() for text in texts]


@pytest.mark.parametrize("kind", EDITS)
def test_only_the_kinds_asked_for_are_made(parser: CaptionParser, kind: Kind) -> None:
    sentence = "the grey horse chases an old goat"
    made = edits(sentence, parser.parse(sentence), kinds=[kind])
    assert made
    assert {edit.kind for edit in made} == {kind}


@pytest.mark.parametrize(
    "sentence",
    [
        "a brown dog chases a brown dog",
        "a lamp next to a bed",
        "two boys play with a girl",
        "a cat fights a dog",
        "a nurse faces a patient",
        "a boy and a girl",
        "a man beside a horse",
        "a bowl near a plate",
        "a guy sees a man",
        "a man with a dog",
    ],
)
def test_a_swap_that_says_the_same_is_not_made(parser: CaptionParser, sentence: str) -> None:
    assert edits(sentence, parser.parse(sentence), kinds=["swap"]) == []


@pytest.mark.parametrize("predicate", ["left of", "right of", "in front of", "on top of", "run out of", "above"])
def test_a_relation_of_place_has_a_direction(predicate: str) -> None:
    assert not is_symmetric(predicate)


@pytest.mark.parametrize(
    "sentence", ["a grey cat and a gray dog", "a red ball and a red box", "a small ant, a tiny bee"]
)
def test_equal_attributes_are_not_exchanged(parser: CaptionParser, sentence: str) -> None:
    assert edits(sentence, parser.parse(sentence), kinds=["attribute"]) == []


@pytest.mark.parametrize(
    ("rival", "like", "verb", "before", "expected"),
    [
        ("walk", "running", "run", "", "walking"),
        ("walk", "runs", "run", "", "walks"),
        ("walk", "ran", "run", "", "walked"),
        ("run", "walked", "walk", "", "ran"),
        ("run", "walked", "walk", "has", "run"),
        ("lie", "sitting", "sit", "", "lying"),
        ("sit", "lying", "lie", "", "sitting"),
        ("catch", "threw", "throw", "", "caught"),
        ("throw", "carried", "carry", "was", "thrown"),
        ("carry", "rides", "ride", "", "carries"),
        ("catch", "throws", "throw", "", "catches"),
        ("walk", "runner", "run", "", None),
        ("walk", "glows", "glow", "", None),
    ],
)
def test_a_rival_verb_takes_the_form_of_the_one_it_replaces(
    rival: str, like: str, verb: str, before: str, expected: str | None
) -> None:
    assert inflected(rival, like, verb, before=before) == expected


@pytest.mark.parametrize(
    ("phrase", "expected"),
    [
        ("to the left of", "to the right of"),
        ("higher up than", "lower down than"),
        ("on the right", "on the left"),
        ("near the top", "near the bottom"),
        ("in the lower part", "in the upper part"),
        ("at the left side", "at the right side"),
        ("in the background", "in the foreground"),
        ("on top of", "under"),
        ("sitting on", "sitting under"),
        ("jumps into", "jumps out of"),
        ("climbs up", "climbs down"),
        ("inside", "outside"),
        ("near", "far from"),
        ("in the middle of", None),
        ("together with", None),
        ("", None),
    ],
)
def test_a_phrase_is_turned_into_its_opposite(phrase: str, expected: str | None) -> None:
    change = turned(phrase)
    assert (change and f"{phrase[: change[0]]}{change[2]}{phrase[change[1] :]}") == expected


def test_a_predicate_is_turned_by_name() -> None:
    assert [opposite(name) for name in ("left of", "sit on", "above", "with", "chase")] == [
        "right of",
        "sit under",
        "below",
        "without",
        None,
    ]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [("red", "orange", "An orange car"), ("red", "unique", "A unique car"), ("red", "honest", "An honest car")],
)
def test_an_article_fits_the_word_that_now_follows_it(old: str, new: str, expected: str) -> None:
    assert rewritten(f"A {old} car", [((2, 5), new)]) == expected


def test_overlapping_changes_are_none() -> None:
    assert rewritten("a red car", [((2, 5), "blue"), ((4, 9), "bus")]) is None


def test_names_take_their_plural() -> None:
    names = ["man", "fir tree", "box", "pony", "fish", "shorts"]
    assert [numbered(name, plural=True) for name in names] == ["men", "fir trees", "boxes", "ponies", "fish", "shorts"]


LOOK_ALIKE = ("an owl chases two white rabbits", "a brown cat on wet grass")


def similar(parser: CaptionParser, sentence: str, *own: str) -> list[str]:
    """The texts of all edits of a sentence that put in something of `LOOK_ALIKE`."""
    look_alike = list(zip(LOOK_ALIKE, parser.parse_all(LOOK_ALIKE), strict=True))
    found = similar_edits(sentence, parser.parse(sentence), look_alike, parser.parse_all(own))
    assert {edit.kind for edit in found} <= {"similar"}
    return [edit.text for edit in found]


def test_what_a_look_alike_lacks_is_replaced_by_its_counterpart_of_the_same_role_first(parser: CaptionParser) -> None:
    assert similar(parser, "a fox chases a cat") == [
        "an owl chases a cat",
        "a rabbit chases a cat",
    ]


def test_a_property_is_replaced_by_the_look_alikes_of_the_same_thing(parser: CaptionParser) -> None:
    assert similar(parser, "a white cat") == ["a brown cat"]


def test_what_another_caption_of_the_picture_names_is_not_put_in(parser: CaptionParser) -> None:
    assert similar(parser, "a fox chases a cat", "an owl") == ["a rabbit chases a cat"]
    assert similar(parser, "a white cat", "a brown cat") == []
    assert similar(parser, "a fox chases a cat", "an animal") == []


def test_words_that_may_name_one_thing_are_told_from_those_that_may_not() -> None:
    same = [("dog", "puppy"), ("man", "guy"), ("person", "boy"), ("soccer ball", "ball"), ("animal", "cow")]
    other = [("dog", "cat"), ("man", "woman"), ("surfer", "skier"), ("water", "grass"), ("tree", "car")]
    assert all(may_name_the_same(*pair) and may_name_the_same(*pair[::-1]) for pair in same)
    assert not any(may_name_the_same(*pair) for pair in other)


def test_a_caption_of_the_picture_is_no_negative_however_it_is_written() -> None:
    graph = SceneGraph((GraphObject("cat"),))
    assert not valid("A  dog, runs!", None, ["a dog runs ."], [])
    assert not valid("...", None, [], [])
    assert valid("a cat runs", None, ["a dog runs"], [])
    assert not valid("a cat", graph, ["one cat"], [graph])
    assert not valid("a cat", SceneGraph(), [], [])
    assert valid("a cat", graph, ["a dog"], [SceneGraph((GraphObject("dog"),))])


@pytest.mark.parametrize(
    ("candidate", "own"),
    [
        ("a box is to the right of a ball", "a ball is to the left of a box"),
        ("a cup below a hat", "a hat higher up than a cup"),
        ("a violet sphere", "a small purple ball"),
        ("a girl next to a boy", "a boy next to a girl"),
        ("a box and a ball", "a ball, a box and a car"),
    ],
)
def test_what_the_picture_is_known_to_show_in_other_words_is_no_negative(
    parser: CaptionParser, candidate: str, own: str
) -> None:
    assert not valid(candidate, parser.parse(candidate), [own], [parser.parse(own)])


def test_an_edit_that_another_caption_tells_is_dropped(parser: CaptionParser) -> None:
    sentence, told = "a dog chases a cat", ["a big cat chases a dog", "a dog carries something", "a cat"]
    made = negative_captions(
        sentence, parser.parse(sentence), own_captions=told, own_graphs=parser.parse_all(told), kinds=EDITS
    )
    assert made == [NegativeCaption("a dog ignores a cat", "predicate")]


def test_an_edit_that_reads_like_a_caption_of_the_picture_is_dropped(parser: CaptionParser) -> None:
    sentence = "a dog chases a cat"
    arguments: dict[str, Any] = {"own_captions": [sentence], "own_graphs": [parser.parse(sentence)]}
    read = negative_captions(sentence, parser.parse(sentence), kinds=EDITS, parse=lambda _: SceneGraph(), **arguments)
    assert read == []
    assert negative_captions(sentence, parser.parse(sentence), kinds=EDITS, parse=parser.parse, **arguments)


nouns = st.sampled_from(["dog", "cat", "man", "guy", "ball", "orange box", "umbrella", "red ball", "sphere"])
links = st.sampled_from(
    ["chases", "sits on", "is to the left of", "is to the right of", "next to", "above", "below", "and", "with"]
)
adjectives = st.sampled_from(["", "red ", "small ", "tiny ", "old ", "very old "])
articles = st.sampled_from(["a ", "the ", "two ", ""])
phrases = st.builds(lambda *parts: "".join(parts), articles, adjectives, nouns)
grammar = st.builds(lambda *parts: " ".join(parts), phrases, links, phrases)
images = st.lists(st.one_of(grammar, st.text(max_size=40)), min_size=1, max_size=4)


def plain(text: str) -> list[str]:
    """The words of a text without case."""
    return re.findall(r"[^\W_]+", text.lower())


def told_by(graph: SceneGraph) -> tuple[frozenset[tuple[str, frozenset[str]]], frozenset[tuple[object, str, object]]]:
    """What a graph says, by its own names: things with attributes, and triples of them."""
    things = [(one.name, frozenset(own.name for own in one.attributes)) for one in graph.objects]
    return frozenset(things), frozenset(
        (things[one.subject], one.predicate, things[one.object]) for one in graph.relations
    )


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(captions=images, others=images, every=st.integers(1, 3))
def test_no_negative_is_a_caption_of_its_picture_in_words_or_in_meaning(
    parser: CaptionParser, captions: list[str], others: list[str], every: int
) -> None:
    # Some of the edits of the first caption are true of this picture: its captions tell them too.
    captions += [edit.text for edit in edits(captions[0], parser.parse(captions[0]), kinds=EDITS)[::every]]
    graphs, look_alike = parser.parse_all(captions), list(zip(others, parser.parse_all(others), strict=True))
    for sentence, graph in zip(captions, graphs, strict=True):
        made = negative_captions(
            sentence,
            graph,
            own_captions=captions,
            own_graphs=graphs,
            kinds=KINDS,
            look_alike=look_alike,
            parse=parser.parse,
        )
        for edit, read in zip(made, parser.parse_all(one.text for one in made), strict=True):
            assert plain(edit.text) not in [plain(caption) for caption in captions]
            assert told_by(read) not in [told_by(own) for own in graphs]
        assert len({one.text for one in made}) == len(made)


@settings(max_examples=60)
@given(
    sentence=st.text(max_size=30),
    spans=st.lists(st.tuples(st.integers(-5, 40), st.integers(-5, 40)), min_size=6, max_size=6),
    names=st.lists(
        st.one_of(st.text(max_size=5), st.sampled_from(["red", "run on", "left of", "dog", ""])), min_size=5
    ),
)
def test_no_graph_however_wrong_is_an_error(sentence: str, spans: list[tuple[int, int]], names: list[str]) -> None:
    things = tuple(
        GraphObject(names[i], (Attribute(names[i + 1], spans[i + 2]),), spans[i], count=i or None) for i in (0, 1)
    )
    graph = SceneGraph(things, (Relation(0, names[3], 1, spans[4]), Relation(1, names[4], 1, spans[5])))
    others = [(sentence, SceneGraph(things[::-1])), ("a cat", SceneGraph((GraphObject("cat"),)))]
    made = negative_captions(
        sentence, graph, own_captions=[sentence], own_graphs=[graph], kinds=KINDS, look_alike=others
    )
    assert all(plain(one.text) != plain(sentence) for one in made)
