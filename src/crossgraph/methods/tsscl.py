"""TSSCL: text semantic structure-guided correlation learning (Zhu, Fan, Zhao 2025).

Texts say which pictures and which labels are alike; pictures, captions and labels learn vectors that are alike in the
same way. Texts also part the training pictures into groups, each of which leaves an anchor behind: the running mean of
its pictures and captions. Any picture or caption, seen or not, joins the anchors by its own vector and takes them in,
so that what texts said of training pictures is transferred to it, without any text of its own.

    picture -> vector -> two layers -> z_v -+-> AnchorConvolution (graph: anchors of text groups) ; score = cosine
    caption -> vector -> two layers -> z_t -+
    label names -> LabelGraphConvolution (graph: labels alike by their texts) -> E, in training only

`stgcn = "shared"` is another reading: in training, a graph convolution lets each picture take in its neighbours by
text; its weights are those of the picture encoder, which afterwards works on pictures alone.

| module                           | class                        | status             |
|----------------------------------|------------------------------|--------------------|
| text as supervision of structure | TextStructure, text_groups   | purpose documented |
| structure transfer GCN           | AnchorConvolution            | purpose documented |
| text-guided label graph          | graphs.labels                | purpose documented |
| semantic consistency losses      | losses.semantic              | purpose documented |
| soft structural InfoNCE          | soft_info_nce                | purpose documented |
| structural InfoNCE of rows       | row_info_nce                 | purpose documented |
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from pydantic import Field
from torch import Tensor, nn

from crossgraph.encoders.attended_vectors import AttendedImage, AttendedText
from crossgraph.encoders.item_vectors import CaptionVector, image_vectors, image_width
from crossgraph.errors import ConfigError, DataError
from crossgraph.graphs.descriptors import Rows, state_descriptors, tfidf_descriptors
from crossgraph.graphs.labels import cooccurrence_edges, label_similarity, text_guided_edges
from crossgraph.graphs.neighbours import TextStructure, keep_nearest, propagation
from crossgraph.graphs.text_groups import text_groups
from crossgraph.layers.anchors import AnchorConvolution
from crossgraph.layers.graph_convolution import LabelGraphConvolution, TransferableGraphConvolution
from crossgraph.layers.shared_rows import by_row
from crossgraph.losses.semantic import label_loss, label_share_loss, pair_loss, transfer_loss
from crossgraph.losses.structure import (
    cosine_matrix,
    label_structure_loss,
    row_info_nce,
    soft_info_nce,
    structure_shares,
)
from crossgraph.methods.contract import CosineMethod, InputSizes, MethodConfig, TrainingSet
from crossgraph.methods.settings import HeadedConfig
from crossgraph.types import Batch, Encoded, ImageBatch, Provenance, TextBatch


class TssclConfig(HeadedConfig):
    """Sizes, switches and weights of losses; a weight of 0 leaves a loss out."""

    width: int = Field(512, gt=0, description="channels of the embedding (1024 at full scale)")
    hidden: int = Field(1024, gt=0, description="channels between the two layers of an encoder")
    encoder: Literal["attention", "mean"] = Field("attention", description="how parts and words become one vector")
    heads: int = Field(8, gt=0, description="pooling heads of the attention; must divide the width")
    word_width: int = Field(300, gt=0, description="width of a learned word vector")
    dropout: float = Field(0.3, ge=0, lt=1, description="of features, in training")
    shortcut: bool = Field(True, description="a linear map beside the two layers of an encoder")
    descriptor: Literal["tfidf", "states"] = Field(
        "tfidf", description="texts are compared by words (where there are any), or by frozen states"
    )
    scope: Literal["global", "batch"] = Field(
        "global", description="neighbours among all training pictures, or in a batch"
    )
    neighbours: int = Field(10, ge=1, description="of a picture in the text graph")
    companions: int = Field(4, ge=0, description="neighbours that share a picture's batch, where scope is global")
    stgcn: Literal["anchors", "shared", "none"] = Field(
        "anchors",
        description="the structure transfer graph convolution: from anchors of text groups to any item; between "
        "pictures in training, with the weights of the encoder; none: items alone",
    )
    anchors: int = Field(256, ge=1, description="groups of training pictures by their texts")
    anchor_temperature: float = Field(0.05, gt=0, description="of the shares of anchors in what an item takes in")
    anchor_keep: float = Field(0.97, ge=0, lt=1, description="what an anchor keeps of its past for each item heard of")
    anchored: float = Field(
        0.5, ge=0, le=1, description="share of the soft structural InfoNCE that reads items with their anchors"
    )
    label_graph: Literal["text", "cooccurrence"] = Field("text", description="what joins labels")
    label_hidden: int = Field(256, gt=0, description="channels of the convolutions over labels")
    label_threshold: float = Field(0.3, ge=0, le=1, description="least similarity of labels joined by their texts")
    share_threshold: float = Field(0.4, ge=0, le=1, description="least share of occurrences of labels joined by them")
    loss: Literal["each", "share"] = Field("each", description="labels are judged each alone, or in competition")
    scale: float = Field(5.0, gt=0, description="where the learned scale of label cosines starts")
    temperature: float = Field(0.2, gt=0, description="of the soft structural InfoNCE")
    row_temperature: float = Field(0.1, gt=0, description="of the structural InfoNCE of rows")
    semantic: float = Field(1.0, ge=0, description="weight of saying the labels")
    pair: float = Field(0.0, ge=0, description="weight of drawing pairs together, which works against labels")
    transfer: float = Field(1.0, ge=0, description="weight of pictures alone following pictures in the shared graph")
    soft: float = Field(1.0, ge=0, description="weight of the soft structural InfoNCE")
    rows: float = Field(0.1, ge=0, description="weight of the structural InfoNCE of rows")
    labels: float = Field(1.0, ge=0, description="weight of label embeddings being alike as their texts are")


ABSTRACT = "the abstract names it; formulas, sizes and weights are ours"


class Tsscl(CosineMethod):
    """Two encoders guided in training by the structure of the texts; one embedding a side, cosine score."""

    name: ClassVar[str] = "tsscl"
    config_type: ClassVar[type[MethodConfig]] = TssclConfig
    reads_labels: ClassVar[bool] = True
    ablations: ClassVar[Mapping[str, Mapping[str, object]]] = {
        "no-stgcn": {"stgcn": "none"},
        "anchors-afterwards": {"anchored": 0.0},
        "shared-weights": {"stgcn": "shared"},
        "no-semantic": {"semantic": 0.0},
        "pairs": {"pair": 1.0},
        "no-rows": {"rows": 0.0},
        "no-soft": {"soft": 0.0},
        "no-labels": {"labels": 0.0},
        "cooccurrence": {"label_graph": "cooccurrence"},
        "batch-graph": {"stgcn": "shared", "scope": "batch"},
        "only-semantic": {"pair": 0.0, "transfer": 0.0, "soft": 0.0, "rows": 0.0, "labels": 0.0},
    }
    provenance: ClassVar[tuple[Provenance, ...]] = (
        Provenance("text as supervision of structure", "TextStructure, text_groups", "purpose documented", ABSTRACT),
        Provenance("nearest neighbours by TF-IDF", "keep_nearest", "ours", "which pictures the texts call alike"),
        Provenance("neighbours meet in a batch", "Tsscl.companions", "ours", "after Cluster-GCN (Chiang 2019)"),
        Provenance("structure transfer GCN", "AnchorConvolution", "purpose documented", ABSTRACT),
        Provenance("anchors of text groups", "text_groups", "ours", "what is transferred, and how items reach it"),
        Provenance("shared weights (switch)", "TransferableGraphConvolution", "ours", "our first reading"),
        Provenance(
            "encoders under the GCN", "AttendedImage, AttendedText", "ours", "two layers alone read means of parts"
        ),
        Provenance("text-guided label graph", "graphs.labels", "purpose documented", ABSTRACT),
        Provenance("label convolutions", "LabelGraphConvolution", "ours", "after ML-GCN (Chen 2019)"),
        Provenance("co-occurrence label graph", "cooccurrence_edges", "ours", "ML-GCN, as an alternative"),
        Provenance("semantic consistency losses", "losses.semantic", "purpose documented", ABSTRACT),
        Provenance("soft structural InfoNCE", "soft_info_nce", "purpose documented", ABSTRACT),
        Provenance("structural InfoNCE of rows", "row_info_nce", "purpose documented", ABSTRACT),
        Provenance(
            "label structure loss", "label_structure_loss", "ours", "label embeddings are alike as their texts are"
        ),
    )

    def __init__(self, config: TssclConfig, sizes: InputSizes) -> None:
        super().__init__(config, sizes)
        if not sizes.labels or not sizes.label_width:
            raise ConfigError(
                f"tsscl learns from labels; got {sizes.labels} labels with vectors of width {sizes.label_width}. "
                "Give a corpus with labels."
            )
        self.config = config
        self.image_encoder, self.text_encoder = _encoders(config, sizes)
        self.image_head, self.text_head = (
            TransferableGraphConvolution(
                encoder.width, config.width, hidden=config.hidden, dropout=config.dropout, shortcut=config.shortcut
            )
            for encoder in (self.image_encoder, self.text_encoder)
        )
        self.anchors = (
            AnchorConvolution(
                config.anchors, config.width, temperature=config.anchor_temperature, keep=config.anchor_keep
            )
            if config.stgcn == "anchors"
            else None
        )
        self.embed_labels = LabelGraphConvolution(sizes.label_width, config.width, hidden=config.label_hidden)
        self.scale = nn.Parameter(torch.tensor(config.scale))
        self.register_buffer("label_vectors", torch.zeros(sizes.labels, sizes.label_width))
        self.register_buffer("label_guide", torch.eye(sizes.labels))
        self.register_buffer("label_edges", torch.eye(sizes.labels))
        self.label_vectors: Tensor
        self.label_guide: Tensor
        self.label_edges: Tensor
        self.structure: TextStructure | None = None
        self.text_groups: Tensor | None = None
        """Both of the training set: known while training, of no use to encoding, and not saved."""

    def learn(self, training_set: TrainingSet) -> None:
        """Compare all training texts: nearest neighbours of pictures, and labels by the texts of their pictures."""
        descriptors = _descriptors(self.config, training_set)
        self.structure = TextStructure.of(descriptors, count=self.config.neighbours)
        if self.anchors is not None:
            self.text_groups = text_groups(descriptors, count=self.config.anchors)
        guide = label_similarity(descriptors, training_set.labels)
        edges = (
            text_guided_edges(guide, least=self.config.label_threshold)
            if self.config.label_graph == "text"
            else cooccurrence_edges(training_set.labels, least=self.config.share_threshold)
        )
        self.label_vectors.copy_(training_set.label_vectors)
        self.label_guide.copy_(guide)
        self.label_edges.copy_(propagation(edges))

    def companions(self) -> Tensor | None:
        """Each picture's nearest neighbours by text, so that the graph of the whole set has edges in every batch."""
        wanted = self.config.stgcn == "shared" and self.config.scope == "global" and self.config.companions > 0
        return self.structure.neighbours[:, : self.config.companions] if wanted and self.structure else None

    def encode_images(self, images: ImageBatch) -> Encoded:
        """One unit vector per picture, which no text of its own has any part in."""
        return Encoded(self._taken_in(self.image_head(self.image_encoder(images))))

    def encode_texts(self, texts: TextBatch) -> Encoded:
        """One unit vector per caption."""
        return Encoded(self._taken_in(self.text_head(self.text_encoder(texts))))

    def losses(self, batch: Batch, phase: str = "joint") -> dict[str, Float[Tensor, ""]]:
        """Up to six losses: what items say, pairs, transfer, soft and row-wise structure, and labels."""
        config, owner = self.config, batch.caption_image
        if self.structure is None or batch.labels is None or batch.rows is None:
            raise DataError("tsscl trains on labelled pictures of a training set that it was shown (Method.learn).")
        alike = self.structure.similarity(batch.rows)
        vectors = self._picture_vectors(batch.images)
        texts = self.text_head(self._caption_vectors(batch.texts))
        images = (
            self.image_head.alone_and_together(vectors, self._graph(batch.rows, alike))
            if config.stgcn == "shared"
            else (self.image_head(vectors),)
        )
        spoken = _mean_of_captions(texts, owner, images=len(vectors))
        losses: dict[str, Tensor] = {}
        labels = self.label_embeddings()
        if config.semantic:
            say = label_loss if config.loss == "each" else label_share_loss
            views = [(image, batch.labels) for image in images] + [(texts, batch.labels[owner])]
            said = torch.stack([say(z, labels, has, scale=self.scale) for z, has in views]).sum()
            losses["semantic"] = config.semantic * said
        if config.pair:
            losses["pair"] = config.pair * torch.stack([pair_loss(image, texts, owner) for image in images]).sum()
        if config.transfer and config.stgcn == "shared":
            losses["transfer"] = config.transfer * transfer_loss(*images)
        if config.soft:
            plain = self._soft_structure(images, texts, batch.labels, owner, alike)
            if self.anchors is None or not config.anchored:
                losses["soft"] = config.soft * plain
            else:
                told = self._soft_structure([self.anchors(images[0])], self.anchors(texts), batch.labels, owner, alike)
                losses["soft"] = config.soft * plain.lerp(told, config.anchored)
        if config.rows:
            sides = (images[0], spoken)
            losses["rows"] = (
                config.rows
                * torch.stack(
                    [row_info_nce(cosine_matrix(side), alike, temperature=config.row_temperature) for side in sides]
                ).sum()
            )
        if config.labels:
            losses["labels"] = config.labels * label_structure_loss(labels, self.label_guide)
        if self.anchors is not None and self.text_groups is not None and self.training:
            groups = self.text_groups.to(batch.rows.device)[batch.rows]
            self.anchors.take_in(torch.cat([images[0], spoken]), torch.cat([groups, groups]))
        return losses

    # heads normalise over the batch, so what comes before them is all that is made by row
    @by_row
    def _picture_vectors(self, images: ImageBatch) -> Float[Tensor, "n e"]:
        vectors: Tensor = self.image_encoder(images)
        return vectors

    @by_row
    def _caption_vectors(self, texts: TextBatch) -> Float[Tensor, "m e"]:
        vectors: Tensor = self.text_encoder(texts)
        return vectors

    def _taken_in(self, items: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
        """Items at unit length, with what their anchors say where there are any."""
        found: Tensor = F.normalize(items, dim=-1) if self.anchors is None else self.anchors(items)
        return found

    def label_embeddings(self) -> Float[Tensor, "c d"]:
        """What the label graph makes of the vectors of label names."""
        embedded: Tensor = self.embed_labels(self.label_vectors, self.label_edges)
        return embedded

    def _graph(self, rows: Tensor, alike: Float[Tensor, "b b"]) -> Float[Tensor, "b b"]:
        """What pictures of a batch take in of each other."""
        assert self.structure is not None
        if self.config.scope == "global":
            return propagation(self.structure.edges(rows))
        return propagation(keep_nearest(alike, count=self.config.neighbours))

    def _soft_structure(
        self,
        images: Sequence[Float[Tensor, "n d"]],
        texts: Float[Tensor, "m d"],
        has: Bool[Tensor, "n c"],
        owner: Tensor,
        alike: Float[Tensor, "n n"],
    ) -> Float[Tensor, ""]:
        """Pictures find captions, alone and in the graph, and captions find pictures alone."""
        shares = structure_shares(has, has[owner], alike[:, owner])
        back = structure_shares(has[owner], has, alike[owner])
        heat = self.config.temperature
        total = soft_info_nce(texts, images[0], back, temperature=heat)
        for image in images:
            total = total + soft_info_nce(image, texts, shares, temperature=heat)
        return total


class MeanImage(nn.Module):
    """The mean of a picture's parts beside its whole vector; nothing is learnt."""

    def __init__(self, sizes: InputSizes) -> None:
        super().__init__()
        self.width = image_width("both", part_width=sizes.part_width, whole_width=sizes.whole_width)

    def forward(self, images: ImageBatch) -> Float[Tensor, "n d"]:
        """One vector per picture."""
        return image_vectors(images, which="both")


def _encoders(config: TssclConfig, sizes: InputSizes) -> tuple[AttendedImage | MeanImage, AttendedText | CaptionVector]:
    """What makes one vector of a picture, and of a caption."""
    words = {"vocabulary": sizes.vocabulary, "state_width": sizes.state_width}
    if config.encoder == "mean":
        return MeanImage(sizes), CaptionVector(**words)
    shape = {"width": config.width, "heads": config.heads}
    return (
        AttendedImage(sizes.part_width, sizes.whole_width, **shape, dropout=config.dropout),
        AttendedText(**words, word_width=config.word_width, **shape, dropout=config.dropout),
    )


def _descriptors(config: TssclConfig, training_set: TrainingSet) -> Rows:
    """The frozen description of each training picture by its texts."""
    images, owner = len(training_set.labels), training_set.caption_image
    if config.descriptor == "tfidf" and training_set.captions:
        return tfidf_descriptors(training_set.captions, owner, images=images)
    vectors = training_set.caption_vectors()
    if vectors is None:
        raise ConfigError(
            "model.descriptor='states' compares texts by frozen word states, which this text encoder does not give; "
            "set texts.encoder='minilm', or model.descriptor='tfidf'."
        )
    return state_descriptors(vectors, owner, images=images)


def _mean_of_captions(texts: Float[Tensor, "m d"], owner: Tensor, *, images: int) -> Float[Tensor, "n d"]:
    """The mean direction of each picture's captions; zero for a picture without any."""
    return texts.new_zeros(images, texts.shape[1]).index_add(0, owner, F.normalize(texts, dim=1))
