"""The front end in a recipe: what may be said of it, and that recipes without one stay what they were."""

from __future__ import annotations

from pathlib import Path

import pytest

from wakewright.core.compose import commented, dump, load_recipe, presets
from wakewright.core.errors import RecipeError
from wakewright.core.recipe import Frontend, Model

TINY = "model.name=mixednet"


def test_a_recipe_that_names_none_is_told_as_before_there_were_any() -> None:
    """Runs and kept features are known by what a recipe dumps to."""
    assert dump(load_recipe(phrase="x"))["model"] == {"name": "speech_embedding", "width": 1.0, "hidden": 64}
    for name in presets():
        recipe = load_recipe(phrase="x", layers=[name])
        assert recipe.model.frontend is None
        assert "frontend" not in recipe.model_dump()["model"]


@pytest.mark.parametrize("word", ["model.frontend=null", "model.frontend.kind=micro", "model.frontend={kind: micro}"])
def test_micro_by_its_name_is_what_null_says(word: str) -> None:
    assert load_recipe(None, [TINY, word], "x") == load_recipe(None, [TINY], "x")


def test_settings_are_kept_through_a_file(tmp_path: Path) -> None:
    words = ["model.frontend.kind=mfcc", "model.frontend.hop_ms=12.5", "model.frontend.cmvn=false"]
    recipe = load_recipe(None, [TINY, *words], "x")
    assert recipe.model.frontend == Frontend(kind="mfcc", hop_ms=12.5, cmvn=False)
    (tmp_path / "recipe.yaml").write_text(commented(recipe), encoding="utf-8")
    assert load_recipe(tmp_path / "recipe.yaml") == recipe
    assert Model.model_validate(recipe.model.model_dump()) == recipe.model
    assert load_recipe(tmp_path / "recipe.yaml", ["model.frontend=null"]).model.frontend is None


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("{kind: mfc}", r"model\.frontend\.kind: should be 'mel' or 'mfcc'\n  got: mfc\n  do:  did you mean mfcc"),
        (
            "{kind: micro, n_mels: 20}",
            r"model\.frontend: micro is the front end that devices run, and has no settings",
        ),
        ("{hop_ms: 35}", r"model\.frontend\.hop_ms: sound between the frames would not be heard, .* 30\n  got: 35"),
        ("{hop_ms: 10.1}", r"model\.frontend\.hop_ms: should be a multiple of 0\.5"),
        ("{window_ms: 4}", r"model\.frontend\.window_ms: should be greater than or equal to 5"),
        ("{fmin_hz: 7500}", r"model\.frontend\.fmin_hz: not below fmax_hz, which is 7500\n  got: 7500"),
        ("{fmax_hz: 9000}", r"model\.frontend\.fmax_hz: should be less than or equal to 8000"),
        ("{kind: mfcc, n_mfcc: 50}", r"model\.frontend\.n_mfcc: more coefficients than bands, .* 40\n  got: 50"),
        (
            "{n_mel: 40}",
            r"model\.frontend\.n_mel: there is no such setting\n.*\n.*did you mean model\.frontend\.n_mels",
        ),
    ],
)
def test_what_makes_no_front_end_is_refused(setting: str, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        load_recipe(None, [TINY, f"model.frontend={setting}"], "x")


def test_the_head_on_the_embedding_hears_through_nothing_else() -> None:
    with pytest.raises(RecipeError, match=r"model\.frontend: the speech embedding is a front end itself"):
        load_recipe(None, ["model.frontend.kind=mel"], "x")
