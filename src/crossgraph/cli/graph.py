"""`crossgraph graph`: the scene graph of a sentence or of a picture, and files of graphs made of others' output."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from typer.core import TyperGroup

from crossgraph.cli.explain import ENDINGS
from crossgraph.cli.options import AsJson, at_home
from crossgraph.errors import ConfigError, DataError

if TYPE_CHECKING:
    from PIL import Image

    from crossgraph.graphs.scene_graph import GraphObject, Relation, SceneGraph, Span

RELATIONS_SHOWN = 20


Format = Literal["detections", "visual-genome"]


class GraphGroup(TyperGroup):
    """A group whose `show` need not be named: what is no command is a sentence or a picture to show."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """The arguments with `show` before them where they name no command."""
        shown = args and args[0] not in (*self.commands, "--help")
        return super().parse_args(ctx, ["show", *args] if shown else args)


graph_commands = typer.Typer(
    cls=GraphGroup,
    help="Scene graphs of sentences and pictures: `crossgraph graph TARGET` is `crossgraph graph show TARGET`.",
    no_args_is_help=True,
)


@graph_commands.command("show")
def show(
    target: Annotated[str, typer.Argument(help="A sentence, a picture's file, or, with --data, a picture's id.")],
    out: Annotated[Path | None, typer.Option("--out", callback=at_home, help="Where to draw the graph.")] = None,
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


@graph_commands.command("import")
def import_graphs(
    source: Annotated[Path, typer.Argument(help="A JSON list or JSON lines, one picture an entry.")],
    out: Annotated[Path, typer.Option("--out", callback=at_home, help="The file of graphs to write.")],
    format: Annotated[
        Format, typer.Option("--format", help="What wrote SOURCE: a detector, or Visual Genome's scene_graphs.json.")
    ] = "detections",
    sizes: Annotated[
        Path | None,
        typer.Option("--sizes", help="Pixels of pictures: a JSON list, as Visual Genome's image_data.json."),
    ] = None,
    images: Annotated[
        Path | None, typer.Option("--images", help="The folder of the pictures, to take their pixels from.")
    ] = None,
    object_threshold: Annotated[
        float, typer.Option("--object-threshold", help="Leave out objects of a lower score, and their relations.")
    ] = 0.0,
    relation_threshold: Annotated[
        float, typer.Option("--relation-threshold", help="Leave out relations of a lower score.")
    ] = 0.0,
    ending: Annotated[
        str, typer.Option("--ending", help="Of the file names of pictures that are known by number.")
    ] = ".jpg",
    as_json: AsJson = False,
) -> None:
    """Make a file of graphs (--graphs, images.regions) of what a detector found, or of Visual Genome."""
    from crossgraph.cli.output import print_json
    from crossgraph.data.graphs.detections import import_detections, import_visual_genome
    from crossgraph.data.graphs.graph_files import write_graphs
    from crossgraph.data.graphs.image_sizes import listed_sizes, sizes_in

    pixels = {} if images is None else sizes_in(images)
    pixels |= {} if sizes is None else listed_sizes(sizes, ending=ending)
    if format == "visual-genome":
        if object_threshold or relation_threshold:
            raise ConfigError("Visual Genome has no scores: leave out --object-threshold and --relation-threshold.")
        found = import_visual_genome(source, image_sizes=pixels, ending=ending)
    else:
        found = import_detections(
            source, image_sizes=pixels, object_threshold=object_threshold, relation_threshold=relation_threshold
        )
    write_graphs(out, found, kind="image")
    counts = {
        "graphs": len(found),
        "objects": sum(len(one.objects) for one in found.values()),
        "relations": sum(len(one.relations) for one in found.values()),
    }
    if as_json:
        print_json({**counts, "file": str(out)})
    else:
        typer.echo(", ".join(f"{count:,} {name}" for name, count in counts.items()) + f" in {out}")


@graph_commands.command("schema")
def schema() -> None:
    """Print the JSON schema that every line of a file of graphs fits."""
    from crossgraph.cli.output import print_json
    from crossgraph.data.graphs.graph_files import graph_schema

    print_json(graph_schema())


def _image_file(target: str, data: str | None) -> Path | None:
    """The picture that `target` means; None for a sentence."""
    if data is not None:
        from crossgraph.data.sources import open_corpus
        from crossgraph.progress_bars import choose_progress

        corpus = open_corpus(data, progress=choose_progress())
        if target in corpus.image_ids:
            return corpus.image_paths[corpus.image_ids.index(target)]
    if os.path.exists(target):  # unlike Path.exists, no error for a sentence too long for a file name
        return Path(target)
    if data is not None:
        example = corpus.image_ids[0]
        raise DataError(f"{target!r} is no picture of {data}; give an id such as {example!r}, or leave out --data.")
    from crossgraph.data.file_kinds import IMAGE_ENDINGS

    if Path(target).suffix.lower() in IMAGE_ENDINGS:
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
