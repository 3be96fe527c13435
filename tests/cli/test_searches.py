"""Many queries in one process: from a file, from a pipe, and typed at a prompt."""

from __future__ import annotations

import csv
import io
import json
import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command
from typer.testing import CliRunner, Result

from crossgraph.cli import app
from crossgraph.gallery.search.options import SearchOptions
from tests.cli.conftest import Trained, call

COMMAND = (sys.executable, "-c", "from crossgraph.cli import main; main()")


def piped(text: str | bytes, *words: object) -> Result:
    """Run `crossgraph` with these words and this on stdin."""
    return CliRunner().invoke(app, [str(word) for word in words], input=text, catch_exceptions=False)


def test_the_options_of_the_command_line_are_those_of_search_options() -> None:
    parameters = {one.name: one for one in get_command(app).commands["search"].params}  # type: ignore[attr-defined]
    fields = SearchOptions.model_fields
    assert set(fields) - set(parameters) == {"target", "among"}  # --captions; the map of the page
    shared = set(fields) & set(parameters)
    assert {name: parameters[name].help for name in shared} == {name: fields[name].description for name in shared}
    differing = {name for name in shared if parameters[name].default != fields[name].default}
    assert differing == {"fold"}  # people see copies as one answer, programs ask for that


def test_every_line_of_a_file_is_answered_as_if_it_were_asked_alone(trained: Trained, tmp_path: Path) -> None:
    asked = ["a red ball", f"image:{trained.images / '00003.jpg'}", "2:a ball + tree"]
    file = tmp_path / "queries.txt"
    file.write_text("\ufeff" + "\n\n".join(asked) + "\n", encoding="utf-8")
    words = ("--gallery", trained.gallery, "-k", 3, "--json")
    result = call("search", "--queries", file, *words)
    assert result.exit_code == 0
    found = [json.loads(line) for line in result.stdout.splitlines()]
    alone = [json.loads(call("search", query, *words).stdout) for query in asked]
    assert [one["results"] for one in found] == [one["results"] for one in alone]
    assert [one["query"] for one in found] == ["a red ball", str(trained.images / "00003.jpg"), '"2:a ball" + tree']


def test_the_gallery_is_opened_once_for_all_queries(trained: Trained, monkeypatch: pytest.MonkeyPatch) -> None:
    from crossgraph import verbs

    opened: list[object] = []
    open_to_search = verbs.open_to_search

    def counted(*paths: Any, **settings: Any) -> object:
        opened.append(paths)
        return open_to_search(*paths, **settings)

    monkeypatch.setattr(verbs, "open_to_search", counted)
    assert piped("a ball\na tree\n", "search", "--queries", "-", "--gallery", trained.gallery).exit_code == 0
    assert len(opened) == 1


def test_a_query_that_fails_is_told_and_the_others_are_answered(trained: Trained) -> None:
    lines = b"a red ball\nitem:nobody\n\n\xff\xfe\na tree + \na tree\n"
    result = piped(lines, "search", "--queries", "-", "--gallery", trained.gallery, "--json")
    assert result.exit_code == 2
    assert [json.loads(line)["query"] for line in result.stdout.splitlines()] == ["a red ball", "a tree"]
    said = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert [line.split(",")[0] for line in said] == ["error: line 2", "error: line 4", "error: line 5"]
    assert "no picture of the gallery has the id or path 'nobody'" in said[0]
    assert "not UTF-8" in said[1]


def test_answers_to_several_queries_say_which_they_answer(trained: Trained) -> None:
    words = ("search", "--queries", "-", "--gallery", trained.gallery, "-k", 2)
    people = piped("a red ball\na tree\n", *words).stdout.splitlines()
    assert (people[0], people[3:5], len(people)) == ("a red ball", ["", "a tree"], 7)
    rows = list(csv.reader(io.StringIO(piped("a red ball\na tree\n", *words, "--csv").stdout)))
    assert [row[0] for row in rows] == ["query", "a red ball", "a red ball", "a tree", "a tree"]
    assert len(piped("a red ball\na tree\n", *words, "--paths").stdout.splitlines()) == 4


def test_several_queries_go_with_no_other(trained: Trained, tmp_path: Path) -> None:
    for words in (("a ball",), ("--item", "x"), ("--image", "x.jpg")):
        result = call("search", *words, "--queries", "-", "--gallery", trained.gallery)
        assert (result.exit_code, "exactly one query" in result.stderr) == (2, True)
    result = call("search", "--queries", tmp_path / "none.txt", "--gallery", trained.gallery)
    assert (result.exit_code, "none.txt cannot be read: No such file" in result.stderr) == (2, True)


@pytest.mark.parametrize("end", ["\n", "\x04"])
def test_a_terminal_is_asked_for_one_query_after_the_other(trained: Trained, cache: Path, end: str) -> None:
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [*COMMAND, "search", "--gallery", str(trained.gallery), "-k", "1", "--json"],
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "CROSSGRAPH_CACHE": str(cache), "OMP_NUM_THREADS": "1"},
    )
    os.close(theirs)
    os.write(ours, f"a red ball\nitem:nobody\na tree\n{end}".encode())
    answered, said = process.communicate(timeout=300)
    os.close(ours)
    assert process.returncode == 0, said
    assert [json.loads(line)["query"] for line in answered.splitlines()] == ["a red ball", "a tree"]
    assert said.count("search> ") == 4
    assert "error: no picture of the gallery has the id or path 'nobody'" in said


def test_a_prompt_on_a_terminal_ends_with_an_empty_line(monkeypatch: pytest.MonkeyPatch) -> None:
    from crossgraph.cli.queries import prompted

    typed = iter(["a red ball", "", "never asked"])
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", lambda _: next(typed))
    assert list(prompted()) == [("", "a red ball")]
