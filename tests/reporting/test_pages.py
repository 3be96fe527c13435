"""Pages: everything is filled in, nothing is script or inline style, what people wrote is escaped."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import torch
from jinja2 import ChoiceLoader, DictLoader, Environment, FileSystemLoader, StrictUndefined

import crossgraph
from crossgraph.reporting.comparison import compare
from crossgraph.reporting.evaluations import UnreadableEvaluation, read_evaluation, save_evaluation
from crossgraph.reporting.pages import STATIC, TEMPLATES, static_report
from crossgraph.reporting.runs import list_runs
from crossgraph.reporting.worst_explained import PairExplained, WorstExplained
from crossgraph.training.run_lock import sole_trainer
from crossgraph.types import Alignment
from tests.reporting.conftest import MakeRecord, MakeRun, linux, step, validated

LOG = [step(1), step(2), validated(1, 200.0)]
BASE = "<title>{% block title %}{% endblock %}</title>{% block head %}{% endblock %}{% block content %}{% endblock %}"


class Reader(HTMLParser):
    """Every element with its attributes; open and closed ones must match."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag not in ("meta", "link", "img", "input", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def elements(page: str) -> list[tuple[str, dict[str, str | None]]]:
    """The elements of a page, which must be closed as they were opened and carry neither script nor inline style."""
    reader = Reader()
    reader.feed(page)
    assert reader.open == []
    for tag, attributes in reader.found:
        assert tag != "script" or (attributes.get("src") or "").startswith("/static/")
        assert not [name for name in attributes if name == "style" or name.startswith("on")]
    marks = [attributes["id"] for _, attributes in reader.found if attributes.get("id")]
    assert len(set(marks)) == len(marks)
    return reader.found


def page(name: str, **context: Any) -> str:
    """A page of the server over a base that does nothing."""
    folders = [Path(crossgraph.__file__).parent / "serving" / "templates", TEMPLATES]
    loader = ChoiceLoader([DictLoader({"base.html": BASE}), FileSystemLoader(folders)])
    environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined)
    return environment.get_template(name).render(context)


def test_a_static_report_holds_everything_and_asks_for_nothing(
    make_run: MakeRun, make_record: MakeRecord, tmp_path: Path
) -> None:
    run = make_run("<b>dual", log=LOG)
    kept = read_evaluation(save_evaluation(make_record(), tmp_path / "one.json"))
    text = static_report(compare([run]), command="crossgraph report '<x>' --out y.html", evaluations=[kept])
    found = elements(text)
    assert not [tag for tag, attributes in found if {"src", "href", "action", "hx-get"} & attributes.keys()]
    assert "http" not in text.replace("http-equiv", "")
    assert "<b>dual" not in text
    assert "&lt;b&gt;dual" in text
    assert "crossgraph report &#39;&lt;x&gt;&#39;" in text
    for said in (
        "rSum",
        "gradient norm",
        "training.seed",
        "1,234",
        "95% bootstrap interval",
        "--data &#39;&lt;toy&gt;",
    ):
        assert said in text
    assert (STATIC / "reports.css").read_text() in text


def test_every_class_in_a_chart_has_a_rule(make_run: MakeRun) -> None:
    text = static_report(compare([make_run("one", log=LOG), make_run("two", log=LOG)]), command="c")
    classes = {name for _, attributes in elements(text) for name in (attributes.get("class") or "").split()}
    style = (STATIC / "reports.css").read_text()
    assert {name for name in classes if name.startswith("chart-")} <= set(re.findall(r"\.(chart-[\w-]+)", style))
    light, *dark = (
        re.findall(r"(--report-[\w-]+):", block) for block in re.findall(r"\{([^{}]*--report-paper:[^{}]*)\}", style)
    )
    assert dark == [light, light]


@linux
def test_a_fragment_is_fetched_again_only_while_a_run_trains(make_run: MakeRun) -> None:
    run = make_run(log=LOG)
    context: dict[str, Any] = {"nav": "runs", "chosen": ["dual"], "at": "/runs", "problem": None}
    context |= {"refresh": "/runs/report?run=dual", "refresh_list": "/runs/list?run=dual"}
    with sole_trainer(run):
        busy = page("runs.html", runs=list_runs(run.parent), report=compare([run]), live=True, **context)
    quiet = page("runs.html", runs=list_runs(run.parent), report=compare([run]), live=False, **context)
    asked = [attributes["hx-get"] for _, attributes in elements(busy) if "hx-get" in attributes]
    assert asked == ["/runs/list?run=dual", "/runs/report?run=dual"]
    assert not [tag for tag, attributes in elements(quiet) if "hx-get" in attributes or tag in ("script", "noscript")]
    assert "<noscript>" in busy


def test_the_list_links_what_has_curves_and_names_what_has_not(make_run: MakeRun) -> None:
    run = make_run(log=LOG)
    (make_run("broken") / "manifest.json").write_text("{")
    context: dict[str, Any] = {"nav": "runs", "at": "/runs", "refresh": None, "refresh_list": None, "live": False}
    text = page("runs.html", runs=list_runs(run.parent), chosen=[], report=None, problem="no such run", **context)
    links = [attributes["href"] for tag, attributes in elements(text) if tag == "a"]
    assert links == ["/runs?run=dual"]
    assert "broken" in text
    assert 'role="alert"' in text
    assert "There is no run" in page("runs.html", runs=(), chosen=[], report=None, problem=None, **context)


def test_pages_of_evaluations_link_pictures_and_explanations(make_record: MakeRecord, tmp_path: Path) -> None:
    kept = read_evaluation(save_evaluation(make_record(), tmp_path / "one.json"))
    broken = UnreadableEvaluation("b", "b", tmp_path / "b", "is damaged")
    listed = elements(page("evaluations.html", nav="evaluations", evaluations=(kept, broken), at="/evaluations"))
    assert "/evaluations/one" in {attributes.get("href") for _, attributes in listed}
    context: dict[str, Any] = {"nav": "evaluations", "evaluation": kept, "at": "/evaluations"}
    text = page("evaluation.html", gone=frozenset(), **context)
    found = elements(text)
    images = [(attributes["src"], attributes["alt"]) for tag, attributes in found if tag == "img"]
    assert images == [
        ("/evaluations/one/worst/0/picture", "a dog"),
        ("/evaluations/one/worst/1/picture", "dog.png"),
        ("/evaluations/one/worst/1/picture?answer=0", "a cat"),
    ]
    lost = elements(page("evaluation.html", gone=frozenset({(1, 0)}), **context))
    assert [attributes["alt"] for tag, attributes in lost if tag == "img"] == ["a dog", "dog.png"]
    assert "/evaluations/one/worst/1" in {attributes.get("href") for _, attributes in found}
    assert str(tmp_path) not in text


def test_explained_pairs_say_where_pictures_lie_only_if_they_may(make_record: MakeRecord, tmp_path: Path) -> None:
    kept = read_evaluation(save_evaluation(make_record(), tmp_path / "one.json"))
    alignment = Alignment(("a", "dog"), torch.zeros(1, 4), torch.ones(1, 2), torch.tensor([0.25, 0.5]), 0.75)
    pair = PairExplained("a dog", "sub/dog.png", tmp_path / "dog.png", alignment)
    explained = WorstExplained(kept.cases[1], pair, pair)
    assert "sub/" not in str(explained.to_json())
    assert str(tmp_path) in str(explained.to_json(show_paths=True))


@pytest.mark.parametrize("name", sorted(file.name for file in TEMPLATES.glob("*.html")))
def test_every_template_can_be_parsed(name: str) -> None:
    Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True).get_template(name)
