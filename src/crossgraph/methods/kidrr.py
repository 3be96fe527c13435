"""KIDRR: knowledge iterative dissemination and relational reconstruction (Xie, Li, Tang, Yao, Ma 2022).

Each side spreads its global meaning to its parts for a few rounds; a pair is then described by similarity *vectors*
at several levels, which become the nodes of a graph that is reasoned over and rebuilt before it gives one score.

    regions, words -> Dissemination -> parts + global
    pair -> SimilarityVectors (global-global, word-regions, global-word) -> RelationReconstruction -> score

| module                                  | class                  | status             |
|-----------------------------------------|------------------------|--------------------|
| knowledge graph iterative dissemination | Dissemination          | purpose documented |
| multi-level vector similarities         | SimilarityVectors      | purpose documented |
| relation graph reconstruction           | RelationReconstruction | purpose documented |
| cosine anchor                           | CosineAnchor           | ours               |
| ranking loss                            | RankingLoss            | ours               |
| shortlist embedding loss                | Kidrr.losses           | ours               |
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from pydantic import Field
from torch import Tensor, nn

from crossgraph.encoders.gru import WordEncoder
from crossgraph.encoders.region_names import part_projection
from crossgraph.layers.attention import attend, attend_to_one
from crossgraph.layers.candidates import TRAINING_BLOCK, candidate_scores, score_by_line, score_in_blocks
from crossgraph.layers.late_attention import attended_cosines
from crossgraph.layers.listed_similarities import ListedPicture, ListedSimilarities, WordTable
from crossgraph.layers.pooling import HeadPooling, masked_mean
from crossgraph.layers.products import widened
from crossgraph.layers.projection import ResidualProjection
from crossgraph.layers.relation_reconstruction import RelationReconstruction
from crossgraph.layers.shared_rows import by_row
from crossgraph.layers.similarity_by_line import similarities
from crossgraph.layers.similarity_vectors import Level, SimilarityVectors, sides_of
from crossgraph.layers.unit_rows import unit_rows
from crossgraph.losses.ranking import RankingLoss
from crossgraph.methods.by_image import ByImage, OneImage, ReadyTexts, SeveralImages, of_one_length
from crossgraph.methods.contract import InputSizes, MethodConfig
from crossgraph.methods.settings import RerankerConfig
from crossgraph.types import Alignment, Batch, Encoded, ImageBatch, Provenance, TextBatch

BLOCK_NUMBERS = 2**20
"""Numbers of the words of one block, as float32 four mebibytes: fewer, and products pay for preparing their weights."""


class KidrrConfig(RerankerConfig):
    """Sizes and switches. The switches are the abstract's modules, each of which can be turned off."""

    similarity_width: int = Field(64, gt=0, description="channels of a similarity vector (256 in the family)")
    rounds: int = Field(2, ge=0, description="rounds of dissemination; 0 turns it off")
    similarity: Literal["vector", "scalar"] = Field("vector", description="describe a pair by vectors or by cosines")
    levels: tuple[Level, ...] = Field(
        ("global", "local", "global_local"),
        description="what is compared: wholes, words, word with whole, regions",
    )
    reasoning: Literal["mean", "sgr", "reconstruct"] = Field(
        "reconstruct", description="over the similarities: none, a learned graph, or one rebuilt from their states"
    )
    anchor: bool = Field(True, description="add the plain cosines of globals and words to the graph's score")
    steps: int = Field(3, ge=1, description="reasoning layers")
    top: int = Field(8, ge=1, description="neighbours kept in a rebuilt graph row")
    sharpness: float = Field(9.0, gt=0, description="inverse temperature of the word-to-region attention")
    boxes: bool = Field(True, description="add where a region is to what it is")
    candidates: int = Field(
        8, ge=0, description="negatives a query is trained against, half of them the hardest; 0: all"
    )
    anchor_weight: float = Field(
        1.0, ge=0, description="weight of the anchor's own loss, which sees every pair of the batch"
    )


class Dissemination(nn.Module):
    """Broadcast a global node to all parts of one item, `rounds` times with shared weights.

    Each round associates parts with one another, collects them into the global node through a gate, and broadcasts
    the global node back. All residual gates start at 0.1: ungated message passing washed the parts out.
    """

    def __init__(self, width: int, *, rounds: int) -> None:
        super().__init__()
        self.rounds = rounds
        if rounds == 0:
            return
        self.query, self.key, self.value = (nn.Linear(width, width, bias=False) for _ in range(3))
        self.of_part, self.of_global = (nn.Linear(width, width) for _ in range(2))
        self.weigh = nn.Linear(width, 1)
        self.gather = nn.Linear(width, width, bias=False)
        self.admit = nn.Linear(2 * width, width)
        self.accept = nn.Linear(2 * width, 1)
        self.broadcast = nn.Linear(width, width, bias=False)
        self.normalise = nn.LayerNorm(width)
        self.associate_gate, self.collect_gate, self.broadcast_gate = (
            nn.Parameter(torch.tensor(0.1)) for _ in range(3)
        )

    def forward(
        self, parts: Float[Tensor, "n p d"], mask: Bool[Tensor, "n p"], whole: Float[Tensor, "n d"]
    ) -> tuple[Float[Tensor, "n p d"], Float[Tensor, "n d"]]:
        """Parts that know the whole, and the global node, which starts as `whole`. 0 rounds change nothing."""
        lowest, width = torch.finfo(parts.dtype).min, parts.shape[-1]
        if not self.rounds:
            return parts * mask[..., None], whole
        padding = None if bool(mask.all()) else ~mask[..., None]
        # query and key as one map, of the same parts as values; what is said to all parts is mapped once an item
        asks = torch.cat([self.key.weight.T @ self.query.weight / width**0.5, self.value.weight])
        of_linked, of_whole = torch.split(self.accept.weight, width, dim=1)
        for _ in range(self.rounds):
            asked, values = torch.split(F.linear(parts, asks), width, dim=-1)
            logits = torch.bmm(asked, parts.mT)
            edges = (logits if padding is None else logits.masked_fill(padding.mT, lowest)).softmax(dim=-1)
            linked = torch.baddbmm(parts, edges, self.associate_gate * values)
            interest = self.weigh(torch.tanh(self.of_part(linked) * self.of_global(whole)[:, None, :]))
            share = (interest if padding is None else interest.masked_fill(padding, lowest)).softmax(dim=1)
            collected = torch.bmm(share.mT, linked)[:, 0]
            admit = torch.sigmoid(self.admit(torch.cat([whole, collected], dim=-1)))
            whole = whole + self.collect_gate * admit * self.gather(collected)
            heard = F.linear(whole, of_whole, self.accept.bias)[:, None]
            accept = torch.sigmoid(F.linear(linked, of_linked) + heard)
            said = self.broadcast_gate * self.broadcast(whole)[:, None, :]
            parts = self.normalise(torch.baddbmm(linked, accept, said))
        return parts if padding is None else parts.masked_fill(padding, 0.0), whole


class CosineAnchor(nn.Module):
    """The plain part of a pair's score: cosine of the globals, and of each word with what it saw, by importance.

    The graph's score starts from nothing and learns slowly on a small corpus; added to this anchor it has only to
    learn what the cosines miss.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.importance = nn.Linear(width, 1, bias=False)
        self.share = nn.Parameter(torch.ones(2))

    def forward(
        self, images: Encoded, texts: Encoded, words: Float[Tensor, "n w d"], context: Float[Tensor, "n w d"]
    ) -> Float[Tensor, " n"]:
        """A weighted sum of both cosines, row by row."""
        whole = (images.embedding * texts.embedding).sum(dim=-1)
        found = (self.weights(words, texts) * (words * context).sum(dim=-1)).sum(dim=1)
        scores: Tensor = self.share[0] * whole + self.share[1] * found
        return scores

    def everywhere(self, images: Encoded, texts: Encoded, *, sharpness: float) -> Float[Tensor, "n m"]:
        """The same for all pictures with all captions at once."""
        regions, region_mask, words, word_mask = sides_of(images, texts)
        cosines = attended_cosines(words, regions, word_mask, region_mask, sharpness=sharpness)
        found = (self.weights(words, texts) * cosines).sum(dim=-1)
        scores: Tensor = self.share[0] * (images.embedding @ texts.embedding.T) + self.share[1] * found
        return scores

    def weights(self, words: Float[Tensor, "n w d"], texts: Encoded) -> Float[Tensor, "n w"]:
        """How much each word counts: positive, summing to 1 over real words."""
        assert texts.mask is not None
        logits: Tensor = self.importance(widened(words)).squeeze(-1)
        return logits.masked_fill(~texts.mask, torch.finfo(logits.dtype).min).softmax(dim=-1)


class Kidrr(ByImage):
    """The whole method: dissemination on each side, similarity vectors and graph reasoning on each pair."""

    name: ClassVar[str] = "kidrr"
    config_type: ClassVar[type[MethodConfig]] = KidrrConfig
    reranks: ClassVar[bool] = True
    ablations: ClassVar[Mapping[str, Mapping[str, object]]] = {
        "no-dissemination": {"rounds": 0},
        "scalar-similarity": {"similarity": "scalar"},
        "no-global-local": {"levels": ["global", "local"]},
        "reasoning-mean": {"reasoning": "mean"},
        "reasoning-sgr": {"reasoning": "sgr"},
        "no-anchor": {"anchor": False},
        "no-boxes": {"boxes": False},
    }
    provenance: ClassVar[tuple[Provenance, ...]] = (
        Provenance(
            "knowledge graph iterative dissemination",
            "Dissemination",
            "purpose documented",
            "abstract: 'iteratively broadcast global semantic knowledge'; the three steps of a round, the gates and "
            "reading 'knowledge' as the global semantic node are ours",
        ),
        Provenance(
            "multi-level vector similarities",
            "SimilarityVectors",
            "purpose documented",
            "abstract: 'vector-based similarity representations ... multi-level alignments'; the levels "
            "global-global, word-regions, global-word and norm(W (x-y)^2) are ours after SGRAF (Diao 2021)",
        ),
        Provenance(
            "relation graph reconstruction",
            "RelationReconstruction",
            "purpose documented",
            "abstract: 'constructing similarity relation graphs and adaptively reconstructing them'; the blend of a "
            "learned and a rebuilt top-k graph is ours",
        ),
        Provenance(
            "cosine anchor",
            "CosineAnchor",
            "ours",
            "not in the paper: the graph's score refines plain cosines (`anchor = false` for the graph alone)",
        ),
        Provenance("region and word encoders", "ResidualProjection, WordEncoder", "ours", "family default"),
        Provenance("box embedding", "Kidrr.box_proj", "ours", "cells say where they are"),
        Provenance("ranking loss", "RankingLoss", "ours", "family default is the hinge"),
        Provenance("shortlist embedding loss", "Kidrr.losses", "ours", "calibrates the global nodes"),
        Provenance("anchor loss", "Kidrr.losses", "ours", "cosines learn from every pair of a batch"),
    )

    def __init__(self, config: KidrrConfig, sizes: InputSizes) -> None:
        super().__init__(config, sizes)
        self.config = config
        width, vector = config.width, config.similarity == "vector"
        self.image_proj = part_projection(sizes, width, dropout=config.dropout, named=config.region_names)
        self.whole_proj = ResidualProjection(sizes.whole_width, width, dropout=config.dropout)
        self.box_proj = nn.Linear(4, width) if config.boxes else None
        self.word_encoder = WordEncoder.of(config, sizes)
        self.pool_image, self.pool_text = (HeadPooling(width, heads=config.heads) for _ in range(2))
        self.image_dissemination, self.text_dissemination = (
            Dissemination(width, rounds=config.rounds) for _ in range(2)
        )
        self.similarities = SimilarityVectors(
            width,
            vector_width=config.similarity_width,
            levels=("global", *(level for level in config.levels if level != "global")),
            vector=vector,
        )
        self.graph_reasoning = (
            RelationReconstruction(
                config.similarity_width,
                steps=config.steps,
                top=config.top,
                rebuild=config.reasoning == "reconstruct",
            )
            if config.reasoning != "mean"
            else None
        )
        self.scorer = nn.Linear(config.similarity_width, 1)
        self.anchor = CosineAnchor(width) if config.anchor else None
        self.rank = RankingLoss(config.loss, margin=config.margin)
        self.rank_global = RankingLoss(config.loss, margin=config.margin)

    @by_row
    def encode_images(self, images: ImageBatch) -> Encoded:
        """Unit region vectors that know the whole picture, and the unit global node as embedding."""
        parts = self.image_proj(images.parts)
        if self.box_proj is not None:
            parts = parts + self.box_proj(images.boxes)
        start = self.pool_image(parts, images.mask) + self.whole_proj(images.whole)
        parts, whole = self.image_dissemination(parts * images.mask[..., None], images.mask, start)
        return Encoded(F.normalize(whole, dim=-1), unit_rows(parts, images.mask), images.mask)

    @by_row
    def encode_texts(self, texts: TextBatch) -> Encoded:
        """Unit word vectors that know the whole sentence, and the unit global node as embedding."""
        words = self.word_encoder(texts)
        start = self.pool_text(words, texts.mask) + masked_mean(words, texts.mask)
        parts, whole = self.text_dissemination(words, texts.mask, start)
        return Encoded(F.normalize(whole, dim=-1), unit_rows(parts, texts.mask), texts.mask)

    def score_pairs(self, images: Encoded, texts: Encoded) -> Float[Tensor, " n"]:
        """How well each pair matches: in (-1, 1), plus the anchor's cosines if they are on."""
        regions, region_mask, words, word_mask = sides_of(images, texts)
        context, _ = attend(words, regions, word_mask, region_mask, sharpness=self.config.sharpness)
        nodes, mask = self.similarities(images, texts, context, sharpness=self.config.sharpness)
        pooled = masked_mean(nodes, mask) if self.graph_reasoning is None else self.graph_reasoning(nodes, mask)
        scores: Tensor = torch.tanh(self.scorer(pooled).squeeze(-1))
        return scores if self.anchor is None else scores + self.anchor(images, texts, words, context)

    @property
    def by_image(self) -> bool:
        """With vectors of similarity."""
        return self.config.similarity == "vector"

    def ready_texts(self, texts: Encoded) -> ReadyTexts:
        """Captions with how much each of their words counts for the anchor."""
        _, _, words, _ = sides_of(texts, texts)
        return ReadyTexts(texts, () if self.anchor is None else (self.anchor.weights(words, texts),))

    def for_captions(self, ready: ReadyTexts) -> OneImage:
        """What scores one picture with these captions: those of one length together, in blocks that fit a cache."""
        config, reasoning = self.config, self.graph_reasoning
        numbers = sides_of(ready.encoded, ready.encoded)[2].dtype
        fused = None if reasoning is None else reasoning.fused(numbers)
        blocks = list(of_one_length(ready, numbers=BLOCK_NUMBERS))

        def score(image: Encoded) -> Float[Tensor, " m"]:
            regions, mask, _, _ = sides_of(image, image)
            regions, whole = regions[0, mask[0]], image.embedding[0]
            scores = whole.new_empty(len(ready))
            for rows, some in blocks:
                _, _, words, _ = sides_of(some.encoded, some.encoded)
                wholes = some.encoded.embedding
                seen = attend_to_one(words, regions, sharpness=config.sharpness)
                nodes = self.similarities.with_image(regions, whole, words, wholes, seen, sharpness=config.sharpness)
                pooled = nodes.mean(dim=1) if reasoning is None or fused is None else reasoning.reason(nodes, fused)
                found = torch.tanh(self.scorer(pooled).squeeze(-1))
                if self.anchor is not None:
                    by_word = (some.more[0] * seen.cosines).sum(dim=1)
                    found = found + self.anchor.share[0] * (wholes @ whole) + self.anchor.share[1] * by_word
                scores[rows] = found
            return scores

        return score

    def several_among(self, ready: ReadyTexts) -> SeveralImages:
        """The same of several pictures with captions of their own: reasoning is over all pairs of one length."""
        if "region" in self.similarities.levels:
            return super().several_among(ready)
        config, anchor, reasoning = self.config, self.anchor, self.graph_reasoning
        table = WordTable.of(ready.encoded, ready.more[0] if anchor is not None else None)
        fused = None if reasoning is None else reasoning.fused(table.words.dtype)
        most = max(1, BLOCK_NUMBERS // table.words.shape[1])

        def score(lists: Sequence[tuple[Encoded, Int[Tensor, " _"]]]) -> list[Float[Tensor, " _"]]:
            orders = [table.lengths[rows].argsort(stable=True) for _, rows in lists]
            pictures = []
            for (image, rows), order in zip(lists, orders, strict=True):
                regions, mask, _, _ = sides_of(image, image)
                pictures.append(ListedPicture(regions[0, mask[0]], image.embedding[0], rows[order]))
            listed = ListedSimilarities.of(self.similarities, table, pictures, sharpness=config.sharpness, most=most)
            found = torch.empty_like(listed.wholes)
            for pairs, nodes in listed.by_length():
                pooled = nodes.mean(dim=1) if reasoning is None or fused is None else reasoning.reason(nodes, fused)
                found[pairs] = torch.tanh(self.scorer(pooled).squeeze(-1))
            if anchor is not None:
                found = found + anchor.share[0] * listed.wholes + anchor.share[1] * listed.words
            each = torch.split(found, [len(order) for order in orders])
            return [torch.empty_like(one).scatter_(0, order, one) for one, order in zip(each, orders, strict=True)]

        return score

    def score_chosen(
        self, images: Encoded, texts: Encoded, rows: Int[Tensor, " k"], columns: Int[Tensor, " k"]
    ) -> Float[Tensor, " k"]:
        """`score_pairs` of picture rows[i] with caption columns[i], a picture with several captions at once."""
        if self.config.similarity != "vector" or "region" in self.similarities.levels:
            return score_in_blocks(self.score_pairs, images, texts, rows, columns)
        return score_by_line(self._compared_lines, images, texts, rows, columns)

    def _compared_lines(
        self, images: Encoded, texts: Encoded, rows: Int[Tensor, " k"], columns: Int[Tensor, " k"]
    ) -> Float[Tensor, " k"]:
        """Pairs of captions of one length go together, so that none of their similarity graphs is padded."""
        _, _, words, _ = sides_of(images, texts)
        weights = torch.zeros_like(words[..., 0]) if self.anchor is None else self.anchor.weights(words, texts)
        known = similarities(images, texts, rows, columns, weights, self.similarities, sharpness=self.config.sharpness)
        order, found = known.counts.argsort(stable=True), []
        lengths, sizes = torch.unique_consecutive(known.counts[order], return_counts=True)
        for length, pairs in zip(lengths.tolist(), torch.split(order, sizes.tolist()), strict=True):
            for some in torch.split(pairs, TRAINING_BLOCK):
                nodes = known.nodes(some, length)
                whole = torch.ones_like(nodes[..., 0], dtype=torch.bool)
                found.append(nodes.mean(dim=1) if self.graph_reasoning is None else self.graph_reasoning(nodes, whole))
        scores: Tensor = torch.tanh(self.scorer(torch.cat(found)[order.argsort()]).squeeze(-1))
        if self.anchor is None:
            return scores
        whole = (images.embedding @ texts.embedding.T)[rows, columns]
        return scores + self.anchor.share[0] * whole + self.anchor.share[1] * known.found

    def losses(self, batch: Batch, phase: str = "joint") -> dict[str, Float[Tensor, ""]]:
        """The ranking loss of the pair scores; one of the anchor and one of the global nodes, over the whole batch."""
        images, texts = self.encode_images(batch.images), self.encode_texts(batch.texts)
        coarse = images.embedding @ texts.embedding.T
        count = self.config.candidates
        fine = candidate_scores(self.score_chosen, images, texts, coarse.detach(), batch.caption_image, count=count)
        links, hardness = batch.caption_image, batch.hardness
        losses = {
            "fine": self.rank(fine, links, hardness=hardness),
            "global": self.config.global_weight * self.rank_global(coarse, links, hardness=hardness),
        }
        if self.anchor is not None and self.config.anchor_weight:
            anchor = self.anchor.everywhere(images, texts, sharpness=self.config.sharpness)
            losses["anchor"] = self.config.anchor_weight * self.rank(anchor, links, hardness=hardness)
        return losses

    def explain(self, images: ImageBatch, texts: TextBatch) -> Alignment:
        """The attention of words over regions that the local level scores, and each word's cosine with what it saw."""
        image, text = self.encode_images(images), self.encode_texts(texts)
        regions, region_mask, words, word_mask = sides_of(image, text)
        context, weights = attend(words, regions, word_mask, region_mask, sharpness=self.config.sharpness)
        return Alignment(
            words=texts.words[0],
            boxes=images.boxes[0],
            weights=weights[0].T,
            word_scores=(context * words).sum(dim=-1)[0],
            score=float(self.score_pairs(image, text)[0]),
        )
