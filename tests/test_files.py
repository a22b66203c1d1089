import os
from pathlib import Path

import pytest

from fer_utils.files import atomic_write


def test_a_file_appears_whole_and_a_link_stays_a_link(tmp_path: Path) -> None:
    target, link = tmp_path / "target.csv", tmp_path / "link.csv"
    target.write_text("old")
    link.symlink_to(target)
    atomic_write(link, "new")
    assert (target.read_text(), link.is_symlink(), len(list(tmp_path.iterdir()))) == ("new", True, 2)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with a name here")
def test_what_is_no_file_is_written_to_and_stays(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    atomic_write(pipe, "content")
    assert os.read(reader, 100) == b"content"
    assert list(tmp_path.iterdir()) == [pipe]
    assert pipe.is_fifo()
    os.close(reader)
