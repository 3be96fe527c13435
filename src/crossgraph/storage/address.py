"""Addresses in object stores, and how their store is reached."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from crossgraph.errors import ConfigError

SCHEME = "s3://"
ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT")
REGIONS = ("AWS_REGION", "AWS_DEFAULT_REGION")
PATIENCE = 20
"""Seconds for which a store that does not answer is asked again."""

_OTHER = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]+):/{1,2}(?P<rest>.*)", re.DOTALL)
_WRITTEN = re.compile(r"s3:/{1,2}(?P<bucket>[^/]+)/(?P<prefix>.+)")


@dataclass(frozen=True)
class Address:
    """A place in an object store: all objects of `bucket` whose key begins with `prefix` and a slash."""

    bucket: str
    prefix: str

    @classmethod
    def parse(cls, text: str) -> Address:
        """The address that `text` says, as s3://BUCKET/NAME. Raises `ConfigError` if it is none."""
        found = _WRITTEN.fullmatch(text)
        prefix = "" if found is None else "/".join(part for part in found["prefix"].split("/") if part)
        if found is None or not prefix or {".", ".."} & set(prefix.split("/")):
            raise ConfigError(f"{text!r} is no address of a gallery. Write s3://BUCKET/NAME.")
        return cls(found["bucket"], prefix)

    def __str__(self) -> str:
        return f"{SCHEME}{self.bucket}/{self.prefix}"


def is_address(place: Path | str) -> bool:
    """Whether `place` lies in an object store; a `Path` made of such an address has lost one of its slashes."""
    return str(place).startswith(SCHEME if isinstance(place, str) else "s3:/")


def folder_or_address(place: Path | str) -> Path | str:
    """`place` as it is kept: an address as it is written, anything else as a `Path`, with the user's folder for `~`.

    Raises `ConfigError` for what begins like an address and is none, or is one of another kind.
    """
    if is_address(place):
        return str(Address.parse(str(place)))
    if other := _OTHER.fullmatch(str(place)):
        stores = other["scheme"].lower() == "s3"
        raise ConfigError(
            f"{str(place)!r} is neither a folder nor an address that is known. "
            f"Write {SCHEME}{other['rest'].lstrip('/') if stores else 'BUCKET/NAME'}"
            f"{'' if stores else ', which many stores understand, or a folder'}."
        )
    return Path(place).expanduser()


def connection(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """What tables and objects are both told of their store, beside the credentials that each finds by itself.

    $AWS_ENDPOINT_URL_S3, $AWS_ENDPOINT_URL or $AWS_ENDPOINT name a store other than Amazon's; plain http is used only
    where one of them says so.
    """
    found = {}
    endpoint = next((environment[name] for name in ENDPOINTS if environment.get(name)), None)
    if endpoint is not None:
        found["aws_endpoint"] = endpoint.rstrip("/")
    region = next((environment[name] for name in REGIONS if environment.get(name)), None)
    if region is not None or endpoint is not None:
        found["aws_region"] = region or "us-east-1"
    if endpoint is not None and endpoint.startswith("http://"):
        found["allow_http"] = "true"
    return found
