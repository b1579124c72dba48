"""What many tests need: real spoken clips, and a cache that is nobody else's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from wakewright.core.manifest import Kind, Manifest
from wakewright.core.recipe import Recipe
from wakewright.data.voices import engine_named, plan, speak_all


@pytest.fixture(scope="session")
def shared_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One cache of spoken clips and rooms for the whole run of the tests."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def spoken(shared_cache: Path) -> Manifest:
    """Twelve clips of "hey katya", four of "okay katie" and eight sentences, by espeak-ng."""
    recipe = Recipe(phrase="hey katya")
    engines = [engine_named("espeak")]
    texts: tuple[tuple[Kind, str, int], ...] = (
        ("positive", "hey katya", 12),
        ("near_miss", "okay katie", 4),
        ("speech", "the kettle is on and the bread is cut", 8),
    )
    said = Manifest()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WAKEWRIGHT_CACHE", str(shared_cache))
        for kind, text, count in texts:
            said += speak_all(plan([text], count, engines, recipe, np.random.default_rng(1)), kind, workers=1)
    assert len(said) == 24
    return said
