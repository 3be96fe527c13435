import inspect
import math
import pkgutil
import sys

import pytest

from crossgraph.errors import ConfigError
from crossgraph.methods.catalogue import LISTED, METHODS, build_method, method_story, method_type
from tests.methods.synthetic_items import SIZES


@pytest.mark.parametrize("name", list(LISTED))
def test_what_is_listed_of_a_method_is_true_of_its_class(name: str) -> None:
    kind = METHODS[name]
    assert (kind.name, kind.reranks) == (name, LISTED[name].reranks)
    told = inspect.getdoc(sys.modules[kind.__module__]) or ""
    assert told.startswith("\n".join(method_story(name)))
    assert method_story(name)


def test_every_file_of_a_method_is_listed() -> None:
    import crossgraph.methods

    files = {found.name for found in pkgutil.iter_modules(crossgraph.methods.__path__)}
    assert files - {"contract", "catalogue", "settings", "by_image"} == set(LISTED)


def test_an_unknown_method_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(ConfigError, match=r"unknown method 'kidr'\. Did you mean 'kidrr'\?"):
        method_type("kidr")


@pytest.mark.parametrize("name", list(METHODS))
def test_an_unknown_setting_is_refused_with_its_section(name: str) -> None:
    known = next(iter(METHODS[name].config_type.model_fields))
    with pytest.raises(ConfigError, match=rf"unknown setting 'model\.{known}z'\. Did you mean 'model\.{known}'\?"):
        build_method(name, {f"{known}z": 3}, SIZES["ids"])


@pytest.mark.parametrize(
    ("name", "setting", "value"),
    [
        ("dual_encoder", "loss", "mse"),
        ("kidrr", "rounds", -1),
        ("kidrr", "levels", ["words"]),
        ("kidrr", "steps", 0),
        ("dcmh", "bits", 12),
        ("cca", "regularisation", 0.0),
        ("semantic_matching", "costs", [1.0, -1.0]),
    ],
)
def test_a_setting_out_of_range_is_refused_by_name(name: str, setting: str, value: object) -> None:
    with pytest.raises(ConfigError, match=rf"model\.{setting}"):
        build_method(name, {setting: value}, SIZES["ids"])


@pytest.mark.parametrize("name", list(METHODS))
def test_no_number_of_a_method_may_be_infinite(name: str) -> None:
    fields = METHODS[name].config_type.model_fields
    for setting in (key for key, field in fields.items() if field.annotation is float):
        with pytest.raises(ConfigError, match=rf"model\.{setting}: Input should be a finite number \(got inf\)"):
            build_method(name, {setting: math.inf}, SIZES["ids"])


def test_heads_that_do_not_divide_the_width_are_refused() -> None:
    with pytest.raises(ConfigError, match="3 heads do not divide a width of 16"):
        build_method("dual_encoder", {"width": 16, "heads": 3}, SIZES["ids"])
