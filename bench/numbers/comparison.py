"""A number that was made again beside the printed one: how far they are apart, and whether that is allowed."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Any

from declarations import Number

from crossgraph.errors import ScoreError
from crossgraph.evaluation.markdown import markdown_table

SAME, WITHIN, DIFFERS, NOT_MADE = "same", "within", "DIFFERS", "not made"
_PART = re.compile(r"\[([^=\]]+)=([^\]]*)\]|([^.\[]+)")


@dataclass(frozen=True)
class Compared:
    """One number with what was made again of it: a value, its deviation if there is one, or why there is none."""

    number: Number
    value: float | None
    deviation: float | None = None
    why_not: str = ""

    @property
    def verdict(self) -> str:
        """`same` in the digits that are printed, `within` what is allowed, `DIFFERS`, or `not made`."""
        if self.value is None:
            return NOT_MADE
        apart, rounding = abs(self.value - self.number.printed.value), 1e-9
        if apart <= self.number.printed.step / 2 + rounding:
            return SAME
        return WITHIN if apart <= self.number.allowed + rounding else DIFFERS

    def cells(self) -> tuple[str, ...]:
        """The row of the table."""
        number, printed = self.number, self.number.printed
        what = f"{number.document}, {number.heading}: {number.label}"
        if self.value is None:
            return what, printed.text, "", "", _plain(number.allowed), f"{NOT_MADE}: {self.why_not}"
        made = printed.shown(self.value) + (
            "" if self.deviation is None else f" ± {printed.shown(self.deviation).lstrip('+')}"
        )
        return (
            what,
            printed.text,
            made,
            f"{round(self.value - printed.value, 6):+.4g}",
            _plain(number.allowed),
            self.verdict,
        )


def compared(number: Number, found: Mapping[str, Any] | str) -> Compared:
    """The number beside what its step wrote, or beside the reason why it wrote nothing."""
    if isinstance(found, str):
        return Compared(number, None, why_not=found)
    source = number.source
    try:
        values = values_at(found, source.path)
    except ScoreError as error:
        return Compared(number, None, why_not=str(error))
    deviation = stdev(values) if len(values) > 1 else _deviation_at(found, source.path)
    if number.printed.deviation is None:
        deviation = None
    return Compared(number, source.factor * fmean(values), None if deviation is None else source.factor * deviation)


def values_at(found: Any, path: str) -> list[float]:
    """The numbers at a path like `strict.mean.rsum`, `runs.0.seed`, `variants[variant=full].x`; `*` is every entry.

    Raises `ScoreError` where there is no number.

    >>> values_at({"probes": [{"swap": 61.0}, {"swap": 62.0}]}, "probes.*.swap")
    [61.0, 62.0]
    """
    places = [found]
    for match in _PART.finditer(path):
        key, wanted, name = match.groups()
        places = [inner for place in places for inner in _inside(place, key, wanted, name)]
    if not places or not all(isinstance(one, int | float) and not isinstance(one, bool) for one in places):
        raise ScoreError(f"what its step wrote has no number at {path}")
    return [float(one) for one in places]


def _inside(place: Any, key: str | None, wanted: str, name: str) -> list[Any]:
    if key is not None:
        entries = place if isinstance(place, list) else [place]
        return [one for one in entries if isinstance(one, dict) and str(one.get(key)) in wanted.split("|")]
    if name == "*":
        return list(place.values()) if isinstance(place, dict) else list(place) if isinstance(place, list) else []
    if isinstance(place, list) and name.isdigit() and int(name) < len(place):
        return [place[int(name)]]
    return [place[name]] if isinstance(place, dict) and name in place else []


def _deviation_at(found: Mapping[str, Any], path: str) -> float | None:
    """What stands at `deviation` where the path says `mean`."""
    parts = path.split(".")
    if "mean" not in parts:
        return None
    parts[parts.index("mean")] = "deviation"
    try:
        return values_at(found, ".".join(parts))[0]
    except ScoreError:
        return None


def report(all_compared: Sequence[Compared]) -> str:
    """The table of all numbers, and how many are off."""
    headings = ("what", "printed", "made again", "difference", "allowed", "verdict")
    counts = {
        verdict: sum(one.verdict == verdict for one in all_compared) for verdict in (SAME, WITHIN, DIFFERS, NOT_MADE)
    }
    told = ", ".join(f"{count} {verdict}" for verdict, count in counts.items())
    table = markdown_table(headings, [one.cells() for one in all_compared])
    return f"{table}\n\n{len(all_compared)} numbers: {told}.\n"


def is_bad(one: Compared) -> bool:
    """Whether a number was not made again, or is further off than allowed."""
    return one.verdict in (DIFFERS, NOT_MADE)


def _plain(value: float) -> str:
    return f"{value:.4g}"
