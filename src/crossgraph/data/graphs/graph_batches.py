"""Scene graphs of captions as padded tensors: nodes, their ends, and which words say them."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Bool, Int8, Int16

from crossgraph.graphs.meanings import PLACES
from crossgraph.graphs.scene_graph import Attribute, SceneGraph, Span
from crossgraph.types import ATTRIBUTE, OBJECT, PLACE, RELATION, NodeBatch, TextGraphs
from crossgraph.words import WORD, normalise

KEPT = 2**16
"""Captions whose nodes are remembered: about half a kilobyte each."""


@dataclass(frozen=True)
class CaptionNodes:
    """The nodes of one caption, objects first, and which of its words say each."""

    kinds: Int8[np.ndarray, " v"]
    ends: Int16[np.ndarray, "v 2"]
    words: Bool[np.ndarray, "v p"]


@dataclass(frozen=True)
class RememberedNodes:
    """Nodes of captions laid out once, and remembered of the `most` that were asked for last."""

    most: int = KEPT
    _known: OrderedDict[tuple[str, int], CaptionNodes] = field(default_factory=OrderedDict, repr=False)

    def __len__(self) -> int:
        return len(self._known)

    def of(self, caption: str, graph: Callable[[str], SceneGraph], *, length: int) -> CaptionNodes:
        """`caption_nodes` of a caption of so many words; `graph` is asked where they are not known."""
        key = caption, length
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = caption_nodes(caption, graph(caption), length=length)
            if len(self._known) > self.most:
                self._known.popitem(last=False)
        else:
            self._known.move_to_end(key)
        return found


def batch_graphs(captions: Sequence[str], graphs: Sequence[SceneGraph], *, lengths: Sequence[int]) -> TextGraphs:
    """The graphs of `captions` padded to the largest: objects first, then relations, then attributes and places.

    `lengths[j]` is how many words of caption j were kept; what only later words say is left out. A caption in which
    no object was found gets one object that all its words say, so that it can be matched at all.
    """
    laid_out = zip(captions, graphs, lengths, strict=True)
    return batch_nodes([caption_nodes(caption, graph, length=kept) for caption, graph, kept in laid_out])


def batch_nodes(rows: Sequence[CaptionNodes]) -> TextGraphs:
    """The nodes of captions padded to the largest, their words to the longest."""
    width = max((len(row.kinds) for row in rows), default=0)
    longest = max((row.words.shape[1] for row in rows), default=0)
    kinds = np.zeros((len(rows), width), np.int64)
    ends = np.zeros((len(rows), width, 2), np.int64)
    mask = np.zeros((len(rows), width), np.bool_)
    words = np.zeros((len(rows), width, longest), np.bool_)
    for row, nodes in enumerate(rows):
        count, length = nodes.words.shape
        kinds[row, :count], ends[row, :count], mask[row, :count] = nodes.kinds, nodes.ends, True
        words[row, :count, :length] = nodes.words
    batch = NodeBatch(torch.from_numpy(kinds), torch.from_numpy(ends), torch.from_numpy(mask))
    return TextGraphs(batch, torch.from_numpy(words))


def caption_nodes(caption: str, graph: SceneGraph, *, length: int) -> CaptionNodes:
    """The nodes of one caption of which so many words were kept; its words are found once for all spans."""
    spans = [match.span() for match in WORD.finditer(normalise(caption))][:length]
    starts, stops = np.array(spans, np.int64).reshape(-1, 2).T

    def said(span: Span | None) -> Bool[np.ndarray, " p"]:
        """Which kept words lie in the span, as `words_of_span` counts them."""
        found = np.zeros(length, np.bool_)
        if span is not None:
            found[: len(spans)] = np.maximum(span[0], starts) < np.minimum(span[1], stops)
        return found

    objects = {number: words for number, thing in enumerate(graph.objects) if (words := said(thing.span)).any()}
    if not objects:
        return _stacked([(OBJECT, (0, 0), np.ones(length, np.bool_))])
    place = {number: position for position, number in enumerate(objects)}
    nodes = [(OBJECT, (place[number], place[number]), words) for number, words in objects.items()]
    for relation in graph.relations:
        words = said(relation.span)
        if relation.subject in place and relation.object in place and (words.any() or relation.span is None):
            nodes.append((RELATION, (place[relation.subject], place[relation.object]), words))
    for number in objects:
        for attribute in graph.objects[number].attributes:
            if (words := said(attribute.span)).any():
                kind = PLACE if _is_place(attribute) else ATTRIBUTE
                nodes.append((kind, (place[number], place[number]), words))
    return _stacked(nodes)


def _stacked(nodes: Sequence[tuple[int, tuple[int, int], Bool[np.ndarray, " p"]]]) -> CaptionNodes:
    kinds, ends, words = zip(*nodes, strict=True)
    return CaptionNodes(np.array(kinds, np.int8), np.array(ends, np.int16), np.stack(words))


def _is_place(attribute: Attribute) -> bool:
    """Whether an attribute is a phrase of place: "on the left", but not the "left" of a left foot."""
    if attribute.span is None or attribute.name not in PLACES:
        return False
    return attribute.span[1] - attribute.span[0] > len(attribute.name)
