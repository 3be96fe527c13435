"""Both files of constraints name a version of whatever pyproject.toml wants, and the lowest ones are its bounds."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[1]


def pinned(name: str) -> dict[str, Version]:
    lines = (line for line in (ROOT / name).read_text().splitlines() if line and not line.startswith("#"))
    return {canonicalize_name(line.split("==")[0]): Version(line.split("==")[1]) for line in lines}


def wanted() -> list[Requirement]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    groups = [project["dependencies"], *project["optional-dependencies"].values()]
    found = [Requirement(line) for group in groups for line in group]
    return [one for one in found if one.name != "crossgraph"]


@pytest.mark.parametrize("name", ["constraints.txt", "constraints-minimum.txt"])
def test_every_dependency_has_a_version_that_pyproject_allows(name: str) -> None:
    versions = pinned(name)
    assert len(wanted()) > 40
    lacking = [str(one) for one in wanted() if canonicalize_name(one.name) not in versions]
    refused = [str(one) for one in wanted() if not allowed(one, versions)]
    assert (lacking, refused) == ([], [])


def test_the_lowest_versions_are_the_bounds() -> None:
    versions, higher = pinned("constraints-minimum.txt"), {}
    for one in wanted():
        bounds = [Version(part.version) for part in one.specifier if part.operator in {">=", "=="}]
        version = versions[canonicalize_name(one.name)]
        if bounds and version.release[: len(bounds[0].release)] != bounds[0].release:
            higher[one.name] = str(version)
    assert higher == {}


def allowed(one: Requirement, versions: dict[str, Version]) -> bool:
    """Whether the version is one that the requirement takes; True where there is none."""
    version = versions.get(canonicalize_name(one.name))
    return version is None or version in one.specifier
