"""Search with the scene-graph methods: what is stored of a graph is all that scoring needs."""

from pathlib import Path

import pytest
import torch

from crossgraph.gallery.gallery import Gallery
from crossgraph.gallery.search.cascade import TOO_LITTLE
from crossgraph.gallery.search.options import SearchOptions
from crossgraph.gallery.search.query import ImageQuery, ItemQuery
from crossgraph.gallery.tables.parts import pad_fine
from tests.gallery.fake_model import draw_images
from tests.gallery.graph_model import GraphModel

SENTENCES = ("ball", "ball above tree", "tree above ball", "dog chases cat beside house", "two brown", "a b c d e f")


@pytest.fixture
def captioned(tmp_path: Path) -> Path:
    """Twenty pictures, of which the first six have a caption, with no relation or with some."""
    folder = draw_images(tmp_path / "captioned", 20)
    for index, sentence in enumerate(SENTENCES):
        (folder / f"{index:03}.txt").write_text(f"{sentence}\n", encoding="utf-8")
    return folder


@pytest.fixture(params=["racg", "sgfns"])
def model(request: pytest.FixtureRequest) -> GraphModel:
    return GraphModel(request.param)


@pytest.fixture
def gallery(tmp_path: Path, model: GraphModel, captioned: Path) -> Gallery:
    made = Gallery.create(tmp_path / "gallery", model)
    made.index(captioned, batch=7)
    return made


@pytest.mark.parametrize("sentence", ["ball", "ball above tree", "dog chases cat beside house", "a b c d"])
def test_pictures_found_by_graph_are_those_of_exhaustive_scoring(
    gallery: Gallery, model: GraphModel, captioned: Path, sentence: str
) -> None:
    paths = sorted(captioned.glob("*.png"))
    with torch.inference_mode():
        scores = model.method.score(model.encode_image_files(paths).encoded, model.encode_raw_texts([sentence]))[:, 0]
    found = gallery.search(sentence, SearchOptions(k=20, shortlist=20, exact=False))
    if not model.method.says_enough(model.encode_raw_texts([sentence]))[0]:
        assert (sentence, found.stage, found.why) == ("ball", "shortlist", TOO_LITTLE)
        return
    assert found.stage == "rerank"
    best = scores.argsort(descending=True, stable=True)
    assert [result.path for result in found.results] == [paths[row] for row in best]
    torch.testing.assert_close(torch.tensor([result.score for result in found.results]), scores[best])


def test_captions_found_by_graph_are_those_of_exhaustive_scoring(
    gallery: Gallery, model: GraphModel, captioned: Path
) -> None:
    path = captioned / "011.png"
    with torch.inference_mode():
        scores = model.method.score(model.encode_image_files([path]).encoded, model.encode_raw_texts(SENTENCES))[0]
    best = scores.argsort(descending=True, stable=True)
    for query in (ImageQuery(path), ItemQuery(path)):
        found = gallery.search(query, SearchOptions(k=6, target="captions"))
        assert found.stage == "rerank"
        assert [result.caption for result in found.results] == [SENTENCES[row] for row in best]
        torch.testing.assert_close(torch.tensor([result.score for result in found.results]), scores[best])


def test_what_is_stored_of_a_graph_is_what_was_encoded(gallery: Gallery, model: GraphModel, captioned: Path) -> None:
    path = captioned / "004.png"
    stored = pad_fine(gallery.store.fetch([gallery.item(path).digest]))
    encoded = model.encode_image_files([path]).encoded.without_padding()
    assert stored.nodes is not None
    assert encoded.nodes is not None
    for name in ("kinds", "ends", "mask"):
        assert torch.equal(getattr(stored.nodes, name), getattr(encoded.nodes, name))
    torch.testing.assert_close(stored.parts, encoded.parts)
