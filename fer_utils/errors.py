"""The errors of this package. The command line prints their messages on stderr."""

from collections.abc import Iterable
from difflib import get_close_matches


class FerError(Exception):
    """A command failed. The command line exits with 1."""

    exit_code = 1


class InputError(FerError):
    """A path, row, name or parameter is wrong. The command line exits with 2."""

    exit_code = 2


class Interrupted(FerError):
    """Ctrl-C stopped a command. The command line exits with 130."""

    exit_code = 130


QUOTED = 80  # characters of a user's data that a message repeats at most


def quoted(value: object) -> str:
    """A value as a message quotes it, shortened if it is long."""
    return shortened(repr(value))


def shortened(text: str, most: int = QUOTED) -> str:
    """A text without what is too much for a message."""
    return text if len(text) <= most else f"{text[: most - 3]}..."


def check_name(kind: str, name: str, allowed: Iterable[object], advice: str = "") -> str:
    """Return a name if it is allowed; raise `InputError` otherwise."""
    if name not in allowed:
        raise unknown(kind, name, allowed, advice)
    return name


def unknown(kind: str, given: object, allowed: Iterable[object], advice: str = "") -> InputError:
    """The error for a name that is not allowed, with the closest allowed one."""
    names = [str(name) for name in allowed]
    close = get_close_matches(str(given), names, n=1)
    suggestion = f" Did you mean {close[0]!r}?" if close else ""
    return InputError(f"unknown {kind} {given!r}.{suggestion} Known: {', '.join(names)}{advice and f'. {advice}'}")
