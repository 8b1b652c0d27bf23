"""The recorded list holds exactly: what fails beyond it, and what it names in vain, is told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from clients.conformance import AUTHORIZATION, Checks, Expected, differences, read_checks, recorded

EXPECTED = Expected(passed=10, failing=frozenset({"progress:sent", "tasks"}))
SEEN = Checks(passed=10, failed=frozenset({"progress:sent", "tasks:created", "tasks:listed"}))


def test_the_recorded_failures_are_no_difference() -> None:
    assert differences(EXPECTED, SEEN) == []


@pytest.mark.parametrize(
    ("passed", "failed", "told"),
    [
        (9, SEEN.failed | {"ping:answered"}, ["ping:answered fails and is not in conformance.yml"]),
        (9, SEEN.failed | {"progress:other"}, ["progress:other fails and is not in conformance.yml"]),
        (11, SEEN.failed - {"progress:sent"}, ["progress:sent passes now: shorten the list in conformance.yml"]),
        (12, frozenset({"progress:sent"}), ["tasks passes now: shorten the list in conformance.yml"]),
        (9, SEEN.failed, ["9 checks passed where conformance.yml says 10"]),
    ],
    ids=["one more", "another check of a listed scenario", "one fewer", "a whole scenario fewer", "one only skipped"],
)
def test_a_difference_is_told(passed: int, failed: frozenset[str], told: list[str]) -> None:
    assert differences(EXPECTED, Checks(passed, failed)) == told


def test_the_suites_folders_are_read_check_by_check(tmp_path: Path) -> None:
    for name in ("server-tools-call-image", "authorization-server-authorization-code-grant"):
        (tmp_path / f"{name}-2026-11-22T07-35-16-911Z").mkdir()
    statuses = {"a": "SUCCESS", "b": "FAILURE", "c": "SKIPPED", "d": "WARNING"}
    for folder in tmp_path.iterdir():
        (folder / "checks.json").write_text(
            json.dumps([{"id": name, "status": status} for name, status in statuses.items()])
        )
    assert read_checks(tmp_path) == Checks(2, frozenset({"tools-call-image:b", "authorization-code-grant:b"}))


@pytest.mark.parametrize(("revision", "checks"), [("2026-07-28", 150), ("2025-11-25", 50), (AUTHORIZATION, 3)])
def test_each_revision_is_recorded(revision: str, checks: int) -> None:
    assert recorded(revision).passed >= checks


def test_the_authorization_server_has_no_check_to_fail() -> None:
    assert recorded(AUTHORIZATION).failing == frozenset()
