"""What every method is: two encoders, one score, named losses, an explanation, and where each module comes from.

`score(images, texts)[i, j]` depends on row i and column j only, so a re-ranked shortlist and the offline table
agree. `score_pairs` is the same function along the diagonal, for shortlists and mined candidates.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from jaxtyping import Bool, Float, Int
from pydantic import BaseModel, ConfigDict
from torch import Tensor, nn

from crossgraph.graphs.negatives import Kind
from crossgraph.layers.hash_head import code_cosines, paired_code_cosines
from crossgraph.layers.occlusion import explain_by_occlusion
from crossgraph.types import Alignment, Batch, Encoded, ImageBatch, Provenance, TextBatch

PAIR_BYTES = 2**28
"""What the pairs of one block may take while a method scores every picture with every caption."""


def nobody_asks(_count: int) -> None:
    """Takes note of progress where nobody wants to know."""


class MethodConfig(BaseModel):
    """Base of every method's settings: frozen; unknown keys are errors, and so are infinite numbers."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @property
    def goes_without_labels(self) -> bool:
        """Whether a method that reads labels can be trained with these settings where there are none."""
        return False


class InputSizes(BaseModel):
    """How wide the inputs are: image parts, whole-image vector, and either a vocabulary or frozen word states.

    `text_whole_width` is that of the vector of a whole caption (0: captions have none). `labels` counts the labels of
    the training set (0: none), `label_width` is that of the vectors of their names. `classifier` is the encoder whose
    classifier names parts (empty: nobody asks), `classes` and `class_width` say how many names it has and how wide
    their vectors are.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    part_width: int
    whole_width: int
    vocabulary: int = 0
    state_width: int = 0
    text_whole_width: int = 0
    labels: int = 0
    label_width: int = 0
    classifier: str = ""
    classes: int = 0
    class_width: int = 0


@dataclass(frozen=True)
class TrainingSet:
    """What a method may know of all training pictures before the first step.

    `labels` say which picture has which label, `label_vectors` are frozen vectors of the names of labels, and
    `captions` with `caption_image` are the texts as they were read, none where features came in the place of texts;
    `caption_vectors` reads the means of their frozen word states, where the text encoder gives any. It reads all
    captions, so only a method that wants them asks.
    """

    labels: Bool[Tensor, "n c"]
    label_names: tuple[str, ...]
    label_vectors: Float[Tensor, "c w"]
    captions: tuple[str, ...]
    caption_image: Int[Tensor, " m"]
    caption_vectors: Callable[[], Float[Tensor, "m d"] | None] = lambda: None


@dataclass(frozen=True)
class ParameterGroup:
    """Parameters that are stepped alike: `rate` multiplies the run's learning rate, `betas` are Adam's."""

    parameters: list[nn.Parameter]
    rate: float = 1.0
    betas: tuple[float, float] = (0.9, 0.999)


class Method(nn.Module, ABC):
    """A retrieval method. Modules are built from a config and the input sizes; nothing here seeds, prints or saves."""

    name: ClassVar[str]
    config_type: ClassVar[type[MethodConfig]]
    provenance: ClassVar[tuple[Provenance, ...]]
    reranks: ClassVar[bool]
    """True when `score` is finer than the product of the two embeddings, so that a shortlist pays."""

    reads_graphs: ClassVar[bool] = False
    """True when captions must come with their scene graphs (`TextBatch.graphs`)."""

    one_model: ClassVar[bool] = False
    """True when both sides must be read by one pretrained model with a space for both, which `images.encoder` names."""

    reads_labels: ClassVar[bool] = False
    """True when training reads labels (`Batch.labels`), and needs them unless its settings say that it
    `goes_without_labels`; encoding never does."""

    ablations: ClassVar[Mapping[str, Mapping[str, object]]] = {}
    """What to leave out or replace to learn what it is worth: name of the variant -> settings that differ."""

    def __init__(self, config: MethodConfig, sizes: InputSizes) -> None:
        super().__init__()
        self.sizes = sizes
        self.backbone: nn.Module | None = None
        """The image network, where a run trains it too. What it makes of pictures comes in by batches as ever; here it
        is only stepped, saved and moved with the method."""
        self.text_backbone: nn.Module | None = None
        """The upper layers of the sentence encoder, where a run trains them too; likewise."""

    @property
    def edits(self) -> frozenset[Kind]:
        """The kinds of false captions that training should bring along; none by default (`graphs.negatives`)."""
        return frozenset()

    @property
    def edited_share(self) -> float:
        """The share of captions that are edited; each edit must be parsed and encoded."""
        return 1.0

    @property
    def reads_label_names(self) -> bool:
        """Whether training wants the names of all labels as texts (`Batch.label_texts`)."""
        return False

    @property
    def reads_teachers(self) -> bool:
        """Whether training wants what finished runs say of every pair (`Batch.taught`)."""
        return False

    @property
    def reads_classes(self) -> bool:
        """Whether training wants what the image network knew before (`Batch.classes`, `Batch.class_texts`)."""
        return False

    def soft_images(self, images: ImageBatch) -> Encoded:
        """The encodings that leaving something out is judged by: of codes those before they are cut to bits."""
        return self.encode_images(images)

    def soft_texts(self, texts: TextBatch) -> Encoded:
        """As `soft_images`, of captions."""
        return self.encode_texts(texts)

    @property
    def reads_wholes(self) -> bool:
        """Whether pictures are read as one vector each, so that regions must be taken out of the picture itself to see
        what they say (`training.occluded_inputs`)."""
        return self.one_model

    @property
    def rows_stand_apart(self) -> bool:
        """Whether no row that is made in training (`layers.shared_rows.by_row`) depends on the others of its batch, so
        that several workers can each make some of them. Layers of a sentence encoder that are trained read the captions
        of a whole batch before."""
        return self.text_backbone is None

    def learn(self, training_set: TrainingSet) -> None:
        """Take in what is known of the whole training set, before the first step and again when a run is resumed.

        Called for methods that read labels. What encoding needs of it must be kept in buffers, which are saved.
        """

    def companions(self) -> Int[Tensor, "n k"] | None:
        """Which other training pictures should share each one's batch, nearest first; none by default.

        Asked after `learn`, for methods whose losses look at neighbours.
        """
        return None

    @abstractmethod
    def encode_images(self, images: ImageBatch) -> Encoded:
        """One row per picture; no row depends on its batch companions or on padding."""

    @abstractmethod
    def encode_texts(self, texts: TextBatch) -> Encoded:
        """One row per caption; no row depends on its batch companions or on padding."""

    @abstractmethod
    def score_pairs(self, images: Encoded, texts: Encoded) -> Float[Tensor, " n"]:
        """The score of picture i with caption i, row by row. Both sides have the same number of rows."""

    def says_enough(self, texts: Encoded) -> Bool[Tensor, " m"]:
        """Which captions say enough for the fine score to order a shortlist better than the embedding did; all."""
        return torch.ones(len(texts), dtype=torch.bool, device=texts.embedding.device)

    @abstractmethod
    def losses(self, batch: Batch, phase: str = "joint") -> dict[str, Float[Tensor, ""]]:
        """Named, weighted losses; the trainer sums them.

        Pictures and texts of the batch are read through functions marked `by_row` alone: with several workers, each
        has the features of its own share of pictures only (`layers.shared_rows`), and NaN in the place of others.
        """

    @abstractmethod
    def explain(self, images: ImageBatch, texts: TextBatch) -> Alignment:
        """Which region matched which word, for one picture and one caption (both batches have one row)."""

    def score(self, images: Encoded, texts: Encoded) -> Float[Tensor, "n m"]:
        """Scores of all pictures with all captions; by default every pair through `score_pairs`, in blocks of pictures
        whose pairs, copied side by side, take at most `PAIR_BYTES`."""
        n, m = len(images), len(texts)
        device, numbers = images.embedding.device, _numbers_of_a_row(images) + _numbers_of_a_row(texts)
        rows = max(1, PAIR_BYTES // max(1, m * numbers * images.embedding.element_size()))
        blocks = [images.embedding.new_zeros(0, m)]
        for left in torch.split(torch.arange(n, device=device), rows):
            right = torch.arange(m, device=device).repeat(len(left))
            blocks.append(self.score_pairs(images[left.repeat_interleave(m)], texts[right]).view(len(left), m))
        return torch.cat(blocks)

    def score_listed(
        self,
        images: Encoded,
        texts: Encoded,
        rows: Int[Tensor, " k"],
        columns: Int[Tensor, " k"],
        *,
        pairs_per_block: int = 4096,
        done: Callable[[int], object] = nobody_asks,
    ) -> Float[Tensor, " k"]:
        """The scores of picture rows[i] with caption columns[i]; `done` is told how many more there are.

        By default through `score_pairs`, in blocks of captions of similar length, so that padding costs little.
        """
        scores = images.embedding.new_empty(len(rows))
        for block in torch.split(texts.lengths()[columns].argsort(stable=True), pairs_per_block):
            scores[block] = self.score_pairs(images[rows[block]], texts[columns[block]].without_padding())
            done(len(block))
        return scores

    def phases(self) -> dict[str, list[nn.Parameter]]:
        """Which parameters each training phase steps; adversarial methods have two."""
        return {"joint": [parameter for parameter in self.parameters() if parameter.requires_grad]}

    def groups(self, phase: str) -> list[ParameterGroup]:
        """How the parameters of a phase are stepped; by default all alike, at the run's learning rate."""
        return [ParameterGroup(self.phases()[phase])]


def _numbers_of_a_row(encoded: Encoded) -> int:
    parts = 0 if encoded.parts is None else encoded.parts.shape[1] * encoded.parts.shape[2]
    return encoded.embedding.shape[1] + parts


class CosineMethod(Method):
    """A method whose score is the cosine of the two embeddings, explained by leaving out words and regions."""

    reranks: ClassVar[bool] = False

    def score(self, images: Encoded, texts: Encoded) -> Float[Tensor, "n m"]:
        """Cosine of every picture with every caption; of codes exactly 1 - 2 (Hamming distance) / bits."""
        if images.code is not None:
            return code_cosines(images.embedding, texts.embedding)
        return images.embedding @ texts.embedding.T

    def score_pairs(self, images: Encoded, texts: Encoded) -> Float[Tensor, " n"]:
        """Cosine row by row."""
        if images.code is not None:
            return paired_code_cosines(images.embedding, texts.embedding)
        return (images.embedding * texts.embedding).sum(dim=-1)

    def explain(self, images: ImageBatch, texts: TextBatch) -> Alignment:
        """What the score loses without each word, and without a word and a region together."""
        found = explain_by_occlusion(
            images, texts, encode_images=self.soft_images, encode_texts=self.soft_texts, score=self.score
        )
        return replace(found, score=float(self.score(self.encode_images(images), self.encode_texts(texts))[0, 0]))


class ClosedForm(CosineMethod):
    """A method that is solved, not trained: it has no phases, and training calls `fit` once in the place of steps."""

    @abstractmethod
    def fit(self, batches: Iterable[Batch]) -> None:
        """Solve for what encoding needs, kept in buffers of a size known beforehand, which are saved.

        `batches` hold every training picture once with all its captions, and again mirrored where a run trains on
        mirrored pictures. They may be read several times and come in the same order each time.
        """

    def losses(self, batch: Batch, phase: str = "joint") -> dict[str, Float[Tensor, ""]]:
        """None: there is nothing to step."""
        return {}

    def phases(self) -> dict[str, list[nn.Parameter]]:
        """None: there is nothing to step."""
        return {}
