"""What a method says of where its modules come from is said once: files and pages claim no more."""

import re
import sys
from pathlib import Path

import pytest

from crossgraph.cli.methods import modules_markdown
from crossgraph.methods.catalogue import METHODS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "methods.md").read_text(encoding="utf-8")
SOURCE = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "src" / "crossgraph").rglob("*.py"))
MODULES = {".".join(path.with_suffix("").parts[-2:]) for path in (ROOT / "src" / "crossgraph").rglob("*.py")}


@pytest.fixture(params=list(METHODS))
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def table_of(docstring: str) -> list[tuple[str, ...]]:
    """The rows of the table in it, less the heading and the line under it."""
    rows = [line.strip("|").split("|") for line in docstring.splitlines() if line.startswith("|")]
    return [tuple(cell.strip() for cell in row) for row in rows[2:]]


def test_the_table_in_a_method_file_claims_what_the_class_does(name: str) -> None:
    rows = table_of(sys.modules[METHODS[name].__module__].__doc__ or "")
    known = [(entry.module, entry.implementation, entry.status) for entry in METHODS[name].provenance]
    assert rows
    assert set(rows) <= set(known)
    assert {row for row in known if row[2] == "purpose documented"} <= set(rows), "an abstract's module is left out"


def test_the_page_of_methods_has_the_table_that_the_command_prints(name: str) -> None:
    assert f"**{name}**\n\n{modules_markdown(METHODS[name])}\n" in PAGE


def test_what_is_said_to_implement_a_module_exists(name: str) -> None:
    for entry in METHODS[name].provenance:
        for one in entry.implementation.split(", "):
            last = re.escape(one.rpartition(".")[2])
            defined = re.search(rf"(class|def) {last}\b|self\.{last}\b|^ +{last}:", SOURCE, flags=re.MULTILINE)
            assert one in MODULES or defined, f"{one}, of {entry.module!r}, is nowhere"
