import io
import json

import pytest
import torch

from crossgraph.evaluation.code_health import code_health, note_collapse
from crossgraph.layers.hash_head import encoded_code
from crossgraph.progress import JsonLines
from crossgraph.types import Encoded


def random_codes(items: int = 200, bits: int = 32) -> Encoded:
    return encoded_code(torch.randn(items, bits, generator=torch.Generator().manual_seed(0)))


def one_code(items: int = 200, bits: int = 32) -> Encoded:
    return encoded_code(torch.ones(items, bits))


def test_counts_worked_by_hand() -> None:
    bits = torch.tensor(
        [[1, 1, 1, -1, 1, 1, 1, 1], [1, 1, 1, -1, 1, 1, 1, 1], [1, -1, 1, -1, 1, 1, 1, 1], [1, -1, -1, -1, 1, 1, 1, 1]]
    )
    health = code_health(encoded_code(bits.float()))
    assert (health.distinct, health.unique, health.bits, health.stuck) == (4, 3, 8, 6)
    assert health.lean == pytest.approx((6 * 1 + 0 + 0.5) / 8)
    assert health.commonest == 0.5
    assert health.unique_share == 0.75


def test_random_codes_are_healthy() -> None:
    health = code_health(random_codes())
    assert health.unique_share == 1
    assert health.lean < 0.1
    assert health.symptoms() == []


def test_one_code_for_all_is_named_by_every_symptom() -> None:
    symptoms = " / ".join(code_health(one_code()).symptoms())
    assert "1 different codes for 200 different items (0%; the commonest is that of 100% of items)" in symptoms
    assert "mean |mean| 1.00" in symptoms
    assert "32 of 32 bits are the same" in symptoms


def test_captions_that_repeat_are_not_blamed_for_equal_codes() -> None:
    codes = random_codes(items=20)
    repeated = codes[[row for row in range(20) for _ in range(10)]]
    assert code_health(repeated).symptoms() != []
    assert code_health(repeated, distinct=20).symptoms() == []


def test_items_without_codes_have_no_health() -> None:
    assert code_health(Encoded(torch.randn(3, 4))) is None
    assert code_health(random_codes()[[]]) is None


def test_only_collapsed_sides_are_noted_with_symptoms_and_advice() -> None:
    stream = io.StringIO()
    assert note_collapse({"pictures": (random_codes(), 200), "captions": (one_code(), 200)}, JsonLines(stream))
    (line,) = [json.loads(text) for text in stream.getvalue().splitlines()]
    assert line["event"] == "codes collapse"
    assert line["side"] == "captions"
    assert "different codes" in line["symptoms"]
    assert "model.temperature" in line["advice"]


def test_healthy_codes_and_methods_without_codes_are_not_mentioned() -> None:
    stream = io.StringIO()
    sides = {"pictures": (random_codes(), 200), "captions": (Encoded(torch.randn(3, 4)), 3)}
    assert not note_collapse(sides, JsonLines(stream))
    assert stream.getvalue() == ""
