"""SCAHN: binary codes from attention over parts, a graph of labels, contrast with queues, and two adversaries.

Liang et al. 2022, "Semantic Structure Enhanced Contrastive Adversarial Hash Network". Their abstract and released code
are public; "code" below is what the release does, in words of our own. Two modes: `released` keeps its defects (an
item's code depends on its batch, sigmoid twice, pads in the mean, random queues), `repaired` has none of them.

Two ways of supervision. By `labels`, as published: items of a shared label draw together, so codes find a kind. By
`pairs`: a picture and its captions draw together, labels (if there are any) only order what is foreign, so codes find a
picture; relaxed codes are then compared by their signs, which gradients pass straight through.

    regions, boxes -> MLP ---+                      +-> hash -> tanh code --> contrast, quantisation, sign -> bits
                             +-> transformer, mean -+                    \\-> discriminators
    words --> WordEncoder ---+                      +-> products with label vectors of the GCN -> classes

| module                           | class               | status     |
|----------------------------------|---------------------|------------|
| attention over regions and words | PartTransformer     | documented |
| label association graph          | label_association   | documented |
| GCN over labels                  | LabelNetwork        | documented |
| contrast across and within media | LabelContrast       | documented |
| contrast by pairs (switch)       | PairContrast        | ours       |
| codes taught by features         | Scahn._teach        | ours       |
| pooled parts (switch)            | HeadPooling         | ours       |
| dual-way adversary               | CodeDiscriminators  | documented |
| features normalised per item     | CodeEncoder         | ours       |
| quantisation and bit balance     | losses.quantisation | ours       |
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from pydantic import Field, model_validator
from torch import Tensor, nn

from crossgraph.encoders.gru import WordEncoder
from crossgraph.errors import ConfigError, ModelError
from crossgraph.graphs.label_association import label_association
from crossgraph.layers.code_discriminators import CodeDiscriminators
from crossgraph.layers.code_encoder import CodeEncoder
from crossgraph.layers.dropout import Dropout
from crossgraph.layers.hash_head import CODE_LENGTHS, encoded_code
from crossgraph.layers.label_contrast import LabelContrast
from crossgraph.layers.label_network import LabelNetwork
from crossgraph.layers.pair_contrast import Coded, PairContrast
from crossgraph.layers.pooling import HeadPooling, masked_mean
from crossgraph.layers.projection import ResidualProjection
from crossgraph.layers.shared_rows import by_row
from crossgraph.layers.transformer import PartTransformer
from crossgraph.losses.contrastive import info_nce
from crossgraph.losses.distillation import soft_target_loss
from crossgraph.losses.label_triplet import label_triplet_loss
from crossgraph.losses.quantisation import bit_balance_loss, quantisation_loss, uniformity_loss
from crossgraph.methods.contract import (
    CosineMethod,
    InputSizes,
    MethodConfig,
    ParameterGroup,
    TrainingSet,
)
from crossgraph.methods.settings import HeadedConfig
from crossgraph.types import Alignment, Batch, Encoded, ImageBatch, Provenance, TextBatch

MEDIA = ("image", "text")

RELEASED: dict[str, object] = {
    "temperature": 0.05,
    "normalised": False,
    "quantisation": 0.0,
    "balance": 0.0,
    "spread": 0.0,
    "class_scale": 1.0,
    "graph_rate": 5000.0,
}
"""What `mode = "released"` changes of the settings that are not given."""

RELEASED_WORDS = 128
"""The released code pads every caption to so many words and averages over all of them."""


class ScahnConfig(HeadedConfig):
    """Sizes, parts and weights; the sizes of the released code in brackets."""

    mode: Literal["repaired", "released"] = Field(
        "repaired", description="without the released code's defects, or with"
    )
    supervision: Literal["labels", "pairs"] = Field(
        "labels", description="what draws together: items of a shared label, or a picture and its captions"
    )
    bits: int = Field(64, ge=8, multiple_of=8, description="length of the code")
    width: int = Field(256, gt=0, description="channels of the features (1024)")
    heads: int = Field(4, gt=0, description="attention heads; must divide the widths")
    layers: int = Field(1, ge=1, description="transformer layers over regions and over words (2)")
    pooling: bool = Field(
        False, description="weighted means of parts beside the whole, as in dual_encoder, in the place of transformers"
    )
    region_width: int = Field(256, gt=0, description="channels of the region encoder (2048)")
    region_layers: int = Field(0, ge=0, description="transformer layers of the region encoder before that (4)")
    hidden: int = Field(512, gt=0, description="channels inside a transformer layer (2048)")
    word_width: int = Field(300, gt=0, description="width of a learned word vector; frozen states keep theirs")
    gru_width: int = Field(0, ge=0, description="channels of a GRU over the words; 0: none, as released")
    dropout: float = Field(0.1, ge=0, lt=1)
    fine_grained: bool = Field(True, description="parts; otherwise the whole picture and the mean of the words")
    scale: float = Field(5.7, gt=0, description="where the learned length of the repaired features starts")
    label_graph: bool = Field(True, description="the GCN over labels and the class loss")
    graph_width: int = Field(256, gt=0, description="channels between the two layers of the GCN (256)")
    graph_rate: float = Field(1.0, gt=0, description="learning rate of the GCN, as a multiple of the others'")
    class_scale: float = Field(5.0, gt=0, description="of the class logits")
    class_weight: float = Field(1.0, gt=0, description="of the class loss (1)")
    loss: Literal["paco", "triplet"] = Field("paco", description="parametric contrast, or the batch-all triplet loss")
    inter: bool = Field(True, description="contrast across media")
    intra: bool = Field(True, description="contrast within media")
    queue: int = Field(1024, ge=0, description="keys of earlier batches in each of the four queues (1024)")
    normalised: bool = Field(True, description="contrast compares directions of relaxed codes, not their products")
    temperature: float = Field(0.5, gt=0, description="of the contrast")
    pair_weight: float = Field(0.07, ge=0, description="of items of a shared label, against 1 of the class centre")
    neighbours: float = Field(
        0.1, ge=0, lt=1, description="by pairs: share of the loss that orders foreign items by the likeness of labels"
    )
    teaching: float = Field(
        0.0, ge=0, description="by pairs: weight at which codes take after the features, which then learn pairs too"
    )
    margin: float = Field(0.3, gt=0, description="of the triplet loss")
    adversary: bool = Field(True, description="two discriminators that tell the media of codes apart")
    adversary_weight: float = Field(1.0, gt=0, description="of the loss by which hash heads deceive them (1)")
    quantisation: float = Field(0.5, ge=0, description="weight of the distance of relaxed codes from -1 and 1")
    balance: float = Field(1.0, ge=0, description="weight of the squared mean of each bit")
    spread: float = Field(0.5, ge=0, description="weight of driving the codes of a medium apart, so that items differ")

    @property
    def goes_without_labels(self) -> bool:
        """By pairs, where those that are there are read."""
        return self.supervision == "pairs"

    @model_validator(mode="before")
    @classmethod
    def _released_settings(cls, settings: Any) -> Any:
        released = isinstance(settings, Mapping) and settings.get("mode") == "released"
        return {**RELEASED, **settings} if released else settings


class Scahn(CosineMethod):
    """Two encoders of binary codes, Hamming distance as score."""

    name: ClassVar[str] = "scahn"
    config_type: ClassVar[type[MethodConfig]] = ScahnConfig
    reads_labels: ClassVar[bool] = True
    ablations: ClassVar[Mapping[str, Mapping[str, object]]] = {
        "no-label-graph": {"label_graph": False},
        "no-intra": {"intra": False},
        "no-inter": {"inter": False},
        "no-adversary": {"adversary": False},
        "global-vectors": {"fine_grained": False},
        "triplet-loss": {"loss": "triplet"},
        "no-quantisation": {"quantisation": 0.0, "balance": 0.0},
        "no-spread": {"spread": 0.0},
        **{f"bits-{bits}": {"bits": bits} for bits in CODE_LENGTHS if bits != 64},
    }
    provenance: ClassVar[tuple[Provenance, ...]] = (
        Provenance("attention over regions and words", "PartTransformer", "documented", "abstract; released code"),
        Provenance("boxes and areas beside regions", "Scahn.region_mlp", "documented", "released code"),
        Provenance("label association graph", "label_association", "documented", "abstract; released code"),
        Provenance("GCN over labels", "LabelNetwork", "documented", "abstract; released code"),
        Provenance("class loss", "Scahn._class_loss", "documented", "released code; repaired: one sigmoid, scale 5"),
        Provenance("contrast across and within media", "LabelContrast", "documented", "abstract; code"),
        Provenance("queues of keys and labels", "LabelQueue", "documented", "released code; repaired: start empty"),
        Provenance("contrast of directions", "ScahnConfig.normalised", "ours", "its temperature too"),
        Provenance("contrast by pairs (switch)", "PairContrast", "ours", "codes that find a picture"),
        Provenance("codes taught by features", "Scahn._teach", "ours", "by pairs; distilled as by Hinton 2015"),
        Provenance("pooled parts (switch)", "HeadPooling", "ours", "what dual_encoder makes of features"),
        Provenance("triplet loss (switch)", "label_triplet_loss", "documented", "released code"),
        Provenance("dual-way adversary", "CodeDiscriminators", "documented", "abstract; code"),
        Provenance("hash heads", "HashHead", "documented", "released code; an exact 0 is a 1"),
        Provenance("features normalised per item", "CodeEncoder", "ours", "repair: released over the batch"),
        Provenance("mean over real words only", "CodeEncoder", "ours", "repair: released over pads too"),
        Provenance("quantisation and bit balance", "losses.quantisation", "ours", "not in the code"),
        Provenance("codes driven apart", "uniformity_loss", "ours", "after Wang & Isola 2020"),
        Provenance("several captions a picture", "Scahn.losses", "ours", "the code has pairs"),
        Provenance(
            "what regions and words say of bits", "Scahn.explain", "ours", "votes of parts, by attention roll-out"
        ),
    )

    adjacency: Tensor
    label_vectors: Tensor

    def __init__(self, config: ScahnConfig, sizes: InputSizes) -> None:
        super().__init__(config, sizes)
        if not sizes.labels and config.supervision == "labels":
            raise ConfigError(
                "scahn learns from labels, and the data has none; give a corpus that has, or set "
                "model.supervision=pairs."
            )
        self.config, width = config, config.width
        if config.pooling:
            self._build_pooling(sizes)
        else:
            self._build_regions(sizes)
        self.word_encoder = WordEncoder.of(config, sizes)
        self.image, self.text = (
            CodeEncoder(
                None if config.pooling else _transformer(config, width, config.layers),
                width=width,
                bits=config.bits,
                scale=config.scale,
                companions=config.mode == "released",
            )
            for _ in MEDIA
        )
        self.register_buffer("adjacency", torch.eye(sizes.labels))
        self.register_buffer("label_vectors", torch.zeros(sizes.labels, sizes.label_width))
        graph = config.label_graph and sizes.labels
        self.graph = LabelNetwork(sizes.label_width, config.graph_width, width) if graph else None
        self.contrast = _contrast(config, sizes.labels)
        self.pairs = _pairs(config, sizes.labels)
        self.discriminators = CodeDiscriminators(config.bits) if config.adversary else None

    def _build_regions(self, sizes: InputSizes) -> None:
        """Regions with their boxes to the channels that transformers read."""
        config, regions = self.config, self.config.region_width
        inputs = sizes.part_width if config.fine_grained else sizes.whole_width
        self.region_mlp = nn.Sequential(
            Dropout(config.dropout), nn.Linear(inputs + 5, regions), nn.ReLU(), nn.Linear(regions, regions)
        )
        self.normalise = nn.LayerNorm(inputs)
        self.region_transformer = _transformer(config, regions, config.region_layers) if config.region_layers else None
        self.region_proj = nn.Linear(regions, config.width)

    def _build_pooling(self, sizes: InputSizes) -> None:
        """What `dual_encoder` makes of pictures and words before its unit vectors, under the same names."""
        config = self.config
        self.whole_proj = ResidualProjection(sizes.whole_width, config.width, dropout=config.dropout)
        if config.fine_grained:
            self.image_proj = ResidualProjection(sizes.part_width, config.width, dropout=config.dropout)
            self.pool_image, self.pool_text = (HeadPooling(config.width, heads=config.heads) for _ in MEDIA)

    @property
    def media(self) -> dict[str, CodeEncoder]:
        """The encoders of both media by name."""
        return {"image": self.image, "text": self.text}

    @property
    def rows_stand_apart(self) -> bool:
        """Not as released: features are then normalised over their batch."""
        return self.config.mode != "released"

    @property
    def reads_wholes(self) -> bool:
        """Without fine-grained parts."""
        return not self.config.fine_grained

    def learn(self, training_set: TrainingSet) -> None:
        """Take in which labels come together, and the vectors of their names."""
        self.adjacency.copy_(label_association(training_set.labels))
        self.label_vectors.copy_(training_set.label_vectors)

    def encode_images(self, images: ImageBatch) -> Encoded:
        """The packed code of each picture, and its bits as a unit vector."""
        return encoded_code(self.image.hash(self._image_features(images)))

    def encode_texts(self, texts: TextBatch) -> Encoded:
        """The packed code of each caption, and its bits as a unit vector."""
        return encoded_code(self.text.hash(self._text_features(texts)))

    def soft_images(self, images: ImageBatch) -> Encoded:
        """Relaxed codes of unit length: a bit that is about to turn counts for little."""
        return Encoded(F.normalize(self.image.hash(self._image_features(images)), dim=1))

    def soft_texts(self, texts: TextBatch) -> Encoded:
        """As `soft_images`, of captions."""
        return Encoded(F.normalize(self.text.hash(self._text_features(texts)), dim=1))

    def phases(self) -> dict[str, list[nn.Parameter]]:
        """Everything but the discriminators, then the discriminators."""
        joint = [parameter for name, parameter in self.named_parameters() if not name.startswith("discriminators.")]
        discriminators = (
            {} if self.discriminators is None else {"discriminator": list(self.discriminators.parameters())}
        )
        return {"joint": joint} | discriminators

    def groups(self, phase: str) -> list[ParameterGroup]:
        """The GCN at its own rate; the discriminators at 2.5 times the rate and with less momentum, as released."""
        if phase == "discriminator":
            return [ParameterGroup(self.phases()[phase], rate=2.5, betas=(0.5, 0.9))]
        graph = [] if self.graph is None else list(self.graph.parameters())
        known = {id(parameter) for parameter in graph}
        others = [parameter for parameter in self.phases()[phase] if id(parameter) not in known]
        return [ParameterGroup(others), ParameterGroup(graph, rate=self.config.graph_rate)]

    def losses(self, batch: Batch, phase: str = "joint") -> dict[str, Float[Tensor, ""]]:
        """Phase "joint": all but the discriminators' loss. Phase "discriminator": theirs, on the codes that the joint
        phase of the same batch made before its step."""
        if phase == "discriminator":
            return self._discriminate(batch)
        if batch.labels is None and self.config.supervision == "labels":
            raise ModelError("scahn trains on labels, which the batch lacks; give a corpus that has labels.")
        known = self._no_labels(batch) if batch.labels is None else batch.labels
        labels = {"image": known, "text": known[batch.caption_image]}
        features = self._features(batch)
        codes = self._codes(features)
        if self.pairs is None:
            losses = self._pull_and_push(codes, features, labels)
        else:
            losses = self._pair(codes, labels, _pictures(batch)) | self._teach(codes, features, batch.caption_image)
        if self.graph is not None and batch.labels is not None:
            losses["classes"] = self.config.class_weight * self._class_loss(features, labels)
        if self.discriminators is not None:
            # features are detached: the hash heads alone hear the discriminators
            alone = self._codes({medium: features[medium].detach() for medium in MEDIA})
            losses["adversary"] = self.config.adversary_weight * self.discriminators.generator_loss(
                alone["image"], alone["text"]
            )
            batch.carried.update({medium: codes[medium].detach() for medium in MEDIA})
        for name, weight, loss in (
            ("quantisation", self.config.quantisation, quantisation_loss),
            ("balance", self.config.balance, bit_balance_loss),
            ("spread", self.config.spread, uniformity_loss),
        ):
            if weight:
                losses[name] = weight * (loss(codes["image"]) + loss(codes["text"])) / 2
        return losses

    def explain(self, images: ImageBatch, texts: TextBatch) -> Alignment:
        """What each region and word say of the bits: a code before its tanh is a sum over them, but for a constant.

        Attention is followed back to the parts it gathered from. `word_scores` are each word's share in how surely the
        caption's bits (weighed by their distance from 0) are those of the picture; a column of `weights` is which
        regions say of the bits what the word says. Without fine-grained parts there is one vote a side, so that words
        are left out instead, and regions of features say nothing.
        """
        if not self.config.fine_grained:
            return super().explain(images, texts)
        image, text = self.encode_images(images), self.encode_texts(texts)
        from_regions = self.media["image"].votes(*self._regions(images))
        from_words = self.media["text"].votes(*self._words(texts))
        agreement = ((from_regions @ from_words.T) * images.mask[0][:, None] * texts.mask[0]).clamp(min=0)
        sureness = self.text.hash.map(self._text_features(texts)).abs().sum().clamp(min=1e-12)
        found = from_words @ image.embedding[0].sign() / sureness
        words = int(texts.mask.sum())
        return Alignment(
            words=texts.words[0],
            boxes=images.boxes[0],
            weights=(agreement / agreement.sum(dim=0, keepdim=True).clamp(min=1e-12))[:, :words],
            word_scores=found[:words],
            score=float(self.score_pairs(image, text)[0]),
        )

    def _pull_and_push(
        self, codes: dict[str, Tensor], features: dict[str, Tensor], labels: dict[str, Tensor]
    ) -> dict[str, Float[Tensor, ""]]:
        """The contrast across and within media: both are queries in turn, keys are detached."""
        if self.config.normalised or self.contrast is None:
            codes = {medium: F.normalize(code, dim=1) for medium, code in codes.items()}
        losses: dict[str, Tensor] = {}
        for one in _contrasts(self.config):
            queries, keys = codes[one.queries], codes[one.keys].detach()
            query_labels, key_labels = labels[one.queries], labels[one.keys]
            if self.contrast is None:
                loss = label_triplet_loss(queries, keys, query_labels, key_labels, margin=self.config.margin)
            else:
                loss = self.contrast(one.name, features[one.queries], queries, keys, query_labels, key_labels)
            losses[one.kind] = losses[one.kind] + loss if one.kind in losses else loss
        return losses

    def _pair(
        self, codes: dict[str, Tensor], labels: dict[str, Tensor], pictures: dict[str, Tensor]
    ) -> dict[str, Float[Tensor, ""]]:
        """The contrast by pairs, of signs; labels speak through the graph of which come together."""
        assert self.pairs is not None
        coded = {
            medium: Coded(
                _straight_signs(codes[medium]) / self.config.bits**0.5,
                pictures[medium],
                labels[medium].float() @ self.adjacency,
            )
            for medium in MEDIA
        }
        losses: dict[str, Tensor] = {}
        for one in _contrasts(self.config):
            loss = self.pairs(one.name, coded[one.queries], coded[one.keys], within=one.kind == "intra")
            losses[one.kind] = losses[one.kind] + loss if one.kind in losses else loss
        return losses

    def _teach(
        self, codes: dict[str, Tensor], features: dict[str, Tensor], caption_image: Int[Tensor, " m"]
    ) -> dict[str, Float[Tensor, ""]]:
        """The InfoNCE of the features' cosines, and the cross-entropy of the codes' towards what these say."""
        if not self.config.teaching or self.pairs is None:
            return {}
        cosines = F.normalize(features["image"], dim=1) @ F.normalize(features["text"], dim=1).T
        signs = {medium: _straight_signs(codes[medium]) for medium in MEDIA}
        taught = soft_target_loss(
            signs["image"] @ signs["text"].T / self.config.bits,
            cosines.detach(),
            scale=self.pairs.inverse_temperature,
            temperature=self.config.temperature,
        )
        return {
            "features": info_nce(cosines, caption_image, scale=1 / self.config.temperature),
            "teaching": self.config.teaching * taught,
        }

    def _no_labels(self, batch: Batch) -> Bool[Tensor, "n c"]:
        return torch.zeros(len(batch.images), len(self.adjacency), dtype=torch.bool, device=self.adjacency.device)

    def _class_loss(self, features: dict[str, Tensor], labels: dict[str, Tensor]) -> Float[Tensor, ""]:
        """Both media against the label vectors of the graph; the released code takes the sigmoid twice."""
        assert self.graph is not None
        classes = self.graph(self.label_vectors, self.adjacency)
        released, losses = self.config.mode == "released", []
        for medium in MEDIA:
            vectors = features[medium] if released else F.normalize(features[medium], dim=1)
            logits = self.config.class_scale * vectors @ classes.T
            losses.append(
                F.binary_cross_entropy_with_logits(logits.sigmoid() if released else logits, labels[medium].float())
            )
        return torch.stack(losses).sum()

    def _discriminate(self, batch: Batch) -> dict[str, Float[Tensor, ""]]:
        """On the codes that the joint phase left in the batch, or on those of now where it left none."""
        assert self.discriminators is not None, "phases() has no discriminators"
        codes = batch.carried
        if not codes.keys() >= set(MEDIA):
            with torch.no_grad():
                codes = self._codes(self._features(batch))
        return {"discriminator": self.discriminators(codes["image"], codes["text"])}

    def _codes(self, features: dict[str, Tensor]) -> dict[str, Tensor]:
        return {medium: self.media[medium].hash(features[medium]) for medium in MEDIA}

    def _features(self, batch: Batch) -> dict[str, Tensor]:
        return {"image": self._image_features(batch.images), "text": self._text_features(batch.texts)}

    @by_row
    def _image_features(self, images: ImageBatch) -> Float[Tensor, "n d"]:
        features: Tensor = self.image(*self._regions(images))
        return features

    @by_row
    def _text_features(self, texts: TextBatch) -> Float[Tensor, "m d"]:
        words, mask = self._words(texts)
        released = self.config.mode == "released" and self.config.fine_grained
        if released:
            missing = max(0, RELEASED_WORDS - mask.shape[1])
            words, mask = F.pad(words, (0, 0, 0, missing)), F.pad(mask, (0, missing))
        features: Tensor = self.text(words, mask, pads=released)
        return features

    def _regions(self, images: ImageBatch) -> tuple[Float[Tensor, "n p d"], Bool[Tensor, "n p"]]:
        """Regions with their boxes and areas, or the whole picture as a region that is all of it."""
        if self.config.pooling:
            return self._pooled_regions(images)
        parts, boxes, mask = images.parts, images.boxes, images.mask
        if not self.config.fine_grained:
            parts, mask = images.whole[:, None], mask.new_ones(len(images), 1)
            boxes = boxes.new_tensor([0.0, 0.0, 1.0, 1.0]).expand(len(images), 1, 4)
        area = (boxes[..., 2:] - boxes[..., :2]).prod(dim=-1, keepdim=True)
        drop, first, *others = self.region_mlp
        assert isinstance(first, nn.Linear)
        # one map of what is side by side is the sum of two maps: the wide part is not copied to join the narrow one
        wide, narrow = torch.split(first.weight, [parts.shape[-1], 5], dim=1)
        placed = F.linear(drop(self.normalise(parts)), wide) + F.linear(drop(torch.cat([boxes, area], dim=-1)), narrow)
        regions = placed * mask[..., None] + first.bias
        for layer in others:
            regions = layer(regions)
        if self.region_transformer is not None:
            regions = self.region_transformer(regions, mask)
        return self.region_proj(regions), mask

    def _pooled_regions(self, images: ImageBatch) -> tuple[Float[Tensor, "n p d"], Bool[Tensor, "n p"]]:
        """What each region adds to the weighted means, and an even share of the whole; that alone without parts."""
        whole = self.whole_proj(images.whole)[:, None]
        if not self.config.fine_grained:
            return whole, images.mask.new_ones(len(images), 1)
        shares = images.mask[..., None] / images.mask.sum(dim=1).clamp(min=1)[:, None, None]
        return self.pool_image.contributions(self.image_proj(images.parts), images.mask) + whole * shares, images.mask

    def _words(self, texts: TextBatch) -> tuple[Float[Tensor, "m p d"], Bool[Tensor, "m p"]]:
        """Words in the method's channels, or their mean as the only one."""
        words = self.word_encoder(texts)
        if self.config.fine_grained and self.config.pooling:
            count = texts.mask.sum(dim=1).clamp(min=1)[:, None, None]
            return self.pool_text.contributions(words, texts.mask) + words / count, texts.mask
        if self.config.fine_grained:
            return words, texts.mask
        return masked_mean(words, texts.mask)[:, None], texts.mask.new_ones(len(texts), 1)


def _transformer(config: ScahnConfig, width: int, layers: int) -> PartTransformer:
    return PartTransformer(width, layers=layers, heads=config.heads, hidden=config.hidden, dropout=config.dropout)


@dataclass(frozen=True)
class _Contrast:
    """Codes of the medium `queries` against those of `keys`; `kind` is the loss that it counts for."""

    kind: str
    queries: str
    keys: str

    @property
    def name(self) -> str:
        """What its queue is called."""
        return f"{self.kind}_{self.queries}"


def _contrasts(config: ScahnConfig) -> list[_Contrast]:
    inter = [_Contrast("inter", "image", "text"), _Contrast("inter", "text", "image")] if config.inter else []
    intra = [_Contrast("intra", "image", "image"), _Contrast("intra", "text", "text")] if config.intra else []
    return inter + intra


def _straight_signs(relaxed: Float[Tensor, "n bits"]) -> Float[Tensor, "n bits"]:
    """The signs, with the gradient of the relaxed code *(straight through; Bengio 2013)*; an exact 0 is a 1."""
    signs = torch.where(relaxed >= 0, 1.0, -1.0)
    return relaxed + (signs - relaxed).detach()


def _pictures(batch: Batch) -> dict[str, Tensor]:
    """Which picture of the training set each item is of; of the batch, where that is not known."""
    device = batch.caption_image.device
    rows = torch.arange(len(batch.images), device=device) if batch.rows is None else batch.rows
    return {"image": rows, "text": rows[batch.caption_image]}


def _pairs(config: ScahnConfig, labels: int) -> PairContrast | None:
    """None where labels supervise."""
    if config.supervision == "labels":
        return None
    return PairContrast(
        [one.name for one in _contrasts(config)],
        bits=config.bits,
        labels=labels,
        queue=config.queue,
        temperature=config.temperature,
        share=config.neighbours if labels else 0.0,
    )


def _contrast(config: ScahnConfig, labels: int) -> LabelContrast | None:
    """None where a triplet loss or pairs take its place, or nothing is contrasted."""
    names = [one.name for one in _contrasts(config)]
    if not names or config.loss != "paco" or config.supervision == "pairs":
        return None
    return LabelContrast(
        names,
        width=config.width,
        bits=config.bits,
        labels=labels,
        queue=config.queue,
        temperature=config.temperature,
        pair_weight=config.pair_weight,
        random=config.mode == "released",
    )
