import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from crossgraph.data.images import read_image
from crossgraph.gallery.explanations.draw_matches import COLOURS, draw_matches
from crossgraph.gallery.explanations.explain import BAR, alignment_to_json, draw_alignment
from crossgraph.gallery.explanations.function_words import FUNCTION_WORDS
from crossgraph.types import Alignment, NodeMatch
from tests.gallery.graph_model import GraphModel


@pytest.fixture
def alignment() -> Alignment:
    """Two words over the left and the right half of a picture: "ball" looks left, "tree" looks right."""
    return Alignment(
        ("ball", "tree"),
        torch.tensor([[0.0, 0.0, 0.5, 1.0], [0.5, 0.0, 1.0, 1.0]]),
        torch.tensor([[0.9, 0.2], [0.1, 0.8]]),
        torch.tensor([0.5, -0.25]),
        0.125,
    )


def test_the_json_form_gives_every_word_its_score_and_weights(alignment: Alignment) -> None:
    found = json.loads(json.dumps(alignment_to_json(alignment)))
    assert found["score"] == 0.125
    assert found["boxes"] == alignment.boxes.tolist()
    assert [(row["word"], row["score"]) for row in found["words"]] == [("ball", 0.5), ("tree", -0.25)]
    assert found["words"][0]["weights"] == pytest.approx([0.9, 0.1])


def test_a_panel_is_bright_where_its_word_looked(alignment: Alignment) -> None:
    sheet = np.asarray(draw_alignment(Image.new("RGB", (200, 200), "white"), alignment), dtype=float)
    panels = sheet[38 : 38 + 224, 412:]  # below the first line of words, right of the whole picture
    ball, tree = panels[:, :224].mean(2), panels[:, 238 : 238 + 224].mean(2)
    assert ball[:, 20:90].mean() > 1.5 * ball[:, 134:204].mean()
    assert tree[:, 134:204].mean() > 1.5 * tree[:, 20:90].mean()


def test_a_word_that_looked_nowhere_has_no_frame(alignment: Alignment) -> None:
    image = Image.new("RGB", (200, 200), "white")
    nowhere = replace(alignment, weights=torch.zeros(2, 2))
    panel = np.asarray(draw_alignment(image, nowhere), dtype=int)[38 : 38 + 224, 412 : 412 + 224]
    assert np.ptp(panel.reshape(-1, 3), axis=0).max() == 0, "grey all over"
    somewhere = np.asarray(draw_alignment(image, alignment), dtype=int)[38 : 38 + 224, 412 : 412 + 224]
    assert np.ptp(somewhere.reshape(-1, 3), axis=0).max() > 0


def test_an_article_has_no_panel_while_a_noun_is_left(alignment: Alignment) -> None:
    image = Image.new("RGB", (200, 200), "white")
    with_article = replace(alignment, words=("The", "tree"))
    one = np.asarray(draw_alignment(image, with_article, panels=1), dtype=float)[38 : 38 + 224, 412:636].mean(2)
    assert one[:, 134:204].mean() > 1.5 * one[:, 20:90].mean()  # "tree", though its score is lower
    both = draw_alignment(image, with_article, panels=2)
    assert both.width > draw_alignment(image, with_article, panels=1).width


@pytest.mark.parametrize("word", ["man", "hat", "can", "war", "light", "water", "Hund", "狗"])
def test_a_thing_in_one_language_is_no_article_in_another(word: str) -> None:
    assert word not in FUNCTION_WORDS


def test_the_bar_of_a_word_is_as_long_as_its_score(alignment: Alignment) -> None:
    sheet = np.asarray(draw_alignment(Image.new("RGB", (200, 200), "white"), alignment))
    orange = (sheet[420:, :398] == tuple(bytes.fromhex(BAR[1:]))).all(2)
    assert orange.any(1).sum() > 5  # only "ball" has a positive score
    assert orange.sum(1).max() == pytest.approx(384 - 52 - 138, abs=2)


@pytest.mark.parametrize("size", [(224, 224), (30, 300), (640, 200), (1, 1)])
@pytest.mark.parametrize("words", [1, 4, 9])
def test_any_shape_of_picture_and_number_of_words_can_be_drawn(size: tuple[int, int], words: int) -> None:
    random = torch.Generator().manual_seed(words)
    alignment = Alignment(
        tuple("w" * (4 * index + 1) for index in range(words)),
        torch.tensor([[0.0, 0.0, 1.0, 1.0], [0.2, 0.2, 0.2, 0.2]]),
        torch.rand(2, words, generator=random),
        torch.rand(words, generator=random),
        0.5,
    )
    sheet = draw_alignment(Image.new("L", size, 90), alignment, panels=6)
    assert sheet.mode == "RGB"
    assert sheet.width == 384 + min(3, words) * (224 + 14) + 28


BALL = NodeMatch("object", "ball", ((0.1, 0.6, 0.4, 0.9),), 0.8, 0.5)
RED = NodeMatch("attribute", "red", ((0.1, 0.6, 0.4, 0.9),), 0.2, 0.1)
ABOVE = NodeMatch("relation", "ball · above · tree", ((0.1, 0.6, 0.4, 0.9), (0.6, 0.6, 0.9, 0.9)), 0.4, 0.3)
LOST = NodeMatch("object", "tree", (), 0.0, 0.0)


def with_matches(alignment: Alignment, *matches: NodeMatch) -> Alignment:
    return replace(alignment, matches=matches)


def pixels(matches: tuple[NodeMatch, ...]) -> NDArray[np.uint8]:
    """The part of the drawing of matches that lies over a white picture."""
    return np.asarray(draw_matches(Image.new("RGB", (100, 100), "white"), matches))[14:634, 14:634]


def of_colour(area: NDArray[np.uint8], colour: str) -> NDArray[np.bool_]:
    near: np.ndarray = (np.abs(area.astype(int) - np.array(tuple(bytes.fromhex(colour[1:])))) < 12).all(2)
    return near


def test_the_json_form_has_every_match(alignment: Alignment) -> None:
    assert alignment_to_json(alignment)["matches"] == []
    found = json.loads(json.dumps(alignment_to_json(with_matches(alignment, ABOVE, LOST))))["matches"]
    assert found[0] == {
        "kind": "relation",
        "text": "ball · above · tree",
        "boxes": [[0.1, 0.6, 0.4, 0.9], [0.6, 0.6, 0.9, 0.9]],
        "score": 0.4,
        "contribution": 0.3,
    }
    assert found[1]["boxes"] == []


def test_matches_are_drawn_above_what_is_drawn_without_them(alignment: Alignment) -> None:
    image = Image.new("RGB", (200, 200), "white")
    plain = np.asarray(draw_alignment(image, alignment))
    drawn = np.asarray(draw_alignment(image, with_matches(alignment, BALL, RED, ABOVE, LOST)))
    assert np.array_equal(drawn[-len(plain) :, : plain.shape[1]], plain)
    assert drawn.shape[0] > plain.shape[0] + 600


def test_an_object_has_a_frame_where_it_was_found() -> None:
    blue = of_colour(pixels((BALL,)), COLOURS["object"])
    rows, columns = blue.nonzero()
    assert (columns.min(), columns.max(), rows.min(), rows.max()) == pytest.approx((62, 248, 372, 558), abs=6)
    assert not blue[440:480, 110:220].any()


def test_a_relation_is_an_arrow_whose_head_is_at_its_object() -> None:
    def thickness(matches: tuple[NodeMatch, ...], x: int) -> int:
        column = of_colour(pixels(matches), COLOURS["relation"])[450:480, x - 4 : x + 5]
        return int(column.sum(0).max())

    back = replace(ABOVE, boxes=ABOVE.boxes[::-1])
    assert thickness((ABOVE,), 437) > thickness((ABOVE,), 215) > 0
    assert thickness((back,), 183) > thickness((back,), 405) > 0
    assert thickness((BALL,), 405) == 0


def test_the_strongest_match_has_the_thickest_frame() -> None:
    apart = replace(BALL, text="cat", boxes=((0.6, 0.6, 0.9, 0.9),), contribution=0.05)
    blue = of_colour(pixels((apart, BALL)), COLOURS["object"])
    ball, cat = blue[460, :300].sum(), blue[460, 320:].sum()
    assert ball > 2 * cat > 0


def test_a_match_that_contributes_nothing_is_grey() -> None:
    assert not of_colour(pixels((replace(BALL, contribution=-0.1),)), COLOURS["object"]).any()


@pytest.mark.parametrize("size", [(224, 224), (30, 300), (640, 200), (1, 1)])
@pytest.mark.parametrize("count", [1, 5, 40])
def test_any_number_of_matches_can_be_drawn_over_any_shape_of_picture(size: tuple[int, int], count: int) -> None:
    loop = replace(ABOVE, boxes=ABOVE.boxes[:1])
    flat = replace(BALL, text="w" * 60, boxes=((0.5, 0.5, 0.5, 0.5),))
    matches = tuple((BALL, ABOVE, LOST, loop, flat, RED)[place % 6] for place in range(count))
    assert draw_matches(Image.new("L", size, 90), matches).width == 620 + 464 + 3 * 14


@pytest.mark.parametrize("method", ["racg", "sgfns"])
def test_explanations_of_the_graph_methods_have_every_node_and_can_be_drawn(method: str, images: Path) -> None:
    path = images / "003.png"
    found = GraphModel(method).explain("ball above tree", path)
    assert [(match.kind, match.text) for match in found.matches] == [
        ("object", "ball"),
        ("object", "tree"),
        ("relation", "ball · above · tree"),
    ]
    assert draw_alignment(read_image(path), found).height > 620
