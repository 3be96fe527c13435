"""What a folder looks like from outside: where nobody may look, there is nothing, and no look fails."""

from __future__ import annotations

import os
from pathlib import Path

from crossgraph.data.images import file_reason
from crossgraph.errors import DataError


def is_file(path: Path) -> bool:
    """Whether a file is there; in a folder that may not be searched, none is."""
    return os.path.isfile(path)


def is_folder(path: Path) -> bool:
    """Whether a folder is there; in a folder that may not be searched, none is."""
    return os.path.isdir(path)


def names_in(folder: Path) -> list[str]:
    """What is in a folder, in order of name; nothing in one that may not be read, or is none."""
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return []


def require_open(path: Path) -> None:
    """Raise `DataError` for a folder that may not be opened: nothing can be said of what is in it."""
    try:
        if path.is_dir():
            os.scandir(path).close()
            os.stat(os.path.join(path, os.curdir))  # what is in it can be opened too
    except PermissionError as error:
        raise DataError(
            f"{path} cannot be opened: {file_reason(error)}. Give yourself the right to read it (chmod u+rx), or run "
            "this as the user whom it belongs to."
        ) from error
