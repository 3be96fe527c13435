"""Templates of the page, filled in."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import HTMLResponse

from crossgraph.reporting.pages import TEMPLATES
from crossgraph.serving.assets import asset

_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
ENVIRONMENT = Environment(
    loader=FileSystemLoader([Path(__file__).parents[1] / "templates", TEMPLATES]),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    auto_reload=False,
)
ENVIRONMENT.globals["asset"] = asset
ENVIRONMENT.filters["commas"] = lambda number: f"{number:,}"


def xml_text(text: str) -> str:
    """`text` without the signs that no XML may hold."""
    return _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text)


ENVIRONMENT.filters["xml"] = xml_text


def page(template: str, status: int = 200, headers: Mapping[str, str] | None = None, **values: Any) -> HTMLResponse:
    """A page, or a part of one, made of a template."""
    return HTMLResponse(filled(template, **values), status, dict(headers or {}))


def filled(template: str, **values: Any) -> str:
    """The text of a template, filled in."""
    return ENVIRONMENT.get_template(template).render(**values)
