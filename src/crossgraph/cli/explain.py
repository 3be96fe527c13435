"""`crossgraph explain`: where in a picture each word of a sentence was found."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from crossgraph.cli.options import AsJson, Device, RunOrCascade, at_home
from crossgraph.default_model import DEFAULT_MODEL
from crossgraph.errors import ConfigError

ENDINGS = (".png", ".jpg", ".jpeg", ".webp")


def explain(
    sentence: Annotated[str, typer.Argument(help="The sentence.")],
    image: Annotated[Path, typer.Argument(help="The picture's file.")],
    out: Annotated[Path, typer.Option("--out", callback=at_home, help="Where to draw the explanation.")],
    model: RunOrCascade = DEFAULT_MODEL,
    device: Device = "cpu",
    as_json: AsJson = False,
) -> None:
    """Draw which regions each word looked at, and print how well each word was found.

    Methods that read scene graphs say the same of each object, attribute and relation of the sentence.
    """
    from crossgraph import verbs
    from crossgraph.cli.output import print_json
    from crossgraph.gallery.explanations.explain import alignment_to_json

    if not sentence.strip():
        raise ConfigError("the sentence is empty; say what the picture shows.")
    if out.suffix.lower() not in ENDINGS:
        raise ConfigError(f"{out}: the ending says no picture format; use one of {', '.join(ENDINGS)}.")
    loaded = verbs.load_search_model(model, device=device)
    alignment, drawing = verbs.explain(sentence, image, loaded)
    notes = loaded.understanding(sentence).notes()
    for note in notes:
        typer.echo(f"note: {note}", err=True)
    out.parent.mkdir(parents=True, exist_ok=True)
    drawing.save(out)
    if as_json:
        said = {"sentence": sentence, "path": str(image), "drawing": str(out), "notes": list(notes)}
        print_json({**said, **alignment_to_json(alignment)})
        return
    for word, score in zip(alignment.words, alignment.word_scores.tolist(), strict=True):
        typer.echo(f"{score:8.3f}  {word}")
    for match in alignment.matches:
        found = "" if match.boxes else ", nowhere in the picture"
        typer.echo(f"{match.kind:9}  {match.score:8.3f}  adds {match.contribution:8.3f}  {match.text}{found}")
    if alignment.explained is not None:
        typer.echo(f"{alignment.explained:8.3f}  all of these together")
    code = alignment.code
    if code is not None:
        near = ", ".join(label.label for label in code.labels)
        typer.echo(f"{len(code.agreeing)} of {code.bits} bits agree" + (f"; nearest labels: {near}" if near else ""))
    typer.echo(f"{alignment.score:8.3f}  the pair; drawn in {out}")
