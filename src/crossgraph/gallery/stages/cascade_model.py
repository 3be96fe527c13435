"""Trained runs put together as one model, in one folder.

    CASCADE/cascade.json   which part plays which role, with its fingerprint; blend; calibration
    CASCADE/codes/         a copy of the hashing run, or the planes that were learned; nothing for random planes
    CASCADE/dense/         a copy of the run whose embedding makes the shortlist
    CASCADE/rerank/        a copy of the run whose score re-ranks it

Each part may be missing. Without a dense run the re-ranker's own shortlist, its own embedding or the codes serve.
The folder is written beside its place and moved there, so it is whole or absent.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from crossgraph.data.corpus import Corpus
from crossgraph.data.drawing import drawn_rows
from crossgraph.data.feature_cache import FeatureCache
from crossgraph.data.image_reader import PLAIN, ImageReader
from crossgraph.data.splits import TRAIN
from crossgraph.device import checked_device
from crossgraph.encoders.names import model_reference
from crossgraph.encoders.understanding import Understanding
from crossgraph.errors import ConfigError, ModelError
from crossgraph.evaluation.two_stage import require_blend
from crossgraph.gallery.stages.cascade_manifest import (
    LEARNED,
    RANDOM,
    CascadeManifest,
    CodePart,
    Explaining,
    Learned,
    Part,
    Planes,
    Role,
    is_cascade,
    planes_of,
)
from crossgraph.gallery.stages.coders import ModelCoder
from crossgraph.gallery.stages.codes import LearnedPlanes, RandomPlanes, require_bits
from crossgraph.gallery.stages.model import Coder, ImageEncodings
from crossgraph.gallery.stages.quantisation import fit_quantisation
from crossgraph.methods.contract import Method
from crossgraph.progress import Progress, Silent
from crossgraph.training.checkpoint import WEIGHTS
from crossgraph.training.encoder_pool import EncoderPool
from crossgraph.training.model import SHORTLIST, TrainedModel
from crossgraph.training.places import copy_manifest
from crossgraph.types import Alignment, Encoded


def build_cascade(
    out: Path,
    *,
    cache: FeatureCache,
    codes: str | None = None,
    dense: Path | None = None,
    rerank: Path | None = None,
    blend: float | None = None,
    explains: Explaining | None = None,
    data: Corpus | None = None,
    split: str = TRAIN,
    most: int | None = None,
    device: str = "cpu",
    progress: Progress = Silent(),
) -> CascadeManifest:
    """Copy trained runs into the new folder `out` as one cascade; `codes` is a run, `random:BITS` or `itq:BITS`.

    Codes by `itq` are learned of the dense vectors of the pictures and captions in one `split` of `data`, of at most
    `most` of each, drawn evenly from its sources. `blend` is by default the one that the re-ranking run chose (or
    that of the cascade which it is a part of), if that was for the dense run, else 0, and `progress` is told why.
    `explains` is the stage that explains, by default the last. Raises `ConfigError` for parts that do not go together
    and for a blend that is below 0 or not finite, `ModelError` for a part that is no trained run or gives vectors that
    are all alike.
    """
    if blend is not None:
        require_blend(blend)
    if out.exists():
        raise ConfigError(f"{out} is there already. Give a new folder, or remove it first.")
    if codes is None and dense is None and rerank is None:
        raise ConfigError("a cascade needs a part: --codes, --dense or --rerank.")
    random, learned = _bits(codes, RANDOM), _bits(codes, LEARNED)
    if (learned is None) != (data is None):
        raise ConfigError(
            f"{codes} codes are learned of pictures and captions; give --data, what the dense run was trained on."
            if data is None
            else "--data is what codes are learned of; give --codes itq:256 too, or leave it out."
        )
    runs: dict[Role, Path] = {}
    if codes is not None and random is None and learned is None:
        runs["codes"] = Path(codes)
    runs |= {"dense": dense} if dense is not None else {}
    runs |= {"rerank": rerank} if rerank is not None else {}
    models = {role: TrainedModel(run, cache=cache, device=device) for role, run in runs.items()}
    _require_roles(models)
    parts: dict[Role, CodePart] = {
        role: Part(method=model.method.name, fingerprint=model.fingerprint, source=model_reference(model.run))
        for role, model in models.items()
    }
    planes: LearnedPlanes | None = None
    if random is not None:
        parts["codes"] = _planes(random, models)
    if learned is not None and data is not None:
        planes, parts["codes"] = _learned(learned, models, data, split, most, progress)
    if blend is None:
        blend = _chosen_blend(models, progress)
    if explains is not None and explains not in models:
        raise ConfigError(
            f"{explains} cannot explain, for there is no such part. Give --{explains}, or leave --explain out."
        )
    manifest = CascadeManifest.model_validate({**parts, "blend": blend, "explains": explains})
    draft = out.with_name(f".{out.name}.{os.getpid()}")
    try:
        for role, run in runs.items():
            _copy_run(run, draft / role, with_shortlist="dense" not in models)
        if planes is not None:
            planes.write(draft / "codes")
        manifest.write(draft)
        draft.rename(out)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return manifest


class CascadeModel:
    """A cascade, loaded: encodes for every stage. Runs that were trained on the same encoders share them."""

    def __init__(self, folder: Path, *, cache: FeatureCache, device: str = "cpu") -> None:
        place = str(checked_device(device))
        self.run = folder
        self.manifest = CascadeManifest.read(folder)
        self._models = self._load(cache, place)
        models = self._models
        first = next(role for role in ("rerank", "dense", "codes") if role in models)
        self.last = models[first]
        """The run of the last stage."""
        self.shortlist: TrainedModel | None = None
        if first == "rerank":
            self.shortlist = models.get("dense") or self.last.shortlist
        self.coder: Coder | None = None
        if isinstance(self.manifest.codes, Planes | Learned):
            self.coder = planes_of(folder, self.manifest.codes)
        elif first != "codes" and "codes" in models:
            self.coder = ModelCoder(models["codes"])
        self.fingerprint = self.manifest.fingerprint

    @property
    def method(self) -> Method:
        """The method of the last stage."""
        return self.last.method

    @property
    def label_names(self) -> tuple[str, ...]:
        """The names of the labels that the model of the last stage learned from, if it learned from any."""
        return self.last.label_names

    @property
    def runs(self) -> tuple[TrainedModel, ...]:
        """The runs of the parts, in the order of roles."""
        return tuple(self._models.values())

    @property
    def languages(self) -> tuple[str, ...]:
        """The languages that sentences may be in, by the model of the last stage; none where nobody knows."""
        return self.last.languages

    @property
    def blend(self) -> float:
        """The share of the shortlist's score that is added in re-ranking."""
        return self.manifest.blend

    @property
    def calibration(self) -> Mapping[str, Any]:
        """What was fitted to tell good answers from bad, by stage."""
        return self.manifest.calibration

    def describe(self) -> dict[str, Any]:
        """What a result should name: as of the run of the last stage, with the place and fingerprint of the cascade."""
        return self.last.describe() | {"run": str(self.run), "fingerprint": self.fingerprint}

    def understanding(self, text: str) -> Understanding:
        """What of a text is read and known, by the last stage and the shortlist."""
        found = self.last.understanding(text)
        return found if self.shortlist is None else found.together_with(self.shortlist.understanding(text))

    def split_of(self, corpus: Corpus, name: str) -> Corpus:
        """One split of a corpus, drawn as the run of the last stage drew it where the corpus names none."""
        return self.last.split_of(corpus, name)

    def encode_image_files(
        self, paths: Sequence[Path], *, progress: Progress | None = None, reader: ImageReader = PLAIN
    ) -> ImageEncodings:
        """One row per readable picture, by the model of the last stage; a network that two stages have runs once."""
        if self.shortlist is not None:
            self.last.image_encoder.look_within(self.shortlist.image_encoder)
        return self.last.encode_image_files(paths, progress=progress, reader=reader)

    def encode_raw_texts(self, sentences: Sequence[str]) -> Encoded:
        """One row per sentence, by the model of the last stage."""
        return self.last.encode_raw_texts(sentences)

    def explain(self, sentence: str, path: Path) -> Alignment:
        """Why a picture and a sentence match, by the model of the stage that explains: the last, unless it was set."""
        explains = self.manifest.explains
        return (self.last if explains is None else self._models[explains]).explain(sentence, path)

    def _load(self, cache: FeatureCache, device: str) -> dict[Role, TrainedModel]:
        """The runs of the parts; one that was changed since is refused."""
        found: dict[Role, TrainedModel] = {}
        encoders = EncoderPool()
        for role, part in self.manifest.parts().items():
            if not isinstance(part, Part):
                continue
            model = TrainedModel(self.run / role, cache=cache, device=device, encoders=encoders)
            if model.fingerprint != part.fingerprint:
                raise ModelError(
                    f"{self.run / role} has weights {model.fingerprint}, but the cascade was built with "
                    f"{part.fingerprint}. Build it again."
                )
            found[role] = model
        if not found:
            raise ModelError(f"{self.run} has no trained run. Build the cascade again.")
        return found


def _bits(codes: str | None, kind: str) -> int | None:
    """The number of bits, if `codes` asks for planes of this kind, which is how it starts."""
    if codes is None or not codes.startswith(kind):
        return None
    bits, word = codes.removeprefix(kind), "random" if kind == RANDOM else "learned"
    if not bits.isdecimal():
        raise ConfigError(f"{word} codes are written {kind}BITS, as in {kind}64; got {codes!r}.")
    require_bits(int(bits), word)
    return int(bits)


def _require_roles(models: Mapping[Role, TrainedModel]) -> None:
    """Raise `ConfigError` for a run in a role that it cannot play."""
    rerank, codes = models.get("rerank"), models.get("codes")
    if rerank is not None and not rerank.method.reranks:
        raise ConfigError(f"{rerank.run} ({rerank.method.name}) has no fine score to re-rank with; give it as --dense.")
    if codes is not None and codes.encode_raw_texts(["a picture"]).code is None:
        raise ConfigError(f"{codes.run} ({codes.method.name}) gives no codes; give a hashing run, itq:64 or random:64.")


def _planes(bits: int, models: Mapping[Role, TrainedModel]) -> Planes:
    """Random planes for the vectors that the other parts give."""
    dense = _dense(models, "random")
    made = RandomPlanes(bits, dense.encode_raw_texts(["a picture"]).embedding.shape[1])
    return Planes(bits=made.bits, width=made.width, seed=made.seed, fingerprint=made.fingerprint)


def _learned(
    bits: int, models: Mapping[Role, TrainedModel], data: Corpus, split: str, most: int | None, progress: Progress
) -> tuple[LearnedPlanes, Learned]:
    """Planes learned of the vectors that the other parts give the pictures and captions of one split of `data`."""
    dense = _dense(models, "learned")
    corpus = dense.split_of(data, split)
    images, captions = at_most(corpus, most or max(len(corpus), len(corpus.captions)))
    sides = [dense.encode_corpus_images(corpus.take(images), progress=progress).encoded.embedding]
    if corpus.features is not None and corpus.features.texts is not None:
        sides.append(dense.encode_corpus_texts(corpus, progress=progress).embedding[captions])
    elif captions:
        sentences = [corpus.captions[row] for row in captions]
        sides.append(dense.encode_raw_texts(sentences, progress=progress).embedding)
    planes = LearnedPlanes(fit_quantisation(sides, bits=bits))
    return planes, Learned(
        bits=planes.bits,
        width=planes.width,
        data=corpus.name,
        split=split,
        images=len(sides[0]),
        captions=len(captions),
        fingerprint=planes.fingerprint,
    )


def at_most(corpus: Corpus, most: int) -> tuple[list[int], list[int]]:
    """Rows of so many pictures and of so many captions at most, each as evenly from the sources as these have them."""
    return drawn_rows(corpus, most, most, np.random.default_rng(0))


def _dense(models: Mapping[Role, TrainedModel], kind: str) -> TrainedModel:
    """The run whose vectors make the shortlist. Raises `ConfigError` where codes of this kind would have none."""
    rerank = models.get("rerank")
    dense = models.get("dense") or (None if rerank is None else rerank.shortlist or rerank)
    if dense is None:
        raise ConfigError(f"{kind} codes are made of dense vectors; give --dense or --rerank too.")
    return dense


def _chosen_blend(models: Mapping[Role, TrainedModel], progress: Progress) -> float:
    """The blend of the re-ranking run, which was chosen for one shortlist and holds for no other: then 0, and said so.

    A run that is a part of a cascade left its own shortlist behind; the cascade has it, and the blend for it.
    """
    rerank = models.get("rerank")
    if rerank is None:
        return 0.0
    chosen, own = rerank.blend, (rerank.shortlist or rerank).fingerprint
    if is_cascade(rerank.run.parent):
        whole = CascadeManifest.read(rerank.run.parent)
        if whole.dense is not None and whole.rerank is not None and whole.rerank.fingerprint == rerank.fingerprint:
            chosen, own = whole.blend, whole.dense.fingerprint
    used = (models.get("dense") or rerank.shortlist or rerank).fingerprint
    if used == own or not chosen:
        return chosen
    why = f"{rerank.run} chose {chosen:g} for the dense run {own}, here it is {used}; --blend sets it"
    progress.note("blend", chosen=0, because=why)
    return 0.0


def _copy_run(run: Path, to: Path, *, with_shortlist: bool) -> None:
    """What of a run is needed to encode: manifest, weights and, if no other makes the shortlist, its own."""
    to.mkdir(parents=True)
    shutil.copyfile(run / WEIGHTS, to / WEIGHTS)
    copy_manifest(run, to)
    if with_shortlist and (run / SHORTLIST).is_dir():
        _copy_run(run / SHORTLIST, to / SHORTLIST, with_shortlist=False)
