"""`crossgraph gallery shard` and `gallery recall`."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from crossgraph.cli import app
from crossgraph.gallery.gallery import Gallery
from tests.gallery.upkeep.test_shards import ROWS, with_codes, write


@pytest.fixture(scope="module")
def gallery(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A gallery of drawn rows."""
    made = Gallery.create(tmp_path_factory.mktemp("shards") / "gallery", with_codes())
    write(made, 0, ROWS, seed=0)
    return made.folder


def run(*arguments: object) -> str:
    """What a command prints."""
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert done.exit_code == 0, done.output
    return done.stdout


def test_shards_are_made_listed_and_their_recall_is_printed(gallery: Path) -> None:
    columns = json.loads(run("gallery", "shard", gallery, "--lists", 10, "--json"))["columns"]
    assert {(one["table"], one["column"], one["lists"]) for one in columns} == {
        (table, column, 10) for table in ("items", "captions") for column in ("vector", "code")
    }
    assert "600 of 600 rows in 1 shard of 10 lists" in run("gallery", "shard", gallery)
    found = json.loads(run("gallery", "recall", gallery, "--probe", 1, "--probe", 10, "--queries", 5, "--json"))
    assert [one["recall_10"] for one in found["recall"] if one["probes"] == 10] == pytest.approx([1, 1])
    assert "10 of 10" in run("gallery", "recall", gallery, "--probe", 10, "--queries", 5)


def test_recall_without_shards_says_what_to_do(tmp_path: Path) -> None:
    folder = Gallery.create(tmp_path / "gallery", with_codes()).folder
    assert "no table is large enough" in run("gallery", "shard", folder)
    done = CliRunner().invoke(app, ["gallery", "recall", str(folder)])
    assert done.exit_code != 0
