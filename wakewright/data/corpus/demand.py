"""DEMAND: seventeen places of daily life, five minutes each, by sixteen microphones at once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from wakewright.data.corpus.corpus import Corpus, Found, Part

_ARCHIVES = {
    # bytes, MD5 as Zenodo gives them; SCAFE is published at 48 kHz alone and left out
    "dkitchen": (110_501_049, "7ffbf52d7f4699f96927846103dc8788"),
    "dliving": (80_170_627, "46741384d9e434a0bd8b3ec1830b6052"),
    "dwashing": (102_343_250, "7e5ee9437ce9409c5f9a779b6212a240"),
    "nfield": (86_536_782, "a740046c6f4e174e16f5d568aaec5024"),
    "npark": (86_029_332, "80f1385a34d7f1705758926b57f138ce"),
    "nriver": (98_689_565, "54264db61d3fe073fb81f2e40e0d19b5"),
    "ohallway": (77_941_854, "fe918bbb0e63e73d09ba7f4843ef33f1"),
    "omeeting": (82_703_355, "62f7cfe7fe6d30b7d8a215fe37c2dfd2"),
    "ooffice": (88_995_191, "7b61cc2d182d5a654cb9c3101ddd4041"),
    "pcafeter": (107_431_494, "99927d148128254141a9417d051510bb"),
    "presto": (111_292_815, "b98d2e6854eeebb397f29a8ad7457092"),
    "pstation": (119_441_094, "d7448009f6c2aeb6ba570375df1750a3"),
    "spsquare": (110_928_528, "205d0e7b8fe74504a2f8d252fc414b9e"),
    "straffic": (118_572_691, "2efa87262f272bbf9ba578088e81939c"),
    "tbus": (128_916_709, "706b11b0d8504f9f3b3f3211e91b3863"),
    "tcar": (130_045_975, "4d930012796bd298932245a26189f973"),
    "tmetro": (126_589_090, "95daf4df678e13b120e14211e6d89571"),
}
_ONE_MICROPHONE = 300 * 16_000 * 2


def _clips(folder: Path) -> Iterator[Found]:
    """PLACE/ch01.wav to ch16.wav: the same five minutes by sixteen microphones, of which the first is taken."""
    for path in sorted(folder.rglob("ch01.wav")):
        yield Found(path, "noise", path.parent.name)


def _keep(path: PurePosixPath) -> bool:
    return path.name == "ch01.wav" or path.suffix != ".wav"


CORPUS = Corpus(
    name="demand",
    title="DEMAND (Thiemann, Ito, Vincent)",
    page="https://zenodo.org/records/1227121",
    licence="CC-BY-SA-3.0",
    commercial=True,
    purpose="noise of kitchens, offices, streets, trains",
    kinds=("noise",),
    parts=tuple(
        Part(
            name,
            f"https://zenodo.org/api/records/1227121/files/{name.upper()}_16k.zip/content",
            size,
            _ONE_MICROPHONE + 100_000,
            f"md5:{md5}",
        )
        for name, (size, md5) in _ARCHIVES.items()
    ),
    usual=tuple(_ARCHIVES),
    clips=_clips,
    keep=_keep,
    remark="Share-alike: whether that reaches a model is for you to judge. One microphone of sixteen is unpacked.",
)
