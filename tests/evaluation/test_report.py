"""Reports: numbers under the right names, with their protocol."""

import io
import json
from collections.abc import Callable

import pytest
import torch
from rich.console import Console

from crossgraph.data.corpus import Corpus
from crossgraph.errors import ScoreError
from crossgraph.evaluation.difference import difference
from crossgraph.evaluation.metrics import relevance, relevance_with_duplicates, retrieval_metrics
from crossgraph.evaluation.report import evaluate_scores, over_seeds
from crossgraph.evaluation.two_stage import two_stage
from crossgraph.methods.contract import Method
from crossgraph.types import Encoded

MakeCorpus = Callable[..., Corpus]


@pytest.fixture
def corpus(make_corpus: MakeCorpus) -> Corpus:
    """Six pictures; two captions are equal; the first two pictures are twins; the last has no caption."""
    captions = ["a dog", "two cats", "a dog", "a horse", "a red car", "a boat", "a tree"]
    return make_corpus(
        [0, 0, 1, 2, 3, 4, 4], 6, captions=captions, twin_group=[0, 0, -1, -1, -1, -1], telling=[True] * 3 + [False] * 4
    )


def random_scores(seed: int) -> torch.Tensor:
    """Scores of six pictures and seven captions."""
    return torch.rand(6, 7, generator=torch.Generator().manual_seed(seed))


def test_a_report_bundles_strict_and_duplicate_aware_numbers_under_two_names(corpus: Corpus) -> None:
    scores = random_scores(0)
    report = evaluate_scores(scores, corpus, split="val", seed=3, samples=20)
    strict = retrieval_metrics(scores, relevance(corpus.caption_image, 6))
    aware = retrieval_metrics(scores, relevance_with_duplicates(corpus))
    assert strict.rsum < aware.rsum
    assert (report.strict.mean["rsum"], report.duplicate_aware.mean["rsum"]) == (strict.rsum, aware.rsum)
    assert report.runs[0].strict.metrics.queries_without_answer == 1
    assert "twin_accuracy" in report.strict.mean
    assert "text_to_image_recall_cap" not in report.strict.mean


def test_the_protocol_says_what_the_numbers_mean(corpus: Corpus) -> None:
    text = evaluate_scores(random_scores(0), corpus, split="val", seed=3, samples=5).protocol.text()
    for words in ("toy, split val", "6 images, 7 captions", "exhaustive", "ties by expectation", "seed 3"):
        assert words in text


def test_one_run_shows_intervals_and_several_show_deviations(corpus: Corpus) -> None:
    reports = [evaluate_scores(random_scores(s), corpus, split="val", seed=s, samples=20) for s in (0, 1)]
    assert "[" in {name: strict for name, strict, _ in reports[0].lines()}["rSum"]
    both = over_seeds(reports)
    shown = {name: strict for name, strict, _ in both.lines()}
    assert "±" in shown["rSum"]
    assert "95% bootstrap interval" in reports[0].text()
    assert "deviation over 2 runs" in both.text()
    assert "[" not in shown["rSum"]
    assert "seeds 0, 1" in both.protocol.text()
    assert both.strict.mean["rsum"] == pytest.approx(sum(r.strict.mean["rsum"] for r in reports) / 2)


def test_bounds_of_ties_are_shown_only_where_there_are_ties(corpus: Corpus) -> None:
    for scores, tied in ((random_scores(0), False), (torch.ones(6, 7), True)):
        names = [name for name, _, _ in evaluate_scores(scores, corpus, split="val", seed=0, samples=5).lines()]
        assert ("rSum, ties won" in names) is tied


def test_json_is_plain_and_complete(corpus: Corpus) -> None:
    report = evaluate_scores(random_scores(0), corpus, split="val", seed=3, samples=20)
    found = json.loads(json.dumps(report.to_json(), allow_nan=False))
    assert found["protocol"]["seeds"] == [3]
    assert found["strict"]["mean"]["rsum"] == report.strict.mean["rsum"]
    assert set(found["strict"]["intervals"]["rsum"]) == {"low", "high", "level"}
    assert (found["strict"]["deviation"], found["strict"]["queries_without_answer"]) == (None, 1)
    assert found["twin_captions"] == 3
    several = over_seeds([report, report]).to_json()["duplicate_aware"]
    assert isinstance(several, dict)
    assert (several["intervals"], several["deviation"]["rsum"]) == (None, 0)


def test_tables_and_markdown_show_every_line_and_the_protocol(corpus: Corpus) -> None:
    report = evaluate_scores(random_scores(0), corpus, split="val", seed=3, samples=5)
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(report.table())
    table, markdown = console.export_text(), report.markdown()
    for words in ("text→image R@1", "rSum", "twin accuracy", "duplicate-aware", "split val"):
        assert words in table
        assert words in markdown
    assert f"{report.strict.mean['rsum']:.1f}" in markdown


def test_a_two_stage_report_prints_its_recall_cap_and_shortlist(
    corpus: Corpus, method: Method, make_encoded: Callable[..., Encoded]
) -> None:
    images, texts = make_encoded(6, 2, seed=0), make_encoded(7, 3, seed=1)
    result = two_stage(method, images, texts, shortlist_scores=random_scores(0), k=2)
    report = evaluate_scores(result, corpus, split="val", seed=0, samples=5)
    relevant = relevance(corpus.caption_image, 6)
    assert report.strict.mean["text_to_image_recall_cap"] == result.recall_cap(relevant).text_to_image
    assert report.strict.mean["text_to_image_r1"] <= report.strict.mean["text_to_image_recall_cap"]
    assert "two-stage ranking, shortlist 2;" in report.markdown()
    assert "recall cap" in report.markdown()
    blended = two_stage(method, images, texts, shortlist_scores=random_scores(0), k=2, blend=0.5)
    blended_report = evaluate_scores(blended, corpus, split="val", seed=0, samples=5)
    assert "shortlist 2, blended with 0.5 of its score" in blended_report.protocol.text()
    assert "blended with 0, 0.5 of its score by run" in over_seeds([report, blended_report]).protocol.text()
    assert "blended with 0.5 of its score;" in over_seeds([blended_report, blended_report]).protocol.text()
    longer = two_stage(method, images, texts, shortlist_scores=random_scores(0), k=3)
    with pytest.raises(ScoreError, match="different protocols"):
        over_seeds([report, evaluate_scores(longer, corpus, split="val", seed=0, samples=5)])


def test_scores_of_another_corpus_and_reports_of_another_protocol_are_refused(corpus: Corpus) -> None:
    with pytest.raises(ScoreError, match=r"\(7, 6\), expected \(6, 7\)"):
        evaluate_scores(torch.zeros(7, 6), corpus, split="val", seed=0)
    first, second = (
        evaluate_scores(random_scores(0), corpus, split=split, seed=0, samples=5) for split in ("val", "test")
    )
    with pytest.raises(ScoreError, match="different protocols"):
        over_seeds([first, second])
    short = evaluate_scores(random_scores(0), corpus, split="val", seed=0, samples=5, pair_precision="bfloat16")
    assert "exhaustive ranking, pairs in bfloat16;" in short.protocol.text()
    assert "float32" not in first.protocol.text()
    with pytest.raises(ScoreError, match="different protocols"):
        over_seeds([first, short])
    with pytest.raises(ScoreError, match="no reports"):
        over_seeds([])


def test_a_difference_is_that_of_the_means_with_an_interval_that_holds_it(corpus: Corpus) -> None:
    one, two, other = (evaluate_scores(random_scores(s), corpus, split="val", seed=s, samples=20) for s in (0, 1, 2))
    found = difference(over_seeds([one, two]), other)
    expected = (one.strict.mean["rsum"] + two.strict.mean["rsum"]) / 2 - other.strict.mean["rsum"]
    assert found.values["rsum"] == pytest.approx(expected)
    assert found.intervals["rsum"].low <= expected <= found.intervals["rsum"].high
    assert f"| rSum | {expected:+.1f} [" in found.markdown()
    assert "split val: 6 images, 7 captions" in found.text()
    assert json.loads(json.dumps(found.to_json()))["intervals"]["mr"]["level"] == 0.95
    same = difference(one, one)
    assert set(same.values.values()) == {0.0}
    assert {(interval.low, interval.high) for interval in same.intervals.values()} == {(0.0, 0.0)}
    fewer = evaluate_scores(random_scores(0), corpus, split="test", seed=0, samples=20)
    with pytest.raises(ScoreError, match="same pictures and captions"):
        difference(one, fewer)
