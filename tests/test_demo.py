"""The demo on few pictures and short trainings: what it writes, and that it can be run again."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from crossgraph import demo
from crossgraph.data.corpus import Corpus
from crossgraph.demo import DemoResult, choose_questions, run_demo
from crossgraph.errors import ConfigError

SCENES = 60
SHORTER = {r"size = \d+": "size = 64", r"cells = .*": "cells = [2]", r"epochs = \d+": "epochs = 1"}


@pytest.fixture(scope="module")
def configs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped settings, made short."""
    folder = tmp_path_factory.mktemp("configs")
    for shipped in demo.CONFIGS.glob("*.toml"):
        text = shipped.read_text()
        for pattern, short in SHORTER.items():
            text = re.sub(pattern, short, text)
        (folder / shipped.name).write_text(text)
    return folder


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the demo."""
    return tmp_path_factory.mktemp("demo")


@pytest.fixture(scope="module")
def result(configs: Path, out: Path) -> DemoResult:
    """A demo, run once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(demo, "CONFIGS", configs)
        patch.setenv("CROSSGRAPH_CACHE", str(out.parent / "cache"))
        return run_demo(out, scenes=SCENES)


class Page(HTMLParser):
    """Every tag with its attributes, and the text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words += data


def test_the_table_shows_both_stages_and_twins(result: DemoResult) -> None:
    names = [name for name, _, _ in result.rows()]
    assert {"text→image R@1", "rSum", "twin accuracy", "text→image recall cap"} <= set(names)
    assert result.alone.protocol.split == result.reranked.protocol.split == "test"
    assert result.alone.protocol.shortlist is None
    assert result.reranked.protocol.shortlist == demo.CANDIDATES


def test_the_report_needs_no_other_file_and_describes_every_picture(result: DemoResult) -> None:
    page = Page(result.report.read_text(encoding="utf-8"))
    images = [attributes for tag, attributes in page.tags if tag == "img"]
    assert len(images) == sum(len(answer.results) for answer in result.answers) + 1
    assert all(str(image["src"]).startswith("data:image/") and image["alt"] for image in images)
    assert not [tag for tag, _ in page.tags if tag in ("script", "link")]
    for answer in result.answers:
        assert answer.sentence in page.words
    assert "crossgraph evaluate --model" in page.words
    assert "test" in page.words


def test_the_picture_a_sentence_was_written_for_and_its_twin_are_marked(result: DemoResult) -> None:
    assert len(result.answers) == demo.QUESTIONS
    for answer in result.answers:
        assert answer.notes.count("the picture it was written for") <= 1
        assert len(answer.notes) == len(answer.results) <= demo.ANSWERS


def test_pictures_are_found_by_what_they_show_and_not_by_their_captions(result: DemoResult) -> None:
    for answer in result.answers:
        assert [found.match for found in answer.results] == ["semantic"] * len(answer.results)
        scores = [found.score for found in answer.results]
        assert scores == sorted(scores, reverse=True)


def test_a_second_demo_keeps_what_is_trained(
    result: DemoResult, configs: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo, "CONFIGS", configs)
    monkeypatch.setenv("CROSSGRAPH_CACHE", str(out.parent / "cache"))
    weights = out / "runs" / demo.RERANKER / "weights.safetensors"
    before = weights.stat().st_mtime_ns
    again = run_demo(out, scenes=SCENES)
    assert weights.stat().st_mtime_ns == before
    assert again.rows() == result.rows()


def test_other_settings_begin_anew(result: DemoResult, out: Path) -> None:
    demo._claim(out, scenes=SCENES + 2, seed=0)
    assert not (out / "runs").exists()
    assert json.loads((out / demo.MARKER).read_text())["scenes"] == SCENES + 2


def test_a_folder_of_other_things_is_refused(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").touch()
    with pytest.raises(ConfigError, match="holds other files"):
        run_demo(tmp_path)


def test_questions_are_spread_over_the_telling_captions() -> None:
    corpus = Corpus(
        "hand",
        image_paths=(Path("a"), Path("b")),
        image_ids=("a", "b"),
        image_splits=("test", "test"),
        captions=tuple("uvwxyz"),
        caption_image=np.asarray([0, 0, 0, 1, 1, 1]),
        twin_group=np.asarray([0, 0]),
        telling=np.asarray([False, True, True, False, True, True]),
    )
    assert choose_questions(corpus) == [1, 4, 5]
