"""A token document in a file, the function that reads it at its door, and the real command: a whole rotation."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path

import pytest

from edges.fc import FcEdge
from edges.serving import running
from mcp_faas.lifecycle.probe import Probe
from mcp_faas.tokens import mint, parse
from support.following_client import FollowingClient
from support.walking import LIFE, ROOT, LatecomerClient, Walk

OVERLAP_SECONDS = 3
KNOCK_SECONDS = 1.0
FOREIGN = {"tokenName": "printer", "enable": True, "tokenData": "foreign-" + "v" * 40, "note": [1]}


@contextlib.contextmanager
def strangers(url: str) -> Iterator[None]:
    """Somebody who tries a token that there is not, now and then: it makes the door read the document anew. Without
    anybody like him a door that caches knows a deleted token for up to a minute, and the walk would wait for that."""
    gone = threading.Event()

    def knock() -> None:
        while not gone.wait(KNOCK_SECONDS):
            assert Probe(url, 30).ask("stranger-" + "s" * 40).verdict == "refused"

    thread = threading.Thread(target=knock, daemon=True)
    thread.start()
    try:
        yield
        assert thread.is_alive(), "a stranger was let in"
    finally:
        gone.set()
        thread.join()


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_a_client_that_follows_is_never_refused(tmp_path: Path) -> None:
    document, token_file = tmp_path / "tokens.json", tmp_path / "client-token"
    first = mint(datetime.now(timezone.utc))
    document.write_text(json.dumps({"tokens": [FOREIGN, first.dump()], "kept": {"deep": 1}}))
    document.chmod(0o600)
    token_file.write_text(first.data + "\n")
    edge = FcEdge(
        trigger={"methods": ["GET", "POST"], "authType": "anonymous", "disableURLInternet": False},
        code=ROOT / "functions",
        environment={"MCP_DOOR": "bearer", "MCP_TOKENS": f"file:{document}"},
    )
    with running(edge), strangers(edge.url):
        walk = Walk(f"file:{document}", edge.url, token_file, overlap=f"{OVERLAP_SECONDS}s", age="6s")
        latecomer = LatecomerClient(edge.url, token_file, OVERLAP_SECONDS)
        with FollowingClient(edge.url, token_file) as client, latecomer:
            assert client.await_served(3)
            walk.until(lambda walk: walk.deleted >= 2, seconds=150)
            assert client.await_served(3)
        last = token_file.read_text().strip()
        assert Probe(edge.url, 10).ask(last).status == 200
    assert client.failures == []
    # refused with a token that was replaced on the way: only a request that took longer than an overlap
    assert [each for each in client.late if each.ended - each.began < OVERLAP_SECONDS] == []
    assert latecomer.asked
    assert latecomer.refused == []
    assert len(walk.overlaps) >= 2
    assert min(walk.overlaps) >= OVERLAP_SECONDS
    assert client.generations >= 3
    lives = [*walk.lives.values()]
    assert lives[0] == [action for action in LIFE if action != "add"], "the first was there before"
    assert lives[1] == LIFE
    kept = json.loads(document.read_text())
    assert kept["kept"] == {"deep": 1}
    assert kept["tokens"][0] == FOREIGN
    assert last in {token.data for token in parse(document.read_text()).live()}
    assert {path.name for path in tmp_path.iterdir() if path.stat().st_mode & 0o077} == set()
