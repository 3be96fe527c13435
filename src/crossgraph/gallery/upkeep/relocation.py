"""A gallery told that what it knows lies elsewhere now: its pictures, the folders it follows, the run that made it.

Everything is checked before anything is written. Then the list of skipped files is rewritten, then all pictures in
one commit, then the manifest. A kill in between leaves every picture at its old place or every one at its new, and the
same command, given again, does the rest.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from crossgraph.encoders.names import packaged_model
from crossgraph.errors import GalleryError
from crossgraph.gallery.changes.moved_files import MovedFiles, look_for_moved
from crossgraph.gallery.changes.moves import Moves, near_paths
from crossgraph.gallery.gallery import Gallery
from crossgraph.gallery.tables.items import Known
from crossgraph.gallery.tables.manifest import Manifest
from crossgraph.gallery.tables.skipped import move_skipped, read_skipped
from crossgraph.gallery.tables.store import Store
from crossgraph.gallery.upkeep.run_place import hints_concern, is_same_run, located_run, move_hints
from crossgraph.progress import Progress, Silent
from crossgraph.storage.interface import Storage


@dataclass(frozen=True)
class Relocation:
    """What moved, or, of a dry run, would.

    So many `pictures` lie at their new place, those `changed` with other content, which the next sync encodes.
    `missing` are new places at which there is no picture, no folder or another run: what should be there stays as it
    was. `joined` pictures had been added anew at their new place and are one with the old again. `folders` and `run`
    are old and new places; `hints` says what became of the places that the run itself names. A dry run is `refused` if
    the same without it would be, for what is missing or has other content.
    """

    pictures: int
    changed: tuple[Path, ...]
    missing: tuple[Path, ...]
    joined: int
    folders: tuple[tuple[str, str], ...]
    run: tuple[str, str] | None
    hints: str | None = None
    refused: bool = False

    def to_json(self) -> dict[str, object]:
        """Plain values."""
        paths = {"changed": self.changed, "missing": self.missing}
        return {**asdict(self), **{name: [str(path) for path in found] for name, found in paths.items()}}


def relocate(
    gallery: Gallery,
    moves: Moves,
    *,
    trust: bool = False,
    allow_missing: bool = False,
    dry_run: bool = False,
    progress: Progress | None = None,
) -> Relocation:
    """Have a gallery know everything that lay in an old place in its new one; ids, notes and features stay.

    Every picture is checked at its new place, by content, or with `trust` by size. If anything is not there or has
    other content, nothing is changed, unless `allow_missing`: then the rest moves. Raises `GalleryError` saying what
    was not found, or that nothing lies in an old place.
    """
    with gallery.changing() as manifest:
        known = gallery.store.known()
        _require_something(gallery, known, moves)
        files = look_for_moved(known, moves, trust=trust, progress=progress or Silent())
        new, lacking = _moved_manifest(manifest, moves, files, gallery.storage)
        doubles = _doubles(known, files)
        done = Relocation(
            len(files.paths),
            files.changed,
            tuple(Path(place) for place in (*files.missing.values(), *lacking)),
            len(doubles),
            tuple(
                (old, there) for old in manifest.sources if (there := moves.place(old)) != old and there in new.sources
            ),
            None if new.run == manifest.run else (str(manifest.run), str(new.run)),
        )
        some = bool(files.paths or done.folders or done.run)
        refused = bool(done.missing or done.changed) and not (allow_missing and some)
        if dry_run:
            return replace(done, refused=refused)
        if refused:
            raise _refusal(gallery, done, files)
        run = located_run(gallery.storage, new)
        hints = None if run is None else move_hints(run, moves)
        move_skipped(gallery.storage, moves.place)
        _join(gallery.store, doubles)
        gallery.store.relocate_items(files.paths)
        gallery.replace_manifest(new)
    return replace(done, hints=hints)


def _require_something(gallery: Gallery, known: Mapping[str, Known], moves: Moves) -> None:
    """Raise `GalleryError` for an old place in which nothing lies that the gallery knows."""
    manifest = gallery.manifest
    run = [] if manifest.run is None or packaged_model(manifest.run) else [manifest.run]
    places = [*manifest.sources, *run, *manifest.roots]
    skipped = [str(entry.path) for entry in read_skipped(gallery.storage)]
    for old, new in moves.pairs:
        alone = Moves(((old, new),))
        if any(alone.concern(path) for path in (*places, *known, *skipped)):
            continue
        if any(hints_concern(Path(moves.place(place)), alone) for place in run):
            continue
        raise GalleryError(
            f"{gallery.storage} knows of nothing that lay in {old}.{near_paths(old, places)} It knows: "
            f"{', '.join(dict.fromkeys(places)) or 'no folder and no run'}."
        )


def _moved_manifest(
    manifest: Manifest, moves: Moves, files: MovedFiles, storage: Storage
) -> tuple[Manifest, list[str]]:
    """The manifest of the gallery in a place after the move, and the new places at which no folder or run is."""
    places = [moves.place(name) for name in manifest.sources if moves.concern(name)]
    lacking = [place for place in places if not os.path.exists(place)]
    new = manifest.model_copy(
        update={
            "sources": _moved_folders(manifest.sources, moves, files, stays=os.path.exists),
            "excludes": {moves.place(name): patterns for name, patterns in manifest.excludes.items()},
            "roots": _moved_folders(manifest.roots, moves, files, stays=lambda _: True),
        }
    )
    if manifest.run is not None and moves.concern(manifest.run):
        run = moves.place(manifest.run)
        if is_same_run(Path(run), manifest):
            new = new.with_run(run, storage)
        elif located_run(storage, manifest) is None:  # one that is still there is no part of the move
            lacking.append(run)
    return new, lacking


def _moved_folders(
    names: Sequence[str], moves: Moves, files: MovedFiles, *, stays: Callable[[str], bool]
) -> tuple[str, ...]:
    """The folders and caption files a gallery knows, where they lie now; the old one too if a picture in it `stays`."""
    found: list[str] = []
    for name in names:
        new = moves.place(name)
        folder = name if os.path.isdir(new) else os.path.dirname(name)
        if new == name or not os.path.exists(new) or files.none_of(folder):
            found.append(name)
        else:
            found += [name, new] if any(map(stays, files.left_in(folder))) else [new]
    return tuple(dict.fromkeys(found))


def _doubles(known: Mapping[str, Known], files: MovedFiles) -> dict[str, str]:
    """Pictures that are known at the new place of another already, by its id: they are one.

    Raises `GalleryError` if two would come to lie in one place otherwise.
    """
    staying = {path: one.id for path, one in known.items() if one.id not in files.paths}
    twice = [path for path, times in Counter(files.paths.values()).items() if times > 1]
    twice += [path for path in files.paths.values() if staying.get(path) in files.missing]
    if twice:
        raise GalleryError(
            f"two pictures would come to lie at {twice[0]}. Remove one of them first, or give their folders two places."
        )
    return {key: staying[path] for key, path in files.paths.items() if path in staying}


def _join(store: Store, doubles: Mapping[str, str]) -> None:
    """Give pictures the notes of their doubles, which came later and count where both have a value; these go."""
    if not doubles:
        return
    notes = store.notes.values(list(doubles.values()))
    later = {key: notes[double] for key, double in doubles.items() if double in notes}
    if later:
        store.notes.write(later)
    store.remove_items(list(doubles.values()))
    store.notes.remove(list(doubles.values()))


def _refusal(gallery: Gallery, done: Relocation, files: MovedFiles) -> GalleryError:
    """The error that says what is not there, or has other content."""
    wrong = [f"{len(done.missing):,} are not there ({_some(done.missing)})"] if done.missing else []
    wrong += [f"{len(done.changed):,} have other content ({_some(done.changed)})"] if done.changed else []
    way = "--allow-missing moves the rest." if files.paths else "is the disk connected, and NEW the right place?"
    return GalleryError(
        f"of {len(files.known):,} pictures and the folders that {gallery.storage} is to know at a new place, "
        f"{' and '.join(wrong)}. Nothing was changed. --dry-run names each; {way}"
    )


def _some(paths: Sequence[Path]) -> str:
    return ", ".join(str(path) for path in paths[:3]) + (", ..." if len(paths) > 3 else "")
