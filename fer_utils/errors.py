"""One family of errors: what a person did or met, in one line that says what to do."""

from collections.abc import Iterable


class FerError(Exception):
    """The work failed, and the message says why and what to do. The command line exits with 1."""

    exit_code = 1


class InputError(FerError):
    """What was given is wrong: a path, a row, a name, a parameter. The command line exits with 2."""

    exit_code = 2


def unknown(kind: str, given: object, allowed: Iterable[object], advice: str = "") -> InputError:
    """The error for a name that is not one of the allowed ones."""
    return InputError(f"unknown {kind} {given!r}: known are {', '.join(map(str, allowed))}{advice and f'. {advice}'}")
