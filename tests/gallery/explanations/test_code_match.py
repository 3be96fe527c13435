from pathlib import Path

import numpy as np
import torch

from crossgraph.bits import pack_array
from crossgraph.gallery.explanations.code_match import code_match, explain_pair
from crossgraph.gallery.explanations.explain import alignment_to_json
from crossgraph.types import Alignment, CodeMatch, LabelMatch, NodeMatch
from tests.gallery.fake_model import FakeHashing, FakeModel


def plain(**more: object) -> Alignment:
    return Alignment(("ball",), torch.zeros(1, 4), torch.ones(1, 1), torch.ones(1), 0.5, **more)  # type: ignore[arg-type]


class Explaining(FakeHashing):
    """A hashing model that explains nothing but its code."""

    def explain(self, sentence: str, path: Path) -> Alignment:
        return plain()


def test_bits_and_nearest_labels_of_a_hand_worked_pair() -> None:
    rows = np.array([[1, 1, 0, 0, 1, 1, 0, 0], [1, 0, 0, 0, 1, 1, 1, 0]], np.bool_)
    labels = pack_array(np.stack([~rows[0], rows[0], rows[1] ^ np.array([1] + 7 * [0], np.bool_)]))
    image, sentence = pack_array(rows)
    found = code_match(image, sentence, 8, names=("far", "near", "between"), labels=labels)
    assert (found.agreeing, found.differing) == ((0, 2, 3, 4, 5, 7), (1, 6))
    assert found.score == 0.5
    assert found.labels == (
        LabelMatch("near", 1.0, 0.5),
        LabelMatch("between", 0.25, 0.75),
        LabelMatch("far", -1.0, -0.5),
    )


def test_a_model_with_codes_says_which_bits_agree(captioned: Path) -> None:
    model, path = Explaining("codes", bits=24), captioned / "000.png"
    code = explain_pair(model, "a red thing", path).code
    assert code is not None
    cosine = float(
        model.encode_image_files([path]).encoded.embedding @ model.encode_raw_texts(["a red thing"]).embedding.T
    )
    assert abs(code.score - cosine) < 1e-6
    assert sorted((*code.agreeing, *code.differing)) == list(range(24))
    assert code.labels == ()


def test_a_model_without_codes_says_nothing_of_bits(captioned: Path) -> None:
    class Plain(FakeModel):
        def explain(self, sentence: str, path: Path) -> Alignment:
            return plain()

    assert explain_pair(Plain("dense", fine=False), "a", captioned / "000.png").code is None


def test_plain_values_tell_contributions_their_sum_and_the_code() -> None:
    assert (plain().explained, alignment_to_json(plain())["code"]) == (None, None)
    found = alignment_to_json(plain(contributions=torch.tensor([0.25]), code=CodeMatch(2, (0, 1), ())))
    assert found["explained"] == 0.25
    assert found["words"] == [{"word": "ball", "score": 1.0, "weights": [1.0], "contribution": 0.25}]
    assert found["code"] == {"bits": 2, "agreeing": (0, 1), "differing": (), "labels": (), "score": 1.0}
    matches = (NodeMatch("object", "ball", (), 0.5, 0.1), NodeMatch("object", "box", (), 0.5, 0.2))
    assert abs((plain(matches=matches).explained or 0) - 0.3) < 1e-9
