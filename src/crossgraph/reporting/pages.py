"""Runs and evaluations as HTML: fragments for a page of the server, and one static file with everything in it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from crossgraph.reporting.comparison import Comparison
from crossgraph.reporting.evaluations import StoredEvaluation
from crossgraph.reporting.runs import shown_time

TEMPLATES = Path(__file__).with_name("templates")
"""Fragments, for the template loader of whoever serves pages."""

STATIC = Path(__file__).with_name("static")
"""The style sheet of the fragments, reports.css."""


def static_report(report: Comparison, *, command: str, evaluations: Sequence[StoredEvaluation] = ()) -> str:
    """One HTML file that needs nothing beside itself, without scripts: `command` is what makes it again."""
    return _render(
        "report_file.html",
        report=report,
        evaluations=evaluations,
        style=Markup((STATIC / "reports.css").read_text(encoding="utf-8")),
        command=command,
        written=shown_time(datetime.now(UTC)),
        refresh=None,
        at=None,
    )


def _render(name: str, **context: Any) -> str:
    return _environment().get_template(name).render(context)


@cache
def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
