"""Scene graphs of captions as padded tensors: nodes, their ends, and which words say them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from crossgraph.data.text import WORD, normalise
from crossgraph.graphs.scene_graph import SceneGraph, Span
from crossgraph.types import ATTRIBUTE, OBJECT, RELATION, NodeBatch, TextGraphs


@dataclass(frozen=True)
class _Node:
    kind: int
    ends: tuple[int, int]
    words: tuple[int, ...]


def word_spans(sentence: str) -> list[Span]:
    """Where the words of `tokenize` stand in the normalised sentence."""
    return [match.span() for match in WORD.finditer(normalise(sentence))]


def batch_graphs(captions: Sequence[str], graphs: Sequence[SceneGraph], *, lengths: Sequence[int]) -> TextGraphs:
    """The graphs of `captions` padded to the largest: objects first, then relations, then attributes.

    `lengths[j]` is how many words of caption j were kept; what only later words say is left out. A caption in which
    no object was found gets one object that all its words say, so that it can be matched at all.
    """
    rows = [_nodes(caption, graph, kept) for caption, graph, kept in zip(captions, graphs, lengths, strict=True)]
    width, longest = max(map(len, rows), default=0), max(lengths, default=0)
    kinds = torch.zeros(len(rows), width, dtype=torch.long)
    ends = torch.zeros(len(rows), width, 2, dtype=torch.long)
    mask = torch.zeros(len(rows), width, dtype=torch.bool)
    words = torch.zeros(len(rows), width, longest, dtype=torch.bool)
    for row, nodes in enumerate(rows):
        for place, node in enumerate(nodes):
            kinds[row, place], mask[row, place] = node.kind, True
            ends[row, place] = torch.tensor(node.ends)
            words[row, place, list(node.words)] = True
    return TextGraphs(NodeBatch(kinds, ends, mask), words)


def _nodes(caption: str, graph: SceneGraph, kept: int) -> list[_Node]:
    spans = word_spans(caption)[:kept]
    said = {number: found for number, thing in enumerate(graph.objects) if (found := _words(thing.span, spans))}
    if not said:
        return [_Node(OBJECT, (0, 0), tuple(range(kept)))]
    place = {number: position for position, number in enumerate(said)}
    nodes = [_Node(OBJECT, (place[number], place[number]), words) for number, words in said.items()]
    for relation in graph.relations:
        if relation.subject in place and relation.object in place:
            joined = (place[relation.subject], place[relation.object])
            nodes.append(_Node(RELATION, joined, _words(relation.span, spans)))
    for number in said:
        for attribute in graph.objects[number].attributes:
            if found := _words(attribute.span, spans):
                nodes.append(_Node(ATTRIBUTE, (place[number], place[number]), found))
    return nodes


def _words(span: Span | None, spans: Sequence[Span]) -> tuple[int, ...]:
    """The positions of the words that a span touches."""
    if span is None:
        return ()
    return tuple(place for place, (start, end) in enumerate(spans) if start < span[1] and end > span[0])
