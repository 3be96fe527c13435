"""Searches with a stage of codes, and what else a search can be asked for."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from crossgraph.errors import ConfigError, GalleryError
from crossgraph.gallery.gallery import Gallery
from crossgraph.gallery.search.cascade import FOLLOWS
from crossgraph.gallery.search.options import SearchOptions
from crossgraph.gallery.search.query import Feedback, ImageQuery, ItemQuery, SumQuery, Term, TextQuery
from crossgraph.gallery.search.results import SearchResults
from crossgraph.gallery.stages.code_index import hamming
from crossgraph.gallery.stages.coders import ModelCoder
from crossgraph.gallery.stages.codes import LearnedPlanes, RandomPlanes
from crossgraph.gallery.stages.model import encode_images_for_stages, encode_texts_for_stages
from crossgraph.gallery.stages.quantisation import fit_quantisation
from crossgraph.types import Encoded
from tests.gallery.fake_model import WIDTH, FakeHashing, FakeModel, draw_images

SENTENCE = "a red thing beside a blue one"
COUNT = 60


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixty pictures, the first with captions."""
    made = draw_images(tmp_path_factory.mktemp("pictures") / "many", COUNT)
    (made / "000.txt").write_text("A red, RED house!\nanother\n", encoding="utf-8")
    (made / "001.txt").write_text("something else\n", encoding="utf-8")
    return made


@pytest.fixture(scope="module", params=["random", "learned", "trained"])
def coded(request: pytest.FixtureRequest) -> FakeModel:
    """A re-ranker with a dense shortlist and a stage of codes before it."""
    model = FakeModel("fine", fine=True, shortlist=FakeModel("dense", fine=False))
    if request.param == "random":
        model.coder = RandomPlanes(16, width=WIDTH)
    elif request.param == "learned":
        vectors = torch.randn(60, WIDTH, generator=torch.Generator().manual_seed(7))
        model.coder = LearnedPlanes(fit_quantisation([vectors], bits=16))
    else:
        model.coder = ModelCoder(FakeHashing("codes"))
    return model


@pytest.fixture(scope="module")
def gallery(coded: FakeModel, folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Gallery:
    made = Gallery.create(tmp_path_factory.mktemp("gallery") / "gallery", coded)
    made.index(folder)
    return made


def names(found: SearchResults) -> list[str]:
    return [result.path.name for result in found.results]


def expected(gallery: Gallery, order: np.ndarray) -> list[str]:
    """Names of the pictures at these rows."""
    return [gallery.snapshot().item(int(row)).path.name for row in order]


def test_every_stage_handing_on_everything_gives_the_exhaustive_fine_ranking(
    gallery: Gallery, coded: FakeModel, folder: Path
) -> None:
    paths = sorted(folder.glob("*.png"))
    scores = coded.method.score(coded.encode_image_files(paths).encoded, coded.encode_raw_texts([SENTENCE]))[:, 0]
    best = [paths[row].name for row in scores.argsort(descending=True, stable=True)]
    found = gallery.search(SENTENCE, SearchOptions(k=COUNT, mode="balanced", candidates=COUNT, shortlist=COUNT))
    assert names(found) == best
    assert found.compared == {"codes": COUNT, "shortlist": COUNT, "rerank": COUNT}


def test_the_fast_mode_is_the_order_of_the_codes_with_ties_in_the_order_of_the_rows(
    gallery: Gallery, coded: FakeModel
) -> None:
    stored, query = gallery.snapshot().codes, encode_texts_for_stages(coded, [SENTENCE]).codes
    assert stored is not None
    assert query is not None
    distances = hamming(stored.whole(), query[0])
    assert len(np.unique(distances)) < COUNT, "there must be ties"
    found = gallery.search(SENTENCE, SearchOptions(k=COUNT, mode="fast"))
    assert names(found) == expected(gallery, distances.argsort(kind="stable"))
    assert (found.stage, found.why, list(found.compared or {})) == ("codes", "mode fast does not re-rank", ["codes"])
    assert found.results[0].score == pytest.approx(1 - 2 * int(distances.min()) / 16)


def test_the_balanced_mode_is_the_order_of_the_vectors_among_the_candidates_by_code(gallery: Gallery) -> None:
    by_code = names(gallery.search(SENTENCE, SearchOptions(k=20, mode="fast")))
    by_vector = names(gallery.search(SENTENCE, SearchOptions(k=COUNT, mode="best", candidates=COUNT, rerank=False)))
    found = gallery.search(SENTENCE, SearchOptions(k=5, mode="balanced", candidates=20))
    assert names(found) == [name for name in by_vector if name in by_code][:5]
    assert (found.stage, found.why) == ("shortlist", "mode balanced does not re-rank")
    assert found.compared == {"codes": COUNT, "shortlist": 20}


def test_each_stage_orders_only_what_the_one_before_handed_on(gallery: Gallery, coded: FakeModel) -> None:
    found = gallery.search(SENTENCE, SearchOptions(k=5, candidates=20, shortlist=8))
    by_code = names(gallery.search(SENTENCE, SearchOptions(k=20, mode="fast")))
    by_vector = [
        name for name in names(gallery.search(SENTENCE, SearchOptions(k=COUNT, rerank=False))) if name in by_code
    ]
    for result in found.results:
        assert by_code[(result.ranks["codes"] or 0) - 1] == result.path.name
        assert by_vector[(result.ranks["shortlist"] or 0) - 1] == result.path.name
        assert result.shortlist_rank == result.ranks["shortlist"]
        assert (result.ranks["shortlist"] or 0) <= 8
    assert found.compared == {"codes": COUNT, "shortlist": 20, "rerank": 8}
    assert list(found.timings_ms) == ["encode", "codes", "shortlist", "exact", "fetch", "rerank"]


def test_codes_stored_are_those_of_the_pictures(gallery: Gallery, coded: FakeModel) -> None:
    snapshot = gallery.snapshot()
    encoded, _, _ = encode_images_for_stages(coded, [snapshot.item(row).path for row in range(COUNT)])
    assert snapshot.codes is not None
    assert encoded.codes is not None
    assert np.array_equal(snapshot.codes.whole(), encoded.codes)
    assert gallery.manifest.bits == 16


def test_an_item_is_no_answer_to_itself_at_any_stage(gallery: Gallery, folder: Path) -> None:
    for mode in ("fast", "balanced", "best"):
        assert "005.png" not in names(gallery.search(ItemQuery(folder / "005.png"), SearchOptions(k=COUNT, mode=mode)))


def test_codes_alone_make_a_gallery(folder: Path, tmp_path: Path) -> None:
    made = Gallery.create(tmp_path / "gallery", FakeHashing("codes"))
    made.index(folder)
    for mode in ("fast", "balanced"):
        found = made.search(SENTENCE, SearchOptions(k=COUNT, mode=mode))
        assert (found.stage, list(found.compared or {})) == ("codes", ["codes"])
    assert len(found.results) == COUNT
    assert names(made.search(SENTENCE, SearchOptions(k=9, target="captions"))), "captions have codes too"


def test_modes_mean_something_without_codes(folder: Path, tmp_path: Path, model: FakeModel) -> None:
    made = Gallery.create(tmp_path / "gallery", model)
    made.index(folder)
    fast = made.search(SENTENCE, SearchOptions(mode="fast"))
    assert names(fast) == names(made.search(SENTENCE, SearchOptions(rerank=False)))
    assert fast.compared == {"shortlist": COUNT}
    balanced = made.search(SENTENCE, SearchOptions(mode="balanced"))
    assert (names(balanced), balanced.compared) == (names(fast), {"shortlist": COUNT})
    assert (made.search(SENTENCE, SearchOptions(mode="balanced", shortlist=20)).compared or {})["rerank"] == 20
    assert (made.search(SENTENCE, SearchOptions(mode="best")).compared or {})["rerank"] == COUNT


def test_answers_come_in_pages(gallery: Gallery) -> None:
    both = names(gallery.search(SENTENCE, SearchOptions(k=14)))
    second = gallery.search(SENTENCE, SearchOptions(k=7, offset=7))
    assert names(gallery.search(SENTENCE, SearchOptions(k=7))) + names(second) == both
    assert [result.rank for result in second.results] == list(range(8, 15))
    assert names(gallery.search(SENTENCE, SearchOptions(k=7, offset=COUNT))) == []


def test_sorting_orders_the_same_answers_and_keeps_their_ranks(gallery: Gallery, folder: Path) -> None:
    by_score = gallery.search(SENTENCE, SearchOptions(k=6))
    by_name = gallery.search(SENTENCE, SearchOptions(k=6, sort="name"))
    assert names(by_name) == sorted(names(by_score))
    assert {r.path: r.rank for r in by_name.results} == {r.path: r.rank for r in by_score.results}
    by_date = gallery.search(SENTENCE, SearchOptions(k=6, sort="date"))
    times = [result.path.stat().st_mtime for result in by_date.results]
    assert times == sorted(times, reverse=True)


def test_pictures_that_a_filter_does_not_keep_are_no_answers_at_any_stage(gallery: Gallery) -> None:
    rows = set(expected(gallery, np.arange(0, COUNT, 3)))
    where = f"name in {tuple(rows)}"
    for mode in ("fast", "best"):
        assert set(names(gallery.search(SENTENCE, SearchOptions(k=COUNT, mode=mode, where=where)))) == rows


def test_a_picture_comes_first_by_its_very_caption_and_says_so(gallery: Gallery) -> None:
    found = gallery.search("a red red house", SearchOptions(k=3))
    assert (found.results[0].path.name, found.results[0].match) == ("000.png", "caption")
    assert [result.match for result in found.results[1:]] == ["semantic", "semantic"]
    assert found.verdict == "strong"
    assert names(gallery.search("a red red house", SearchOptions(k=3, exact=False))) != names(found)


def test_a_picture_comes_first_by_its_file_name_even_from_outside_the_shortlist(gallery: Gallery) -> None:
    last = names(gallery.search("no such words", SearchOptions(k=COUNT, candidates=COUNT, shortlist=COUNT)))[-1]
    stem = last.removesuffix(".png")
    found = gallery.search(stem.upper(), SearchOptions(k=2, candidates=2, shortlist=2))
    assert (found.results[0].path.name, found.results[0].match) == (last, "file name")
    assert found.results[0].rank == 1
    assert gallery.search(stem, SearchOptions(k=2, where="width > 9999")).results == ()


def test_a_sum_of_sentences_is_re_ranked_by_the_sum_of_their_scores(
    gallery: Gallery, coded: FakeModel, folder: Path
) -> None:
    terms = (Term(2.0, TextQuery("red thing")), Term(-1.0, TextQuery("blue")))
    found = gallery.search(SumQuery(terms), SearchOptions(k=COUNT, candidates=COUNT, shortlist=COUNT))
    paths = sorted(folder.glob("*.png"))
    texts = coded.encode_raw_texts(["red thing", "blue"])
    scores = coded.method.score(coded.encode_image_files(paths).encoded, texts) @ torch.tensor([2 / 3, -1 / 3])
    assert names(found) == [paths[row].name for row in scores.argsort(descending=True, stable=True)]
    assert (found.kind, found.query, found.stage) == ("sum", '"2:red thing" - blue', "rerank")


def test_a_sum_with_a_picture_is_compared_by_embedding_and_says_so(gallery: Gallery, folder: Path) -> None:
    query = SumQuery((Term(1.0, TextQuery("red")), Term(1.0, ImageQuery(folder / "003.png"))))
    found = gallery.search(query, SearchOptions(k=5))
    assert (found.stage, found.why) == ("shortlist", "a sum of sentences and pictures is compared by embedding only")
    once = SumQuery((Term(1e-6, TextQuery("red")), Term(1.0, ImageQuery(folder / "003.png"))))
    for mode in ("fast", "best"):
        found = gallery.search(once, SearchOptions(k=5, mode=mode))
        assert names(found) == names(gallery.search(folder / "003.png", SearchOptions(k=5, mode=mode)))


def test_feedback_moves_the_answers_and_leaves_out_what_was_disliked(gallery: Gallery) -> None:
    plain = gallery.search(SENTENCE, SearchOptions(k=COUNT, rerank=False, candidates=COUNT))
    liked, disliked = plain.results[-1], plain.results[0]
    found = gallery.search(
        SENTENCE, SearchOptions(k=COUNT, candidates=COUNT), feedback=Feedback((liked.id,), (disliked.id,))
    )
    moved = {result.id: result.rank for result in found.results}
    assert disliked.id not in moved
    assert moved[liked.id] < liked.rank
    assert found.stage == "shortlist"
    assert "feedback" in found.why
    assert names(gallery.search(SENTENCE, SearchOptions(mode="fast"), feedback=Feedback(liked=(liked.id,))))


def test_results_become_json_and_lines_with_commas(gallery: Gallery) -> None:
    found = gallery.search(SENTENCE, SearchOptions(k=2))
    row = json.loads(json.dumps(found.to_json()))["results"][0]
    assert set(row["ranks"]) == set(row["scores"]) == {"codes", "shortlist"}
    lines = found.to_csv().splitlines()
    assert lines[0].startswith("rank,score,match,path,id")
    assert len(lines) == 3
    assert str(found.results[0].path) in lines[1]


def test_what_no_search_can_do_is_refused(gallery: Gallery) -> None:
    with pytest.raises(GalleryError, match="no picture of the gallery has the id or path 'x'"):
        gallery.search(SENTENCE, feedback=Feedback(liked=("x",)))
    with pytest.raises(ConfigError, match="minus terms alone"):
        SumQuery((Term(-1.0, TextQuery("a")),))


OPTIONS = [
    SearchOptions(k=COUNT, mode="fast"),
    SearchOptions(k=7, offset=3, mode="balanced", sort="name"),
    SearchOptions(k=5, candidates=20, shortlist=8, where="name < '030.png'"),
    SearchOptions(k=9, shortlist=100, fold=True),
    SearchOptions(k=2, candidates=20, shortlist=2),
    SearchOptions(k=2, target="captions"),
]


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("query", [SENTENCE, "a red red house", ImageQuery(Path("003.png"))])
def test_the_last_stage_is_the_search_and_the_first_is_one_without_re_ranking(
    gallery: Gallery, folder: Path, query: str | ImageQuery, options: SearchOptions
) -> None:
    asked = query if isinstance(query, str) else ImageQuery(folder / query.path)
    stages = list(gallery.stages(asked, options))
    assert _less_time(stages[-1]) == _less_time(gallery.search(asked, options))
    off = gallery.search(asked, options.model_copy(update={"rerank": False}))
    assert [(found.rank, found.id, found.score) for found in stages[0].results] == [
        (found.rank, found.id, found.score) for found in off.results
    ]
    assert (stages[0].stage, stages[0].searched, stages[0].verdict) == (off.stage, off.searched, off.verdict)
    reranked = stages[-1].stage == "rerank"
    assert [found.why == FOLLOWS for found in stages] == ([True, False] if reranked else [False])


def test_an_earlier_stage_is_complete_before_the_next_begins(
    gallery: Gallery, coded: FakeModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    scored: list[int] = []
    score = coded.method.score_pairs

    def counted(images: Encoded, texts: Encoded) -> torch.Tensor:
        scored.append(len(images))
        return score(images, texts)

    monkeypatch.setattr(coded.method, "score_pairs", counted)
    stages = gallery.stages(SENTENCE, SearchOptions(k=5, shortlist=8))
    first = next(stages)
    assert not torch.is_inference_mode_enabled(), "what a search switches on is for itself alone"
    assert (first.stage, scored) == ("shortlist", [])
    kept = json.dumps(first.to_json())
    assert (next(stages).stage, scored) == ("rerank", [8])
    assert json.dumps(first.to_json()) == kept, "what a later stage did changed the answer of an earlier one"
    assert next(stages, None) is None


def test_stages_begin_again_where_a_writer_took_what_they_were_to_re_rank(
    coded: FakeModel, folder: Path, tmp_path: Path
) -> None:
    made = Gallery.create(tmp_path / "gallery", coded)
    made.index(folder)
    stages = made.stages(SENTENCE, SearchOptions(k=3, candidates=COUNT, shortlist=COUNT))
    gone = next(stages).results[0].id
    Gallery.open(made.folder, coded).remove([gone])
    again, last = list(stages)
    assert [found.stage for found in (again, last)] == ["shortlist", "rerank"]
    assert again.searched == last.searched == COUNT - 1
    assert gone not in {found.id for found in (*again.results, *last.results)}


def _less_time(found: SearchResults) -> SearchResults:
    return replace(found, timings_ms={})
