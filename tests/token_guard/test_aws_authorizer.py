"""The authorizer as API Gateway calls it: the real handler, the real boto3, a strict Secrets Manager on loopback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

FUNCTIONS = Path(__file__).resolve().parents[2] / "functions"
TOKEN = "Foreign.token-of~somebody+else/=" + "x" * 20

SCRIPT = """
import json, sys
sys.path.insert(0, "token_guard")
import aws_authorizer
for line in sys.stdin:
    print("answer", json.dumps(aws_authorizer.handler(json.loads(line), None)))
heavy = {"mcp", "pydantic", "cryptography", "jwt", "anyio", "starlette", "httpx2"} & set(sys.modules)
print("heavy", json.dumps(sorted(heavy)))
"""


def event(*authorization: str, **more: Any) -> dict[str, Any]:
    headers = {"Authorization" if n == 0 else "authorization": value for n, value in enumerate(authorization)}
    return {
        "version": "2.0",
        "type": "REQUEST",
        "routeKey": "POST /mcp",
        "identitySource": list(authorization),
        "headers": headers,
        "requestContext": {"requestId": "r-1", "http": {"method": "POST", "path": "/mcp"}},
        **more,
    }


def ask(address: str, *events: Any) -> tuple[list[dict[str, Any]], str]:
    """The handler's answers in a fresh process, and all its other output."""
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(FUNCTIONS), "MCP_TOKENS": address}
    environment |= {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "y", "MCP_LOG_LEVEL": "DEBUG"}
    environment |= {"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}  # nobody listens on the discard port
    ended = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        cwd=FUNCTIONS,
        env=environment,
        input="\n".join(json.dumps(one) for one in events),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ended.returncode == 0, ended.stderr
    lines = ended.stdout.splitlines()
    assert lines[-1] == "heavy []"
    answers = [json.loads(line.removeprefix("answer ")) for line in lines if line.startswith("answer ")]
    return answers, ended.stderr + "\n".join(line for line in lines if not line.startswith("answer "))


@pytest.fixture
def document(tmp_path: Path) -> Path:
    entries = [
        {"tokenName": "printer", "enable": True, "tokenData": TOKEN},
        {"tokenName": "old", "enable": False, "tokenData": TOKEN[::-1]},
    ]
    path = tmp_path / "tokens.json"
    path.write_text(json.dumps({"tokens": entries}))
    return path


def test_token_of_the_document_is_authorized_by_name(document: Path) -> None:
    answers, log = ask(f"file:{document}", event(f"Bearer {TOKEN}"), event(f" bearer {TOKEN} "))
    assert answers == [{"isAuthorized": True, "context": {"tokenName": "printer"}}] * 2
    assert TOKEN[:12] not in log


def test_everything_else_is_refused_without_raising(document: Path) -> None:
    refused = [
        event(f"Bearer {TOKEN[::-1]}"),
        event(f"Bearer {TOKEN}x"),
        event(f"Basic {TOKEN}"),
        event(TOKEN),
        event(f"Bearer {TOKEN},Bearer {TOKEN}"),
        event(f"Bearer {TOKEN}", f"Bearer {TOKEN}"),
        event(),
        event(headers=None),
        event(headers={"Authorization": 7}),
        {},
        [],
        None,
        "text",
    ]
    answers, log = ask(f"file:{document}", *refused)
    assert answers == [{"isAuthorized": False, "context": {}}] * len(refused)
    assert '"reason":"token_unknown"' in log
    assert '"detail":"no enabled token has this value"' in log


@pytest.mark.parametrize("text", ["", "{", "[]", '{"tokens": 1}', '{"tokens": [{"tokenName": "t", "tokenData": []}]}'])
def test_document_that_is_none_authorizes_nobody(tmp_path: Path, text: str) -> None:
    path = tmp_path / "tokens.json"
    path.write_text(text)
    assert ask(f"file:{path}", event(f"Bearer {TOKEN}"))[0] == [{"isAuthorized": False, "context": {}}]


def test_store_that_does_not_answer_authorizes_nobody() -> None:
    answers, log = ask("aws://eu-west-1/team/mcp-tokens", event(f"Bearer {TOKEN}"), event(f"Bearer {TOKEN}"))
    assert answers == [{"isAuthorized": False, "context": {}}] * 2
    assert '"reason":"document_unavailable"' in log


@pytest.mark.parametrize("settings", [{}, {"MCP_TOKENS": "tokens.json"}])
def test_authorizer_without_an_address_does_not_start(settings: dict[str, str]) -> None:
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(FUNCTIONS), **settings}
    ended = subprocess.run(
        [sys.executable, "-c", SCRIPT], cwd=FUNCTIONS, env=environment, capture_output=True, text=True, timeout=60
    )
    assert ended.returncode != 0
    assert "MCP_TOKENS" in ended.stderr.splitlines()[-1]
