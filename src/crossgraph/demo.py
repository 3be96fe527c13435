"""The whole path on drawn pictures in a few minutes: draw, train a cascade, measure, index, search, explain, report."""

from __future__ import annotations

import base64
import importlib.metadata
import io
import json
import shlex
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jinja2 import Environment, StrictUndefined
from PIL import Image
from rich.table import Table

from crossgraph.config import read_config
from crossgraph.data.corpus import Corpus
from crossgraph.data.drawn.scenes import draw_scenes
from crossgraph.data.images import read_image
from crossgraph.errors import ConfigError
from crossgraph.evaluation.report import EvaluationReport
from crossgraph.gallery.gallery import Gallery
from crossgraph.gallery.search.options import SearchOptions
from crossgraph.gallery.search.results import SearchResult
from crossgraph.progress import Progress, Silent
from crossgraph.training.checkpoint import MANIFEST
from crossgraph.training.model import TrainedModel
from crossgraph.verbs import evaluate, explain, index, train

MARKER = "demo.json"
CONFIGS = Path(__file__).parent / "demo_configs"
SHORTLIST, RERANKER = "dual_encoder", "racg"
CANDIDATES = 50
"""How many candidates of the shortlist are re-ranked."""
QUESTIONS, ANSWERS = 3, 5
THUMBNAIL = 192


@dataclass(frozen=True)
class Answer:
    """One query and its best pictures; `notes` mark the picture that the sentence was written for, and its twins."""

    sentence: str
    results: tuple[SearchResult, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class DemoResult:
    """What the demo found on pictures that no training saw, and where it wrote its report."""

    alone: EvaluationReport
    reranked: EvaluationReport
    answers: tuple[Answer, ...]
    report: Path

    def rows(self) -> list[tuple[str, str, str]]:
        """Every measure with its value without and with re-ranking."""
        before, after = ({name: value for name, value, _ in report.lines()} for report in (self.alone, self.reranked))
        return [(name, before.get(name, ""), after[name]) for name in after]

    def table(self) -> Table:
        """For a terminal."""
        table = Table(title="Test split", caption=self.reranked.text(), caption_justify="left")
        for heading in ("", "dual encoder alone", f"{RERANKER.upper()} on its top {CANDIDATES}"):
            table.add_column(heading, justify="right" if heading else "left")
        for row in self.rows():
            table.add_row(*row)
        return table


def run_demo(
    out: Path | str, *, scenes: int = 1200, seed: int = 0, progress: Progress = Silent(), device: str = "cpu"
) -> DemoResult:
    """Everything the package does, on `scenes` pictures drawn from `seed`, into the folder `out`.

    A demo that was stopped goes on where it was; one that is complete is only measured and reported again; one with
    other settings is replaced. Raises `ConfigError` if `out` holds anything else.
    """
    out = Path(out).expanduser()
    _claim(out, scenes=scenes, seed=seed)
    corpus = draw_scenes(out / "scenes", scenes, seed=seed, progress=progress)
    shortlist = _train(SHORTLIST, corpus, out, shortlist=None, progress=progress, device=device)
    model = _train(RERANKER, corpus, out, shortlist=shortlist.run, progress=progress, device=device)
    alone = evaluate(shortlist, corpus, split="test", progress=progress)
    reranked = evaluate(model, corpus, split="test", two_stage_k=CANDIDATES, progress=progress)

    test = corpus.split("test")
    shutil.rmtree(out / "gallery", ignore_errors=True)
    index(test, out / "gallery", model=model, progress=progress)
    gallery = Gallery.open(out / "gallery", model)
    asked = choose_questions(test)
    answers = tuple(_answer(gallery, test, caption) for caption in asked)
    result = DemoResult(alone, reranked, answers, out / "report.html")
    _write_report(result, out, test, model, asked[0], command=f"crossgraph demo --scenes {scenes} --seed {seed}")
    return result


def choose_questions(corpus: Corpus) -> list[int]:
    """Captions to search with, spread evenly over those that tell twins apart, or over all if there are none."""
    telling = np.flatnonzero(corpus.telling) if corpus.telling is not None else np.empty(0, dtype=np.int64)
    captions = telling if len(telling) else np.arange(len(corpus.captions))
    places = np.linspace(0, len(captions) - 1, QUESTIONS).round().astype(int)
    return list(dict.fromkeys(captions[places].tolist()))


def _claim(out: Path, *, scenes: int, seed: int) -> None:
    """Make `out` ready for this demo: what an earlier one with other settings left is removed."""
    configs = {name: (CONFIGS / f"{name}.toml").read_text(encoding="utf-8") for name in (SHORTLIST, RERANKER)}
    wanted = {
        "crossgraph": importlib.metadata.version("crossgraph"),
        "scenes": scenes,
        "seed": seed,
        "configs": configs,
    }
    marker = out / MARKER
    if not marker.exists() and out.exists() and any(out.iterdir()):
        raise ConfigError(f"{out} holds other files; the demo needs a new or empty folder, or one of its own.")
    if not marker.exists() or json.loads(marker.read_text(encoding="utf-8")) != wanted:
        for part in ("scenes", "runs"):
            shutil.rmtree(out / part, ignore_errors=True)
        out.mkdir(parents=True, exist_ok=True)
        for name, text in configs.items():
            (out / f"{name}.toml").write_text(text, encoding="utf-8")
        marker.write_text(json.dumps(wanted), encoding="utf-8")


def _train(
    name: str, corpus: Corpus, out: Path, *, shortlist: Path | None, progress: Progress, device: str
) -> TrainedModel:
    run = out / "runs" / name
    return train(
        corpus,
        read_config(out / f"{name}.toml"),
        run,
        shortlist=shortlist,
        resume=(run / MANIFEST).exists(),
        progress=progress,
        device=device,
    )


def _answer(gallery: Gallery, corpus: Corpus, caption: int) -> Answer:
    """What the gallery answers to one caption of the corpus, whose words it knows: only what is seen may count."""
    found = gallery.search(corpus.captions[caption], SearchOptions(k=ANSWERS, shortlist=CANDIDATES, exact=False))
    own = int(corpus.caption_image[caption])
    groups = corpus.twin_group
    twins = (
        {corpus.image_paths[row].name for row in np.flatnonzero(groups == groups[own])}
        if groups is not None and groups[own] >= 0
        else set()
    )
    notes = tuple(
        "the picture it was written for"
        if result.path.name == corpus.image_paths[own].name
        else ("its twin" if result.path.name in twins else "")
        for result in found.results
    )
    return Answer(corpus.captions[caption], found.results, notes)


def _write_report(
    result: DemoResult, out: Path, test: Corpus, model: TrainedModel, caption: int, *, command: str
) -> None:
    """One HTML page with everything in it, pictures included."""
    image = test.image_paths[int(test.caption_image[caption])]
    alignment, drawing = explain(test.captions[caption], image, model)
    descriptions = {
        path.name: test.captions[captions[0]]
        for path, captions in zip(test.image_paths, test.captions_of_images(), strict=True)
    }
    template = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    page = template.from_string(Path(__file__).with_name("demo.html").read_text(encoding="utf-8")).render(
        result=result,
        candidates=CANDIDATES,
        reranker=RERANKER.upper(),
        questions=[
            (
                answer.sentence,
                [
                    (row, note, _thumbnail(row.path), descriptions[row.path.name])
                    for row, note in zip(answer.results, answer.notes, strict=True)
                ],
            )
            for answer in result.answers
        ],
        explained=(test.captions[caption], image.name, _data_uri(drawing, "PNG")),
        words=list(zip(alignment.words, alignment.word_scores.tolist(), strict=True)),
        commands=_commands(out, test.captions[caption], image, command),
    )
    result.report.write_text(page, encoding="utf-8")


def _commands(out: Path, sentence: str, image: Path, demo: str) -> Sequence[str]:
    """What to type to get the same, all at once or step by step."""
    here, said = shlex.quote(str(out)), shlex.quote(sentence)
    scenes, runs, gallery = f"{here}/scenes", f"{here}/again", f"{here}/again/gallery"
    return (
        f"{demo} --out {here}",
        f"crossgraph train --data {scenes} --config {here}/{SHORTLIST}.toml --out {runs}/{SHORTLIST}",
        f"crossgraph train --data {scenes} --config {here}/{RERANKER}.toml --out {runs}/{RERANKER} "
        f"--shortlist {runs}/{SHORTLIST}",
        f"crossgraph evaluate --model {runs}/{SHORTLIST} --data {scenes} --split test",
        f"crossgraph evaluate --model {runs}/{RERANKER} --data {scenes} --split test --two-stage {CANDIDATES}",
        f"crossgraph index {scenes} --split test --gallery {gallery} --model {runs}/{RERANKER}",
        f"crossgraph search {said} --gallery {gallery} -k {ANSWERS} --shortlist {CANDIDATES}",
        f"crossgraph explain {said} {shlex.quote(str(image))} --model {runs}/{RERANKER} --out {runs}/why.png",
    )


def _thumbnail(path: Path) -> str:
    image = read_image(path)
    image.thumbnail((THUMBNAIL, THUMBNAIL))
    return _data_uri(image, "JPEG")


def _data_uri(image: Image.Image, kind: str) -> str:
    encoded = io.BytesIO()
    image.convert("RGB").save(encoded, kind)
    return f"data:image/{kind.lower()};base64,{base64.b64encode(encoded.getvalue()).decode()}"
