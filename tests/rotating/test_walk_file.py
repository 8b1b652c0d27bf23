"""A token document in a file, the function that reads it at its door, and the real command: a whole rotation."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from pathlib import Path

import pytest

from edges.fc import FcEdge
from edges.serving import running
from mcp_faas.lifecycle.probe import Probe
from mcp_faas.tokens import mint, parse
from support.following_client import FollowingClient
from support.strangers import strangers
from support.walking import LIFE, ROOT, LatecomerClient, Walk, check_nobody_was_refused

OVERLAP_SECONDS = 3
FOREIGN = {"tokenName": "printer", "enable": True, "tokenData": "foreign-" + "v" * 40, "note": [1]}


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
    check_nobody_was_refused(walk, client, latecomer, OVERLAP_SECONDS)
    lives = [*walk.lives.values()]
    assert lives[0] == [action for action in LIFE if action != "add"], "the first was there before"
    assert lives[1] == LIFE
    kept = json.loads(document.read_text())
    assert kept["kept"] == {"deep": 1}
    assert kept["tokens"][0] == FOREIGN
    assert last in {token.data for token in parse(document.read_text()).live()}
    assert {path.name for path in tmp_path.iterdir() if path.stat().st_mode & 0o077} == set()
