"""Files that appear whole or not at all, however a process ends."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Give a name beside `path` to write to; when the block ends well the file is moved to `path`, else deleted."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", suffix=path.suffix, delete=False) as file:
        draft = Path(file.name)
    try:
        yield draft
        draft.chmod(0o644)  # a temporary file is private to its owner, a finished one is not
        with draft.open("rb") as written:
            os.fsync(written.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def write_whole(path: Path, text: str) -> None:
    """Write text to `path`, whole or not at all."""
    with whole(path) as draft:
        draft.write_text(text, encoding="utf-8")
