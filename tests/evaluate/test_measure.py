"""What a report owns up to."""

from __future__ import annotations

import dataclasses

from wakewright.core.manifest import Clip, Manifest
from wakewright.data.splits import Parts
from wakewright.evaluate.measure import NO_OWN, ONE_ENGINE, SAME_VOICES, said_by_whom, warnings_of

WORD = Clip("a.wav", "positive", 1.0, speaker="robot", source="espeak")
OTHER_WORD = Clip("b.wav", "positive", 1.0, speaker="another", source="espeak")
FLITE = Clip("f.wav", "positive", 1.0, speaker="kal", source="flite")
OWN = Clip("me.wav", "positive", 1.0, speaker="me.wav", source="own recordings", real=True)
TALK = Clip("talk.wav", "speech", 1.0, speaker="ann", source="home", real=True)


def parts(train: list[Clip], test: list[Clip], validation: list[Clip] | None = None) -> Parts:
    return {
        "train": Manifest(tuple(train)),
        "validation": Manifest(tuple(validation or ())),
        "test": Manifest(tuple(test)),
    }


def test_text_alone_counts_misses_on_robots() -> None:
    assert warnings_of(parts([WORD, FLITE], [OTHER_WORD])) == (NO_OWN,)


def test_one_synthesiser_alone_is_owned_up_to() -> None:
    said = ONE_ENGINE.format("espeak")
    assert warnings_of(parts([WORD, dataclasses.replace(WORD, speaker="third")], [OTHER_WORD])) == (said, NO_OWN)
    assert said not in warnings_of(parts([WORD, FLITE], [OTHER_WORD]))
    assert said not in warnings_of(parts([WORD, OWN], [OTHER_WORD])), "people say it too"
    near_miss = dataclasses.replace(FLITE, kind="near_miss")
    assert said in warnings_of(parts([WORD, near_miss], [OTHER_WORD])), "the phrase is what counts"
    own_alone = warnings_of(parts([OWN, dataclasses.replace(OWN, path="me2.wav")], [OTHER_WORD]))
    assert not any("alone says" in warning for warning in own_alone)


def test_real_background_and_own_recordings_leave_nothing_to_warn_of() -> None:
    assert warnings_of(parts([WORD, FLITE, TALK], [OTHER_WORD, OWN])) == ()
    assert warnings_of(parts([WORD, FLITE], [OTHER_WORD, TALK])) == (NO_OWN,)


def test_voices_that_were_trained_on_are_owned_up_to() -> None:
    assert SAME_VOICES in warnings_of(parts([WORD], [WORD]))
    assert SAME_VOICES in warnings_of(parts([WORD], [OTHER_WORD], [WORD]))


def test_who_says_the_near_misses_is_counted_and_not_promised() -> None:
    near = [dataclasses.replace(clip, kind="near_miss", text="hay") for clip in (WORD, OTHER_WORD, OTHER_WORD)]
    stranger = dataclasses.replace(WORD, source="flite")  # another engine's voice of the same name
    assert said_by_whom(parts([stranger], near)) == "Said by 2 synthetic voices, none of which it learnt from."
    alone = said_by_whom(parts([stranger], near[:1]))
    assert alone == "Said by 1 synthetic voice, which it did not learn from."
    assert said_by_whom(parts([WORD, TALK], near)) == "Said by 2 synthetic voices, 1 of which it learnt from too."
