"""Probes against scorers that always, never or half prefer the truth, and the false captions they are asked about."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from crossgraph.data.drawn.scene_captions import describe_scene
from crossgraph.data.drawn.scene_plans import plan_pair
from crossgraph.evaluation.compositional_probe import (
    OTHERS,
    KindAccuracy,
    ProbeResult,
    caption_editor,
    exchange_things,
    probe_lines,
    probe_markdown,
    swap_accuracy,
)
from crossgraph.graphs.caption_parser import CaptionParser
from crossgraph.graphs.scene_graph import SceneGraph
from tests.evaluation.conftest import MakeCorpus

CAPTIONS = ("a dog on a mat", "a cat", "a mat on a cat", "a red box")
EDITS = {0: [("a mat on a dog", "swap"), ("a cat on a mat", "similar")], 2: [("a cat on a mat", "swap")]}


def scorer(true: float, false: float) -> Callable[[Sequence[int], Sequence[str]], Tensor]:
    """Scores captions of the corpus with one number and everything else with another."""
    return lambda _, sentences: torch.tensor([true if said in CAPTIONS else false for said in sentences])


@pytest.mark.parametrize(("true", "false", "accuracy"), [(1.0, 0.0, 100.0), (0.0, 1.0, 0.0), (1.0, 1.0, 50.0)])
def test_a_truth_that_always_never_or_as_often_wins_gives_100_0_or_50(
    make_corpus: MakeCorpus, true: float, false: float, accuracy: float
) -> None:
    corpus = make_corpus([0, 0, 1, 1], 2, captions=CAPTIONS)
    result = swap_accuracy(scorer(true, false), corpus, lambda caption: EDITS.get(caption, []), split="val")
    assert result.kinds == {
        "swap": KindAccuracy(accuracy, 2, 2, elsewhere=accuracy),
        "similar": KindAccuracy(accuracy, 1, 1, elsewhere=accuracy),
    }
    assert list(result.kinds) == ["swap", "similar"]
    assert result.values() == {"swap_accuracy": accuracy, "similar_accuracy": accuracy}


def test_every_caption_counts_once_with_the_mean_over_its_edits(make_corpus: MakeCorpus) -> None:
    corpus = make_corpus([0, 1], 2, captions=CAPTIONS[:2])
    edits = {0: [("x", "swap"), ("y", "swap"), ("y !", "swap")], 1: [("z", "swap")]}
    scores = {"a dog on a mat": 1.0, "a cat": 1.0, "x": 0.0, "y": 2.0, "z": 0.0}
    result = swap_accuracy(
        lambda _, sentences: torch.tensor([scores.get(said, 2.0) for said in sentences]),
        corpus,
        edits.__getitem__,
    )
    assert result.kinds["swap"] == KindAccuracy(75.0, 2, 3, elsewhere=75.0)


def test_what_sentences_alone_give_away_is_told_apart_from_what_the_picture_shows(make_corpus: MakeCorpus) -> None:
    corpus = make_corpus([0, 0, 1, 1], 2, captions=CAPTIONS)

    def sees(rows: Sequence[int], sentences: Sequence[str]) -> Tensor:
        return torch.tensor(
            [
                float(row == CAPTIONS.index(said) // 2) if said in CAPTIONS else 0.5
                for row, said in zip(rows, sentences, strict=True)
            ]
        )

    found = swap_accuracy(sees, corpus, lambda caption: EDITS.get(caption, [])).kinds["swap"]
    assert (found.accuracy, found.elsewhere) == (100.0, 0.0)
    alone = make_corpus([0, 0], 1, captions=CAPTIONS[:2])
    assert swap_accuracy(sees, alone, lambda caption: EDITS.get(caption, [])).kinds["swap"].elsewhere is None


@pytest.mark.parametrize("liking", [-3.0, 3.0])
@pytest.mark.parametrize(("eyes", "beyond", "elsewhere"), [(1.0, 100.0, 50.0), (0.0, 50.0, 50.0)])
def test_no_liking_for_a_sentence_wins_beyond_its_mean(
    make_corpus: MakeCorpus, liking: float, eyes: float, beyond: float, elsewhere: float
) -> None:
    corpus = make_corpus([0, 0, 1, 1, 2, 3], 4, captions=(*CAPTIONS, "snow", "a hill"))

    def table(rows: Sequence[int], sentences: Sequence[str]) -> Tensor:
        seen = [[said in CAPTIONS and row == CAPTIONS.index(said) // 2 for said in sentences] for row in rows]
        likes = [liking if said in CAPTIONS else 0.0 for said in sentences]
        return eyes * torch.tensor(seen).float() + torch.tensor(likes)

    def score(rows: Sequence[int], sentences: Sequence[str]) -> Tensor:
        return torch.stack([table([row], [said])[0, 0] for row, said in zip(rows, sentences, strict=True)])

    found = swap_accuracy(score, corpus, lambda caption: EDITS.get(caption, []), table=table).kinds["swap"]
    assert found.accuracy == (100.0 if liking > 0 else 0.0)
    assert (found.beyond, found.beyond_elsewhere) == (beyond, elsewhere)
    shown = probe_lines([ProbeResult("", {"swap": found})])[0]
    assert shown[3] == f"{beyond:.1f} ({elsewhere:.1f})"


def test_a_sentence_s_mean_leaves_out_its_own_picture_and_the_other(make_corpus: MakeCorpus) -> None:
    corpus = make_corpus(list(range(100)), 100, captions=tuple(f"picture {row}" for row in range(100)))
    asked: list[int] = []

    def table(rows: Sequence[int], sentences: Sequence[str]) -> Tensor:
        asked.extend(rows)
        scores = torch.zeros(len(rows), len(sentences))
        for column, said in enumerate(sentences):
            if said == "picture 25":  # its own picture and the one half of the corpus away would outweigh all others
                scores[rows.index(25), column] = scores[rows.index(75), column] = 1e6
        return scores

    found = swap_accuracy(
        lambda _, sentences: torch.tensor([float(said == "picture 25") for said in sentences]),
        corpus,
        lambda caption: [("false", "swap")] if caption == 25 else [],
        table=table,
    )
    assert len(asked) == len(set(asked)) == OTHERS
    assert {25, 75} <= set(asked)
    assert found.kinds["swap"].beyond == 100.0


def test_a_caption_is_scored_with_its_own_picture_and_with_another(make_corpus: MakeCorpus) -> None:
    asked: list[tuple[int, str]] = []

    def score(rows: Sequence[int], sentences: Sequence[str]) -> Tensor:
        asked.extend(zip(rows, sentences, strict=True))
        return torch.zeros(len(rows))

    corpus = make_corpus([1, 0, 0, 1], 2, captions=CAPTIONS)
    swap_accuracy(score, corpus, lambda caption: EDITS.get(caption, []))
    assert set(asked) == {
        *((1, "a dog on a mat"), (1, "a mat on a dog"), (1, "a cat on a mat")),
        *((0, "a mat on a cat"), (0, "a cat on a mat")),
        *((0, "a dog on a mat"), (0, "a mat on a dog")),
        *((1, "a mat on a cat"), (1, "a cat on a mat")),
    }


def test_an_edit_that_another_caption_of_the_picture_says_is_dropped(make_corpus: MakeCorpus) -> None:
    corpus = make_corpus([0, 0, 1], 2, captions=("a dog on a mat", "A mat, on a dog!", "a cat"))
    edits = {0: [("a mat on a dog", "swap")], 2: [("a mat on a dog", "swap"), ("a cat", "swap")]}
    result = swap_accuracy(scorer(1.0, 0.0), corpus, lambda caption: edits.get(caption, []))
    assert result.kinds["swap"].captions == 1
    assert swap_accuracy(scorer(1.0, 0.0), corpus, lambda _: []).kinds == {}


def test_scores_that_differ_by_rounding_alone_are_tied(make_corpus: MakeCorpus) -> None:
    corpus = make_corpus([0, 0, 1, 1], 2, captions=CAPTIONS)
    result = swap_accuracy(scorer(10.0, 9.99999), corpus, lambda caption: EDITS.get(caption, []))
    assert result.kinds["swap"].accuracy == 50.0


@pytest.mark.parametrize(
    ("sentence", "exchanged"),
    [
        ("a red ball is above a small tree", "a small tree is above a red ball"),
        ("an orange boat to the left of a plain cup", "a plain cup to the left of an orange boat"),
        ("below a box there is a stripy crescent moon", "below a stripy crescent moon there is a box"),
        ("a ball is on the left", None),
        ("a ball and a box", None),
    ],
)
def test_the_things_of_a_relation_are_exchanged_with_their_articles(
    parser: CaptionParser, sentence: str, exchanged: str | None
) -> None:
    assert exchange_things(sentence, parser.parse(sentence)) == exchanged


def test_the_relation_of_every_drawn_scene_is_turned_round(parser: CaptionParser) -> None:
    scenes = [scene for pair in range(15) for scene in plan_pair(5, pair)[:2] if len(scene.things) > 1]
    told = [describe_scene(scene, random.Random(i))[2].text for i, scene in enumerate(scenes)]
    graphs = parser.parse_all(told)
    turned = [exchange_things(*pair) for pair in zip(told, graphs, strict=True)]
    assert all(turned)
    for before, after in zip(graphs, parser.parse_all(map(str, turned)), strict=True):
        (subject, predicate, thing), (told_subject, told_predicate, told_thing) = before.triples() + after.triples()
        assert (told_subject, told_predicate, told_thing) == (thing, predicate, subject)


@dataclass(frozen=True)
class Edit:
    """What a rule for false captions gives."""

    text: str
    kind: str


@pytest.fixture
def rules(monkeypatch: pytest.MonkeyPatch) -> list[frozenset[str]]:
    """Stand-in rules that give one edit of every kind; remembers the kinds asked for."""
    asked: list[frozenset[str]] = []

    def negative_captions(
        sentence: str,
        graph: SceneGraph,
        *,
        own_captions: Sequence[str],
        own_graphs: Sequence[SceneGraph],
        kinds: frozenset[str],
    ) -> list[Edit]:
        assert sentence in own_captions
        assert len(own_captions) == len(own_graphs)
        asked.append(kinds)
        return [Edit(f"not {sentence}", kind) for kind in sorted(kinds)]

    monkeypatch.setattr("crossgraph.evaluation.compositional_probe.negative_captions", negative_captions)
    return asked


def test_captions_of_photographs_are_edited_by_rule(make_corpus: MakeCorpus, rules: list[frozenset[str]]) -> None:
    corpus = make_corpus([0, 0, 1, 1], 2, captions=CAPTIONS)
    edits_of = caption_editor(corpus, [SceneGraph()] * 4)
    assert edits_of(0) == [(f"not {CAPTIONS[0]}", kind) for kind in ("attribute", "predicate", "swap")]
    assert rules == [{"swap", "attribute", "predicate"}]


def test_of_drawn_scenes_only_the_relation_is_swapped(
    make_corpus: MakeCorpus, rules: list[frozenset[str]], parser: CaptionParser
) -> None:
    captions = ("a ball above a box", "a box", "a ball above a box", "a ball", "a box below a ball")
    corpus = make_corpus([0] * 5, 1, captions=captions, twin_group=[-1], telling=[False] * 5)
    edits_of = caption_editor(corpus, parser.parse_all(captions), kinds=("swap", "attribute"))
    assert [text for text, kind in edits_of(0) if kind == "swap"] == []
    assert [text for text, kind in edits_of(2) if kind == "swap"] == ["a box above a ball"]
    assert set(rules) == {frozenset({"attribute"})}


def test_several_runs_give_mean_and_deviation(make_corpus: MakeCorpus) -> None:
    corpus = make_corpus([0, 0, 1, 1], 2, captions=CAPTIONS)
    results = [
        swap_accuracy(scorer(1.0, false), corpus, lambda caption: EDITS.get(caption, [])) for false in (0.0, 1.0)
    ]
    assert probe_lines(results)[0] == ("swap", "75.0 ± 35.4", "75.0 ± 35.4", "", "2")
    assert "| swap | 100.0 | 100.0 |  | 2 |" in probe_markdown(results[:1])
