"""`crossgraph graph`: the scene graph of a sentence or of a picture."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from crossgraph.cli.explain import ENDINGS
from crossgraph.cli.options import AsJson
from crossgraph.errors import ConfigError, DataError

if TYPE_CHECKING:
    from PIL import Image

    from crossgraph.graphs.scene_graph import GraphObject, Relation, SceneGraph, Span

RELATIONS_SHOWN = 20


def graph(
    target: Annotated[str, typer.Argument(help="A sentence, a picture's file, or, with --data, a picture's id.")],
    out: Annotated[Path | None, typer.Option("--out", help="Where to draw the graph.")] = None,
    data: Annotated[
        str | None,
        typer.Option("--data", help="Where the picture is: a folder, a caption file, scenes[:COUNT[:SEED]]."),
    ] = None,
    graphs: Annotated[
        Path | None, typer.Option("--graphs", help="Take the graph from this file of graphs, by picture or sentence.")
    ] = None,
    cells: Annotated[
        int, typer.Option("--cells", min=1, max=8, help="Cells a side (and twice as many) where no graph is known.")
    ] = 2,
    as_json: AsJson = False,
) -> None:
    """Print objects with attributes and the relations between them; --out draws them."""
    from crossgraph.cli.output import print_json
    from crossgraph.data.graphs.graph_files import graph_to_json
    from crossgraph.data.images import read_image
    from crossgraph.gallery.explanations.draw_graph import draw_graph

    if out is not None and out.suffix.lower() not in ENDINGS:
        raise ConfigError(f"{out}: the ending says no picture format; use one of {', '.join(ENDINGS)}.")
    file = _image_file(target, data)
    image: Image.Image | None = None if file is None else read_image(file)
    if file is None:
        found, source = _sentence_graph(target, graphs)
    else:
        found, source = _image_graph(file, target, graphs, cells)
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        draw_graph(found, image, title=target if file is None else "").save(out)
    if as_json:
        drawing = {} if out is None else {"drawing": str(out)}
        plain = graph_to_json(target, found, kind="caption" if file is None else "image")
        print_json({**plain, "source": source, **drawing})
    else:
        _print(found, source, out)


def _image_file(target: str, data: str | None) -> Path | None:
    """The picture that `target` means; None for a sentence."""
    if data is not None:
        from crossgraph.data.sources import open_corpus
        from crossgraph.progress import choose_progress

        corpus = open_corpus(data, progress=choose_progress())
        if target in corpus.image_ids:
            return corpus.image_paths[corpus.image_ids.index(target)]
    if os.path.exists(target):  # unlike Path.exists, no error for a sentence too long for a file name
        return Path(target)
    if data is not None:
        example = corpus.image_ids[0]
        raise DataError(f"{target!r} is no picture of {data}; give an id such as {example!r}, or leave out --data.")
    from crossgraph.data.images import EXTENSIONS

    if Path(target).suffix.lower() in EXTENSIONS:
        raise DataError(f"{target}: no such file. Give a picture that exists, or a sentence.")
    if not target.strip():
        raise ConfigError("the sentence is empty; say what the graph should be of.")
    return None


def _sentence_graph(sentence: str, graphs: Path | None) -> tuple[SceneGraph, str]:
    """The graph, and where it comes from."""
    if graphs is not None:
        return _listed_graph(graphs, [sentence])
    from crossgraph.graphs.caption_parser import CaptionParser

    return CaptionParser().parse(sentence), "parsed from the sentence"


def _image_graph(file: Path, target: str, graphs: Path | None, cells: int) -> tuple[SceneGraph, str]:
    """The graph, and where it comes from: a file of graphs, the scene that was drawn, or a grid."""
    from crossgraph.data.drawn.scene_graphs import scene_graphs
    from crossgraph.encoders.grid import grid_boxes
    from crossgraph.graphs.spatial import spatial_graph

    parts = file.absolute().parts
    if graphs is not None:
        return _listed_graph(graphs, [target, *("/".join(parts[start:]) for start in range(1, len(parts)))])
    folder = file.absolute().parent.parent
    if parts[-2] == "images" and (folder / "scenes.jsonl").is_file():
        known = scene_graphs(folder)
        if file.name in known:
            return known[file.name], "what was drawn"
    sides = (cells, 2 * cells)
    names = [f"cell r{y + 1} c{x + 1} of {side}x{side}" for side in sides for y in range(side) for x in range(side)]
    boxes = [(x1, y1, x2, y2) for x1, y1, x2, y2 in grid_boxes(sides).tolist()]
    source = f"no graph of this picture is known: grid cells, {cells}x{cells} and {2 * cells}x{2 * cells}, not things"
    return spatial_graph(names, boxes), source


def _listed_graph(file: Path, keys: list[str]) -> tuple[SceneGraph, str]:
    """The graph of the first of `keys` that the file of graphs has."""
    from crossgraph.data.graphs.graph_files import read_graphs

    known = read_graphs(file)
    for key in keys:
        if key in known:
            return known[key], f"{key!r} in {file}"
    example = f", for example {next(iter(known))!r}" if known else ""
    raise DataError(f"{file}: no graph of {keys[0]!r} among its {len(known)}{example}.")


def _print(found: SceneGraph, source: str, out: Path | None) -> None:
    typer.echo(f"source: {source}")
    typer.echo(f"objects: {len(found.objects)}")
    for index, thing in enumerate(found.objects):
        typer.echo(f"{index:3}  {_object_line(thing)}")
    typer.echo(f"relations: {len(found.relations)}")
    for one in found.relations[:RELATIONS_SHOWN]:
        typer.echo(f"     {_relation_line(one, found)}")
    if len(found.relations) > RELATIONS_SHOWN:
        typer.echo(f"     and {len(found.relations) - RELATIONS_SHOWN} more; --json prints all")
    if out is not None:
        typer.echo(f"drawn in {out}")


def _object_line(thing: GraphObject) -> str:
    count = "" if thing.count is None else f" ({thing.count})"
    attributes = ", ".join(one.name + _said(one.span) for one in thing.attributes)
    box = "" if thing.box is None else "  box " + " ".join(f"{edge:.2f}" for edge in thing.box)
    return f"{thing.name}{_said(thing.span)}{count}{': ' if attributes else ''}{attributes}{box}"


def _relation_line(one: Relation, found: SceneGraph) -> str:
    subject, other = (f"{found.objects[end].name} {end}" for end in (one.subject, one.object))
    return f"{subject}  {one.predicate}{_said(one.span)}  {other}"


def _said(span: Span | None) -> str:
    """Which characters say it."""
    return "" if span is None else f" [{span[0]}:{span[1]}]"
