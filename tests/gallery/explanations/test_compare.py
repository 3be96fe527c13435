import json
from itertools import combinations
from pathlib import Path

import pytest
import torch

from crossgraph.data.images import read_image
from crossgraph.errors import GalleryError
from crossgraph.gallery.explanations.compare import Comparison
from crossgraph.gallery.gallery import Gallery
from crossgraph.gallery.search.options import SearchOptions
from crossgraph.gallery.search.query import Feedback, ItemQuery
from crossgraph.gallery.stages.codes import RandomPlanes
from crossgraph.types import Alignment, NodeMatch
from tests.gallery.fake_model import WIDTH, FakeModel, draw_images

QUERY = "boat near the pier"


class Explained(FakeModel):
    """Explains the score of the fake method, which is a mean over words."""

    def explain(self, sentence: str, path: Path) -> Alignment:
        read_image(path)
        pictures = self.encode_image_files([path])
        products = pictures.encoded.parts[0] @ self.encode_raw_texts([sentence]).parts[0].T
        best = products.amax(0)
        words = tuple(sentence.split())
        return Alignment(
            words,
            torch.zeros(len(products), 4),
            products.softmax(0),
            best,
            float(best.mean()),
            contributions=best / len(words),
        )


class Noded(Explained):
    def explain(self, sentence: str, path: Path) -> Alignment:
        found = super().explain(sentence, path)
        nodes = tuple(
            NodeMatch("object", word, ((0.0, 0.0, 1.0, 1.0),), 1.0, value)
            for word, value in zip(found.words, found.contributions.tolist(), strict=True)
        )
        return Alignment(found.words, found.boxes, found.weights, found.word_scores, found.score, nodes)


def made(folder: Path, kind: type[FakeModel] = Explained, *, blend: float = 0.0, count: int = 24) -> Gallery:
    model = kind("fine", fine=True, shortlist=FakeModel("dense", fine=False))
    model.coder, model.blend = RandomPlanes(16, width=WIDTH), blend
    gallery = Gallery.create(folder / "gallery", model)
    gallery.index(draw_images(folder / "pictures", count))
    return gallery


@pytest.fixture(scope="module")
def gallery(tmp_path_factory: pytest.TempPathFactory) -> Gallery:
    return made(tmp_path_factory.mktemp("compare"))


OPTIONS = [
    SearchOptions(k=24),
    SearchOptions(k=24, candidates=12, shortlist=8),
    SearchOptions(k=24, rerank=False, candidates=12),
    SearchOptions(k=24, rerank=False, candidates=0),
    SearchOptions(k=24, fold=True),
]


@pytest.mark.parametrize("options", OPTIONS)
def test_places_and_scores_are_those_of_the_answers_and_above_is_what_comes_first(
    gallery: Gallery, options: SearchOptions
) -> None:
    results = gallery.search(QUERY, options).results
    for one, other in list(combinations(results, 2))[::17]:
        found = gallery.compare(QUERY, one.id, other.id, options)
        back = gallery.compare(QUERY, other.id, one.id, options)
        assert (found.above, back.above) == ("first", "second")
        assert found.decided == back.decided
        for stage in found.stages:
            if stage.stage == "rerank":
                assert stage.first.rank == one.rank
                assert stage.first.score == pytest.approx(one.score, abs=1e-6)
            else:
                assert stage.first.rank == one.ranks[stage.stage]
                assert stage.second.rank == other.ranks[stage.stage]
                assert stage.first.score == pytest.approx(one.scores[stage.stage], abs=1e-6)
        assert found.decided == slowly_decided(found)
        assert "A before B" in " ".join(found.sentences) or "B before A" in " ".join(found.sentences)


def slowly_decided(found: Comparison) -> str:
    """The earliest stage such that it and all after it have the two as they are in the end."""
    for place, stage in enumerate(found.stages):
        if all(later.ahead == found.above for later in found.stages[place:]):
            return stage.stage
    raise AssertionError("the last stage has them so")


def test_words_add_up_to_the_difference_of_the_scores(gallery: Gallery) -> None:
    first, *_, last = gallery.search(QUERY, SearchOptions(k=24)).results
    found = gallery.compare(QUERY, first.id, last.id)
    assert [one.word for one in found.words] == QUERY.split()
    assert found.unit == "contribution"
    assert sum(one.difference for one in found.words) == pytest.approx(first.score - last.score, abs=1e-5)
    told = json.loads(json.dumps(found.to_json()))
    assert told["words"][0]["difference"] == found.words[0].difference
    assert told["stages"][-1]["stage"] == "rerank"


def test_the_share_of_the_embeddings_is_told(tmp_path: Path) -> None:
    gallery = made(tmp_path, blend=0.5)
    first, second, *_ = gallery.search(QUERY, SearchOptions(k=24)).results
    found = gallery.compare(QUERY, first.id, second.id)
    total = sum(one.difference for one in found.words) + found.blend
    assert total == pytest.approx(first.score - second.score, abs=1e-5)


def test_the_sentence_says_which_stage_turned_them_and_by_which_word(gallery: Gallery) -> None:
    results = gallery.search(QUERY, SearchOptions(k=24)).results
    pairs = [gallery.compare(QUERY, one.id, other.id) for one, other in combinations(results[:12], 2)]
    turned = next(one for one in pairs if one.decided == "rerank")
    shortlist = next(stage for stage in turned.stages if stage.stage == "shortlist")
    assert turned.sentences[0].startswith("Comparing vectors had B before A (")
    assert "re-ranking turned them" in turned.sentences[0]
    assert shortlist.first.rank > shortlist.second.rank
    best = max((one for one in turned.words if one.word != "the"), key=lambda one: one.difference)
    assert f"'{best.word}' adds" in turned.sentences[1]
    kept = next(one for one in pairs if one.decided == "codes")
    assert "no later stage turned them" in kept.sentences[0]
    named = gallery.compare(QUERY, turned.first, turned.second, names=("the left", "the right"))
    assert "had the right before the left" in named.sentences[0]


def test_an_exact_hit_comes_first_because_it_is_one(gallery: Gallery) -> None:
    found = gallery.compare("003", gallery.item("007.png").id, gallery.item("003.png").id)
    assert (found.above, found.decided) == ("second", "exact")
    assert found.sentences[0].startswith("B is an exact hit")


def test_nodes_of_a_scene_graph_are_compared_too(tmp_path: Path) -> None:
    gallery = made(tmp_path, Noded)
    first, second, *_ = gallery.search(QUERY).results
    found = gallery.compare(QUERY, first.id, second.id)
    assert found.unit == "score"
    assert [one.word for one in found.nodes] == QUERY.split()
    assert "adds" in found.sentences[1]


def test_what_cannot_be_compared_is_said(gallery: Gallery, tmp_path: Path) -> None:
    one, other = gallery.item("001.png").id, gallery.item("002.png").id
    by_item = gallery.compare(ItemQuery("000.png"), one, other)
    assert [stage.stage for stage in by_item.stages] == ["codes", "shortlist"]
    assert not by_item.words
    assert "only a sentence" in by_item.notes[0]
    moved = gallery.compare(QUERY, one, other, feedback=Feedback(liked=("004.png",)))
    assert "nothing was re-ranked (feedback" in moved.notes[0]
    own = made(tmp_path)
    own.item("001.png").path.unlink()
    gone = own.compare(QUERY, own.item("001.png").id, own.item("002.png").id)
    assert gone.stages
    assert not gone.words
    assert gone.notes == ("the file of A cannot be read any more (no such file), so its words are not known.",)


def test_a_picture_that_no_stage_handed_on_stands_below(gallery: Gallery) -> None:
    options = SearchOptions(k=2, candidates=3, shortlist=2)
    best = gallery.search(QUERY, options).results[0]
    last = gallery.search(QUERY, SearchOptions(k=24, candidates=0, rerank=False)).results[-1]
    found = gallery.compare(QUERY, last.id, best.id, options)
    assert found.above == "second"
    assert found.stages[-1].first.rank is None
    assert "not among its answers" in found.sentences[0]


def test_what_is_no_answer_is_refused(gallery: Gallery) -> None:
    one, other = gallery.item("001.png").id, gallery.item("002.png").id
    with pytest.raises(GalleryError, match="no picture of the gallery"):
        gallery.compare(QUERY, one, "nothing")
    with pytest.raises(GalleryError, match="are one picture"):
        gallery.compare(QUERY, one, one)
    with pytest.raises(GalleryError, match="the filter leaves it out"):
        gallery.compare(QUERY, one, other, SearchOptions(where="name = '001.png'"))
    with pytest.raises(GalleryError, match="part of the query"):
        gallery.compare(ItemQuery(one), one, other)
    with pytest.raises(GalleryError, match="pictures only"):
        gallery.compare(QUERY, one, other, SearchOptions(target="captions"))
