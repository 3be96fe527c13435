"""Compositional probes: does a picture agree more with its caption than with one edited to be false?

A probe needs no ranking. Every caption is scored with its own picture, and so are its false versions, which use the
same words in another order or differ in one of them. Whoever matches bags of words is right half of the time.

An edited sentence may read unlike one that a person wrote, and a model may prefer the other for that alone. So every
pair of sentences is scored with a picture that neither is of, too: what is won there needs no eyes. And a sentence's
mean score with many other pictures can be taken off, which is what it has by itself: a caption then wins where it is
preferred to its false version more with its picture than with others, and no liking for a sentence can win that.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, dataclass

import torch
from jaxtyping import Float, Int
from rich.table import Table
from torch import Tensor

from crossgraph.data.corpus import Corpus
from crossgraph.evaluation.markdown import markdown_table
from crossgraph.evaluation.uncertainty import summarise_values
from crossgraph.graphs.negatives import Kind, negative_captions
from crossgraph.graphs.scene_graph import GraphObject, SceneGraph, Span
from crossgraph.words import normalise, tokenize

KINDS: tuple[Kind, ...] = ("swap", "attribute", "predicate")
"""Things exchanged, attributes exchanged, a relation replaced."""

HEADINGS = ("edit", "accuracy", "with another picture", "beyond the mean (with another)", "captions")

OTHERS = 32
"""Pictures whose mean score is what a sentence has by itself."""

RELATION_CAPTION = 2
"""Which caption of a drawn picture tells how two things lie (`describe_scene`)."""

Score = Callable[[Sequence[int], Sequence[str]], Float[Tensor, " n"]]
"""From pictures, as rows of the corpus, and a sentence for each, to the scores of these pairs."""

ScoreTable = Callable[[Sequence[int], Sequence[str]], Float[Tensor, "k n"]]
"""From some pictures and some sentences to the scores of each with each."""

CaptionEdits = Callable[[int], Sequence[tuple[str, str]]]
"""From a caption of the corpus to its false versions, each with its kind."""

_ARTICLE = re.compile(r"\ban?\s+$", re.IGNORECASE)


@dataclass(frozen=True)
class KindAccuracy:
    """`accuracy` in percent over `captions` captions with `edits` false versions in all; chance is 50.

    `elsewhere` is the same with another picture in the place of the caption's own: what the sentences alone give away.
    None where there is no other. `beyond` and `beyond_elsewhere` are the two after each sentence's mean score with
    `OTHERS` pictures of others was taken off; None where that was not asked for.
    """

    accuracy: float
    captions: int
    edits: int
    elsewhere: float | None = None
    beyond: float | None = None
    beyond_elsewhere: float | None = None


@dataclass(frozen=True)
class ProbeResult:
    """The accuracy of one run on one split, by kind of edit; a kind that no caption allows is left out."""

    split: str
    kinds: dict[str, KindAccuracy]

    def values(self) -> dict[str, float]:
        """The accuracies as measures: `swap_accuracy` and so on."""
        return {f"{kind}_accuracy": found.accuracy for kind, found in self.kinds.items()}

    def to_json(self) -> dict[str, object]:
        """Everything, as plain values."""
        return {
            "split": self.split,
            "chance": 50.0,
            "kinds": {kind: asdict(found) for kind, found in self.kinds.items()},
        }


def swap_accuracy(
    score: Score, corpus: Corpus, edits_of: CaptionEdits, *, split: str = "", table: ScoreTable | None = None
) -> ProbeResult:
    """How often the true caption scores higher with its picture than a false version of it, by kind of edit.

    With a `table` of scores also what is left of that beyond what each sentence scores with other pictures.

    A tie counts half, and scores as near as sums in another order can be are tied. Every caption counts once a kind,
    with the mean over its false versions. A version that says what some caption of the same picture says is dropped.
    """
    edits = [
        (caption, *edit)
        for caption in range(len(corpus.captions))
        for edit in _edits_of_caption(corpus, caption, edits_of)
    ]
    if not edits:
        return ProbeResult(split, {})
    own = corpus.caption_image.tolist()
    asked = list(dict.fromkeys(caption for caption, _, _ in edits))
    places = {caption: row for row, caption in enumerate(asked)}
    spoken = [*asked, *(caption for caption, _, _ in edits)]
    sentences = [*(corpus.captions[caption] for caption in asked), *(text for _, text, _ in edits)]
    shifts = (0, len(corpus) // 2) if len(corpus) > 1 else (0,)
    rows = [(own[caption] + shift) % len(corpus) for shift in shifts for caption in spoken]
    scores = score(rows, sentences * len(shifts)).double().view(len(shifts), -1)
    of_edit = [places[caption] for caption, _, _ in edits]
    sides = [(scores[:, of_edit], scores[:, len(asked) :])]
    if table is not None and len(corpus) > len(shifts):
        left = scores - _usual(table, len(corpus), torch.tensor(rows).view(len(shifts), -1), sentences)
        sides.append((left[:, of_edit], left[:, len(asked) :]))
    won = torch.cat([_won(true, false) for true, false in sides])
    kinds = sorted({kind for _, _, kind in edits}, key=_order)
    return ProbeResult(split, {kind: _accuracy(edits, won, kind) for kind in kinds})


def _won(true: Float[Tensor, "p e"], false: Float[Tensor, "p e"]) -> Float[Tensor, "p e"]:
    """1 where the true caption scores higher, one half where the two are tied."""
    tied = torch.isclose(true, false, rtol=1e-5, atol=1e-6)
    return torch.where(tied, 0.5, (true > false).double())


def _usual(table: ScoreTable, count: int, scored: Int[Tensor, "p n"], sentences: Sequence[str]) -> Float[Tensor, " n"]:
    """Each sentence's mean score with up to `OTHERS` of the `count` pictures, evenly spread, less those that it is
    `scored` with."""
    asked = min(OTHERS, count)
    others = [step * count // asked for step in range(asked)]
    counted = (torch.tensor(others)[:, None, None] != scored).all(dim=1).double()
    return (table(others, sentences).double() * counted).sum(dim=0) / counted.sum(dim=0)


def _edits_of_caption(corpus: Corpus, caption: int, edits_of: CaptionEdits) -> list[tuple[str, str]]:
    """The false versions of one caption, each once, less those that a caption of the same picture says."""
    own = (corpus.caption_image == corpus.caption_image[caption]).nonzero()[0].tolist()
    said = {tuple(tokenize(corpus.captions[one])) for one in own}
    edits = {(tuple(tokenize(text)), kind): (text, kind) for text, kind in edits_of(caption)}
    return [edit for (words, _), edit in edits.items() if words not in said]


def _accuracy(edits: Sequence[tuple[int, str, str]], won: Float[Tensor, "p e"], kind: str) -> KindAccuracy:
    """Of one kind: the mean over captions of the mean over their edits, by row of `won`: with their own picture, with
    another, and both beyond the mean."""
    shares: dict[int, list[list[float]]] = {}
    for (caption, _, of_kind), values in zip(edits, won.T.tolist(), strict=True):
        if of_kind == kind:
            shares.setdefault(caption, []).append(values)
    means = torch.stack([torch.tensor(values, dtype=torch.float64).mean(dim=0) for values in shares.values()])
    accuracy, *others = (100 * means.mean(dim=0)).tolist()
    return KindAccuracy(accuracy, len(shares), sum(map(len, shares.values())), *others)


def _order(kind: str) -> tuple[int, str]:
    return (KINDS.index(kind) if kind in KINDS else len(KINDS), kind)


def caption_editor(corpus: Corpus, graphs: Sequence[SceneGraph], *, kinds: Collection[Kind] = KINDS) -> CaptionEdits:
    """What makes false captions of a corpus, given the scene graph of every normalised caption.

    Of drawn scenes, "swap" exchanges the two things of the caption that relates them: a sentence of the same form, and
    false unless another two things of the picture happen to lie so (one in 200). Everything else is left to the rules
    of `graphs.negatives`.
    """
    captions = [normalise(caption) for caption in corpus.captions]
    siblings = corpus.captions_of_images()
    drawn = corpus.twin_group is not None
    by_rule = frozenset(kind for kind in kinds if not (drawn and kind == "swap"))

    def edits_of(caption: int) -> list[tuple[str, str]]:
        own = siblings[int(corpus.caption_image[caption])]
        edits = _edited(captions, graphs, caption, own, by_rule)
        if drawn and "swap" in kinds and own.index(caption) == RELATION_CAPTION:
            exchanged = exchange_things(captions[caption], graphs[caption])
            edits += [] if exchanged is None else [(exchanged, "swap")]
        return edits

    return edits_of


def exchange_things(sentence: str, graph: SceneGraph) -> str | None:
    """ "a red ball is above a tree" -> "a tree is above a red ball"; None unless it says how one thing lies to another.

    Both things must have an article of their own, which moves with them, as do their attributes.
    """
    if len(graph.objects) != 2 or len(graph.relations) != 1:
        return None
    phrases = [_phrase(sentence, thing) for thing in graph.objects]
    if phrases[0] is None or phrases[1] is None:
        return None
    (start, end), (other_start, other_end) = sorted((phrases[0], phrases[1]))
    if end > other_start:
        return None
    between, after = sentence[end:other_start], sentence[other_end:]
    return sentence[:start] + sentence[other_start:other_end] + between + sentence[start:end] + after


def _phrase(sentence: str, thing: GraphObject) -> Span | None:
    """The characters that speak of a thing, article included; None without "a" or "an"."""
    spans = [span for span in (thing.span, *(attribute.span for attribute in thing.attributes)) if span is not None]
    if not spans:
        return None
    article = _ARTICLE.search(sentence[: min(start for start, _ in spans)])
    return None if article is None else (article.start(), max(end for _, end in spans))


def _edited(
    captions: Sequence[str], graphs: Sequence[SceneGraph], caption: int, own: Sequence[int], kinds: frozenset[Kind]
) -> list[tuple[str, str]]:
    """What the rules for false captions make of one caption."""
    edits = negative_captions(
        captions[caption],
        graphs[caption],
        own_captions=[captions[one] for one in own],
        own_graphs=[graphs[one] for one in own],
        kinds=kinds,
    )
    return [(edit.text, edit.kind) for edit in edits]


def probe_lines(probes: Sequence[ProbeResult]) -> list[tuple[str, str, str, str, str]]:
    """Kind, accuracy, that with another picture, both beyond the mean, and how many captions, for every kind of edit.

    Of several runs the mean, with the deviation.
    """

    def shown(kind: str, field: str) -> str:
        values = [getattr(probe.kinds[kind], field) for probe in probes]
        if None in values:
            return ""
        summary = summarise_values([{field: value} for value in values])
        spread = "" if summary.deviation is None else f" ± {summary.deviation[field]:.1f}"
        return f"{summary.mean[field]:.1f}{spread}"

    def beyond(kind: str) -> str:
        other = shown(kind, "beyond_elsewhere")
        return shown(kind, "beyond") + (f" ({other})" if other else "")

    return [
        (kind, shown(kind, "accuracy"), shown(kind, "elsewhere"), beyond(kind), f"{found.captions:,}")
        for kind, found in probes[0].kinds.items()
    ]


def probe_table(probes: Sequence[ProbeResult]) -> Table:
    """For a terminal."""
    table = Table(title="True caption against an edited one", caption=_PROBE_TEXT, caption_justify="left")
    for heading in HEADINGS:
        table.add_column(heading, justify="left" if heading == "edit" else "right")
    for line in probe_lines(probes):
        table.add_row(*line)
    return table


def probe_markdown(probes: Sequence[ProbeResult]) -> str:
    """For a README."""
    return f"{markdown_table(HEADINGS, probe_lines(probes))}\n\n{_PROBE_TEXT}\n"


_PROBE_TEXT = (
    "share of captions that score higher with their picture than their false versions; ties half; chance 50; with "
    "another picture: the same with one that neither is of, hence what the sentences alone give away; beyond the mean: "
    f"both after each sentence's mean score with {OTHERS} other pictures was taken off, hence what the pictures say"
)
