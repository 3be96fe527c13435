"""One training run in three parts: prepare (nothing is written), train, finish (the run is loaded again)."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from crossgraph.config import RunConfig
from crossgraph.data.corpus import Corpus
from crossgraph.data.feature_cache import FeatureCache
from crossgraph.device import checked_device
from crossgraph.encoders.backbone import Backbone
from crossgraph.encoders.backbone_encoder import backbone_fingerprint
from crossgraph.errors import ConfigError, ModelError
from crossgraph.files import FULL
from crossgraph.methods.catalogue import method_type
from crossgraph.methods.contract import ClosedForm
from crossgraph.progress import Progress, Silent
from crossgraph.training.checkpoint import (
    LAST,
    MANIFEST,
    WEIGHTS,
    Blend,
    RunManifest,
    load_weights,
    own_weights,
    read_manifest,
    read_tensors,
    run_fingerprint,
    weights_fingerprint,
    write_manifest,
)
from crossgraph.training.fine_tuning import tuned_texts
from crossgraph.training.loop import Trainer
from crossgraph.training.model import SHORTLIST, TrainedModel
from crossgraph.training.places import copy_manifest
from crossgraph.training.precision import note_precision
from crossgraph.training.prepare import Prepared, prepare
from crossgraph.training.run_lock import sole_trainer
from crossgraph.training.workers import ALONE, Workers


def train_run(
    corpus: Corpus,
    config: RunConfig,
    out: Path,
    *,
    shortlist: Path | None,
    resume: bool,
    cache: FeatureCache,
    progress: Progress,
    device: str,
    workers: Workers = ALONE,
) -> TrainedModel:
    """Train on `corpus` into the folder `out`, which afterwards holds all that the loaded run needs.

    No other trainer may write to `out` meanwhile: it raises `ModelError`. A folder that is not there yet is made
    only once everything is prepared. Of several `workers`, which all call this alike and must all see `out`, the first
    prepares before the others, so that these find features in the cache, and it alone writes.
    """
    device = str(checked_device(device))
    if workers.count > 1 and issubclass(method_type(config.method), ClosedForm):
        raise ConfigError(f"{config.method} is solved, not trained, so workers have nothing to share; train with one.")
    note_precision(config.training.precision, device, progress)
    if workers.leads:
        require_place(out, resume=resume)
    else:
        progress = Silent()
    if resume:
        shortlist = _shortlist_of_resumed(out, shortlist)
    with ExitStack() as held:
        held.enter_context(_told_where_full(out))
        is_there = out.exists()
        if is_there and workers.leads:
            held.enter_context(sole_trainer(out))
        prepared = workers.first_then_others(
            lambda: prepare(
                corpus,
                config,
                out,
                shortlist=shortlist,
                cache=cache,
                progress=progress,
                device=device,
                leads=workers.leads,
            )
        )
        if workers.leads:
            if not is_there:
                held.enter_context(sole_trainer(out))
            require_place(out, resume=resume)
        trainer = trainer_of(prepared, out, progress=progress, device=device, workers=workers)
        manifest = workers.first_then_others(lambda: begin(prepared, trainer, resume=resume))
        selected = trainer.train()
        return workers.first_then_others(
            lambda: (
                finish(prepared, manifest, selected, out, cache=cache, progress=progress, device=device)
                if workers.leads
                else TrainedModel(out, cache=cache, device=device)
            )
        )


@contextmanager
def _told_where_full(out: Path) -> Iterator[None]:
    """Raise `ModelError` where a disk is full: which file has no room, what of the run in `out` is kept, what to do."""
    try:
        yield
    except OSError as error:
        if error.errno not in FULL:
            raise
        file = error.filename2 or error.filename or out
        if (out / LAST).exists():
            kept = f"{out} keeps what it saved last. Make room, and go on from there with --resume."
        elif (out / MANIFEST).exists():
            kept = f"{out} has saved nothing of its training. Make room, and start it again with --resume."
        else:
            kept = "Nothing was trained. Make room, and train again."
        raise ModelError(f"there is no room for {file}: {error.strerror}. {kept}") from error


def trainer_of(prepared: Prepared, out: Path, *, progress: Progress, device: str, workers: Workers = ALONE) -> Trainer:
    """What trains the run into the folder `out`."""
    return Trainer(
        prepared.method,
        prepared.manifest.config,
        run=out,
        dataset=prepared.dataset,
        validation=prepared.validation,
        neighbours=prepared.neighbours,
        negative_sampler=prepared.negative_sampler,
        random=prepared.random,
        fingerprint=prepared.manifest.fingerprint,
        progress=progress,
        device=device,
        workers=workers,
    )


def begin(prepared: Prepared, trainer: Trainer, *, resume: bool) -> RunManifest:
    """Write what the run is, or continue where it stands; returns its manifest, which says when it was started."""
    run, manifest = trainer.run, prepared.manifest
    if resume and (run / LAST).exists():
        began = read_manifest(run)
        if began.weights is not None:
            own_weights(run, began)
        former, differences = manifest.former_fingerprint(began), manifest.differences(began)
        trainer.restore(former_fingerprint=former, differences=differences)
        return manifest.model_copy(update={"started": began.started, "environment": began.environment})
    if not trainer.workers.leads:
        return manifest
    _keep_shortlist(prepared.shortlist, run)
    write_manifest(run, manifest)
    return manifest


def finish(
    prepared: Prepared,
    manifest: RunManifest,
    selected: dict[str, Any],
    out: Path,
    *,
    cache: FeatureCache,
    progress: Progress,
    device: str,
) -> TrainedModel:
    """The trained run, loaded: with its selected weights and, if it re-ranks, the blend that validates best."""
    manifest = manifest.model_copy(update={"selected": selected, "weights": weights_fingerprint(out)})
    backbone, layers = prepared.method.backbone, prepared.method.text_backbone
    if backbone is not None or layers is not None:
        # what is held out is seen through these networks, which stand where training ended
        load_weights(prepared.method, read_tensors(out / WEIGHTS)[0], run=out)
    if layers is not None:
        manifest = manifest.model_copy(update={"text_encoder": tuned_texts(out, manifest, device=device)})
    if isinstance(backbone, Backbone):
        own = backbone_fingerprint(backbone, cells=manifest.config.images.cells)
        manifest = manifest.model_copy(update={"image_encoder": own})
    write_manifest(out, manifest)
    model = TrainedModel(out, cache=cache, device=device, encoders=prepared.encoders)
    rsums = prepared.validation.blends(model.method, progress=progress)
    if not rsums:
        return model
    blend = Blend(chosen=max(rsums, key=lambda share: rsums[share]), validation_rsum=rsums)
    progress.note("blend", **blend.model_dump())
    write_manifest(out, manifest.model_copy(update={"blend": blend}))
    return TrainedModel(out, cache=cache, device=device, encoders=prepared.encoders)


def require_place(out: Path, *, resume: bool) -> None:
    """A new run needs a folder without one, a resumed run a folder with one."""
    if out.exists() and not out.is_dir():
        raise ModelError(f"{out} is a file, and a run is a folder; give --out another name.")
    if not resume and (out / MANIFEST).exists():
        raise ModelError(f"{out} holds a run already; continue it with --resume, or train into another folder.")
    if resume and not (out / MANIFEST).exists():
        raise ModelError(f"{out} holds no run to resume; train without --resume first.")


def _shortlist_of_resumed(out: Path, given: Path | None) -> Path | None:
    """The shortlist model in a begun run, if it has one; raises `ConfigError` where another one is given."""
    own = out / SHORTLIST
    if given is not None and (found := run_fingerprint(given)) != (began := read_manifest(out).shortlist):
        raise ConfigError(
            f"{out} was started with {f'shortlist {began}' if began else 'no shortlist'}, and {given} is "
            f"{found or 'not trained'}; leave out --shortlist: a resumed run has its own."
        )
    return own if own.exists() else None


def _keep_shortlist(helper: TrainedModel | None, out: Path) -> None:
    """Copy the shortlist model into the run, which then needs nothing beside itself."""
    copy = out / SHORTLIST
    if helper is None or helper.run.resolve() == copy.resolve():
        return
    copy.mkdir(parents=True, exist_ok=True)
    shutil.copy2(helper.run / WEIGHTS, copy / WEIGHTS)
    copy_manifest(helper.run, copy)
