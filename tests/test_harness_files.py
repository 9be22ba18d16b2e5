"""Files that are written whole or not at all."""

import os
import threading

import pytest

from zobench.errors import BadInput
from zobench.harness.files import write_whole


def test_a_file_is_written_with_its_folders_and_nothing_beside(tmp_path):
    file = tmp_path / "a" / "b.txt"
    for text in ("first", "second é"):
        write_whole(file, text)
        assert file.read_text(encoding="utf-8") == text
    assert [p.name for p in file.parent.iterdir()] == ["b.txt"]


def test_what_cannot_be_written_leaves_the_old_file(tmp_path, monkeypatch):
    file = tmp_path / "b.txt"
    write_whole(file, "old")

    def full(*_):
        raise OSError(28, "full")

    monkeypatch.setattr(type(file), "replace", full)
    with pytest.raises(BadInput, match=r"cannot write .*b\.txt: full"):
        write_whole(file, "new")
    assert file.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["b.txt"]


def test_links_and_pipes_are_written_through(tmp_path):
    (tmp_path / "real.txt").write_text("old")
    link, pipe, read = tmp_path / "link.txt", tmp_path / "pipe", []
    link.symlink_to("real.txt")
    write_whole(link, "new")
    assert link.is_symlink()
    assert (tmp_path / "real.txt").read_text() == "new"
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: read.append(pipe.read_text()))
    reader.start()
    write_whole(pipe, "text")
    reader.join(10)
    assert (read, pipe.is_fifo()) == (["text"], True)
