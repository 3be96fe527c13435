"""Where runs stand, how that is known, and which are found in a folder."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from crossgraph.errors import ConfigError
from crossgraph.gallery.stages.cascade_manifest import CascadeManifest, Part
from crossgraph.reporting.runs import find_run, list_runs
from crossgraph.training import run_lock
from crossgraph.training.checkpoint import LAST, LOG, MANIFEST, WEIGHTS
from crossgraph.training.run_lock import is_being_trained, sole_trainer
from tests.reporting.conftest import MakeRun, linux, step, validated

HALF = [step(1), step(2), validated(1, 200.0), step(3, epoch=2)]


def state(folder: Path) -> tuple[str, str]:
    """Word and sentence of the only run in a folder."""
    (run,) = list_runs(folder)
    return run.state.word, run.state.text


@linux
def test_a_run_is_trained_while_its_lock_is_held_and_stopped_when_it_is_not(make_run: MakeRun) -> None:
    run = make_run(log=HALF)
    (run / LAST).write_bytes(b"")
    with sole_trainer(run):
        assert is_being_trained(run) is True
        assert state(run) == ("training", "training now, epoch 2 of 3, step 3")
    assert is_being_trained(run) is False
    assert state(run) == ("stopped", "stopped, epoch 2 of 3, step 3; --resume goes on")


@linux
def test_looking_takes_no_lock_and_makes_no_file(make_run: MakeRun) -> None:
    run = make_run(log=HALF)
    before = {file.name for file in run.iterdir()}
    assert is_being_trained(run) is False
    list_runs(run)
    assert {file.name for file in run.iterdir()} == before
    with sole_trainer(run):
        pass


def test_a_held_file_of_another_device_is_not_taken_for_ours(
    make_run: MakeRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run(log=HALF)
    (run / run_lock.LOCK).touch()
    found = (run / run_lock.LOCK).stat()
    here = f"{os.major(found.st_dev):02x}:{os.minor(found.st_dev):02x}"
    locks = tmp_path / "locks"
    monkeypatch.setattr(run_lock, "KERNEL_LOCKS", locks)
    for place, told in ((f"ee:ee:{found.st_ino}", None), (f"{here}:{found.st_ino}", True), (f"{here}:1", False)):
        locks.write_text(f"1: FLOCK  ADVISORY  WRITE 4711 {place} 0 EOF\n1: -> POSIX odd\n")
        assert is_being_trained(run) is told


def test_where_locks_cannot_be_seen_the_age_of_the_log_tells(
    make_run: MakeRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run(log=HALF)
    (run / run_lock.LOCK).touch()
    monkeypatch.setattr(run_lock, "KERNEL_LOCKS", tmp_path / "none")
    assert state(run)[0] == "training"
    os.utime(run / LOG, (1_600_000_000, 1_600_000_000))
    assert state(run)[0] == "stopped"
    assert "its log" in list_runs(run)[0].state.known_by


def test_a_run_is_finished_once_its_epoch_is_selected(make_run: MakeRun) -> None:
    log = [step(1), validated(1, 250.0), step(2, epoch=2), validated(2, 240.0)]
    run = make_run(log=log, selected={"epoch": 1, "rsum": 250.0})
    (found,) = list_runs(run)
    assert (found.state.word, found.state.text) == ("finished", "finished, epoch 1 of 2 chosen")
    assert found.main is not None
    assert (found.main.title, found.main.text, found.main.epoch) == ("rSum", "250.0", 1)


def test_before_there_is_a_selected_epoch_the_best_so_far_is_told(make_run: MakeRun) -> None:
    (found,) = list_runs(make_run(log=[validated(1, 200.0), validated(2, 260.0), validated(3, 250.0)]))
    assert found.main is not None
    assert (found.main.value, found.main.epoch) == (260.0, 2)
    assert found.state.text.startswith("stopped, before the first step")


def test_what_was_never_trained_says_so(make_run: MakeRun) -> None:
    assert state(make_run("nothing")) == ("stopped", "stopped before the first step")
    made = make_run("made")
    (made / WEIGHTS).write_bytes(b"")
    assert state(made)[0] == "made"


def test_runs_and_cascades_are_found_two_folders_deep_and_their_copies_are_not(
    make_run: MakeRun, tmp_path: Path
) -> None:
    make_run("a", log=HALF)
    make_run("group/b", log=HALF)
    make_run("group/sub/c", log=HALF)
    make_run("group/sub/deep/d", log=HALF)
    make_run("a/shortlist", log=HALF)
    make_run(".hidden", log=HALF)
    part = Part(method="dual_encoder", fingerprint="f", source="a")
    CascadeManifest(dense=part).write(tmp_path / "runs" / "cascade")
    make_run("cascade/dense")
    found = list_runs(tmp_path / "runs")
    assert sorted(run.name for run in found) == ["a", "cascade", "group/b", "group/sub/c"]
    assert {run.kind for run in found if run.name == "cascade"} == {"cascade"}
    assert len({run.id for run in found}) == 4
    (kept,) = [run for run in found if run.name == "group/b"]
    assert find_run(tmp_path / "runs", kept.id).folder == tmp_path / "runs" / "group" / "b"
    for path in ("group/b", "../runs/a", str(tmp_path / "runs" / "a")):
        with pytest.raises(ConfigError, match="unknown run"):
            find_run(tmp_path / "runs", path)


def test_the_latest_comes_first(make_run: MakeRun, tmp_path: Path) -> None:
    for age, name in enumerate(("new", "old", "older")):
        run = make_run(name, log=HALF)
        os.utime(run / LOG, (1_700_000_000 - age, 1_700_000_000 - age))
    assert [run.name for run in list_runs(tmp_path / "runs")] == ["new", "old", "older"]


def test_a_damaged_run_is_listed_with_the_reason_and_hides_no_other(make_run: MakeRun, tmp_path: Path) -> None:
    make_run("good", log=HALF)
    (make_run("bad", log=HALF) / MANIFEST).write_text("{")
    other = make_run("other")
    (other / MANIFEST).write_text((other / MANIFEST).read_text().replace('"format": 2', '"format": 1'))
    found = {run.name: run.state for run in list_runs(tmp_path / "runs")}
    assert {name: told.word for name, told in found.items()} == {
        "good": "stopped",
        "bad": "unreadable",
        "other": "unreadable",
    }
    assert "format 1" in found["other"].text
    assert not [told for told in found.values() if str(tmp_path) in told.text]


def test_no_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is no folder"):
        list_runs(tmp_path / "runs")


def test_json_of_a_run_is_plain_and_says_no_folder(make_run: MakeRun, tmp_path: Path) -> None:
    run = make_run(log=HALF)
    told = json.dumps([one.to_json() for one in list_runs(run.parent)], allow_nan=False)
    assert str(tmp_path) not in told
    assert json.loads(told)[0]["started"] == "2026-01-02T03:04:05+00:00"
