"""Fitting when the best answer of a search is a good one."""

from __future__ import annotations

from pathlib import Path

from crossgraph.data.corpus import Corpus
from crossgraph.data.feature_cache import default_cache
from crossgraph.data.sources import given_corpus
from crossgraph.distributed.given import Workers, on_cluster
from crossgraph.encoders.names import model_reference, packaged_model
from crossgraph.errors import ConfigError
from crossgraph.gallery.calibration.fit import calibrate_model
from crossgraph.gallery.calibration.pairs import encode_corpus
from crossgraph.gallery.search.results import Stage
from crossgraph.gallery.search.score_calibration import Calibration
from crossgraph.gallery.stages.cascade_model import CascadeModel
from crossgraph.graphs.caption_parser import CaptionParser
from crossgraph.progress import Progress, Silent
from crossgraph.training.checkpoint import read_manifest, write_manifest
from crossgraph.verbs.models import load_search_model


def calibrate(
    model: Path | str,
    data: Corpus | Path | str,
    *,
    split: str = "val",
    cluster: Workers | str | None = None,
    progress: Progress = Silent(),
    device: str = "cpu",
) -> dict[Stage, Calibration]:
    """Fit when a search of `model`, a run or a cascade, found something good, and write that into its manifest.

    Fitted on half of the pictures of the split and tested on the other half, for captions and for phrases of one to
    three words that these hold; see `gallery.calibration.fit`. Workers
    of a `cluster` encode.
    """
    loaded = load_search_model(model, device=device)
    if packaged_model(name := model_reference(loaded.run)) is not None:
        raise ConfigError(
            f"{name!r} comes with crossgraph and stays as it is. Calibrate a copy: cp -r {loaded.run} FOLDER; "
            "then name FOLDER here, and with --model in searches."
        )
    corpus = loaded.split_of(given_corpus(data), split)
    with on_cluster(cluster, device=device, progress=progress) as workers:
        encoded = (
            encode_corpus(loaded, corpus)
            if workers is None
            else workers.encode_corpus(loaded, corpus, progress=progress)
        )
    fitted = calibrate_model(loaded, encoded, cache=default_cache(), parser=CaptionParser(), progress=progress)
    stored = {stage: found.model_dump() for stage, found in fitted.items()}
    if isinstance(loaded, CascadeModel):
        loaded.manifest.model_copy(update={"calibration": stored}).write(loaded.run)
    else:
        write_manifest(loaded.run, read_manifest(loaded.run).model_copy(update={"calibration": stored}))
    return fitted
