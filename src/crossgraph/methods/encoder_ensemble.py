"""Several dual encoders in one: each learns by itself, the score is the mean of their cosines.

An ensemble of networks that were trained apart errs less than any of them *(Lakshminarayanan 2017)*, the more so the
less alike they are. Each branch is a whole `dual_encoder` with its own losses. With `blocks` the channels of a picture
are cut into so many equal blocks, and branch k reads block `reads[k]`, or k modulo `blocks`: where features of a
trained image network stand beside those it came with (`images.beside`), one branch learns on the one and another on
the other. Branches may also have been trained one by one (`training.joined_runs`).

    picture -> block 0 -> branch 0 --+
            -> block 1 -> branch 1 --+-> embeddings side by side, of unit length; score = cosine = mean of cosines
    words   -> every branch ---------+

| module             | class           | status     |
|--------------------|-----------------|------------|
| branch             | DualEncoder     | documented |
| mean of scores     | EncoderEnsemble | documented |
| blocks of channels | EncoderEnsemble | ours       |
"""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar, cast

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn

from crossgraph.errors import ConfigError
from crossgraph.layers.charges import LENGTH
from crossgraph.methods.contract import CosineMethod, InputSizes, MethodConfig
from crossgraph.methods.dual_encoder import DualEncoder, DualEncoderConfig
from crossgraph.types import Alignment, Batch, Encoded, ImageBatch, Provenance, TextBatch

BANK = ("bank_images", "bank_texts", "bank_share", "bank_sharpness")
"""Settings of the whole, not of a branch."""


class EncoderEnsembleConfig(DualEncoderConfig):
    """How many branches, on what; the other settings are those of each branch."""

    branches: int = Field(2, ge=2, description="dual encoders side by side")
    blocks: int = Field(1, ge=1, description="equal blocks of the channels of a picture; branch k reads one of them")
    reads: tuple[int, ...] = Field(
        (), description="the block that each branch reads; empty: branch k block k mod blocks"
    )
    named: tuple[int, ...] = Field(
        (),
        description="with region_names: the branches that read names; empty: all (those of a trained network cannot)",
    )


class EncoderEnsemble(CosineMethod):
    """Dual encoders side by side; the cosine of their embeddings is the mean of the cosines of the branches."""

    name: ClassVar[str] = "encoder_ensemble"
    config_type: ClassVar[type[MethodConfig]] = EncoderEnsembleConfig
    provenance: ClassVar[tuple[Provenance, ...]] = (
        Provenance("branch", "DualEncoder", "documented", "see dual_encoder"),
        Provenance("mean of scores", "EncoderEnsemble", "documented", "deep ensembles (Lakshminarayanan 2017)"),
        Provenance("blocks of channels", "EncoderEnsemble", "ours", "branches that read other features err otherwise"),
    )

    def __init__(self, config: EncoderEnsembleConfig, sizes: InputSizes) -> None:
        super().__init__(config, sizes)
        self.config = config
        if sizes.part_width % config.blocks or sizes.whole_width % config.blocks:
            raise ConfigError(
                f"pictures have {sizes.part_width} channels a part and {sizes.whole_width} as a whole, which "
                f"{config.blocks} blocks do not divide; set model.blocks to a divisor."
            )
        own = sizes.model_copy(
            update={
                "part_width": sizes.part_width // config.blocks,
                "whole_width": sizes.whole_width // config.blocks,
            }
        )
        self.reads = config.reads or tuple(branch % config.blocks for branch in range(config.branches))
        if len(self.reads) != config.branches or not set(self.reads) <= set(range(config.blocks)):
            raise ConfigError(
                f"model.reads must name a block from 0 to {config.blocks - 1} for each of {config.branches} branches, "
                f"got {list(config.reads)}."
            )
        own_settings = {"branches", "blocks", "reads", "named", *BANK}
        settings = DualEncoderConfig.model_validate(config.model_dump(exclude=own_settings))
        named = set(config.named or range(config.branches)) if config.region_names else set()
        self.branches = nn.ModuleList(
            [
                DualEncoder(settings.model_copy(update={"region_names": branch in named}), own)
                for branch in range(config.branches)
            ]
        )
        self.bank = config.bank(config.branches * config.width)

    @property
    def rows_stand_apart(self) -> bool:
        """Not with a queue, whose slow copies read the whole batch."""
        return not self.config.queue and super().rows_stand_apart

    @property
    def reads_label_names(self) -> bool:
        """Where the branches learn from them."""
        return self.config.label_weight > 0

    @property
    def reads_classes(self) -> bool:
        """Where the branches learn from them."""
        return self.config.class_weight > 0

    @property
    def reads_teachers(self) -> bool:
        """Where the branches learn from them."""
        return self.config.teacher_share > 0

    def encode_images(self, images: ImageBatch) -> Encoded:
        """One unit vector per picture: those of the branches, side by side."""
        vectors = _side_by_side([branch.encode_images(own) for branch, own in self._apart(images)])
        return Encoded(vectors if self.bank is None else self.bank.of_images(vectors))

    def encode_texts(self, texts: TextBatch) -> Encoded:
        """One unit vector per caption: those of the branches, side by side."""
        vectors = _side_by_side([branch.encode_texts(texts) for branch in self._members()])
        return Encoded(vectors if self.bank is None else self.bank.of_texts(vectors))

    def losses(self, batch: Batch, phase: str = "joint") -> dict[str, Float[Tensor, ""]]:
        """Each loss of a dual encoder, summed over the branches: none hears of another."""
        found: dict[str, Tensor] = {}
        for branch, own in self._apart(batch.images):
            for name, value in branch.losses(replace(batch, images=own), phase).items():
                found[name] = found[name] + value if name in found else value
        return found

    def explain(self, images: ImageBatch, texts: TextBatch) -> Alignment:
        """The mean of what the branches say of each word, and of where they look."""
        told = [branch.explain(own, texts) for branch, own in self._apart(images)]
        count = len(told)
        shares = torch.stack([one.word_scores for one in told]).sum(dim=0) / count
        score = sum(one.score for one in told) / count
        if self.bank is not None:
            shares = shares / LENGTH**2
            score = float(self.score(self.encode_images(images), self.encode_texts(texts))[0, 0])
        return Alignment(
            words=told[0].words,
            boxes=told[0].boxes,
            weights=torch.stack([one.weights for one in told]).sum(dim=0) / count,
            word_scores=shares,
            score=score,
            contributions=shares,
        )

    def _members(self) -> list[DualEncoder]:
        return [cast(DualEncoder, branch) for branch in self.branches]

    def _apart(self, images: ImageBatch) -> list[tuple[DualEncoder, ImageBatch]]:
        """Every branch with the block of channels that it reads."""
        blocks = self.config.blocks
        parts, wholes = images.parts.chunk(blocks, dim=2), images.whole.chunk(blocks, dim=1)
        own = [replace(images, parts=part, whole=whole) for part, whole in zip(parts, wholes, strict=True)]
        return [(branch, own[block]) for branch, block in zip(self._members(), self.reads, strict=True)]


def _side_by_side(encoded: list[Encoded]) -> Float[Tensor, "n d"]:
    """Unit vectors of several branches as one of unit length."""
    found: Tensor = torch.cat([one.embedding for one in encoded], dim=1) / len(encoded) ** 0.5
    return found
