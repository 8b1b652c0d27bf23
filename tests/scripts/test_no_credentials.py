"""Alibaba Cloud's SDK without credentials: one sentence that says what to do, and nothing of what the SDK has heard."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from edges.listener import Answer, Listener, Request
from edges.serving import running

ROOT = Path(__file__).resolve().parents[2]
TOKENS = [sys.executable, str(ROOT / "scripts/tokens.py")]
ADVICE = "set ALIBABA_CLOUD_ACCESS_KEY_ID"


async def _fail(request: Request) -> Answer:
    return Answer(500, (), b'{"Code": "canary-answer", "SecurityToken": "canary-token"}')


@pytest.fixture
def role() -> Iterator[str]:
    """A place where the SDK looks for a role's credentials, and which fails."""
    with running(Listener(_fail, body_limit_bytes=65536)) as place:
        yield f"http://127.0.0.1:{place.port}/?secret=canary-query"


def run(command: list[str], **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "ALIBABA_CLOUD_ECS_METADATA_DISABLED": "true"}
    done = subprocess.run(command, env={**kept, **environment}, capture_output=True, text=True, timeout=100)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1, done.stderr
    assert "canary" not in done.stderr
    return done


@pytest.mark.parametrize("failing", [False, True], ids=["none", "failing role"])
@pytest.mark.parametrize("what", ["store", "sink"])
def test_it_is_said_once(role: str, tmp_path: Path, what: str, failing: bool) -> None:
    document = tmp_path / "tokens.json"
    document.write_text(json.dumps({"tokens": []}))
    command = ["list", "fc://cn-hangzhou/mcp-server/http"]
    if what == "sink":
        command = ["rotate", f"file:{document}", "--deliver", "oss://cn-hangzhou/bucket/key"]
    done = run([*TOKENS, *command], **({"ALIBABA_CLOUD_CREDENTIALS_URI": role} if failing else {}))
    assert done.stderr.startswith("failed: ")
    assert ADVICE in done.stderr


def test_a_pipeline_s_helper_says_no_more(role: str) -> None:
    helper = [sys.executable, str(ROOT / "docs/ci/alibaba_role.py"), "true"]
    assert "docs/ci/README.md" in run(helper, ALIBABA_CLOUD_CREDENTIALS_URI=role).stderr
