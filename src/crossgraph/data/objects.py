"""Pictures in an object store: s3://BUCKET/KEY, by the library obstore, as the environment says how it is reached."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import PosixPath
from typing import TYPE_CHECKING, Any

from crossgraph.errors import MissingExtraError
from crossgraph.storage.address import PATIENCE, SCHEME, connection

if TYPE_CHECKING:
    from obstore.store import S3Store


@dataclass(frozen=True)
class Inside:
    """Where a file begins in the object of a tar file, its bytes, and the tag of that object as it was then."""

    key: str
    start: int
    bytes: int
    tag: str | None


class ObjectPath(PosixPath):
    """The address of an object, or of all whose key begins so, as a path: its text has both slashes again.

    `listed` are the bytes of the object and when it was written, as a listing told them, `tag` what changes with its
    content; None: it has to be asked. `inside` says where it lies in a tar file, once that was looked through.
    """

    listed: tuple[int, datetime] | None = None
    tag: str | None = None
    inside: Inside | None = None

    def __reduce__(self) -> Any:
        """All of it, for other processes."""
        return _again, (str(self), self.listed, self.tag, self.inside)

    def __str__(self) -> str:
        return SCHEME + super().__str__().removeprefix("s3:").lstrip("/")

    def absolute(self) -> ObjectPath:
        """The same: there is no other."""
        return self

    @property
    def bucket(self) -> str:
        """The bucket."""
        return self.parts[1] if len(self.parts) > 1 else ""

    @property
    def key(self) -> str:
        """The key in it."""
        return "/".join(self.parts[2:])


def _again(text: str, listed: tuple[int, datetime] | None, tag: str | None, inside: Inside | None) -> ObjectPath:
    path = ObjectPath(text)
    path.listed, path.tag, path.inside = listed, tag, inside
    return path


def read(path: ObjectPath) -> bytes:
    """The content of an object, or of a file in a tar file, of which it is known where it lies.

    Raises `OSError`, also where the tar file was written again, or `MissingExtraError` without obstore.
    """
    if path.inside is not None:
        return read_range(path, path.inside)
    store = _store(path)
    import obstore

    with _plain_errors(path):
        return bytes(obstore.get(store, path.key).bytes())


def read_range(path: ObjectPath, part: Inside) -> bytes:
    """A part of an object, as it was when its tag was told. Raises as `read` does."""
    if not part.bytes:
        return b""
    store = _store(path)
    import obstore

    with _plain_errors(path):
        span = (part.start, part.start + part.bytes)
        found = obstore.get(store, part.key, options={"range": span, **({"if_match": part.tag} if part.tag else {})})
        return bytes(found.bytes())


def state(path: ObjectPath) -> tuple[int, datetime]:
    """Bytes of an object, and when it was written. Raises as `read` does."""
    if path.listed is None:
        return _asked(path)[0]
    return path.listed


def asked(path: ObjectPath) -> ObjectPath:
    """The address of an object with what the store says of it now. Raises as `read` does."""
    found = ObjectPath(str(path))
    found.listed, found.tag = _asked(path)
    return found


def _asked(path: ObjectPath) -> tuple[tuple[int, datetime], str | None]:
    store = _store(path)
    import obstore

    with _plain_errors(path):
        found = obstore.head(store, path.key)
    return (found["size"], found["last_modified"]), found["e_tag"]


def below(path: ObjectPath) -> list[ObjectPath]:
    """All objects under an address, or the one at it, in the order of their keys, with what the listing told of them.

    Raises as `read` does.
    """
    store = _store(path)
    import obstore

    found = []
    with _plain_errors(path):
        for page in obstore.list(store, path.key or None):
            for one in page:
                if not one["path"].endswith("/"):
                    place = ObjectPath(f"{SCHEME}{path.bucket}/{one['path']}")
                    place.listed, place.tag = (one["size"], one["last_modified"]), one["e_tag"]
                    found.append(place)
    if not found and path.key:
        with suppress(FileNotFoundError):
            found.append(asked(path))
    return sorted(found, key=str)


def _store(path: ObjectPath) -> S3Store:
    try:
        import obstore.store  # noqa: F401
    except ImportError as error:
        raise MissingExtraError(
            f"{path} lies in an object store, which needs obstore; install it with: pip install 'crossgraph[s3]'"
        ) from error
    return _reached(path.bucket, tuple(sorted(connection().items())))


@lru_cache(maxsize=16)
def _reached(bucket: str, told: tuple[tuple[str, str], ...]) -> S3Store:
    """The store of a bucket, which keeps its connections open."""
    from obstore.store import S3Store

    config = dict(told)
    plain = config.pop("allow_http", None) is not None
    return S3Store(
        bucket,
        config=config,  # type: ignore[arg-type]
        client_options={"timeout": timedelta(seconds=PATIENCE), "allow_http": plain},
        retry_config={"max_retries": 5, "retry_timeout": timedelta(seconds=PATIENCE)},
    )


@contextmanager
def _plain_errors(path: ObjectPath) -> Iterator[None]:
    """What an object store says, as what a disk would."""
    from obstore.exceptions import (
        BaseError,
        NotFoundError,
        PermissionDeniedError,
        PreconditionError,
        UnauthenticatedError,
    )

    try:
        yield
    except (FileNotFoundError, NotFoundError) as error:
        raise FileNotFoundError(2, "no such file", str(path)) from error
    except (PermissionDeniedError, UnauthenticatedError) as error:
        raise PermissionError(13, "permission denied", str(path)) from error
    except PreconditionError as error:
        raise OSError(116, "the tar file was written again meanwhile; the next run takes it", str(path)) from error
    except BaseError as error:
        raise OSError(
            5, f"the object store does not answer as it should ({str(error).splitlines()[0][:200]})"
        ) from error
