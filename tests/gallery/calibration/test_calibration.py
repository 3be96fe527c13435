import math

import numpy as np
import pytest

from crossgraph.errors import GalleryError
from crossgraph.gallery.calibration.pairs import search_signs, unlike_images
from crossgraph.gallery.search.score_calibration import (
    MISSED,
    Calibration,
    Evidence,
    expected_maximum,
    fit,
    judge,
    lines,
    sample_rows,
    with_reliability,
)
from crossgraph.gallery.stages.unit_length import unit_rows


def floats(*values: float) -> np.ndarray:
    return np.array(values, np.float32)


def evenly(first: float, last: float, count: int) -> np.ndarray:
    return np.linspace(first, last, count, dtype=np.float32)


def drawn_signs(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Signs of which the first and the last tell the two kinds apart, but for noise."""
    good = np.arange(count) % 2 == 0
    signs = np.random.default_rng(seed).standard_normal((count, 4), np.float32)
    signs[:, 0] += 2 * good
    signs[:, 3] += good
    return signs * floats(0.1, 5.0, 1.0, 3.0), good


def test_signs_of_a_hand_worked_search() -> None:
    scores = floats(0.9, 0.5, 0.3)
    background = floats(0.0, 0.2, 0.4, 0.6)
    top, lead, first, excess = Evidence(scores, floats(0.7, 0.8, 0.1), background, 4).signs().tolist()
    assert (top, first) == pytest.approx((0.9, 0.8))
    assert lead == pytest.approx(0.9 - 0.4)
    assert excess == pytest.approx((0.8 - 0.3) / math.sqrt(0.05) - expected_maximum(4), abs=1e-5)


def test_the_expected_maximum_is_about_what_drawing_gives() -> None:
    drawn = np.random.default_rng(0).standard_normal((4000, 100)).max(1).mean()
    assert expected_maximum(100) == pytest.approx(float(drawn), abs=0.03)
    assert expected_maximum(1) == 0


def test_a_search_of_one_picture_or_of_equal_scores_has_signs() -> None:
    for count in (1, 7):
        equal = np.full(count, 0.25, np.float32)
        assert np.isfinite(Evidence(equal, equal, equal, count).signs()).all()


def test_a_fit_is_where_newton_steps_on_the_penalised_likelihood_end() -> None:
    signs, good = drawn_signs(400, 0)
    fitted = fit(signs, good)
    standard = (signs.astype(np.float64) - np.array(fitted.mean)) / np.array(fitted.scale)
    columns = np.concatenate([standard, np.ones((400, 1))], axis=1)
    penalty, weights = np.array([0.4, 0.4, 0.4, 0.4, 0.0]), np.zeros(5)  # 1e-3 a query
    for _ in range(50):
        said = 1 / (1 + np.exp(-columns @ weights))
        slope = columns.T @ (said - good) + penalty * weights
        curvature = (columns * (said * (1 - said))[:, None]).T @ columns + np.diag(penalty)
        weights = weights - np.linalg.solve(curvature, slope)
    np.testing.assert_allclose([*fitted.weights, fitted.bias], weights, atol=1e-6, rtol=0)


def test_about_the_share_allowed_of_good_queries_is_told_that_there_is_nothing() -> None:
    signs, good = drawn_signs(2000, 1)
    fitted = fit(signs, good)
    told = [fitted.verdict(value) for value in fitted.probability(signs[good]).tolist()]
    assert told.count("nothing good found") / len(told) == pytest.approx(MISSED, abs=0.01)


def test_reliability_on_other_queries_counts_them_all_and_is_honest() -> None:
    fitted = with_reliability(fit(*drawn_signs(2000, 2)), *drawn_signs(2000, 3), bins=10)
    assert sum(part.queries for part in fitted.reliability) == 2000
    assert fitted.error < 0.05
    assert all(part.low <= part.said <= part.high for part in fitted.reliability)
    assert fitted.rates["there: nothing good found"] < fitted.rates["removed: nothing good found"]
    for kind in ("there", "removed"):
        assert sum(rate for name, rate in fitted.rates.items() if name.startswith(kind)) == pytest.approx(1)


def test_a_calibration_comes_back_from_its_plain_values_and_judges_its_own_stage_only() -> None:
    fitted = fit(*drawn_signs(100, 4))
    stored = {"shortlist": fitted.model_dump()}
    assert Calibration.model_validate(stored["shortlist"]) == fitted
    evidence = Evidence(floats(0.9, 0.1), floats(0.9, 0.1), floats(0.0, 0.1), 2)
    probability, verdict = judge(stored, "shortlist", evidence)
    assert probability is not None
    assert verdict == fitted.verdict(probability)
    assert judge(stored, "rerank", evidence) == judge({}, "shortlist", evidence) == (None, None)


def test_a_phrase_is_judged_by_the_calibration_of_phrases_where_there_is_one() -> None:
    sentences = fit(*drawn_signs(100, 4))
    phrases = fit(*drawn_signs(100, 5)).model_copy(update={"bias": 5.0})
    both = sentences.model_copy(update={"phrases": phrases})
    assert Calibration.model_validate(both.model_dump()) == both
    evidence = Evidence(evenly(0.3, -0.3, 40), evenly(0.3, -0.3, 40), evenly(-0.3, 0.3, 60), 60)
    for found in (judge, lines):
        by = {
            name: [
                found({"shortlist": one.model_dump()}, "shortlist", evidence, phrase=phrase) for phrase in (False, True)
            ]
            for name, one in (("sentences", sentences), ("phrases", phrases), ("both", both))
        }
        assert by["both"] == [by["sentences"][0], by["phrases"][0]]
        assert by["sentences"][0] == by["sentences"][1] != by["phrases"][0]


def test_queries_of_one_kind_alone_are_refused() -> None:
    with pytest.raises(GalleryError, match="got only one kind"):
        fit(drawn_signs(5, 0)[0], np.ones(5, np.bool_))


def test_the_sample_is_spread_evenly_over_the_allowed_rows() -> None:
    assert sample_rows(5).tolist() == [0, 1, 2, 3, 4]
    assert sample_rows(6, np.arange(6) % 2 == 1).tolist() == [1, 3, 5]
    rows = sample_rows(1_000_000)
    assert len(rows) == 1024
    assert np.abs(np.diff(rows) - 1_000_000 / 1024).max() < 1


def test_unlike_pictures_are_the_share_least_like_the_query_by_any_caption_and_never_its_own() -> None:
    sentences = unit_rows(np.random.default_rng(0).standard_normal((200, 5)))
    owners = np.arange(200) // 2
    queries = [0, 7, 199]
    unlike = unlike_images(sentences, owners, queries, share=0.25)
    for column, query in enumerate(queries):
        cosines = (sentences @ sentences[query]).reshape(100, 2).max(1)
        cosines[query // 2] = 9
        assert sorted(unlike[:, column].nonzero()[0].tolist()) == sorted(cosines.argsort()[:25].tolist())
    with pytest.raises(GalleryError, match="needs 20 unlike pictures a query"):
        unlike_images(sentences, owners, queries)


def test_the_signs_of_a_search_are_those_of_the_rows_inside_alone() -> None:
    first = floats(0.9, 0.1, 0.5, 0.3)
    inside = np.array([False, True, True, True])
    alone = floats(0.5, 0.3, 0.1)
    expected = Evidence(alone, alone, first[1:], 3).signs()
    np.testing.assert_allclose(search_signs(first, inside), expected, rtol=1.3e-6, atol=1e-5)
    rescored = floats(9.0, 3.0, 1.0, 2.0)
    best = search_signs(first, inside, rescored=rescored, shortlist=2)
    expected = Evidence(floats(2.0, 1.0), alone[:2], first[1:], 3).signs()
    np.testing.assert_allclose(best, expected, rtol=1.3e-6, atol=1e-5)


def test_lines_judge_every_answer_as_if_those_before_it_were_not_there() -> None:
    scores = evenly(0.9, 0.1, 40)
    first, background = scores[::-1] * np.float32(0.8), evenly(-0.2, 0.2, 60)
    fitted = Calibration(
        mean=(0.5, 0.1, 0.4, 0.0), scale=(0.1, 0.1, 0.1, 1.0), weights=(2.0, 0.5, 1.0, 0.3), bias=0.0,
        nothing_below=0.3, strong_from=0.9,
    )  # fmt: skip
    stored = {"rerank": fitted.model_dump()}
    weaker_below, nothing_below = lines(stored, "rerank", Evidence(scores, first, background, 60))
    ordered = -np.sort(-first)
    said = [
        judge(stored, "rerank", Evidence(scores[place:], ordered[place:], background, 60))[1]
        for place in range(len(scores))
    ]
    assert set(said) == {"strong", "weak", "nothing good found"}
    assert weaker_below == float(scores[said.index("weak") - 1])
    assert nothing_below == float(scores[said.index("nothing good found") - 1])


def test_no_line_where_all_answers_are_as_good_or_the_best_is_not() -> None:
    fitted = Calibration(
        mean=(0.0,) * 4, scale=(1.0,) * 4, weights=(0.0,) * 4, bias=1.0, nothing_below=0.3, strong_from=0.9
    )
    evidence = Evidence(evenly(0.9, 0.1, 5), evenly(0.9, 0.1, 5), np.zeros(3, np.float32), 5)
    assert lines({"codes": fitted.model_dump()}, "codes", evidence) == (None, None)
    assert lines({}, "codes", evidence) == (None, None)
    assert lines({"codes": fitted.model_dump()}, "codes", None) == (None, None)
