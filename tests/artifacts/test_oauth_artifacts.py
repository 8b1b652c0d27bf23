"""The authorization server's artifacts, run as the two clouds run them, with the storage that both have: DynamoDB."""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import boto3
import pytest

import rie
from artifacts.unused import LOGINS
from authorizing.walk import over_http, two, whole_flow
from authorizing.world import PASSPHRASE, environment, write_files
from dynamodb import servers
from edges.processes import free_port
from edges.secretsmanager import SecretsManager
from edges.serving import running
from rie import Emulator
from support.web_function import unpacked

ROOT = Path(__file__).resolve().parents[2]
KEYS = "stack/signing-keys"
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local", "AWS_EC2_METADATA_DISABLED": "true"}

pytestmark = [
    pytest.mark.artifact,
    pytest.mark.timeout(600),
    pytest.mark.skipif(
        platform.system() != "Linux", reason="the emulator and Lambda's runtime client are Linux programs"
    ),
]


@pytest.fixture(scope="module", name="python")
def _python() -> Path:
    return rie.runtime(*rie.lambda_python())


@pytest.fixture(scope="module", name="on_aws")
def _on_aws(tmp_path_factory: pytest.TempPathFactory) -> Path:
    version, _ = rie.lambda_python()
    return rie.build("OauthServer", tmp_path_factory.mktemp("aws") / "oauth_server", version)


@pytest.fixture(scope="module", name="on_fc")
def _on_fc(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The unpacked zip, and a folder whose `python3` is the Python that it is built for."""
    return unpacked("fc/oauth_server", tmp_path_factory.mktemp("fc"))


@pytest.fixture(scope="module", name="table")
def _table() -> Iterator[str]:
    """The URL of a server that speaks DynamoDB's protocol and has the table."""
    with servers.dynamodb("moto") as url:
        servers.make_table(url)
        yield url


@pytest.fixture(name="settings")
def _settings(tmp_path: Path, table: str) -> dict[str, str]:
    write_files(tmp_path, int(time.time()) - 3600)
    store = f"dynamodb://{servers.REGION}/{servers.TABLE}"
    return {
        **environment(tmp_path, OAUTH_STORE=store, MCP_LOG_LEVEL="DEBUG"),
        **CREDENTIALS,
        "AWS_ENDPOINT_URL_DYNAMODB": table,
    }


def test_on_lambda_the_whole_flow(on_aws: Path, python: Path, settings: dict[str, str], table: str) -> None:
    before = len(servers.items(table))
    with Emulator(on_aws, "aws_lambda.handler", python=python, environment=settings) as function:
        call = two(lambda event, context: function.invoke(event))
        given = whole_flow(call)
        metadata = call("GET", "/.well-known/oauth-authorization-server", {}, "")
        assert json.loads(metadata.body)["issuer"] == settings["OAUTH_ISSUER"]
        output = function.output
    assert len(servers.items(table)) > before
    check_log(output, given)


def test_on_fc_the_whole_flow(on_fc: tuple[Path, Path], settings: dict[str, str], table: str, tmp_path: Path) -> None:
    """With the signing keys where a deployment has them: what is left of botocore must know both services."""
    before = len(servers.items(table))
    with running(SecretsManager()) as manager:
        with closing(secrets(manager)) as client:
            client.create_secret(Name=KEYS, SecretString=(tmp_path / "keys.json").read_text())
        settings["AWS_ENDPOINT_URL_SECRETS_MANAGER"] = manager.url
        settings["OAUTH_SIGNING_KEYS"] = f"aws://eu-west-1/{KEYS}"
        with web_function(on_fc, tmp_path / "log", settings) as (origin, log):
            given = whole_flow(over_http(origin))
            check_log(log.read_text(), given)
    assert len(servers.items(table)) > before


def test_on_fc_every_way_to_credentials_is_left(on_fc: tuple[Path, Path]) -> None:
    """Each service that botocore calls to log in is still described: credentials may come from any of them."""
    code, python = on_fc
    script = f"import boto3\nfor name in {LOGINS}:\n    boto3.client(name, region_name='eu-west-1')"
    subprocess.run([python / "python3", "-S", "-E", "-c", script], cwd=code, env=CREDENTIALS, check=True, timeout=60)


def test_on_fc_a_wrong_setting_is_named_in_the_last_line(on_fc: tuple[Path, Path], settings: dict[str, str]) -> None:
    del settings["OAUTH_LOGIN"]
    done = subprocess.run(
        [on_fc[0] / "bootstrap"],
        env={**settings, "PATH": f"{on_fc[1]}:{os.defpath}", "FC_SERVER_PORT": str(free_port())},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode != 0
    assert done.stderr.splitlines()[-1].startswith("OAUTH_LOGIN is not set")


def test_the_keys_begin_with_the_first_call_of_the_rotation(on_aws: Path, python: Path) -> None:
    """The template makes a secret without a key, which the schedule fills; later calls find nothing to do."""
    with running(SecretsManager()) as manager:
        client = secrets(manager)
        client.create_secret(Name=KEYS, SecretString='{"keys": []}')
        environment = {"OAUTH_SIGNING_KEYS": f"aws://eu-west-1/{KEYS}", "AWS_ENDPOINT_URL": manager.url}
        with Emulator(on_aws, "aws_key_rotation.handler", python=python, environment=environment) as function:
            first, second = (function.invoke({"source": "aws.scheduler"}) for _ in range(2))
            output = function.output
        (key,) = json.loads(client.get_secret_value(SecretId=KEYS)["SecretString"])["keys"]
        client.close()
    assert first == {"added": key["kid"], "dropped": []}
    assert second == {"added": None, "dropped": []}
    assert key["kid"] in output
    assert key["d"] not in output


def secrets(manager: SecretsManager) -> Any:
    session = boto3.session.Session("local", "local", "local", "eu-west-1")
    return session.client("secretsmanager", endpoint_url=manager.url)


@contextmanager
def web_function(artifact: tuple[Path, Path], log: Path, settings: dict[str, str]) -> Iterator[tuple[str, Path]]:
    """One instance, started by its own bootstrap from another folder; on this machine's loopback alone."""
    code, python = artifact
    port = free_port()
    path = {"PATH": f"{python}:{os.defpath}", "PYTHONPATH": str(ROOT / "scripts/edges/loopback")}
    with log.open("w") as output:
        process = subprocess.Popen(
            [code / "bootstrap"],
            cwd="/",
            env={**settings, **path, "FC_SERVER_PORT": str(port)},
            stdout=output,
            stderr=output,
        )
    call, until = over_http(f"http://127.0.0.1:{port}"), time.monotonic() + 60
    try:
        while True:
            try:
                assert call("GET", "/jwks.json", {}, "").status == 200
                break
            except OSError:
                assert process.poll() is None, log.read_text()
                assert time.monotonic() < until, "not ready in 60 s"
                time.sleep(0.05)
        yield f"http://127.0.0.1:{port}", log
    finally:
        process.kill()
        process.wait()


def check_log(text: str, given: dict[str, Any]) -> None:
    """Every decision is in it, and no secret."""
    assert text.count('"decision":"allow"') >= 5
    for secret in (given["access_token"], given["refresh_token"], given["fresh"], given["code"], PASSPHRASE):
        assert secret[-20:] not in text
    assert not re.search(r"mcp[aclr]-[A-Za-z0-9]", text)
