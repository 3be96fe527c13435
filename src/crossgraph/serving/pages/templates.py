"""Templates of the page, filled in."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import HTMLResponse

_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
ENVIRONMENT = Environment(
    loader=FileSystemLoader(Path(__file__).parents[1] / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def xml_text(text: str) -> str:
    """`text` without the signs that no XML may hold."""
    return _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text)


ENVIRONMENT.filters["xml"] = xml_text


def page(template: str, status: int = 200, **values: Any) -> HTMLResponse:
    """A page, or a part of one, made of a template."""
    return HTMLResponse(ENVIRONMENT.get_template(template).render(**values), status)
