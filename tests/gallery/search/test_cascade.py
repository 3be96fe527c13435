import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from crossgraph.encoders.understanding import Understanding, read_text
from crossgraph.errors import GalleryError, ImageError, ScoreError
from crossgraph.gallery.gallery import Gallery
from crossgraph.gallery.search.cascade import NO_WORD, NOT_ENGLISH, NOT_KNOWN, NOTHING_LEFT, TOO_LITTLE
from crossgraph.gallery.search.options import SearchOptions
from crossgraph.gallery.search.query import ImageQuery, ItemQuery, TextQuery
from crossgraph.gallery.search.results import SearchResults
from tests.gallery.fake_model import FakeMethod, FakeModel, draw_images

SENTENCE = "a red thing beside a blue one"


@pytest.fixture
def gallery(tmp_path: Path, model: FakeModel, images: Path) -> Gallery:
    """Twelve pictures without captions."""
    made = Gallery.create(tmp_path / "gallery", model)
    made.index(images)
    return made


@pytest.fixture
def with_captions(tmp_path: Path, model: FakeModel, captioned: Path) -> Gallery:
    """Six pictures and nine captions."""
    made = Gallery.create(tmp_path / "gallery", model)
    made.index(captioned)
    return made


def names(results: SearchResults) -> list[str]:
    return [result.path.name for result in results.results]


def test_a_shortlist_as_long_as_the_gallery_gives_the_exhaustive_ranking(tmp_path: Path, model: FakeModel) -> None:
    folder = draw_images(tmp_path / "many", 300)
    gallery = Gallery.create(tmp_path / "gallery", model)
    gallery.index(folder)
    paths = sorted(folder.glob("*.png"))
    scores = model.method.score(model.encode_image_files(paths).encoded, model.encode_raw_texts([SENTENCE]))[:, 0]
    best = scores.argsort(descending=True, stable=True)
    assert scores.unique().numel() == 300
    found = gallery.search(SENTENCE, SearchOptions(k=300, shortlist=300))
    assert names(found) == [paths[row].name for row in best]
    torch.testing.assert_close(torch.tensor([result.score for result in found.results]), scores[best])


def test_a_blend_adds_its_share_of_the_shortlist_score(gallery: Gallery, model: FakeModel) -> None:
    plain = {result.id: result for result in gallery.search(SENTENCE, SearchOptions(k=12)).results}
    model.blend = 0.5
    blended = gallery.search(SENTENCE, SearchOptions(k=12)).results
    for result in blended:
        expected = plain[result.id].score + 0.5 * result.shortlist_score
        assert result.score == pytest.approx(expected, abs=1e-6)
    assert [result.score for result in blended] == sorted((result.score for result in blended), reverse=True)


def test_a_short_shortlist_is_re_ranked_and_nothing_else_is(gallery: Gallery) -> None:
    by_embedding = gallery.search(SENTENCE, SearchOptions(k=4, rerank=False))
    found = gallery.search(SENTENCE, SearchOptions(k=4, shortlist=4))
    exhaustive = names(gallery.search(SENTENCE, SearchOptions(k=12, shortlist=12)))
    assert set(names(found)) == set(names(by_embedding))
    assert names(found) == [name for name in exhaustive if name in names(by_embedding)]
    for result in found.results:
        assert by_embedding.results[result.shortlist_rank - 1].path == result.path
        assert by_embedding.results[result.shortlist_rank - 1].score == result.shortlist_score


def test_a_shortlist_shorter_than_k_grows_to_k(gallery: Gallery) -> None:
    found = gallery.search(SENTENCE, SearchOptions(k=7, shortlist=2))
    assert [result.rank for result in found.results] == [1, 2, 3, 4, 5, 6, 7]


def test_more_answers_than_pictures_gives_them_all(gallery: Gallery) -> None:
    assert len(gallery.search(SENTENCE, SearchOptions(k=50)).results) == 12


def test_the_stage_says_whether_and_why_not_re_ranked(gallery: Gallery, tmp_path: Path, images: Path) -> None:
    assert (gallery.search(SENTENCE).stage, gallery.search(SENTENCE).why) == ("rerank", "")
    off = gallery.search(SENTENCE, SearchOptions(rerank=False))
    assert (off.stage, off.why) == ("shortlist", "re-ranking was turned off")
    plain = Gallery.create(tmp_path / "plain", FakeModel("dense", fine=False))
    plain.index(images)
    found = plain.search(SENTENCE, SearchOptions(k=12))
    assert (found.stage, found.why) == ("shortlist", "fake_dual_encoder scores by embedding")
    assert names(found) == names(gallery.search(SENTENCE, SearchOptions(k=12, rerank=False)))


def test_a_sentence_that_says_too_little_keeps_the_order_of_the_shortlist(
    gallery: Gallery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FakeMethod, "says_enough", lambda _, texts: texts.mask.sum(dim=1) > 1)
    one, whole = gallery.search("ball", SearchOptions(k=12)), SearchOptions(k=12, rerank=False)
    assert (one.stage, one.why) == ("shortlist", TOO_LITTLE)
    assert names(one) == names(gallery.search("ball", whole))
    assert gallery.search("red ball", SearchOptions(k=12)).stage == "rerank"


@pytest.mark.parametrize(
    ("sentence", "language", "why"),
    [
        ("ball", "", TOO_LITTLE),
        ("ball", "en", TOO_LITTLE),
        ("ein roter ball", "de", NOT_ENGLISH),
        ("!!!", "en", NO_WORD),
        ("🔴", "en", NO_WORD),
        ("zebra", "en", NOT_KNOWN),
    ],
)
def test_why_a_sentence_is_not_re_ranked_is_what_the_model_makes_of_it(
    gallery: Gallery, monkeypatch: pytest.MonkeyPatch, sentence: str, language: str, why: str
) -> None:
    def read(_: FakeModel, text: str) -> Understanding:
        return replace(read_text(text, max_words=40), unknown=("zebra",), language=language)

    monkeypatch.setattr(FakeMethod, "says_enough", lambda _, texts: texts.mask.sum(dim=1) < 1)
    monkeypatch.setattr(FakeModel, "understanding", read)
    found = gallery.search(sentence)
    assert (found.stage, found.why) == ("shortlist", why)


@pytest.mark.parametrize("sentence", ["ball", SENTENCE])
def test_where_a_filter_leaves_nothing_there_is_nothing_to_rank(gallery: Gallery, sentence: str) -> None:
    found = gallery.search(sentence, SearchOptions(where="name = 'nobody.png'"))
    assert (found.searched, found.stage, found.why) == (0, "shortlist", NOTHING_LEFT)


def test_a_picture_of_the_gallery_finds_itself_first_by_embedding(gallery: Gallery, images: Path) -> None:
    found = gallery.search(images / "005.png", SearchOptions(k=3))
    assert found.results[0].path.name == "005.png"
    assert found.results[0].score == pytest.approx(1)
    assert (found.stage, found.why) == ("shortlist", "picture with picture is compared by embedding only")


def test_an_item_finds_what_its_file_finds_but_not_itself(gallery: Gallery, images: Path) -> None:
    path = images / "005.png"
    by_file = names(gallery.search(ImageQuery(path), SearchOptions(k=12)))
    assert names(gallery.search(ItemQuery(path), SearchOptions(k=12))) == by_file[1:]
    assert names(gallery.search(ItemQuery(gallery.item(path).id), SearchOptions(k=11))) == by_file[1:]


def test_a_picture_finds_captions_in_the_order_of_the_exhaustive_score(
    with_captions: Gallery, model: FakeModel, captioned: Path
) -> None:
    path = captioned / "002.png"
    texts = sorted({line for file in captioned.glob("*.txt") for line in file.read_text().splitlines()})
    scores = model.method.score(model.encode_image_files([path]).encoded, model.encode_raw_texts(texts))[0]
    best = [texts[column] for column in scores.argsort(descending=True, stable=True)]
    for query in (ImageQuery(path), ItemQuery(path)):
        found = with_captions.search(query, SearchOptions(k=9, target="captions"))
        assert found.stage == "rerank"
        assert [result.caption for result in found.results] == best
        assert found.searched == 9
    for result in found.results:
        assert result.caption in with_captions.item(result.id).captions


def test_a_sentence_finds_itself_among_the_captions(with_captions: Gallery) -> None:
    found = with_captions.search("thing number 4", SearchOptions(k=2, target="captions"))
    assert (found.results[0].caption, found.results[0].path.name) == ("thing number 4", "004.png")
    assert found.why == "sentence with sentence is compared by embedding only"


def test_results_become_json_with_timings_per_stage(gallery: Gallery) -> None:
    found = json.loads(json.dumps(gallery.search(SENTENCE, SearchOptions(k=2)).to_json()))
    assert (found["query"], found["kind"], found["searched"]) == (SENTENCE, "text", 12)
    assert set(found["timings_ms"]) == {"encode", "shortlist", "exact", "fetch", "rerank"}
    assert [row["rank"] for row in found["results"]] == [1, 2]
    assert found["results"][0]["path"].endswith(".png")
    assert found["results"][0]["score"] >= found["results"][1]["score"]


def test_one_search_leaves_nothing_behind_for_the_next(gallery: Gallery, images: Path) -> None:
    before = names(gallery.search(SENTENCE, SearchOptions(k=12)))
    gallery.search(ItemQuery(images / "001.png"), SearchOptions(k=1, shortlist=1))
    assert names(gallery.search(SENTENCE, SearchOptions(k=12))) == before


def test_a_picture_goes_by_the_end_of_its_path_where_only_one_ends_so(
    gallery: Gallery, images: Path, tmp_path: Path
) -> None:
    assert gallery.item("001.png").path == images / "001.png"
    assert gallery.item(f"{images.name}/001.png").path == images / "001.png"
    with pytest.raises(GalleryError, match=r"no picture of the gallery has the id or path '01\.png'"):
        gallery.item("01.png")
    (tmp_path / "more").mkdir()
    shutil.copy(images / "001.png", tmp_path / "more")
    gallery.index(tmp_path / "more")
    with pytest.raises(GalleryError, match=r"'001\.png' fits several pictures: .*Give the path or the id"):
        gallery.item("001.png")


def test_queries_that_cannot_be_answered_are_refused(gallery: Gallery, tmp_path: Path, model: FakeModel) -> None:
    with pytest.raises(GalleryError, match="query is empty"):
        gallery.search(TextQuery("  "))
    with pytest.raises(GalleryError, match="no picture of the gallery has the id or path 'nobody'"):
        gallery.search(ItemQuery("nobody"))
    with pytest.raises(GalleryError, match="holds no captions"):
        gallery.search(SENTENCE, SearchOptions(target="captions"))
    with pytest.raises(ImageError, match="no such file"):
        gallery.search(tmp_path / "missing.png")
    with pytest.raises(GalleryError, match="holds no pictures yet"):
        Gallery.create(tmp_path / "new", model).search(SENTENCE)


def test_scores_that_are_not_finite_are_refused(gallery: Gallery, dense: FakeModel) -> None:
    broken = FakeModel("fine", fine=True, shortlist=dense, spoil=float("nan"))
    with pytest.raises(ScoreError, match="re-ranking gave scores that are not finite"):
        Gallery.open(gallery.folder, broken).search(SENTENCE)
