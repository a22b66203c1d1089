"""Files that appear whole or not at all, however a process ends; and the files of the package itself."""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile

PACKAGE = Path(__file__).parent


def code_version() -> str:
    """A hash of the package's code, sentences and tables, by which what older code made is known."""
    files = sorted(file for file in PACKAGE.rglob("*") if file.suffix in (".py", ".toml", ".csv"))
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:16]


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Give a name beside `path` to write to; when the block ends well the file is moved to `path`, else deleted.

    What is no file, such as /dev/null, is written to itself, and where a link leads is what is replaced.
    """
    if path.exists() and not path.is_file():
        yield path
        return
    path = path.resolve()
    path.parent.mkdir(parents=True, exist_ok=True)
    with NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", suffix=path.suffix, delete=False) as file:
        draft = Path(file.name)
    try:
        yield draft
        draft.chmod(0o644)  # a temporary file is private to its owner, a finished one is not
        with draft.open("r+b") as written:
            os.fsync(written.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def write_whole(path: Path, content: str | bytes) -> None:
    """Write text or bytes to `path`, whole or not at all."""
    with whole(path) as draft:
        draft.write_bytes(content.encode() if isinstance(content, str) else content)
