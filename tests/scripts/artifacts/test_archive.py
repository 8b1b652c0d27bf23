"""A zip depends on names, contents and executable bits alone."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

from artifacts import archive


def make(folder: Path, names: list[str], moment: int) -> Path:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
        path.chmod(0o700 if name == "run" else 0o600)
        os.utime(path, (moment, moment))
    archive.settle_modes(folder)
    target = folder.with_suffix(".zip")
    archive.write(folder, target)
    return target


def test_order_time_and_umask_do_not_matter(tmp_path: Path) -> None:
    one = make(tmp_path / "one", ["b.py", "a/c.py", "run"], moment=1_000_000_000)
    two = make(tmp_path / "two", ["run", "a/c.py", "b.py"], moment=1_700_000_000)
    assert one.read_bytes() == two.read_bytes()


def test_modes_and_order_inside(tmp_path: Path) -> None:
    with zipfile.ZipFile(make(tmp_path / "one", ["run", "b.py", "a/c.py"], moment=1_000_000_000)) as file:
        entries = [(entry.filename, oct(entry.external_attr >> 16), entry.date_time[0]) for entry in file.infolist()]
    assert entries == [("a/c.py", "0o100644", 1980), ("b.py", "0o100644", 1980), ("run", "0o100755", 1980)]
