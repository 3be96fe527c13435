"""What people said of answers, kept beside the gallery: a line of JSON each, to measure and train by later."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from typing import Any, BinaryIO

from crossgraph.serving.problems import Problem

FILE = "feedback.jsonl"
MOST_BYTES = 50 * 2**20


class Judgements:
    """The judgements of one gallery. They are only added to: taking one back is a line too."""

    def __init__(self, folder: Path) -> None:
        self._file, self._lock = folder / FILE, Lock()

    def add(self, *, query: str, item: str, verdict: str) -> dict[str, Any]:
        """Keep one, and give it back with its time. Raises `Problem` 507 where too many are kept."""
        line = {"at": datetime.now(UTC).isoformat(timespec="seconds"), "query": query, "item": item, "verdict": verdict}
        with self._lock:
            if self._file.exists() and self._file.stat().st_size > MOST_BYTES:
                raise Problem(507, f"{FILE} has more than {MOST_BYTES:,} bytes. Move it away; a new one is begun.")
            with self._file.open("a+b") as file:  # one write of one line: two processes may add
                file.write(_end_of_line(file) + json.dumps(line).encode() + b"\n")
                file.flush()
                os.fsync(file.fileno())
        return line

    def last(self, most: int) -> list[dict[str, Any]]:
        """The last so many, newest first, each pair of query and picture once; without those taken back.

        A line that is not whole, as after a kill, or no judgement, is passed over.
        """
        found: dict[tuple[str, str], dict[str, Any]] = {}
        try:
            lines = self._file.read_bytes().split(b"\n")
        except FileNotFoundError:
            return []
        for line in lines:
            try:
                told = json.loads(line)
                told = {name: str(told[name]) for name in ("at", "query", "item", "verdict")}
            except (ValueError, KeyError, TypeError):
                continue
            key = (told["query"], told["item"])
            found.pop(key, None)
            if told["verdict"] != "none":
                found[key] = told
        return list(reversed(found.values()))[:most]


def _end_of_line(file: BinaryIO) -> bytes:
    """What is missing for a new line to begin: a write that was torn leaves none."""
    if not file.seek(0, os.SEEK_END):
        return b""
    file.seek(-1, os.SEEK_END)
    return b"" if file.read(1) == b"\n" else b"\n"
