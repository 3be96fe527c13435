"""`crossgraph serve`: a gallery as a page and an API."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from crossgraph.cli.options import GALLERY_HELP, HOME_GALLERY, Device, OtherRun, at_home
from crossgraph.errors import ConfigError
from crossgraph.gallery.home import home_gallery
from crossgraph.storage.address import folder_or_address, is_address

TOKEN_VARIABLE = "CROSSGRAPH_TOKEN"


def serve(
    pictures: Annotated[
        str | None,
        typer.Argument(metavar="[FOLDER]", help="A gallery, or a folder of pictures, which is indexed meanwhile."),
    ] = None,
    gallery: Annotated[str | None, typer.Option("--gallery", show_default=HOME_GALLERY, help=GALLERY_HELP)] = None,
    model: OtherRun = None,
    runs: Annotated[
        Path | None, typer.Option("--runs", callback=at_home, help="Show the trained runs in this folder too.")
    ] = None,
    host: Annotated[
        str, typer.Option("--host", help="Where to listen; any address but this machine's own demands a token.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", help="0: any that is free.")] = 8000,
    token: Annotated[
        str | None, typer.Option("--token", envvar=TOKEN_VARIABLE, help="What whoever asks must show.")
    ] = None,
    allow_host: Annotated[
        list[str] | None,
        typer.Option("--allow-host", help="A further name that this machine is called by; repeatable."),
    ] = None,
    manage: Annotated[bool, typer.Option("--manage", help="Let the page change the gallery: sync, migrate.")] = False,
    show_paths: Annotated[bool, typer.Option("--show-paths", help="Say where pictures lie.")] = False,
    workers: Annotated[int, typer.Option("--workers", help="Searches computed at once.")] = max(1, os.cpu_count() or 1),
    rate: Annotated[int, typer.Option("--rate", help="Requests a second and address; 0: any number.")] = 200,
    compact_every: Annotated[
        float | None,
        typer.Option("--compact-every", metavar="HOURS", help="Compact the tables every so many hours; else never."),
    ] = None,
    device: Device = "cpu",
) -> None:
    """Serve a gallery by HTTP: a page for people at /, an API for programs at /v1. Stops at Ctrl-C."""
    from crossgraph.gallery.gallery import Gallery
    from crossgraph.serving.run import serve as run
    from crossgraph.serving.settings import ServerSettings

    pictures = None if pictures is None else str(folder_or_address(pictures))
    if pictures is not None and not is_address(pictures) and not Path(pictures).exists():
        raise ConfigError(f"{pictures} is not there. Name a gallery, or a folder of pictures.")
    if pictures is not None and (is_address(pictures) or Gallery.exists(pictures)):
        if gallery is not None:
            raise ConfigError(f"{pictures} is a gallery, and --gallery names another one. Name one of them.")
        pictures, gallery = None, pictures
    settings = ServerSettings(
        gallery=home_gallery() if gallery is None else folder_or_address(gallery),
        pictures=None if pictures is None else Path(pictures),
        model=model,
        device=device,
        runs=runs,
        host=host,
        port=port,
        token=token,
        names=tuple(allow_host or ()),
        manage=manage,
        show_paths=show_paths,
        workers=workers,
        rate=rate,
        compact_hours=compact_every,
    )
    run(settings)
