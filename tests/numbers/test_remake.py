"""Steps run once, in order and on from where they were; the program says what differs. Commands are run by a fake."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import remake as program
from declarations import Declarations
from steps import DONE, Workshop

from crossgraph.errors import ConfigError
from tests.numbers.test_declarations import PROSE, STEP, TABLE, declared

OTHER = """
[[step]]
name = "drawn"
command = "python bench/folding.py --json {json}"
minutes = 100
[[paragraph]]
name = "free"
document = "README.md"
heading = "Title"
words = "fell to {}."
numbers = ["drawn: loss"]
allowed = 0
"""
WRITTEN = {
    "rsum": [{"name": "full", "is": 474.1}],
    "twin": 74.3,
    "share": 0.52,
    "loss": 3,
}


@dataclass
class FakeRunner:
    """Writes what a command would; `codes` are exit codes by a word of the command, 0 for all others."""

    written: dict[str, object] = field(default_factory=lambda: dict(WRITTEN))
    codes: dict[str, int] = field(default_factory=dict)
    commands: list[list[str]] = field(default_factory=list)

    def __call__(self, command: Sequence[str], stdout: Path, stderr: Path) -> int:
        self.commands.append(list(command))
        if "train" in command:
            out = Path(command[command.index("--out") + 1])
            out.mkdir(parents=True, exist_ok=True)
            (out / "manifest.json").write_text("{}", encoding="utf-8")
        place = Path(command[command.index("--json") + 1]) if command[0] == "python" else stdout
        place.write_text(json.dumps(self.written), encoding="utf-8")
        stderr.write_text("told\n", encoding="utf-8")
        return next((code for word, code in self.codes.items() if word in " ".join(command)), 0)

    @property
    def told(self) -> list[str]:
        """Which command of crossgraph each was, with the seed of a training."""
        return [
            " ".join(word for word in one if word in ("train", "evaluate") or "seed" in word) for one in self.commands
        ]


def told_table(text: str = "") -> str:
    """The table of which only one row is made."""
    return TABLE.replace("rsum[name={label}]", "rsum[name={label}].is") + '[table.rows]\n"full" = ""\n' + text


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Declarations:
    (tmp_path / "set").mkdir()
    found = declared(tmp_path, STEP + told_table(PROSE) + OTHER)
    monkeypatch.setattr(program, "read_declarations", lambda: found)
    monkeypatch.chdir(tmp_path)
    return found


GIVEN = ["--set", "set", "--out", "out", "--only", "small,loss"]


def test_numbers_are_made_and_compared(project: Declarations, capsys: pytest.CaptureFixture[str]) -> None:
    runner = FakeRunner()
    assert program.main(GIVEN, runner=runner) == 0
    assert runner.told == ["train training.seed=0", "train training.seed=1", "evaluate"]
    folders = [command[command.index("--out") + 1] for command in runner.commands[:2]]
    evaluate = runner.commands[2]
    assert [evaluate[place + 1] for place, word in enumerate(evaluate) if word == "--model"] == folders
    out = capsys.readouterr().out
    assert "4 numbers: 2 same, 2 within, 0 DIFFERS, 0 not made." in out
    assert "| README.md, Title: full, rSum | 474.0 ± 0.7 | 474.1 | +0.1 | 0.8 | within |" in out
    assert Path("out/numbers.md").read_text(encoding="utf-8") == out


def test_a_number_that_differs_makes_the_exit_code_1(project: Declarations, capsys: pytest.CaptureFixture[str]) -> None:
    assert program.main(GIVEN, runner=FakeRunner(WRITTEN | {"twin": 80.0})) == 1
    assert "| 74.3 | 80.0 | +5.7 | 2 | DIFFERS |" in capsys.readouterr().out


def test_what_is_done_is_not_run_again(project: Declarations) -> None:
    assert program.main(GIVEN, runner=FakeRunner()) == 0
    again = FakeRunner()
    assert program.main(GIVEN, runner=again) == 0
    assert again.commands == []
    assert program.main(["--out", "out", "--only", "free"], runner=again) == 0
    assert [command[1] for command in again.commands] == ["bench/folding.py"]


def test_a_stopped_training_is_resumed_and_nothing_before_it_run_again(
    project: Declarations, capsys: pytest.CaptureFixture[str]
) -> None:
    assert program.main(GIVEN, runner=FakeRunner(codes={"seed=1": 130})) == 130
    assert "the same command goes on" in capsys.readouterr().err
    again = FakeRunner()
    assert program.main(GIVEN, runner=again) == 0
    assert again.told == ["train training.seed=1", "evaluate"]
    assert again.commands[0][-1] == "--resume"


def test_a_step_that_cannot_go_on_begins_anew(project: Declarations) -> None:
    workshop = Workshop(project, {"set": Path("set")}, Path("out"))
    step = project.steps["run-0"]
    half = workshop.folder(step) / "out" / "half.txt"
    half.parent.mkdir(parents=True)
    half.write_text("", encoding="utf-8")
    assert workshop.run(step, FakeRunner()) == ""
    assert not half.exists()
    told = json.loads((workshop.folder(step) / DONE).read_text(encoding="utf-8"))
    assert told["command"].startswith("crossgraph train --data set --set training.seed=0 --out ")


def test_steps_that_failed_are_told_and_others_are_run(
    project: Declarations, capsys: pytest.CaptureFixture[str]
) -> None:
    runner = FakeRunner(codes={"seed=0": 2})
    assert program.main(["--set", "set", "--out", "out"], runner=runner) == 1
    assert runner.told == ["train training.seed=0", "train training.seed=1", ""]
    out, err = capsys.readouterr()
    assert "5 numbers: 1 same, 0 within, 0 DIFFERS, 4 not made." in out
    assert out.count("not made: run-0 ended with 2, see ") == 4
    assert "[3/4] both: left out, run-0 ended with 2" in err
    again = FakeRunner()
    assert program.main(["--set", "set", "--out", "out"], runner=again) == 0
    assert again.told == ["train training.seed=0", "evaluate"]


def test_a_step_that_wrote_no_numbers_is_not_done(project: Declarations, capsys: pytest.CaptureFixture[str]) -> None:
    class Silent(FakeRunner):
        def __call__(self, command: Sequence[str], stdout: Path, stderr: Path) -> int:
            code = super().__call__(command, stdout, stderr)
            stdout.write_text("a table", encoding="utf-8")
            return code

    assert program.main(GIVEN, runner=Silent()) == 1
    assert "both wrote no JSON" in capsys.readouterr().out
    again = FakeRunner()
    assert program.main(GIVEN, runner=again) == 0
    assert again.told == ["evaluate"]


def test_missing_data_are_named_with_what_needs_them(project: Declarations, capsys: pytest.CaptureFixture[str]) -> None:
    runner = FakeRunner()
    assert program.main(["--out", "out"], runner=runner) == 2
    told = capsys.readouterr().err
    assert "SET=FOLDER, a set, for loss, small." in told
    assert "Without data: ONLY=free." in told
    assert program.main(["--out", "out", "--set", "gone"], runner=runner) == 2
    assert "SET=FOLDER (gone is no folder)" in capsys.readouterr().err
    assert runner.commands == []


def test_commands_and_costs_are_told_without_data_and_without_running(
    project: Declarations, capsys: pytest.CaptureFixture[str]
) -> None:
    runner = FakeRunner()
    assert program.main(["--dry-run", "--out", "out"], runner=runner) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:2] for line in lines] == [
        ["crossgraph", "train"],
        ["crossgraph", "train"],
        ["crossgraph", "evaluate"],
        ["python", "bench/folding.py"],
    ]
    assert "--data '$SET'" in lines[0]
    assert program.main(["--list", "--out", "out"], runner=runner) == 0
    told = capsys.readouterr().out
    assert "| small | README.md | 3 | 3/3 | 5 min | SET | full |" in told
    assert "| free | README.md | 1 | 1/1 | 1.7 h |  |  |" in told
    assert "| all |  | 5 | 4/4 | 1.8 h |  |  |" in told
    assert runner.commands == []
    program.main(GIVEN, runner=runner)
    capsys.readouterr()
    assert program.main(["--dry-run", *GIVEN], runner=runner) == 0
    assert all(line.startswith("# done: crossgraph") for line in capsys.readouterr().out.splitlines())


def test_an_unknown_name_is_refused(project: Declarations, capsys: pytest.CaptureFixture[str]) -> None:
    assert program.main(["--only", "smal,larger"], runner=FakeRunner()) == 2
    assert "'larger'" in capsys.readouterr().err


def test_another_command_version_setting_or_data_is_another_result(tmp_path: Path) -> None:
    def keys(text: str, data: str = "set") -> list[str]:
        workshop = Workshop(declared(tmp_path, text), {"set": tmp_path / data}, tmp_path / "out")
        return [workshop.key(workshop.declared.steps[name]) for name in ("run-0", "run-1", "both")]

    first = keys(STEP)
    assert keys(STEP) == first
    assert len(set(first)) == 3
    changed = [
        keys(STEP.replace("--set training", "--set model.width=4 --set training")),
        keys(STEP.replace("minutes = 2", "minutes = 2\nversion = 2")),
        keys(STEP.replace("--set training", "--config configs/rsicd_cca.toml --set training")),
        keys(STEP, data="other"),
    ]
    for other in changed:
        assert not set(other) & set(first)
    last = keys(STEP.replace("minutes = 1", "minutes = 9\nversion = 2"))
    assert last[:2] == first[:2]
    assert last[2] != first[2]


def test_settings_count_by_their_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("steps.ROOT", tmp_path)
    text = STEP.replace("--set training", "--config own.toml --set training")
    found = []
    for content in ("a = 1", "a = 2", "a = 1"):
        (tmp_path / "own.toml").write_text(content, encoding="utf-8")
        workshop = Workshop(declared(tmp_path, text), {}, tmp_path / "out")
        found.append(workshop.key(workshop.declared.steps["both"]))
    assert found[0] == found[2] != found[1]


def test_another_default_model_is_another_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("steps.ROOT", tmp_path)
    monkeypatch.setattr("steps.DEFAULT", "cascade.json")
    found = []
    for content in ("one", "two"):
        (tmp_path / "cascade.json").write_text(content, encoding="utf-8")
        workshop = Workshop(declared(tmp_path, STEP.replace("{run-0}", "default")), {}, tmp_path / "out")
        found.append([workshop.key(workshop.declared.steps[name]) for name in ("run-1", "both")])
    assert found[0][0] == found[1][0]
    assert found[0][1] != found[1][1]


def test_data_may_be_missing_that_nothing_asked_for_needs(project: Declarations) -> None:
    workshop = Workshop(project, {}, Path("out"))
    workshop.require_data(project.chosen(["free"]))
    with pytest.raises(ConfigError, match="SET=FOLDER"):
        workshop.require_data(project.chosen(["loss"]))
