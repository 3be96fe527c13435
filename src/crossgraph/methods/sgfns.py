"""SGFNS: scene graph fusion and negative sample generation strategy (Wang, Yang, Wang, Xu, Dong 2025).

Both sides become scene graphs. A pair's two graphs are joined by explicit edges between nodes that match, and only
along those do they exchange what they know. Training adds captions edited to be false and pictures that lack
what tells them from a look-alike, with a loss of their own. That loss compares how much the true sentence is
preferred with its picture and with others: edited sentences read unlike written ones, which alone wins a plain choice.

    regions, boxes -> RegionNodes -> GatedGraphAttention --+-> base score (decomposes) --+
    words, parse   -> WordNodes   -> GatedGraphAttention --+-> FusionGraph (pairwise) ---+-> score

| module                      | class                                       | status             |
|-----------------------------|---------------------------------------------|--------------------|
| scene graphs of both sides  | RegionNodes, WordNodes, GatedGraphAttention | purpose documented |
| explicit scene graph fusion | FusionGraph                                 | purpose documented |
| negative sample generation  | graphs.negatives, Sgfns.visual_negatives    | purpose documented |
| extra loss                  | losses.generated                            | purpose documented |
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import ClassVar, Literal

import torch
from jaxtyping import Bool, Float, Int
from pydantic import Field
from torch import Tensor

from crossgraph.encoders.graph_sides import GraphSides
from crossgraph.graphs.negatives import Kind
from crossgraph.layers.candidates import candidate_scores, companions, score_by_line, score_in_blocks
from crossgraph.layers.fusion_by_image import FusedImage, FusedTexts, fuse
from crossgraph.layers.fusion_by_line import fused
from crossgraph.layers.fusion_graph import FusionGraph
from crossgraph.layers.graph_nodes import gather_nodes
from crossgraph.layers.node_explanation import best_matches, explain_nodes
from crossgraph.layers.node_matching import LateInteraction, comparable, nodes_of
from crossgraph.layers.shared_rows import by_row
from crossgraph.losses.generated import even_choice, false_caption_choice, false_caption_hinge, preference_contrast
from crossgraph.losses.matching import positive_scores
from crossgraph.losses.ranking import RankingLoss
from crossgraph.methods.by_image import ByImage, OneImage, ReadyTexts
from crossgraph.methods.contract import InputSizes, MethodConfig
from crossgraph.methods.settings import GraphMethodConfig
from crossgraph.types import (
    OBJECT,
    Alignment,
    Batch,
    Encoded,
    ImageBatch,
    NodeBatch,
    Provenance,
    TextBatch,
    stack_encoded,
)

Negatives = Literal["none", "swap", "attr", "similar", "borrowed", "edits", "all"]

EDITS: dict[Negatives, frozenset[Kind]] = {
    "none": frozenset(),
    "swap": frozenset({"swap", "predicate"}),
    "attr": frozenset({"attribute"}),
    "similar": frozenset({"similar"}),
    "borrowed": frozenset({"borrowed"}),
    "edits": frozenset({"swap", "predicate", "attribute"}),
    "all": frozenset({"swap", "predicate", "attribute", "similar"}),
}
"""What each choice edits in captions (`graphs.negatives`)."""


class SgfnsConfig(GraphMethodConfig):
    """Sizes and switches. The switches are the abstract's modules, each of which can be turned off."""

    attributes: bool = Field(True, description="attribute nodes of captions; off: attributes inside objects only")
    joined: float = Field(0.1, description="start of the gate by which a relation takes in what it joins")
    fusion: bool = Field(True, description="the fusion graph; off: the decomposable base score alone")
    negatives: Negatives = Field(
        "all",
        description="captions edited to be false: subject and object exchanged or a predicate replaced (swap), "
        "attributes exchanged (attr), both of these (edits), a look-alike's phrase, and pictures changed towards it "
        "(similar), the look-alike's own captions (borrowed), or all but the last",
    )
    neg_loss: Literal["hinge", "ce", "contrast"] = Field(
        "contrast",
        description="margin, softmax over a caption and its edits, or how much more the true one is preferred than "
        "with other pictures, which no bias of the sentence wins",
    )
    neg_share: float = Field(
        1.0, gt=0, le=1, description="share of captions that are edited: edits must be parsed and encoded"
    )
    neg_others: int = Field(2, ge=1, description="other pictures, or captions, of its contrast; half the most alike")
    neg_even: float = Field(1.0, ge=0, description="weight of no preference with other pictures, beside the contrast")
    visual: Literal["lacking", "replaced"] = Field(
        "lacking", description="visual negatives lack regions, or have the look-alike's nearest in their place"
    )
    neg_weight: float = Field(1.0, ge=0, description="weight of the loss of generated negatives")
    neg_margin: float = Field(0.2, description="of its hinge")
    top: int = Field(2, ge=1, description="cross edges of a text node: to so many best matches")
    threshold: float = Field(0.1, ge=-1, description="least likeness of a cross edge: cosine, and what relations join")
    region_dropout: float = Field(
        0.25, gt=0, lt=1, description="share of a picture's regions that a visual negative lacks"
    )
    base_weight: float = Field(1.0, ge=0, description="weight of the loss of the base score, over the whole batch")


class Sgfns(ByImage):
    """The whole method: graphs on each side, a decomposable base score, an explicit fusion graph on each pair."""

    name: ClassVar[str] = "sgfns"
    config_type: ClassVar[type[MethodConfig]] = SgfnsConfig
    reranks: ClassVar[bool] = True
    reads_graphs: ClassVar[bool] = True
    ablations: ClassVar[Mapping[str, Mapping[str, object]]] = {
        "no-relations": {"relations": False},
        "no-attributes": {"attributes": False},
        "no-consistency": {"consistency": False},
        "no-fusion": {"fusion": False},
        "no-negatives": {"negatives": "none"},
        "swap-negatives": {"negatives": "swap"},
        "attr-negatives": {"negatives": "attr"},
        "similar-negatives": {"negatives": "similar"},
        "borrowed-negatives": {"negatives": "borrowed"},
        "edits-negatives": {"negatives": "edits"},
        "replaced-regions": {"visual": "replaced"},
        "neg-loss-hinge": {"neg_loss": "hinge"},
        "neg-loss-ce": {"neg_loss": "ce"},
        "no-even-choice": {"neg_even": 0.0},
        "no-relations-no-negatives": {"relations": False, "negatives": "none"},
        "no-consistency-no-negatives": {"consistency": False, "negatives": "none"},
    }
    provenance: ClassVar[tuple[Provenance, ...]] = (
        Provenance(
            "scene graphs of both sides",
            "RegionNodes, WordNodes, GatedGraphAttention",
            "purpose documented",
            "abstract: 'scene graph-based approach'; node formulas, geometric picture relations, the parse and the "
            "gates are ours",
        ),
        Provenance(
            "explicit scene graph fusion",
            "FusionGraph",
            "purpose documented",
            "abstract: 'explicitly model fine-grained semantic information in images and texts'; the edges, one "
            "attention layer and the read-outs are ours",
        ),
        Provenance(
            "negative sample generation",
            "graphs.negatives, Sgfns.visual_negatives",
            "purpose documented",
            "abstract: 'negative sample generation strategy' for 'insignificant features of similar images'; that "
            "captions are edited or borrowed, pictures lose or exchange regions, and every rule of it are ours",
        ),
        Provenance(
            "extra loss",
            "losses.generated",
            "purpose documented",
            "abstract: 'an extra loss function to effectively incorporate negative samples'; its forms are ours: "
            "hinge, choice, and the contrast of preferences with what they are elsewhere",
        ),
        Provenance("base score", "LateInteraction", "ours", "late interaction of nodes, and cosine of wholes"),
        Provenance("consistency of relations", "LateInteraction.consistency_weight", "ours", "by what they join"),
        Provenance("importance of nodes", "LateInteraction", "ours", "not every node counts alike"),
        Provenance("region and word encoders", "GraphSides", "ours", "family default"),
        Provenance("ranking loss", "RankingLoss", "ours", "family default is the hinge"),
        Provenance("base and shortlist losses", "Sgfns.losses", "ours", "calibrate what decomposes"),
    )

    def __init__(self, config: SgfnsConfig, sizes: InputSizes) -> None:
        super().__init__(config, sizes)
        self.config = config
        width = config.width
        self.graphs = GraphSides(config, sizes, attributes=config.attributes, linked=True, joined=config.joined)
        self.base = LateInteraction(width, consistent=config.consistency and config.relations)
        self.fuse = FusionGraph(width, top=config.top, threshold=config.threshold) if config.fusion else None
        self.rank = RankingLoss(config.loss, margin=config.margin)
        self.rank_global = RankingLoss(config.loss, margin=config.margin)

    @property
    def edits(self) -> frozenset[Kind]:
        """The kinds of false captions that `negatives` asks for."""
        return EDITS[self.config.negatives]

    @property
    def edited_share(self) -> float:
        """`neg_share`."""
        return self.config.neg_share

    @by_row
    def encode_images(self, images: ImageBatch) -> Encoded:
        """Unit node vectors, objects first, and a unit vector of the whole."""
        return self.graphs.images(images)

    @by_row
    def encode_texts(self, texts: TextBatch) -> Encoded:
        """Unit node vectors, objects first, and a unit vector of the whole."""
        return self.graphs.texts(texts)[0]

    def score(self, images: Encoded, texts: Encoded) -> Float[Tensor, "n m"]:
        """Pair by pair through the fusion graph; one product and a maximum without it."""
        return self.base.everywhere(images, texts) if self.fuse is None else super().score(images, texts)

    def score_pairs(self, images: Encoded, texts: Encoded) -> Float[Tensor, " n"]:
        """The base score of each pair, and what the fused graph adds."""
        likeness = self.base.likeness(images, texts)
        base = self.base.pairs(images, texts, likeness)
        return base if self.fuse is None else base + self.fuse(images, texts, likeness)

    @property
    def by_image(self) -> bool:
        """With the fusion graph; the base score decomposes over everything anyway."""
        return self.fuse is not None

    def ready_texts(self, texts: Encoded) -> ReadyTexts:
        """Captions with how much each node counts."""
        return ReadyTexts(texts, (self.base.weights(texts),))

    def for_captions(self, ready: ReadyTexts) -> OneImage:
        """What scores one picture with these captions, kind by kind."""
        return self.among_captions(ready)(torch.arange(len(ready), device=ready.encoded.embedding.device))

    def among_captions(self, ready: ReadyTexts) -> Callable[[Int[Tensor, " m"]], OneImage]:
        """The same of chosen captions; the nodes of all are laid out once."""
        fusion, base, embedding = self.fuse, self.base, ready.encoded.embedding
        assert fusion is not None
        texts, beta = FusedTexts.of(ready.encoded, ready.more[0], fusion), base.consistency_weight
        question = fusion.question()

        def among(captions: Int[Tensor, " m"]) -> OneImage:
            wholes, blocks = embedding.index_select(0, captions), texts.among(captions)

            def score(image: Encoded) -> Float[Tensor, " m"]:
                fused = FusedImage.of(image, question)
                parts = [fuse(fused, rows, fusion, beta=beta) for rows in blocks]
                found, added = (torch.cat(some) for some in zip(*parts, strict=True))
                return base.share[0] * (wholes @ image.embedding[0]) + base.share[1] * found + added

            return score

        return among

    def says_enough(self, texts: Encoded) -> Bool[Tensor, " m"]:
        """Captions of two nodes or more: one thing alone is found better by wholes (`docs/log.md`), and a sentence in
        another language has no nodes."""
        return nodes_of(texts)[1].mask.sum(dim=1) > 1

    def losses(self, batch: Batch, phase: str = "joint") -> dict[str, Float[Tensor, ""]]:
        """Ranking losses of the pair scores, the base scores and the wholes; the extra loss of generated negatives."""
        images, texts = self.encode_images(batch.images), self.encode_texts(batch.texts)
        links, config = batch.caption_image, self.config
        coarse, base = images.embedding @ texts.embedding.T, self.base.everywhere(images, texts)
        losses = {
            "global": config.global_weight * self.rank_global(coarse, links, hardness=batch.hardness),
            "base": config.base_weight * self.rank(base, links, hardness=batch.hardness),
        }
        true = None
        if self.fuse is not None:
            fine = candidate_scores(self.score_chosen, images, texts, base.detach(), links, count=config.candidates)
            losses["fused"], true = self.rank(fine, links, hardness=batch.hardness), positive_scores(fine, links)
        if config.negatives != "none":
            true = self.score_pairs(images[links], texts) if true is None else true
            losses["negatives"] = config.neg_weight * self._against_negatives(batch, images, texts, true)
        return losses

    def score_chosen(
        self, images: Encoded, texts: Encoded, rows: Int[Tensor, " k"], columns: Int[Tensor, " k"]
    ) -> Float[Tensor, " k"]:
        """`score_pairs` of picture rows[i] with caption columns[i], a picture with several captions at once."""
        if self.fuse is None:
            return score_in_blocks(self.score_pairs, images, texts, rows, columns)
        return score_by_line(self._fuse_lines, images, texts, rows, columns)

    def _fuse_lines(
        self, images: Encoded, texts: Encoded, rows: Int[Tensor, " k"], columns: Int[Tensor, " k"]
    ) -> Float[Tensor, " k"]:
        assert self.fuse is not None
        base, weights = self.base, self.base.weights(texts)
        found, added = fused(images, texts, rows, columns, weights, self.fuse, beta=base.consistency_weight)
        whole = (images.embedding @ texts.embedding.T)[rows, columns]
        return base.share[0] * whole + base.share[1] * found + added

    def _against_negatives(
        self, batch: Batch, images: Encoded, texts: Encoded, true: Float[Tensor, " m"]
    ) -> Float[Tensor, ""]:
        """The extra loss: a picture against false captions, and a caption against its picture without regions; `true`
        are the scores of captions with their own pictures."""
        links, contrast = batch.caption_image, self.config.neg_loss == "contrast"
        loss = true.sum() * 0.0
        if (edits := batch.negative_captions) is not None and len(edits.texts):
            false_texts, rows = self.encode_texts(edits.texts), links[edits.caption]
            false, elsewhere = self._elsewhere(images, texts, false_texts, rows, edits.caption)
            if contrast:
                loss = loss + self._contrast(true[edits.caption] - false, elsewhere, even=self.config.neg_even)
            else:
                loss = loss + self._negative_loss(true, false, edits.caption)
        if self.config.negatives in ("similar", "all") and len(batch.images) > 1:
            changed = self.visual_negatives(images, texts, links)
            false, otherwise = self._otherwise(images, changed, texts, links)
            if contrast:
                loss = loss + self._contrast(true - false, otherwise, even=0.0)
            else:
                loss = loss + self._negative_loss(true, false, torch.arange(len(true), device=true.device))
        return loss

    def _contrast(self, own: Float[Tensor, " k"], elsewhere: Float[Tensor, "k j"], *, even: float) -> Float[Tensor, ""]:
        """The loss of preferences against the same ones elsewhere; 0 where there is no elsewhere."""
        if elsewhere.shape[1] == 0:
            return own.sum() * 0.0
        scale = torch.as_tensor(self.rank.inverse_temperature).detach()
        loss = preference_contrast(own, elsewhere, scale=scale)
        return loss + even * even_choice(elsewhere, scale=scale) if even else loss

    def _others(self, embedding: Float[Tensor, "a d"], allowed: Bool[Tensor, "k a"], own: Tensor) -> Int[Tensor, "k j"]:
        """Rows that a contrast looks at beside each one's `own`; none where the loss is no contrast."""
        if self.config.neg_loss != "contrast":
            return own.new_zeros(len(own), 0)
        return companions((embedding @ embedding.T).detach()[own], allowed, count=self.config.neg_others)

    def _elsewhere(
        self, images: Encoded, texts: Encoded, false: Encoded, rows: Int[Tensor, " k"], caption: Int[Tensor, " k"]
    ) -> tuple[Float[Tensor, " k"], Float[Tensor, "k j"]]:
        """Scores of edits with their pictures, and how much more each edit's caption than the edit is preferred with
        some other pictures of the batch."""
        foreign = torch.arange(len(images), device=rows.device) != rows[:, None]
        others = self._others(images.embedding, foreign, rows)
        edit = torch.arange(len(rows), device=rows.device)
        each, there = edit[:, None].expand_as(others).flatten(), others.flatten()
        found = self.score_chosen(
            images,
            stack_encoded([texts, false]),
            torch.cat([rows, there, there]),
            torch.cat([len(texts) + edit, caption[each], len(texts) + each]),
        )
        own, right, wrong = torch.split(found, [len(rows), len(there), len(there)])
        return own, (right - wrong).view_as(others)

    def _otherwise(
        self, images: Encoded, changed: Encoded, texts: Encoded, links: Int[Tensor, " m"]
    ) -> tuple[Float[Tensor, " m"], Float[Tensor, "m j"]]:
        """Scores of captions with their changed pictures, and how much more each caption's picture than its changed one
        is preferred by some other pictures' captions."""
        place = torch.arange(len(links), device=links.device)
        others = self._others(texts.embedding, links[:, None] != links[None], place)
        each, there = place[:, None].expand_as(others).flatten(), others.flatten()
        right = self.score_chosen(images, texts, links[each], there)
        found = self.score_chosen(changed, texts, torch.cat([place, each]), torch.cat([place, there]))
        own, wrong = torch.split(found, [len(links), len(there)])
        return own, (right - wrong).view_as(others)

    def _negative_loss(
        self, true: Float[Tensor, " m"], false: Float[Tensor, " k"], caption: Int[Tensor, " k"]
    ) -> Float[Tensor, ""]:
        """What true pairs lose to generated negatives of theirs."""
        if self.config.neg_loss == "ce":
            scale = torch.as_tensor(self.rank.inverse_temperature).detach()
            return false_caption_choice(true, false, caption, scale=scale)
        return false_caption_hinge(true, false, caption, margin=self.config.neg_margin)

    def visual_negatives(self, images: Encoded, texts: Encoded, links: Int[Tensor, " m"]) -> Encoded:
        """Each caption's picture without what the caption speaks of and the picture's look-alike lacks.

        The look-alike is the batch's nearest other picture. Of the regions, the share `region_dropout` goes for which
        the caption's best cosine is highest less that of the look-alike's best counterpart, with their relations; if
        they are `replaced`, that counterpart stands in their place. Only nodes change: the whole stays, so the loss
        cannot be won by it.
        """
        (regions, nodes), (words, text_nodes) = nodes_of(images), nodes_of(texts)
        alike = images.embedding @ images.embedding.T
        alike = alike.masked_fill(torch.eye(len(images), dtype=torch.bool, device=alike.device), -2.0)
        others = alike.argmax(dim=1)
        objects = nodes.of_kind(OBJECT)
        shared, nearest = (regions @ regions[others].mT).masked_fill(~objects[others][:, None, :], -1.0).max(dim=2)
        spoken = (regions[links] @ words.mT).masked_fill(~comparable(nodes[links], text_nodes), -1.0).amax(dim=2)
        telling = (spoken - shared[links]).detach().masked_fill(~objects[links], -torch.inf)
        count = (objects.sum(dim=1) * self.config.region_dropout).ceil().clamp(min=1).long()[links]
        place = telling.argsort(dim=1, descending=True).argsort(dim=1)
        gone = (place < count[:, None]) & objects[links]
        ends = nodes.ends[links]
        lost = gone.gather(1, ends[..., 0]) | gone.gather(1, ends[..., 1])
        kept = regions.index_select(0, links)
        if self.config.visual == "replaced":
            kept = torch.where(gone[..., None], gather_nodes(regions[others], nearest)[links], kept)
            lost = lost & ~gone
        mask = nodes.mask[links] & ~lost
        left = NodeBatch(nodes.kinds[links], ends, mask)
        return Encoded(images.embedding[links], kept * mask[..., None], mask, left)

    def explain(self, images: ImageBatch, texts: TextBatch) -> Alignment:
        """The cross edges that fired between the caption's nodes and the picture's, spread over words and regions."""
        image, (text, graph) = self.encode_images(images), self.graphs.texts(texts)
        likeness = self.base.likeness(image, text)
        looks = best_matches(image, text, likeness) if self.fuse is None else self.fuse.fired(image, text, likeness)
        return explain_nodes(
            images,
            texts,
            nodes_of(image)[1],
            graph,
            looks,
            likeness=likeness,
            weights=self.base.share[1] * self.base.weights(text),
            score=self.score_pairs(image, text),
        )
