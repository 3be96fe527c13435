"""Scene graphs of captions as padded tensors: nodes, their ends, and which words say them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from crossgraph.data.graphs.caption_graphs import words_of_span
from crossgraph.graphs.meanings import PLACES
from crossgraph.graphs.scene_graph import Attribute, SceneGraph, Span
from crossgraph.types import ATTRIBUTE, OBJECT, PLACE, RELATION, NodeBatch, TextGraphs


@dataclass(frozen=True)
class _Node:
    kind: int
    ends: tuple[int, int]
    words: tuple[int, ...]


def batch_graphs(captions: Sequence[str], graphs: Sequence[SceneGraph], *, lengths: Sequence[int]) -> TextGraphs:
    """The graphs of `captions` padded to the largest: objects first, then relations, then attributes and places.

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
    def words(span: Span | None) -> tuple[int, ...]:
        found = () if span is None else words_of_span(caption, span)
        return tuple(place for place in found if place < kept)

    said = {number: found for number, thing in enumerate(graph.objects) if (found := words(thing.span))}
    if not said:
        return [_Node(OBJECT, (0, 0), tuple(range(kept)))]
    place = {number: position for position, number in enumerate(said)}
    nodes = [_Node(OBJECT, (place[number], place[number]), found) for number, found in said.items()]
    for relation in graph.relations:
        found = words(relation.span)
        if relation.subject in place and relation.object in place and (found or relation.span is None):
            nodes.append(_Node(RELATION, (place[relation.subject], place[relation.object]), found))
    for number in said:
        for attribute in graph.objects[number].attributes:
            if found := words(attribute.span):
                nodes.append(_Node(PLACE if _is_place(attribute) else ATTRIBUTE, (place[number], place[number]), found))
    return nodes


def _is_place(attribute: Attribute) -> bool:
    """Whether an attribute is a phrase of place: "on the left", but not the "left" of a left foot."""
    if attribute.span is None or attribute.name not in PLACES:
        return False
    return attribute.span[1] - attribute.span[0] > len(attribute.name)
