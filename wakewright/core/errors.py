"""The error tree. Every message says what went wrong, what was found, and what to do about it.

WakewrightError
├── InputError                 the user's input cannot be used (exit status 2)
│   ├── RecipeError            a recipe, a preset or a key=value override
│   ├── PhraseError            a phrase that cannot be spoken or learnt
│   ├── AudioError             a recording that cannot be read or is unusable
│   └── RunError               a run folder that is missing, busy, broken or from elsewhere
├── EnvironmentProblem         the machine lacks something (exit status 3)
│   ├── NoVoice                no speech synthesiser, or one that failed
│   ├── MissingPackage         an optional package is not installed
│   └── DiskFull               no space left where a file had to be written
└── TrainingDiverged           the loss stopped being a finite number (exit status 4)
"""

from __future__ import annotations


class WakewrightError(Exception):
    """An error the user can answer.

    Parameters
    ----------
    what: what went wrong, one clause without a full stop.
    got: what was found, shown after "got"; left out when empty.
    do: what the user can do about it; left out when empty.
    """

    exit_code = 1

    def __init__(self, what: str, *, got: str = "", do: str = "") -> None:
        self.what, self.got, self.do = what, got, do
        lines = [what]
        if got:
            lines.append(f"  got: {got}")
        if do:
            lines.append(f"  do:  {do}")
        super().__init__("\n".join(lines))


class InputError(WakewrightError):
    """Something the user gave cannot be used."""

    exit_code = 2


class RecipeError(InputError):
    """A recipe, preset or override that is not valid."""


class PhraseError(InputError):
    """A phrase that cannot be spoken."""


class AudioError(InputError):
    """A recording that cannot be read or used."""


class RunError(InputError):
    """A run folder that is missing, in use, incomplete or incompatible."""


class EnvironmentProblem(WakewrightError):
    """The machine lacks something that the command needs."""

    exit_code = 3


class NoVoice(EnvironmentProblem):
    """No speech synthesiser is installed, or the chosen one failed."""


class MissingPackage(EnvironmentProblem):
    """An optional Python package is needed and absent."""


class DiskFull(EnvironmentProblem):
    """A file could not be written because the disk (or quota) is full."""


class TrainingDiverged(WakewrightError):
    """The training loss became NaN or infinite."""

    exit_code = 4
