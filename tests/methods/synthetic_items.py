"""Random pictures and captions of various lengths, and batches of any of them, padded as far as wished."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from crossgraph.methods.catalogue import METHODS, build_method
from crossgraph.methods.contract import ClosedForm, InputSizes, TrainingSet
from crossgraph.types import (
    ATTRIBUTE,
    OBJECT,
    RELATION,
    Batch,
    ImageBatch,
    NegativeCaptions,
    NodeBatch,
    TextBatch,
    TextGraphs,
)

PART_WIDTH, WHOLE_WIDTH, STATE_WIDTH, VOCABULARY = 10, 7, 9, 20
LABELS, LABEL_WIDTH = 32, 6
_SIZES = InputSizes(part_width=PART_WIDTH, whole_width=WHOLE_WIDTH, labels=LABELS, label_width=LABEL_WIDTH)
SIZES = {
    "ids": _SIZES.model_copy(update={"vocabulary": VOCABULARY}),
    "states": _SIZES.model_copy(update={"state_width": STATE_WIDTH}),
}
SMALL: dict[str, dict[str, object]] = {
    "dual_encoder": {"width": 16, "heads": 4, "word_width": 12, "gru_width": 16, "dropout": 0.1},
    "encoder_ensemble": {"width": 16, "heads": 4, "word_width": 12, "gru_width": 16, "dropout": 0.1},
    "kidrr": {
        "width": 16,
        "similarity_width": 8,
        "word_width": 12,
        "gru_width": 12,
        "dropout": 0.1,
        "levels": ("global", "local", "global_local", "region"),
        "top": 3,
        "candidates": 0,
    },
    "racg": {
        "width": 16,
        "heads": 4,
        "neighbours": 2,
        "word_width": 12,
        "gru_width": 12,
        "dropout": 0.1,
        "candidates": 0,
    },
    "sgfns": {
        "width": 16,
        "heads": 4,
        "neighbours": 2,
        "word_width": 12,
        "gru_width": 12,
        "dropout": 0.1,
        "candidates": 0,
        "neg_others": 1,
    },
    "scahn": {
        "width": 16,
        "heads": 4,
        "region_width": 16,
        "hidden": 16,
        "bits": 32,
        "word_width": 12,
        "graph_width": 8,
        "queue": 12,
        "pair_weight": 1.0,  # 32 pairs have one partner each, and a batch of real labels has dozens
        "dropout": 0.1,
    },
    "tsscl": {"width": 16, "hidden": 16, "heads": 4, "word_width": 12, "label_hidden": 8, "dropout": 0.1, "anchors": 6},
    "pretrained": {},
    "cca": {"components": 6},
    "semantic_matching": {"costs": (0.1, 1.0)},
    "dcmh": {"width": 32, "bits": 32, "dropout": 0.1},
    "random_projection": {"components": 6, "bits": 32},
    "random_codes": {"bits": 32},
}
"""Settings that make a method quick; a method without an entry is only narrowed."""

LOSSES: dict[str, tuple[str, ...]] = {"scahn": ("paco", "triplet"), "tsscl": ("each", "share")}
"""What `loss` may be for a method, where it is not a ranking loss of pairs."""


@dataclass(frozen=True)
class SourceImage:
    parts: Tensor
    boxes: Tensor
    whole: Tensor


@dataclass(frozen=True)
class Node:
    """A node of a caption's scene graph: its kind, the objects it belongs to, and the words that say it."""

    kind: int
    ends: tuple[int, int]
    words: tuple[int, ...]


@dataclass(frozen=True)
class Caption:
    ids: Tensor
    states: Tensor
    graph: tuple[Node, ...] = ()

    @property
    def whole(self) -> Tensor:
        """A vector that its words decide."""
        return torch.randn(WHOLE_WIDTH, generator=torch.Generator().manual_seed(int(self.ids.sum()) + 5000))


def small_method(name: str, inputs: str = "ids", **changes: Any) -> Any:
    """A method of tiny width, in evaluation mode: untrained, or solved for random pairs where it is solved at all.

    `Any`, since a test reaches into the parts of the method that it names.
    """
    settings = {**SMALL.get(name, {"width": 16}), **changes}
    sizes = SIZES[inputs]
    if METHODS[name].one_model:
        sizes = sizes.model_copy(update={"text_whole_width": WHOLE_WIDTH})
    method = build_method(name, settings, sizes).eval()
    if method.reads_labels:
        method.learn(training_set())
    if isinstance(method, ClosedForm):
        first = int(torch.randint(1000, ()))
        method.fit([training_batch(inputs, images=12, captions=30, seed=first + more) for more in range(3)])
    return method


def draw_labels(count: int, *, seed: int = 0, share: float = 0.05) -> Tensor:
    """Labels of `count` pictures, at least one each."""
    rng = torch.Generator().manual_seed(seed + 3000)
    labels = torch.rand(count, LABELS, generator=rng) < share
    labels[torch.arange(count), torch.randint(LABELS, (count,), generator=rng)] = True
    return labels


def training_set(*, images: int = 40) -> TrainingSet:
    """What a method that reads labels is told before the first step; one caption a picture."""
    rng = torch.Generator().manual_seed(4000)
    return TrainingSet(
        labels=draw_labels(images),
        label_names=tuple(f"label {number}" for number in range(LABELS)),
        label_vectors=torch.randn(LABELS, LABEL_WIDTH, generator=rng),
        captions=tuple(f"words of picture {number} and thing {number % 7}" for number in range(images)),
        caption_image=torch.arange(images),
    )


def draw_images(count: int, *, seed: int = 0, most: int = 6) -> list[SourceImage]:
    """Pictures of 1 to `most` regions."""
    rng = torch.Generator().manual_seed(seed)
    images = []
    for _ in range(count):
        regions = int(torch.randint(1, most + 1, (1,), generator=rng))
        corners = torch.rand(regions, 2, generator=rng) / 2
        images.append(
            SourceImage(
                torch.randn(regions, PART_WIDTH, generator=rng),
                torch.cat([corners, corners + 0.5 * torch.rand(regions, 2, generator=rng)], dim=1),
                torch.randn(WHOLE_WIDTH, generator=rng),
            )
        )
    return images


def draw_graph(words: int, rng: torch.Generator, *, relations: int = 3) -> tuple[Node, ...]:
    """A graph of 1 to 4 objects, at most so many `relations` and 2 attributes, said by some of so many words."""

    def number(least: int, most: int) -> int:
        return int(torch.randint(least, most + 1, (1,), generator=rng))

    def some_words(least: int) -> tuple[int, ...]:
        chosen = torch.randperm(words, generator=rng)[: number(least, min(words, 2))]
        return tuple(sorted(chosen.tolist()))

    objects = number(1, 4)
    nodes = [Node(OBJECT, (place, place), some_words(1)) for place in range(objects)]
    for _ in range(number(0, relations) if objects > 1 else 0):
        subject, other = torch.randperm(objects, generator=rng)[:2].tolist()
        nodes.append(Node(RELATION, (subject, other), some_words(0)))
    for _ in range(number(0, 2)):
        owner = number(0, objects - 1)
        nodes.append(Node(ATTRIBUTE, (owner, owner), some_words(1)))
    return tuple(nodes)


def draw_captions(count: int, *, seed: int = 0, most: int = 5) -> list[Caption]:
    """Captions of 1 to `most` words with random scene graphs: the second has no relation, the third's is empty."""
    rng = torch.Generator().manual_seed(seed + 1000)
    of_graphs = torch.Generator().manual_seed(seed + 2000)
    captions = []
    for place in range(count):
        words = int(torch.randint(1, most + 1, (1,), generator=rng))
        ids = torch.randint(1, VOCABULARY, (words,), generator=rng)
        graph = draw_graph(words, of_graphs, relations=0 if place == 1 else 3)
        captions.append(Caption(ids, torch.randn(words, STATE_WIDTH, generator=rng), () if place == 2 else graph))
    return captions


def image_batch(images: Sequence[SourceImage], *, padding: int = 0, filler: float = 0.0) -> ImageBatch:
    """Padded `padding` regions beyond the longest, with `filler` in every padded feature."""
    longest = max(len(image.parts) for image in images) + padding
    parts = torch.full((len(images), longest, PART_WIDTH), filler)
    boxes = torch.full((len(images), longest, 4), filler)
    mask = torch.zeros(len(images), longest, dtype=torch.bool)
    for row, image in enumerate(images):
        real = len(image.parts)
        parts[row, :real], boxes[row, :real], mask[row, :real] = image.parts, image.boxes, True
    return ImageBatch(parts, mask, boxes, torch.stack([image.whole for image in images]))


def text_batch(captions: Sequence[Caption], inputs: str = "ids", *, padding: int = 0) -> TextBatch:
    """Padded `padding` words, and as many nodes, beyond the longest."""
    longest = max(len(caption.ids) for caption in captions) + padding
    ids = torch.zeros(len(captions), longest, dtype=torch.long)
    states = torch.zeros(len(captions), longest, STATE_WIDTH)
    mask = torch.zeros(len(captions), longest, dtype=torch.bool)
    for row, caption in enumerate(captions):
        real = len(caption.ids)
        ids[row, :real], states[row, :real], mask[row, :real] = caption.ids, caption.states, True
    words = tuple(tuple(f"w{number}" for number in caption.ids.tolist()) for caption in captions)
    graphs = graph_batch([caption.graph for caption in captions], words=longest, padding=padding)
    whole = torch.stack([caption.whole for caption in captions])
    if inputs == "ids":
        return TextBatch(mask, words, ids=ids, graphs=graphs, whole=whole)
    return TextBatch(mask, words, states=states, graphs=graphs, whole=whole)


def graph_batch(graphs: Sequence[tuple[Node, ...]], *, words: int, padding: int = 0) -> TextGraphs:
    """The graphs of captions padded to so many `words`, `padding` nodes beyond the largest."""
    largest = max(map(len, graphs)) + padding
    kinds = torch.zeros(len(graphs), largest, dtype=torch.long)
    ends = torch.zeros(len(graphs), largest, 2, dtype=torch.long)
    mask = torch.zeros(len(graphs), largest, dtype=torch.bool)
    said = torch.zeros(len(graphs), largest, words, dtype=torch.bool)
    for row, graph in enumerate(graphs):
        for place, node in enumerate(graph):
            kinds[row, place], mask[row, place] = node.kind, True
            ends[row, place] = torch.tensor(node.ends)
            for word in node.words:
                said[row, place, word] = True
    return TextGraphs(NodeBatch(kinds, ends, mask), said)


def training_batch(
    inputs: str = "ids", *, images: int = 5, captions: int = 8, seed: int = 0, edits: int | None = None
) -> Batch:
    """A batch in which some pictures have several captions; with `edits`, so many false captions of the last ones."""
    false = None
    if edits is not None:
        texts = text_batch(draw_captions(max(edits, 1), seed=seed + 50), inputs)
        kept = TextBatch(
            texts.mask[:edits],
            texts.words[:edits],
            None if texts.ids is None else texts.ids[:edits],
            None if texts.states is None else texts.states[:edits],
            TextGraphs(texts.graphs.nodes[:edits], texts.graphs.words[:edits]),
        )
        false = NegativeCaptions(kept, captions - 1 - torch.arange(edits) // 2)
    return Batch(
        image_batch(draw_images(images, seed=seed)),
        text_batch(draw_captions(captions, seed=seed), inputs),
        torch.arange(captions) % images,
        hardness=0.5,
        negative_captions=false,
        labels=draw_labels(images, seed=seed),
        rows=torch.arange(images),
    )
