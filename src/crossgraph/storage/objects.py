"""The objects under one address, read and written on conditions, with errors in plain words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

from crossgraph.errors import ConfigError, GalleryError, MissingExtraError
from crossgraph.storage.address import PATIENCE, Address, connection

if TYPE_CHECKING:
    from obstore.store import S3Store


class ConflictError(GalleryError):
    """An object was replaced by somebody else meanwhile."""


class Objects:
    """The objects under `address`; the store is reached when it is first asked."""

    def __init__(self, address: Address) -> None:
        try:
            from obstore.store import S3Store
        except ImportError as error:
            raise MissingExtraError(
                f"{address} lies in an object store, which needs obstore; install it with: pip install 'crossgraph[s3]'"
            ) from error
        self.address = address
        told = connection()
        plain = told.pop("allow_http", None) is not None
        try:
            self._store: S3Store = S3Store(
                address.bucket,
                prefix=address.prefix,
                config=told,  # type: ignore[arg-type]
                client_options={"timeout": timedelta(seconds=PATIENCE), "allow_http": plain},
                retry_config={"max_retries": 5, "retry_timeout": timedelta(seconds=PATIENCE)},
            )
        except Exception as error:  # its errors have no common class before it is made
            raise ConfigError(f"{address} cannot be reached: {_first_line(error)}") from error

    def get(self, name: str) -> tuple[bytes, str]:
        """An object and its tag. Raises `FileNotFoundError` if there is none."""
        import obstore

        with self._plain_errors():
            found = obstore.get(self._store, name)
            return bytes(found.bytes()), str(found.meta["e_tag"])

    def tag(self, name: str) -> str:
        """The tag of an object, which changes with its content. Raises `FileNotFoundError` if there is none."""
        import obstore

        with self._plain_errors():
            return str(obstore.head(self._store, name)["e_tag"])

    def put(self, name: str, content: bytes, *, over: str | None) -> str:
        """Write an object in the place of the one that has the tag `over`, or, with None, of none; gives its tag.

        Raises `ConflictError` if there is another one.
        """
        import obstore
        from obstore.exceptions import AlreadyExistsError, PreconditionError

        with self._plain_errors():
            try:
                mode = "create" if over is None else {"e_tag": over}
                return str(obstore.put(self._store, name, content, mode=mode, use_multipart=False)["e_tag"])  # type: ignore[arg-type]
            except (AlreadyExistsError, PreconditionError) as error:
                if "NoSuchBucket" in str(error):
                    raise self._no_bucket() from error
                raise ConflictError(f"{self.address}/{name} was written by another process meanwhile.") from error

    def sizes(self, under: str = "") -> list[tuple[str, int]]:
        """The names of all objects that begin so, and their bytes."""
        import obstore

        with self._plain_errors():
            found = obstore.list(self._store, prefix=under or None).collect()
            return [(str(one["path"]), int(one["size"])) for one in found]

    def names(self, under: str = "") -> list[str]:
        """What lies directly under a name: objects, and what others begin with."""
        import obstore

        start = f"{under}/" if under else ""
        with self._plain_errors():
            found = obstore.list_with_delimiter(self._store, prefix=under or None)
            paths = [str(one["path"]) for one in found["objects"]] + list(found["common_prefixes"])
            return [path.removeprefix(start).rstrip("/") for path in paths]

    def delete(self, names: list[str]) -> None:
        """Remove objects that may be there."""
        import obstore

        with self._plain_errors():
            for start in range(0, len(names), 500):
                obstore.delete(self._store, names[start : start + 500])

    @contextmanager
    def _plain_errors(self) -> Iterator[None]:
        from obstore.exceptions import BaseError

        try:
            yield
        except FileNotFoundError as error:
            if "NoSuchBucket" in str(error):
                raise self._no_bucket() from error
            raise
        except PermissionError as error:
            raise GalleryError(f"{self.address}: the store refuses: {_first_line(error)}") from error
        except (BaseError, OSError) as error:
            raise self._unreachable(error) from error

    def _no_bucket(self) -> GalleryError:
        return GalleryError(f"there is no bucket {self.address.bucket!r}. Make it first, or name another one.")

    def _unreachable(self, error: Exception) -> GalleryError:
        text = _first_line(error)
        if "169.254" in text or "credential" in text.lower():
            return GalleryError(
                f"{self.address}: no credentials were found. Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY ({text})"
            )
        return GalleryError(f"{self.address} could not be read or written: {text}")


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:300]
