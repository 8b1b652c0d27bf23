"""The shell scripts of docs/ci, run: the official SDKs against local stand-ins, and a door that knows the document.

What cannot be run here is the runners' own part, the actions' code, and Alibaba's STS, whose address is fixed.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest

from edges.listener import Answer, Listener, Request
from edges.serving import running
from rotating.clock import FastClock
from rotating.services import AwsService, FcService, service
from support.pipelines import FLOW, GITHUB, GITLAB, INSTALL, JOBS, ROOT

TOKEN = re.compile(r"mcpt-[0-9A-Za-z]{43}-[0-9A-Za-z]{6}")
IDENTITY = "header.canary-identity.signature"
SESSION = {"AccessKeyId": "ASIACANARY", "SecretAccessKey": "canary-secret", "SessionToken": "canary-session"}
CLIENTS_SECRET = "team/client-token"


class Door:
    """Lets in who sends an enabled token of the document, as it is at that moment."""

    def __init__(self, truth: Callable[[], dict[str, Any]]) -> None:
        self._truth = truth
        self._listener = Listener(self.answer, body_limit_bytes=65536)
        self.port, self.start, self.stop = 0, self._start, self._listener.stop

    async def _start(self) -> None:
        await self._listener.start()
        self.port = self._listener.port

    async def answer(self, request: Request) -> Answer:
        live = {f"Bearer {entry['tokenData']}" for entry in self._truth()["tokens"] if entry["enable"]}
        return Answer(200 if request.header("authorization") in live else 401)


class Sts:
    """AWS's token service, for one call; and a place from which Alibaba's SDK takes a role's credentials."""

    def __init__(self) -> None:
        self.identities: list[str] = []
        self.trusting = True
        self._listener = Listener(self.answer, body_limit_bytes=65536)
        self.port, self.start, self.stop = 0, self._start, self._listener.stop

    async def _start(self) -> None:
        await self._listener.start()
        self.port = self._listener.port

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def answer(self, request: Request) -> Answer:
        if request.method == "GET":
            found = {"Code": "Success", "AccessKeySecret": SESSION["SecretAccessKey"], "Expiration": END}
            found |= {"AccessKeyId": SESSION["AccessKeyId"], "SecurityToken": SESSION["SessionToken"]}
            return Answer(200, body=json.dumps(found).encode())
        if not self.trusting:
            code = "<Error><Code>AccessDenied</Code><Message>Not authorized</Message></Error>"
            return Answer(403, body=f"<ErrorResponse>{code}</ErrorResponse>".encode())
        sent = parse_qs(request.body.decode())
        assert sent["Action"] == ["AssumeRoleWithWebIdentity"]
        assert sent["RoleArn"] == ["arn:aws:iam::123456789012:role/rotate-tokens"]
        self.identities += sent["WebIdentityToken"]
        members = "".join(f"<{key}>{value}</{key}>" for key, value in {**SESSION, "Expiration": END}.items())
        body = (
            '<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">'
            f"<AssumeRoleWithWebIdentityResult><Credentials>{members}</Credentials>"
            "</AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>"
        )
        return Answer(200, (("content-type", "text/xml"),), body.encode())


END = "2099-01-01T00:00:00Z"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """What the job sees: the repository, and the environment that the install step has made."""
    there = tmp_path / "checkout"
    (there / ".venv/bin").mkdir(parents=True)
    # a link would make Python look for its libraries here
    (there / ".venv/bin/python").write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    (there / ".venv/bin/python").chmod(0o755)
    for name in ("scripts", "functions", "docs"):
        (there / name).symlink_to(ROOT / name)
    return there


def run(path: Path, job: str, checkout: Path, settings: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """One job's script in bash, as the runners start it, without the install; no credential of this machine."""
    (script,) = [each.script for each in JOBS[path](path.read_text(encoding="utf-8")) if each.name == job]
    assert INSTALL in script
    kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    temporary = checkout.parent / "tmp"
    temporary.mkdir(exist_ok=True)
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script.replace(INSTALL, ":").replace("timeout 600 :", ":")],
        cwd=checkout,
        env={
            **kept,
            "HOME": str(checkout.parent),
            "TMPDIR": str(temporary),
            "AWS_EC2_METADATA_DISABLED": "true",
            **settings,
        },
        capture_output=True,
        text=True,
        timeout=110,
    )


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[tuple[AwsService, Sts, Door, dict[str, str]]]:
    with ExitStack() as stack:
        found = stack.enter_context(service("secretsmanager", FastClock(), monkeypatch, tmp_path))
        found.put({"tokens": []})
        found.manager.region("eu-west-1").create_secret({"Name": CLIENTS_SECRET, "ClientRequestToken": "0" * 32})
        sts, door = stack.enter_context(running(Sts())), stack.enter_context(running(Door(found.truth)))
        settings = {
            "AWS_ENDPOINT_URL_SECRETS_MANAGER": found.manager.url,
            "AWS_ENDPOINT_URL_STS": sts.url,
            "ROTATION_AWS_ROLE": "arn:aws:iam::123456789012:role/rotate-tokens",
            "ROTATION_AWS_REGION": "eu-west-1",
            "ROTATION_AWS_ADDRESS": found.address,
            "ROTATION_AWS_ENDPOINT": f"http://127.0.0.1:{door.port}/mcp",
            "ROTATION_AWS_SINK": f"aws://eu-west-1/{CLIENTS_SECRET}",
            "CI_JOB_ID": "1",
        }
        yield found, sts, door, settings


def silent(done: subprocess.CompletedProcess[str], *secrets: str) -> None:
    said = done.stdout + done.stderr
    assert not TOKEN.search(said)
    assert not any(secret in said for secret in (IDENTITY, *SESSION.values(), *secrets))


def clients_token(aws: AwsService) -> str:
    found = aws.manager.region("eu-west-1").get_secret_value({"SecretId": CLIENTS_SECRET})
    return str(found["SecretString"])


def test_gitlab_on_aws(aws: tuple[AwsService, Sts, Door, dict[str, str]], checkout: Path) -> None:
    found, sts, _, settings = aws
    done = run(GITLAB, "rotate-tokens-aws", checkout, {**settings, "ID_TOKEN": IDENTITY})
    assert done.returncode == 0, done.stderr
    assert set(sts.identities) == {IDENTITY}
    assert [entry["tokenData"] for entry in found.truth()["tokens"]] == [clients_token(found)]
    silent(done)
    assert [*(checkout.parent / "tmp").iterdir()] == [], "the identity's file is gone"
    writes = found.writes
    assert run(GITLAB, "rotate-tokens-aws", checkout, {**settings, "ID_TOKEN": IDENTITY}).returncode == 0
    assert found.writes == writes, "nothing is due"


def test_github_on_aws(aws: tuple[AwsService, Sts, Door, dict[str, str]], checkout: Path) -> None:
    found, _, _, settings = aws
    profile = checkout.parent / ".aws"
    profile.mkdir()
    keys = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token")
    lines = [f"{key} = {value}" for key, value in zip(keys, SESSION.values(), strict=True)]
    (profile / "credentials").write_text("\n".join(["[rotate-tokens]", *lines, ""]))  # what the action leaves
    (job,) = [each for each in JOBS[GITHUB](GITHUB.read_text(encoding="utf-8")) if each.name == "aws"]
    filled = {
        name: re.sub(r"\$\{\{ vars\.(\w+) \}\}", lambda m: settings[m[1]], text) for name, text in job.settings.items()
    }
    done = run(GITHUB, "aws", checkout, {**filled, **{k: v for k, v in settings.items() if k.startswith("AWS_")}})
    assert done.returncode == 0, done.stderr
    assert [entry["tokenData"] for entry in found.truth()["tokens"]] == [clients_token(found)]
    silent(done)


def test_a_sink_that_is_not_set_ends_the_run_before_anything_is_done(
    aws: tuple[AwsService, Sts, Door, dict[str, str]], checkout: Path
) -> None:
    found, _, _, settings = aws
    done = run(GITLAB, "rotate-tokens-aws", checkout, {**settings, "ROTATION_AWS_SINK": "", "ID_TOKEN": IDENTITY})
    assert done.returncode == 2
    assert found.truth() == {"tokens": []}
    silent(done)


def test_a_role_that_does_not_trust_the_job_ends_the_run_red(
    aws: tuple[AwsService, Sts, Door, dict[str, str]], checkout: Path
) -> None:
    found, sts, _, settings = aws
    sts.trusting = False
    done = run(GITLAB, "rotate-tokens-aws", checkout, {**settings, "ID_TOKEN": IDENTITY})
    assert done.returncode == 1
    assert "AccessDenied" in done.stderr
    assert found.truth() == {"tokens": []}
    silent(done)


def test_flow_on_alibaba(checkout: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with ExitStack() as stack:
        found: FcService = stack.enter_context(service("fc_trigger", FastClock(), monkeypatch, tmp_path))
        foreign: dict[str, Any] = {"tokenName": "printer", "enable": True, "tokenData": "foreign-" + "v" * 40}
        found.put({"tokens": [foreign]})
        role = stack.enter_context(running(Sts()))
        door = stack.enter_context(running(Door(found.truth)))
        sink = tmp_path / "client-token"
        settings = {
            "FC_ENDPOINT": f"http://127.0.0.1:{found.port}",
            "ALIBABA_CLOUD_ECS_METADATA_DISABLED": "true",  # there is no such machine here; this one stands for it
            "ALIBABA_CLOUD_CREDENTIALS_URI": role.url,
            "ROTATION_ALIBABA_ROLE": "rotate-tokens",
            "ROTATION_ALIBABA_ADDRESS": found.address,
            "ROTATION_ALIBABA_ENDPOINT": f"http://127.0.0.1:{door.port}/mcp",
            "ROTATION_ALIBABA_SINK": f"file:{sink}",
        }
        done = run(FLOW, "rotate_job", checkout, settings)
        assert done.returncode == 0, done.stderr
        printer, ours = found.truth()["tokens"]
        assert (printer, ours["tokenData"] + "\n") == (foreign, sink.read_text())
        silent(done, foreign["tokenData"])


# alibaba_role.py


def role(*command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "ALIBABA_CLOUD_ECS_METADATA_DISABLED": "true"}
    return subprocess.run(
        [sys.executable, str(ROOT / "docs/ci/alibaba_role.py"), *command],
        env={**kept, **environment},
        capture_output=True,
        text=True,
        timeout=60,
    )


SHOW = "import os, json; print(json.dumps({k: v for k, v in os.environ.items() if k.startswith('ALIBABA_CLOUD_')}))"


def test_the_command_gets_the_roles_credentials_and_its_exit_code_counts() -> None:
    with running(Sts()) as place:
        done = role(sys.executable, "-c", SHOW, ALIBABA_CLOUD_CREDENTIALS_URI=place.url, DEBUG="sdk")
        given = json.loads(done.stdout)
        assert given["ALIBABA_CLOUD_ACCESS_KEY_ID"] == SESSION["AccessKeyId"]
        assert given["ALIBABA_CLOUD_ACCESS_KEY_SECRET"] == SESSION["SecretAccessKey"]
        assert given["ALIBABA_CLOUD_SECURITY_TOKEN"] == SESSION["SessionToken"]
        assert done.stderr == ""
        failed = role(sys.executable, "-c", "raise SystemExit(3)", ALIBABA_CLOUD_CREDENTIALS_URI=place.url)
        assert failed.returncode == 3
        missing = role("no-such-program", ALIBABA_CLOUD_CREDENTIALS_URI=place.url)
        assert (missing.returncode, missing.stdout) == (1, "")
        assert "no-such-program does not run" in missing.stderr


def test_a_long_lived_key_is_refused() -> None:
    key = {"ALIBABA_CLOUD_ACCESS_KEY_ID": "LTAICANARY", "ALIBABA_CLOUD_ACCESS_KEY_SECRET": "canary"}
    done = role(sys.executable, "-c", SHOW, **key)
    assert (done.returncode, done.stdout) == (1, "")
    assert "long-lived key" in done.stderr
    assert "canary" not in done.stderr


def test_no_credentials_is_one_line_without_the_services_words(tmp_path: Path) -> None:
    done = role(sys.executable, "-c", SHOW)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("alibaba_role: no credentials of a RAM role")
    assert done.stderr.count("\n") == 1
    assert role().returncode == 2
