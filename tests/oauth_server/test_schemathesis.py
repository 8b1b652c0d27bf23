"""schemathesis sends a running server what docs/oauth/openapi.yaml allows and what it forbids, and reads the answers.

Once as a stranger, once with credentials and values that count. OAUTH_SCHEMATHESIS=150 is the long form, in seconds.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from werkzeug.serving import WSGIRequestHandler, make_server

from authorizing.world import CALLBACK, CHALLENGE, MACHINE_SECRET, VERIFIER, World, basic

ROOT = Path(__file__).resolve().parents[2]
HOOKS = Path(__file__).with_name("schemathesis_hooks.py")
DESCRIPTION = ROOT / "docs/oauth/openapi.yaml"
SCHEMATHESIS = ROOT / ".venv/tools/schemathesis/bin/st"
SECONDS = os.environ.get("OAUTH_SCHEMATHESIS")
SHORT = ["--phases", "examples,coverage,fuzzing", "--max-examples", "10", "--seed", "1", "--no-shrink"]
LIMIT = ["--max-time", SECONDS] if SECONDS else SHORT
LOOPBACK = "http://127.0.0.1:1234/callback"
# What is valid by the description may be wrong all the same: a code that nobody gave, a client that nobody knows.
EXCEPT = "positive_data_acceptance"

pytestmark = [
    pytest.mark.skipif(sys.version_info < (3, 11), reason="schemathesis has no release for Python 3.10"),
    pytest.mark.timeout(int(SECONDS or 0) + 300),
]


@pytest.fixture(autouse=True)
def _no_audit_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """Thousands of them would hide what schemathesis says."""
    monkeypatch.setattr("authorization_server.audit.write", lambda decision, time: None)


class Quiet(WSGIRequestHandler):
    def log(self, type: str, message: str, *args: object) -> None:
        """Nothing: thousands of requests."""


@contextmanager
def serving(world: World) -> Iterator[tuple[str, Counter[tuple[str, int]]]]:
    """The app behind a port, and how often which operation has answered what."""
    answered: Counter[tuple[str, int]] = Counter()

    def counting(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        def started(status: str, headers: list[tuple[str, str]], *more: Any) -> Any:
            answered[f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']}", int(status[:3])] += 1
            return start_response(status, headers, *more)

        return world.app.wsgi_app(environ, started)

    server = make_server("127.0.0.1", 0, counting, threaded=True, request_handler=Quiet)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", answered
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def run(url: str, folder: Path, known: dict[str, Any] | None = None) -> None:
    """One run. `known` is for the hooks beside this file."""
    lines = ["color = false", f"hooks = {json.dumps(str(HOOKS))}" if known else "", "[cache]", "enabled = false"]
    (folder / "schemathesis.toml").write_text("\n".join(lines))
    command = [
        str(SCHEMATHESIS),
        "run",
        str(DESCRIPTION),
        "--url",
        url,
        "--exclude-checks",
        EXCEPT,
        "--max-redirects",
        "0",
    ]
    environment = {**os.environ, "OAUTH_KNOWN": json.dumps(known)}
    seconds = int(SECONDS or 0) + 280
    done = subprocess.run(
        [*command, *LIMIT], cwd=folder, env=environment, capture_output=True, text=True, timeout=seconds
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "18 selected / 18 total" in done.stdout


def test_stranger(world: World, tmp_path: Path) -> None:
    with serving(world) as (url, answered):
        run(url, tmp_path)
    assert answered["POST /token", 401]
    assert answered["PUT /token", 405]
    assert not [key for key in answered if key[1] >= 500]


def test_client(world: World, tmp_path: Path) -> None:
    tokens = world.tokens()
    asking = basic("resource-server", "resource-server-secret-0123")
    known = {
        "values": {
            "redirect_uri": [CALLBACK, LOOPBACK],
            "redirect_uris": [[CALLBACK], [LOOPBACK, CALLBACK]],
            "resource": [world.resource],
            "scope": ["mcp:tools", "mcp:tools mcp:write", "mcp:admin"],
            "code_challenge": [CHALLENGE],
            "prompt": ["login", "none"],
            "code_verifier": [VERIFIER],
            "code": [world.code() for _ in range(10)],
            "refresh_token": [tokens["refresh_token"]],
            "token": [tokens["access_token"], tokens["refresh_token"]],
        },
        "callers": [
            {"form": {"client_id": "desktop"}},
            {"form": {"client_id": "web"}},
            {"form": {"client_id": "poster", "client_secret": MACHINE_SECRET}},
            {"headers": basic("robot", MACHINE_SECRET)},
            {"headers": asking},
            {"headers": asking, "form": {"client_id": "resource-server"}},
        ],
    }
    with serving(world) as (url, answered):
        run(url, tmp_path, known)
    for operation in ("POST /token", "POST /revoke", "POST /introspect", "GET /authorize"):
        assert answered[operation, 200], f"{operation} never went well: {answered}"
    assert answered["POST /register", 201]
    assert answered["GET /authorize", 303]
    assert not [key for key in answered if key[1] >= 500]
