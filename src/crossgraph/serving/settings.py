"""What a server is told when it starts."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from pathlib import Path

from crossgraph.errors import ConfigError

MEBIBYTE = 2**20
_TOKEN = re.compile(r"[A-Za-z0-9._~+/=-]*", re.ASCII)
LOCAL_NAMES = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True)
class ServerSettings:
    """One server: what it serves, to whom, and how much of its machine anybody may take.

    `pictures` is a folder to index while it is served; `runs` a folder of trained runs to show. `token` must be shown
    by whoever asks, where there is one. `manage` lets requests change the gallery, `show_paths` lets answers say where
    pictures lie. `names` are further names that the machine is called by. `workers` requests are computed at once and
    `waiting` more wait, each for at most `seconds`; `rate` is how many an address may make in a second (0: any number);
    an upload has at most `upload_bytes`, and a client that stops within a request is waited for `patience` seconds.
    The tables are compacted every `compact_hours`, if that is given.
    """

    gallery: Path | str
    pictures: Path | None = None
    model: str | None = None
    device: str = "cpu"
    runs: Path | None = None
    host: str = "127.0.0.1"
    port: int = 8000
    token: str | None = None
    names: tuple[str, ...] = ()
    manage: bool = False
    show_paths: bool = False
    workers: int = 2
    waiting: int = 128
    seconds: float = 30.0
    rate: int = 200
    upload_bytes: int = 20 * MEBIBYTE
    patience: float = 20.0
    compact_hours: float | None = None

    def __post_init__(self) -> None:
        for name, least in (("port", 0), ("workers", 1), ("waiting", 1), ("rate", 0), ("upload_bytes", 1)):
            if getattr(self, name) < least:
                raise ConfigError(f"{name} must be at least {least}, got {getattr(self, name)}.")
        for name in ("seconds", "patience", *(() if self.compact_hours is None else ("compact_hours",))):
            if not 0 < getattr(self, name) < float("inf"):
                raise ConfigError(f"{name} must be above 0, got {getattr(self, name)}.")
        if self.port > 65_535:
            raise ConfigError(f"port must be at most 65535, got {self.port}.")
        if not self.is_local and not self.token:
            raise ConfigError(
                f"{self.host} can be reached by other machines, so whoever asks must show a token: give one with "
                "--token, or in the environment variable CROSSGRAPH_TOKEN."
            )
        if self.token is not None and not _TOKEN.fullmatch(self.token):
            raise ConfigError("a token may have letters, digits and -._~+/= only: it goes through headers of HTTP.")
        if self.token is not None and len(self.token) < 16:
            raise ConfigError(
                f"a token must have at least 16 letters, got {len(self.token)}; it is all that guards it."
            )

    @property
    def is_local(self) -> bool:
        """Whether only this machine can reach it."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def known_names(self) -> frozenset[str]:
        """The names that a request may call this server by, in lower case."""
        anywhere = self.host in ("0.0.0.0", "::")
        return frozenset(name.lower() for name in (*LOCAL_NAMES, *self.names, *(() if anywhere else (self.host,))))
