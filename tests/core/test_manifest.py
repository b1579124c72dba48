"""Manifests: stored line by line, and split so that no speaker is on both sides."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wakewright.core.errors import InputError
from wakewright.core.manifest import Clip, Manifest, split_by_speaker


def spoken(speakers: int, *, source: str = "engine", each: int = 3, first: int = 0) -> list[Clip]:
    return [
        Clip(f"{source}/{s}/{i}.wav", "positive", 1.0, speaker=f"voice {s}", source=source)
        for s in range(first, first + speakers)
        for i in range(each)
    ]


def speakers_of(manifest: Manifest) -> set[tuple[str, str]]:
    return {(c.source, c.speaker or c.path) for c in manifest}


def test_a_manifest_reads_back_what_it_wrote(tmp_path: Path) -> None:
    clips = Manifest(
        (Clip("a b.wav", "speech", 1.25, speaker="Zoë", text="häuser", real=True), Clip("c", "noise", 2.0))
    )
    clips.write(tmp_path / "m.jsonl")
    assert Manifest.read(tmp_path / "m.jsonl") == clips
    assert clips.fingerprint() == Manifest.read(tmp_path / "m.jsonl").fingerprint()
    assert (clips.seconds, clips.real_seconds, len(clips.of("noise", "music"))) == (3.25, 1.25, 1)


def test_any_change_of_a_field_changes_the_fingerprint() -> None:
    clip = Clip("a.wav", "speech", 1.0)
    changed = [dataclasses.replace(clip, real=True), dataclasses.replace(clip, licence="MIT")]
    assert len({Manifest((c,)).fingerprint() for c in [clip, *changed]}) == 3


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{", "Expecting"),
        ('{"path": "a"}', "missing"),
        ('{"path": "a", "kind": "speech", "seconds": 1, "x": 1}', "'x'"),
    ],
)
def test_a_line_that_is_not_a_clip_is_named(tmp_path: Path, line: str, reason: str) -> None:
    path = tmp_path / "m.jsonl"
    path.write_text(Manifest((Clip("a", "noise", 1.0),)).to_jsonl() + line + "\n")
    with pytest.raises(InputError) as caught:
        Manifest.read(path)
    assert caught.value.what == f"{path}, line 2, is not a clip"
    assert reason in caught.value.got
    assert caught.value.do == "make the manifest again"


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 40), st.integers(0, 1000), st.floats(0.05, 0.85))
def test_no_speaker_is_on_both_sides_and_no_side_is_empty(count: int, seed: int, share: float) -> None:
    clips = spoken(count) + spoken(3, source="corpus")
    train, validation = split_by_speaker(clips, seed=seed, validation_share=share)
    assert not speakers_of(train) & speakers_of(validation)
    assert sorted(c.path for c in train + validation) == sorted(c.path for c in clips)
    for source, size in (("engine", count), ("corpus", 3)):
        assert any(c.source == source for c in train)
        assert any(c.source == source for c in validation) == (size > 1)


def test_about_the_share_of_the_speakers_is_held_out() -> None:
    _, validation = split_by_speaker(spoken(400, each=1), seed=3, validation_share=0.25)
    assert 75 <= len(validation) <= 125


def test_nothing_is_held_out_for_a_share_of_zero() -> None:
    train, validation = split_by_speaker(spoken(9), seed=1, validation_share=0.0)
    assert (len(train), len(validation)) == (27, 0)


@settings(max_examples=60, deadline=None)
@given(st.integers(12, 30), st.integers(1, 40), st.integers(0, 1000))
def test_speakers_and_clips_added_later_move_nobody(count: int, more: int, seed: int) -> None:
    before_train, before_validation = split_by_speaker(spoken(count), seed=seed, validation_share=0.5)
    newcomers = spoken(more, first=100) + spoken(4, source="another")
    known = spoken(count, each=5)
    train, validation = split_by_speaker(newcomers + known, seed=seed, validation_share=0.5)
    assert speakers_of(before_train) <= speakers_of(train)
    assert speakers_of(before_validation) <= speakers_of(validation)


def test_the_order_of_the_clips_does_not_matter() -> None:
    clips = spoken(12)
    one = split_by_speaker(clips, seed=5, validation_share=0.3)
    other = split_by_speaker(clips[::-1], seed=5, validation_share=0.3)
    assert [speakers_of(m) for m in one] == [speakers_of(m) for m in other]


def test_another_seed_holds_out_others() -> None:
    held = {frozenset(speakers_of(split_by_speaker(spoken(20), seed=s, validation_share=0.3)[1])) for s in range(5)}
    assert len(held) > 1


def test_clips_without_a_speaker_are_kept_apart_by_file() -> None:
    clips = [Clip(f"{i}.wav", "noise", 1.0, source="street") for i in range(8)]
    train, validation = split_by_speaker(clips, seed=1, validation_share=0.25)
    assert train.clips
    assert validation.clips
