"""How well the nodes of two scene graphs match: cosines of like with like, and relations by what they join."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from crossgraph.errors import ModelError
from crossgraph.layers.graph_nodes import gather_nodes
from crossgraph.layers.node_stretches import stretches
from crossgraph.layers.products import widened
from crossgraph.types import ATTRIBUTE, OBJECT, RELATION, Encoded, NodeBatch


def nodes_of(encoded: Encoded) -> tuple[Float[Tensor, "n v d"], NodeBatch]:
    """Node vectors and what they are; raises `ModelError` for an encoding without nodes."""
    if encoded.parts is None or encoded.nodes is None:
        raise ModelError("graphs are scored, but an encoding without nodes was given; encode with the same method.")
    return encoded.parts, encoded.nodes


def comparable(images: NodeBatch, texts: NodeBatch) -> Bool[Tensor, "n v w"]:
    """Which node of picture i may match which of caption i: both real, and both relations or both not.

    Pictures have no nodes for attributes, so an attribute matches objects.
    """
    alike = (images.kinds == RELATION)[:, :, None] == (texts.kinds == RELATION)[:, None, :]
    return alike & images.mask[:, :, None] & texts.mask[:, None, :]


def consistency(cosines: Float[Tensor, "n v w"], images: NodeBatch, texts: NodeBatch) -> Float[Tensor, "n v w"]:
    """What nodes that hang on others have in common by those: the mean cosine of their ends; elsewhere 0.

    Of two relations it is the mean over their subjects and their objects: "a dog chases a cat" and "a cat chases a dog"
    name the same things, and only this tells whether they are joined alike. Of an object of the picture and an
    attribute it is the cosine of the object with the attribute's owner: "red" is to be found where the car is.
    """
    total = torch.zeros_like(cosines)
    for end in (0, 1):
        left, right = images.ends[..., end], texts.ends[..., end]
        rows = cosines.gather(1, left[..., None].expand(-1, -1, cosines.shape[2]))
        total = total + rows.gather(2, right[:, None, :].expand(-1, cosines.shape[1], -1))
    relations = images.of_kind(RELATION)[:, :, None] & texts.of_kind(RELATION)[:, None, :]
    owned = images.of_kind(OBJECT)[:, :, None] & texts.of_kind(ATTRIBUTE)[:, None, :]
    return total / 2 * (relations | owned)


class LateInteraction(nn.Module):
    """The decomposable score of two graphs: cosine of the wholes, and the best match of every text node by importance.

    Products of item vectors and a maximum, so a whole gallery can be scored at once. With `consistent`, relations and
    attributes match by their own cosine plus `consistency_weight` (learned, from 1) times their `consistency`. A node
    whose kind the picture lacks finds 0; a caption whose graph is empty is scored by the whole alone.
    """

    def __init__(self, width: int, *, consistent: bool) -> None:
        super().__init__()
        self.importance = nn.Linear(width, 1, bias=False)
        self.share = nn.Parameter(torch.ones(2))
        self.consistency_weight = nn.Parameter(torch.tensor(1.0)) if consistent else None

    def weights(self, texts: Encoded) -> Float[Tensor, "m w"]:
        """How much each text node counts: positive, summing to 1 over real nodes; zeros for an empty graph."""
        words, nodes = nodes_of(texts)
        logits = self.importance(widened(words)).squeeze(-1)
        shares: Tensor = logits.masked_fill(~nodes.mask, torch.finfo(logits.dtype).min).softmax(dim=-1) * nodes.mask
        return shares

    def combined(
        self, wholes: Float[Tensor, "*pairs"], found: Float[Tensor, "*pairs w"], weights: Float[Tensor, "m w"]
    ) -> Float[Tensor, "*pairs"]:
        """The score from the cosine of the wholes and from how well each text node was found."""
        scores: Tensor = self.share[0] * wholes + self.share[1] * (found * weights).sum(dim=-1)
        return scores

    def everywhere(self, images: Encoded, texts: Encoded) -> Float[Tensor, "n m"]:
        """All pictures with all captions: only real nodes of captions are compared, with nodes of their kind."""
        (regions, image_nodes), (words, text_nodes) = nodes_of(images), nodes_of(texts)
        n, (m, w) = len(images), text_nodes.mask.shape
        found = torch.zeros(n, m * w, dtype=regions.dtype, device=regions.device)
        others, relations = stretches(regions, image_nodes)
        for kind in (OBJECT, ATTRIBUTE, RELATION):
            rows, places = text_nodes.of_kind(kind).nonzero(as_tuple=True)
            shown = relations if kind == RELATION else others
            if not len(rows) or not bool(shown.real.any()):
                continue
            likeness = shown.vectors @ words[rows, places].T
            if self.consistency_weight is not None and kind != OBJECT:
                for end in (0, 1):
                    cosines = others.vectors @ words[rows, text_nodes.ends[rows, places, end]].T
                    joined = cosines if kind == ATTRIBUTE else gather_nodes(cosines, shown.ends[..., end])
                    likeness = likeness + self.consistency_weight / 2 * joined
            unreal = shown.unreal
            if unreal is None:
                best = likeness.amax(dim=1)
            else:
                best = likeness.masked_fill(unreal[..., None], torch.finfo(likeness.dtype).min).amax(dim=1)
                best = best * shown.real.any(dim=1)[:, None]
            found = found.index_copy(1, rows * w + places, best)
        return self.combined(images.embedding @ texts.embedding.T, found.view(n, m, w), self.weights(texts))

    def pairs(
        self, images: Encoded, texts: Encoded, likeness: Float[Tensor, "n v w"] | None = None
    ) -> Float[Tensor, " n"]:
        """The same row by row; the `likeness` of all nodes is given where it is known."""
        likeness = self.likeness(images, texts) if likeness is None else likeness
        allowed = comparable(nodes_of(images)[1], nodes_of(texts)[1])
        best = likeness.masked_fill(~allowed, torch.finfo(likeness.dtype).min).amax(dim=1)
        found = torch.where(allowed.any(dim=1), best, torch.zeros_like(best))
        return self.combined((images.embedding * texts.embedding).sum(dim=-1), found, self.weights(texts))

    def likeness(self, images: Encoded, texts: Encoded) -> Float[Tensor, "n v w"]:
        """How well every node of picture i matches every node of caption i, comparable or not; row by row."""
        (regions, image_nodes), (words, text_nodes) = nodes_of(images), nodes_of(texts)
        cosines = regions @ words.mT
        return (
            cosines
            if self.consistency_weight is None
            else cosines + self.consistency_weight * consistency(cosines, image_nodes, text_nodes)
        )
