"""The second local server is the one that was looked at: by hash, and from no address of this lock's own."""

from __future__ import annotations

import json

from dynamodb.servers import HOME


def test_the_lock_holds_hashes_and_no_address() -> None:
    lock = json.loads((HOME / "package-lock.json").read_text())
    packages = {name: entry for name, entry in lock["packages"].items() if name}
    assert packages["node_modules/dynalite"]["version"] == "4.0.0"
    assert all(entry["integrity"].startswith("sha512-") and "resolved" not in entry for entry in packages.values())
