"""Options that several verbs share."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from crossgraph.errors import ConfigError
from crossgraph.gallery.home import GALLERY_VARIABLE, home_gallery
from crossgraph.storage.address import folder_or_address

CPU = "cpu"


def named(place: str) -> str:
    """The folder or file that is meant; an empty text would mean this folder, and is refused."""
    if not place.strip():
        raise ConfigError("a folder or file is named by an empty text. Name it; . is this folder.")
    return place


def at_home(place: Path | None) -> Path | None:
    """A folder or file with the user's own folder for `~`, which no shell expands in quotes or after `--out=`."""
    return None if place is None else place.expanduser()


def placed(gallery: str) -> str:
    """Where the gallery lies: a folder as its path is written, or an address of an object store."""
    return str(folder_or_address(gallery))


def _home() -> str:
    return str(home_gallery())


def all_named(places: list[str] | None) -> list[str] | None:
    """The same for several."""
    return None if places is None else [named(place) for place in places]


def limit_pixels(pixels: int | None) -> None:
    """Set what --max-pixels said, for this process and those it starts: pictures are decoded in many places."""
    if pixels is not None:
        os.environ["CROSSGRAPH_MAX_PIXELS"] = str(pixels)


def _checked(name: str) -> str:
    """The device that is meant, refused before any work if it cannot be had."""
    if name == CPU:
        return name  # torch need not be loaded to know that it is there
    from crossgraph.device import checked_device

    return str(checked_device(name))


Data: TypeAlias = Annotated[
    str,
    typer.Option(
        "--data",
        callback=named,
        help="A folder, a caption file, a file of features, LAYOUT:PATH[?OPTION=VALUE&...], or a drawn corpus: "
        "scenes[:COUNT[:SEED]], matrices-demo[:SEED].",
    ),
]
AllData: TypeAlias = Annotated[
    list[str],
    typer.Option(
        "--data",
        callback=all_named,
        help="A folder, a caption file, a file of features, LAYOUT:PATH[?OPTION=VALUE&...], or a drawn corpus: "
        "scenes[:COUNT[:SEED]], matrices-demo[:SEED]; repeatable: several are trained on together.",
    ),
]
Exclude: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--exclude",
        metavar="PATTERN",
        help="Leave out files and folders of a folder, as .gitignore does: '*.gif', 'old/'; repeatable. "
        "A file .crossgraphignore says it for good.",
    ),
]
MaxPixels: TypeAlias = Annotated[
    int | None,
    typer.Option(
        "--max-pixels",
        min=1,
        help="Read pictures of more pixels reduced (JPEG), or skip them; default: CROSSGRAPH_MAX_PIXELS or 89,478,485.",
    ),
]
Device: TypeAlias = Annotated[
    str,
    typer.Option(
        "--device", callback=_checked, help="Where to compute: cpu, cuda, cuda:N, mps, or auto for the best there is."
    ),
]
ClusterAddress: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--cluster",
        metavar="ADDRESS|local[N]",
        help="Have workers do it: of the Ray cluster at HOST:PORT, of the one this machine is in (auto), or N "
        "processes here. More: ADDRESS?workers=8&threads=2&batch_seconds=600&seconds=7200. Needs crossgraph\\[ray].",
    ),
]
AsJson: TypeAlias = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
RunOrCascade: TypeAlias = Annotated[
    str,
    typer.Option(
        "--model",
        help="A trained run, or a cascade: the folder that cascade build --out wrote; or the model that comes with "
        "crossgraph.",
    ),
]
OtherRun: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--model",
        help="The trained run or cascade of a new gallery (else: default, which comes with crossgraph), or where it is "
        "when it has moved.",
    ),
]
Where: TypeAlias = Annotated[
    str | None,
    typer.Option("--where", help="Only pictures that fit, as in \"date > '2024-01-01' and label = 'Airport'\"."),
]
HOME_GALLERY = f"${GALLERY_VARIABLE} or ~/.local/share/crossgraph/gallery"
GALLERY_HELP = "The gallery's folder, or s3://BUCKET/NAME."
GalleryFolder: TypeAlias = Annotated[
    str,
    typer.Option(
        "--gallery",
        default_factory=_home,
        callback=placed,
        metavar="GALLERY",
        show_default=HOME_GALLERY,
        help=GALLERY_HELP,
    ),
]
GalleryArgument: TypeAlias = Annotated[
    str,
    typer.Argument(
        metavar="GALLERY", default_factory=_home, callback=placed, show_default=HOME_GALLERY, help=GALLERY_HELP
    ),
]
NamedGallery: TypeAlias = Annotated[str, typer.Argument(metavar="GALLERY", callback=placed, help=GALLERY_HELP)]
ProtocolName: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--protocol", help="Judge by labels: train-database, unseen-database, hash-mir, ... (docs/evaluation.md)."
    ),
]
Variations: TypeAlias = Annotated[
    list[str] | None,
    typer.Option("--vary", help="With --protocol: one thing done otherwise: captions=joined. Repeatable."),
]
