"""The rules of the records and the plan of the keys stay pure, and know no storage."""

from __future__ import annotations

from pathlib import Path

import pytest

from test_house import OUTSIDE, ROOT, imports

SERVER = ROOT / "functions/oauth_server/authorization_server"
PURE = [*sorted((SERVER / "records").glob("*.py")), SERVER / "signing_keys.py"]
ABOVE = {"storage", "keeping", "key_source", "key_rotation", "flow", "app", "protocol", "settings"}


@pytest.mark.parametrize("path", PURE, ids=lambda path: path.name)
def test_pure_rooms_stay_pure(path: Path) -> None:
    for name in imports(path):
        parts = name.split(".")
        assert not {name, parts[0], ".".join(parts[:2])} & (OUTSIDE | {"sqlite3", "flask", "authlib"}), name
        assert parts[0] != "authorization_server" or parts[1] not in ABOVE, name


@pytest.mark.parametrize("path", sorted((SERVER / "storage").glob("*.py")), ids=lambda path: path.name)
def test_a_storage_knows_no_rule(path: Path) -> None:
    for name in imports(path):
        assert not name.startswith("authorization_server.records"), name
