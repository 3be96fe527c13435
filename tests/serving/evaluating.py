"""Runs with an evaluation that is kept in one of them, with its worst queries."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import crossgraph
from crossgraph import verbs
from crossgraph.evaluation.worst import Item
from crossgraph.reporting.evaluations import (
    StoredEvaluation,
    WorstCase,
    default_place,
    find_evaluation,
    list_evaluations,
    record_of,
    save_evaluation,
)
from tests.serving.served import SCENES, Served

WORST = 4


@dataclass(frozen=True)
class EvaluatedRuns:
    """The folder `runs` with a dual encoder and KIDRR, and the one evaluation in it: that of KIDRR."""

    runs: Path
    id: str

    @property
    def stored(self) -> StoredEvaluation:
        """The evaluation."""
        return find_evaluation(self.runs, self.id)

    def copy(self, to: Path) -> EvaluatedRuns:
        """Another folder with the same, to be changed; its evaluation names pictures that were copied too."""
        runs = Path(shutil.copytree(self.runs, to / "runs"))
        (file,) = runs.glob("*/evaluations/*.json")
        pictures = {item.path for case in self.stored.cases for item in items_of(case)}
        (to / "pictures").mkdir()
        content = file.read_text(encoding="utf-8")
        for path in pictures:
            content = content.replace(f'"{path}"', f'"{shutil.copy(path, to / "pictures")}"')
        file.write_text(content.replace(str(self.runs), str(runs)), encoding="utf-8")
        return EvaluatedRuns(runs, self.id)


def items_of(case: WorstCase) -> list[Item]:
    """All that a worst query names."""
    return [case.query.query, case.query.right.item, *(one.item for one in case.query.answers)]


def keep_evaluation(root: Path, served: Served) -> EvaluatedRuns:
    """Copy the runs of a served gallery's model into `root`, evaluate KIDRR and keep that."""
    for name in ("dual_encoder", "kidrr"):
        shutil.copytree(served.model.parent / name, root / name)
    corpus = crossgraph.open_corpus(SCENES)
    model = verbs.load(root / "kidrr")
    report = verbs.evaluate_seeds([model], corpus, split="test", worst=WORST)
    command = f"crossgraph evaluate --model {root}/kidrr --data {SCENES} --split test"
    record = record_of(report, [model], corpus, given=SCENES, command=command)
    save_evaluation(record, default_place(record, [model]))
    (found,) = list_evaluations(root)
    return EvaluatedRuns(root, found.id)
