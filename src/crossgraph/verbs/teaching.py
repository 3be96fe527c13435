"""Teaching other languages to a trained run or a cascade."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from crossgraph.data.corpus import Corpus
from crossgraph.data.feature_cache import FeatureCache, default_cache
from crossgraph.data.other_captions import captions_in_languages
from crossgraph.data.sources import given_corpus
from crossgraph.data.splits import TRAIN, VAL
from crossgraph.device import checked_device
from crossgraph.encoders.names import model_folder
from crossgraph.errors import ConfigError, DataError
from crossgraph.gallery.stages.cascade_manifest import CascadeManifest, Learned, Part
from crossgraph.gallery.stages.cascade_model import CascadeModel
from crossgraph.progress import Progress, Silent
from crossgraph.training.checkpoint import run_fingerprint
from crossgraph.training.held_out import divided_as_trained
from crossgraph.training.model import TrainedModel
from crossgraph.training.taught_copy import write_taught_copy
from crossgraph.training.teaching import TeachingConfig, teach_languages
from crossgraph.verbs.models import load_search_model


def teach(
    model: Path | str,
    data: Corpus | Path | str,
    captions: Path | str,
    out: Path | str,
    *,
    settings: TeachingConfig = TeachingConfig(),
    cache: FeatureCache | None = None,
    progress: Progress = Silent(),
    device: str = "cpu",
) -> dict[str, float]:
    """Copy a trained run or a cascade into the new folder `out`, where it also reads the languages of `captions`.

    `captions` are a file as `data.other_captions` reads it, of pictures of `data`, on whose training split the model
    was trained. What comes back is recall@10 (text to picture, in percent) of the validation split by language,
    English first, by the model that finds the shortlist. English sentences are answered as before, to the bit. Raises
    `ConfigError`, `DataError` or `ModelError`.
    """
    place, target, source = str(checked_device(device)), Path(out).expanduser(), model_folder(model)
    if target.exists():
        raise ConfigError(f"{target} is there already. Give a new folder, or remove it first.")
    loaded = load_search_model(source, cache=cache or default_cache(), device=place)
    runs = _runs_of(loaded)
    whole = given_corpus(data)
    if whole.features is not None:
        raise DataError(f"corpus {whole.name!r} has given features and no sentences; languages need sentences.")
    corpus = divided_as_trained(runs[0].manifest.data, whole)
    parts = {name: _readable(runs[0], corpus.split(name), progress) for name in (TRAIN, VAL)}
    others = _by_language(parts, Path(captions))
    taught = teach_languages(runs, parts, others, settings, progress=progress)
    draft = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        write_taught_copy(source, draft, taught)
        if isinstance(loaded, CascadeModel):
            _write_cascade(loaded.manifest, source, draft)
        draft.rename(target)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return taught.recalls


def _runs_of(loaded: TrainedModel | CascadeModel) -> list[TrainedModel]:
    """The runs that a model is made of, each once; the one that finds the shortlist first."""
    whole = loaded.runs if isinstance(loaded, CascadeModel) else (loaded,)
    first = [loaded.shortlist] if loaded.shortlist is not None else []
    shortlists = [run.shortlist for run in whole if run.shortlist is not None]
    return list({run.fingerprint: run for run in (*first, *whole, *shortlists)}.values())


def _readable(run: TrainedModel, corpus: Corpus, progress: Progress) -> Corpus:
    """A corpus less the pictures that cannot be read."""
    images = run.encode_corpus_images(corpus, progress=progress)
    return corpus.without(list(images.skipped)) if images.skipped else corpus


def _by_language(parts: Mapping[str, Corpus], captions: Path) -> dict[str, dict[str, Corpus]]:
    """The captions of each language for both splits. Raises `DataError` where there are none to train or select by."""
    trained_on = captions_in_languages(parts[TRAIN], captions)
    held_out = captions_in_languages(parts[VAL], captions)
    if missing := trained_on.keys() - held_out.keys():
        raise DataError(
            f"{captions} has captions in {', '.join(sorted(missing))} for training pictures, but for none of the "
            f"{len(parts[VAL]):,} held out, by which epochs are selected. Add some."
        )
    return {language: {TRAIN: corpus, VAL: held_out[language]} for language, corpus in trained_on.items()}


def _write_cascade(manifest: CascadeManifest, source: Path, folder: Path) -> None:
    """The manifest of the cascade in `source` whose parts in `folder` were taught, and the codes that it learned."""
    if isinstance(manifest.codes, Learned):
        shutil.copytree(source / "codes", folder / "codes")
    parts: dict[str, Part] = {
        role: part.model_copy(update={"fingerprint": run_fingerprint(folder / role)})
        for role, part in manifest.parts().items()
        if isinstance(part, Part)
    }
    manifest.model_copy(update=parts).write(folder)
