"""Pictures in an object store: s3://BUCKET/KEY, by the library obstore, as the environment says how it is reached."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import PosixPath
from typing import TYPE_CHECKING

from crossgraph.errors import MissingExtraError
from crossgraph.storage.address import PATIENCE, SCHEME, connection

if TYPE_CHECKING:
    from obstore.store import S3Store


class ObjectPath(PosixPath):
    """The address of an object, or of all whose key begins so, as a path: its text has both slashes again.

    `listed` are the bytes of the object and when it was written, as a listing told them; None: it has to be asked.
    """

    listed: tuple[int, datetime] | None = None

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


def read(path: ObjectPath) -> bytes:
    """The content of an object. Raises `OSError`, or `MissingExtraError` without obstore."""
    store = _store(path)
    import obstore

    with _plain_errors(path):
        return bytes(obstore.get(store, path.key).bytes())


def state(path: ObjectPath) -> tuple[int, datetime]:
    """Bytes of an object, and when it was written. Raises as `read` does."""
    if path.listed is not None:
        return path.listed
    store = _store(path)
    import obstore

    with _plain_errors(path):
        found = obstore.head(store, path.key)
    return found["size"], found["last_modified"]


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
                    place.listed = one["size"], one["last_modified"]
                    found.append(place)
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
    from obstore.exceptions import BaseError, NotFoundError, PermissionDeniedError, UnauthenticatedError

    try:
        yield
    except (FileNotFoundError, NotFoundError) as error:
        raise FileNotFoundError(2, "no such file", str(path)) from error
    except (PermissionDeniedError, UnauthenticatedError) as error:
        raise PermissionError(13, "permission denied", str(path)) from error
    except BaseError as error:
        raise OSError(
            5, f"the object store does not answer as it should ({str(error).splitlines()[0][:200]})"
        ) from error
