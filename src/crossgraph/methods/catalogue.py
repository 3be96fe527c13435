"""All methods by name, and how one is built from settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from crossgraph.config import validated
from crossgraph.errors import ConfigError, unknown_name
from crossgraph.methods.cca import Cca
from crossgraph.methods.contract import InputSizes, Method
from crossgraph.methods.dcmh import Dcmh
from crossgraph.methods.dual_encoder import DualEncoder
from crossgraph.methods.kidrr import Kidrr
from crossgraph.methods.racg import Racg
from crossgraph.methods.random_codes import RandomCodes
from crossgraph.methods.random_projection import RandomProjection
from crossgraph.methods.scahn import Scahn
from crossgraph.methods.semantic_matching import SemanticMatching
from crossgraph.methods.sgfns import Sgfns
from crossgraph.methods.tsscl import Tsscl

METHODS: dict[str, type[Method]] = {
    "dual_encoder": DualEncoder,
    "kidrr": Kidrr,
    "racg": Racg,
    "sgfns": Sgfns,
    "tsscl": Tsscl,
    "cca": Cca,
    "semantic_matching": SemanticMatching,
    "dcmh": Dcmh,
    "random_projection": RandomProjection,
    "random_codes": RandomCodes,
    "scahn": Scahn,
}


def method_type(name: str) -> type[Method]:
    """The class of a method; raises `ConfigError` with the nearest known name."""
    if name not in METHODS:
        raise ConfigError(unknown_name("method", name, METHODS))
    return METHODS[name]


def build_method(name: str, settings: Mapping[str, Any], sizes: InputSizes) -> Method:
    """A fresh method with random weights from the global generator; settings are checked against its config."""
    kind = method_type(name)
    return kind(validated(kind.config_type, settings, section="model"), sizes)
