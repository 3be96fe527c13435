"""Progress on terminals, in pipes, and nowhere."""

import io
import json
from collections.abc import Callable

import pytest
from rich.console import Console

from crossgraph.progress import JsonLines, Progress, Silent
from crossgraph.progress_bars import RichProgress, choose_progress


class Clock:
    """Time that passes only when told."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def lines(stream: io.StringIO) -> list[dict[str, object]]:
    """The JSON objects written, without tolerance for NaN."""

    def refuse(word: str) -> object:
        raise AssertionError(f"{word} is not JSON")

    return [json.loads(line, parse_constant=refuse) for line in stream.getvalue().splitlines()]


def test_json_lines_are_written_at_most_once_a_second_and_once_at_the_end() -> None:
    stream, clock = io.StringIO(), Clock()
    with JsonLines(stream, clock=clock).task("reading", 100) as task:
        for _ in range(40):
            clock.now += 0.1
            task.advance(2)
    written = lines(stream)
    assert [line["event"] for line in written] == ["progress"] * (len(written) - 1) + ["done"]
    assert 3 <= len(written) - 1 <= 4
    assert written[-1]["done"] == 80


def test_a_json_line_tells_rate_time_left_and_the_latest_facts() -> None:
    stream, clock = io.StringIO(), Clock()
    with JsonLines(stream, clock=clock).task("training", 30) as task:
        task.advance(5, loss=2.0)
        clock.now += 2.0
        task.advance(5, loss=1.5)
    assert lines(stream)[0] == {
        "event": "progress", "task": "training", "done": 10, "total": 30, "rate": 5.0, "eta_seconds": 4.0, "loss": 1.5,
    }  # fmt: skip


def test_a_json_line_without_elapsed_time_knows_no_rate() -> None:
    stream = io.StringIO()
    with JsonLines(stream, clock=Clock()).task("reading", 3):
        pass
    assert lines(stream) == [
        {"event": "done", "task": "reading", "done": 0, "total": 3, "rate": None, "eta_seconds": None}
    ]


def test_work_that_raises_is_reported_as_stopped_and_the_error_goes_on() -> None:
    stream = io.StringIO()

    def interrupted() -> None:
        with JsonLines(stream).task("reading", 3) as task:
            task.advance()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert (lines(stream)[-1]["event"], lines(stream)[-1]["done"]) == ("stopped", 1)


def test_numbers_that_json_does_not_know_are_written_as_words() -> None:
    stream = io.StringIO()
    JsonLines(stream).note("epoch", loss=float("nan"), best=float("-inf"), path=io)
    assert (lines(stream)[0]["loss"], lines(stream)[0]["best"]) == ("nan", "-inf")


def test_bars_show_description_count_and_facts_as_plain_text() -> None:
    stream = io.StringIO()
    progress = RichProgress(Console(file=stream, force_terminal=True, width=160, color_system=None))
    with progress.task("reading [a]", 4) as task:
        task.advance(4, loss=0.25)
        progress.note("saved [b]", rsum=280.5)
        with progress.task("inner", 1) as inner:
            inner.advance()
    shown = stream.getvalue()
    for words in ("reading [a]", "4/4", "loss 0.25", "saved [b]  rsum 280.5", "inner"):
        assert words in shown


def test_bars_can_be_used_again_and_after_an_error() -> None:
    stream = io.StringIO()
    progress = RichProgress(Console(file=stream, force_terminal=True, width=160, color_system=None))

    def fail() -> None:
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"), progress.task("first", 2):
        fail()
    stream.truncate(0)
    with progress.task("second", 2) as task:
        task.advance(2)
    assert "second" in stream.getvalue()
    assert "first" not in stream.getvalue()


def test_a_terminal_gets_bars_and_a_pipe_gets_json_lines() -> None:
    assert isinstance(choose_progress(Terminal()), RichProgress)
    assert isinstance(choose_progress(Terminal(), force_json=True), JsonLines)
    assert isinstance(choose_progress(io.StringIO()), JsonLines)


def test_bars_go_to_stderr_so_that_results_can_be_piped(capsys: pytest.CaptureFixture[str]) -> None:
    progress = RichProgress()
    with progress.task("reading", 1) as task:
        task.advance()
    progress.note("ready")
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "ready" in captured.err


@pytest.mark.parametrize("make", [Silent, lambda: JsonLines(io.StringIO()), lambda: choose_progress(Terminal())])
def test_every_progress_takes_nested_tasks_and_notes(make: Callable[[], Progress]) -> None:
    progress = make()
    with progress.task("outer", 2) as outer:
        outer.advance()
        with progress.task("inner", 1) as inner:
            inner.advance(1, loss=0.5)
        progress.note("between", count=3)
        outer.advance(1, loss=1)
