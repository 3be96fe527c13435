"""`crossgraph cascade`: trained runs put together for search, and what they are made of."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from crossgraph.cli.options import AsJson, Device, all_named, at_home

CascadeFolder = Annotated[Path, typer.Argument(help="The cascade's folder.")]


def build(
    out: Annotated[Path, typer.Option("--out", callback=at_home, help="The new folder of the cascade.")],
    codes: Annotated[
        str | None,
        typer.Option("--codes", help="A hashing run; itq:BITS learns codes of --data, random:BITS learns nothing."),
    ] = None,
    dense: Annotated[Path | None, typer.Option("--dense", help="The run whose embedding makes the shortlist.")] = None,
    rerank: Annotated[Path | None, typer.Option("--rerank", help="The run whose score re-ranks it.")] = None,
    blend: Annotated[
        float | None,
        typer.Option("--blend", help="The share of the dense score added in re-ranking; default: the re-ranker's own."),
    ] = None,
    explains: Annotated[
        Literal["dense", "rerank"] | None,
        typer.Option("--explain", help="The stage that says why a picture and a sentence match; default: the last."),
    ] = None,
    data: Annotated[
        list[str] | None,
        typer.Option("--data", callback=all_named, help="What itq codes are learned of; repeatable, as in training."),
    ] = None,
    split: Annotated[str, typer.Option("--split", help="The split of it that they are learned of.")] = "train",
    most: Annotated[
        int | None, typer.Option("--at-most", min=100, help="Learn them of so many pictures and captions at most.")
    ] = None,
    device: Device = "cpu",
    as_json: AsJson = False,
) -> None:
    """Copy trained runs into one folder that serves wherever a run does. Each stage may be left out."""
    from crossgraph import verbs
    from crossgraph.progress_bars import choose_progress

    verbs.build_cascade(
        out,
        codes=codes,
        dense=dense,
        rerank=rerank,
        blend=blend,
        explains=explains,
        data=data or (),
        split=split,
        most=most,
        device=device,
        progress=choose_progress(),
    )
    _print(out, as_json=as_json)


def pack(
    cascade: CascadeFolder,
    out: Annotated[Path, typer.Option("--out", callback=at_home, help="The new folder of the copy.")],
    limit: Annotated[float, typer.Option("--limit", min=0, help="Megabytes that the copy may have.")] = 40,
    as_json: AsJson = False,
) -> None:
    """Write a copy to give away: weights in half precision, and nothing of training or of this machine."""
    from crossgraph import verbs
    from crossgraph.cli.output import facts_table, print_json, print_rich

    packed = verbs.pack_cascade(cascade, out, limit=round(limit * 1e6))
    if as_json:
        print_json({"cascade": str(out), "fingerprint": packed.manifest.fingerprint, "files": packed.files})
        return
    rows: list[tuple[str, object]] = [(name, f"{size:,} bytes") for name, size in packed.files.items()]
    rows.append(("all", f"{packed.bytes:,} bytes, {packed.bytes / 1e6:.1f} MB of {limit:g}"))
    print_rich(facts_table(*rows, title=f"{out}  {packed.manifest.fingerprint}"))


def show(cascade: CascadeFolder, as_json: AsJson = False) -> None:
    """Print the parts of a cascade with their fingerprints, its modes, and how well it is calibrated."""
    from crossgraph.encoders.names import model_folder

    _print(model_folder(cascade), as_json=as_json)


def _print(folder: Path, *, as_json: bool) -> None:
    from crossgraph.cli.output import facts_table, print_json, print_rich
    from crossgraph.gallery.stages.cascade_manifest import CascadeManifest, Learned, Planes
    from crossgraph.gallery.stages.modes import MODES

    manifest = CascadeManifest.read(folder)
    if as_json:
        print_json({"cascade": str(folder), "fingerprint": manifest.fingerprint, **manifest.model_dump()})
        return
    rows: list[tuple[str, object]] = [("fingerprint", manifest.fingerprint)]
    for role, part in manifest.parts().items():
        if isinstance(part, Planes):
            rows.append((role, f"{part.bits} random planes  {part.fingerprint}"))
        elif isinstance(part, Learned):
            rows.append((role, f"{part.bits} planes learned of {part.data}, {part.split}  {part.fingerprint}"))
        else:
            rows.append((role, "none" if part is None else f"{part.method}  {part.fingerprint}  from {part.source}"))
    rows.append(("blend", manifest.blend))
    rows.append(("explains", manifest.explains or "the last stage"))
    rows.append(("calibrated for", ", ".join(manifest.calibration) or "nothing yet: crossgraph calibrate"))
    for name, mode in MODES.items():
        reranked = "nothing re-ranked" if mode.shortlist is None else f"{mode.shortlist} re-ranked"
        rows.append((f"mode {name}", f"{mode.candidates or 'no'} candidates from codes to vectors, {reranked}"))
    print_rich(facts_table(*rows, title=str(folder)))
