"""Which cluster is meant, and how much of it a run may take."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields, replace
from urllib.parse import parse_qsl

from crossgraph.errors import ConfigError, unknown_name

LOCAL = re.compile(r"local\[([1-9]\d{0,3})\]")
GRAMMAR = "HOST:PORT of a Ray cluster, auto for the one on this machine, or local[N] for N processes here"


@dataclass(frozen=True)
class ClusterSettings:
    """Where to compute: at the `address` of a cluster, or in private processes here (an empty address).

    So many `workers` of so many `threads` each; None: as many as the cluster has processors for. A batch may take
    `batch_seconds` before its worker is replaced, the whole run `seconds`, and for `start_seconds` there may be no
    worker, at the beginning or after all were lost. Ray takes up to 17 seconds to tell that a node is gone: together
    less than a minute.
    """

    address: str = ""
    workers: int | None = None
    threads: int = 1
    batch_seconds: float = 600.0
    seconds: float | None = None
    start_seconds: float = 35.0

    def __post_init__(self) -> None:
        for one in fields(self):
            value = getattr(self, one.name)
            if isinstance(value, (int, float)) and value <= 0:
                raise ConfigError(f"{one.name} of --cluster must be above 0, got {value:g}.")

    @property
    def is_local(self) -> bool:
        """Whether the cluster is started for this run, here."""
        return not self.address

    @classmethod
    def parse(cls, text: str) -> ClusterSettings:
        """What `ADDRESS[?name=value&...]` says. Raises `ConfigError`."""
        place, _, options = text.strip().partition("?")
        values: dict[str, int | float] = {}
        numbers = {"workers": int, "threads": int, "batch_seconds": float, "seconds": float, "start_seconds": float}
        for name, value in parse_qsl(options, keep_blank_values=True):
            if name not in numbers:
                raise ConfigError(unknown_name("setting of --cluster", name, numbers))
            try:
                values[name] = numbers[name](value)
            except ValueError:
                raise ConfigError(f"{name} of --cluster is a number, got {value!r}.") from None
        host, colon, port = place.rpartition(":")
        if (local := LOCAL.fullmatch(place)) is not None:
            if values.get("workers", 0) > int(local[1]):
                raise ConfigError(
                    f"--cluster {text!r} asks for {values['workers']} workers of {local[1]} processes: give "
                    f"local[{values['workers']}], or leave workers out."
                )
            place, values = "", {"workers": int(local[1]), **values}
        elif place != "auto" and not (host and colon and port.isdigit() and "/" not in host):
            raise ConfigError(f"--cluster {text!r} is no cluster. Give {GRAMMAR}.")
        return replace(cls(place), **values)  # type: ignore[arg-type]
