"""A library for another processor, system or Python stops the build, by name; one that fits does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from artifacts.deployables import Target
from artifacts.errors import BuildError
from artifacts.natives import check

X86_64, AARCH64, RISCV = 62, 183, 243


def elf(machine: int, bits: int = 64) -> bytes:
    """The first bytes of a shared library for Linux."""
    return b"\x7fELF" + bytes([bits // 32, 1, 1]) + bytes(9) + (3).to_bytes(2, "little") + machine.to_bytes(2, "little")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.cpython-313-x86_64-linux-gnu.so", elf(X86_64)),
        ("a.abi3.so", elf(X86_64)),
        ("libfoo-1a2b.so.3", elf(X86_64)),
        ("program", elf(X86_64)),
        ("notes.txt", b"text"),
    ],
)
def test_what_fits(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    check(tmp_path, Target("3.13", "x86_64"))


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.cpython-313-aarch64-linux-gnu.so", elf(AARCH64), "is built for aarch64"),
        ("a.abi3.so", elf(AARCH64), "is built for aarch64"),
        ("program", elf(AARCH64), "is built for aarch64"),
        ("a.abi3.so", elf(RISCV), "is built for machine 243"),
        ("a.cpython-312-x86_64-linux-gnu.so", elf(X86_64), "is built for cpython 312"),
        ("a.cpython-313t-x86_64-linux-gnu.so", elf(X86_64), "is built for cpython 313t"),
        ("a.pypy310-pp73-x86_64-linux-gnu.so", elf(X86_64), "is built for pypy 310"),
        ("a.cpython-313-x86_64-linux-musl.so", elf(X86_64), "is built for musl"),
        ("a.abi3.so", elf(X86_64, bits=32), "is not a library for 64-bit Linux"),
        ("a.cpython-313-darwin.so", b"\xcf\xfa\xed\xfe", "is not a library for 64-bit Linux"),
        ("a.cp313-win_amd64.pyd", b"MZ", "is not a library for 64-bit Linux"),
        ("empty.so", b"", "is not a library for 64-bit Linux"),
    ],
)
def test_what_does_not_fit(tmp_path: Path, name: str, content: bytes, reason: str) -> None:
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / name).write_bytes(content)
    with pytest.raises(BuildError) as caught:
        check(tmp_path, Target("3.13", "x86_64"))
    assert f"package/{name} {reason}" in str(caught.value)
