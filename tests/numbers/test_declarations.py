"""What is declared holds: of the documents as they are every result is declared or left out with a reason."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pytest
from declarations import DECLARED, ROOT, Declarations, Step, read_declarations, slug
from typer.main import get_command

from crossgraph.cli import app
from crossgraph.config import read_config
from crossgraph.errors import ConfigError
from crossgraph.evaluation import report
from crossgraph.evaluation.ablation_table import COLUMNS
from crossgraph.evaluation.compositional_probe import KINDS
from crossgraph.evaluation.metrics import DIRECTIONS
from crossgraph.evaluation.uncertainty import MEASURED
from crossgraph.methods.catalogue import method_type

DECLARATIONS = read_declarations()
STEPS = list(DECLARATIONS.steps.values())

DOCUMENT = """# Title

Loss **fell to 3**.

| | epochs | rSum | twin |
|---|--:|---:|---:|
| full | 6 | 474.0 ± 0.7 | 74.3 / 51 |
| less | 6 | 445.3 ± 4.7 (-28.7) | 64.2 / 50 |
"""
STEP = """
[data.set]
variable = "SET"
what = "a set"
[[step]]
name = "run-{seed}"
for = { seed = [0, 1] }
command = "crossgraph train --data {set} --set training.seed={seed} --out {out}"
minutes = 2
[[step]]
name = "both"
command = "crossgraph evaluate --model {run-0} --model {run-1} --data {set} --json"
minutes = 1
"""
TABLE = """
[[table]]
name = "small"
document = "README.md"
heading = "Title"
allowed = 2
settings = ["epochs"]
[table.columns]
"rSum" = ["both: rsum[name={label}]", "?both: difference[name={label}]"]
"twin" = ["both: twin", "100 * both: share"]
"""
PROSE = """
[[paragraph]]
name = "loss"
document = "README.md"
heading = "Title"
words = "Loss fell to {}."
numbers = ["both: loss"]
allowed = 1
"""


LESS = [("rSum", 1), ("rSum", 2), ("twin", 1), ("twin", 2)]


def declared(folder: Path, text: str, document: str = DOCUMENT) -> Declarations:
    """The declarations of one file, of a project of one document."""
    for name in ("README.md", "src/crossgraph/default_model/README.md"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(document if name == "README.md" else "", encoding="utf-8")
    (folder / "declared").mkdir(exist_ok=True)
    (folder / "declared" / "all.toml").write_text(text, encoding="utf-8")
    return read_declarations(folder / "declared", root=folder)


def test_every_result_in_a_table_or_in_bold_is_declared_or_left_out_with_a_reason() -> None:
    assert list(DECLARATIONS.uncovered) == []
    assert all(why for _, why in DECLARATIONS.unmade)


def test_many_numbers_of_every_document_with_results_are_declared() -> None:
    documents = {number.document for number in DECLARATIONS.numbers}
    assert documents == {
        "README.md",
        "docs/methods.md",
        "docs/galleries.md",
        "src/crossgraph/default_model/README.md",
    }
    assert len(DECLARATIONS.numbers) > 500


def test_every_step_makes_a_number() -> None:
    needed = {step.name for step in DECLARATIONS.needed(DECLARATIONS.numbers)}
    assert set(DECLARATIONS.steps) == needed


@pytest.mark.parametrize(
    "name", ["racg", "sgfns", "kidrr", "tsscl", "scahn", "dual_encoder", "demo", "default", "baselines"]
)
def test_numbers_can_be_asked_for_by_method(name: str) -> None:
    assert DECLARATIONS.chosen([name])


def test_commands_of_steps_parse() -> None:
    program: Any = get_command(app)
    asked = [step for step in STEPS if step.kind == "crossgraph"]
    for step in asked:
        command, words = program, [word.replace("{", "").replace("}", "") for word in step.words[1:]]
        context = command.make_context("crossgraph", list(words), resilient_parsing=False)
        while hasattr(command, "commands"):
            name, command, words = command.resolve_command(context, [*context._protected_args, *context.args])
            context = command.make_context(name, list(words), parent=context)
        assert not context.args, step.name
    assert len(asked) > 100


def test_measures_that_sources_name_are_those_that_commands_write() -> None:
    labels = {f"{side}_main" for side in (*DIRECTIONS, "mean")} | {"distinct_codes", "bit_mean"}
    captions = {f"strict.mean.{name}" for name in (*report.ROWS,)}
    captions |= {name.replace("strict", "duplicate_aware") for name in captions}
    sides = ("accuracy", "elsewhere", "beyond", "beyond_elsewhere")
    probes = {f"probes.*.kinds.{kind}.{side}" for kind in KINDS for side in sides}
    codes = {f"runs.*.codes.{side}.unique" for side in (0, 1)}
    gains = {f"against.difference.{name}" for name in MEASURED}
    gains |= {f"against.intervals.{name}.{end}" for name in MEASURED for end in ("low", "high")}
    kinds = ("mean", "difference", "interval.low", "interval.high")
    table = {f"measures.{name}.{kind}" for name in COLUMNS for kind in kinds}
    for number in DECLARATIONS.numbers:
        step, path = DECLARATIONS.steps[number.source.step], number.source.path
        if step.words[1] == "evaluate" and "--protocol" in step.words:
            assert path.removeprefix("mean.") in labels or path in codes
        elif step.words[1] == "evaluate":
            asked = (path in probes and "--probes" in step.words) or (path in gains and "--against" in step.words)
            assert path in captions or asked
        elif step.words[1] == "ablate":
            variant, _, measure = path.removeprefix("variants[variant=").partition("].")
            assert variant in {"full", *ablations_of(step)}
            assert measure in table


def ablations_of(step: Step) -> set[str]:
    """The variants of the method whose settings the step names, or those that it asks for."""
    only = {step.words[place + 1] for place, word in enumerate(step.words) if word == "--only"}
    settings = read_config(ROOT / step.words[step.words.index("--config") + 1])
    return only or set(method_type(settings.method).ablations)


def test_files_that_steps_name_are_there() -> None:
    named = {word for step in STEPS for word in step.words if "{" not in word and word.endswith((".toml", ".py"))}
    assert [name for name in sorted(named) if not (ROOT / name).is_file()] == []
    assert len(named) > 15


def test_a_script_has_the_options_that_its_step_gives() -> None:
    shared = (ROOT / "bench/default_model/command_line.py").read_text(encoding="utf-8")
    for step in STEPS:
        if step.kind == "python":
            text = (ROOT / step.words[1]).read_text(encoding="utf-8") + shared
            options = {word for word in step.words if word.startswith("--")}
            assert [name for name in options if name not in text and 'f"--{name}"' not in text] == []


def test_a_number_knows_what_is_printed_where_it_comes_from_and_what_is_allowed(tmp_path: Path) -> None:
    numbers = declared(tmp_path, STEP + TABLE + PROSE).numbers
    told = [
        (one.label, one.printed.value, one.source.path, one.source.factor, round(one.allowed, 9)) for one in numbers
    ]
    assert told == [
        ("full, rSum", 474.0, "rsum[name=full]", 1, 0.8),
        ("full, twin (1)", 74.3, "twin", 1, 2),
        ("full, twin (2)", 51, "share", 100, 2),
        ("less, rSum (1)", 445.3, "rsum[name=less]", 1, 4.8),
        ("less, rSum (2)", -28.7, "difference[name=less]", 1, 4.8),
        ("less, twin (1)", 64.2, "twin", 1, 2),
        ("less, twin (2)", 50, "share", 100, 2),
        ("Loss fell to [3] .", 3, "loss", 1, 1),
    ]


def test_what_printing_rounds_is_always_allowed(tmp_path: Path) -> None:
    changed = TABLE.replace("allowed = 2", "allowed = 0")
    assert [one.allowed for one in declared(tmp_path, STEP + changed).numbers][:3] == pytest.approx([0.8, 0.05, 0.5])


def test_what_a_number_needs_runs_once_and_in_order(tmp_path: Path) -> None:
    found = declared(tmp_path, STEP + TABLE + PROSE)
    assert [step.name for step in found.needed(found.numbers)] == ["run-0", "run-1", "both"]
    assert found.steps["both"].needs == ("run-0", "run-1")
    assert found.steps["run-1"].data == ("set",)
    assert found.steps["run-1"].words[4:6] == ("--set", "training.seed=1")


def test_numbers_are_chosen_by_the_beginning_of_a_name(tmp_path: Path) -> None:
    found = declared(tmp_path, STEP + TABLE + PROSE.replace('"loss"', '"loss_of_all"'))
    assert {one.entry for one in found.chosen(["loss-of"])} == {"loss_of_all"}
    assert {one.label for one in found.chosen(["fu", "loss_"])} == {
        "full, rSum",
        "full, twin (1)",
        "full, twin (2)",
        "Loss fell to [3] .",
    }
    assert {one.label for one in found.chosen(["small/less"])} == {f"less, {part} ({n})" for part, n in LESS}
    with pytest.raises(ConfigError, match="'loss/full'"):
        found.chosen(["loss/full"])
    with pytest.raises(ConfigError, match="Did you mean 'full'"):
        found.chosen(["fuel"])


def test_what_is_not_declared_is_uncovered(tmp_path: Path) -> None:
    assert declared(tmp_path, STEP + TABLE + PROSE).uncovered == ()
    assert declared(tmp_path, STEP + TABLE).uncovered == ('README.md, Title: bold "fell to 3"',)
    only = TABLE.replace('"twin" = ["both: twin", "100 * both: share"]', "").replace('settings = ["epochs"]', "")
    assert list(declared(tmp_path, STEP + only + PROSE).uncovered) == [
        "README.md, Title, table 1: full / epochs: 6",
        "README.md, Title, table 1: full / twin: 74.3 / 51",
        "README.md, Title, table 1: less / epochs: 6",
        "README.md, Title, table 1: less / twin: 64.2 / 50",
    ]
    rows = TABLE + '[table.rows]\n"full" = ""\n'
    assert len(declared(tmp_path, STEP + rows + PROSE).uncovered) == 2
    others = rows.replace("allowed = 2", 'allowed = 2\nothers = "older"')
    found = declared(tmp_path, STEP + others + PROSE)
    assert (found.uncovered, found.unmade) == ((), (("README.md, Title, other rows of table 1", "older"),))


def test_a_table_or_words_may_be_left_out_with_a_reason(tmp_path: Path) -> None:
    left = '[[not_remade]]\ndocument = "README.md"\nheading = "Title"\nbecause = "by eye"\n'
    words = left + 'words = "fell to {}"\n'
    found = declared(tmp_path, left + words)
    assert found.uncovered == ()
    assert [why for _, why in found.unmade] == ["by eye", "by eye"]


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('heading = "Title"', 'heading = "Titel"', "0 sections"),
        ('"twin" =', '"twins" =', "no column 'twins'"),
        (
            '"twin" = ["both: twin", "100 * both: share"]',
            '"twin" = ["both: twin"]',
            "2 numbers stand there, and 1 to 1",
        ),
        ('"both: twin"', '"-"', "needs `because`"),
        ('"both: twin"', '"both twin"', "is no source"),
        ('"both: twin"', '"run-0: twin"', "no step 'run-0' that writes numbers"),
        ('"both: twin"', '"neither: twin"', "no step 'neither'"),
        ("allowed = 2", "alowed = 2", "alowed"),
        ("{run-0}", "{run-2}", "neither a step nor a folder"),
        ("--data {set} --json", "--data {both} --json", "in a circle: both -> both"),
        ('name = "both"', 'name = "run-1"', "two things are called 'run-1'"),
        ("README.md", "docs/log.md", "no document whose numbers are looked after"),
        ("fell to {}.", "rose to {}.", "stand 0 times"),
        ('numbers = ["both: loss"]', 'numbers = ["both: loss", "both: loss"]', "1 numbers stand in the words"),
    ],
)
def test_a_declaration_that_does_not_hold_is_refused(tmp_path: Path, old: str, new: str, told: str) -> None:
    text = STEP + TABLE + PROSE
    assert old in text
    with pytest.raises(ConfigError, match=told):
        declared(tmp_path, text.replace(old, new))


def test_files_of_declarations_say_what_they_are_of() -> None:
    files = sorted(DECLARED.glob("*.toml"))
    assert files
    assert [path.name for path in files if not path.read_text(encoding="utf-8").startswith("# ")] == []


def test_commands_are_written_as_one_would_type_them() -> None:
    assert all(step.words[0] in ("crossgraph", "python") for step in STEPS)
    assert all(shlex.join(step.words) for step in STEPS)
    assert slug("DCMH-style M, 64 bits") == "dcmh-style-m-64-bits"
