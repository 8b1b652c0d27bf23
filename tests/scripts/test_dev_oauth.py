"""`make run DOOR=oauth`: one host for both servers, and a login that a person can do, on both clouds."""

from __future__ import annotations

import json
import os
import re
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import pytest

from authorization_server.settings import KNOWN
from authorizing.walk import FORM, over_http, whole_flow
from edges.aws_routes import METHODS
from local.authorization import Local
from local.doors import AWS_OPEN_ROUTES, AWS_ROUTES, OAUTH_ROUTES, Place, left_out

ROOT = Path(__file__).parents[2]
WELL_KNOWN = "/.well-known/oauth-protected-resource"
PATIENCE_SECONDS = 90.0
LIST_TOOLS = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
ACCEPT = {"Accept": "application/json, text/event-stream"}


class Run:
    """One running `dev.py`: where it is, who may log in, and what it has said."""

    def __init__(self, process: subprocess.Popen[str], err: Path) -> None:
        self.process, self._err = process, err
        assert process.stdout is not None
        self.out = [process.stdout.readline().rstrip("\n") for _ in range(2)]
        assert self.out[0].startswith("ready http://127.0.0.1:"), self.said
        self.url = self.out[0].removeprefix("ready ")
        self.origin = self.url.removesuffix("/mcp")
        if self.out[1]:
            _, self.user, self.file = self.out[1].split(" ", 2)

    @property
    def said(self) -> str:
        return self._err.read_text()

    @property
    def passphrase(self) -> str:
        return Path(self.file).read_text().removesuffix("\n")


@contextmanager
def started(folder: Path, *arguments: str, **exported: str) -> Iterator[Run]:
    command = [sys.executable, str(ROOT / "scripts/dev.py"), "--door", "oauth", "--port", "0", *arguments]
    with (folder / "err").open("w") as err:
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=err, text=True, start_new_session=True, env=os.environ | exported
        )
    with process:
        try:
            yield Run(process, folder / "err")
        finally:
            if process.poll() is None:
                process.kill()


@pytest.mark.parametrize("cloud", ["fc", "aws"])
def test_the_whole_way_of_a_client(cloud: str, tmp_path: Path) -> None:
    with started(tmp_path, "--cloud", cloud) as run:
        call = over_http(run.origin)
        stranger = call("POST", "/mcp", {**ACCEPT, "content-type": "application/json"}, json.dumps(LIST_TOOLS))
        challenge = [value for name, value in stranger.headers if "www-authenticate" in name.lower()]
        assert (stranger.status, len(challenge)) == (401, 1)
        assert f'resource_metadata="{run.origin}{WELL_KNOWN}/mcp"' in challenge[0]
        resource = json.loads(call("GET", f"{WELL_KNOWN}/mcp", {}, "").body)
        assert (resource["resource"], resource["authorization_servers"]) == (run.url, [run.origin])
        # clients of 2025-03-26 look on the endpoint's host at once
        for name in ("oauth-authorization-server", "openid-configuration"):
            metadata = json.loads(call("GET", f"/.well-known/{name}", {}, "").body)
            assert metadata["issuer"] == run.origin
            endpoints = {value for key, value in metadata.items() if key.endswith(("_endpoint", "_uri"))}
            assert {urlsplit(url).path for url in endpoints} <= OAUTH_ROUTES.keys()
            assert all(url.startswith(f"{run.origin}/") for url in endpoints)
        # as deployed: what a tool declares lies below what is granted
        assert (resource["scopes_supported"], metadata["scopes_supported"]) == (["mcp:tools:countdown"], ["mcp:tools"])

        given = whole_flow(call, run.origin, run.passphrase)
        bearer = {"Authorization": f"Bearer {given['access_token']}"}
        answer = httpx2.post(run.url, json=LIST_TOOLS, headers={**ACCEPT, **bearer}, trust_env=False, timeout=60)
        assert answer.status_code == 200, answer.text
        assert "whoami" in [tool["name"] for tool in answer.json()["result"]["tools"]]

        assert run.user == "dev"
        assert stat.S_IMODE(Path(run.file).stat().st_mode) == 0o600
        passphrase = run.passphrase
        run.process.send_signal(signal.SIGINT)
        assert run.process.wait(10) == 0
        assert not Path(run.file).exists()  # of a port that was chosen by chance
        assert '"door":"oauth","decision":"allow"' in re.sub('"request_id":[^,]*,', "", run.said)
        for secret in (passphrase, *(given[name] for name in ("access_token", "refresh_token", "fresh", "code"))):
            assert secret[-16:] not in run.said


def test_a_login_of_ones_own_is_what_the_guide_speaks_of(tmp_path: Path) -> None:
    """As docs/oauth.md shows it, "Try it"."""
    secret = tmp_path / "secret"
    secret.write_text("the-client-secret\n")
    secret.chmod(0o600)
    exported = {
        "OAUTH_LOGIN": "github",
        "OAUTH_LOGIN_CLIENT_ID": "the-client-id",
        "OAUTH_LOGIN_CLIENT_SECRET": f"file:{secret}",
        "OAUTH_ALLOWED_ORGS": "your-organisation",
    }
    for name in exported:
        assert name in (ROOT / "docs/oauth.md").read_text()
    with started(tmp_path, OAUTH_ISSUER="https://mcp.example.com", **exported) as run:
        assert "the functions do not get OAUTH_ISSUER of your environment" in run.said
        run.process.send_signal(signal.SIGINT)
        assert run.process.stdout is not None
        guide = run.process.stdout.read()
    assert "where you log in at the provider of OAUTH_LOGIN=github" in guide
    assert "passphrase" not in guide


def test_what_is_not_taken_is_named() -> None:
    mine = {"OAUTH_ALLOWED_USERS": "alice", "OAUTH_STORE": "sqlite:x", "OAUTH_SCOPES": "mcp:tools"}
    mine |= {"OAUTH_LOGIN_CLIENT_ID": "the-client-id"}
    for none in ({}, {"OAUTH_LOGIN": ""}, {"OAUTH_LOGIN": "local"}):
        assert left_out({**mine, **none}, "oauth") == ["OAUTH_ALLOWED_USERS", "OAUTH_LOGIN_CLIENT_ID", "OAUTH_STORE"]
    assert left_out({**mine, "OAUTH_LOGIN": "github"}, "oauth") == ["OAUTH_STORE"]


def test_what_is_taken_reaches_the_server_and_the_rest_does_not(tmp_path: Path) -> None:
    place = Place("fc", "oauth", "http-api", 1, 2, 3, lasting=False)
    mine = dict.fromkeys(KNOWN, "mine")
    for login in ("local", "github"):
        given = Local(tmp_path, place).environment({**mine, "OAUTH_LOGIN": login}, ())
        not_taken = {name for name in KNOWN if given.get(name) != "mine"} - {"OAUTH_LOGIN"}
        assert not_taken == set(left_out({**mine, "OAUTH_LOGIN": login}, "oauth"))


def test_what_may_be_granted_is_what_a_deploy_grants_and_what_lies_beside_it(tmp_path: Path) -> None:
    files = Local(tmp_path, Place("fc", "oauth", "http-api", 1, 2, 3, lasting=False))
    declared = ["mcp:tools:countdown", "notes:write"]
    assert files.environment({}, declared)["OAUTH_SCOPES"] == "mcp:tools notes:write"
    assert files.environment({"OAUTH_SCOPES": "mine"}, declared)["OAUTH_SCOPES"] == "mine"


@pytest.mark.parametrize("cloud", ["fc", "aws"])
def test_each_path_is_answered_by_the_right_server_and_others_by_none(cloud: str, tmp_path: Path) -> None:
    with started(tmp_path, "--cloud", cloud) as run:
        call = over_http(run.origin)
        for path, methods in OAUTH_ROUTES.items():
            for method in sorted(METHODS - {"ANY", "HEAD"}):
                status = call(method, path, dict(FORM), "").status
                if method in methods:
                    assert status not in (403, 404, 405) or path.startswith("/authorize/"), (method, path, status)
                else:  # the gateway's word, or the server's
                    assert status in (403, 404, 405), (method, path, status)
        for path in ("/token/", "/tokens", "/authorized", "/.well-known/oauth-authorization-server/mcp", "/"):
            assert call("POST", path, dict(FORM), "").status in (404, 405), path
        if cloud == "aws":  # docs/oauth/openapi.yaml: the gateway's own answer, to a method and to a path
            for method, path in (("GET", "/token"), ("POST", "/tokens")):
                answer = call(method, path, {}, "")
                assert (answer.status, json.loads(answer.body)) == (404, {"message": "Not Found"})
        assert call("GET", "/healthz", {}, "").body == "ok"
        assert call("GET", "/mcp", {}, "").status == 401


def test_the_routes_are_the_ones_that_the_server_has() -> None:
    """Each of the app's own rules and methods, and no other; the two clouds' descriptions are held to the same."""
    import tempfile

    from authorizing.world import World

    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder))
        rules = {(rule.rule, method) for rule in world.app.url_map.iter_rules() for method in rule.methods or ()}
        world.storage.close()
    listed = {(path, method) for path, methods in OAUTH_ROUTES.items() for method in methods}
    preflights = {(path, method) for path, method in listed if method == "OPTIONS"}
    assert listed - preflights == {(path, method) for path, method in rules if method != "HEAD"}
    assert not {key.partition(" ")[2] for key in (*AWS_ROUTES, *AWS_OPEN_ROUTES)} & OAUTH_ROUTES.keys()
