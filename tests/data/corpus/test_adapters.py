"""Each corpus's own layout, in small: what is a clip, of which kind, by whom, saying what."""

from __future__ import annotations

import io
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
import soundfile

from wakewright.core.errors import AudioError, InputError
from wakewright.core.manifest import Clip, Manifest
from wakewright.core.recipe import Recipe
from wakewright.data.corpus import CORPORA, named
from wakewright.data.corpus.clips import manifest_of
from wakewright.data.corpus.unpack import unpack
from wakewright.data.splits import apart


def sound(seconds: float = 0.5, rate: int = 16_000, form: str = "WAV", channels: int = 1) -> bytes:
    out = io.BytesIO()
    noise = np.random.default_rng(round(seconds * 1000)).normal(0, 0.1, (round(seconds * rate), channels))
    soundfile.write(out, noise, rate, format=form)
    return out.getvalue()


def unpacked(corpus: str, files: dict[str, bytes], tmp_path: Path, *, packed_as: str) -> tuple[dict[str, Clip], Path]:
    """The clips by name, after packing the files as the publisher does and unpacking what the adapter keeps."""
    tmp_path.mkdir(exist_ok=True)
    archive, folder = tmp_path / f"a{packed_as}", tmp_path / "there"
    if packed_as == ".zip":
        with zipfile.ZipFile(archive, "w") as zipped:
            for name, data in files.items():
                zipped.writestr(name, data)
    else:
        with tarfile.open(archive, "w:gz") as tar:
            for name, data in files.items():
                info = tarfile.TarInfo(name)
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
    about = CORPORA[corpus]
    unpack(archive, folder, most=10**8, keep=about.keep)
    made, left_out = manifest_of(about, folder)
    assert left_out == []
    assert {clip.source for clip in made} == {corpus}
    assert {clip.kind for clip in made} <= set(about.kinds)
    assert {clip.licence for clip in made} == {about.licence}
    assert all(clip.real and Path(clip.path).is_file() and Path(clip.path).is_absolute() for clip in made)
    clips = {Path(clip.path).relative_to(folder).as_posix(): clip for clip in made}
    assert len(clips) == len(made)
    return clips, folder


def told(clips: dict[str, Clip]) -> dict[str, tuple[str, str, str]]:
    return {name: (clip.kind, clip.speaker, clip.text) for name, clip in clips.items()}


def test_librispeech(tmp_path: Path) -> None:
    base = "LibriSpeech/dev-clean/84/121123"
    files = {
        "LibriSpeech/README.TXT": b"notes",
        "LibriSpeech/SPEAKERS.TXT": b";ID |SEX\n",
        f"{base}/84-121123-0000.flac": sound(0.5, form="FLAC"),
        f"{base}/84-121123-0001.flac": sound(0.75, form="FLAC"),
        f"{base}/84-121123.trans.txt": b"84-121123-0000 GO ON THEN\n84-121123-0001 IT'S LATE\n",
        "LibriSpeech/dev-clean/84/121550/84-121550-0000.flac": sound(0.5, form="FLAC"),
        "LibriSpeech/dev-clean/84/121550/84-121550.trans.txt": b"84-121550-0000 ANOTHER BOOK\n",
        "LibriSpeech/dev-clean/174/50561/174-50561-0000.flac": sound(0.5, form="FLAC"),
        "LibriSpeech/dev-clean/174/50561/174-50561.trans.txt": b"174-50561-0000 SOMEBODY ELSE\n",
    }
    clips, _ = unpacked("librispeech", files, tmp_path, packed_as=".tar.gz")
    assert told(clips) == {
        "LibriSpeech/dev-clean/174/50561/174-50561-0000.flac": ("speech", "174", "somebody else"),
        f"{base}/84-121123-0000.flac": ("speech", "84", "go on then"),
        f"{base}/84-121123-0001.flac": ("speech", "84", "it's late"),
        "LibriSpeech/dev-clean/84/121550/84-121550-0000.flac": ("speech", "84", "another book"),
    }
    assert clips[f"{base}/84-121123-0001.flac"].seconds == 0.75
    train, held = apart(list(clips.values()), Recipe(phrase="hey katya"))
    assert held.clips
    assert not {c.speaker for c in train} & {c.speaker for c in held}


def test_librispeech_with_a_broken_list(tmp_path: Path) -> None:
    files = {"LibriSpeech/x/1/2/1-2-0000.flac": sound(form="FLAC"), "LibriSpeech/x/1/2/1-2.trans.txt": b"1-2-0000\n"}
    with pytest.raises(InputError, match=r"(?s)1-2.trans.txt, line 1, is no name and text.*get the corpus again"):
        unpacked("librispeech", files, tmp_path, packed_as=".tar.gz")


def test_musan(tmp_path: Path) -> None:
    files = {
        "musan/README": b"",
        "musan/music/fma/music-fma-0026.wav": sound(),
        "musan/music/fma/music-fma-0097.wav": sound(),
        "musan/music/fma/music-fma-0098.wav": sound(),
        "musan/music/fma/ANNOTATIONS": b"music-fma-0026 blues Y Cullah\nmusic-fma-0097 pop,folk Y Cullah\nodd line\n",
        "musan/music/fma/LICENSE": b"CC BY",
        "musan/noise/free-sound/noise-free-sound-0000.wav": sound(),
        "musan/speech/librivox/speech-librivox-0000.wav": sound(),
        "musan/speech/librivox/ANNOTATIONS": b"speech-librivox-0000 m english 1 2\n",
    }
    clips, _ = unpacked("musan", files, tmp_path, packed_as=".tar.gz")
    assert {Path(name).stem: value[:2] for name, value in told(clips).items()} == {
        "music-fma-0026": ("music", "Cullah"),
        "music-fma-0097": ("music", "Cullah"),
        "music-fma-0098": ("music", "music-fma-0098"),
        "noise-free-sound-0000": ("noise", "noise-free-sound-0000"),
        "speech-librivox-0000": ("speech", "speech-librivox-0000"),
    }


def test_mit_rirs(tmp_path: Path) -> None:
    files = {
        "Audio/h001_Bedroom_65txts.wav": sound(0.3, 32_000),
        "Audio/h002_Bedroom_3txts.wav": sound(0.3, 32_000),
        "__MACOSX/Audio/._h001_Bedroom_65txts.wav": b"junk",
    }
    clips, _ = unpacked("mit-rirs", files, tmp_path, packed_as=".zip")
    assert [value[:2] for value in told(clips).values()] == [("rir", "h001"), ("rir", "h002")]


def test_slr28_gives_real_rooms_alone(tmp_path: Path) -> None:
    real = "RIRS_NOISES/real_rirs_isotropic_noises"
    names = ("RVB2014_type1_rir_largeroom1_far_angla.wav", "air_type1_air_binaural_booth_0_0_1.wav")
    files = {
        "RIRS_NOISES/README": b"",
        f"{real}/{names[0]}": sound(0.4, channels=8),
        f"{real}/{names[1]}": sound(0.4, channels=2),
        f"{real}/RVB2014_type1_noise_largeroom1_1.wav": sound(1.0, channels=8),
        f"{real}/rir_list": f"--rir-id 00001 --room-id RVB2014_largeroom1 {real}/{names[0]}\n"
        f"--rir-id 00002 --room-id air_booth {real}/{names[1]}\n".encode(),
        f"{real}/noise_list": b"--noise-id 00001 --noise-type isotropic --room-linkage RVB2014_largeroom1 "
        + f"{real}/RVB2014_type1_noise_largeroom1_1.wav\n".encode(),
        "RIRS_NOISES/simulated_rirs/smallroom/Room001/Room001-00001.wav": sound(),
        "RIRS_NOISES/simulated_rirs/smallroom/rir_list": b"--rir-id s1 --room-id s simulated_rirs/x.wav\n",
        "RIRS_NOISES/pointsource_noises/noise-free-sound-0000.wav": sound(),
    }
    clips, folder = unpacked("slr28", files, tmp_path, packed_as=".zip")
    assert told(clips) == {
        f"{real}/{names[0]}": ("rir", "RVB2014_largeroom1", ""),
        f"{real}/{names[1]}": ("rir", "air_booth", ""),
        f"{real}/RVB2014_type1_noise_largeroom1_1.wav": ("noise", "RVB2014_largeroom1", ""),
    }
    assert sorted(p.name for p in (folder / "RIRS_NOISES").iterdir()) == ["README", "real_rirs_isotropic_noises"]


def test_slr28_with_a_broken_list(tmp_path: Path) -> None:
    files = {"RIRS_NOISES/real_rirs_isotropic_noises/rir_list": b"what\n"}
    with pytest.raises(InputError, match="rir_list, line 1, names no file"):
        unpacked("slr28", files, tmp_path, packed_as=".zip")


def test_demand_takes_one_microphone_of_sixteen(tmp_path: Path) -> None:
    files = {f"TBUS/ch{number:02d}.wav": sound(1.0) for number in range(1, 17)}
    clips, folder = unpacked("demand", files, tmp_path, packed_as=".zip")
    assert told(clips) == {"TBUS/ch01.wav": ("noise", "TBUS", "")}
    assert len(list(folder.rglob("*.wav"))) == 1


def test_esc50_keeps_what_was_cut_from_one_recording_together(tmp_path: Path) -> None:
    files = {
        "ESC-50-master/README.md": b"",
        "ESC-50-master/tests/test_dataset.py": b"",
        "ESC-50-master/audio/1-100032-A-0.wav": sound(0.5, 44_100),
        "ESC-50-master/audio/1-100032-B-0.wav": sound(0.5, 44_100),
        "ESC-50-master/audio/1-100210-A-36.wav": sound(0.5, 44_100),
        "ESC-50-master/meta/esc50.csv": b"filename,fold,target,category,esc10,src_file,take\n"
        b"1-100032-A-0.wav,1,0,dog,True,100032,A\n1-100032-B-0.wav,1,0,dog,True,100032,B\n"
        b"1-100210-A-36.wav,1,36,vacuum_cleaner,False,100210,A\n",
    }
    clips, folder = unpacked("esc50", files, tmp_path, packed_as=".zip")
    assert [value[:2] for value in told(clips).values()] == [("noise", "100032")] * 2 + [("noise", "100210")]
    assert not (folder / "ESC-50-master" / "tests").exists()


def test_esc50_with_another_list(tmp_path: Path) -> None:
    files = {"ESC-50-master/meta/esc50.csv": b"name,fold\na.wav,1\n"}
    with pytest.raises(InputError, match=r"esc50.csv is not ESC-50's list"):
        unpacked("esc50", files, tmp_path, packed_as=".zip")


def test_speech_commands(tmp_path: Path) -> None:
    files = {
        "./README.md": b"",
        "./testing_list.txt": b"yes/0a7c2a8d_nohash_0.wav\n",
        "./yes/0a7c2a8d_nohash_0.wav": sound(1.0),
        "./no/0a7c2a8d_nohash_1.wav": sound(0.9),
        "./no/ffd2ba2f_nohash_0.wav": sound(1.0),
        "./_background_noise_/doing_the_dishes.wav": sound(2.0),
    }
    clips, _ = unpacked("speech-commands", files, tmp_path, packed_as=".tar.gz")
    assert told(clips) == {
        "_background_noise_/doing_the_dishes.wav": ("noise", "doing_the_dishes", ""),
        "no/0a7c2a8d_nohash_1.wav": ("speech", "0a7c2a8d", "no"),
        "no/ffd2ba2f_nohash_0.wav": ("speech", "ffd2ba2f", "no"),
        "yes/0a7c2a8d_nohash_0.wav": ("speech", "0a7c2a8d", "yes"),
    }


def test_fma(tmp_path: Path) -> None:
    files = {
        "fma_small/README.txt": b"",
        "fma_small/checksums": b"",
        "fma_small/000/000002.mp3": sound(1.0, 44_100, "MP3"),
        "fma_small/155/155066.mp3": sound(1.0, 44_100, "MP3"),
    }
    clips, _ = unpacked("fma", files, tmp_path, packed_as=".zip")
    assert [value[:2] for value in told(clips).values()] == [("music", "000002"), ("music", "155066")]
    assert [clip.seconds for clip in clips.values()] == pytest.approx([1.0, 1.0], abs=0.06)


HEADER = ",album,artist,track\n,id,id,license\ntrack_id,,,\n"


def test_fma_with_its_metadata_knows_artist_and_licence(tmp_path: Path) -> None:
    """The metadata lies in a part beside it, or beside a folder that was brought by hand; its cells may be long."""
    table = HEADER + f'2,"{"life " * 50_000}",1,Attribution 3.0\n155066,9,22,"Attribution, NonCommercial"\n7,cut\n'
    for place in ("metadata/fma_metadata", "fma_metadata"):
        root = tmp_path / place.replace("/", "-")
        (root / place).mkdir(parents=True)
        (root / place / "tracks.csv").write_text(table, encoding="utf-8")
        for number in ("000002", "155066", "000003"):
            path = root / "small" / "fma_small" / number[:3] / f"{number}.mp3"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(sound(0.5, 44_100, "MP3"))
        made, _ = manifest_of(CORPORA["fma"], root / "small")
        assert [(clip.speaker, clip.licence) for clip in made] == [
            ("artist 1", "Attribution 3.0"),
            ("000003", "per track"),
            ("artist 22", "Attribution, NonCommercial"),
        ]


def test_fma_with_another_table(tmp_path: Path) -> None:
    (tmp_path / "fma_metadata").mkdir()
    (tmp_path / "fma_metadata" / "tracks.csv").write_text("a,b\nc,d\n")
    (tmp_path / "small").mkdir()
    with pytest.raises(InputError, match=r"(?s)tracks.csv is not FMA's table.*get fma/metadata again"):
        manifest_of(CORPORA["fma"], tmp_path / "small")


VOICE = "cv-corpus-17.0-2024-03-15/en"
COLUMNS = "client_id\tpath\tsentence_id\tsentence\tsentence_domain\tup_votes\n"


def common_voice(**more: bytes) -> dict[str, bytes]:
    rows = '1f9a\tcommon_voice_en_1.mp3\ts1\tHe said "go.\t\t2\n77bc\tcommon_voice_en_2.mp3\ts2\tÜber all.\t\t2\n'
    return {
        f"{VOICE}/clips/common_voice_en_1.mp3": sound(1.0, 32_000, "MP3"),
        f"{VOICE}/clips/common_voice_en_2.mp3": sound(1.0, 32_000, "MP3"),
        f"{VOICE}/clips/common_voice_en_3.mp3": sound(1.0, 32_000, "MP3"),
        f"{VOICE}/validated.tsv": (COLUMNS + rows).encode(),
        f"{VOICE}/invalidated.tsv": (COLUMNS + "x\tcommon_voice_en_3.mp3\ts\tno\t\t0\n").encode(),
        **{f"{VOICE}/{name.replace('_tsv', '.tsv')}": data for name, data in more.items()},
    }


def test_common_voice_gives_validated_clips(tmp_path: Path) -> None:
    clips, _ = unpacked("common-voice", common_voice(), tmp_path, packed_as=".tar.gz")
    assert told(clips) == {
        f"{VOICE}/clips/common_voice_en_1.mp3": ("speech", "1f9a", 'He said "go.'),
        f"{VOICE}/clips/common_voice_en_2.mp3": ("speech", "77bc", "Über all."),
    }
    assert clips[f"{VOICE}/clips/common_voice_en_1.mp3"].seconds == pytest.approx(1.0, abs=0.1)


def test_common_voice_takes_lengths_from_its_list(tmp_path: Path) -> None:
    lengths = b"clip\tduration[ms]\ncommon_voice_en_1.mp3\t1234\ncommon_voice_en_2.mp3\t0\n"
    clips, _ = unpacked("common-voice", common_voice(clip_durations_tsv=lengths), tmp_path, packed_as=".tar.gz")
    assert clips[f"{VOICE}/clips/common_voice_en_1.mp3"].seconds == 1.234
    assert clips[f"{VOICE}/clips/common_voice_en_2.mp3"].seconds == pytest.approx(1.0, abs=0.1)


def test_common_voice_with_another_or_a_broken_list(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"(?s)is not Common Voice's list.*got: columns name, words.*one language"):
        unpacked("common-voice", common_voice(validated_tsv=b"name\twords\n"), tmp_path, packed_as=".tar.gz")
    cut_off = (COLUMNS + "1f9a\tcommon_voice_en_1.mp3\n").encode()
    with pytest.raises(InputError, match=r"validated.tsv, line 2, is cut off"):
        unpacked("common-voice", common_voice(validated_tsv=cut_off), tmp_path / "b", packed_as=".tar.gz")


def test_a_few_unreadable_files_are_left_out_and_named(tmp_path: Path) -> None:
    for number in range(40):
        (tmp_path / f"{number:06}.mp3").write_bytes(sound(0.2, 44_100, "MP3"))
    (tmp_path / "000007.mp3").write_bytes(b"")
    made, left_out = manifest_of(CORPORA["fma"], tmp_path)
    assert len(made) == 39
    assert len(left_out) == 1
    assert "000007.mp3 cannot be used: an empty file of 0 bytes" in left_out[0]
    for number in range(3):
        (tmp_path / f"{number:06}.mp3").write_bytes(b"not music")
    with pytest.raises(AudioError, match=r"(?s)4 of 40 files of fma in .* cannot be read.*get the corpus again"):
        manifest_of(CORPORA["fma"], tmp_path)


def test_files_that_the_list_names_and_nobody_packed_are_left_out(tmp_path: Path) -> None:
    lengths = b"clip\tduration[ms]\ncommon_voice_en_1.mp3\t1234\n"
    for name, data in common_voice(clip_durations_tsv=lengths).items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(data)
    (tmp_path / VOICE / "clips" / "common_voice_en_1.mp3").unlink()
    with pytest.raises(
        AudioError, match=r"(?s)1 of 2 files.*got: no recording at .*common_voice_en_1.mp3: no such file"
    ):
        manifest_of(CORPORA["common-voice"], tmp_path)


def test_a_folder_of_something_else(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("hello")
    for name, corpus in CORPORA.items():
        with pytest.raises(AudioError, match=f"there is nothing of {name} in "):
            manifest_of(corpus, tmp_path)


def test_the_list_is_the_same_on_any_number_of_workers(tmp_path: Path) -> None:
    for number in range(6):
        (tmp_path / f"{number:06}.wav").write_bytes(sound(0.1 + number / 100))
    alone, _ = manifest_of(CORPORA["speech-commands"], tmp_path, workers=1)
    assert manifest_of(CORPORA["speech-commands"], tmp_path, workers=2)[0] == alone
    assert len(Manifest(alone.clips)) == 6


def test_names() -> None:
    corpus, parts = named("demand")
    assert len(parts) == len(corpus.parts) == 17
    assert named("librispeech/dev-clean")[1][0].file == "dev-clean.tar.gz"
    assert named("demand/tbus")[1][0].file == "TBUS_16k.zip"
    assert named("common-voice")[1] == ()
    with pytest.raises(InputError, match=r"(?s)no such corpus.*'librispech'.*did you mean librispeech"):
        named("librispech")
    with pytest.raises(InputError, match=r"(?s)librispeech has no such part.*'dev'.*librispeech/dev-clean"):
        named("librispeech/dev")


@pytest.mark.parametrize("name", CORPORA)
def test_what_is_said_of_a_corpus_is_whole(name: str) -> None:
    corpus = CORPORA[name]
    assert corpus.name == name
    assert corpus.title
    assert corpus.page.startswith("https://")
    assert corpus.licence
    assert corpus.kinds
    assert bool(corpus.parts) != bool(corpus.account)
    assert set(corpus.usual) <= {part.name for part in corpus.parts}
    assert len({part.name for part in corpus.parts}) == len(corpus.parts)
    digits = {"md5": 32, "sha1": 40, "sha256": 64}
    for part in corpus.parts:
        assert part.address.startswith("https://")
        assert part.size > 0
        assert part.unpacked > 0
        assert part.file.endswith((".zip", ".tar.gz"))
        if part.checksum:
            kind, _, digest = part.checksum.partition(":")
            assert len(digest) == digits[kind]
            assert set(digest) <= set("0123456789abcdef")
        else:
            assert not part.exact
