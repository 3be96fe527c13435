"""The walk from one folder to a cluster that docs/scale.md shows, command by command, on drawn pictures."""

import re
import shlex
from pathlib import Path

import pytest

from tests.cli.conftest import Trained, call
from tests.storage.conftest import address, store_url

__all__ = ["address", "store_url"]

pytestmark = pytest.mark.slow

PAGE = Path(__file__).parents[2] / "docs" / "scale.md"
NEEDS_MANY = "recall"
"""The command that refuses a gallery of so few pictures, which get no shards."""


def walk() -> list[str]:
    """The commands of the page, but for the last, which serves until it is stopped."""
    section = PAGE.read_text(encoding="utf-8").split("## From one folder to a cluster")[1]
    block = re.search(r"```bash\n(.*?)```", section, re.DOTALL)
    assert block is not None
    lines = [line.split("  #")[0].strip() for line in block[1].splitlines()]
    assert lines[-1].startswith("crossgraph serve ")
    return lines[:-1]


def test_every_step_of_the_walk_works(trained: Trained, address: str, tmp_path: Path) -> None:
    pytest.importorskip("ray", reason="crossgraph[ray] is not installed")
    places = {
        "photos": str(trained.images),
        "gallery": str(tmp_path / "gallery"),
        "s3://pictures/gallery": address,
        "head:6379": "local[2]",
    }
    answers = list[list[str]]()
    for line in walk():
        program, *words = shlex.split(line)
        assert program == "crossgraph"
        command = words[0]
        first = 2 if command == "gallery" else 1
        filled = [*words[:first], *(places.get(word, word) for word in words[first:])]
        if command == "index":
            filled += ["--model", str(trained.dual_encoder)]
        if command == "search":
            answers.append(call(*filled, "--paths").stdout.splitlines())
        elif NEEDS_MANY in words:
            assert "no shards" in call(*filled).stderr
        else:
            call(*filled)
    assert len(answers) == 3
    assert answers[0]
    assert answers[0] == answers[1] == answers[2]
