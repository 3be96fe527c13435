"""`crossgraph data check`: what is in a corpus, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from crossgraph.cli.options import AsJson, Exclude, MaxPixels, limit_pixels, named

if TYPE_CHECKING:
    from rich.console import RenderableType

    from crossgraph.data.check import CorpusReport
    from crossgraph.data.corpus import Corpus, Understood
    from crossgraph.progress import Progress


def check(
    data: Annotated[
        str,
        typer.Argument(
            callback=named,
            help="A folder, a caption file, a file of features, LAYOUT:PATH, scenes[:COUNT[:SEED]] or "
            "matrices-demo[:SEED]. The name of a layout alone (mirflickr, nuswide, coco, rsicd, matrices) explains it.",
        ),
    ],
    concepts: Annotated[
        int | None, typer.Option("--concepts", min=2, help="Derive so many labels from the captions and count them.")
    ] = None,
    exclude: Exclude = None,
    max_pixels: MaxPixels = None,
    as_json: AsJson = False,
) -> None:
    """Decode every picture once; list what cannot be read, counts, splits, labels and duplicates.

    Exits with 1 if anything was skipped.
    """
    from crossgraph.cli.output import print_json, print_rich
    from crossgraph.data.check import check_corpus
    from crossgraph.progress_bars import choose_progress

    limit_pixels(max_pixels)
    progress = choose_progress()
    relabel = None if concepts is None else _relabel(concepts, progress)
    report = check_corpus(data, relabel=relabel, exclude=exclude or (), progress=progress)
    if as_json:
        print_json(report.to_json())
    else:
        for part in _told(report):
            print_rich(part)
        _print_files(report)
    if report.unreadable or report.skipped_rows:
        raise typer.Exit(1)


def _print_files(report: CorpusReport) -> None:
    """What became of every file of the folder, if it is one; files and rows that were skipped or not used, by name."""
    from crossgraph.cli.output import files_in_sum, print_rich, print_rows, print_skipped, print_unused

    if report.files is not None:
        print_rich(files_in_sum(report.images, report.unreadable, report.files))
    print_skipped(report.unreadable)
    print_rows(report.skipped_rows)
    print_unused(report.unused)


def _relabel(count: int, progress: Progress) -> Callable[[Corpus], Corpus]:
    """Puts concepts of the training captions in the place of a corpus's labels."""
    from crossgraph.config import LabelsConfig
    from crossgraph.data.feature_cache import default_cache
    from crossgraph.training.labels import derive_labels

    settings = LabelsConfig(source="concepts", count=count)
    derive = partial(derive_labels, settings=settings, cache=default_cache(), progress=progress)
    return lambda corpus: derive(corpus)[0]


def _told(report: CorpusReport) -> list[RenderableType]:
    """The report for people: a table, label counts, groups of equal pictures."""
    from crossgraph.cli.output import facts_table
    from crossgraph.data.guides import GUIDES

    low, mean, high = report.captions_per_image
    rows: list[tuple[str, object]] = [
        ("read as", report.source),
        *_how(report.understood),
        ("pictures", f"{report.images:,}"),
        ("splits", ", ".join(f"{name} {count:,}" for name, count in report.splits.items())),
        ("captions", f"{report.captions:,} ({low} to {high} a picture, {mean:.1f} on average)"),
        ("repeated captions", f"{report.duplicate_captions:,}"),
        ("pictures without captions", f"{report.images_without_captions:,}"),
        (report.label_kind, f"{len(report.labels):,}"),
        ("groups of equal files", _groups(report.duplicate_splits)),
        ("unreadable files", f"{len(report.unreadable):,}"),
        ("unused files", f"{len(report.unused):,}"),
    ]
    if (features := report.features) is not None:
        text = f"{features['text_width']} a text" if features["text_width"] else "texts are sentences"
        widths = f"{features['image_width']} numbers an image, {text} ({features['kind']})"
        rows.insert(2, ("given features", widths))
    parts: list[RenderableType] = [facts_table(*rows, title=report.name)]
    if report.labels:
        counts = ", ".join(f"{name} {count:,}" for name, count in report.labels.items())
        parts.append(f"pictures by {report.label_kind}: {counts}")
    parts += [f"note: {note}" for note in report.understood.notes]
    parts += [_equal(*group) for group in zip(report.duplicate_images, report.duplicate_splits, strict=True)]
    if report.source in GUIDES and (report.unreadable or not report.labels):
        parts.append(GUIDES[report.source].text())
    return parts


def _groups(splits: Sequence[Sequence[str]]) -> str:
    """How many groups of equal files there are, and how many of them lie in several splits."""
    leaks = sum(len(set(group)) > 1 for group in splits)
    return f"{len(splits):,}" + (f", {leaks:,} of them in more than one split: a leak" if leaks else "")


def _equal(images: Sequence[str], splits: Sequence[str]) -> str:
    """A group of equal files, with their splits where these differ."""
    if len(set(splits)) == 1:
        return f"equal files: {', '.join(images)}"
    named = ", ".join(f"{image} ({split})" for image, split in zip(images, splits, strict=True))
    return f"equal files in different splits, a leak: {named}"


def _how(understood: Understood) -> list[tuple[str, object]]:
    """How the source was understood, as far as there is anything to say."""
    rows: list[tuple[str, object]] = [(f"{what} from", name) for what, name in understood.columns]
    if understood.separator:
        rows.append(("separator", understood.separator))
    if understood.encoding:
        rows.append(("encoding", understood.encoding))
    rows.append(("splits from", understood.splits))
    if understood.rows:
        rows.append(("rows", f"{understood.rows:,}, of which {understood.rows_read:,} were read"))
    if understood.blank_captions:
        rows.append(("blank captions", f"{understood.blank_captions:,}, left out"))
    if understood.guesses:
        written, found, difference = understood.guesses[0]
        count = len(understood.guesses)
        rows.append(("names guessed", f"{count:,}, the first {written!r} as {found!r} (they differ in {difference})"))
    return rows
