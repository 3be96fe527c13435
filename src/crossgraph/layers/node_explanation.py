"""What matched nodes say about words and regions: the common part of every scene-graph explanation."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from crossgraph.layers.node_matching import comparable, nodes_of
from crossgraph.types import RELATION, Alignment, Encoded, ImageBatch, NodeBatch, NodeMatch, TextBatch, TextGraphs

KINDS = ("object", "attribute", "relation")


def region_shares(nodes: NodeBatch, regions: int) -> Float[Tensor, "v r"]:
    """Where the nodes of one picture are: an object at its region, a relation half at either end."""
    shares = torch.zeros(nodes.mask.shape[1], regions)
    ends = nodes.ends[0].cpu()
    for end in (0, 1):
        shares.scatter_add_(1, ends[:, end : end + 1], torch.full((len(ends), 1), 0.5))
    return shares * nodes.mask[0].cpu()[:, None]


def words_over_regions(
    looks: Float[Tensor, "v w"], found: Float[Tensor, " w"], graph: TextGraphs, images: NodeBatch, *, regions: int
) -> tuple[Float[Tensor, "r p"], Float[Tensor, " p"]]:
    """Node attention of one pair spread over words and regions, and how well each word was found.

    `looks` says how text node w looks at picture node v, `found` how well it was found. A word that several nodes say
    gets their mean; one that none says looks nowhere (zeros) and is found 0.
    """
    said = (graph.words[0] & graph.nodes.mask[0][:, None]).to(looks.dtype).cpu()
    places = region_shares(images, regions).T @ looks.cpu() @ said
    counts = said.sum(dim=0).clamp(min=1)
    return places / places.sum(dim=0, keepdim=True).clamp(min=1e-12), (found.cpu() @ said) / counts


def best_matches(images: Encoded, texts: Encoded, likeness: Float[Tensor, "n v w"]) -> Float[Tensor, "n v w"]:
    """One weight of 1 per text node, on the picture node of its kind that is most like it; row by row."""
    allowed = comparable(nodes_of(images)[1], nodes_of(texts)[1])
    best = likeness.masked_fill(~allowed, torch.finfo(likeness.dtype).min).argmax(dim=1, keepdim=True)
    return torch.zeros_like(likeness).scatter(1, best, 1.0) * allowed


def explain_nodes(
    images: ImageBatch,
    texts: TextBatch,
    image_nodes: NodeBatch,
    graph: TextGraphs,
    looks: Float[Tensor, "1 v w"],
    *,
    likeness: Float[Tensor, "1 v w"],
    weights: Float[Tensor, "1 w"],
    score: Float[Tensor, 1],
) -> Alignment:
    """The alignment of one picture and one caption from how text nodes looked at picture nodes.

    A node is found as well as the mean likeness of where it looked; times its weight, that is its contribution.
    """
    seen = looks[0]
    found = (seen * likeness[0]).sum(dim=0)
    spread, word_scores = words_over_regions(seen, found, graph, image_nodes, regions=images.boxes.shape[1])
    return Alignment(
        words=texts.words[0],
        boxes=images.boxes[0],
        weights=spread,
        word_scores=word_scores,
        score=float(score[0]),
        matches=_matches(seen, found, weights[0] * found, texts.words[0], graph, image_nodes, images.boxes[0]),
    )


def _matches(
    looks: Float[Tensor, "v w"],
    found: Float[Tensor, " w"],
    contributions: Float[Tensor, " w"],
    words: tuple[str, ...],
    graph: TextGraphs,
    images: NodeBatch,
    boxes: Float[Tensor, "r 4"],
) -> tuple[NodeMatch, ...]:
    """Each text node of one pair with where it looked most, in the order of the caption's graph."""

    def said(node: int) -> str:
        return " ".join(words[place] for place in graph.words[0, node].nonzero()[:, 0].tolist())

    matches = []
    for node in graph.nodes.mask[0].nonzero()[:, 0].tolist():
        kind, ends = int(graph.nodes.kinds[0, node]), graph.nodes.ends[0, node].tolist()
        # a relation to the frame has its one thing at both ends
        chain = tuple(dict.fromkeys((ends[0], node, ends[1]))) if kind == RELATION else (node,)
        text = " · ".join(filter(None, map(said, chain)))
        seen = int(looks[:, node].argmax())
        places = dict.fromkeys(images.ends[0, seen].tolist()) if looks[seen, node] > 0 else {}
        found_at = tuple((x1, y1, x2, y2) for x1, y1, x2, y2 in (boxes[place].tolist() for place in places))
        matches.append(NodeMatch(KINDS[kind], text, found_at, float(found[node]), float(contributions[node])))
    return tuple(matches)
