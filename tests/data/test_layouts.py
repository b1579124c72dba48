"""What the place of a recording says about it, and what is said when it says nothing."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from wakewright.core.errors import AudioError, InputError
from wakewright.data import layouts, tables


def touch(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"x")
    return root


def told(found: list[layouts.Found], root: Path) -> dict[str, tuple[str, str]]:
    return {f.path.relative_to(root).as_posix(): (f.kind, f.speaker) for f in found}


def who(root: Path, *groups: str, **how: dict[str, str]) -> dict[str, str]:
    """The group of each file, by its path; "" for a file by itself."""
    found = layouts.find(root, groups=groups, **how)  # type: ignore[arg-type]
    return {f.path.relative_to(root).as_posix(): f.speaker.removeprefix(str(f.path)) for f in found}


def test_a_folder_below_that_of_a_kind_is_a_person_however_few_there_are(tmp_path: Path) -> None:
    touch(tmp_path, *(f"wake-words/{who}/{i}.wav" for who in "abc" for i in (1, 2)), "negative/a/1.wav")
    found = told(layouts.find(tmp_path), tmp_path)
    assert found["wake-words/b/1.wav"] == found["wake-words/b/2.wav"] == ("positive", "b")
    assert found["negative/a/1.wav"] == ("speech", "a"), "the same person, whatever she says"


def test_rooms_within_a_person_are_that_persons(tmp_path: Path) -> None:
    touch(tmp_path, *(f"positive/{who}/{room}/1.wav" for who in ("anna", "bob") for room in ("kitchen", "bath")))
    touch(tmp_path, "background/speech/carl/den/1.wav", "background/street/1.wav", "background/music/m/1.wav")
    touch(tmp_path, "train/negative/dora/x/1.wav", "positive/Jose\u0301/1.wav")
    assert who(tmp_path) == {
        "positive/anna/kitchen/1.wav": "anna",
        "positive/anna/bath/1.wav": "anna",
        "positive/bob/kitchen/1.wav": "bob",
        "positive/bob/bath/1.wav": "bob",
        "positive/Jose\u0301/1.wav": "Jos\u00e9",
        "background/speech/carl/den/1.wav": "carl",
        "background/street/1.wav": "",
        "background/music/m/1.wav": "",
        "train/negative/dora/x/1.wav": "dora",
    }
    (tmp_path / "mapped").mkdir()
    touch(tmp_path / "mapped", "said/anna/kitchen/1.wav", "said/2.wav")
    assert who(tmp_path / "mapped", mapping={"said": "positive"}) == {
        "said/anna/kitchen/1.wav": "anna",
        "said/2.wav": "",
    }
    assert set(who(tmp_path / "mapped", mapping={".": "positive"}).values()) == {"said"}


def test_a_pattern_says_who_is_heard_where_folders_do_not(tmp_path: Path) -> None:
    touch(tmp_path, "positive/ann-b-1.wav", "positive/ann-b-2.flac", "positive/bob-1.wav")
    touch(tmp_path, "negative/books/set/84/c1/1.wav", "negative/books/set/84/c2/1.wav", "negative/books/set/85/1.wav")
    touch(tmp_path, "negative/radio/1.wav", "negative/radio/2.wav", "background/street/walk3-07.wav")
    found = who(
        tmp_path,
        "positive={group}-*",
        "negative/books=*/{group}",
        "negative/radio=file",
        "background/street={group}-*",
    )
    assert found == {
        "positive/ann-b-1.wav": "ann",
        "positive/ann-b-2.flac": "ann",
        "positive/bob-1.wav": "bob",
        "negative/books/set/84/c1/1.wav": "84",
        "negative/books/set/84/c2/1.wav": "84",
        "negative/books/set/85/1.wav": "85",
        "negative/radio/1.wav": "",
        "negative/radio/2.wav": "",
        "background/street/walk3-07.wav": "walk3",
    }
    assert set(who(tmp_path, "file").values()) == {""}
    for_all = who(tmp_path, "{group}", "negative/books/set={group}")
    assert for_all["background/street/walk3-07.wav"] == "street"
    assert for_all["positive/bob-1.wav"] == "", "a whole name is a file by itself"
    assert for_all["negative/books/set/85/1.wav"] == "85", "the innermost folder holds"


def test_groups_that_cannot_be_meant_are_refused(tmp_path: Path) -> None:
    touch(tmp_path, "positive/ann-1.wav", "positive/bob.wav", "negative/1.wav")
    for words, said in (
        ("{group}-*", r"--group-by \{group\}-\* does not fit every file\n  got: .*, where 1 was looked at"),
        ("positive={group}-*", "does not fit every file\n  got: .*bob.wav, where bob was looked at"),
        ("positive=*-*", "--group-by needs {group} once\n  got: positive=\\*-\\*"),
        ("{group}/{group}", "--group-by needs {group} once"),
        ("elsewhere={group}", "--group-by names folders without audio\n  got: elsewhere={group}"),
    ):
        with pytest.raises(InputError, match=said):
            layouts.find(tmp_path, groups=[words])
    with pytest.raises(InputError, match=r"says two things of every folder\n  got: file, \{group\}"):
        layouts.find(tmp_path, groups=["file", "{group}"])
    touch(tmp_path / "release", "clips/a.mp3")
    (tmp_path / "release" / "validated.tsv").write_text(TABLE, encoding="utf-8")
    with pytest.raises(InputError, match="--group-by is for folders\n  got: the table of Common Voice"):
        layouts.find(tmp_path / "release", "common-voice", groups=["{group}"])
    touch(tmp_path / "words", "yes/0a7c_nohash_0.wav")
    with pytest.raises(InputError, match="--group-by is for folders\n  got: the file names of Speech Commands"):
        layouts.find(tmp_path / "words", "speech-commands", groups=["{group}"])


def test_a_report_among_recordings_hides_its_own_sounds_alone(tmp_path: Path) -> None:
    touch(tmp_path, "positive/1.wav", "negative/sounds/000.wav", "health.json", "index.html", "sounds/000.wav")
    touch(tmp_path, "negative/report/health.json", "negative/report/sounds/001.wav", "negative/report/2.wav")
    assert set(told(layouts.find(tmp_path), tmp_path)) == {
        "positive/1.wav",
        "negative/sounds/000.wav",
        "negative/report/2.wav",
    }


def test_parts_are_told_by_their_folders(tmp_path: Path) -> None:
    touch(tmp_path, "train/positive/1.wav", "dev/positive/2.wav", "test/negative/3.wav")
    assert [(f.path.name, f.part) for f in layouts.find(tmp_path)] == [
        ("2.wav", "validation"),
        ("3.wav", "test"),
        ("1.wav", "train"),
    ]


def test_a_mapping_comes_before_names_and_the_deepest_wins(tmp_path: Path) -> None:
    touch(tmp_path, "ok/1.wav", "ok/bad/2.wav", "negative/3.wav", "junk/4.wav", "5.wav")
    mapping = {"ok": "positive", "ok/bad": "hard_negative", "junk": "skip", ".": "noise"}
    found = told(layouts.find(tmp_path, mapping=mapping), tmp_path)
    assert {name: kind for name, (kind, _) in found.items()} == {
        "ok/1.wav": "positive",
        "ok/bad/2.wav": "near_miss",
        "negative/3.wav": "speech",
        "5.wav": "noise",
    }


def test_a_mapping_knows_a_folder_by_every_spelling(tmp_path: Path) -> None:
    touch(tmp_path, "ok/1.wav")
    assert [f.kind for f in layouts.find(tmp_path, mapping={"x/../ok/": "positive"})] == ["positive"]
    with pytest.raises(InputError, match=r"--map says two things of \./ok\n  got: positive, negative"):
        layouts.find(tmp_path, mapping={"ok": "positive", "./ok": "negative"})
    table = tmp_path / "list.csv"
    table.write_text("path,kind\nok/1.wav,positive\n./ok/../ok/1.wav,positive\n")
    assert [f.path for f in tables.listed(tmp_path / "ok" / "..", table, {}, {})] == [tmp_path / "ok" / "1.wav"]


def test_nothing_is_guessed(tmp_path: Path) -> None:
    touch(tmp_path, "positive/1.wav", "stuff/2.wav", "3.wav")
    with pytest.raises(
        InputError, match=r"nobody knows what is in some folders .*\n  got: \., stuff\n.*--map \.=positive"
    ):
        layouts.find(tmp_path)
    with pytest.raises(InputError, match="--map stuff names no kind of clip\n  got: loud"):
        layouts.find(tmp_path, mapping={"stuff": "loud"})
    with pytest.raises(InputError, match="--map names folders without audio\n  got: stough"):
        layouts.find(tmp_path, mapping={"stough": "noise", "stuff": "noise", ".": "noise"})
    with pytest.raises(AudioError, match="no audio at"):
        layouts.find(tmp_path / "nowhere")


def test_speech_commands(tmp_path: Path) -> None:
    touch(
        tmp_path, "yes/0a7c_nohash_0.wav", "yes/0a7c_nohash_1.wav", "no/1b_nohash_0.wav", "_background_noise_/a.wav"
    )
    found = layouts.find(tmp_path, phrase="Yes")
    assert {(f.path.name, f.kind, f.speaker, f.text, f.licence) for f in found if "nohash" in f.path.name} == {
        ("0a7c_nohash_0.wav", "positive", "0a7c", "yes", "CC-BY-4.0"),
        ("0a7c_nohash_1.wav", "positive", "0a7c", "yes", "CC-BY-4.0"),
        ("1b_nohash_0.wav", "speech", "1b", "no", "CC-BY-4.0"),
    }
    assert [f.kind for f in found if f.path.name == "a.wav"] == ["noise"]
    assert {f.kind for f in layouts.find(tmp_path)} == {"speech", "noise"}
    with pytest.raises(InputError, match="has no folder of the phrase\n  got: 'maybe'; there are no, yes"):
        layouts.find(tmp_path, phrase="maybe")


def test_a_stray_file_of_speech_commands_makes_a_folder_none_of_theirs(tmp_path: Path) -> None:
    ours = [f"{kind}/{i}.wav" for kind in ("positive", "negative") for i in range(8)]
    touch(tmp_path / "ours", *ours, "negative/0a7c2a8d_nohash_0.flac")
    assert Counter(f.kind for f in layouts.find(tmp_path / "ours")) == {"positive": 8, "speech": 9}
    touch(tmp_path / "named", "positive/0a7c_nohash_0.wav", "train/negative/1b_nohash_0.wav")
    assert {f.kind for f in layouts.find(tmp_path / "named")} == {"positive", "speech"}
    touch(tmp_path / "few", *(f"stuff/{i}.wav" for i in range(3)), "stuff/0a7c_nohash_0.wav")
    with pytest.raises(InputError, match="nobody knows what is in some folders"):
        layouts.find(tmp_path / "few")
    found = layouts.find(tmp_path / "ours", "speech-commands")
    assert {f.kind for f in found} == {"speech"}, "where it is asked for, it holds"


TABLE = (
    "client_id\tpath\tsentence\tup_votes\n"
    "c1\ta.mp3\tHey Katya!\t2\n"
    'c2\tb.mp3\tOh "hey katya, come\t2\n'
    "c1\tc.mp3\tBread.\t2\n"
)


def test_common_voice(tmp_path: Path) -> None:
    (tmp_path / "validated.tsv").write_text(TABLE, encoding="utf-8")
    found = layouts.find(tmp_path, phrase="hey katya")
    assert [(f.path.name, f.kind, f.speaker, f.text, f.licence) for f in found] == [
        ("a.mp3", "positive", "c1", "Hey Katya!", "CC0-1.0"),
        ("c.mp3", "speech", "c1", "Bread.", "CC0-1.0"),
    ]
    assert {f.path.parent.name for f in found} == {"clips"}
    assert len(layouts.find(tmp_path)) == 3
    (tmp_path / "validated.tsv").write_text("path\tsentence\na.mp3\tx\n")
    with pytest.raises(InputError, match="not that of a Common Voice release\n  got: no client_id in line 2"):
        layouts.find(tmp_path)
    (tmp_path / "validated.tsv").write_text("client_id\tpath\tsentence\n")
    with pytest.raises(InputError, match="lists no recording"):
        layouts.find(tmp_path)
    with pytest.raises(InputError, match="no table at"):
        layouts.find(tmp_path / "nowhere", "common-voice")


def test_a_table_with_names_of_its_own(tmp_path: Path) -> None:
    table = tmp_path / "list.csv"
    table.write_text(
        'file,class,who,said\na.wav,ww,Ann,hey katya\nb.wav,0,Bob,"no, thanks"\nb.wav,0,Bob,again\nc.wav,x,,\n'
    )
    columns = {"path": "file", "kind": "class", "speaker": "who", "text": "said"}
    found = tables.listed(tmp_path, table, columns, {"ww": "positive", "0": "negative", "x": "skip"}, "CC0-1.0")
    assert [(f.path, f.kind, f.speaker, f.text, f.licence) for f in found] == [
        (tmp_path / "a.wav", "positive", "Ann", "hey katya", "CC0-1.0"),
        (tmp_path / "b.wav", "speech", "Bob", "no, thanks", "CC0-1.0"),
    ]
    lines = tmp_path / "list.jsonl"
    lines.write_text(
        '{"path": "a.wav", "kind": "positive", "licence": "MIT"}\n\n{"path": "b.wav", "kind": "noise"}\n'
    )
    assert [(f.kind, f.licence) for f in tables.listed(tmp_path, lines, {}, {}, "")] == [
        ("positive", "MIT"),
        ("noise", ""),
    ]


def test_nought_and_false_in_a_table_are_no_empty_cells(tmp_path: Path) -> None:
    table = tmp_path / "list.jsonl"
    table.write_text(
        '{"path": "a.wav", "kind": false, "speaker": 0, "text": null}\n'
        '{"path": "b.wav", "kind": true, "speaker": 1}\n'
        '{"path": "c.wav", "kind": 0, "speaker": null}\n'
    )
    found = tables.listed(tmp_path, table, {}, {"false": "negative", "true": "positive", "0": "noise"})
    assert [(f.kind, f.speaker, f.text) for f in found] == [
        ("speech", "0", ""),
        ("positive", "1", ""),
        ("noise", str(tmp_path / "c.wav"), ""),
    ]


@pytest.mark.parametrize(
    ("text", "columns", "said"),
    [
        (
            "file,kind\na.wav,positive\n",
            {},
            "has no column for the path of a clip\n  got: 'path'; there are file, kind",
        ),
        ("path,kind\na.wav,loud\n", {}, "line 2, with no --map loud=KIND for it, names no kind of clip\n  got: loud"),
        ("path,kind\n,positive\n", {}, "line 2, names no file"),
        ("path,kind\na.wav,skip\n", {}, "lists no recording"),
        ("path,kind\na.wav,positive\n", {"who": "x"}, "--columns names what a clip does not have\n  got: who"),
        ("path,kind\na.wav,positive\n", {"speaker": "who"}, "has no column for the speaker of a clip\n  got: 'who'"),
        ("path,kind\n\xff\x00", {}, "cannot be read as a table"),
    ],
)
def test_a_table_that_cannot_be_used(tmp_path: Path, text: str, columns: dict[str, str], said: str) -> None:
    (tmp_path / "list.csv").write_bytes(text.encode("latin-1"))
    with pytest.raises(InputError) as caught:
        tables.listed(tmp_path, tmp_path / "list.csv", columns, {})
    assert said in str(caught.value)


@pytest.mark.parametrize(
    "line", ["path;kind;speaker", "path\tkind\tspeaker", "path|kind|speaker", "path, kind, speaker"]
)
def test_a_table_of_another_separator_is_read_as_it_is_written(tmp_path: Path, line: str) -> None:
    table = tmp_path / "list.csv"
    separator = line[4]
    table.write_text(
        line + "\n" + separator.join(["a.wav", " positive", "Müller, Ann"]).replace(", A", " A") + "\n",
        encoding="utf-8-sig",
    )
    (found,) = tables.listed(tmp_path, table, {}, {})
    assert (found.path, found.kind, found.speaker) == (tmp_path / "a.wav", "positive", "Müller Ann")


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("list.csv", "path,kind\na\0.wav,positive\n", "list.csv, line 2, holds a character that no name can have"),
        ("list.jsonl", '{"path": "a\\u0000.wav", "kind": "positive"}\n', "list.jsonl, line 1, holds a character"),
        ("list.jsonl", '{"path": "a.wav", "kind": "positive", "text": "\\ud800"}\n', "line 1, holds a character"),
        ("list.jsonl", '{"path": ' + "[" * 100_000 + "\n", "list.jsonl cannot be read as a table"),
        ("list.json", '[{"path": "a.wav", "kind": "positive"}]\n', "list.json cannot be read as a table"),
        ("list.jsonl", '"path"\n', "list.jsonl cannot be read as a table"),
    ],
)
def test_what_no_table_holds_is_refused(tmp_path: Path, name: str, text: str, said: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError) as caught:
        tables.listed(tmp_path, tmp_path / name, {}, {})
    assert said in str(caught.value)


def test_common_voice_lists_a_clip_once_and_its_first_releases_leave_the_ending_out(tmp_path: Path) -> None:
    rows = "c1\ta\tHey Katya\t2\nc1\ta\tHey Katya\t2\nc2\tb.mp3\tBread\t2\n"
    (tmp_path / "validated.tsv").write_text("client_id\tpath\tsentence\tup_votes\n" + rows, encoding="utf-8")
    assert [f.path.name for f in layouts.find(tmp_path)] == ["a.mp3", "b.mp3"]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("हैलो", "हिलो", False),
        ("สวัสดี", "สวสด", False),
        ("cafe\u0301", "Café!", True),
        ("Hey❤\ufe0f Katya", "hey katya", True),
        ("Straße", "STRASSE", True),
        ("Hey, Katya", "hey_katya", True),
    ],
)
def test_texts_are_told_apart_by_their_letters_and_vowel_signs(one: str, other: str, same: bool) -> None:
    assert (layouts.plain(one) == layouts.plain(other)) is same


def test_a_folder_goes_by_its_own_name_and_not_by_that_of_a_link_to_it(tmp_path: Path) -> None:
    touch(tmp_path, "positive/zoe/1.wav", "negative/bob/1.wav", "far/1.wav")
    root = tmp_path / "set"
    root.mkdir()
    for name in ("positive", "negative"):
        (tmp_path / name).rename(root / name)
    (root / "positive" / "ann").symlink_to("zoe")
    (root / "negative" / "also").symlink_to("../positive")
    (root / "negative" / "carl").symlink_to(tmp_path / "far")
    (root / "positive" / "gone.wav").symlink_to(tmp_path / "nowhere.wav")
    assert told(layouts.find(root), root) == {
        "positive/zoe/1.wav": ("positive", "zoe"),
        "positive/gone.wav": ("positive", str(root / "positive/gone.wav")),
        "negative/bob/1.wav": ("speech", "bob"),
        "negative/carl/1.wav": ("speech", "carl"),
    }


def test_a_file_is_no_folder_of_recordings(tmp_path: Path) -> None:
    touch(tmp_path, "a.wav")
    with pytest.raises(InputError, match=r"a.wav is no folder"):
        layouts.find(tmp_path / "a.wav", mapping={".": "positive"})
