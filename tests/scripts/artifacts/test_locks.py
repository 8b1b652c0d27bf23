"""A lock is read for the target: what it names for another Python or system stays out, what has no hash is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from artifacts.deployables import Target
from artifacts.errors import BuildError
from artifacts.locks import pins_for

LOCK = """\
# a comment
always==1.0 \\
    --hash=sha256:aa \\
    --hash=sha256:bb
    # via something
exceptiongroup==1.3 ; python_full_version < '3.11' \\
    --hash=sha256:cc
forked==1.0 ; python_full_version < '3.11' \\
    --hash=sha256:dd
forked==2.0 ; python_full_version >= '3.11' \\
    --hash=sha256:ee
pywin32==3 ; sys_platform == 'win32' \\
    --hash=sha256:ff
arm==1 ; platform_machine == 'aarch64' \\
    --hash=sha256:11
jit==1 ; platform_python_implementation != 'PyPy' \\
    --hash=sha256:22
"""


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    path = tmp_path / "requirements.txt"
    path.write_text(LOCK)
    return path


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (Target("3.10", "x86_64"), {"always==1.0", "exceptiongroup==1.3", "forked==1.0", "jit==1"}),
        (Target("3.13", "x86_64"), {"always==1.0", "forked==2.0", "jit==1"}),
        (Target("3.13", "arm64"), {"always==1.0", "forked==2.0", "arm==1", "jit==1"}),
    ],
)
def test_markers_ask_the_target(lock: Path, target: Target, expected: set[str]) -> None:
    assert {str(pin).split()[0] for pin in pins_for(target, lock)} == expected


def test_every_hash_is_kept(lock: Path) -> None:
    pin = pins_for(Target("3.13", "x86_64"), lock)[0]
    assert str(pin) == "always==1.0 --hash=sha256:aa --hash=sha256:bb"


@pytest.mark.parametrize(
    ("line", "reason"), [("loose==1.0", "no hash for loose"), ("-r other.txt", '"-r other.txt" is no locked package')]
)
def test_what_is_not_locked_is_refused(lock: Path, line: str, reason: str) -> None:
    lock.write_text(line + "\n")
    with pytest.raises(BuildError, match=reason):
        pins_for(Target("3.13", "x86_64"), lock)
