"""Searches that show pictures that look alike as one answer."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from crossgraph.gallery.changes.upsert import NewImage
from crossgraph.gallery.gallery import Gallery
from crossgraph.gallery.search.options import SearchOptions
from crossgraph.gallery.search.query import Feedback, ItemQuery
from crossgraph.gallery.search.results import SearchResults
from crossgraph.gallery.search.score_calibration import Calibration
from crossgraph.gallery.stages.codes import RandomPlanes
from crossgraph.gallery.tables.likeness import look_alike
from crossgraph.gallery.tables.matrix import Matrix
from tests.gallery.fake_model import WIDTH, FakeHashing, FakeModel, draw_images
from tests.gallery.looks import compressed, frame, page, photo, scaled, shirt

SENTENCE = "a red ball"
BURST, OTHERS = 120, 12
MODES = ("fast", "balanced", "best")


def model_with(stages: str) -> FakeModel:
    if stages == "codes":
        return FakeHashing("codes")
    if stages == "dense":
        return FakeModel("dense", fine=False)
    model = FakeModel("fine", fine=True, shortlist=FakeModel("dense", fine=False))
    model.coder = RandomPlanes(16, width=WIDTH) if stages == "all" else None
    return model


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A burst of 120 frames, the first of them a copy, and twelve other pictures."""
    made = draw_images(tmp_path_factory.mktemp("pictures") / "many", OTHERS, seed=4)
    for number in range(BURST - 1):
        scaled(frame(photo(0), number), by=0.25).save(made / f"burst{number:03}.png")
    (made / "burst_copy.png").write_bytes((made / "burst000.png").read_bytes())
    (made / "burst007.txt").write_text("one of many\n", encoding="utf-8")
    return made


@pytest.fixture(scope="module", params=["codes", "dense", "fine", "all"])
def gallery(request: pytest.FixtureRequest, folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Gallery:
    made = Gallery.create(tmp_path_factory.mktemp("gallery") / "gallery", model_with(request.param))
    made.index(folder)
    return made


def search(gallery: Gallery, query: object = SENTENCE, **given: object) -> SearchResults:
    options = SearchOptions.model_validate({"fold": True, **given})
    return gallery.search(query, options)  # type: ignore[arg-type]


def brute_force(gallery: Gallery, heads: Sequence[str], *, kept: Sequence[str]) -> list[set[str]]:
    """Pictures that look like each head and like none before it, by comparing every pair."""
    snapshot = gallery.snapshot()
    names = [Path(path).name for path in snapshot.items["path"].to_pylist()]
    hashes = snapshot.looks.whole()
    alike = {
        head: dict(zip(names, look_alike(hashes, hashes[names.index(head)]).tolist(), strict=True)) for head in heads
    }
    groups: list[set[str]] = []
    for head in heads:
        under = set[str]()
        for name in kept:
            earlier = [alike[one][name] for one in heads[: len(groups)]]
            if alike[head][name] and name != head and not any(earlier):
                under.add(name)
        groups.append(under)
    return groups


def require_exact(gallery: Gallery, found: SearchResults, *, kept: Sequence[str]) -> None:
    heads = [result.path.name for result in found.results]
    under = [{path.name for path in result.similar} for result in found.results]
    assert under == brute_force(gallery, heads, kept=kept)
    assert [len(result.similar) for result in found.results] == [len(names) for names in under], "none is named twice"


@pytest.mark.parametrize("mode", MODES)
def test_a_burst_takes_one_place_and_every_frame_of_it_is_counted(gallery: Gallery, folder: Path, mode: str) -> None:
    names = [path.name for path in folder.glob("*.png")]
    for k in (1, 5, OTHERS + 1, 50):
        found = search(gallery, k=k, mode=mode)
        assert len(found.results) == min(k, OTHERS + 1)
    assert sorted(len(result.similar) for result in found.results) == [0] * OTHERS + [BURST - 1]
    require_exact(gallery, found, kept=names)
    assert len(gallery.search(SENTENCE, SearchOptions(k=500, mode=mode)).results) == BURST + OTHERS


@pytest.mark.parametrize("mode", MODES)
def test_pages_follow_each_other(gallery: Gallery, mode: str) -> None:
    whole = search(gallery, k=OTHERS + 1, mode=mode).results
    paged = [one for offset in range(0, 15, 3) for one in search(gallery, k=3, offset=offset, mode=mode).results]
    assert paged == list(whole)
    assert [one.rank for one in paged] == list(range(1, OTHERS + 2))


def test_no_page_depends_on_how_many_are_re_ranked_at_once(gallery: Gallery) -> None:
    """A shortlist of four is re-ranked for the first four answers, another for the next."""
    whole = search(gallery, k=OTHERS + 1, shortlist=4).results
    paged = [one for offset in range(0, 15, 2) for one in search(gallery, k=2, offset=offset, shortlist=4).results]
    assert paged == list(whole)
    assert len({one.path for one in paged}) == OTHERS + 1


@pytest.mark.parametrize("sentence", [SENTENCE, "One of many", "burst"])
@pytest.mark.parametrize("mode", MODES)
def test_pages_of_single_pictures_hold_each_once(gallery: Gallery, mode: str, sentence: str) -> None:
    """Also where there are more exact hits than a page has answers; a larger page begins as a smaller one."""
    whole = search(gallery, sentence, fold=False, k=BURST + OTHERS, mode=mode, shortlist=10).results
    assert len({one.path for one in whole}) == len(whole) == BURST + OTHERS
    for size in (3, 10, 48):
        paged = [
            one
            for offset in range(0, len(whole), size)
            for one in search(gallery, sentence, fold=False, k=size, offset=offset, mode=mode, shortlist=10).results
        ]
        assert [one.path for one in paged] == [one.path for one in whole]


@pytest.mark.parametrize("mode", MODES)
def test_a_filter_says_what_is_counted(gallery: Gallery, folder: Path, mode: str) -> None:
    kept = [path.name for path in folder.glob("*.png") if path.name < "burst050.png"]
    found = search(gallery, k=5, mode=mode, where="name < 'burst050.png'")
    assert len(found.results) == 5
    require_exact(gallery, search(gallery, k=50, mode=mode, where="name < 'burst050.png'"), kept=kept)
    assert len(search(gallery, k=5, mode=mode, where="name like 'burst%'").results) == 1


def test_the_best_of_a_burst_by_the_last_stage_stands_for_it(gallery: Gallery) -> None:
    options = SearchOptions(k=BURST + OTHERS, shortlist=BURST + OTHERS, candidates=BURST + OTHERS)
    best = next(one for one in gallery.search(SENTENCE, options).results if one.path.name.startswith("burst"))
    found = search(gallery, k=OTHERS + 1, shortlist=BURST + OTHERS, candidates=BURST + OTHERS)
    head = next(one for one in found.results if one.path.name.startswith("burst"))
    assert (head.path, head.score) == (best.path, best.score)
    assert head.path not in head.similar


def test_an_exact_hit_stands_for_its_burst(gallery: Gallery) -> None:
    found = search(gallery, "One of many", k=5)
    first = found.results[0]
    assert (first.path.name, first.match, len(first.similar)) == ("burst007.png", "caption", BURST - 1)
    assert len(found.results) == 5


def test_what_is_no_answer_is_not_counted(gallery: Gallery, folder: Path) -> None:
    found = search(gallery, ItemQuery(folder / "burst003.png"), k=50)
    assert sorted(len(result.similar) for result in found.results)[-1] == BURST - 2
    assert not any("burst003" in str(path) for one in found.results for path in (one.path, *one.similar))
    disliked = gallery.item(folder / "burst005.png").id
    moved = gallery.search(SENTENCE, SearchOptions(k=50, fold=True), feedback=Feedback((), (disliked,)))
    assert sorted(len(result.similar) for result in moved.results)[-1] == BURST - 2


@pytest.mark.parametrize("mode", MODES)
def test_every_stage_folds_by_itself_and_the_last_is_the_search(gallery: Gallery, folder: Path, mode: str) -> None:
    names = [path.name for path in folder.glob("*.png")]
    stages = list(gallery.stages(SENTENCE, SearchOptions(k=4, mode=mode, fold=True)))
    for found in stages:
        assert len(found.results) == 4
        require_exact(gallery, found, kept=names)
    assert replace(stages[-1], timings_ms={}) == replace(search(gallery, k=4, mode=mode), timings_ms={})
    off = search(gallery, k=4, mode=mode, rerank=False)
    assert [(one.rank, one.path, one.similar) for one in stages[0].results] == [
        (one.rank, one.path, one.similar) for one in off.results
    ]


def test_captions_are_not_folded(gallery: Gallery) -> None:
    assert len(search(gallery, target="captions").results) == 1


def test_likeness_that_is_a_chain_leaves_no_place_empty(tmp_path: Path) -> None:
    """Each of forty pictures looks like its neighbours, so that what goes under what depends on the order."""
    gallery = Gallery.create(tmp_path / "gallery", model_with("fine"))
    paths = sorted(draw_images(tmp_path / "pictures", 40).iterdir())
    gallery.upsert([NewImage(path, id=path.stem) for path in paths])  # the order of ids must not hang on the folder
    stored = gallery.snapshot().looks
    assert isinstance(stored, Matrix)
    looks = stored.pooled()
    looks[:] = looks[0]
    looks[:, 0] = 6 * np.random.default_rng(0).permutation(40)
    names = [Path(path).name for path in gallery.snapshot().items["path"].to_pylist()]
    for sentence in ("a ball", "a red thing", "blue", "two of them", "nothing at all", "one more"):
        for shortlist in (1, 2):
            for k in (2, 4):
                found = search(gallery, sentence, k=k, shortlist=shortlist)
                assert len(found.results) == k
                require_exact(gallery, found, kept=names)
            pages = [search(gallery, sentence, k=1, offset=offset, shortlist=shortlist) for offset in range(4)]
            assert [one for page in pages for one in page.results] == list(found.results)


def test_colours_and_words_are_answers_of_their_own_and_copies_are_not(tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for colour in ("red", "green", "blue", "gold", "orange", "purple"):
        shirt(colour).save(folder / f"{colour}.png")
    for number in range(4):
        page(number).save(folder / f"page{number}.png")
        compressed(page(number), quality=50).save(folder / f"page{number}_small.jpg")
    scaled(shirt("red"), by=0.5).save(folder / "red_small.png")
    gallery = Gallery.create(tmp_path / "gallery", model_with("fine"))
    gallery.index(folder)
    found = search(gallery, k=20)
    assert len(found.results) == 10
    together = {
        frozenset(path.stem.removesuffix("_small") for path in (one.path, *one.similar)) for one in found.results
    }
    assert all(len(names) == 1 for names in together)
    assert sum(len(one.similar) for one in found.results) == 5


def test_copies_that_are_folded_out_of_sight_change_no_probability(tmp_path: Path) -> None:
    by_lead = Calibration(
        mean=(0,) * 4, scale=(1,) * 4, weights=(1, 2, 0, 0), bias=0, nothing_below=0.3, strong_from=0.9
    )
    model = model_with("fine")
    model.calibration = {stage: by_lead.model_dump() for stage in ("shortlist", "rerank")}
    folder = draw_images(tmp_path / "pictures", 30)
    gallery = Gallery.create(tmp_path / "gallery", model)
    gallery.index(folder)
    modes = ("balanced", "best")
    before = [search(gallery, mode=mode) for mode in modes]
    for name in [result.path.name for result in before[0].results[:3]]:
        for number in range(4):
            (folder / f"copy{number}_{name}").write_bytes((folder / name).read_bytes())
    gallery.index(folder)
    for mode, found in zip(modes, before, strict=True):
        again = search(gallery, mode=mode)
        assert [result.score for result in again.results] == [result.score for result in found.results]
        assert again.probability == pytest.approx(found.probability, abs=1e-6)
        assert (again.weaker_below, again.nothing_below) == (found.weaker_below, found.nothing_below)
        assert search(gallery, mode=mode, fold=False).probability != pytest.approx(found.probability, abs=1e-4)
