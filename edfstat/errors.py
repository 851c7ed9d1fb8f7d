"""The errors users meet, and which exit code each means.

Every message names the value, the place and the remedy. Commands turn an `InputError` into one line on
stderr and exit code 2; any other error is a failure of the work, exit code 1.
"""

from __future__ import annotations

__all__ = [
    "FormatError", "InputError", "NotReady", "PopulationError", "ProcessUnusable", "TrialInterrupted", "one_line",
]  # fmt: skip


class InputError(ValueError):
    """What the user gave is wrong: a value, a file, a name. Exit code 2."""


class PopulationError(InputError):
    """A population of models breaks the data model, or cannot support what was asked of it."""


class FormatError(PopulationError):
    """A file is not of the format it should be: broken JSON, another shape, a job that makes no sense."""


class NotReady(InputError):
    """What every trial needs, such as the images, is missing where a backend runs: the trials wait, none has failed."""


class ProcessUnusable(Exception):
    """A backend can run no more trials in this process, as after a fault on the GPU; another process can."""


class TrialInterrupted(Exception):
    """A backend stopped because `should_stop` said so; its checkpoint lets a later run go on."""


def one_line(error: BaseException) -> str:
    """What another library says of an error, on one line that is not too long for a message of ours."""
    return " ".join(str(error).split())[:200]
