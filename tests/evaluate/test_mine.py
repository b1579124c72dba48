"""The search for mistakes: it finds what the detector does on continuous audio, once each, whatever interrupts it."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import http.server
import io
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from wakewright import pipeline
from wakewright.core.audio import SAMPLE_RATE, Samples, load, write_wav
from wakewright.core.errors import AudioError, InputError, RunError
from wakewright.core.manifest import Manifest
from wakewright.core.mined import Found, Mined
from wakewright.core.mp3 import read_mp3
from wakewright.core.progress import Progress
from wakewright.core.recipe import Model, Recipe
from wakewright.core.run import Run
from wakewright.detect import household
from wakewright.detect.detector import Detector
from wakewright.dsp import frontend
from wakewright.evaluate import alike, sources
from wakewright.evaluate.mine import Catch, Keeper, Search, Totals, mine, search_block
from wakewright.evaluate.peaks import peak_steps
from wakewright.evaluate.sources import BLOCK_S, Source, blocks_of, live_blocks, material
from wakewright.models import registry

MINUTES = 10.5


@pytest.fixture(scope="module")
def hours(tmp_path_factory: pytest.TempPathFactory, spoken: Manifest) -> Path:
    """A folder with one recording of ten minutes and a half, three blocks, in which sentences come at many levels."""
    rng = np.random.default_rng(5)
    sound = rng.normal(0, 1e-3, round(MINUTES * 60) * SAMPLE_RATE).astype(np.float32)
    clips = [load(clip.path) for clip in spoken.of("speech", "near_miss")]
    for at in range(3 * SAMPLE_RATE, len(sound) - 5 * SAMPLE_RATE, 4 * SAMPLE_RATE):
        said = clips[int(rng.integers(len(clips)))]
        said = np.interp(np.arange(0, len(said), rng.uniform(0.7, 1.3)), np.arange(len(said)), said).astype(
            np.float32
        )
        said = said[: len(sound) - at]
        sound[at : at + len(said)] += said * np.float32(rng.uniform(0.05, 1))
    folder = tmp_path_factory.mktemp("hours")
    write_wav(folder / "radio.wav", np.clip(sound, -1, 1))
    return folder


@pytest.fixture(scope="module")
def minutes(tmp_path_factory: pytest.TempPathFactory, hours: Path) -> Path:
    """A folder with the first two minutes of it."""
    folder = tmp_path_factory.mktemp("minutes")
    write_wav(folder / "radio.wav", load(hours / "radio.wav")[: 120 * SAMPLE_RATE])
    return folder


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, hours: Path) -> Path:
    """A tiny detector with chance weights whose scores differ widely; a dozen peaks reach its threshold."""
    folder = Run.create(
        Recipe(phrase="hey katya", model=Model(name="mixednet", width=0.25)), tmp_path_factory.mktemp("run")
    )
    torch.manual_seed(2)
    model = registry.create(registry.Dimensions("mixednet", 0.25)).eval()
    frames = torch.from_numpy(frontend.create("micro").push(load(hours / "radio.wav")[: 120 * SAMPLE_RATE]))[None]
    with torch.no_grad():
        for start in range(0, 4000, 100):  # so that its normalisation knows what it will hear
            model.train()(frames[:, start : start + 3000])
        model.eval()
        logits = model(frames[:, : frames.shape[1] // model.stride * model.stride])[0]
        spread = 2.0 / logits.std()
        (weight, bias) = model.last.parameters()
        weight.mul_(spread)
        bias.mul_(spread).sub_(spread * logits.mean() + 3.0)
    pipeline._export(folder, model)
    detector = Detector.load(folder.folder, threshold=1.0)
    scores = detector.score(load(hours / "radio.wav"))
    heights = np.sort(scores[peak_steps(scores, detector.hop_s)])
    about = json.loads(folder.metadata_path.read_text(encoding="utf-8"))
    folder.metadata_path.write_text(json.dumps(about | {"threshold": float(heights[-12])}), encoding="utf-8")
    return folder.folder


def searched(run: Path, words: list[Path], into: Path, **settings: object) -> tuple[Mined, Totals]:
    """One search into a folder."""
    mined, said = Mined(into), []
    search = Search.of(run, **{k: settings.pop(k) for k in ("near", "judge") if k in settings})  # type: ignore[arg-type]
    options: dict[str, object] = {"workers": 1} | settings
    totals = mine(
        search, material([str(w) for w in words]), mined, progress=Progress(quiet=True), say=said.append, **options
    )  # type: ignore[arg-type]
    return mined, totals


def whole(run: Path, path: Path) -> tuple[np.ndarray, np.ndarray]:
    """(seconds, heights) of the peaks of a recording heard in one go."""
    detector = Detector.load(run, threshold=1.0)
    quiet = sources.quiet(sources.QUIET_S)
    sound = np.concatenate([quiet, load(path), sources.quiet(sources.AFTER_S)])
    scores = detector.score(sound)
    at = detector.first_step_s + np.arange(len(scores)) * detector.hop_s - sources.QUIET_S
    first = int(np.searchsorted(at, 0))
    steps = first + peak_steps(scores[first:], detector.hop_s)
    return at[steps], scores[steps]


def test_blocks_find_what_one_long_stream_holds(run: Path, hours: Path) -> None:
    path = hours / "radio.wav"
    search = Search.of(run)
    at, heights = whole(run, path)
    caught = [c for block in blocks_of(Source.of(path)) for c in search_block(block, search=search).caught]
    assert len(list(blocks_of(Source.of(path)))) == 3
    sure = heights >= search.near + 0.01
    assert sure.sum() >= 12
    for moment, height in zip(at[sure], heights[sure], strict=True):
        near = [c.found for c in caught if abs(c.found.at_s - moment) <= 2.0]
        assert near, f"nothing at {moment:.2f} s"
        assert max(one.score for one in near) >= height - 0.01
    exact = [np.abs(at - c.found.at_s).min() < 0.002 for c in caught]
    assert np.mean(exact) > 0.9
    sound = load(path)
    for catch in caught:
        one = catch.found
        assert one.kind == ("false_accept" if one.score >= search.threshold else "near_miss")
        first = round(one.start_s * SAMPLE_RATE)
        length = len(catch.sound)
        assert length == 2 * SAMPLE_RATE or one.at_s < 1.5 or one.at_s > 60 * MINUTES - 0.5
        offsets = [np.abs(catch.sound - sound[first + d : first + d + length]).max() for d in range(-10, 11)]
        assert min(offsets) < 1e-4, "its sound is not the source's at that place"


def test_the_result_is_the_same_on_any_number_of_workers_and_is_found_once(
    run: Path, hours: Path, tmp_path: Path
) -> None:
    one, totals = searched(run, [hours], tmp_path / "one")
    two, again = searched(run, [hours], tmp_path / "two", workers=2)
    assert totals == again
    assert totals.seconds == pytest.approx(MINUTES * 60)
    assert totals.false_accepts >= 8
    assert one.found() == two.found()
    for found in one.found():
        assert one.sound(found).read_bytes() == two.sound(found).read_bytes()
    lines = (one.folder / "journal.jsonl").read_bytes()
    assert len(lines.splitlines()) == 3
    _, third = searched(run, [hours, hours / "radio.wav"], one.folder)
    assert third == totals
    assert (one.folder / "journal.jsonl").read_bytes() == lines


def test_a_file_that_changed_is_searched_again_and_nothing_is_doubled(
    run: Path, minutes: Path, tmp_path: Path
) -> None:
    path = tmp_path / "audio" / "radio.wav"
    path.parent.mkdir()
    shutil.copy(minutes / "radio.wav", path)
    mined, totals = searched(run, [path], tmp_path / "mined")
    before = mined.found()
    os.utime(path, ns=(1, 1))
    _, again = searched(run, [path], tmp_path / "mined")
    assert again.seconds == 2 * totals.seconds
    assert mined.found() == before


def test_the_same_sound_in_another_file_is_known(run: Path, minutes: Path, tmp_path: Path) -> None:
    mined, totals = searched(run, [minutes], tmp_path / "mined")
    before = mined.found()
    (tmp_path / "copies").mkdir()
    shutil.copy(minutes / "radio.wav", tmp_path / "copies" / "again.wav")
    _, both = searched(run, [tmp_path / "copies"], tmp_path / "mined")
    assert both.near_misses == 2 * totals.near_misses > 0, "the rate counts every time"
    assert mined.found() == before


def test_nearly_the_same_sound_is_kept_once(run: Path, minutes: Path, tmp_path: Path) -> None:
    path = minutes / "radio.wav"
    (block,) = blocks_of(Source.of(path))
    near_miss = search_block(block, search=Search.of(run)).caught[0]
    sound, first = load(path), round(near_miss.found.start_s * SAMPLE_RATE)
    elsewhere = sound[first + 400 : first + 400 + len(near_miss.sound)] * np.float32(0.5)

    def caught(sound: Samples, **changes: object) -> Catch:
        fresh = {"id": hashlib.sha256(sound.tobytes()).hexdigest()[:16], "source": "/other.wav"} | changes
        found = dataclasses.replace(near_miss.found, **fresh)  # type: ignore[arg-type]
        return Catch(found, sound, alike.prints_of(sound))

    mined = Mined(tmp_path / "mined")
    keeper = Keeper(mined)
    keeper.take([near_miss])
    keeper.take([caught(elsewhere, at_s=500.0)])
    assert mined.found() == [near_miss.found]
    worse = caught(elsewhere, at_s=500.0, kind="false_accept", score=0.9)
    keeper.take([worse])
    assert mined.found() == [near_miss.found, worse.found], "a false accept is never lost to a near miss"
    keeper.take([caught(elsewhere * np.float32(0.9), at_s=900.0, kind="false_accept")])
    other = caught(sound[: 2 * SAMPLE_RATE][::-1].copy(), at_s=901.5)
    keeper.take([other])
    assert mined.found() == [near_miss.found, worse.found, other.found]
    keeper.take([caught(np.roll(other.sound, 9000), at_s=902.5)])
    assert len(mined.found()) == 3, "of one moment of a source the first is kept"
    assert Keeper(mined).kept == keeper.kept


def test_of_many_the_highest_are_kept_and_labelled_ones_stay(run: Path, minutes: Path, tmp_path: Path) -> None:
    everything, _ = searched(run, [minutes], tmp_path / "all")
    few, _ = searched(run, [minutes], tmp_path / "few", most=5)
    best = sorted((one.score for one in everything.found()), reverse=True)[:5]
    assert sorted((one.score for one in few.found()), reverse=True) == best
    assert {p.stem for p in (few.folder / "sounds").iterdir()} == {one.id for one in few.found()}
    lowest = min(everything.found(), key=lambda one: one.score)
    everything.label([lowest.id], "negative", "heard")
    (everything.folder / "sounds" / ("0" * 16 + ".wav")).write_bytes(b"left by a kill")
    (everything.folder / "sounds" / "mine.wav").write_bytes(b"the user's own")
    (everything.folder / "journal.jsonl").unlink()
    searched(run, [minutes], everything.folder, most=3)
    assert lowest in everything.found()
    assert len(everything.found()) == 4
    names = {p.name for p in (everything.folder / "sounds").iterdir()}
    assert names == {f"{one.id}.wav" for one in everything.found()} | {"mine.wav"}


def test_the_judge_looks_where_the_sentry_stirred(
    run: Path, minutes: Path, exported: dict[str, Path], tmp_path: Path
) -> None:
    mined, totals = searched(run, [minutes], tmp_path / "mined", most=20)
    assert {one.judge for one in mined.found()} == {None}
    before = {one.id for one in mined.found()}
    searched(run, [minutes], tmp_path / "mined", most=20, judge=exported["speech_embedding"])
    after = mined.found()
    assert {one.id for one in after} == before
    assert all(one.judge is not None and 0 <= one.judge <= 1 for one in after)
    assert len({one.judge for one in after}) > 3
    assert Search.of(run).key() != Search.of(run, judge=exported["speech_embedding"]).key()
    assert totals == Totals.of(mined, Search.of(run).key())


@pytest.mark.skipif(os.name != "posix", reason="needs SIGKILL")
def test_killed_anywhere_it_goes_on_and_ends_the_same(run: Path, hours: Path, tmp_path: Path) -> None:
    unbroken, totals = searched(run, [hours], tmp_path / "unbroken")
    broken = Mined(tmp_path / "broken")
    command = [sys.executable, "-m", "wakewright", "mine", str(run), str(hours), "--out", str(broken.folder)]
    for number, wanted in enumerate(("found.jsonl", "journal.jsonl")):
        with subprocess.Popen([*command, "--workers", "1"], stderr=subprocess.PIPE) as process:
            deadline = time.monotonic() + 120
            while not (broken.folder / wanted).exists() and time.monotonic() < deadline:
                time.sleep(0.002)
            if number:
                time.sleep(0.3)
            process.kill()
        assert process.returncode == -9, "it ended before it was killed"
        assert len(list(broken.journal())) < 3
        (broken.folder / "journal.jsonl").touch()
    with (broken.folder / "journal.jsonl").open("ab") as journal:
        journal.write(b'{"source": "torn')
    done = subprocess.run([*command, "--workers", "1"], capture_output=True, text=True, check=True)
    assert sorted(broken.found(), key=lambda f: f.at_s) == sorted(unbroken.found(), key=lambda f: f.at_s)
    assert Totals.of(broken, Search.of(run).key()) == totals
    assert {p.stem for p in (broken.folder / "sounds").iterdir()} == {one.id for one in broken.found()}
    assert f"{totals.false_accepts} false accepts" in done.stdout
    assert "wait for a label: wakewright review" in done.stdout


def test_short_files_and_silence_find_nothing_and_are_noted(run: Path, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    write_wav(tmp_path / "a" / "short.wav", np.full(1000, 0.1, np.float32))
    write_wav(tmp_path / "a" / "silent.wav", np.zeros(10 * SAMPLE_RATE, np.float32))
    mined, totals = searched(run, [tmp_path / "a"], tmp_path / "mined")
    assert totals.seconds == pytest.approx(10 + 1000 / SAMPLE_RATE, abs=1e-3)
    assert len(list(mined.journal())) == 2


def test_broken_files_are_named_and_left_out(run: Path, hours: Path, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "text.wav").write_bytes(b"no sound at all, but a name that says so")
    write_wav(tmp_path / "a" / "good.wav", load(hours / "radio.wav")[: 20 * SAMPLE_RATE])
    flac = tmp_path / "a" / "half.flac"
    soundfile.write(flac, load(hours / "radio.wav")[: 60 * SAMPLE_RATE], SAMPLE_RATE)
    flac.write_bytes(flac.read_bytes()[:200_000])
    found = material([str(tmp_path / "a")])
    assert [Path(source.name).name for source in found.files] == ["good.wav", "half.flac"]
    assert "text.wav cannot be read as audio" in found.problems[0]
    said: list[str] = []
    mined = Mined(tmp_path / "mined")
    totals = mine(Search.of(run), found, mined, workers=1, progress=Progress(quiet=True), say=said.append)
    assert totals.seconds == pytest.approx(20)
    assert len(said) == 1
    assert "half.flac is cut off" in said[0]
    (tmp_path / "a" / "good.wav").unlink()
    flac.unlink()
    with pytest.raises(AudioError, match=r"text\.wav cannot be read"):
        material([str(tmp_path / "a")])


def test_recordings_kept_for_measuring_are_left_out(hours: Path, tmp_path: Path) -> None:
    (tmp_path / "speech").mkdir()
    for name in ("free", "kept"):
        write_wav(tmp_path / "speech" / f"{name}.wav", np.zeros(SAMPLE_RATE, np.float32))
    table = "path,use\nspeech/free.wav,background\nspeech/kept.wav,evaluate\n"
    (tmp_path / "manifest.csv").write_text(table, encoding="utf-8")
    found = material([str(tmp_path / "speech")])
    assert [Path(source.name).name for source in found.files] == ["free.wav"]
    assert found.left_out == 1
    with pytest.raises(InputError, match="all of this is kept for measuring"):
        material([str(tmp_path / "speech" / "kept.wav")])
    (tmp_path / "manifest.csv").write_text(f"use,path\nevaluate\n{table[9:]}", encoding="utf-8")  # a short row
    assert len(material([str(tmp_path / "speech")]).files) == 2
    (tmp_path / "manifest.csv").write_bytes(table.encode() + b"speech/M\xfcller.wav,evaluate\n")
    with pytest.raises(InputError, match=r"manifest\.csv cannot be read\n  got: 'utf-8' codec"):
        material([str(tmp_path / "speech")])


def test_another_gain_is_another_search(run: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(run, tmp_path / "run")
    about = json.loads((folder / "metadata.json").read_text(encoding="utf-8"))
    keys = [Search.of(folder).key()]
    fitted = {"format": household.FORMAT, "threshold": about["threshold"]}
    fitted["fitted_to"] = household.fitted_to(folder / about["model"])
    for gain_db in (0.0, 6.0):
        (folder / household.FILE).write_text(json.dumps(fitted | {"gain_db": gain_db}), encoding="utf-8")
        keys.append(Search.of(folder).key())
    assert keys[0] == keys[1] != keys[2]


def test_what_cannot_be_searched_for_is_refused(run: Path, exported: dict[str, Path], tmp_path: Path) -> None:
    for near in (0.0, 1.0):
        with pytest.raises(InputError, match="--near lies outside"):
            Search.of(run, near=near)
    other = shutil.copytree(exported["mixednet"], tmp_path / "other")
    about = json.loads((other / "metadata.json").read_text(encoding="utf-8"))
    (other / "metadata.json").write_text(json.dumps(about | {"original_wake_word": "computer"}), encoding="utf-8")
    with pytest.raises(InputError, match="the Judge is of another phrase"):
        Search.of(run, judge=other)
    with pytest.raises(InputError, match=r"ftp://radio/x\.wav cannot be searched"):
        material(["ftp://radio/x.wav"])


@pytest.fixture
def address(hours: Path, tmp_path: Path) -> Iterator[str]:
    """A server of recordings."""
    sound = load(hours / "radio.wav")[: 400 * SAMPLE_RATE]
    write_wav(tmp_path / "a.wav", sound)
    soundfile.write(tmp_path / "a.flac", soundfile.read(tmp_path / "a.wav", dtype="int16")[0], SAMPLE_RATE)
    (tmp_path / "a.html").write_text("<p>no sound</p>", encoding="utf-8")
    soundfile.write(tmp_path / "a.mp3", sound, SAMPLE_RATE, format="MP3")

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path not in ("/radio", "/lost"):
                return super().do_GET()
            data = (tmp_path / "a.mp3").read_bytes()[1000:]  # begun within a frame
            self.send_response(200)
            self.send_header("Content-Type", "audio/mpeg; charset=x")
            if self.path == "/lost":
                self.send_header("Content-Length", str(len(data) + 1))
            self.end_headers()
            self.wfile.write(data)
            return None

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(tmp_path)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_an_address_is_heard_as_the_file_would_be(run: Path, address: str, tmp_path: Path) -> None:
    file, expected = searched(run, [tmp_path / "a.wav"], tmp_path / "file")
    for name in ("a.wav", "a.flac"):
        mined, said = Mined(tmp_path / name.replace(".", "-")), []
        wanted = material([f"{address}/{name}"])
        totals = mine(Search.of(run), wanted, mined, progress=Progress(quiet=True), say=said.append)
        assert totals == expected
        assert [one.id for one in mined.found()] == [one.id for one in file.found()]
        assert all(one.source.startswith(f"{address}/{name}") for one in mined.found())
    for path, why in (("a.html", "text/html, where WAV, MP3 and FLAC are understood"), ("gone.wav", "404")):
        with pytest.raises(InputError, match=why):
            mine(
                Search.of(run),
                material([f"{address}/{path}"]),
                Mined(tmp_path / "none"),
                progress=Progress(quiet=True),
                say=said.append,
            )


def test_mp3_radio_is_heard_from_the_middle_of_a_frame_on(run: Path, address: str, tmp_path: Path) -> None:
    sound = np.concatenate(list(read_mp3(io.BytesIO((tmp_path / "a.mp3").read_bytes()[1000:]))))
    write_wav(tmp_path / "decoded.wav", sound)
    file, expected = searched(run, [tmp_path / "decoded.wav"], tmp_path / "file")
    mined = Mined(tmp_path / "radio")
    totals = mine(Search.of(run), material([f"{address}/radio"]), mined, progress=Progress(quiet=True), say=print)
    assert totals.false_accepts == expected.false_accepts > 0
    assert totals.near_misses == pytest.approx(expected.near_misses, abs=3), "the file has 16 bits"
    ours, theirs = (
        sorted(one.score for one in found.found() if one.kind == "false_accept") for found in (mined, file)
    )
    assert ours == pytest.approx(theirs, abs=0.01)


def test_an_address_that_is_lost_is_told_and_what_was_found_is_kept(run: Path, address: str, tmp_path: Path) -> None:
    mined, whole = Mined(tmp_path / "lost"), Mined(tmp_path / "whole")
    with pytest.raises(InputError, match=r"/lost was lost\n  got: an end 1 bytes before it was due\n  do:  search"):
        mine(Search.of(run), material([f"{address}/lost"]), mined, progress=Progress(quiet=True), say=print)
    mine(Search.of(run), material([f"{address}/radio"]), whole, progress=Progress(quiet=True), say=print)
    assert mined.found(), "the first five minutes"
    assert [one.id for one in mined.found()] == [one.id for one in whole.found()]
    assert sum(line["seconds"] for line in mined.journal()) == pytest.approx(400, abs=1)


def test_sound_that_comes_in_pieces_makes_the_blocks_of_the_file(hours: Path) -> None:
    path = hours / "radio.wav"
    sound = load(path)
    rng = np.random.default_rng(1)

    def pieces() -> Iterator[Samples]:
        at = 0
        while at < len(sound):
            size = int(rng.integers(1, 90 * SAMPLE_RATE))
            yield sound[at : at + size]
            at += size

    live, file = list(live_blocks("radio", pieces())), list(blocks_of(Source.of(path)))
    assert [block.number for block in live] == [block.number for block in file]
    assert [block.last for block in live] == [False, False, True]
    for one, other in zip(live, file, strict=True):
        assert (one.start_s, one.end_s) == (other.start_s, other.end_s)
        np.testing.assert_array_equal(one.samples(), other.samples())
    assert list(live_blocks("nothing", iter([]))) == []
    exactly = [np.zeros(round(BLOCK_S * SAMPLE_RATE), np.float32)]
    assert [b.last for b in live_blocks("one", iter(exactly))] == [True]


def test_prints_know_a_sound_again_and_tell_others_apart(spoken: Manifest) -> None:
    sounds = []
    for clip in spoken.of("speech"):
        sound = np.zeros(3 * SAMPLE_RATE, np.float32)
        said = load(clip.path)[: 2 * SAMPLE_RATE]
        sound[8000 : 8000 + len(said)] = said
        sounds.append(sound)
    middles = np.stack([alike.middle(alike.prints_of(sound[: 2 * SAMPLE_RATE])) for sound in sounds])
    for i, sound in enumerate(sounds):
        near = alike.nearness(alike.prints_of(0.3 * sound[480 : 480 + 2 * SAMPLE_RATE]), middles)
        assert near[i] >= alike.ALIKE
        assert np.delete(near, i).max() < alike.ALIKE
    silent = alike.prints_of(np.zeros(100, np.float32))
    assert np.isfinite(silent).all()
    assert alike.nearness(silent, middles).max() == 0
    assert alike.nearness(silent, middles[:0]).shape == (0,)


def test_a_damaged_list_is_told(tmp_path: Path) -> None:
    mined = Mined(tmp_path)
    one = Found("0" * 16, "near_miss", 0.5, 0.6, None, "a.wav", 2.0, 0.5, 2.0)
    mined.write([one])
    assert Mined.open(tmp_path).found() == [one]
    mined.label([one.id], "phrase", "heard")
    assert mined.labels() == {one.id: "phrase"}
    assert mined.labelled("phrase") == [one]
    assert mined.unlabelled() == []
    (tmp_path / "labels.json").write_text('{"x": {"label": "perhaps"}}', encoding="utf-8")
    with pytest.raises(RunError, match="holds labels that are none"):
        mined.labels()
    (tmp_path / "labels.json").write_text("{", encoding="utf-8")
    with pytest.raises(RunError, match=r"labels\.json is damaged"):
        mined.labels()
    (tmp_path / "found.jsonl").write_text('{"id": 1}\n', encoding="utf-8")
    with pytest.raises(RunError, match=r"found\.jsonl is damaged"):
        mined.found()
    with pytest.raises(InputError, match="nothing was mined"):
        Mined.open(tmp_path / "elsewhere")
