"""What every engine owes, asked of each that is installed."""

from __future__ import annotations

import dataclasses
import pickle
from pathlib import Path

import numpy as np
import pytest

from wakewright.core.audio import SAMPLE_RATE, rms
from wakewright.core.errors import NoVoice, RecipeError
from wakewright.core.recipe import Recipe, Voices
from wakewright.data.voices import BatchEngine, Engine, Utterance, all_engines, engine_named, installed_engines
from wakewright.data.voices.clean import clean

TEXT = "hey katya, how are you"
PROGRAMS = ["espeak", "flite", "festival", "pico", "mbrola", "rhvoice"]
SECTIONS = {
    "main": ("flite", "festival", "festvox-kallpc16k", "festvox-kdlpc16k", "festvox-us-slt-hts", "espeak-ng"),
    "contrib": ("festvox-rablpc16k", "mbrola"),
    "non-free": (
        "libttspico-utils", "mbrola-us1", "mbrola-us2", "mbrola-us3", "mbrola-en1", "rhvoice", "rhvoice-english",
    ),
}  # fmt: skip
"""In which section Debian 12 has a package: apt-get installs nothing of a line of which it lacks one."""


@pytest.fixture(params=PROGRAMS)
def engine(request: pytest.FixtureRequest) -> Engine:
    found = engine_named(request.param)
    if not found.installed():
        pytest.skip(f"{found.name} is not installed: {found.how_to_get}")
    return found


def utterance(engine: Engine, text: str = TEXT, **changes: object) -> Utterance:
    voice = engine.voices("en-us")[0]
    made = Utterance(text, engine.name, voice.name, voice.speakers[-1], settings=voice.settings)
    return dataclasses.replace(made, **changes)  # type: ignore[arg-type]


def test_every_voice_speaks_a_plausible_clip(engine: Engine) -> None:
    voices = engine.voices("en-us")
    assert voices
    assert len({voice.name for voice in voices}) == len(voices)
    for voice in voices:
        said = Utterance(TEXT, engine.name, voice.name, voice.speakers[0], settings=voice.settings)
        samples = clean(engine.speak(said), said)
        assert samples.dtype == np.float32, voice
        assert samples.ndim == 1, voice
        assert 0.6 < len(samples) / SAMPLE_RATE < 4, voice
        assert rms(samples) > 0.005, voice


def test_the_same_utterance_is_the_same_sound_whatever_was_spoken_before(engine: Engine) -> None:
    first = engine.speak(utterance(engine))
    engine.speak(utterance(engine, "something else entirely", rate=1.3, pitch=0.8))
    assert np.array_equal(first, engine.speak(utterance(engine)))


def test_rate_changes_the_length(engine: Engine) -> None:
    slow, fast = (clean(engine.speak(u), u) for u in (utterance(engine, rate=r) for r in (0.75, 1.3)))
    assert "rate" in engine.varies
    assert len(slow) / len(fast) == pytest.approx(1.3 / 0.75, rel=0.2)


def test_pitch_changes_the_pitch(engine: Engine) -> None:
    # no variant (some whisper), and not festival's HTS voice, which keeps its pitch
    voice = next(v.name for v in engine.voices("en-us") if not v.name.endswith("_hts"))
    low, high = (pitch_hz(engine.speak(utterance(engine, voice=voice, variant="", pitch=p))) for p in (0.8, 1.25))
    assert high / low == pytest.approx(1.25 / 0.8, rel=0.2)


def test_text_that_looks_like_an_option_markup_or_code_is_spoken(engine: Engine) -> None:
    for text in ("-h is an option", '"quoted" \\ back', "a < b & c > d", "$(touch nothing); hello `there`", "don't"):
        said = utterance(engine, text)
        assert len(clean(engine.speak(said), said)) > 0.3 * SAMPLE_RATE, text


def test_an_unknown_voice_is_an_error_that_names_the_engine(engine: Engine) -> None:
    with pytest.raises(NoVoice, match=engine.name):
        engine.speak(utterance(engine, voice="nobody", variant=""))


def test_no_voice_for_a_language_it_does_not_speak(engine: Engine) -> None:
    assert engine.voices("xx") == []
    assert {v.language.split("-")[0] for v in engine.voices("en-gb")} == {"en"}


def test_it_can_be_sent_to_another_process(engine: Engine) -> None:
    assert pickle.loads(pickle.dumps(engine)).name == engine.name


def test_every_engine_says_what_it_is() -> None:
    engines = all_engines()
    assert [e.name for e in engines] == [*PROGRAMS, "piper", "command"]
    assert all(e.licence and e.how_to_get for e in engines)


@pytest.mark.parametrize("name", ["flite", "festival", "pico", "mbrola", "rhvoice"])
def test_a_line_for_debian_names_every_section_that_it_needs(name: str) -> None:
    said = engine_named(name).how_to_get
    line = said.split("apt-get install ", 1)[1].split(";")[0]
    needed = {section for section, packages in SECTIONS.items() for word in line.split() if word in packages}
    assert set(line.split()) <= {package for packages in SECTIONS.values() for package in packages}
    assert all(section in said for section in needed - {"main"})


def test_only_the_engines_asked_for() -> None:
    recipe = Recipe(phrase="hey katya", voices=Voices(engines=("espeak",)))
    assert [e.name for e in installed_engines(recipe)] == ["espeak"]


def test_an_unknown_engine_gets_the_nearest_name() -> None:
    recipe = Recipe(phrase="hey katya", voices=Voices(engines=("espeek",)))
    with pytest.raises(RecipeError, match=r"(?s)no such engine.*'espeek'.*did you mean 'espeak'"):
        installed_engines(recipe)


def test_none_installed_says_how_to_get_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    recipe = Recipe(phrase="hey katya", voices=Voices(engines=("flite", "pico")))
    with pytest.raises(NoVoice, match=r"(?s)no speech synthesiser is installed.*flite, pico.*apt-get install flite"):
        installed_engines(recipe)


def test_festival_batches_and_one_failure_leaves_the_others() -> None:
    festival = engine_named("festival")
    if not festival.installed():
        pytest.skip("festival is not installed")
    assert isinstance(festival, BatchEngine)
    good = utterance(festival)
    spoken = festival.speak_batch([good, dataclasses.replace(good, voice="nobody"), good])
    assert isinstance(spoken[1], NoVoice)
    assert "nobody" in spoken[1].got
    assert not isinstance(spoken[0], NoVoice)
    assert not isinstance(spoken[2], NoVoice)
    assert np.array_equal(spoken[0], spoken[2])


def test_espeak_offers_eight_accents_with_all_their_variants() -> None:
    voices = engine_named("espeak").voices("en-us")
    assert len(voices) == 8
    assert all(len(v.variants) > 90 for v in voices)
    assert not any("Shaw" in v.name for v in voices)
    assert [v.name for v in engine_named("espeak").voices("de")] == ["gmw/de"]


def test_espeak_refuses_a_variant_it_does_not_have() -> None:
    with pytest.raises(NoVoice, match=r"gmw/en-US\+nobody"):
        engine_named("espeak").speak(Utterance("hello", "espeak", "gmw/en-US", "nobody"))


def test_mbrola_offers_only_voices_whose_diphones_are_here() -> None:
    mbrola = engine_named("mbrola")
    if not mbrola.installed():
        pytest.skip("mbrola is not installed")
    names = [v.name for v in mbrola.voices("en")]
    assert names
    for name in names:
        diphones = name.split("-")[1]
        assert list(Path("/usr/share/mbrola").rglob(diphones)) or list(
            Path("/usr/local/share/mbrola").rglob(diphones)
        )
    foreign = [name for name in names if name.count("-") == 2]
    assert names[len(names) - len(foreign) :] == foreign  # native voices come first


def pitch_hz(samples: np.ndarray) -> float:
    """Median over voiced 40 ms frames of the autocorrelation's peak between 60 and 400 Hz."""
    found = []
    for start in range(0, len(samples) - 640, 160):
        frame = samples[start : start + 640].astype(np.float64)
        if np.abs(frame).max() < 0.2 * np.abs(samples).max():
            continue
        lags = np.correlate(frame, frame, "full")[639:]
        best = 40 + int(lags[40:267].argmax())
        if lags[best] > 0.5 * lags[0]:
            found.append(SAMPLE_RATE / best)
    return float(np.median(found))


def test_every_engine_is_in_the_table_of_licences() -> None:
    table = (Path(__file__).parents[3] / "docs" / "licences.md").read_text(encoding="utf-8")
    for found in all_engines():
        assert f"| `{found.name}` |" in table
