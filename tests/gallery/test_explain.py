import json

import numpy as np
import pytest
import torch
from PIL import Image

from crossgraph.gallery.explain import BAR, alignment_to_json, draw_alignment
from crossgraph.types import Alignment


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
