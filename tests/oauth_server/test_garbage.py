"""Whatever a caller sends, the answer is as docs/oauth/openapi.yaml has it: never a 5xx, never a redirect elsewhere."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from werkzeug.test import TestResponse

from authorizing.description import Judge
from authorizing.world import CALLBACK, CHALLENGE, MACHINE_SECRET, VERIFIER, World

NAMES = ["response_type", "client_id", "redirect_uri", "scope", "state", "code_challenge", "code_challenge_method"]
NAMES += ["resource", "prompt", "request", "grant_type", "code", "code_verifier", "refresh_token", "client_secret"]
NAMES += ["token", "token_type_hint", "username", "password", "csrf", "decision", "iss"]
VALUES = ["code", "web", "robot", "desktop", CALLBACK, "mcp:tools", CHALLENGE, "S256", "http://127.0.0.1:8787/mcp"]
VALUES += [
    "authorization_code",
    "refresh_token",
    "client_credentials",
    VERIFIER,
    MACHINE_SECRET,
    "allow",
    "none",
    "dev",
]
VALUES += [
    "mcpr-" + "a" * 22 + "." + "c" * 22 + "." + "b" * 43,
    "mcpc-" + "a" * 22 + "." + "b" * 43,
    "mcpa-" + "a" * 22 + "." + "b" * 43,
]
VALUES += ["eyJhbGciOiJFUzI1NiIsInR5cCI6ImF0K2p3dCJ9.e30.AAAA", "https://client.example/x.json", "client-" + "a" * 22]
ODD = st.one_of(st.text(max_size=60), st.sampled_from(["\0", "\x7f", "\ud7ff", "%", "a" * 3000, '"', "\\", "\r\n"]))
# OAUTH_GARBAGE_EXAMPLES=5000 is the long form.
EXAMPLES = int(os.environ.get("OAUTH_GARBAGE_EXAMPLES", "100"))
PAIRS = st.lists(st.tuples(st.sampled_from(NAMES) | st.text(max_size=10), st.sampled_from(VALUES) | ODD), max_size=12)
PATHS = ["/authorize", "/authorize/login", "/authorize/callback", "/token", "/revoke", "/introspect", "/register"]
METHODS = st.sampled_from(["GET", "POST"])
HEADERS = st.dictionaries(
    st.sampled_from(["Authorization", "Cookie", "Origin", "Accept-Language", "X-Forwarded-Proto", "X-Forwarded-Host"]),
    st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=60),
    max_size=3,
)
OURS = (CALLBACK, "http://127.0.0.1", "/authorize/login")


@pytest.fixture(scope="module")
def lasting() -> Iterator[World]:
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder))
        yield world
        world.storage.close()


JUDGE = Judge()


def judge(answer: TestResponse) -> None:
    if (answer.request.method, answer.request.path) in JUDGE.operations:
        JUDGE.read(answer)
    assert answer.status_code < 500
    location = answer.headers.get("Location")
    assert location is None or location.startswith(OURS)


@settings(max_examples=EXAMPLES * 2, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(path=st.sampled_from(PATHS), method=METHODS, pairs=PAIRS, headers=HEADERS)
def test_parameters(
    lasting: World, path: str, method: str, pairs: list[tuple[str, str]], headers: dict[str, str]
) -> None:
    encoded = urlencode(pairs, errors="surrogatepass")
    browser = lasting.browser()
    if method == "GET":
        answer = browser.get(f"{path}?{encoded}", headers=headers)
    else:
        answer = browser.post(path, data=encoded, headers=headers, content_type="application/x-www-form-urlencoded")
    judge(answer)


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=st.dictionaries(st.sampled_from(NAMES), ODD | st.sampled_from(VALUES), max_size=3))
@example(changes={"client_id": "https://client.example/x.json"})
def test_one_good_request_with_changes(lasting: World, changes: dict[str, str]) -> None:
    query = {**lasting.request(), **changes}
    answer = lasting.browser().get("/authorize?" + urlencode(query, errors="surrogatepass"))
    judge(answer)
    if "client_id" not in changes and "redirect_uri" not in changes:
        assert answer.status_code in (200, 303)


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    path=st.sampled_from(PATHS), body=st.binary(max_size=200), kind=st.sampled_from(["json", "x-www-form-urlencoded"])
)
def test_bytes(lasting: World, path: str, body: bytes, kind: str) -> None:
    answer = lasting.browser().post(path, data=body, content_type=f"application/{kind}")
    judge(answer)
    answer = lasting.browser().get(path, environ_overrides={"QUERY_STRING": body.decode("latin-1")})
    judge(answer)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)
MEMBERS = ["redirect_uris", "grant_types", "response_types", "token_endpoint_auth_method", "client_name", "scope"]


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(metadata=st.dictionaries(st.sampled_from(MEMBERS), JSON, max_size=6))
def test_metadata(lasting: World, metadata: dict[str, object]) -> None:
    answer = lasting.browser().post("/register", json={"redirect_uris": [CALLBACK], **metadata})
    judge(answer)
    assert answer.status_code in (201, 400)


@pytest.mark.parametrize("path", ["/", "/x", "//", "/%2e%2e", "/token%2f", "/\udc80", "/token/..;/x", "/" + "a" * 5000])
def test_paths_that_lead_nowhere(lasting: World, path: str) -> None:
    for method in ("GET", "POST", "BREW"):
        answer = lasting.browser().open(path.encode("utf-8", "surrogateescape").decode("latin-1"), method=method)
        assert answer.status_code == 404
        assert "Location" not in answer.headers
