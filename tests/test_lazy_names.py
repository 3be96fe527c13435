"""Names that are imported when first used: the stub is the one list, for type checkers and at run time."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest

import crossgraph
from crossgraph import verbs
from crossgraph.lazy_names import LazyNames


def test_a_name_is_what_its_home_calls_so(tmp_path: Path) -> None:
    (tmp_path / "__init__.pyi").write_text("from pathlib import Path as Path\nfrom json import dumps as dumps\n")
    names = LazyNames(str(tmp_path / "__init__.py"))
    assert names.homes == {"Path": "pathlib", "dumps": "json"}
    assert names.get("any", "Path") is Path


def test_a_name_that_is_not_listed_is_an_attribute_error(tmp_path: Path) -> None:
    (tmp_path / "__init__.pyi").write_text("from pathlib import Path as Path\n")
    with pytest.raises(AttributeError, match="module 'any' has no attribute 'PurePath'"):
        LazyNames(str(tmp_path / "__init__.py")).get("any", "PurePath")


@pytest.mark.parametrize("package", [crossgraph, verbs])
def test_every_listed_name_can_be_had(package: ModuleType) -> None:
    names = package.__all__
    assert len(names) > 10
    assert all(getattr(package, name) is not None for name in names)
    assert dir(package) == sorted(names)


def test_what_the_command_line_does_is_public() -> None:
    listed = set(dir(crossgraph))
    assert set(dir(verbs)) - {"default_cache"} <= listed
    assert {"calibrate", "load_search_model", "build_cascade"} <= listed


@pytest.mark.parametrize("package", [crossgraph, verbs])
def test_every_line_of_a_stub_says_that_its_name_is_public(package: ModuleType) -> None:
    text = Path(str(package.__file__)).with_suffix(".pyi").read_text()
    lines = [line for line in text.splitlines() if line.startswith("from ")]
    assert all(line.endswith(f"import {line.split()[-1]} as {line.split()[-1]}") for line in lines)
