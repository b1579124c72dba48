#!/usr/bin/env python3
"""Set wakewright up in this folder and run a command in it.

    python3 run.py train "hey katya"      from nothing to a trained, measured, exported wake word
    python3 run.py test                   ruff, mypy and the tests
    python3 run.py --help                 every command

The first start makes `.venv` and installs the pinned packages into it; later starts see from a stamp that nothing
has changed and go straight to the command. Only the standard library is used, on Linux, macOS and Windows, and all of
it stands in this one file, since nothing is installed yet when it runs.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import time
from collections import deque
from pathlib import Path

ROOT = Path(__file__).resolve().parent
OLDEST = (3, 11)
EXTRAS = {
    "test": ("train", "dev"),
    "listen": ("train", "mic", "cascade", "vad"),
    "judge": ("train", "judge"),
    "bench": ("train", "judge", "cascade"),
    "wyoming": ("train", "wyoming", "cascade"),
}
"""Extras a command needs; every other command needs ("train",)."""

VOICES = (  # noqa: SIM905 - a shopping list reads better than thirty quoted strings
    "flite festival festvox-kallpc16k festvox-kdlpc16k festvox-us-slt-hts festvox-us1 festvox-us2 festvox-us3 "
    "espeak-ng mbrola mbrola-us1 mbrola-us2 mbrola-us3 mbrola-en1 mbrola-af1 mbrola-de1 mbrola-de2 mbrola-de3 "
    "mbrola-de4 mbrola-de5 mbrola-de6 mbrola-fr1 mbrola-fr4 mbrola-gr2 mbrola-hu1 mbrola-nl2 mbrola-pl1 mbrola-ro1 "
    "mbrola-sw1 mbrola-sw2 libttspico-utils rhvoice rhvoice-english"
).split()
"""Debian packages that hold English voices, or other voices that speak English with an accent."""

NO_SYSTEM = "--no-system"


class SetUpFailed(Exception):
    """Set-up cannot go on; the message says what happened and what to do."""


def main(words: list[str]) -> int:
    """Set up what the command in `words` needs, run it, return its exit status."""
    command = next((word for word in words if not word.startswith("-")), "")
    system = NO_SYSTEM not in words
    words = [word for word in words if word != NO_SYSTEM]
    try:
        if sys.version_info < OLDEST:
            return use_newer_python(words if system else [*words, NO_SYSTEM])
        python = prepare(ROOT, EXTRAS.get(command, ("train",)))
        if command == "train" and system and "--help" not in words:
            add_system_voices(ROOT / ".venv" / "system-voices.json")
    except SetUpFailed as problem:
        print(f"run.py: {problem}", file=sys.stderr)
        return 3
    except KeyboardInterrupt:
        print("\nrun.py: set-up stopped; the next start continues it", file=sys.stderr)
        return 130
    if command == "test" and words[0] == "test":
        return run_checks(python, words[1:])
    return hand_over([str(python), "-m", "wakewright", *words])


def hand_over(words: list[str]) -> int:
    """Become the command where the system can, else run it and pass its exit status on."""
    sys.stdout.flush()
    sys.stderr.flush()
    if os.name == "posix":
        os.execv(words[0], words)
    child = subprocess.Popen(words)
    while True:
        try:
            return child.wait()
        except KeyboardInterrupt:  # the child got it too and ends in its own way
            continue


def use_newer_python(words: list[str]) -> int:
    """Start again with a newer interpreter from the PATH; SetUpFailed when there is none."""
    for minor in (12, 13, 11, 14):  # the versions that most packages have wheels for come first
        found = shutil.which(f"python3.{minor}")
        if found:
            return hand_over([found, str(ROOT / "run.py"), *words])
    raise SetUpFailed(
        f"wakewright needs Python {OLDEST[0]}.{OLDEST[1]} or later, this is {platform.python_version()}\n"
        "  do:  install a newer one, then start run.py with it, for example: python3.12 run.py"
    )


# The environment.


def prepare(root: Path, extras: tuple[str, ...]) -> Path:
    """Make `.venv` hold the package with `extras`; return its interpreter. Quick when it already does."""
    venv = root / ".venv"
    python = venv / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    key = stamp_key(root)
    if up_to_date(venv, python, key, extras):
        return python
    with one_at_a_time(root / ".venv.lock"):
        if not up_to_date(venv, python, key, extras):  # another start may have done it meanwhile
            install(root, venv, python, key, tuple(sorted({*read_stamp(venv)[1], *extras})))
    return python


def up_to_date(venv: Path, python: Path, key: str, extras: tuple[str, ...]) -> bool:
    """Whether the environment holds these extras in the state that `key` stands for."""
    stamped, installed = read_stamp(venv)
    return stamped == key and installed >= set(extras) and python.exists()


def stamp_key(root: Path) -> str:
    """Changes with the requirements, the pins, the interpreter and the place of the checkout."""
    digest = hashlib.sha256(f"{sys.version}|{platform.machine()}|{root}".encode())
    for name in ("pyproject.toml", "constraints.txt"):
        digest.update(b"\0" + (root / name).read_bytes())
    return digest.hexdigest()


def read_stamp(venv: Path) -> tuple[str, set[str]]:
    """(key, extras) of what was installed last; ("", nothing) when the stamp is absent or damaged."""
    try:
        stamp = json.loads((venv / "wakewright.json").read_text(encoding="utf-8"))
        return str(stamp["key"]), set(stamp["extras"])
    except (OSError, ValueError, KeyError, TypeError):
        return "", set()


def install(root: Path, venv: Path, python: Path, key: str, extras: tuple[str, ...]) -> None:
    """Make the environment and install into it; the stamp is written last.

    A marker stands while pip works. Found at the start, it tells of a set-up that was killed half way: packages may
    be incomplete though pip believes them installed, so the environment is made anew.
    """
    stamp, marker = venv / "wakewright.json", venv / "installing"
    known = read_stamp(venv)[1]
    with contextlib.suppress(FileNotFoundError):
        stamp.unlink()
    if marker.exists() or (venv.exists() and not works(python)):
        say("setting up again: the last set-up was not finished, or its Python is gone")
        shutil.rmtree(venv)
    else:
        say(
            f"adding what this command needs to {venv}"
            if known and not set(extras) <= known
            else f"setting up {venv} (the first time this downloads packages and takes minutes)"
        )
    fresh = not venv.exists()
    venv.mkdir(exist_ok=True)
    marker.write_text("")
    if fresh:
        make_venv(venv)
    pip_install(root, python, extras)
    marker.unlink()
    temporary = stamp.with_suffix(".tmp")
    temporary.write_text(json.dumps({"key": key, "extras": extras}), encoding="utf-8")
    temporary.replace(stamp)


def works(python: Path) -> bool:
    """Whether the interpreter starts, is of this version and has pip."""
    code = "import sys, pip; print(sys.version)"
    try:
        done = subprocess.run([str(python), "-c", code], capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0 and done.stdout.strip() == sys.version


def make_venv(venv: Path) -> None:
    """Make an environment with the pip that Python ships, so without a network. SetUpFailed where that is missing."""
    done = subprocess.run([sys.executable, "-m", "venv", str(venv)], capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return
    shutil.rmtree(venv, ignore_errors=True)
    said = (done.stdout + done.stderr).split("\n\n")[0].splitlines()
    raise SetUpFailed(
        "cannot make a Python environment\n  got: " + " ".join(said)[:300] + "\n"
        f"  do:  on Debian or Ubuntu: apt install python3.{sys.version_info.minor}-venv; then start again"
    )


def pip_install(root: Path, python: Path, extras: tuple[str, ...]) -> None:
    """Install the package, editable, with its extras at the pinned versions. SetUpFailed shows pip's last lines."""
    words = [
        str(python),
        "-m",
        "pip",
        "install",
        "--disable-pip-version-check",
        "--no-input",
        "--progress-bar",
        "off",
    ]
    words += ["-c", "constraints.txt", "-e", f".[{','.join(extras)}]"]
    last: deque[str] = deque(maxlen=12)
    live = sys.stderr.isatty()
    environment = {**os.environ, "PYTHONUTF8": "1"}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "encoding": "utf-8", "errors": "replace"}
    with subprocess.Popen(words, cwd=root, env=environment, **pipes) as pip:
        assert pip.stdout is not None
        for line in pip.stdout:
            last.append(line.rstrip())
            if live:
                sys.stderr.write("\r" + line.strip()[:76].ljust(76))
    if live:
        sys.stderr.write("\r" + " " * 76 + "\r")
    if pip.returncode == 0:
        return
    with contextlib.suppress(FileNotFoundError):
        (root / ".venv" / "installing").unlink()  # pip itself gave up, and it cleans up after itself
    raise SetUpFailed(
        "the packages could not be installed; pip's last lines:\n"
        + "".join(f"  | {line}\n" for line in last)
        + "  do:  check the network (or a proxy in HTTPS_PROXY) and the room on the disk, then start again;\n"
        "       what was downloaded is kept"
    )


@contextlib.contextmanager
def one_at_a_time(path: Path):
    """Hold the lock file during the block; wait for another start that is setting up."""
    with path.open("a+") as file:
        told = False
        while not lock(file.fileno()):
            if not told:
                say("another start is setting up; waiting for it")
                told = True
            time.sleep(0.2)
        yield


def lock(handle: int) -> bool:
    """Try to lock an open file; the system unlocks it when the process ends, however it ends."""
    try:
        if os.name == "nt":
            import msvcrt

            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


# Voices of the system.


def add_system_voices(stamp: Path) -> None:
    """Install the speech voices that the system's enabled package sources offer; nothing here is fatal.

    It is done once, and again when the sources have changed, or when it may and could not before.
    """
    try:
        before = json.loads(stamp.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        before = {}
    asks, sources = {"asked": VOICES, "sources": package_sources()}, before.get("sources")
    if {key: before.get(key) for key in asks} == asks and (before.get("may") or may_install() is None):
        return
    prefix = may_install()
    if prefix is None:
        say("more voices make a better wake word: install flite, festival, mbrola, SVOX pico or RHVoice with your")
        say("package manager (wakewright voices tells how); going on with those that are here")
    else:
        say(install_voices(prefix, anew=sources is not None and sources != asks["sources"]))
    stamp.write_text(json.dumps(asks | {"may": prefix is not None}), encoding="utf-8")


def package_sources(folder: Path = Path("/etc/apt")) -> str:
    """Changes with where the system's packages come from; the same for every system without such lists."""
    digest = hashlib.sha256()
    for path in sorted([folder / "sources.list", *folder.glob("sources.list.d/*")]):
        with contextlib.suppress(OSError):
            digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


def may_install() -> list[str] | None:
    """Words to put before apt-get: none for root, sudo where it asks no password; None where it may not."""
    if not sys.platform.startswith("linux") or not shutil.which("apt-get") or not shutil.which("apt-cache"):
        return None
    if os.geteuid() == 0:
        return []
    if (
        shutil.which("sudo")
        and subprocess.run(["sudo", "-n", "true"], capture_output=True, check=False).returncode == 0
    ):
        return ["sudo", "-n"]
    return None


def install_voices(prefix: list[str], *, anew: bool = False) -> str:
    """Install what is offered and absent; one line saying what was done, or why not.

    With `anew` the lists of what is offered are fetched though there are some.
    """
    environment = ["env", "LC_ALL=C", "DEBIAN_FRONTEND=noninteractive"]
    apt = [*prefix, *environment, "apt-get", "-o", "DPkg::Lock::Timeout=60"]
    try:
        if anew or not any(Path("/var/lib/apt/lists").glob("*_Packages*")):
            subprocess.run([*apt, "-qq", "update"], capture_output=True, check=True, timeout=300)
        policy = subprocess.run(
            [*environment, "apt-cache", "policy", *VOICES], capture_output=True, text=True, check=True, timeout=60
        )
        wanted = offered(policy.stdout)
        if not wanted:
            return "system voices: all that the package sources offer are installed"
        say(f"installing system voices: {' '.join(wanted)} (skip with {NO_SYSTEM})")
        subprocess.run(
            [*apt, "install", "-y", "--no-install-recommends", *wanted], capture_output=True, check=True, timeout=1200
        )
    except (OSError, subprocess.SubprocessError) as error:
        text = getattr(error, "stderr", None) or b""
        text = text.decode(errors="replace") if isinstance(text, bytes) else text
        reason = next((line for line in text.splitlines() if line.startswith("E:")), str(error).splitlines()[0])
        return (
            f"system voices were not installed ({reason}); going on with those that are here; "
            "to try again, delete .venv/system-voices.json"
        )
    return f"system voices installed: {len(wanted)} packages"


def offered(policy: str) -> list[str]:
    """Packages that `apt-cache policy` lists as available and not installed."""
    found = []
    name = installed = ""
    for line in policy.splitlines():
        if line and not line.startswith(" "):
            name, installed = line.rstrip(":"), ""
        elif line.strip().startswith("Installed:"):
            installed = line.split()[-1]
        elif line.strip().startswith("Candidate:") and installed == "(none)" and line.split()[-1] != "(none)":
            found.append(name)
    return found


# The checks.


def run_checks(python: Path, words: list[str]) -> int:
    """ruff, mypy and pytest, each announced; a final line; the exit status of the first that failed, 0 for none.

    Tests are spread over two processes, a file's all in one, since they share what is slow to make. `words` go to
    pytest.
    """
    chosen = words if any(word == "-m" or word.startswith("-m=") for word in words) else ["-m", "not slow", *words]
    steps = {
        "ruff check": ["ruff", "check", "."],
        "ruff format": ["ruff", "format", "--check", "."],
        "mypy": ["mypy"],
        "pytest": ["pytest", "-q", "-n", "2", "--dist", "loadfile", *chosen],
    }
    failed: list[tuple[str, int]] = []
    start = time.monotonic()
    for name, step in steps.items():
        print(f"== {name}", flush=True)
        status = subprocess.run([str(python), "-m", *step], cwd=ROOT, check=False).returncode
        if status:
            failed.append((name, status))
    seconds = time.monotonic() - start
    if failed:
        print(f"== failed: {', '.join(name for name, _ in failed)} ({seconds:.0f} s)", flush=True)
        return failed[0][1]
    print(f"== all {len(steps)} steps passed ({seconds:.0f} s)", flush=True)
    return 0


def say(text: str) -> None:
    """One line to the user, beside the command's own output."""
    print(f"run.py: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
