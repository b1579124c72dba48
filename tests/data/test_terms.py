"""What is said of the licences of recordings, where it is looked for, and what hinders passing on."""

from __future__ import annotations

from pathlib import Path

import pytest

from wakewright.core.manifest import Clip, Manifest
from wakewright.data import terms


@pytest.mark.parametrize(
    ("licence", "why"),
    [
        ("CC-BY-4.0 (LibriSpeech)", ""),
        ("CC0", ""),
        ("MIT (IoSR)", ""),
        ("BSD-like (CMU Flite)", ""),
        ("Public domain", ""),
        ("GPL-3.0-or-later (program; places no terms on its sound)", ""),
        ("CC-BY-NC-3.0 (ESC-50)", "not for commercial use"),
        ("Attribution-NonCommercial 4.0", "not for commercial use"),
        ("MBROLA diphones, not to be sold", "not for commercial use"),
        ("CC BY-NC-ND 4.0", "not for commercial use"),
        ("CC-BY-ND-4.0", "no derived works"),
        ("CC-BY-SA-4.0", "derived works under the same terms alone"),
        ("", "nobody says that it may"),
        ("unknown", "nobody says that it may"),
        (terms.UNSTATED, "nobody says that it may"),
    ],
)
def test_what_stands_against_passing_on(licence: str, why: str) -> None:
    assert terms.hindrance(licence) == why


def clip(path: Path, source: str = "corpus", licence: str = "") -> Clip:
    return Clip(str(path), "speech", 360.0, source=source, licence=licence, real=True)


def test_a_licence_is_looked_for_from_near_to_far(tmp_path: Path) -> None:
    folder = tmp_path / "corpus" / "ann"
    folder.mkdir(parents=True)
    one = clip(folder / "a.wav")
    assert terms.licence_of(one, []) == terms.UNSTATED
    assert terms.licence_of(one, ["CC0", "MIT"]) == "CC0; MIT"
    (tmp_path / "LICENSE").write_text("of something else")
    assert terms.licence_of(one, []) == terms.UNSTATED, "above the folder that was named nothing is of it"
    (tmp_path / "corpus" / "LICENSE.txt").write_text("MIT License\n")
    assert terms.licence_of(one, ["CC0"]) == "MIT License"
    (tmp_path / "manifest.csv").write_text("path,licence\ncorpus/ann/a.wav,CC-BY-4.0 (a)\n")
    assert terms.licence_of(one, ["CC0"]) == "CC-BY-4.0 (a)"
    assert terms.licence_of(one, ["CC0", "corpus=Apache-2.0"]) == "Apache-2.0"
    assert terms.licence_of(clip(folder / "a.wav", licence="its own"), ["corpus=Apache-2.0"]) == "its own"


def test_sources_are_counted_by_corpus_kind_and_licence(tmp_path: Path) -> None:
    clips = Manifest(
        (
            clip(tmp_path / "a.wav", "one", "CC0"),
            clip(tmp_path / "b.wav", "one", "CC0"),
            clip(tmp_path / "c.wav", "one", "CC-BY-SA-4.0"),
            Clip("d.wav", "speech", 36.0, speaker="v", source="flite", licence="BSD-like"),
        )
    )
    found = terms.recordings(clips, [])
    assert [(o["licence"], o["clips"], o["hours"]) for o in found] == [("CC-BY-SA-4.0", 1, 0.1), ("CC0", 2, 0.2)]
    assert terms.hindered(found) == ["one (CC-BY-SA-4.0): derived works under the same terms alone"]
    assert terms.voices(clips) == [{"engine": "flite", "licence": "BSD-like", "voices": 1, "clips": 1, "hours": 0.01}]
