"""Bootstrap intervals and the spread over seeds."""

import statistics
from dataclasses import replace

import numpy as np
import pytest
import torch

from crossgraph.errors import ScoreError
from crossgraph.evaluation.metrics import Answers, find_answers, relevance, retrieval_metrics
from crossgraph.evaluation.uncertainty import (
    bootstrap_interval,
    hits_by_picture,
    paired_intervals,
    paired_mean_intervals,
    summarise,
    summarise_values,
)


def random_case(n: int, m: int, seed: int) -> tuple[Answers, np.ndarray]:
    """Answers of random scores and links."""
    generator = np.random.default_rng(seed)
    links = generator.integers(0, n, m)
    scores = torch.tensor(generator.standard_normal((n, m)))
    return find_answers(scores + relevance(links, n), relevance(links, n)), links


def test_intervals_equal_a_slow_resampling_of_pictures_with_their_captions() -> None:
    answers, links = random_case(12, 30, 1)
    fast = bootstrap_interval(answers, links, samples=50, level=0.9, seed=3)
    generator = torch.Generator().manual_seed(3)
    drawn: list[list[float]] = []
    for _ in range(50):
        images = torch.randint(12, (12,), generator=generator).tolist()
        captions = [j for image in images for j in np.flatnonzero(links == image).tolist()]
        asked = [i for i in images if answers.image_to_text.answerable[i]]
        drawn.append(
            [100 * float(answers.image_to_text.hits(k)[asked].mean()) for k in (1, 5, 10)]
            + [100 * float(answers.text_to_image.hits(k)[captions].mean()) for k in (1, 5, 10)]
        )
    r5 = np.quantile([sample[4] for sample in drawn], [0.05, 0.95])
    rsum = np.quantile([sum(sample) for sample in drawn], [0.05, 0.95])
    assert (fast["text_to_image_r5"].low, fast["text_to_image_r5"].high) == pytest.approx(tuple(r5))
    assert (fast["rsum"].low, fast["rsum"].high) == pytest.approx(tuple(rsum))
    assert fast["mr"].low == pytest.approx(rsum[0] / 6)


def test_an_interval_holds_the_number_and_narrows_with_more_pictures() -> None:
    widths = []
    for n in (20, 320):
        answers, links = random_case(n, 3 * n, 2)
        interval = bootstrap_interval(answers, links, samples=200)["image_to_text_r1"]
        assert interval.low <= answers.metrics().image_to_text.r1 <= interval.high
        widths.append(interval.high - interval.low)
    assert widths[1] < widths[0] / 2


def test_the_same_seed_gives_the_same_interval_and_perfect_scores_a_point() -> None:
    answers, links = random_case(15, 40, 5)
    assert bootstrap_interval(answers, links, samples=20) == bootstrap_interval(answers, links, samples=20)
    assert bootstrap_interval(answers, links, samples=20) != bootstrap_interval(answers, links, samples=20, seed=1)
    perfect = find_answers(torch.eye(6), relevance(np.arange(6), 6))
    rsum = bootstrap_interval(perfect, np.arange(6), samples=20)["rsum"]
    assert (rsum.low, rsum.high) == (600, 600)


def test_samples_that_ask_nothing_are_left_out() -> None:
    answers = find_answers(torch.eye(2)[:, :1], relevance(np.array([0]), 2))
    assert bootstrap_interval(answers, np.array([0]), samples=50)["rsum"].low == 600


def test_a_summary_is_mean_and_sample_deviation_of_every_measure() -> None:
    relevant = relevance(np.arange(4), 4)
    runs = [
        retrieval_metrics(torch.randn(4, 4, generator=torch.Generator().manual_seed(s)), relevant) for s in range(3)
    ]
    summary = summarise(runs)
    assert summary.runs == 3
    assert summary.mean["rsum"] == pytest.approx(sum(run.rsum for run in runs) / 3)
    assert summary.deviation is not None
    assert summary.deviation["rsum"] == pytest.approx(statistics.stdev(run.rsum for run in runs))
    assert summary.deviation["image_to_text_r10"] == 0


def test_one_run_has_no_deviation_and_no_runs_have_no_summary() -> None:
    one = summarise([retrieval_metrics(torch.eye(3), relevance(np.arange(3), 3))])
    assert (one.deviation, one.mean["rsum"]) == (None, 600)
    with pytest.raises(ScoreError, match="no runs"):
        summarise_values([])


def test_intervals_do_not_change_when_pictures_without_captions_change_their_ranks() -> None:
    answers, links = random_case(10, 6, 7)
    silent = ~answers.image_to_text.answerable
    assert silent.any()
    moved = replace(answers.image_to_text, above=answers.image_to_text.above + 5 * silent)
    changed = Answers(moved, answers.text_to_image)
    assert bootstrap_interval(changed, links, samples=30) == bootstrap_interval(answers, links, samples=30)


def test_a_paired_interval_equals_a_slow_resampling_of_both_sides_with_the_same_pictures() -> None:
    links = np.random.default_rng(4).integers(0, 14, 35)
    generator = np.random.default_rng(5)
    relevant = relevance(links, 14)
    runs = [find_answers(torch.tensor(generator.standard_normal((14, 35))) + relevant, relevant) for _ in range(3)]
    hits = [hits_by_picture(run, links) for run in runs]
    found = paired_intervals(hits[:2], hits[2:], samples=40, level=0.8, seed=2)
    drawing = torch.Generator().manual_seed(2)
    drawn = []
    for _ in range(40):
        images = torch.randint(14, (14,), generator=drawing).tolist()
        captions = [j for image in images for j in np.flatnonzero(links == image).tolist()]
        asked = [i for i in images if runs[0].image_to_text.answerable[i]]
        sums = [
            sum(100 * float(run.image_to_text.hits(k)[asked].mean()) for k in (1, 5, 10))
            + sum(100 * float(run.text_to_image.hits(k)[captions].mean()) for k in (1, 5, 10))
            for run in runs
        ]
        drawn.append((sums[0] + sums[1]) / 2 - sums[2])
    ends = np.quantile(drawn, [0.1, 0.9])
    assert (found["rsum"].low, found["rsum"].high) == pytest.approx(tuple(ends))
    assert found["mr"].low == pytest.approx(ends[0] / 6)


def test_a_paired_interval_is_narrower_than_the_numbers_own_and_0_against_itself() -> None:
    answers, links = random_case(60, 180, 8)
    worse = find_answers(torch.randn(60, 180, generator=torch.Generator().manual_seed(1)), relevance(links, 60))
    hits = [hits_by_picture(one, links) for one in (answers, worse)]
    same = paired_intervals(hits[:1], hits[:1], samples=30)["rsum"]
    assert (same.low, same.high) == (0, 0)
    nearly = hits[0].clone()
    nearly[0, 0, 1:] = 1 - nearly[0, 0, 1:]
    paired, own = paired_intervals(hits[:1], [nearly])["rsum"], bootstrap_interval(answers, links)["rsum"]
    assert paired.high - paired.low < (own.high - own.low) / 5
    with pytest.raises(ScoreError, match="the same queries"):
        paired_intervals(hits[:1], [hits[1][:-1]])


def test_a_paired_interval_of_means_leaves_out_what_both_leave_out() -> None:
    nan = float("nan")
    ours = {"image_to_text": np.array([0.5, nan, 0.7]), "text_to_image": np.array([0.2, 0.4])}
    theirs = {"image_to_text": np.array([0.4, nan, 0.6]), "text_to_image": np.array([0.5, 0.7])}
    found = paired_mean_intervals([ours], [theirs], samples=60)
    assert found["image_to_text"].low == pytest.approx(0.1)
    assert found["text_to_image"].high == pytest.approx(-0.3)
    assert found["mean"].low == pytest.approx(-0.1)
    with pytest.raises(ScoreError, match="the same queries"):
        paired_mean_intervals([ours], [theirs | {"image_to_text": np.array([0.4, 0.1, 0.6])}])
