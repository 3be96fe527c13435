"""The worst queries: those of a slow loop, with the answers that a sort of the scores gives."""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import pytest
import torch

from crossgraph.data.corpus import Corpus
from crossgraph.errors import ConfigError
from crossgraph.evaluation.label_scores import score_and_worst, score_direction
from crossgraph.evaluation.label_search import LabelledItems
from crossgraph.evaluation.metrics import find_answers, relevance_with_duplicates
from crossgraph.evaluation.protocols import PROTOCOLS
from crossgraph.evaluation.report import evaluate_scores
from crossgraph.evaluation.two_stage import two_stage
from crossgraph.evaluation.worst import SHOWN_ANSWERS, WorstQueries, worst_by_rank
from crossgraph.methods.contract import Method
from crossgraph.types import Encoded
from tests.evaluation.label_oracles import slow_average_precision
from tests.evaluation.test_label_search import items

MakeCorpus = Callable[..., Corpus]
UNSEEN = PROTOCOLS["unseen-database"]


def worst_of(scores: torch.Tensor, corpus: Corpus, count: int) -> WorstQueries:
    """The worst queries of plain scores."""
    relevant = relevance_with_duplicates(corpus)
    return worst_by_rank(scores, find_answers(scores, relevant), relevant, corpus, count=count)


@pytest.fixture
def corpus(make_corpus: MakeCorpus) -> Corpus:
    """Twelve pictures; the last has no caption; two captions are equal."""
    links = [i for i in range(11) for _ in range(3)]
    captions = [f"caption {j}" for j in range(33)]
    captions[5] = captions[20] = "the same words"
    return make_corpus(links, 12, captions=captions)


@pytest.mark.parametrize("seed", range(4))
def test_the_worst_are_those_of_a_slow_loop(corpus: Corpus, seed: int) -> None:
    scores = torch.rand(12, 33, generator=torch.Generator().manual_seed(seed))
    worst = worst_of(scores, corpus, 4)
    says = [{corpus.captions[j] for j in range(33) if corpus.caption_image[j] == i} for i in range(12)]

    def right(image: int, caption: int) -> bool:
        return corpus.captions[caption] in says[image]

    ranks = []
    for image in range(11):
        order = sorted(range(33), key=lambda j: -float(scores[image, j]))
        ranks.append(next(place for place, j in enumerate(order, start=1) if right(image, j)))
    expected = sorted(range(11), key=lambda i: (-ranks[i], i))[:4]
    assert [query.query.image for query in worst.image_to_text] == [str(image) for image in expected]
    for image, query in zip(expected, worst.image_to_text, strict=True):
        order = sorted(range(33), key=lambda j: -float(scores[image, j]))
        assert query.rank == query.value == ranks[image]
        assert [answer.item.text for answer in query.answers] == [corpus.captions[j] for j in order[:SHOWN_ANSWERS]]
        assert [answer.right for answer in query.answers] == [right(image, j) for j in order[:SHOWN_ANSWERS]]
        assert query.right.score == pytest.approx(float(scores[image, order[ranks[image] - 1]]))

    back = []
    for caption in range(33):
        order = sorted(range(12), key=lambda i: -float(scores[i, caption]))
        back.append(next(place for place, i in enumerate(order, start=1) if right(i, caption)))
    lost = sorted(range(33), key=lambda j: (-back[j], j))[:4]
    assert [query.query.text for query in worst.text_to_image] == [corpus.captions[j] for j in lost]
    assert [query.rank for query in worst.text_to_image] == [back[j] for j in lost]
    assert all(
        query.right.item.image == query.query.image or query.query.text == "the same words"
        for query in worst.text_to_image
    )


def test_queries_without_an_answer_are_never_among_them_and_more_cannot_be_had(corpus: Corpus) -> None:
    worst = worst_of(torch.rand(12, 33, generator=torch.Generator().manual_seed(0)), corpus, 100)
    assert len(worst.image_to_text) == 11
    assert len(worst.text_to_image) == 33
    assert "11" not in {query.query.image for query in worst.image_to_text}


def test_the_rank_of_ties_is_a_mean_and_is_said_to_be_one(corpus: Corpus) -> None:
    worst = worst_of(torch.zeros(12, 33), corpus, 2)
    caption = worst.text_to_image[0]
    assert caption.rank == 6.5
    assert caption.place == "6.5 (mean over ties)"
    assert [query.query.text for query in worst.text_to_image] == ["caption 0", "caption 1"]


def test_two_stages_tell_the_scores_that_ordered_the_shortlist(
    make_corpus: MakeCorpus, method: Method, make_encoded: Callable[..., Encoded]
) -> None:
    corpus = make_corpus([i // 2 for i in range(16)], 8)
    images, texts = make_encoded(8, 4, seed=0), make_encoded(16, 5, seed=1)
    first = torch.rand(8, 16, generator=torch.Generator().manual_seed(3))
    staged = two_stage(method, images, texts, shortlist_scores=first, k=3, blend=0.5)
    report = evaluate_scores(staged, corpus, split="val", seed=0, samples=5, worst=8)
    worst = report.runs[0].worst
    assert worst is not None
    assert worst.scores == "the fine score + 0.5 of the shortlist's"
    method.eval()
    seen = 0
    for query in worst.text_to_image:
        caption = corpus.captions.index(query.query.text)
        listed = first[:, caption].argsort(descending=True)[:3].tolist()
        for answer in (*query.answers, query.right):
            image = int(answer.item.image)
            assert (answer.score is None) == (image not in listed)
            if answer.score is not None:
                one, other = torch.tensor([image]), torch.tensor([caption])
                fine = float(method.score_pairs(images[one], texts[other]))
                assert answer.score == pytest.approx(fine + 0.5 * float(first[image, caption]), abs=1e-4)
                seen += 1
        told = [answer.score for answer in query.answers if answer.score is not None]
        assert told == sorted(told, reverse=True)
    assert seen > 8


def test_a_report_has_them_only_when_they_are_asked_for(corpus: Corpus) -> None:
    scores = torch.rand(12, 33, generator=torch.Generator().manual_seed(0))
    plain = evaluate_scores(scores, corpus, split="val", seed=0, samples=5)
    asked = evaluate_scores(scores, corpus, split="val", seed=0, samples=5, worst=3)
    assert plain.runs[0].worst is None
    told = json.loads(json.dumps(asked.to_json()))
    (worst,) = told.pop("worst")
    assert told == json.loads(json.dumps(plain.to_json()))
    assert len(worst["image_to_text"]) == len(worst["text_to_image"]) == 3


def test_a_negative_number_of_them_is_refused(corpus: Corpus) -> None:
    with pytest.raises(ConfigError, match="-1 worst queries"):
        worst_of(torch.zeros(12, 33), corpus, -1)


@pytest.mark.parametrize("bits", [None, 12])
@pytest.mark.parametrize("own_pair", [True, False])
def test_by_labels_the_worst_have_the_least_average_precision(bits: int | None, own_pair: bool) -> None:
    queries, gallery = items(15, seed=0, bits=bits), items(45, seed=1, bits=bits, images=15)
    protocol = UNSEEN.model_copy(update={"own_pair": own_pair})
    scores, worst = score_and_worst(queries, gallery, protocol, worst=5)
    assert scores.values == score_direction(queries, gallery, protocol).values
    products = (queries.encoded.embedding @ gallery.encoded.embedding.T).numpy()
    precision = {}
    for i in range(15):
        kept = [j for j in range(45) if own_pair or gallery.image[j] != queries.image[i]]
        relevant = [bool((queries.labels[i] & gallery.labels[j]).any()) for j in kept]
        if any(relevant):
            order = np.argsort(-products[i, kept], kind="stable")
            precision[i] = slow_average_precision([int(relevant[place]) for place in order])
    if bits is None:  # no ties: one order is the mean over all
        expected = sorted(precision, key=lambda i: (precision[i], i))[:5]
        assert [row.query for row in worst] == expected
        assert [row.value for row in worst] == pytest.approx([precision[i] for i in expected])
    assert [row.value for row in worst] == sorted(row.value for row in worst)
    for row in worst:
        told = [score for _, score, _ in row.answers]
        assert told == sorted(told, reverse=True)
        assert all(own_pair or gallery.image[item] != queries.image[row.query] for item, _, _ in row.answers)
        for item, score, right in row.answers:
            assert right == bool((queries.labels[row.query] & gallery.labels[item]).any())
            if bits is not None:
                assert score == pytest.approx((products[row.query, item] - 1) * bits / 2, abs=1e-4)


def test_by_labels_queries_without_a_relevant_item_are_left_out() -> None:
    queries, gallery = items(6, seed=0), items(20, seed=1)
    labels = queries.labels.copy()
    labels[:4] = False
    bare = LabelledItems(queries.encoded, labels, queries.image)
    _, worst = score_and_worst(bare, gallery, UNSEEN, worst=5)
    assert {row.query for row in worst} <= {4, 5}
