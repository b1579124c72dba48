"""Recipes: what is laid over what, what is refused and how it is said."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wakewright.core import yamltext
from wakewright.core.compose import commented, dump, field_names, load_recipe, merge, nearest, presets, target_preset
from wakewright.core.errors import RecipeError
from wakewright.core.recipe import Recipe


def refused(tmp_path: Path, text: str = "phrase: hey katya", *overrides: str) -> str:
    path = tmp_path / "r.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(RecipeError) as caught:
        load_recipe(path, overrides)
    assert caught.value.exit_code == 2
    return str(caught.value)


def test_defaults_need_only_a_phrase() -> None:
    assert load_recipe(phrase="hey katya") == Recipe(phrase="hey katya")


def test_overrides_beat_layers_beat_the_file_beats_its_base(tmp_path: Path) -> None:
    (tmp_path / "ground.yaml").write_text("train: {steps: 10, batch_size: 16, lr: 0.5}\nseed: 2\n")
    (tmp_path / "mine.yaml").write_text("base: ground.yaml\nphrase: hey katya\ntrain: {steps: 20, lr: 0.25}\n")
    plain = load_recipe(tmp_path / "mine.yaml")
    assert (plain.train.steps, plain.train.batch_size, plain.train.lr, plain.seed) == (20, 16, 0.25, 2)
    laid = load_recipe(tmp_path / "mine.yaml", ["train.lr=3e-4"], "computer", layers=["quick"])
    assert (laid.train.steps, laid.train.batch_size, laid.train.lr) == (500, 16, 3e-4)
    assert laid.phrase == "computer"


def test_a_base_may_be_a_preset_and_a_file_may_be_named_like_it(tmp_path: Path) -> None:
    (tmp_path / "esp32.yaml").write_text("base: esp32\nphrase: hey katya\n")
    assert load_recipe(tmp_path / "esp32.yaml").model.name == "mixednet"


def test_bases_that_go_round_are_refused(tmp_path: Path) -> None:
    (tmp_path / "b.yaml").write_text("base: r.yaml\n")
    assert "recipes name each other as base:\n  got: r.yaml -> b.yaml -> r.yaml" in refused(tmp_path, "base: b.yaml")
    assert "got: r.yaml -> r.yaml" in refused(tmp_path, "base: r.yaml")


def test_null_takes_a_part_away_and_a_setting_in_it_brings_it_back(tmp_path: Path) -> None:
    (tmp_path / "r.yaml").write_text("base: esp32\nphrase: x\ntrain: {distill: {weight: 0.5}}\n")
    with_it = load_recipe(tmp_path / "r.yaml").train.distill
    assert with_it is not None
    assert (with_it.weight, with_it.temperature) == (0.5, 1.5)
    assert load_recipe(tmp_path / "r.yaml", ["train.distill=null"]).train.distill is None
    back = load_recipe(None, ["train.distill.weight=0.25"], "x").train.distill
    assert back is not None
    assert back.weight == 0.25


def test_teachers_are_a_list_of_settings_of_their_own(tmp_path: Path) -> None:
    taught = load_recipe(None, ["train.distill.teachers=[{kind: speech_embedding}, {}]"], "x")
    assert taught.train.distill is not None
    assert len(taught.train.distill.teachers) == 2
    (tmp_path / "taught.yaml").write_text(commented(taught))
    assert load_recipe(tmp_path / "taught.yaml") == taught
    with pytest.raises(RecipeError, match=r"distill.teachers.0.kind.*speech_embedding"):
        load_recipe(None, ["train.distill.teachers=[{kind: speech_embeding}]"], "x")
    with pytest.raises(RecipeError, match=r"distill.teachers: .*at least 1"):
        load_recipe(None, ["train.distill.teachers=[]"], "x")


def test_the_older_spelling_enabled_is_understood() -> None:
    assert load_recipe(None, ["train.distill.enabled=true"], "x").train.distill is not None
    assert load_recipe(None, ["train.distill.enabled=false"], "x").train.distill is None


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3e-4", 3e-4),
        ("1E5", 1e5),
        (".5", 0.5),
        ("-.inf", float("-inf")),
        ("012", 12),
        ("0x1f", 31),
        ("on", "on"),
        ("no", "no"),
        ("1:30", "1:30"),
        ("2026-01-01", "2026-01-01"),
        ("true", True),
        ("null", None),
        ("", None),
        ("[a, b]", ["a", "b"]),
    ],
)
def test_values_are_read_as_yaml_1_2(text: str, value: object) -> None:
    assert yamltext.read(text, "here") == value


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
        max_leaves=8,
    )
)
def test_whatever_is_written_reads_back(value: object) -> None:
    text = yamltext.write(value)
    assert len(text.splitlines()) <= 1
    assert yamltext.read(text, "here") == value


@pytest.mark.parametrize(
    "text", ["a\nb", "\x85", "a\u2028", "\u2029b", "on", "3e-4", "", "~", "# x", "\ud800", "é: [🙂"]
)
def test_awkward_text_is_written_on_one_line_and_reads_back(text: str) -> None:
    assert len(yamltext.write([text]).splitlines()) == 1
    assert yamltext.read(yamltext.write([text]), "here") == [text]


@given(
    st.text(min_size=1),
    st.floats(1e-9, 1e9),
    st.lists(st.text(), max_size=3),
    st.sampled_from([None, {}, {"weight": 0.123456789}]),
)
def test_a_commented_recipe_loads_back_to_the_same(
    phrase: str, lr: float, spellings: list[str], distill: dict[str, float] | None
) -> None:
    recipe = Recipe.model_validate(
        {
            "phrase": phrase,
            "train": {"lr": lr, "distill": distill},
            "phrases": {"spellings": spellings},
            "recordings": None if distill is None else {"paths": spellings},
        }
    )
    assert Recipe.model_validate(yamltext.read(commented(recipe), "here")) == recipe


def test_every_setting_stands_in_a_commented_recipe_with_its_meaning() -> None:
    lines = commented(load_recipe(phrase="hey katya")).splitlines()
    for number, line in enumerate(lines):
        if ":" in line and not line.lstrip().startswith("#"):
            assert lines[number - 1].lstrip().startswith("# "), line
    assert "  # Peak learning rate of AdamW." in lines
    assert max(map(len, lines)) <= 118


def test_a_misspelt_key_is_named_with_its_value_and_the_nearest(tmp_path: Path) -> None:
    assert refused(tmp_path, "phrase: x", "train.lrr=3") == (
        "train.lrr: there is no such setting\n  got: 3\n  do:  did you mean train.lr?"
    )
    assert "did you mean train.lr?" in refused(tmp_path, "phrase: x", "lr=3")
    assert "did you mean voices.positives?" in refused(tmp_path, "phrase: x\nvoices: {positive: 3}")
    assert "did you mean phrase?" in refused(tmp_path, "phrase: x\nprase: y")
    assert nearest("zzzzzz") is None


def test_wrong_types_and_ranges_say_value_and_reason(tmp_path: Path) -> None:
    assert "train.steps: should be a valid integer" in refused(tmp_path, "phrase: x", "train.steps=many")
    assert "train.lr: should be greater than 0\n  got: -1" in refused(tmp_path, "phrase: x", "train.lr=-1")
    assert "train.lr: should be a finite number" in refused(tmp_path, "phrase: x", "train.lr=.inf")
    assert "model.name: should be" in refused(tmp_path, "phrase: x", "model.name=mixdnet")
    assert "did you mean mixednet?" in refused(tmp_path, "phrase: x", "model.name=mixdnet")
    assert "voices.rate: the low end 2.0 is above the high end 1.0\n  got: [2, 1]" in refused(
        tmp_path, "phrase: x", "voices.rate=[2, 1]"
    )
    said = refused(tmp_path, "phrase: x", "train=3")
    assert "train: holds settings of its own\n  got: 3\n  do:  set one of train.steps" in said


def test_several_mistakes_are_told_at_once(tmp_path: Path) -> None:
    said = refused(tmp_path, "train: {lrr: 1, steps: 0}")
    assert said.startswith("3 settings of the recipe cannot be used\n")
    assert "\n  phrase: is missing" in said
    assert "\n  train.lrr: there is no such setting, got 1 (did you mean train.lr?)" in said
    assert "\n  train.steps: should be greater than 0, got 0" in said


def test_a_recipe_of_a_newer_format_says_to_update(tmp_path: Path) -> None:
    said = refused(tmp_path, "format: 2\nphrase: x\nwhat_is_this: 1")
    assert "was written for a newer wakewright\n  got: format 2" in said
    assert "update wakewright" in said
    (tmp_path / "new.yaml").write_text("format: 3\n")
    assert "format 3" in refused(tmp_path, "base: new.yaml")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "phrase: x\nseed: 1\nseed: 2",
            "line 3, column 1 is not valid YAML\n  got: the key 'seed' stands here twice",
        ),
        ("phrase: [x", "line 1, column 11 is not valid YAML"),
        ("phrase: !!python/object/apply:os.system [ls]", "is not valid YAML"),
        ("- a\n- b", "is not a recipe\n  got: [a, b]"),
        ("base: [pi, quick]", "base must be one file or preset"),
        ("base: esp23", "base names neither a file nor a preset\n  got: esp23\n  do:  did you mean esp32?"),
        ("base: {a: 1}", "base must be one file or preset"),
        ("? [a, b]\n: c", "is not valid YAML"),
    ],
)
def test_broken_files_say_where(tmp_path: Path, text: str, said: str) -> None:
    assert said in refused(tmp_path, text)


def test_a_file_that_is_no_text_or_not_there(tmp_path: Path) -> None:
    (tmp_path / "r.yaml").write_bytes(b"\xff\xfe\x00phrase")
    with pytest.raises(RecipeError, match="is not text"):
        load_recipe(tmp_path / "r.yaml")
    with pytest.raises(RecipeError, match="no recipe at"):
        load_recipe(tmp_path / "nowhere.yaml")
    with pytest.raises(RecipeError, match="no recipe at"):
        load_recipe(tmp_path)


def test_a_file_with_windows_line_ends_and_a_byte_order_mark(tmp_path: Path) -> None:
    (tmp_path / "r.yaml").write_bytes("\ufeffphrase: größe\r\nseed: 3\r\n".encode())
    assert (load_recipe(tmp_path / "r.yaml").phrase, load_recipe(tmp_path / "r.yaml").seed) == ("größe", 3)


@pytest.mark.parametrize("word", ["train.lr", "=3", "train..lr=3", ".=3"])
def test_an_override_must_read_key_value(tmp_path: Path, word: str) -> None:
    assert "an override must read key=value" in refused(tmp_path, "phrase: x", word)


@pytest.mark.parametrize("name", presets())
def test_every_preset_is_valid(name: str) -> None:
    assert load_recipe(phrase="hey katya", layers=[name]).phrase == "hey katya"


def test_a_preset_that_is_not_there_names_the_nearest() -> None:
    assert target_preset("server")["model"] == {"name": "speech_embedding"}
    with pytest.raises(RecipeError, match="did you mean server"):
        target_preset("sever")


def test_merging_changes_neither_side() -> None:
    under, over = {"a": {"b": 1}}, {"a": {"c": 2}}
    assert merge(under, over) == {"a": {"b": 1, "c": 2}}
    assert (under, over) == ({"a": {"b": 1}}, {"a": {"c": 2}})


def test_field_names_reach_every_leaf() -> None:
    names = set(field_names())
    assert {"phrase", "train", "train.lr", "train.distill.weight", "recordings.paths"} <= names
    assert "phrase" in dump(load_recipe(phrase="x"))


@pytest.mark.parametrize(
    ("setting", "advice"),
    [
        ("train.lr=abc", "the default is 0.001"),
        ("model.name=tiny", "speech_embedding"),
        ("train.pretrain.lr=x", "0.002"),
    ],
)
def test_a_wrong_value_is_answered_with_a_right_one(setting: str, advice: str) -> None:
    with pytest.raises(RecipeError) as found:
        load_recipe(None, [setting], "hey katya")
    assert advice in found.value.do
