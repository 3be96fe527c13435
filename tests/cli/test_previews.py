"""Pictures drawn in a terminal."""

from __future__ import annotations

import io
import re
from typing import Any

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from crossgraph.cli.previews import COLUMNS, INDENT, LINES, drawn
from tests.cli.conftest import Trained, call

HALF = re.compile(r"\x1b\[38;2;(\d+);(\d+);(\d+);48;2;(\d+);(\d+);(\d+)m▀\x1b\[0m")


def written(image: Image.Image, *, width: int = 80, **settings: Any) -> list[str]:
    """The lines that a terminal is sent."""
    terminal: dict[str, Any] = {"force_terminal": True, "color_system": "truecolor", "_environ": {}} | settings
    console = Console(file=io.StringIO(), width=width, **terminal)
    console.print(drawn(image, console), end="")
    lines: list[str] = console.file.getvalue().split("\n")  # type: ignore[attr-defined]
    assert lines.pop() == ""
    return lines


def test_the_pixels_of_a_drawing_are_those_of_the_picture() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (2 * LINES, 30, 3), dtype=np.uint8)
    lines = written(Image.fromarray(pixels))
    assert len(lines) == LINES
    for place, line in enumerate(lines):
        assert HALF.sub("", line) == " " * INDENT
        found = np.array([list(map(int, one)) for one in HALF.findall(line)])
        assert (found[:, :3] == pixels[2 * place]).all()
        assert (found[:, 3:] == pixels[2 * place + 1]).all()


@pytest.mark.parametrize(
    ("size", "width", "letters", "lines"),
    [
        ((320, 160), 80, 40, 10),
        ((160, 320), 80, 10, 10),
        ((320, 160), 25, 20, 5),
        ((320, 1), 80, 40, 1),
        ((10, 10), 8, 3, 2),
    ],
)
def test_a_drawing_fits_and_keeps_its_proportions(size: tuple[int, int], width: int, letters: int, lines: int) -> None:
    found = written(Image.new("RGB", size, "red"), width=width)
    assert [len(HALF.findall(line)) for line in found] == [letters] * lines
    assert letters <= COLUMNS


@pytest.mark.parametrize("settings", [{"no_color": True}, {"color_system": None}])
def test_without_colours_it_is_drawn_in_shades(settings: dict[str, Any]) -> None:
    steps = np.repeat(np.array([0, 60, 120, 180, 255], np.uint8)[None, :, None], 3, axis=2)
    image = Image.fromarray(steps.repeat(2, axis=0)).resize((40, 16), Image.Resampling.NEAREST)
    lines = written(image, **settings)
    assert lines == [" " * INDENT + "".join(shade * 8 for shade in " ░▒▓█")] * 8


def test_a_search_draws_every_answer(trained: Trained, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    plain = call("search", "a red ball", "--gallery", trained.gallery, "-k", 3).stdout.splitlines()
    lines = call("search", "a red ball", "--gallery", trained.gallery, "-k", 3, "--preview").stdout.splitlines()
    assert [line for line in lines if line in plain] == plain
    assert len(lines) == 3 * (1 + LINES)
    assert set("".join(line for line in lines if line not in plain)) <= set(" ░▒▓█")


@pytest.mark.parametrize(
    ("more", "term", "forced", "said"),
    [
        ((), "xterm", "", "stdout is none"),
        ((), "dumb", "1", "TERM says so"),
        (("--json",), "xterm", "1", "leave out --json"),
        (("--paths",), "xterm", "1", "leave out --json"),
    ],
)
def test_where_nothing_can_be_drawn_that_is_said(
    trained: Trained, monkeypatch: pytest.MonkeyPatch, more: tuple[str, ...], term: str, forced: str, said: str
) -> None:
    monkeypatch.setenv("TERM", term)
    monkeypatch.setenv("FORCE_COLOR", forced)
    done = call("search", "a red ball", "--gallery", trained.gallery, "--preview", *more)
    assert (done.exit_code, done.stdout) == (2, "")
    assert said in done.stderr
