"""Waiting threads sleep by default, whoever starts the program; a setting of the user wins."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from crossgraph.waiting import SETTINGS

SAY = "import os; from crossgraph.waiting import wait_passively; print(os.environ.get('OMP_WAIT_POLICY')); \
print(wait_passively())"


def said(program: str, **settings: str) -> list[str]:
    """The lines that a new Python prints, with these settings for waiting and no others."""
    environment = {name: value for name, value in os.environ.items() if name not in SETTINGS}
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, env=environment | settings, capture_output=True, text=True, check=True, timeout=120)
    return done.stdout.splitlines()


def test_importing_crossgraph_lets_waiting_threads_sleep() -> None:
    assert said(f"import crossgraph; {SAY}") == [
        "PASSIVE",
        "OMP_WAIT_POLICY=PASSIVE, GOMP_SPINCOUNT=1000 (set by crossgraph)",
    ]


def test_the_command_line_does_so_before_anything_is_loaded() -> None:
    assert said(f"from crossgraph.cli import main; {SAY}")[0] == "PASSIVE"


@pytest.mark.parametrize("name", SETTINGS)
def test_a_setting_of_the_user_wins(name: str) -> None:
    policy, told = said(f"import crossgraph; {SAY}", **{name: "5"})
    assert policy == ("5" if name == "OMP_WAIT_POLICY" else "None")
    assert told == f"{name}=5 (from the environment)"


def test_where_torch_was_imported_first_nothing_is_changed_and_it_is_said() -> None:
    program = f"import sys; sys.modules['torch'] = object(); import crossgraph; {SAY}"
    assert said(program) == ["None", "as torch does by default: it was imported before crossgraph"]


def test_a_program_started_from_here_inherits_it() -> None:
    child = "import os; print(os.environ['OMP_WAIT_POLICY'], os.environ['GOMP_SPINCOUNT'])"
    program = f"import subprocess, sys, crossgraph; subprocess.run([sys.executable, '-c', {child!r}], check=True)"
    assert said(program) == ["PASSIVE 1000"]
