"""The artifact of FC's rotator: built, unpacked, and run in its own Python through a whole rotation.

FC's API, its gateway and OSS are stand-ins; the function behind the gateway and both official SDKs are the real ones.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from artifacts import interpreters
from edges.fc import FcEdge
from edges.fc_state import Unproven
from edges.serving import running
from mcp_faas.lifecycle.probe import Probe
from mcp_faas.tokens import Marks, Token, marks, mint
from support.following_client import FollowingClient
from support.oss import ADDRESS, Oss

ROOT = Path(__file__).resolve().parents[2]
RUNTIME = Path(__file__).with_name("fc_python_runtime.py")
FC_PYTHON = "3.12"
FOREIGN: dict[str, Any] = {"tokenName": "printer", "enable": True, "tokenData": "foreign-" + "v" * 40, "note": [1]}
EVENT = json.dumps({"triggerTime": "2026-11-22T07:49:00Z", "triggerName": "hourly", "payload": ""})
OVERLAP = timedelta(seconds=3)
LAG_SECONDS = 0.4  # of the slower of the gateway's two nodes

pytestmark = [pytest.mark.artifact, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The unpacked zip, and the Python that it is built for."""
    python = interpreters.find(FC_PYTHON)
    if python is None:
        pytest.skip(f"no Python {FC_PYTHON} on this machine to run the artifact")
    command = [sys.executable, "scripts/package.py", "--only", "fc/token_guard"]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    code = tmp_path_factory.mktemp("fc") / "code"
    with zipfile.ZipFile(ROOT / ".build/fc/token_guard.zip") as archive:
        archive.extractall(code)
    return code, python


class Instance:
    """One warm instance of the function: as many invocations as it lives."""

    def __init__(self, process: subprocess.Popen[str], log: Path) -> None:
        self.process = process
        self._log = log
        self.answers: list[Any] = []
        self.session: tuple[str, str, str] = ("", "", "")

    @property
    def log(self) -> str:
        return self._log.read_text()

    def invoke(self) -> list[str]:
        """What one run did, one word for each step. The timer's event, and the credentials of this moment."""
        names = ("ACCESS_KEY_ID", "ACCESS_KEY_SECRET", "SECURITY_TOKEN")
        environment = {f"ALIBABA_CLOUD_{name}": part for name, part in zip(names, self.session, strict=True)}
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(json.dumps({"environment": environment, "event": EVENT}) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            return []
        self.answers.append(json.loads(line))
        assert "result" in self.answers[-1], (self.answers[-1], self.log)
        done: list[str] = json.loads(self.answers[-1]["result"])["done"]
        return [step.split()[0] for step in done]


@contextmanager
def instance(artifact: tuple[Path, Path], log: Path, **environment: str) -> Iterator[Instance]:
    code, python = artifact
    command = [str(python), "-I", "-S", "-W", "ignore", str(RUNTIME), str(code), "fc_rotation.handler"]
    with (
        log.open("w") as output,
        subprocess.Popen(
            command, cwd="/", env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=output, text=True
        ) as process,
    ):
        try:
            yield Instance(process, log)
        finally:
            process.kill()


def old_token() -> Token:
    token = mint(datetime.now(timezone.utc) - timedelta(days=40))
    said = marks(token.name)
    assert said
    return Token(Marks(said.created, said.fingerprint, said.created).name(), True, token.data)


def test_the_function_rotates_as_fc_runs_it(artifact: tuple[Path, Path], tmp_path: Path) -> None:
    """A client that follows the object is served all the time, whatever becomes of credentials and tokens meanwhile."""
    old, client_token = old_token(), tmp_path / "client-token"
    client_token.write_text(old.data)
    settings = {"methods": ["GET", "POST"], "authType": "bearer", "disableURLInternet": False, "note": {"a": [1]}}
    edge = FcEdge(
        trigger={**settings, "authConfig": {"tokens": [FOREIGN, old.dump()], "kept": True}},
        code=ROOT / "functions",
        environment={"MCP_DOOR": "platform"},
        unproven=Unproven(propagation_seconds=(0.0, LAG_SECONDS)),
    )
    with running(Oss(client_token)) as oss, running(edge):
        oss.put(old.data.encode())
        environment = {
            "MCP_TOKENS": "fc://local/mcp-server/http",
            "MCP_LOG_LEVEL": "DEBUG",
            "DEBUG": "sdk",  # with it the SDK would print every header
            "ROTATION_FC_ENDPOINT": edge.api_url,
            "ROTATION_OVERLAP": f"{OVERLAP.seconds}s",
            "ROTATION_PROBE": edge.url,
            "ROTATION_DELIVER": ADDRESS,
            "OSS_ENDPOINT": oss.url,
        }

        def writes() -> int:
            return edge.api.counts["UpdateTrigger"]

        def renew(function: Instance, name: str) -> None:
            function.session = (f"STS.{name}", f"{name}-secret-canary", f"{name}-session-canary")
            edge.api.session = oss.session = (function.session[0], function.session[2])

        with (
            instance(artifact, tmp_path / "log", **environment) as function,
            FollowingClient(edge.url, client_token) as client,
        ):
            renew(function, "first")
            assert function.invoke() == ["add", "see", "prove", "deliver", "note"]
            began = time.monotonic()
            new = client_token.read_text()
            assert new == oss.held != old.data
            assert client.await_served(3)

            renew(function, "second")
            before = writes()
            assert function.invoke() == []
            assert (writes(), len(oss.puts)) == (before, 1), "nothing is due"
            assert Probe(edge.url, 10).ask(old.data).status == 200, "the overlap is not over"

            steps: list[str] = []
            while not steps:
                assert time.monotonic() - began < 60, function.log
                time.sleep(0.3)
                steps = function.invoke()
            assert time.monotonic() - began >= OVERLAP.seconds
            assert steps == ["prove", "disable", "prove", "delete"]
            # Connections take turns at the nodes, and the client's may have been all those at the slower one.
            time.sleep(LAG_SECONDS)
            assert Probe(edge.url, 10).ask(old.data).verdict == "refused"
            assert client.await_served(3)

            edge.api.session = oss.session = ("STS.third", "third-session-canary")  # and nobody tells the instance
            before = writes()
            function.invoke()
            assert function.process.wait(timeout=20) == 1
            assert "the next one gets new ones" in function.log.splitlines()[-1]
            assert writes() == before

        trigger = json.loads(edge.account.triggers["mcp-server", "http"].current["authConfig"])
        assert trigger["kept"] is True
        assert trigger["tokens"][0] == FOREIGN
        assert [token["tokenData"] for token in trigger["tokens"]] == [FOREIGN["tokenData"], new]
        assert edge.account.triggers["mcp-server", "http"].current | {"authConfig": 0} == {**settings, "authConfig": 0}
        assert oss.versions["mcp/token"][-1].acl == "private"
    assert client.failures == []
    # refused with a token that was replaced on the way: only a request that took longer than an overlap
    assert [each for each in client.late if each.ended - each.began < OVERLAP.seconds] == []
    assert client.generations == 2
    said = json.dumps(function.answers) + function.log
    assert "done: add mcp-2" in said
    for secret in (old.data, new, FOREIGN["tokenData"], "canary"):
        assert secret not in said
    assert not re.search(r"Signature=|OSS4-HMAC|ACS3-HMAC", said)
