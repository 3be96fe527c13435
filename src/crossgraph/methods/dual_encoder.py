"""The baseline and the shortlist: two encoders that never meet, one vector each, cosine between them.

In the line of VSE++ (Faghri 2018) and VSE-infinity (Chen 2021): frozen features are projected, parts are pooled with
learned weights, and a whole-item vector is added before normalisation. Every later method must beat it.

    parts -> project -> HeadPooling --+
    whole -> project -----------------+-> unit embedding; score = cosine

| module                       | class                  | status     |
|------------------------------|------------------------|------------|
| projection with residual MLP | ResidualProjection     | documented |
| sentence encoder             | WordEncoder            | documented |
| pooling                      | HeadPooling            | ours       |
| whole-item vector            | DualEncoder.whole_proj | ours       |
| hinge loss                   | losses.triplet_loss    | documented |
| InfoNCE                      | losses.info_nce        | documented |
| queue of earlier steps       | MomentumQueue          | documented |
| names of labels              | losses.name_loss       | documented |
| names of classes             | losses.name_loss       | ours       |
| names of regions             | RegionNames            | ours       |
| soft targets                 | losses.soft_target_loss | documented |
| teachers                     | losses.soft_target_loss | documented |
| query bank                   | QueryBank              | documented |
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.func import functional_call

from crossgraph.encoders.gru import WordEncoder
from crossgraph.encoders.region_names import part_projection
from crossgraph.errors import ModelError
from crossgraph.layers.charges import LENGTH
from crossgraph.layers.momentum_queue import MomentumQueue
from crossgraph.layers.pooling import HeadPooling, masked_mean
from crossgraph.layers.projection import ResidualProjection
from crossgraph.layers.query_bank import QueryBank
from crossgraph.layers.shared_rows import by_row
from crossgraph.losses.distillation import caption_likeness, soft_target_loss
from crossgraph.losses.matching import equal_captions
from crossgraph.losses.names import name_loss
from crossgraph.losses.ranking import RankingLoss
from crossgraph.methods.contract import CosineMethod, InputSizes, MethodConfig
from crossgraph.methods.settings import RankedConfig
from crossgraph.types import Alignment, Batch, Encoded, ImageBatch, Provenance, TextBatch


class DualEncoderConfig(RankedConfig):
    """Sizes and loss of the baseline."""

    width: int = Field(512, gt=0, description="channels of the embedding")
    heads: int = Field(8, gt=0, description="pooling heads; must divide the width")
    temperature: float = Field(0.05, gt=0, description="where the learned temperature of InfoNCE starts")
    ignore_equal: bool = Field(
        False, description="a caption is no negative of pictures that have one of the same words (InfoNCE only)"
    )
    queue: int = Field(
        0, ge=0, description="so many pictures and captions of earlier steps are further negatives (InfoNCE only)"
    )
    queue_share: float = Field(0.5, gt=0, le=1, description="share of the contrast with them in the ranking loss")
    queue_momentum: float = Field(0.99, ge=0, lt=1, description="decay of the running average that encodes them")
    soft_share: float = Field(
        0.0, ge=0, le=1, description="share of soft targets, by the likeness of captions, in the ranking loss"
    )
    soft_temperature: float = Field(0.1, gt=0, description="of the likeness of captions")
    teacher_share: float = Field(
        0.0, ge=0, le=1, description="share of soft targets, by the scores of training.teachers, in the ranking loss"
    )
    teacher_temperature: float = Field(0.05, gt=0, description="of the scores of teachers")
    label_weight: float = Field(
        0.0, ge=0, description="weight of the loss between pictures and the names of their labels as texts"
    )
    class_weight: float = Field(
        0.0, ge=0, description="weight of what the image network knew of its own classes, by their names as texts"
    )
    bank_images: int = Field(
        0,
        ge=0,
        description="known pictures that sentences are charged by; only `crossgraph query-bank` sets these four",
    )
    bank_texts: int = Field(0, ge=0, description="known sentences that pictures are charged by")
    bank_share: float = Field(0.0, ge=0, le=1, description="how much of being near to the bank is charged")
    bank_sharpness: float = Field(20.0, gt=0, description="how much the nearest of the bank count more")

    @model_validator(mode="after")
    def _shares_leave_something(self) -> DualEncoderConfig:
        if self.soft_share + self.teacher_share > 1:
            raise ValueError(
                f"soft_share {self.soft_share:g} and teacher_share {self.teacher_share:g} are more than the whole loss"
            )
        if self.queue and self.loss != "info_nce":
            raise ValueError(f"a queue gives negatives to info_nce, and loss is {self.loss}; leave out queue")
        if bool(self.bank_images) != bool(self.bank_texts):
            raise ValueError("bank_images and bank_texts go together; `crossgraph query-bank` sets both")
        return self

    def bank(self, width: int) -> QueryBank | None:
        """The bank of these settings for vectors of `width`, empty; None where they have none."""
        if not self.bank_images:
            return None
        images, texts = self.bank_images, self.bank_texts
        return QueryBank(images, texts, width=width, share=self.bank_share, sharpness=self.bank_sharpness)


class DualEncoder(CosineMethod):
    """Two encoders, one embedding a side, cosine score."""

    name: ClassVar[str] = "dual_encoder"
    config_type: ClassVar[type[MethodConfig]] = DualEncoderConfig
    ablations: ClassVar[Mapping[str, Mapping[str, object]]] = {
        "triplet-loss": {"loss": "triplet"},
        "no-gru": {"gru_width": 0},
    }
    provenance: ClassVar[tuple[Provenance, ...]] = (
        Provenance("projection with residual MLP", "ResidualProjection", "documented", "VSE-infinity (Chen 2021)"),
        Provenance(
            "sentence encoder",
            "WordEncoder",
            "documented",
            "VSE++ (Faghri 2018), SCAN (Lee 2018); a linear map beside it is ours",
        ),
        Provenance("pooling", "HeadPooling", "ours", "in the place of GPO (Chen 2021)"),
        Provenance("whole-item vector", "DualEncoder.whole_proj", "ours", "what the parts leave out"),
        Provenance("hinge loss", "losses.triplet_loss", "documented", "VSE++ (Faghri 2018)"),
        Provenance("InfoNCE", "losses.info_nce", "documented", "CPC (van den Oord 2018), same-image pairs masked"),
        Provenance(
            "queue of earlier steps",
            "MomentumQueue",
            "documented",
            "momentum contrast (He 2020, MoCo) both ways (Li 2021, ALBEF); those of the same picture left out",
        ),
        Provenance("names of labels", "losses.name_loss", "documented", "UniCL (Yang 2022), labels as texts"),
        Provenance(
            "names of classes",
            "losses.name_loss",
            "ours",
            "after ConSE (Norouzi 2014) and DeViSE (Frome 2013): the classifier's verdict on each training picture, "
            "distilled through texts",
        ),
        Provenance(
            "names of regions",
            "RegionNames",
            "ours",
            "ConSE (Norouzi 2014) of every part: what the classifier takes it for, beside its features",
        ),
        Provenance(
            "soft targets",
            "losses.soft_target_loss",
            "documented",
            "CUSA (Huang 2024): cross-modal soft labels by a frozen sentence encoder",
        ),
        Provenance(
            "teachers",
            "losses.soft_target_loss",
            "documented",
            "knowledge distillation (Hinton 2015) of the mean score of finished runs",
        ),
        Provenance(
            "query bank", "QueryBank", "documented", "QB-Norm (Bogolin 2022), inverted softmax (Smith 2017), both ways"
        ),
    )

    def __init__(self, config: DualEncoderConfig, sizes: InputSizes) -> None:
        super().__init__(config, sizes)
        self.config = config
        width = config.width
        self.image_proj = part_projection(sizes, width, dropout=config.dropout, named=config.region_names)
        self.whole_proj = ResidualProjection(sizes.whole_width, width, dropout=config.dropout)
        self.word_encoder = WordEncoder.of(config, sizes)
        self.pool_image, self.pool_text = (HeadPooling(width, heads=config.heads) for _ in range(2))
        self.rank = RankingLoss(config.loss, margin=config.margin, scale=1.0 / config.temperature)
        self.bank = config.bank(width)
        self.earlier: MomentumQueue | None = None
        if config.queue:
            self.earlier = MomentumQueue(self._own(), size=config.queue, width=width, momentum=config.queue_momentum)

    @property
    def rows_stand_apart(self) -> bool:
        """Not with a queue, whose slow copy reads the whole batch."""
        return not self.config.queue and super().rows_stand_apart

    @property
    def reads_label_names(self) -> bool:
        """Where they are learned from."""
        return self.config.label_weight > 0

    @property
    def reads_classes(self) -> bool:
        """Where they are learned from."""
        return self.config.class_weight > 0

    @property
    def reads_teachers(self) -> bool:
        """Where they are learned from."""
        return self.config.teacher_share > 0

    @by_row
    def encode_images(self, images: ImageBatch) -> Encoded:
        """One unit vector per picture."""
        vectors = self._image_vectors(images)
        return Encoded(vectors if self.bank is None else self.bank.of_images(vectors))

    @by_row
    def encode_texts(self, texts: TextBatch) -> Encoded:
        """One unit vector per caption."""
        words = self.word_encoder(texts)
        vectors = F.normalize(self.pool_text(words, texts.mask) + masked_mean(words, texts.mask), dim=-1)
        return Encoded(vectors if self.bank is None else self.bank.of_texts(vectors))

    def _image_vectors(self, images: ImageBatch) -> Float[Tensor, "n d"]:
        """One unit vector per picture, not charged."""
        pooled = self.pool_image(self.image_proj(images.parts), images.mask)
        return F.normalize(pooled + self.whole_proj(images.whole), dim=-1)

    def losses(self, batch: Batch, phase: str = "joint") -> dict[str, Float[Tensor, ""]]:
        """The ranking loss chosen in the config and, weighted, those of names."""
        images, config = self.encode_images(batch.images), self.config
        texts = self.encode_texts(batch.texts)
        scores = self.score(images, texts)
        same = equal_captions(batch.texts.words, batch.caption_image, len(images)) if config.ignore_equal else None
        found: dict[str, Tensor] = {
            config.loss: self.rank(
                scores,
                batch.caption_image,
                hardness=batch.hardness,
                neither=same,
            )
        }
        if self.earlier is not None:
            earlier = self._earlier_loss(self.earlier, images, texts, batch, same)
            found[config.loss] = (1 - config.queue_share) * found[config.loss] + config.queue_share * earlier
        if config.soft_share or config.teacher_share:
            found[config.loss] = (1 - config.soft_share - config.teacher_share) * found[config.loss]
        if config.soft_share:
            found["soft"] = config.soft_share * self._soft_loss(scores, batch)
        if config.teacher_share and batch.taught is not None:
            found["teachers"] = config.teacher_share * soft_target_loss(
                scores, batch.taught, scale=self.rank.inverse_temperature, temperature=config.teacher_temperature
            )
        if config.label_weight and batch.labels is not None and batch.label_texts is not None:
            found["labels"] = config.label_weight * self._label_loss(
                images, batch.labels, batch.label_texts, batch.labels_known
            )
        if config.class_weight and batch.classes is not None and batch.class_texts is not None:
            names = self.score(images, self.encode_texts(batch.class_texts))
            scale = self.rank.inverse_temperature
            found["classes"] = config.class_weight * name_loss(names, batch.classes, scale=scale)
        return found

    def forward(self, images: ImageBatch, texts: TextBatch) -> tuple[Tensor, Tensor]:
        """The embeddings of both sides."""
        return self.encode_images(images).embedding, self.encode_texts(texts).embedding

    def _own(self) -> dict[str, nn.Parameter]:
        """The parameters that encode; networks that a run trains too are none of them."""
        kept = ("backbone.", "text_backbone.", "rank.")
        return {name: value for name, value in self.named_parameters() if not name.startswith(kept)}

    def _earlier_loss(
        self, queue: MomentumQueue, images: Encoded, texts: Encoded, batch: Batch, same: Bool[Tensor, "n m"] | None
    ) -> Float[Tensor, ""]:
        """Contrast with keys of this step and of earlier ones, made by slow weights, without dropout."""
        if batch.rows is None:
            raise ModelError("model.queue wants to know which pictures a batch has; set model.queue=0.")
        training = self.training

        def encode(weights: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
            self.eval()
            keys: tuple[Tensor, Tensor] = functional_call(self, weights, (batch.images, batch.texts))
            self.train(training)
            return keys

        named, links = self._own() if training else None, batch.caption_image
        return queue.loss(
            self.rank,
            images.embedding,
            texts.embedding,
            links,
            rows=batch.rows,
            encode=encode,
            named=named,
            neither=same,
        )

    def _soft_loss(self, scores: Float[Tensor, "n m"], batch: Batch) -> Float[Tensor, ""]:
        """Towards what the sentence vectors of the captions say of each other."""
        if batch.texts.whole is None:
            raise ModelError(
                "model.soft_share wants a vector for every caption; choose a text encoder that gives one (minilm), or "
                "set model.soft_share=0."
            )
        like = caption_likeness(batch.texts.whole, batch.caption_image, len(batch.images))
        scale = self.rank.inverse_temperature
        return soft_target_loss(scores, like, scale=scale, temperature=self.config.soft_temperature)

    def _label_loss(
        self, images: Encoded, labels: Bool[Tensor, "n c"], names: TextBatch, known: Bool[Tensor, "n c"] | None
    ) -> Float[Tensor, ""]:
        """Each picture among the names of labels, and each name among the pictures, where it is known of them."""
        scores, scale = self.score(images, self.encode_texts(names)), self.rank.inverse_temperature
        there = name_loss(scores, labels.float(), known, scale=scale)
        back = name_loss(scores.T, labels.T.float(), None if known is None else known.T, scale=scale)
        return there + back

    def explain(self, images: ImageBatch, texts: TextBatch) -> Alignment:
        """How much of the cosine each word carries, and where in the picture the word is.

        Pooling is linear, so the score splits over words: `word_scores` are their shares (what a query bank charges is
        no word's). A column of `weights` is the
        softmax over regions, at the learned temperature, of the cosines of the word's part of the caption with each
        region taken for a whole picture, since a picture's mean is read as its cells are (class activation maps,
        Zhou 2016).
        """
        image, text = self.encode_images(images), self.encode_texts(texts)
        words = self.word_encoder(texts)
        from_words = self.pool_text.contributions(words, texts.mask)[0] + words[0] / texts.mask[0].sum()
        regions = self._regions_alone(images)[0]
        cosines = regions @ F.normalize(from_words, dim=-1).T
        weights = (
            (cosines * self.rank.inverse_temperature).masked_fill(~images.mask[0][:, None], -torch.inf).softmax(dim=0)
        )
        length = (self.pool_text(words, texts.mask) + masked_mean(words, texts.mask)).norm()
        shares = from_words @ self._image_vectors(images)[0] / length
        if self.bank is not None:
            shares = shares / LENGTH**2
        return Alignment(
            words=texts.words[0],
            boxes=images.boxes[0],
            weights=weights,
            word_scores=shares,
            score=float(self.score_pairs(image, text)[0]),
            contributions=shares,
        )

    def _regions_alone(self, images: ImageBatch) -> Float[Tensor, "n p d"]:
        """The unit embedding of every region, as if it were all there is of a picture."""
        alone = self.image_proj(images.parts)
        if self.sizes.whole_width == self.sizes.part_width:
            alone = alone + self.whole_proj(images.parts)
        return F.normalize(alone, dim=-1)
