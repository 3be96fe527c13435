"""Settings: layered, typed, and unknown keys answered with the nearest known one."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossgraph.config import ImagesConfig, RunConfig, merged, parse_change, read_config, validated
from crossgraph.errors import ConfigError

ROOT = Path(__file__).parents[1]
CONFIGS = sorted([*(ROOT / "configs").rglob("*.toml"), *(ROOT / "src").rglob("*.toml")])


def test_without_anything_the_defaults_hold() -> None:
    assert read_config(None) == RunConfig()


def test_later_layers_win_over_earlier_ones(tmp_path: Path) -> None:
    file = tmp_path / "run.toml"
    file.write_text('method = "kidrr"\n[training]\nepochs = 3\nseed = 5\n[model]\nwidth = 64\n', encoding="utf-8")
    config = read_config(
        file,
        changes=["training.epochs=4", "model.rounds=1", "training.epochs=6"],
        defaults={"method": "dual_encoder", "training": {"epochs": 2, "batch_size": 8}},
    )
    assert config.method == "kidrr"
    assert (config.training.epochs, config.training.seed, config.training.batch_size) == (6, 5, 8)
    assert config.model == {"width": 64, "rounds": 1}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3", 3),
        ("-0.5", -0.5),
        ("1e-3", 1e-3),
        ("true", True),
        ("kidrr", "kidrr"),
        ('"kidrr"', "kidrr"),
        ("[5, 2]", [5, 2]),
        ('["global", "local"]', ["global", "local"]),
        ("a folder/with = signs", "a folder/with = signs"),
        ("", ""),
    ],
)
def test_values_are_read_as_toml_and_else_as_text(text: str, value: object) -> None:
    parsed = parse_change(f"a.b={text}")["a"]["b"]
    assert parsed == value
    assert type(parsed) is type(value)


def test_changes_of_every_type_reach_their_setting() -> None:
    config = read_config(
        None, changes=["images.cells=[5, 2]", "images.mirror=true", "texts.encoder=minilm", "training.clip=1"]
    )
    assert config.images.cells == (5, 2)
    assert config.images.mirror is True
    assert config.texts.encoder == "minilm"
    assert config.training.clip == 1.0


@pytest.mark.parametrize("change", ["training.epochs", "=5", "training.=5", ".epochs=5", ""])
def test_a_change_without_key_or_value_is_refused(change: str) -> None:
    with pytest.raises(ConfigError, match=r"not of the form section\.key=value"):
        parse_change(change)


@pytest.mark.parametrize(
    ("change", "near"),
    [("metod=kidrr", "method"), ("training.epoch=3", "training.epochs"), ("images.cell=[3]", "images.cells")],
)
def test_an_unknown_key_is_answered_with_the_nearest(change: str, near: str) -> None:
    with pytest.raises(ConfigError, match=rf"unknown setting '{change.split('=')[0]}'\. Did you mean '{near}'\?"):
        read_config(None, changes=[change])


@pytest.mark.parametrize("change", ["training.bogus=1", "texts.zzz=1", "nonsense=1"])
def test_an_unknown_key_that_is_near_to_none_is_answered_with_all(change: str) -> None:
    with pytest.raises(ConfigError, match=rf"unknown setting '{change.split('=')[0]}'\. Known: "):
        read_config(None, changes=[change])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("training.epochs=0", r"training\.epochs: .*greater than or equal to 1 \(got 0\)"),
        ("training.epochs=2.5", r"training\.epochs"),
        ("training.schedule=linear", r"training\.schedule: .*'cosine', 'step' or 'constant'"),
        ("training.learning_rate=nan", r"training\.learning_rate"),
        ("training.learning_rate=inf", r"training\.learning_rate: Input should be a finite number \(got inf\)"),
        ("training.weight_decay=inf", r"training\.weight_decay: Input should be a finite number"),
        ("training.shares.one=inf", r"training\.shares\.one: Input should be a finite number"),
        ("training.seed=-1", r"training\.seed: .*greater than or equal to 0 \(got -1\)"),
        ("training.seed=100000000000000000000", r"training\.seed: "),
        ("training=5", r"training: "),
        ("images.cells=5", r"images\.cells"),
        ("images.size=8", r"images\.size"),
        ("images.crops=[0]", r"images\.crops\.0: .*greater than or equal to 1"),
        ("training.learning_rate=1e300", r"training\.learning_rate: .*less than or equal to 1000000"),
    ],
)
def test_a_value_that_does_not_fit_is_refused_by_name(change: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read_config(None, changes=[change])


def test_all_problems_are_told_at_once() -> None:
    with pytest.raises(ConfigError) as told:
        read_config(None, changes=["training.epochs=0", "nonsense=1"])
    assert "training.epochs" in str(told.value)
    assert "nonsense" in str(told.value)


def test_a_section_is_named_before_its_keys() -> None:
    with pytest.raises(ConfigError, match=r"'pictures\.sise'\. Did you mean 'pictures\.size'\?"):
        validated(ImagesConfig, {"sise": 64}, section="pictures")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no config file .*absent\.toml"):
        read_config(tmp_path / "absent.toml")


@pytest.mark.parametrize("content", [b"epochs = = 3", b"\xff\xfe", b"[training\nepochs = 3"])
def test_a_file_that_is_not_toml_is_named_with_the_problem(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "bad.toml"
    file.write_bytes(content)
    with pytest.raises(ConfigError, match=r"bad\.toml cannot be read as TOML: ."):
        read_config(file)


def test_a_folder_in_the_place_of_a_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        read_config(tmp_path)


trees = st.recursive(
    st.integers(), lambda below: st.dictionaries(st.sampled_from("abc"), below, max_size=3), max_leaves=6
).filter(lambda tree: isinstance(tree, dict))


@given(trees, trees)
def test_merging_changes_neither_side_and_the_second_wins(base: dict, over: dict) -> None:  # type: ignore[type-arg]
    before = repr((base, over))
    both = merged(base, over)
    assert repr((base, over)) == before
    assert merged(both, over) == both
    assert set(both) == set(base) | set(over)
    for key, value in base.items():
        if key not in over:
            assert both[key] == value


def test_settings_cannot_be_changed_afterwards() -> None:
    with pytest.raises(ValueError, match="frozen"):
        RunConfig().training.epochs = 3  # type: ignore[misc]


def test_settings_survive_json() -> None:
    config = read_config(None, changes=["images.cells=[5, 2]", "model.width=8", "training.average=0.9"])
    assert RunConfig.model_validate_json(config.model_dump_json()) == config
