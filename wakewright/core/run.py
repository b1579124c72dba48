"""The run folder: everything that happened for one recipe, at `runs/<phrase>/<time>-<hash>/`.

    recipe.yaml            the resolved recipe           model.pt, model.onnx      the model
    record.json            versions, times, status       metadata.json             what a detector must know
    metrics.jsonl          one line per event            training_history.json     curves
    stages.json            which stages are whole        report.html, eval/        the measurement
    checkpoints/           to resume from                samples/                  clips to listen to

Readers ask the Run for a file; nobody looks for "the newest".
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import json
import math
import os
import re
import unicodedata
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Self

from wakewright.core import record
from wakewright.core.cluster import workers_of
from wakewright.core.compose import commented, dump, load_recipe
from wakewright.core.engine import Workers
from wakewright.core.errors import DiskFull, RunError
from wakewright.core.files import (
    append_line,
    disk_errors,
    fingerprint,
    read_lines,
    write_bytes,
    write_json,
    write_text,
)
from wakewright.core.lock import exclusive, holder
from wakewright.core.manifest import Manifest, Part
from wakewright.core.recipe import Recipe

FORMAT = 1
"""Version of the run folder's layout."""

_RESERVED = {"con", "prn", "aux", "nul", *(f"{name}{n}" for name in ("com", "lpt") for n in range(1, 10))}


def slug(phrase: str) -> str:
    """The phrase as a folder name on any system: lower case, words joined by hyphens, at most 48 characters."""
    plain = unicodedata.normalize("NFKD", phrase.casefold())
    plain = "".join(c for c in plain if not unicodedata.combining(c))
    name = re.sub(r"[\W_]+", "-", plain).strip("-")[:48].strip("-") or "phrase"
    return f"{name}-" if name in _RESERVED else name


@dataclasses.dataclass(frozen=True)
class Run:
    """One run: its folder and its resolved recipe."""

    folder: Path
    """The run's own folder."""
    recipe: Recipe
    """Everything that was decided before it began."""

    @classmethod
    def create(cls, recipe: Recipe, output_dir: Path | str = "runs") -> Self:
        """Make a new folder `<output_dir>/<phrase>/<UTC time>-<hash of the recipe>/` and store the recipe in it.

        Raises RunError when the folder cannot be made, DiskFull when the disk is full.
        """
        parent = Path(output_dir) / slug(recipe.phrase)
        stamp = datetime.datetime.now(datetime.UTC).strftime("%Y%m%d-%H%M%S")
        name = f"{stamp}-{fingerprint(dump(recipe))[:8]}"
        folder = _make_folder(parent, name)
        write_text(folder / "recipe.yaml", commented(recipe))
        run = cls(folder, recipe)
        entry = {"format": FORMAT, "status": "created", "phrase": recipe.phrase, "created": record.now()}
        write_json(run.record_path, entry | record.surroundings())
        return run

    @classmethod
    def open(cls, path: Path | str) -> Self:
        """The run at `path`: its folder, or any file or folder in it.

        Raises RunError when there is none, when it is broken, or when a newer wakewright wrote it.
        """
        path = Path(path)
        if not path.exists():
            raise RunError(f"no run at {path}", got="no such file or folder", do="list the runs: wakewright runs")
        start = path.resolve()
        folder = next((p for p in (start, *start.parents) if (p / "record.json").is_file()), None)
        if folder is None:
            raise RunError(f"{path} is not a run", got="no record.json in it", do="list the runs: wakewright runs")
        found = _read_record(folder)
        if found.get("format") != FORMAT:
            raise RunError(
                f"the run {folder} was made by a newer wakewright",
                got=f"format {found.get('format')}, while this version reads {FORMAT}",
                do="update wakewright (git pull, or pip install --upgrade wakewright)",
            )
        if not (folder / "recipe.yaml").is_file():
            raise RunError(f"the run {folder} is incomplete", got="no recipe.yaml", do="train again")
        return cls(folder, load_recipe(folder / "recipe.yaml"))

    @classmethod
    def all(cls, output_dir: Path | str = "runs", phrase: str | None = None) -> list[Path]:
        """Folders of the runs below `output_dir` (of one phrase), oldest first."""
        pattern = f"{slug(phrase)}/*/record.json" if phrase is not None else "*/*/record.json"
        return sorted((p.parent for p in Path(output_dir).glob(pattern)), key=lambda p: p.name)

    @classmethod
    def latest(cls, output_dir: Path | str = "runs", phrase: str | None = None) -> Self:
        """The run that was begun last. Raises RunError when there is none."""
        folders = cls.all(output_dir, phrase)
        if not folders:
            of = f" of {phrase!r}" if phrase is not None else ""
            raise RunError(
                f"there is no run{of} in {output_dir}", got="nothing", do='train one: wakewright train "hey katya"'
            )
        return cls.open(folders[-1])

    # Where things lie.

    @property
    def record_path(self) -> Path:
        """record.json"""
        return self.folder / "record.json"

    @property
    def recipe_path(self) -> Path:
        """recipe.yaml"""
        return self.folder / "recipe.yaml"

    @property
    def metrics_path(self) -> Path:
        """metrics.jsonl"""
        return self.folder / "metrics.jsonl"

    @property
    def model_path(self) -> Path:
        """model.pt: weights and dimensions of the chosen model."""
        return self.folder / "model.pt"

    @property
    def onnx_path(self) -> Path:
        """model.onnx"""
        return self.folder / "model.onnx"

    @property
    def tflite_path(self) -> Path:
        """model.tflite, of a model that was trained for int8"""
        return self.folder / "model.tflite"

    @property
    def metadata_path(self) -> Path:
        """metadata.json: phrase, threshold, front end and everything else a detector must know."""
        return self.folder / "metadata.json"

    @property
    def history_path(self) -> Path:
        """training_history.json"""
        return self.folder / "training_history.json"

    @property
    def cmvn_path(self) -> Path:
        """cmvn.json: mean and deviation of each coefficient over the training part, of a model that uses them"""
        return self.folder / "cmvn.json"

    @property
    def suspects_path(self) -> Path:
        """suspects.json: background that sounds like the phrase to the guard."""
        return self.folder / "suspects.json"

    def suspects(self) -> list[str]:
        """Paths of the background clips that sound like the phrase and are left out of training and calibration.

        None before the guard has listened.
        """
        if not self.suspects_path.is_file():
            return []
        return [entry["path"] for entry in json.loads(self.suspects_path.read_text(encoding="utf-8"))]

    @property
    def report_path(self) -> Path:
        """report.html"""
        return self.folder / "report.html"

    @property
    def eval_dir(self) -> Path:
        """eval/: scores, curves and tables of the measurement."""
        return self.folder / "eval"

    @property
    def samples_dir(self) -> Path:
        """samples/: positive/ and negative/ clips to listen to."""
        return self.folder / "samples"

    @property
    def checkpoints_dir(self) -> Path:
        """checkpoints/: what training resumes from."""
        return self.folder / "checkpoints"

    def require(self, name: str) -> Path:
        """Path of the file `name` in the run. Raises RunError when the run has not come that far."""
        path = self.folder / name
        if not path.exists():
            raise RunError(
                f"the run {self.folder} has no {name}",
                got=f"status: {self.status}",
                do=f"finish it: wakewright train --resume {self.folder}",
            )
        return path

    def clips(self, part: Part) -> Manifest:
        """The clips of a part. Raises RunError when the run has not come that far, InputError for a damaged list."""
        return Manifest.read(self.require(f"manifest-{part}.jsonl"))

    # Who works in it, and how it went.

    def workers(self, *reads: Path | str) -> Workers:
        """Who does its work, as its recipe says; a cluster must see the run's folder and `reads` as this machine."""
        return workers_of(self.recipe, self.recipe_path, *reads)

    @property
    def record(self) -> dict[str, Any]:
        """record.json as it is now."""
        return _read_record(self.folder)

    @property
    def status(self) -> str:
        """created, running, complete, failed or interrupted; a killed run counts as interrupted."""
        status = str(self.record.get("status"))
        if status == "running" and holder(self.folder / ".lock") is None:
            return "interrupted"
        return status

    def note(self, **values: Any) -> None:
        """Add to, or change in, record.json."""
        write_json(self.record_path, self.record | values)

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Keep other processes out during the block; status and times stay as they are.

        Raises RunError, with its pid, when another process holds the run.
        """
        lock = self.folder / ".lock"
        with exclusive(lock) as mine:
            if not mine:
                raise RunError(
                    f"the run {self.folder} is in use",
                    got=f"process {holder(lock) or 'unknown'} is working in it",
                    do="wait until it ends, or end it; to train beside it, start a run without --resume",
                )
            yield

    @contextlib.contextmanager
    def working(self) -> Iterator[None]:
        """Hold the run during the block that makes it, and keep status, start and end in record.json.

        Raises RunError, with its pid, when another process holds the run.
        """
        with self.held():
            started = {"started": record.now()} if "started" not in self.record else {"resumed": record.now()}
            self.note(status="running", pid=os.getpid(), error=None, **started)
            try:
                yield
            except KeyboardInterrupt:
                with contextlib.suppress(DiskFull):
                    self.note(status="interrupted", ended=record.now())
                raise
            except BaseException as error:
                with contextlib.suppress(DiskFull):  # on a full disk what filled it is the news, not that it is full
                    self.note(status="failed", ended=record.now(), error=f"{type(error).__name__}: {error}")
                raise
            self.note(status="complete", ended=record.now())

    # What has been measured on the way.

    def log(self, **values: Any) -> None:
        """Append one line to metrics.jsonl; it is whole or, after a kill, ignored. NaN and infinity become null."""
        append_line(self.metrics_path, _finite(values))

    def metrics(self) -> list[dict[str, Any]]:
        """Every whole line of metrics.jsonl, in order."""
        return read_lines(self.metrics_path)

    def rewind_metrics(self, step: int, **where: Any) -> None:
        """Drop the lines whose `step` is beyond `step`: training resumes there and will log them again.

        With `where`, such as stage="model", only lines that hold these values are dropped.
        """

        def again(line: dict[str, Any]) -> bool:
            return line.get("step", -1) > step and all(line.get(key) == value for key, value in where.items())

        kept = [line for line in self.metrics() if not again(line)]
        write_bytes(self.metrics_path, b"".join(json.dumps(k, ensure_ascii=False).encode() + b"\n" for k in kept))

    # Which stages are whole.

    def stages(self) -> dict[str, dict[str, Any]]:
        """Every finished stage: {name: {"fingerprint", "finished", and what was noted with it}}."""
        path = self.folder / "stages.json"
        if not path.exists():
            return {}
        return dict(_read_json(path))

    def stage_done(self, name: str, fingerprint: str) -> bool:
        """True when the stage was finished from inputs with this fingerprint."""
        return self.stages().get(name, {}).get("fingerprint") == fingerprint

    def finish_stage(self, name: str, fingerprint: str, **facts: Any) -> None:
        """Note that the stage is whole. Call it last, when everything the stage writes is on disk."""
        entry = {"fingerprint": fingerprint, "finished": record.now(), **facts}
        write_json(self.folder / "stages.json", self.stages() | {name: entry})


def _make_folder(parent: Path, name: str) -> Path:
    """A folder of this name, or name-2, name-3, ... that did not exist."""
    for number in range(1, 1000):
        folder = parent / (name if number == 1 else f"{name}-{number}")
        try:
            with disk_errors(folder):
                folder.mkdir(parents=True)
        except FileExistsError:
            if not parent.is_dir():
                break
            continue
        except OSError as error:
            raise RunError(
                f"cannot make the run folder {folder}",
                got=error.strerror or str(error),
                do="name a folder you may write to with --output-dir",
            ) from error
        return folder
    raise RunError(f"cannot make a run folder in {parent}", got="the name is taken", do="use another --output-dir")


def _finite(value: Any) -> Any:
    """The value with NaN and infinities, which JSON does not know, as None."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    return value


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise RunError(f"{path} is damaged", got=str(error), do="train again, or restore it from a copy") from error


def _read_record(folder: Path) -> dict[str, Any]:
    """record.json of the run. Raises RunError when it is missing or damaged."""
    path = folder / "record.json"
    if not path.is_file():
        raise RunError(f"{folder} is not a run", got="no record.json in it", do="list the runs: wakewright runs")
    found = _read_json(path)
    if not isinstance(found, dict):
        raise RunError(f"{path} is damaged", got="not a mapping", do="train again, or restore it from a copy")
    return found
