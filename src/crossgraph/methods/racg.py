"""RACG: relation-aggregated cross-graph correlation learning (Peng, He, Liu, Cheung, Xu, Cui 2024).

Both sides become graphs of objects and relations. Nodes take in their neighbours, then each node of a pair of graphs
gathers its counterparts on the other side; a relation looks for one that joins the same things the same way round.

    regions, boxes -> RegionNodes --+-> GatedGraphAttention -> nodes
    words, parse   -> WordNodes ----+
    pair of graphs -> CrossGraphEncoder -> MultiHeadAlignment -> score

| module                         | class                  | status             |
|--------------------------------|------------------------|--------------------|
| semantic-embedded graph        | RegionNodes, WordNodes | purpose documented |
| intramodal relations           | GatedGraphAttention    | purpose documented |
| cross-graph relation encoder   | CrossGraphEncoder      | purpose documented |
| feature reconstruction         | Reconstruction         | purpose documented |
| multihead similarity alignment | MultiHeadAlignment     | purpose documented |
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import ClassVar

import torch
from jaxtyping import Float, Int
from pydantic import Field
from torch import Tensor

from crossgraph.encoders.graph_sides import GraphSides
from crossgraph.layers.candidates import candidate_scores, score_by_line
from crossgraph.layers.cross_graph import CrossGraphEncoder, MultiHeadAlignment, Reconstruction
from crossgraph.layers.cross_graph_by_image import CrossedImage, CrossedTexts, cross
from crossgraph.layers.cross_graph_by_line import crossed
from crossgraph.layers.node_explanation import best_matches, explain_nodes
from crossgraph.layers.node_matching import LateInteraction, nodes_of
from crossgraph.layers.shared_rows import by_row
from crossgraph.losses.ranking import RankingLoss
from crossgraph.methods.by_image import ByImage, OneImage, ReadyTexts
from crossgraph.methods.contract import InputSizes, MethodConfig
from crossgraph.methods.settings import GraphMethodConfig
from crossgraph.types import Alignment, Batch, Encoded, ImageBatch, Provenance, TextBatch


class RacgConfig(GraphMethodConfig):
    """Sizes and switches. The switches are the abstract's modules, each of which can be turned off."""

    heads: int = Field(8, gt=0, description="heads of the alignment, and of pooling; 1: plain cosine")
    intra_graph: bool = Field(True, description="nodes take in their neighbours")
    cross_graph: bool = Field(True, description="the cross-graph encoder; off: each node's best match alone")
    reconstruction: bool = Field(True, description="rebuild a node from its counterparts, for matched pairs")
    cross_at_inference: bool = Field(True, description="off: the encoder acts in training only, scores decompose")
    both_directions: bool = Field(True, description="average text-to-picture and picture-to-text alignment")
    sharpness: float = Field(9.0, gt=0, description="inverse temperature of the cross-graph attention")
    late_weight: float = Field(1.0, ge=0, description="weight of the loss of decomposable scores, over the whole batch")
    reconstruction_weight: float = Field(0.1, ge=0, description="weight of the reconstruction loss")


class Racg(ByImage):
    """The whole method: graphs on each side, a cross-graph encoder and a multi-head alignment on each pair."""

    name: ClassVar[str] = "racg"
    config_type: ClassVar[type[MethodConfig]] = RacgConfig
    reranks: ClassVar[bool] = True
    reads_graphs: ClassVar[bool] = True
    ablations: ClassVar[Mapping[str, Mapping[str, object]]] = {
        "no-relations": {"relations": False},
        "no-intra-graph": {"intra_graph": False},
        "no-cross-graph": {"cross_graph": False},
        "no-consistency": {"consistency": False},
        "no-reconstruction": {"reconstruction": False},
        "one-head": {"heads": 1},
        "no-cross-at-inference": {"cross_at_inference": False},
    }
    provenance: ClassVar[tuple[Provenance, ...]] = (
        Provenance(
            "semantic-embedded graph",
            "RegionNodes, WordNodes",
            "purpose documented",
            "abstract: 'semantic-embedded graph to explore both fine-grained objects and their relations of different "
            "media types'; node formulas, geometric picture relations and the parse are ours",
        ),
        Provenance(
            "intramodal relations",
            "GatedGraphAttention",
            "purpose documented",
            "abstract: 'aggregating both intramodal and intermodal relations'; the gated attention is ours",
        ),
        Provenance(
            "cross-graph relation encoder",
            "CrossGraphEncoder",
            "purpose documented",
            "abstract: 'explore the intermodal relation across different modalities'; attention and the consistency "
            "of relations with the objects they join are ours",
        ),
        Provenance(
            "feature reconstruction",
            "Reconstruction",
            "purpose documented",
            "abstract: named, 'to optimize the node-level semantic correspondence'; the loss is ours",
        ),
        Provenance(
            "multihead similarity alignment",
            "MultiHeadAlignment",
            "purpose documented",
            "abstract: named; slices, gate and weights are ours",
        ),
        Provenance("importance of nodes", "LateInteraction", "ours", "not every node counts alike"),
        Provenance("region and word encoders", "GraphSides", "ours", "family default"),
        Provenance("cosine of wholes in the score", "LateInteraction.share", "ours", "what no node says"),
        Provenance("ranking loss", "RankingLoss", "ours", "family default is the hinge"),
        Provenance("late and shortlist losses", "Racg.losses", "ours", "calibrate what decomposes"),
    )

    def __init__(self, config: RacgConfig, sizes: InputSizes) -> None:
        super().__init__(config, sizes)
        self.config = config
        width = config.width
        self.graphs = GraphSides(config, sizes, attributes=False, linked=config.intra_graph)
        self.late = LateInteraction(width, consistent=config.consistency and config.relations)
        crosses = config.cross_graph
        rebuilds = crosses and config.reconstruction and config.reconstruction_weight > 0
        self.cross = (
            CrossGraphEncoder(
                width,
                sharpness=config.sharpness,
                consistent=config.consistency and config.relations,
                bidirectional=config.both_directions or rebuilds,
            )
            if crosses
            else None
        )
        self.align = MultiHeadAlignment(width, heads=config.heads) if crosses else None
        self.rebuild_text, self.rebuild_image = (Reconstruction(width) if rebuilds else None for _ in range(2))
        self.rank = RankingLoss(config.loss, margin=config.margin)
        self.rank_global = RankingLoss(config.loss, margin=config.margin)

    @by_row
    def encode_images(self, images: ImageBatch) -> Encoded:
        """Unit node vectors, objects first, and a unit vector of the whole."""
        return self.graphs.images(images)

    @by_row
    def encode_texts(self, texts: TextBatch) -> Encoded:
        """Unit node vectors, objects first, and a unit vector of the whole."""
        return self.graphs.texts(texts)[0]

    @property
    def crosses(self) -> bool:
        """Whether scores are pairwise; else they decompose into a product of embeddings and best matches."""
        return self.cross is not None and self.config.cross_at_inference

    def score(self, images: Encoded, texts: Encoded) -> Float[Tensor, "n m"]:
        """Pair by pair through the cross-graph encoder; one product and a maximum where it is not used."""
        return super().score(images, texts) if self.crosses else self.late.everywhere(images, texts)

    def score_pairs(self, images: Encoded, texts: Encoded) -> Float[Tensor, " n"]:
        """How well each pair matches."""
        return self.cross_pairs(images, texts) if self.crosses else self.late.pairs(images, texts)

    @property
    def by_image(self) -> bool:
        """Where scores are pairwise; others decompose over everything anyway."""
        return self.crosses

    def ready_texts(self, texts: Encoded) -> ReadyTexts:
        """Captions with how much each node counts."""
        return ReadyTexts(texts, (self.late.weights(texts),))

    def for_captions(self, ready: ReadyTexts) -> OneImage:
        """What scores one picture with these captions, `cross_pairs` kind by kind."""
        return self.among_captions(ready)(torch.arange(len(ready), device=ready.encoded.embedding.device))

    def among_captions(self, ready: ReadyTexts) -> Callable[[Int[Tensor, " m"]], OneImage]:
        """The same of chosen captions; the nodes of all are laid out once."""
        encoder, align, late, both = self.cross, self.align, self.late, self.config.both_directions
        assert encoder is not None
        assert align is not None
        weights, embedding = ready.more[0], ready.encoded.embedding
        texts, total = CrossedTexts.of(ready.encoded, weights, encoder, align, back=both), weights.sum(dim=1)

        def among(captions: Int[Tensor, " m"]) -> OneImage:
            wholes, counted, rows = embedding.index_select(0, captions), total[captions], texts.among(captions)

            def score(image: Encoded) -> Float[Tensor, " m"]:
                crossed = CrossedImage.of(image, encoder)
                found, back, covered = cross(crossed, rows, len(captions), encoder, align)
                if both:
                    found = (found + counted * back / covered.clamp(min=1e-6)) / 2
                return late.share[0] * (wholes @ image.embedding[0]) + late.share[1] * found

            return score

        return among

    def cross_pairs(self, images: Encoded, texts: Encoded) -> Float[Tensor, " n"]:
        """The score with the cross-graph encoder, row by row."""
        assert self.cross is not None
        assert self.align is not None
        regions, words = nodes_of(images)[0], nodes_of(texts)[0]
        looks, looks_back, joined = self.cross.weights(images, texts)
        found = self.align(words, self.cross.image_to_text(looks.mT @ regions))
        if self.cross.consistency_weight is not None:
            found = found + self.cross.consistency_weight * (looks * joined).sum(dim=1)
        weights = self.late.weights(texts)
        if self.config.both_directions:
            assert self.cross.text_to_image is not None
            coverage = looks.amax(dim=2)
            alignment = self.align.of_mixtures(regions, looks_back, self.cross.text_to_image(words))
            back = (alignment * coverage).sum(dim=1) / coverage.sum(dim=1).clamp(min=1e-6)
            # a text node's share of the answer of the other direction, so that both average
            found = (found + back[:, None]) / 2
        whole = (images.embedding * texts.embedding).sum(dim=-1)
        return self.late.combined(whole, found, weights)

    def score_chosen(
        self, images: Encoded, texts: Encoded, rows: Int[Tensor, " k"], columns: Int[Tensor, " k"]
    ) -> Float[Tensor, " k"]:
        """`cross_pairs` of picture rows[i] with caption columns[i], a picture with several captions at once."""
        return score_by_line(self._cross_lines, images, texts, rows, columns)

    def _cross_lines(
        self, images: Encoded, texts: Encoded, rows: Int[Tensor, " k"], columns: Int[Tensor, " k"]
    ) -> Float[Tensor, " k"]:
        assert self.cross is not None
        assert self.align is not None
        weights, both = self.late.weights(texts), self.config.both_directions
        found, back, covered = crossed(images, texts, rows, columns, weights, self.cross, self.align, back=both)
        if both:
            found = (found + weights.sum(dim=1)[columns] * back / covered.clamp(min=1e-6)) / 2
        whole = (images.embedding @ texts.embedding.T)[rows, columns]
        return self.late.share[0] * whole + self.late.share[1] * found

    def losses(self, batch: Batch, phase: str = "joint") -> dict[str, Float[Tensor, ""]]:
        """Ranking losses of the pair scores, the late scores and the wholes; reconstruction of matched pairs."""
        images, texts = self.encode_images(batch.images), self.encode_texts(batch.texts)
        links, config = batch.caption_image, self.config
        coarse, late = images.embedding @ texts.embedding.T, self.late.everywhere(images, texts)
        losses = {
            "global": config.global_weight * self.rank_global(coarse, links, hardness=batch.hardness),
            "late": config.late_weight * self.rank(late, links, hardness=batch.hardness),
        }
        if self.cross is not None:
            fine = candidate_scores(self.score_chosen, images, texts, late.detach(), links, count=config.candidates)
            losses["cross"] = self.rank(fine, links, hardness=batch.hardness)
        if self.rebuild_text is not None:
            losses["reconstruction"] = config.reconstruction_weight * self.reconstruction(images[links], texts)
        return losses

    def reconstruction(self, images: Encoded, texts: Encoded) -> Float[Tensor, ""]:
        """How badly the nodes of matched pairs, row by row, can be rebuilt from what they see on the other side.

        A picture node counts by how much any word looks at it: what nobody mentions need not be rebuilt.
        """
        assert self.cross is not None
        assert self.cross.text_to_image is not None
        assert self.rebuild_text is not None
        assert self.rebuild_image is not None
        regions, words = nodes_of(images)[0], nodes_of(texts)[0]
        looks, looks_back, _ = self.cross.weights(images, texts)
        counts, coverage = self.late.weights(texts).detach(), looks.amax(dim=2).detach()
        for_text = self.cross.image_to_text(looks.mT @ regions)
        of_text: Tensor = self.rebuild_text(words, None, for_text, counts)
        of_image: Tensor = self.rebuild_image(regions, looks_back, self.cross.text_to_image(words), coverage)
        return of_text + of_image

    def explain(self, images: ImageBatch, texts: TextBatch) -> Alignment:
        """Which node of the caption looked at which of the picture, spread over words and regions."""
        image, (text, graph) = self.encode_images(images), self.graphs.texts(texts)
        encoder, likeness = self.cross if self.crosses else None, self.late.likeness(image, text)
        looks = best_matches(image, text, likeness) if encoder is None else encoder.weights(image, text)[0]
        return explain_nodes(
            images,
            texts,
            nodes_of(image)[1],
            graph,
            looks,
            likeness=likeness,
            weights=self.late.share[1] * self.late.weights(text),
            score=self.score_pairs(image, text),
        )
