"""Graphs of captions come from the cache as they went in, and their spans fit the words of `tokenize`."""

from __future__ import annotations

from pathlib import Path

import pytest

from crossgraph.data.feature_cache import FeatureCache
from crossgraph.data.graphs.caption_graphs import parse_captions, words_of_span
from crossgraph.graphs.caption_parser import CaptionParser
from crossgraph.graphs.scene_graph import SceneGraph
from crossgraph.words import normalise, tokenize

CAPTIONS = [
    "two small dogs chase a cat",
    "",
    "a girl in a red t-shirt looks at the man\N{RIGHT SINGLE QUOTATION MARK}s hat",
    "two small dogs chase a cat",
    "...",
    "a cafe\u0301 with \ud800 a green door",
]


class CountingParser(CaptionParser):
    """A parser that remembers what it was asked to parse."""

    def __init__(self, *, name: str = "one", fail_after: int | None = None) -> None:
        self.asked: list[str] = []
        self.name = name
        self.fail_after = fail_after

    @property
    def fingerprint(self) -> str:
        """One per name."""
        return f"{self.name}-{super().fingerprint}"

    def parse_all(self, sentences: list[str]) -> list[SceneGraph]:  # type: ignore[override]
        """As the real one, unless it is time to fail."""
        if self.fail_after is not None and len(self.asked) >= self.fail_after:
            raise KeyboardInterrupt
        self.asked.extend(sentences)
        return super().parse_all(sentences)


def test_graphs_are_those_of_the_parser_and_come_back_from_disk_unchanged(
    parser: CaptionParser, tmp_path: Path
) -> None:
    expected = [parser.parse(normalise(caption)) for caption in CAPTIONS]
    assert parse_captions(CAPTIONS, parser, FeatureCache(tmp_path)) == expected
    assert parse_captions(CAPTIONS, parser, FeatureCache(tmp_path)) == expected
    assert expected[1] == SceneGraph()


def test_no_captions_give_no_graphs(parser: CaptionParser, tmp_path: Path) -> None:
    assert parse_captions([], parser, FeatureCache(tmp_path)) == []


def test_equal_captions_are_parsed_once_and_known_ones_not_again(tmp_path: Path) -> None:
    counting = CountingParser()
    parse_captions(CAPTIONS, counting, FeatureCache(tmp_path))
    assert len(counting.asked) == len(set(CAPTIONS))
    parse_captions([*CAPTIONS, "a new caption"], counting, FeatureCache(tmp_path))
    assert counting.asked[len(set(CAPTIONS)) :] == ["a new caption"]


def test_another_parser_does_not_take_these_graphs_for_its_own(tmp_path: Path) -> None:
    parse_captions(CAPTIONS, CountingParser(), FeatureCache(tmp_path))
    other = CountingParser(name="other")
    parse_captions(CAPTIONS, other, FeatureCache(tmp_path))
    assert len(other.asked) == len(set(CAPTIONS))


def test_a_stopped_run_goes_on_where_it_ended(tmp_path: Path) -> None:
    captions = [f"{number} dogs" for number in range(300)]
    with pytest.raises(KeyboardInterrupt):
        parse_captions(captions, CountingParser(fail_after=1), FeatureCache(tmp_path))
    counting = CountingParser()
    graphs = parse_captions(captions, counting, FeatureCache(tmp_path))
    assert counting.asked == captions[256:]
    assert [graph.objects[0].count for graph in graphs] == list(range(300))


def test_spans_cover_the_words_that_tokenize_gives(parser: CaptionParser, tmp_path: Path) -> None:
    caption = CAPTIONS[2]
    words = tokenize(caption)
    (graph,) = parse_captions([caption], parser, FeatureCache(tmp_path))

    def covered(span: tuple[int, int] | None) -> list[str]:
        assert span is not None
        return [words[position] for position in words_of_span(caption, span)]

    assert [covered(one.span) for one in graph.objects] == [["girl"], ["t", "shirt"], ["man's"], ["hat"]]
    predicates = {relation.predicate: covered(relation.span) for relation in graph.relations}
    assert predicates == {"in": ["in"], "look at": ["looks", "at"], "have": ["man's"]}


@pytest.mark.parametrize(
    ("span", "positions"), [((0, 5), (0,)), ((4, 7), (0, 1)), ((5, 6), ()), ((0, 99), (0, 1, 2)), ((3, 3), ())]
)
def test_a_word_counts_if_any_of_it_is_in_the_span(span: tuple[int, int], positions: tuple[int, ...]) -> None:
    assert words_of_span("three old dogs", span) == positions
