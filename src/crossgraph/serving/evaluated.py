"""The worst queries of kept evaluations: their pictures, made small, and why they went wrong, by the run that answered.

Only pictures that an evaluation names are read, and only the runs whose fingerprints it names are loaded.
"""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Hashable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal, TypeAlias

from PIL import Image

from crossgraph.errors import ImageError, ModelError
from crossgraph.gallery.guarded_decode import GuardedDecoder
from crossgraph.gallery.stages.model import SearchModel
from crossgraph.gallery.tables.items import Item
from crossgraph.gallery.thumbnails import QUALITY
from crossgraph.reporting.evaluations import StoredEvaluation, WorstCase
from crossgraph.reporting.runs import list_runs
from crossgraph.reporting.worst_explained import (
    PairExplained,
    WorstExplained,
    explain_worst,
    model_of_case,
    picture_of_case,
)
from crossgraph.serving.engine import Engine
from crossgraph.serving.explanations import Explained, explain_out
from crossgraph.serving.pictures import opened_file
from crossgraph.serving.problems import Problem, readable
from crossgraph.serving.recent import Recent
from crossgraph.serving.settings import ServerSettings
from crossgraph.verbs.models import load_search_model

WAITING = 16
Which: TypeAlias = Literal["right", "wrong"]


@dataclass(frozen=True)
class Preview:
    """A small copy of a picture: WebP, upright. `tag` names its content."""

    content: bytes
    width: int
    height: int
    tag: str


@dataclass(frozen=True)
class Pair:
    """The query with one answer, explained: as a drawing is made of it (`pair`), and as the page says it (`told`)."""

    which: Which
    pair: PairExplained
    told: Explained


class Evaluated:
    """Pictures and explanations of evaluations, a few of each kept. One explanation is computed at a time, in a thread
    of its own (`engine`), so that searches do not wait for it.
    """

    def __init__(self, settings: ServerSettings, decoder: GuardedDecoder) -> None:
        self.engine = Engine("evaluations", workers=1, waiting=WAITING, seconds=settings.seconds)
        self._settings, self._decoder = settings, decoder
        self._previews: Recent[Preview] = Recent(400)
        self._models: Recent[SearchModel] = Recent(2)
        self._explained: Recent[tuple[Pair, ...]] = Recent(32)

    def preview(self, case: WorstCase, answer: int | None, size: int) -> Preview:
        """A picture of a worst query, at most `size` pixels on its longer side; that of its answer, or of itself.

        Raises `Problem` 404 for an answer there is none of, 410 for a picture that is gone or cannot be read.
        """
        name, path = _place(case, answer)
        try:
            file, _ = opened_file(path)
            with file:
                state = f"{_state(path, os.fstat(file.fileno()))} {size}"
                tag = hashlib.sha256(state.encode("utf-8", "surrogateescape")).hexdigest()[:24]
                return self._previews.get(tag, lambda: _small(self._decoder, file, size, tag))
        except ImageError as error:
            raise Problem(
                410, f"{name} cannot be shown: {error.reason}. Put it back where it was, or evaluate again."
            ) from error

    def explained(self, evaluation: StoredEvaluation, case: WorstCase) -> tuple[Pair, ...]:
        """The query with its right answer, and with the first wrong one if there is one.

        Raises `ModelError` where the run that answered or a picture is gone, `ImageError` for one that cannot be read.
        """
        runs = () if self._settings.runs is None else list_runs(self._settings.runs)
        folder = model_of_case(evaluation, case, runs)
        fingerprint = evaluation.record.models[case.model].fingerprint
        pictures = [item.path for which in ("right", "wrong") if (pair := case.pair(which)) for item in pair[1:]]
        key: Hashable = (fingerprint, case, *(_state(Path(path)) for path in pictures))

        def make() -> tuple[Pair, ...]:
            model = self._models.get(
                (str(folder), fingerprint), lambda: load_search_model(folder, device=self._settings.device)
            )
            return _pairs(explain_worst(case, model), model)

        return self._explained.get(key, make)

    def drawing(self, evaluation: StoredEvaluation, case: WorstCase, which: Which) -> bytes:
        """One of the two as a PNG, as `crossgraph explain` draws it. Raises as `explained`, and `Problem` 404."""
        pair = next((one.pair for one in self.explained(evaluation, case) if one.which == which), None)
        if pair is None:
            raise Problem(404, "nothing wrong came before the right answer of this query.")
        held = io.BytesIO()
        pair.drawing().save(held, "PNG")
        return held.getvalue()


def gone_pictures(cases: tuple[WorstCase, ...]) -> frozenset[tuple[int, int | None]]:
    """The pictures of worst queries whose files are not there now: each as its query's number and its answer's."""
    files: dict[str, bool] = {}
    missing = set()
    for case in cases:
        for answer in (None, *range(len(case.query.answers))):
            path = _item_path(case, answer)
            if path and not files.setdefault(path, os.path.isfile(path)):
                missing.add((case.number, answer))
    return frozenset(missing)


def _item_path(case: WorstCase, answer: int | None) -> str:
    query = case.query
    if answer is not None:
        return query.answers[answer].item.path
    return (query.right.item if case.direction == "text_to_image" else query.query).path


def _place(case: WorstCase, answer: int | None) -> tuple[str, Path]:
    """What a picture is called, and where it lies. Raises `Problem`."""
    if answer is not None and not 0 <= answer < len(case.query.answers):
        raise Problem(404, f"worst query {case.number} has no answer {answer}: it has {len(case.query.answers)}.")
    try:
        path = picture_of_case(case, answer)
    except ModelError as error:
        raise Problem(410, str(error)) from error
    return readable(path.name), path


def _state(path: Path, found: os.stat_result | None = None) -> str:
    """What names a file as it is now."""
    try:
        found = path.stat() if found is None else found
    except OSError:
        return str(path)
    return f"{path} {found.st_ino} {found.st_size} {found.st_mtime_ns}"


def _small(decoder: GuardedDecoder, file: BinaryIO, size: int, tag: str) -> Preview:
    image = decoder.decode(file.read(decoder.limits.bytes + 1))
    image.thumbnail((size, size), Image.Resampling.LANCZOS)
    held = io.BytesIO()
    image.save(held, "WEBP", quality=QUALITY, method=4)
    return Preview(held.getvalue(), *image.size, tag)


def _pairs(found: WorstExplained, model: SearchModel) -> tuple[Pair, ...]:
    pairs: list[tuple[Which, PairExplained | None]] = [("right", found.right), ("wrong", found.wrong)]
    return tuple(Pair(which, pair, _told(found.case, which, pair, model)) for which, pair in pairs if pair is not None)


def _told(case: WorstCase, which: Which, pair: PairExplained, model: SearchModel) -> Explained:
    """The same explanation as the page shows those of a gallery's pictures; the picture's size is that of a preview."""
    item = Item(f"{case.number}-{which}", pair.path, "", 1, 1, ())
    notes = model.understanding(pair.sentence).notes()
    method = model.method.name
    told = explain_out(pair.alignment, item=item, sentence=pair.sentence, method=method, version="", notes=notes)
    return Explained(item, pair.alignment, told)
