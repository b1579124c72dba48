"""Fitting a run to a household: what the rule does, and a real detector fitted to real sound."""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from wakewright import Detector
from wakewright.apps.cli import main
from wakewright.core.audio import SAMPLE_RATE, Samples, load, write_wav
from wakewright.core.compose import commented
from wakewright.core.errors import AudioError, InputError, RunError
from wakewright.core.files import write_json, write_text
from wakewright.core.manifest import Clip, Manifest
from wakewright.core.progress import Progress
from wakewright.core.recipe import Gate
from wakewright.core.run import Run
from wakewright.core.where import Engine
from wakewright.detect.household import FILE, fitted_to
from wakewright.detect.judge import Judge
from wakewright.detect.listener import Listener
from wakewright.evaluate import household, measure, real, room
from wakewright.evaluate.calibrate import calibrate, expit, logit
from wakewright.evaluate.household import Fit, lowest_of, threshold_for
from wakewright.evaluate.metrics import Negatives, collect_negatives, just_above

MINUTES = 1.1
WORDS = 8


def negatives(heights: list[float], hours: float) -> Negatives:
    """The evidence of so many hours with events of these heights."""
    scores = np.zeros(round(hours * 36_000), np.float32)
    scores[30 + 40 * np.arange(len(heights))] = heights
    return collect_negatives(scores, 0.1, name="made up", real=True)


def quick() -> Progress:
    return Progress(quiet=True)


# The rule.


def test_the_threshold_is_lowered_only_for_what_it_catches() -> None:
    assert threshold_for([0.95, 0.9], 0.5, 0.8) == 0.8  # nothing to gain
    assert threshold_for([0.95, 0.3], 0.5, 0.8) == 0.8  # nor with one that is too low for the room
    assert threshold_for([0.95, 0.7, 0.6, 0.3], 0.5, 0.8) == pytest.approx(
        expit(float(logit(np.array([0.5, 0.6])).mean()))
    )
    assert threshold_for([0.95, 0.7], 0.85, 0.8) == 0.85  # the room raises it freely
    assert threshold_for([], 0.5, 0.8) == 0.8
    for peaks in ([0.6], [0.79, 0.61], [0.5]):
        chosen = threshold_for(peaks, 0.5, 0.8)
        assert 0.5 <= chosen <= min(peaks) < 0.8


def test_the_runs_own_audio_says_how_low_it_may_go() -> None:
    rng = np.random.default_rng(1)
    heights = np.sort(rng.uniform(0.05, 0.6, 60)).tolist()
    # long enough to count: the threshold that meets the rate there
    many = negatives(heights, 10.0)
    assert lowest_of(many, 0.8, 0.5) == (calibrate([], many, fa_per_hour=0.5).threshold, [])
    assert lowest_of(many, 0.8, 2.0)[0] < lowest_of(many, 0.8, 0.5)[0]
    # too short to count: one standard error below what is extrapolated, never below what was heard
    few = negatives(heights, 0.5)
    found = calibrate([], few, fa_per_hour=0.5)
    assert found.standard_error is not None
    low, notes = lowest_of(few, 0.8, 0.5)
    assert notes == []
    assert low < found.threshold
    assert low >= just_above(few.heights[-1])
    assert low == max(
        float(just_above(few.heights[-1])), expit(float(logit(np.array(found.threshold))) - found.standard_error)
    )
    # not there: it stays
    assert lowest_of(None, 0.8, 0.5)[0] == 0.8
    assert "can only be raised" in lowest_of(None, 0.8, 0.5)[1][0]


def heard(gain_db: float, peaks: list[float], heights: list[float], clipped: float = 0.0) -> room.Heard:
    return room.Heard(gain_db, tuple(peaks), negatives(heights, 0.2), (), clipped)


def test_the_gain_with_fewest_misses_is_taken_and_none_where_it_does_not_matter() -> None:
    quiet_room = [0.01, 0.02]
    low, high = [0.3, 0.9, 0.95], [0.85, 0.9, 0.95]
    assert household._choose(
        [heard(0, high, quiet_room), heard(6, high, quiet_room)], {0: 0.7, 6: 0.7}, 0.8, None
    ) == (
        0,
        0.8,
    )
    everything = [heard(-6, low, quiet_room), heard(0, low, quiet_room), heard(6, high, quiet_room)]
    assert household._choose(everything, {-6: 0.7, 0: 0.7, 6: 0.7}, 0.8, None) == (6, 0.8)
    # a gain at which the room wakes it has a threshold of its own, and loses
    loud = [heard(0, low, quiet_room), heard(6, high, [0.97] * 12)]
    assert household._choose(loud, household._bounds(loud, 0.5, 0.7), 0.8, None)[0] == 0
    # one that clips is not tried; softer ones always are
    clips = [heard(0, low, quiet_room), heard(6, high, quiet_room, clipped=0.5)]
    assert set(household._bounds(clips, 0.5, 0.7)) == {0}
    assert set(household._bounds([heard(-6, low, quiet_room, clipped=1.0)], 0.5, 0.7)) == {-6}


def test_each_utterance_is_also_judged_by_a_fit_to_the_others() -> None:
    """The lowest of them sets the threshold of the fit, but not of the fit to the others."""
    peaks = [0.6, 0.9, 0.9, 0.9, 0.9]
    everything = [heard(0, peaks, [0.01, 0.02])]
    bounds = {0.0: 0.5}
    chosen = household._choose(everything, bounds, 0.8, None)
    assert sum(peak < chosen[1] for peak in peaks) == 0
    assert household._missed_by_others(everything, bounds, 0.8, None) == 1


def test_what_scores_like_the_phrase_in_the_room_is_named_with_its_places() -> None:
    """From twice on, and never below the threshold: what is softer does not matter."""
    moments = ((0.93, "tv.wav", 75.2), (0.9, "d/kitchen.wav", 9.0), (0.7, "tv.wav", 130.0))
    plain = dataclasses.replace(heard(0, [0.6, 0.85, 0.9, 0.95], [0.01]), moments=moments)
    (note,) = household._phrase_in_room(plain, 0.5)
    assert note.startswith(
        "The room's sound scores like the phrase 2 times (tv.wav at 1:15, kitchen.wav at 0:09): if"
    )
    assert household._phrase_in_room(plain, 0.92) == []
    (note,) = household._phrase_in_room(dataclasses.replace(plain, moments=moments * 3), 0.5)
    assert "6 times" in note
    assert note.count(".wav") == 5
    assert ", ...)" in note


# A real detector.


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, spoken: Manifest) -> Path:
    """people/: eight utterances, softly; room/: a little more than a minute in two files, sentences and hiss."""
    place = tmp_path_factory.mktemp("home")
    for number, clip in enumerate(spoken.of("positive").clips[:WORDS]):
        write_wav(place / "people" / ("ann", "bob")[number % 2] / f"{number}.wav", load(clip.path) * np.float32(0.1))
    rng = np.random.default_rng(3)
    speech = [load(clip.path) * np.float32(0.1) for clip in spoken.of("speech")]
    for number in range(2):
        sound = rng.normal(0, 0.001, round(MINUTES * 30 * SAMPLE_RATE)).astype(np.float32)
        for i, words in enumerate(speech):
            at = (1 + 3 * i + number) * SAMPLE_RATE
            sound[at : at + len(words)] += words
        write_wav(place / "room" / f"{number}.wav", sound)
    return place


@pytest.fixture
def run(exported: dict[str, Path], tmp_path: Path) -> Run:
    """A run of an untrained head on the speech embedding, of its own, without validation audio.

    By chance it scores these words, 0.80 to 0.87, above these sentences, which reach 0.79.
    """
    made = Run.open(shutil.copytree(exported["speech_embedding"], tmp_path / "run"))
    alone = made.recipe.model_copy(update={"engine": Engine(workers=1)})
    write_text(made.recipe_path, commented(alone))
    return Run(made.folder, alone)


@pytest.fixture(autouse=True)
def _few_gains(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "GAINS_DB", (0.0, 12.0))


def material(run: Run, home: Path) -> room.Material:
    return room.read_material(home / "people", [home / "room"], run)


@pytest.fixture
def fitted(run: Run, home: Path) -> Fit:
    return household.fit(run, material(run, home), progress=quick())


def with_threshold(run: Run, threshold: float) -> Run:
    about = json.loads(run.metadata_path.read_text())
    write_json(run.metadata_path, about | {"threshold": threshold})
    return run


def test_a_fit_says_what_the_detector_then_does(run: Run, home: Path, fitted: Fit) -> None:
    """Misses and false accepts of the report are those of the detector that the run then loads."""
    assert fitted.before.threshold == 0.5
    assert fitted.before.positives == WORDS
    assert fitted.before.hours == pytest.approx((MINUTES * 60 - 4) / 3600, abs=1e-3)
    household.store(run, fitted)
    loaded = Detector.load(run.folder)
    assert (loaded.threshold, loaded.gain_db) == (fitted.after.threshold, fitted.after.gain_db)
    missed = 0
    for clip in material(run, home).words:
        loaded.reset()
        missed += room._word(loaded, load(clip.path)).peak < loaded.threshold
    assert missed == fitted.after.misses
    loaded.reset()
    events = sum(
        room._room(Detector.load(run.folder), load(path), path).negatives.count(loaded.threshold)
        for path in material(run, home).room
    )
    assert events == fitted.after.false_accepts
    assert fitted.report()[0].startswith("before: gain +0 dB, threshold 0.500: missed ")
    assert f"of {WORDS}; " in fitted.report()[2]
    assert any("minutes of the room bound the rate at no less than" in note for note in fitted.notes)


def test_without_the_runs_audio_the_threshold_is_only_raised(run: Run, home: Path) -> None:
    for threshold in (0.0, 0.3, 0.999):
        found = household.fit(with_threshold(run, threshold), material(run, home), progress=quick())
        assert found.after.threshold >= threshold
        assert found.lowest == threshold
        assert found.validation is None
        assert any("can only be raised" in note for note in found.notes)


def test_the_runs_validation_audio_lets_it_be_lowered(run: Run, home: Path, spoken: Manifest) -> None:
    clips = [dataclasses.replace(clip, speaker=clip.path) for clip in spoken.of("speech")] * 6
    Manifest(tuple(clips)).write(run.folder / "manifest-validation.jsonl")
    write_json(run.folder / "suspects.json", [{"path": clips[0].path, "score": 1.0, "level": 0.5}])
    validation = measure.validation_negatives(run, quick())
    assert validation is not None
    assert clips[0].path not in validation.sources
    found = household.fit(with_threshold(run, 0.9999), material(run, home), fa_per_hour=30.0, progress=quick())
    lowest = lowest_of(validation, 0.9999, 30.0)[0]
    assert found.lowest == lowest < 0.9999
    assert found.after.threshold < 0.9999
    assert found.after.threshold >= lowest
    assert found.after.misses < found.before.misses
    assert found.validation == (validation.count(found.after.threshold), validation.hours)
    assert "on the run's own validation audio: false accepts " in found.report()[3]
    Manifest((*clips, Clip("gone.wav", "speech", 1.0))).write(run.folder / "manifest-validation.jsonl")
    assert measure.validation_negatives(run, quick()) is None


def test_the_result_does_not_depend_on_the_order_or_names_of_files(
    run: Run, home: Path, fitted: Fit, tmp_path: Path
) -> None:
    files = sorted((home / "people").rglob("*.wav"))
    for number, file in enumerate(np.random.default_rng(5).permutation(np.array(files, object))):
        target = tmp_path / "shuffled" / ("ann", "bob")[number % 2] / f"{number}.wav"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, target)
    rooms = sorted((home / "room").glob("*.wav"))
    swapped = [tmp_path / f"{number}.wav" for number in range(2)]
    for source, target in zip(rooms, reversed(swapped), strict=True):
        shutil.copyfile(source, target)
    again = room.read_material(tmp_path / "shuffled", [*reversed(swapped), swapped[0]], run)
    assert dataclasses.replace(household.fit(run, again, progress=quick()), notes=()) == dataclasses.replace(
        fitted, notes=()
    )


def test_a_phrase_in_the_room_is_told_with_its_places(run: Run, home: Path, tmp_path: Path) -> None:
    detector = Detector.load(run.folder, gain_db=0.0)

    def peak(samples: Samples) -> float:
        detector.reset()
        return room._word(detector, samples).peak

    word = max((load(clip.path) for clip in material(run, home).words), key=peak)
    sound = np.concatenate([load(path) for path in material(run, home).room])
    for second in (30, 62):  # after its sentences
        sound[second * SAMPLE_RATE : second * SAMPLE_RATE + len(word)] += word
    write_wav(tmp_path / "living room.wav", sound)
    recorded = room.read_material(home / "people", [tmp_path / "living room.wav"], run)
    found = household.fit(run, recorded, progress=quick())
    told = " ".join(found.notes)
    assert re.search(r"The room's sound scores like the phrase \d times \(living room.wav at ", told)
    assert found.after.threshold > found.before.threshold


# What is stored, and who honours it.


@pytest.fixture
def settled(run: Run) -> Run:
    """A run that was fitted with 6 dB and a threshold of 0.25."""
    write_json(
        run.folder / FILE,
        {"format": 1, "threshold": 0.25, "gain_db": 6.0, "fitted_to": fitted_to(run.folder / "model.onnx")},
    )
    return run


@pytest.fixture(scope="module")
def sound(spoken: Manifest) -> Samples:
    return np.concatenate([load(clip.path) for clip in spoken])[: 20 * SAMPLE_RATE] * np.float32(0.2)


def test_the_gain_is_in_front_of_everything_a_detector_hears(settled: Run, sound: Samples) -> None:
    plain = Detector.load(settled.folder, gain_db=0.0)
    assert (plain.threshold, plain.gain_db) == (0.5, 0.0)
    loud = sound * np.float32(10 ** (6 / 20))
    np.testing.assert_array_equal(Detector.load(settled.folder).score(sound), plain.score(loud))
    assert Detector.load(settled.folder, threshold=0.7).threshold == 0.7
    assert Detector.load(settled.folder, threshold=0.7).gain_db == 6.0
    found = list(Detector.load(settled.folder).stream(sound))
    assert [d.sample for d in Listener.load([settled.folder]).stream(sound)] == [d.sample for d in found]
    judge = Judge.load(settled.folder)
    assert judge.threshold == 0.25
    assert (
        judge.verify(sound[:32000]).confidence
        != Judge.load(settled.folder, gain_db=0.0).verify(sound[:32000]).confidence
    )
    # the measurement of a run is of the run
    np.testing.assert_array_equal(real.detector_ear(str(settled.folder)).hear(loud), plain_scores(settled, loud))


def plain_scores(run: Run, samples: Samples) -> Samples:
    return Detector.load(run.folder, gain_db=0.0).score(samples)


def test_too_loud_is_clipped_and_no_gain_changes_no_bit(run: Run, sound: Samples) -> None:
    loud = np.clip(sound * np.float32(20), -1, 1)
    very = Detector.load(run.folder, gain_db=26.0206)
    np.testing.assert_allclose(very.score(sound), plain_scores(run, loud), atol=2e-3)
    before = plain_scores(run, sound)
    write_json(
        run.folder / FILE,
        {"format": 1, "threshold": 0.4, "gain_db": 0.0, "fitted_to": fitted_to(run.folder / "model.onnx")},
    )
    np.testing.assert_array_equal(Detector.load(run.folder).score(sound), before)


def test_several_gains_on_one_stream_are_heard_apart(settled: Run, sound: Samples) -> None:
    """Also behind a gate, which keeps the frames of each."""
    for gate in (None, Gate()):
        mine, plain = Detector.load(settled.folder), Detector.load(settled.folder, gain_db=0.0)
        plain.phrase = "another"
        listener = Listener([mine, plain], gate)
        assert len(listener._fronts) == 2
        list(listener.stream(sound[: 5 * SAMPLE_RATE]))
        for one, gain in ((mine, 6.0), (plain, 0.0)):
            alone = Detector.load(settled.folder, gain_db=gain)
            assert one.current == pytest.approx(float(alone.score(sound[: 5 * SAMPLE_RATE])[-1]), abs=1e-5)
        assert mine.current != plain.current


@pytest.mark.parametrize(
    ("stored", "said"),
    [
        ("{", "is damaged"),
        ("[]", "is damaged"),
        ('{"format": 1}', "is damaged\n  got: KeyError: 'threshold'"),
        ('{"format": 1, "threshold": "x", "gain_db": 0, "fitted_to": ""}', "no number where one belongs"),
        ('{"format": 2, "threshold": 0.1, "gain_db": 0, "fitted_to": ""}', "written by a newer wakewright"),
        ('{"format": 1, "threshold": 0.1, "gain_db": 0, "fitted_to": "12"}', "fitted to another model than the one"),
    ],
)
def test_a_household_that_cannot_be_used_is_told(run: Run, stored: str, said: str) -> None:
    (run.folder / FILE).write_text(stored)
    with pytest.raises(RunError) as caught:
        Detector.load(run.folder)
    assert said in str(caught.value)
    assert caught.value.do
    Detector.load(run.folder, gain_db=0.0)  # measuring the run does not need it


# The command.


def command(run: Run, home: Path, *more: str) -> list[str]:
    words = ["calibrate", str(run.folder), "--positives", str(home / "people"), "--ambient", str(home / "room")]
    return [*words, *more]


def households(run: Run) -> list[object]:
    return [line["threshold"] for line in run.metrics() if line.get("stage") == "household"]


def test_the_command_stores_a_fit_once_and_takes_it_away(
    run: Run, home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(command(run, home, "--dry-run")) == 0
    assert main(command(run, home, "--out", str(tmp_path / "fit.json"))) == 0
    assert not (run.folder / FILE).exists()
    assert households(run) == []
    out = capsys.readouterr().out
    assert out.count("before: gain +0 dB, threshold 0.500: missed ") == 2
    assert main(command(run, home)) == 0
    stored = json.loads((run.folder / FILE).read_text())
    apart = json.loads((tmp_path / "fit.json").read_text())
    assert stored | {"created": ""} == apart | {"created": ""}
    assert Detector.load(run.folder).threshold == stored["threshold"]
    assert main(command(run, home)) == 0
    assert households(run) == [stored["threshold"]]
    assert main(["calibrate", str(run.folder), "--reset"]) == 0
    assert not (run.folder / FILE).exists()
    assert Detector.load(run.folder).threshold == 0.5
    assert households(run) == [stored["threshold"], None]
    assert main(["calibrate", str(run.folder), "--reset"]) == 0
    assert "nothing had been fitted" in capsys.readouterr().out


@pytest.mark.slow
def test_after_a_kill_the_same_command_ends_at_the_same_fit(
    run: Run, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()  # as many gains as the other process tries
    begun = subprocess.Popen(
        [sys.executable, "-m", "wakewright", *command(run, home)], stderr=subprocess.PIPE, text=True
    )
    assert begun.stderr is not None
    while not begun.stderr.readline().startswith("hear the household"):
        assert begun.poll() is None
    time.sleep(0.5)
    begun.send_signal(signal.SIGKILL)
    begun.communicate()
    Detector.load(run.folder)  # whole, whatever is there
    other = Run.open(shutil.copytree(run.folder, tmp_path / "other"))
    (other.folder / FILE).unlink(missing_ok=True)
    for one in (run, other):
        assert main(command(one, home)) == 0
    stored = [json.loads((one.folder / FILE).read_text()) | {"created": ""} for one in (run, other)]
    assert stored[0] == stored[1]
    assert len(households(run)) == len(households(other)) == 1


def test_a_history_without_its_file_is_not_written_twice(run: Run, fitted: Fit) -> None:
    """As a kill between the two leaves it."""
    household.store(run, fitted)
    (run.folder / FILE).unlink()
    household.store(run, fitted)
    assert len(households(run)) == 1
    assert (run.folder / FILE).is_file()


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("--ambient room", "a household is fitted to its people and to its room\n  got: no --positives"),
        ("--positives people", "a household is fitted to its people and to its room\n  got: no --ambient"),
        ("--positives nowhere --ambient room", "no audio at nowhere"),
        ("--positives empty --ambient room", "no audio in empty"),
        ("--positives people --ambient nowhere", "no audio at nowhere"),
        ("--positives few --ambient room", "there are too few utterances to fit anything to\n  got: 1 in few"),
        ("--positives silent --ambient room", "cannot be used\n  got: silence, where the phrase should be"),
        ("--positives long --ambient room", "cannot be used\n  got: 12 s, where the phrase takes one or two"),
        ("--positives people --ambient short.wav", "there is too little of the room to tell what wakes"),
        ("--positives people --ambient people", "a recording cannot be the phrase and the room at once"),
        ("--positives other --ambient room", "is a recording of another phrase\n  got: 'computer'"),
        ("--positives people --ambient room --out nowhere/x/y.json", "cannot be written"),
        ("--positives people --ambient room --reset", "--reset stands alone"),
    ],
)
def test_bad_input_is_told_and_changes_nothing(
    line: str, said: str, run: Run, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    shutil.copytree(home, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    word = load(sorted(Path("people").rglob("*.wav"))[0])
    Path("empty").mkdir()
    write_wav("few/a.wav", word)
    write_wav("silent/a.wav", np.zeros(16000, np.float32))
    write_wav("long/a.wav", np.tile(word, 30)[: 12 * SAMPLE_RATE])
    write_wav("short.wav", np.full(30 * SAMPLE_RATE, 0.01, np.float32))
    write_wav("other/1.wav", word)
    Manifest((Clip("1.wav", "positive", 1.0, speaker="ann", text="computer"),)).write("other/recordings.jsonl")
    before = {path: path.read_bytes() for path in run.folder.rglob("*") if path.is_file() and path.name != ".lock"}
    assert main(["calibrate", str(run.folder), *line.split()]) == 2
    err = capsys.readouterr().err
    assert said in err
    assert "\n  do:  " in err
    now = {path: path.read_bytes() for path in run.folder.rglob("*") if path.is_file() and path.name != ".lock"}
    assert now == before


def test_what_is_no_run_or_an_unfinished_one_is_told(
    run: Run, home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = command(run, home)
    assert main(["calibrate", str(home), *words[2:]]) == 2
    assert "is not a run" in capsys.readouterr().err
    run.metadata_path.unlink()
    assert main(words) == 2
    assert "has no metadata.json" in capsys.readouterr().err
    with pytest.raises((AudioError, InputError)):
        room.read_material(home / "nobody", [home / "room"], run)
