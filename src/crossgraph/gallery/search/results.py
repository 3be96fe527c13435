"""What a search answers, and how that is written: plain values, rows of a table, paths."""

from __future__ import annotations

import csv
import io
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal, TypeAlias

from crossgraph.gallery.search.exact import Match
from crossgraph.gallery.search.options import Sort, Target
from crossgraph.gallery.tables.csv_cells import guarded

Stage: TypeAlias = Literal["codes", "shortlist", "rerank"]
Verdict: TypeAlias = Literal["strong", "weak", "nothing good found"]
COLUMNS = ("rank", "score", "match", "path", "id", "shortlist_rank", "shortlist_score", "caption")


@dataclass(frozen=True)
class SearchResult:
    """One answer. `score` is that of the last stage; `caption` is set when captions were searched.

    Of a caption that several pictures carry, `id` and `path` name the first. Ranks count from 1. `ranks` and `scores`
    say where each stage had it, by stage; an exact hit that a stage did not hand on has no rank there.
    `shortlist_rank` and `shortlist_score` are those of the last stage before re-ranking. `similar` are all pictures
    of the gallery that were folded under this one: they look like it, and like no answer before it; `similar_ids` are
    their ids. `width` and `height` are those of the upright picture, in pixels.
    """

    rank: int
    path: Path
    score: float
    id: str
    shortlist_rank: int | None
    shortlist_score: float
    caption: str | None
    ranks: dict[str, int | None]
    scores: dict[str, float]
    match: Match = "semantic"
    similar: tuple[Path, ...] = ()
    similar_ids: tuple[str, ...] = ()
    width: int = 0
    height: int = 0


@dataclass(frozen=True)
class SearchResults:
    """The answer to one query: `stage` is the last one that ran, `why` says why re-ranking did not.

    `searched` counts the pictures or captions searched; `timings_ms` has one entry per stage that ran, `compared` how
    many each compared with the query. `verdict` and `probability`, that the query has a good answer, are there if the
    model was calibrated for the last stage (`gallery.search.score_calibration`); exact hits are a strong answer without
    a probability, which would be that of scores alone. Answers whose score is under
    `weaker_below` are not as good as a strong one, under `nothing_below` not even weak ones. `notes` say what of the
    query the model did not know or read, and which pictures names were taken for that are written otherwise.
    """

    kind: Literal["text", "image", "item", "sum"]
    query: str
    target: Target
    stage: Stage
    why: str
    results: tuple[SearchResult, ...]
    searched: int
    timings_ms: dict[str, float]
    mode: str = "best"
    offset: int = 0
    compared: dict[str, int] | None = None
    verdict: Verdict | None = None
    probability: float | None = None
    weaker_below: float | None = None
    nothing_below: float | None = None
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, object]:
        """The same as plain values, ready for `json.dumps`."""
        paths = [{"path": str(one.path), "similar": [str(path) for path in one.similar]} for one in self.results]
        rows = [asdict(result) | path for result, path in zip(self.results, paths, strict=True)]
        return {name: value for name, value in vars(self).items() if name != "results"} | {"results": rows}

    def to_csv(self, *, header: bool = True, query: bool = False) -> str:
        """One line per answer under a line of names, if wanted; with `query`, the first column says what was asked.

        Texts that begin like a formula have an apostrophe before them, for spreadsheets.
        """
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        columns = ("query", *COLUMNS) if query else COLUMNS
        if header:
            writer.writerow(columns)
        for result in self.results:
            values = {"query": self.query, **asdict(result)}
            writer.writerow([_cell(values[name]) for name in columns])
        return text.getvalue()

    def sorted_by(self, sort: Sort) -> SearchResults:
        """The same answers by name, or by the date of their files, newest first; ranks stay what they are."""
        if sort == "name":
            return replace(self, results=tuple(sorted(self.results, key=lambda found: found.path.name.casefold())))
        if sort == "date":
            return replace(self, results=tuple(sorted(self.results, key=lambda found: -_written(found.path))))
        return self


def _cell(value: object) -> object:
    return guarded(str(value)) if isinstance(value, str | Path) else "" if value is None else value


def _written(path: Path) -> float:
    """When the file was last written; the beginning of time if it is gone."""
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
