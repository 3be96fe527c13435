"""All methods by name, and how one is built from settings. A method's file is imported when it is first asked for."""

from __future__ import annotations

import ast
import importlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crossgraph.config import validated
from crossgraph.errors import ConfigError, unknown_name

if TYPE_CHECKING:
    from crossgraph.methods.contract import InputSizes, Method


@dataclass(frozen=True)
class Listed:
    """What is known of a method before its file is imported; the file is called as the method is."""

    class_name: str
    reranks: bool = False

    @property
    def stage(self) -> str:
        """What it does in a search."""
        return "re-ranks a shortlist" if self.reranks else "finds shortlists"


LISTED: Mapping[str, Listed] = {
    "dual_encoder": Listed("DualEncoder"),
    "encoder_ensemble": Listed("EncoderEnsemble"),
    "kidrr": Listed("Kidrr", reranks=True),
    "racg": Listed("Racg", reranks=True),
    "sgfns": Listed("Sgfns", reranks=True),
    "tsscl": Listed("Tsscl"),
    "pretrained": Listed("Pretrained"),
    "cca": Listed("Cca"),
    "semantic_matching": Listed("SemanticMatching"),
    "dcmh": Listed("Dcmh"),
    "random_projection": Listed("RandomProjection"),
    "random_codes": Listed("RandomCodes"),
    "scahn": Listed("Scahn"),
}


class _Methods(Mapping[str, "type[Method]"]):
    """The classes by name."""

    def __getitem__(self, name: str) -> type[Method]:
        class_name = LISTED[name].class_name
        found: type[Method] = getattr(importlib.import_module(f"crossgraph.methods.{name}"), class_name)
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(LISTED)

    def __len__(self) -> int:
        return len(LISTED)


METHODS: Mapping[str, type[Method]] = _Methods()


def method_type(name: str) -> type[Method]:
    """The class of a method; raises `ConfigError` with the nearest known name."""
    if name not in LISTED:
        raise ConfigError(unknown_name("method", name, LISTED))
    return METHODS[name]


def method_story(name: str) -> list[str]:
    """The lines that a method's file says about it, up to the table of modules; the file is read, not imported."""
    file = ast.parse(Path(__file__).with_name(f"{name}.py").read_text(encoding="utf-8"))
    return (ast.get_docstring(file) or "").partition("\n|")[0].strip().splitlines()


def build_method(name: str, settings: Mapping[str, Any], sizes: InputSizes) -> Method:
    """A fresh method with random weights from the global generator; settings are checked against its config."""
    kind = method_type(name)
    return kind(validated(kind.config_type, settings, section="model"), sizes)
