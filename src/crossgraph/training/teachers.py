"""What finished runs say of training pairs: soft targets for a run that is taught by them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from jaxtyping import Float, Int
from torch import Tensor

from crossgraph.data.corpus import Corpus
from crossgraph.data.feature_cache import FeatureCache
from crossgraph.errors import ConfigError
from crossgraph.layers.candidates import score_in_blocks
from crossgraph.methods.contract import Method
from crossgraph.progress import Progress
from crossgraph.training.encoder_pool import EncoderPool
from crossgraph.training.model import TrainedModel
from crossgraph.types import Encoded


@dataclass(frozen=True)
class Teachers:
    """The embeddings of some runs side by side, of every training picture and caption, in half precision: their
    product is the mean of the runs' cosines. Where `pairs` are given, re-rankers teach by their own scores instead."""

    images: Float[Tensor, "n d"]
    texts: Float[Tensor, "m d"]
    pairs: tuple[PairTeacher, ...] = ()

    def scores(self, images: Sequence[int], captions: Sequence[int]) -> Float[Tensor, "b c"]:
        """The mean cosine of these pictures with these captions, or the mean score of the re-rankers, who leave pairs
        at -inf that they were not asked about. All are asked about the same pairs."""
        cosines = self.images[list(images)].float() @ self.texts[list(captions)].float().T
        if not self.pairs:
            return cosines
        return torch.stack([teacher.scores(images, captions, cosines) for teacher in self.pairs]).mean(dim=0)


@dataclass(frozen=True)
class PairTeacher:
    """A re-ranker with its encodings of every training picture and caption, in half precision.

    Of a batch it scores each caption with its own picture and with the `candidates` others that are nearest to the
    caption by the embeddings: more would cost more than the rest of the step.
    """

    method: Method
    images: Encoded
    texts: Encoded
    owner: Int[Tensor, " m"]
    candidates: int
    device: str

    @torch.no_grad()
    def scores(
        self, images: Sequence[int], captions: Sequence[int], cosines: Float[Tensor, "b c"]
    ) -> Float[Tensor, "b c"]:
        """The scores of the pairs that it is asked about; -inf for the others."""
        rows, columns = torch.tensor(images), torch.tensor(captions)
        own = rows[:, None] == self.owner[columns][None, :]
        asked = min(self.candidates + 1, len(rows))
        chosen = cosines.masked_fill(own, torch.inf).topk(asked, dim=0).indices.flatten()
        place = torch.arange(len(columns)).repeat(asked)
        pictures, sentences = _whole(self.images[rows]).to(self.device), _whole(self.texts[columns]).to(self.device)
        found = score_in_blocks(
            self.method.score_pairs, pictures, sentences, chosen.to(self.device), place.to(self.device)
        )
        scores = cosines.new_full(cosines.shape, -torch.inf)
        scores[chosen, place] = found.float().cpu()
        return scores


def gather_teachers(
    runs: Sequence[str],
    corpus: Corpus,
    *,
    cache: FeatureCache,
    encoders: EncoderPool,
    device: str = "cpu",
    candidates: int = 0,
    progress: Progress,
) -> tuple[Teachers | None, tuple[str, ...]]:
    """What `runs` give every picture and caption of a training set, with the fingerprint of each run.

    None where there are no runs. With `candidates` re-rankers score so many pairs of each caption besides its own.
    Raises `ConfigError` for a run that gives codes and no vectors, and for one that is no re-ranker with `candidates`.
    """
    sides: list[tuple[Tensor, Tensor]] = []
    pairs: list[PairTeacher] = []
    known = []
    for run in runs:
        model = TrainedModel(Path(run), cache=cache, device=device, encoders=encoders)
        if candidates and not model.method.reranks:
            raise ConfigError(
                f"{run} is no re-ranker, and training.teacher_candidates={candidates} asks teachers for scores of "
                "single pairs; name re-rankers alone in training.teachers, or set training.teacher_candidates=0."
            )
        images = model.encode_corpus_images(corpus, progress=progress).encoded
        if images.code is not None:
            raise ConfigError(f"{run} gives codes, which teach too little; name dense runs in training.teachers.")
        texts = model.encode_corpus_texts(corpus, progress=progress)
        sides.append((images.embedding.half().cpu(), texts.embedding.half().cpu()))
        if candidates:
            owner = torch.from_numpy(corpus.caption_image.copy())
            method = model.method.requires_grad_(False)
            pairs.append(PairTeacher(method, _halved(images), _halved(texts), owner, candidates, device))
        known.append(model.fingerprint)
    if not sides:
        return None, ()
    share = len(sides) ** -0.5
    pictures, captions = (torch.cat([side[which] for side in sides], dim=1) * share for which in (0, 1))
    return Teachers(pictures, captions, tuple(pairs)), tuple(known)


def _halved(encoded: Encoded) -> Encoded:
    """Encodings as they are kept: on the processor, in half precision."""
    kept = encoded.to("cpu")
    parts = None if kept.parts is None else kept.parts.half()
    return replace(kept, embedding=kept.embedding.half(), parts=parts)


def _whole(encoded: Encoded) -> Encoded:
    """Encodings as they are computed with: in single precision."""
    parts = None if encoded.parts is None else encoded.parts.float()
    return replace(encoded, embedding=encoded.embedding.float(), parts=parts)
