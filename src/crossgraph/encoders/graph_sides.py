"""The trainable first layers of the scene-graph methods: both sides as nodes in their graphs, and as one vector."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from crossgraph.encoders.gru import WordEncoder, WordSettings
from crossgraph.encoders.region_names import part_projection
from crossgraph.encoders.widths import ItemWidths
from crossgraph.errors import ModelError
from crossgraph.layers.graph_attention import GatedGraphAttention
from crossgraph.layers.graph_nodes import RegionNodes, WordNodes
from crossgraph.layers.pooling import HeadPooling, masked_mean
from crossgraph.layers.projection import ResidualProjection
from crossgraph.layers.unit_rows import unit_rows
from crossgraph.types import Encoded, ImageBatch, NodeBatch, TextBatch, TextGraphs


@runtime_checkable
class GraphSettings(WordSettings, Protocol):
    """The settings of a method that its graphs have to know."""

    @property
    def heads(self) -> int: ...

    @property
    def neighbours(self) -> int: ...

    @property
    def relations(self) -> bool: ...

    @property
    def region_names(self) -> bool: ...


class GraphSides(nn.Module):
    """Pictures and captions as graphs of unit node vectors, objects first, and one unit vector for each whole.

    `attributes` says whether captions have nodes for them (`settings.relations` says it of relations); with `linked`,
    nodes take in their neighbours once; `joined` is where the gates of relations start (`Relate`). A whole is its
    pooled parts, what is known of it otherwise, and its mean node.
    """

    def __init__(
        self,
        settings: GraphSettings,
        sizes: ItemWidths,
        *,
        attributes: bool,
        linked: bool,
        joined: float = 0.1,
    ) -> None:
        super().__init__()
        width, relations = settings.width, settings.relations
        self.image_proj = part_projection(sizes, width, dropout=settings.dropout, named=settings.region_names)
        self.whole_proj = ResidualProjection(sizes.whole_width, width, dropout=settings.dropout)
        self.word_encoder = WordEncoder.of(settings, sizes)
        self.pool_image, self.pool_text = (HeadPooling(width, heads=settings.heads) for _ in range(2))
        self.region_nodes = RegionNodes(width, neighbours=settings.neighbours if relations else 0, joined=joined)
        self.word_nodes = WordNodes(width, relations=relations, attributes=attributes, joined=joined)
        self.link_image = GatedGraphAttention(width) if linked and relations else None
        self.link_text = GatedGraphAttention(width) if linked and (relations or attributes) else None

    def images(self, images: ImageBatch) -> Encoded:
        """Every picture; regions are its objects."""
        regions = self.image_proj(images.parts)
        whole = self.pool_image(regions, images.mask) + self.whole_proj(images.whole)
        vectors, nodes = self.region_nodes(regions, images.boxes, images.mask)
        if self.link_image is not None:
            vectors = self.link_image(vectors, nodes)
        return _encoded(vectors, nodes, whole)

    def texts(self, texts: TextBatch) -> tuple[Encoded, TextGraphs]:
        """Every caption, and which words say each of its nodes. Raises `ModelError` for captions without graphs."""
        if texts.graphs is None:
            raise ModelError("this method reads scene graphs, but the captions came without; parse them first.")
        words = self.word_encoder(texts)
        whole = self.pool_text(words, texts.mask) + masked_mean(words, texts.mask)
        vectors, graphs = self.word_nodes(words, texts.graphs)
        if self.link_text is not None:
            vectors = self.link_text(vectors, graphs.nodes)
        return _encoded(vectors, graphs.nodes, whole), graphs


def _encoded(vectors: Float[Tensor, "n v d"], nodes: NodeBatch, whole: Float[Tensor, "n d"]) -> Encoded:
    embedding = F.normalize(whole + masked_mean(vectors, nodes.mask), dim=-1)
    return Encoded(embedding, unit_rows(vectors, nodes.mask), nodes.mask, nodes)
