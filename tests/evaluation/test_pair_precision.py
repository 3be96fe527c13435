"""Pairs in bfloat16: near those of float32, which stay as they are, and refused where nothing is gained."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from crossgraph.errors import ConfigError
from crossgraph.evaluation.pair_precision import COMPARED_IMAGES, in_precision, multiplies
from crossgraph.evaluation.ranking import score_corpus
from crossgraph.evaluation.two_stage import two_stage
from crossgraph.methods.by_image import ByImage
from crossgraph.progress import Silent
from crossgraph.types import Encoded
from tests.methods.graph_pairs import shaken
from tests.methods.synthetic_items import draw_captions, draw_images, image_batch, small_method, text_batch


class Noted(Silent):
    """Keeps what was noted."""

    def __init__(self) -> None:
        object.__setattr__(self, "facts", list[dict[str, object]]())

    facts: list[dict[str, object]]

    def note(self, event: str, **facts: object) -> None:
        assert event == "pair precision"
        self.facts.append(facts)


@pytest.fixture(autouse=True)
def processor_with_bfloat16(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True})


@pytest.fixture(params=["kidrr", "racg", "sgfns"])
def sides(request: pytest.FixtureRequest) -> tuple[ByImage, Encoded, Encoded]:
    torch.manual_seed(0)
    method = shaken(small_method(request.param))
    with torch.no_grad():
        images, texts = (
            method.encode_images(image_batch(draw_images(6))),
            method.encode_texts(text_batch(draw_captions(60))),
        )
    assert isinstance(method, ByImage)
    return method, images, texts


def test_single_precision_is_the_very_same_encodings_and_says_nothing(sides: tuple[ByImage, Encoded, Encoded]) -> None:
    method, images, texts = sides
    noted = Noted()
    left, right = in_precision("float32", method, images, texts, progress=noted)
    assert left is images
    assert right is texts
    assert noted.facts == []


def test_bfloat16_is_of_parts_alone_and_tells_how_far_scores_move(sides: tuple[ByImage, Encoded, Encoded]) -> None:
    method, images, texts = sides
    noted = Noted()
    left, right = in_precision("bfloat16", method, images, texts, progress=noted)
    for given, side in ((left, images), (right, texts)):
        assert given.embedding is side.embedding
        assert given.parts is not None
        assert given.parts.dtype == torch.bfloat16
        assert side.parts is not None
        assert side.parts.dtype == torch.float32
    told = noted.facts[0]
    exact, found = score_corpus(method, images, texts), score_corpus(method, left, right)
    rows = torch.tensor([0, 1, 3, 5])
    assert len(rows) == COMPARED_IMAGES
    apart = (found - exact).abs()[rows]
    assert told["pairs"] == 4 * 60
    assert told["largest"] == pytest.approx(float(apart.max()), rel=0.1)
    assert told["mean"] == pytest.approx(float(apart.mean()), rel=0.1)
    assert told["deviation"] == pytest.approx(float(exact[rows].std(correction=0)), rel=0.1)
    assert 0 < float(apart.mean()) < 0.01


def test_a_shortlist_is_the_same_and_its_scores_are_near(sides: tuple[ByImage, Encoded, Encoded]) -> None:
    method, images, texts = sides
    first = images.embedding @ texts.embedding.T
    exact = two_stage(method, images, texts, shortlist_scores=first, k=20)
    found = two_stage(method, *in_precision("bfloat16", method, images, texts), shortlist_scores=first, k=20)
    assert torch.equal(found.captions_of_images, exact.captions_of_images)
    assert torch.equal(found.images_of_captions, exact.images_of_captions)
    assert float((found.scores_of_captions - exact.scores_of_captions).abs().mean()) < 0.01


def settings() -> tuple[object, ...]:
    """What torch would keep for the whole process."""
    return (
        torch.get_float32_matmul_precision(),
        torch.backends.mkldnn.matmul.fp32_precision,  # type: ignore[attr-defined]
        torch.is_autocast_enabled("cpu"),
    )


def test_nothing_is_left_behind_also_after_an_error(
    sides: tuple[ByImage, Encoded, Encoded], monkeypatch: pytest.MonkeyPatch
) -> None:
    method, images, texts = sides
    before, exact = settings(), score_corpus(method, images, texts)
    left, right = in_precision("bfloat16", method, images, texts)

    def fails(*_: object) -> None:
        assert settings() == before
        raise RuntimeError("amid scoring")

    with monkeypatch.context() as amid:
        amid.setattr(type(method), "for_captions", fails)
        with pytest.raises(RuntimeError, match="amid"):
            score_corpus(method, left, right)
    assert settings() == before
    assert torch.equal(score_corpus(method, images, texts), exact)


def test_threads_that_score_in_other_numbers_do_not_disturb_each_other(sides: tuple[ByImage, Encoded, Encoded]) -> None:
    method, images, texts = sides
    kinds = [(images, texts), in_precision("bfloat16", method, images, texts)]
    alone = [score_corpus(method, *kind) for kind in kinds]
    with ThreadPoolExecutor(2) as pool:
        for expected, found in zip(
            alone * 4, pool.map(lambda kind: score_corpus(method, *kind), kinds * 4), strict=True
        ):
            assert torch.equal(found, expected)


def test_names_methods_and_devices_without_it_are_refused(
    sides: tuple[ByImage, Encoded, Encoded], monkeypatch: pytest.MonkeyPatch
) -> None:
    method, images, texts = sides
    with pytest.raises(ConfigError, match="Did you mean 'bfloat16'"):
        in_precision("bfloat61", method, images, texts)
    plain = small_method("dual_encoder")
    assert multiplies(method)
    assert not multiplies(plain)
    with pytest.raises(ConfigError, match="dual_encoder with these settings does not score picture by picture"):
        in_precision("bfloat16", plain, images, texts)
    with pytest.raises(ConfigError, match="never tried"):
        in_precision("bfloat16", method, images.to("meta"), texts.to("meta"))
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": False})
    with pytest.raises(ConfigError, match="instructions for it"):
        in_precision("bfloat16", method, images, texts)
    assert in_precision("float32", method, images, texts)[0] is images
