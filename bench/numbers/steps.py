"""Runs the commands of the steps, keeps what they wrote, and runs none a second time.

    OUT/NAME-KEY/out          the run, or whatever `{out}` stands for
    OUT/NAME-KEY/numbers.json what it printed with --json, or wrote to `{json}`
    OUT/NAME-KEY/log          all else that it printed
    OUT/NAME-KEY/done.json    there once it ended well: the command, seconds, versions

KEY is of the command, its version, the settings files (or the default model) it names, where the data lie, and the keys
of the steps it needs: where any of these changes, the step is run anew into another folder.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from declarations import JSON, OUT, ROOT, Declarations, Number, Step

from crossgraph.default_model import DEFAULT_MODEL
from crossgraph.errors import ConfigError
from crossgraph.files import write_atomically

DONE, NUMBERS, LOG = "done.json", "numbers.json", "log"
MANIFEST = "manifest.json"
SETTINGS = (".toml", ".json")
DEFAULT = "src/crossgraph/default_model/cascade/cascade.json"
"""It has the fingerprints of all that the default model is made of."""
STOPPED = (130, -2, -15)
"""What a command ends with that somebody stopped."""

Runner = Callable[[Sequence[str], Path, Path], int]
"""Runs a command, its stdout into the first file and its stderr behind what the second holds; gives its exit code."""


class Stopped(Exception):
    """A command was stopped; what it did is kept."""


@dataclass
class Workshop:
    """Where steps are run: `data` are the folders that were given, `out` holds the results."""

    declared: Declarations
    data: Mapping[str, Path]
    out: Path
    _keys: dict[str, str] = field(default_factory=dict)

    def require_data(self, numbers: Sequence[Number]) -> None:
        """Raise `ConfigError` where steps of these numbers need folders that were not given, or hold nothing."""
        missing: dict[str, set[str]] = {}
        for entry in dict.fromkeys(number.entry for number in numbers):
            for step in self.declared.needed([number for number in numbers if number.entry == entry]):
                for name in step.data:
                    if name not in self.data or not self.data[name].is_dir():
                        missing.setdefault(name, set()).add(entry)
        if missing:
            told = []
            for name, entries in missing.items():
                folder = self.declared.data[name]
                given = f" ({self.data[name]} is no folder)" if name in self.data else ""
                told.append(f"{folder.variable}=FOLDER{given}, {folder.what}, for {', '.join(sorted(entries))}")
            free = sorted({one.entry for one in self.declared.numbers if not self._asks_for_data(one)})
            raise ConfigError(
                f"these numbers need data that are not here: {'; '.join(told)}. Without data: ONLY={','.join(free)}."
            )

    def _asks_for_data(self, number: Number) -> bool:
        return any(step.data for step in self.declared.needed([number]))

    def key(self, step: Step) -> str:
        """What the results of a step depend on, as 12 hex digits."""
        if step.name not in self._keys:
            told = {
                "words": step.words,
                "version": step.version,
                "settings": [
                    hashlib.sha256((ROOT / name).read_bytes()).hexdigest()
                    for word in step.words
                    if (name := DEFAULT if word == DEFAULT_MODEL else word.rpartition("=")[2]).endswith(SETTINGS)
                    and (ROOT / name).is_file()
                ],
                "data": [str(self.data[name].resolve()) if name in self.data else name for name in step.data],
                "needs": [self.key(self.declared.steps[name]) for name in step.needs],
            }
            digest = hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()
            self._keys[step.name] = digest[:12]
        return self._keys[step.name]

    def folder(self, step: Step) -> Path:
        """Where all of a step is kept."""
        return (self.out / f"{step.name}-{self.key(step)}").absolute()

    def is_done(self, step: Step) -> bool:
        """Whether the step ended well before."""
        return (self.folder(step) / DONE).exists()

    def command(self, step: Step) -> list[str]:
        """The words to run, with a place for every placeholder; a training that was stopped is resumed."""
        folder = self.folder(step)
        places = {OUT: str(folder / OUT), JSON: str(folder / NUMBERS)}
        places |= {name: str(self.data.get(name, f"${self.declared.data[name].variable}")) for name in step.data}
        places |= {name: str(self.folder(self.declared.steps[name]) / OUT) for name in step.needs}
        words = [re.sub(r"\{([^{}]+)\}", lambda found: places[found.group(1)], word) for word in step.words]
        if words[:2] == ["crossgraph", "train"] and (folder / OUT / MANIFEST).exists():
            words.append("--resume")
        return words

    def numbers(self, step: Step) -> dict[str, Any]:
        """What a step wrote that is done."""
        found: dict[str, Any] = json.loads((self.folder(step) / NUMBERS).read_text(encoding="utf-8"))
        return found

    def run(self, step: Step, runner: Runner) -> str:
        """Run a step that is not done; returns why it failed, or nothing. Raises `Stopped`."""
        folder, command = self.folder(step), self.command(step)
        goes_on = step.goes_on or command[-1] == "--resume"
        if not goes_on and (folder / OUT).exists():
            shutil.rmtree(folder / OUT)
        folder.mkdir(parents=True, exist_ok=True)
        printed = folder / (f"{NUMBERS}.part" if step.prints_json else f"{LOG}.out")
        started = time.monotonic()
        code = runner(command, printed, folder / LOG)
        if code in STOPPED:
            raise Stopped(step.name)
        if code:
            return f"{step.name} ended with {code}, see {folder / LOG}"
        if step.prints_json:
            printed.replace(folder / NUMBERS)
        if step.has_numbers and not _is_json(folder / NUMBERS):
            return f"{step.name} wrote no JSON, see {folder / NUMBERS}"
        told = {
            "command": shlex.join(command),
            "seconds": round(time.monotonic() - started, 1),
            "crossgraph": importlib.metadata.version("crossgraph"),
        }
        write_atomically(folder / DONE, json.dumps(told, indent=1).encode())
        return ""

    def run_all(self, steps: Sequence[Step], runner: Runner, tell: Callable[[str], None]) -> dict[str, str]:
        """Run the steps in their order, and `tell` of each; returns why those failed that did, or need one that did.

        Raises `Stopped`.
        """
        failed: dict[str, str] = {}
        for place, step in enumerate(steps, start=1):
            told = f"[{place}/{len(steps)}] {step.name}"
            reason = next((failed[name] for name in step.needs if name in failed), "")
            if reason:
                failed[step.name] = reason
                tell(f"{told}: left out, {reason}")
            elif self.is_done(step):
                tell(f"{told}: done before")
            else:
                tell(f"{told}: {shlex.join(self.command(step))}")
                reason = self.run(step, runner)
                if reason:
                    failed[step.name] = reason
                    tell(reason)
        return failed


def run_command(command: Sequence[str], stdout: Path, stderr: Path) -> int:
    """Run a command of crossgraph or a script of this project, in its folder, with this Python."""
    name, *rest = command
    program = [str(Path(sys.executable).with_name("crossgraph"))] if name == "crossgraph" else [sys.executable]
    with (
        stdout.open("wb") as told,
        stderr.open("ab") as log,
        subprocess.Popen([*program, *rest], cwd=ROOT, stdout=told, stderr=log) as process,
    ):
        while True:
            try:
                return process.wait()
            except KeyboardInterrupt:
                continue  # the command was told too; it saves where it stands and ends


def _is_json(file: Path) -> bool:
    try:
        return isinstance(json.loads(file.read_text(encoding="utf-8")), dict)
    except (OSError, ValueError):
        return False
