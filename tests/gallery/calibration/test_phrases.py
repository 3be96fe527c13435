"""Short queries that are made of captions."""

import pytest

from crossgraph.gallery.calibration.phrases import Phrase, drawn_phrases
from crossgraph.graphs.caption_parser import CaptionParser
from crossgraph.graphs.scene_graph import GraphObject

CAPTIONS = (
    "A big brown dog runs after two red balls .",
    "an old man with a hat",
    "The dog sleeps .",
    "A dog .",
    "Running !",
)


def test_phrases_are_different_names_of_things_without_article_each_of_its_caption(parser: CaptionParser) -> None:
    seen, graphs = set[str](), parser.parse_all(CAPTIONS)
    for seed in range(8):
        found = drawn_phrases(CAPTIONS, graphs, 10, seed=seed)
        texts = [one.text for one in found]
        assert len(set(texts)) == len(texts)
        assert [one.text.lower() in CAPTIONS[one.caption].lower() for one in found] == [True] * len(found)
        assert len({one.caption for one in found}) == len(found)
        seen |= set(texts)
    assert seen == {"big brown dog", "red balls", "old man", "hat", "dog"}
    assert found == drawn_phrases(CAPTIONS, graphs, 10, seed=7)
    assert len(drawn_phrases(CAPTIONS, graphs, 2, seed=0)) == 2


def test_no_captions_have_no_phrases() -> None:
    assert drawn_phrases((), (), 10, seed=0) == []


@pytest.mark.parametrize(("text", "said"), [("old man", "an old man"), ("hat", "a hat")])
def test_an_article_fits_what_follows(text: str, said: str) -> None:
    assert Phrase(text, 0, GraphObject(text)).with_article == said
