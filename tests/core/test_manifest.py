"""Manifests: stored line by line."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from wakewright.core.errors import InputError
from wakewright.core.manifest import Clip, Manifest


def test_a_manifest_reads_back_what_it_wrote(tmp_path: Path) -> None:
    clips = Manifest(
        (Clip("a b.wav", "speech", 1.25, speaker="Zoë", text="häuser", real=True), Clip("c", "noise", 2.0))
    )
    clips.write(tmp_path / "m.jsonl")
    assert Manifest.read(tmp_path / "m.jsonl") == clips
    assert clips.fingerprint() == Manifest.read(tmp_path / "m.jsonl").fingerprint()
    assert (clips.seconds, clips.real_seconds, len(clips.of("noise", "music"))) == (3.25, 1.25, 1)


def test_names_may_hold_what_ends_a_line_elsewhere(tmp_path: Path) -> None:
    clips = Manifest((Clip("a\u2028b/c\x85d.wav", "speech", 1.0, speaker="a\u2029b", real=True),))
    clips.write(tmp_path / "m.jsonl")
    assert Manifest.read(tmp_path / "m.jsonl") == clips
    (tmp_path / "m.jsonl").write_bytes(b"\xff\n")
    with pytest.raises(InputError, match="line 1, is not a clip"):
        Manifest.read(tmp_path / "m.jsonl")


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
