"""Speaking many: cached, in several processes, with failures counted."""

from __future__ import annotations

import dataclasses
import itertools
import logging
import multiprocessing
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

from wakewright.core import audio
from wakewright.core.errors import EnvironmentProblem, NoVoice
from wakewright.core.files import cache_dir
from wakewright.core.recipe import Recipe, Voices
from wakewright.data.voices import Utterance, engine_named, installed_engines, plan, speak_all
from wakewright.data.voices.speak import cached_seconds, clip_path, speak_chunk


def espeak(count: int, *texts: str) -> list[Utterance]:
    recipe = Recipe(phrase="hey katya")
    return plan(texts or ("hey katya",), count, [engine_named("espeak")], recipe, np.random.default_rng(1))


def command(text: str, *words: str) -> Utterance:
    line = (sys.executable, "-c", *words) if words else ()
    return Utterance(text, "command", "python", settings=(("command", line),))


def test_clips_come_in_order_with_all_they_are() -> None:
    said = espeak(6, "hey katya", "good morning")
    manifest = speak_all(said, "near_miss", workers=1)
    assert [c.text for c in manifest] == [u.text for u in said]
    for clip, utterance in zip(manifest, said, strict=True):
        assert (clip.kind, clip.speaker, clip.source, clip.real) == ("near_miss", utterance.speaker, "espeak", False)
        assert "GPL-3.0" in clip.licence
        assert Path(clip.path) == cache_dir() / "speech" / utterance.fingerprint[:2] / f"{utterance.fingerprint}.wav"
        info = soundfile.info(clip.path)
        assert (info.samplerate, info.channels, info.subtype) == (16000, 1, "PCM_16")
        assert clip.seconds == info.frames / 16000
        assert 0.2 < clip.seconds < 2


def test_a_second_call_reads_the_cache_only(monkeypatch: pytest.MonkeyPatch) -> None:
    said = espeak(20)
    first = speak_all(said, "positive", workers=1)
    changed = {c.path: Path(c.path).stat().st_mtime_ns for c in first}
    monkeypatch.setattr("wakewright.data.voices.speak.engine_named", lambda name: pytest.fail("spoke again"))
    assert speak_all(said, "positive", workers=1) == first
    assert {c.path: Path(c.path).stat().st_mtime_ns for c in first} == changed


def test_several_processes_make_the_same_bytes_as_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = Recipe(phrase="hey katya", voices=Voices(engines=("espeak", "flite", "festival", "mbrola")))
    said = plan(["hey katya"], 40, installed_engines(recipe), recipe, np.random.default_rng(3))
    made = []
    for workers, order in ((1, said), (2, said[::-1])):
        monkeypatch.setenv("WAKEWRIGHT_CACHE", str(tmp_path / str(workers)))
        manifest = speak_all(order, "positive", workers=workers)
        made.append({Path(c.path).name: Path(c.path).read_bytes() for c in manifest})
    assert len(made[0]) == 40
    assert made[0] == made[1]


def test_a_clip_cut_off_in_the_cache_is_spoken_again() -> None:
    said = espeak(2)
    whole = [Path(c.path).read_bytes() for c in speak_all(said, "positive", workers=1)]
    path = clip_path(cache_dir() / "speech", said[0])
    for broken in (whole[0][:-100], whole[0][:20], b""):
        path.write_bytes(broken)
        assert cached_seconds(path) is None
        speak_all(said, "positive", workers=1)
        assert path.read_bytes() == whole[0]


def test_twins_are_spoken_once_and_both_listed() -> None:
    said = espeak(1) * 3
    seen: list[tuple[int, int]] = []
    manifest = speak_all(said, "positive", workers=1, progress=lambda done, total: seen.append((done, total)))
    assert len(manifest) == 3
    assert len({c.path for c in manifest}) == 1
    assert seen == [(0, 1), (1, 1)]


def test_progress_reaches_the_end() -> None:
    seen: list[tuple[int, int]] = []
    speak_all(espeak(70), "positive", workers=1, progress=lambda done, total: seen.append((done, total)))
    assert seen[0] == (0, 70)
    assert seen[-1] == (70, 70)
    assert all(a[0] <= b[0] for a, b in itertools.pairwise(seen))


WRITES = "import sys, wave; w = wave.open(sys.argv[1], 'wb'); w.setparams((1, 2, 16000, 0, 'NONE', '')); "
SPEAKS = WRITES + "w.writeframes(b'\\x00\\x20\\x00\\xe0' * 4000)  # {text}"
SILENT = WRITES + "w.writeframes(bytes(16000))  # {text}"
FAILS = "import sys; sys.exit('no lungs')  # {text} {out}"


def test_few_failures_are_left_out_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    said = [command(f"word {i}", SPEAKS, "{out}") for i in range(5)] + [command("broken", FAILS)]
    with caplog.at_level(logging.WARNING):
        manifest = speak_all(said, "positive", workers=1)
    assert [c.text for c in manifest] == [f"word {i}" for i in range(5)]
    assert "no lungs" in caplog.text


def test_many_failures_name_the_engine_and_what_it_said() -> None:
    said = [command(f"word {i}", SPEAKS, "{out}") for i in range(3)] + [command("broken", FAILS)]
    with pytest.raises(NoVoice, match=r"(?s)command fails too often.*1 of 4.*exit status 1: no lungs.*leave it out"):
        speak_all(said, "positive", workers=1)


def test_a_silent_engine_fails() -> None:
    with pytest.raises(NoVoice, match=r"(?s)command fails too often.*silence"):
        speak_all([command("word", SILENT, "{out}")], "positive", workers=1)


def test_a_failure_is_tried_once_more(tmp_path: Path) -> None:
    once = (
        f"import pathlib, sys; p = pathlib.Path({str(tmp_path / 'tried')!r})\n"
        "if not p.exists(): p.touch(); sys.exit('not yet')\n"
    ) + SPEAKS
    assert len(speak_all([command("word", once, "{out}")], "positive", workers=1)) == 1


def test_a_dead_process_is_an_error_not_a_hang() -> None:
    kills = "import os, sys; os.kill(os.getppid(), 9)  # {text} {out}"
    said = [command(f"word {i}", kills) for i in range(30)]
    with pytest.raises(EnvironmentProblem, match=r"(?s)ended from outside.*engine\.workers=1"):
        speak_all(said, "positive", workers=2)


def test_two_processes_at_once_do_not_corrupt_the_cache() -> None:
    said = espeak(60)
    folder = cache_dir() / "speech"
    context = multiprocessing.get_context("spawn")
    others = [context.Process(target=speak_chunk, args=(said, folder)) for _ in range(2)]
    for other in others:
        other.start()
    while any(other.is_alive() for other in others):
        for path in folder.rglob("*.wav"):
            if not path.name.startswith("."):
                assert cached_seconds(path)  # whole at any moment
        time.sleep(0.02)
    for other in others:
        other.join()
        assert other.exitcode == 0
    files = sorted(folder.rglob("*"))
    assert sorted(p.stem for p in files if p.is_file()) == sorted(u.fingerprint for u in said)
    for utterance in said:
        assert len(audio.load(clip_path(folder, utterance))) > 1000


def test_espeak_speaks_fast_enough() -> None:
    said = espeak(100)
    engine = engine_named("espeak")
    start = time.process_time()
    for utterance in said:
        engine.speak(utterance)
    assert len(said) / (time.process_time() - start) > 25


def test_the_licence_comes_from_the_utterance_not_the_cache() -> None:
    said = espeak(1)[0]
    speak_all([said], "positive", workers=1)
    manifest = speak_all([dataclasses.replace(said, licence="other")], "positive", workers=1)
    assert manifest.clips[0].licence == "other"
