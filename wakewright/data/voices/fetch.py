"""Fetching Piper voices, over connections that break: `wakewright voices get NAME...`.

The collection's own list says how large each file is and its MD5, so that what arrives can be checked.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from wakewright.core.errors import EnvironmentProblem, InputError
from wakewright.core.files import cache_dir
from wakewright.data.download import Remote, download, fetch_text, is_listed

COLLECTION = "https://huggingface.co/rhasspy/piper-voices/resolve/main"
"""The public collection of Piper voices: `voices.json` and the files it lists."""
_BY_HAND = "put a voice's *.onnx and *.onnx.json into a folder by hand and set voices.piper_dir"
_LONGEST_LIST = 1 << 25

Say = Callable[[str], None]


def get_voices(
    names: Sequence[str], *, folder: Path | None = None, collection: str = COLLECTION, say: Say | None = None
) -> list[Path]:
    """Fetch Piper voices by name (`en_US-libritts_r-medium`); returns their .onnx files.

    Goes to `folder`, by default where the engine looks. `say` gets a line with address and size before each voice is
    fetched; what is there whole already is not fetched again. Raises InputError for a name the collection lacks,
    EnvironmentProblem when it cannot be reached or sends something else than it announced, DiskFull.
    """
    folder = folder or cache_dir() / "piper"
    listed = _listed(collection)
    wanted = {name: _files(name, listed, collection) for name in names}
    fetched = []
    for name, files in wanted.items():
        missing = {target: file for target, file in files.items() if not is_listed(folder / target, file)}
        if say:
            size = sum(file.size or 0 for file in missing.values()) / 1e6
            say(f"{name}: {size:.1f} MB from {collection}" if missing else f"{name}: already here, {folder}")
        for target, file in missing.items():
            download(file, folder / target)
        fetched.append(folder / f"{name}.onnx")
    return fetched


def _listed(collection: str) -> dict[str, Any]:
    address = f"{collection}/voices.json"
    try:
        listed = json.loads(fetch_text(address, most=_LONGEST_LIST, by_hand=_BY_HAND))
    except ValueError as error:
        raise EnvironmentProblem(
            f"{address} is not the list of voices", got=str(error), do="try again later"
        ) from error
    if not isinstance(listed, dict):
        raise EnvironmentProblem(f"{address} is not the list of voices", got="no object", do="try again later")
    return listed


def _files(name: str, listed: dict[str, Any], collection: str) -> dict[str, Remote]:
    """The files of a voice, by the name each gets here."""
    if name not in listed:
        near = difflib.get_close_matches(name, listed, n=3, cutoff=0.3) or sorted(listed)[:3]
        raise InputError("no such Piper voice", got=repr(name), do="did you mean " + ", ".join(near) + "?")
    files = {}
    for path, about in listed[name]["files"].items():
        last = path.rsplit("/", 1)[-1]
        # all model cards have one name; beside other voices each needs its own
        target = f"{name}.MODEL_CARD" if last == "MODEL_CARD" else last
        if target in (f"{name}.onnx", f"{name}.onnx.json", f"{name}.MODEL_CARD"):
            size, md5 = int(about["size_bytes"]), f"md5:{about['md5_digest']}"
            files[target] = Remote(f"{collection}/{path}", size, md5, size, "the collection lists", _BY_HAND)
    # the model last: a voice counts as installed once its .onnx is there
    return dict(sorted(files.items(), key=lambda item: item[0].endswith(".onnx")))
