"""What the documents and docstrings show is run: every command is parsed, every Python example executed."""

from __future__ import annotations

import ast
import doctest
import importlib
import re
import runpy
import shlex
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

import crossgraph
from crossgraph.cli import app
from crossgraph.serving.settings import ServerSettings
from tests.serving.served import live

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src"
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
DIARIES = ("log.md", "CHANGELOG.md")
"""They tell what was done once, with what there was then."""
EXAMPLES = sorted(path for path in SOURCE.rglob("*.py") if ">>> " in path.read_text(encoding="utf-8"))
BENCHES = sorted(path for path in (ROOT / "bench").rglob("*.py") if "__main__" in path.read_text(encoding="utf-8"))

ADDRESS = "http://127.0.0.1:8000"
TINY = {
    "scenes:400": "scenes:24",
    '["training.epochs=5"]': (
        '["training.epochs=1", "training.batch_size=8", "texts.min_count=1", "images.size=64", "images.cells=[2]", '
        '"model.width=16", "model.word_width=16", "model.heads=2"]'
    ),
}
"""What is made smaller in the examples that train, so that they take seconds."""


def documented_commands() -> list[str]:
    """Every `crossgraph ...` line of the documents' blocks, fenced or indented, continued lines joined."""
    texts = [path.read_text(encoding="utf-8") for path in DOCUMENTS if path.name not in DIARIES]
    pattern = r"```bash\n(.*?)```|^ {4}(crossgraph [^\n]*)$"
    blocks = ["".join(found) for text in texts for found in re.findall(pattern, text, flags=re.DOTALL | re.MULTILINE)]
    lines = [line.strip() for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    return list(dict.fromkeys(line for line in lines if line.startswith("crossgraph ")))


@pytest.mark.parametrize("line", documented_commands())
def test_documented_commands_parse(line: str) -> None:
    command: Any = get_command(app)  # typer keeps a click of its own
    words = shlex.split(line, comments=True)[1:]
    context = command.make_context("crossgraph", list(words), resilient_parsing=False)
    while hasattr(command, "commands"):
        name, command, words = command.resolve_command(context, [*context._protected_args, *context.args])
        context = command.make_context(name, list(words), parent=context)
    assert not context.args


def test_commands_were_found_in_more_documents_than_the_readme() -> None:
    assert len(documented_commands()) > 40


def python_blocks() -> list[str]:
    """Every Python block of the documents that tell how things are now."""
    texts = [path.read_text(encoding="utf-8") for path in DOCUMENTS if path.name not in DIARIES]
    return [block for text in texts for block in re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)]


@contextmanager
def _server(folder: Path) -> Iterator[str]:
    """Where the gallery that the first example made is served, for those that ask a server; `query.jpg` lies there."""
    gallery = crossgraph.open_gallery(folder / "gallery")
    shutil.copy(gallery.snapshot().items["path"][0].as_py(), folder / "query.jpg")
    server = live(ServerSettings(folder / "gallery"), gallery).start()
    try:
        yield server.url
    finally:
        server.stop()


@pytest.mark.slow
@pytest.mark.parametrize("block", python_blocks(), ids=lambda block: block.strip().splitlines()[-1].strip())
def test_python_blocks_of_documents_run(
    block: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CROSSGRAPH_CACHE", str(tmp_path / "cache"))
    first = next(one for one in python_blocks() if "crossgraph.index(" in one)  # the gallery that others open
    before = [] if block == first else [first]
    for text in (*before, block):
        for large, small in TINY.items():
            text = text.replace(large, small)
        capsys.readouterr()
        with _server(tmp_path) if "httpx" in text else nullcontext(ADDRESS) as address:
            (tmp_path / "example.py").write_text(text.replace(ADDRESS, address), encoding="utf-8")
            runpy.run_path(str(tmp_path / "example.py"))
    assert capsys.readouterr().out


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_examples_in_docstrings_give_what_they_say(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CROSSGRAPH_CACHE", str(tmp_path / "cache"))
    name = ".".join(path.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__")
    names = vars(importlib.import_module(name))
    runner, parser = doctest.DocTestRunner(), doctest.DocTestParser()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            text = ast.get_docstring(node) or ""
            runner.run(parser.get_doctest(text, dict(names), getattr(node, "name", name), str(path), 0))
    assert runner.tries > 0
    assert runner.failures == 0, "see the output above"


@pytest.mark.parametrize("path", BENCHES, ids=lambda path: path.stem)
def test_a_bench_says_how_it_is_called(path: Path) -> None:
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    assert f"python {path.relative_to(ROOT)}" in text
