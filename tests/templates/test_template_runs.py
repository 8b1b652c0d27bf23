"""The routes, environments and secrets of template.yaml at work: the stand-in for AWS built from what it says.

The functions are the deployed entry points, each in a process of its own with exactly the environment of the template.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import boto3
import httpx2
import pytest

from edges.aws import AwsEdge
from edges.aws_function import LambdaFunction
from edges.aws_instance import Function
from edges.secretsmanager import SecretsManager
from edges.serving import running
from mcp_faas.tokens import TokenDocument, mint, parse
from templates.cloudformation import PSEUDO, Stack

ROOT = Path(__file__).resolve().parents[2]
FUNCTIONS = ROOT / "functions"
REGION = PSEUDO["AWS::Region"]
TOKEN = mint(datetime.now(timezone.utc))
STRANGER = mint(datetime.now(timezone.utc))
ORIGIN = "https://app.example.com"
METADATA = "/.well-known/oauth-protected-resource"
PING = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
HEADERS = {"accept": "application/json, text/event-stream", "mcp-protocol-version": "2025-11-25"}


class Secrets(SecretsManager):
    """The stand-in for Secrets Manager, which calls the rotation function of the template for each step."""

    def __init__(self) -> None:
        super().__init__(rotate=self._call)
        self.rotation: LambdaFunction | None = None

    async def _call(self, event: dict[str, str]) -> bytes:
        assert self.rotation is not None
        return await self.rotation.invoke(event)

    async def stop(self) -> None:
        await super().stop()
        if self.rotation is not None:
            await self.rotation.stop()


@dataclass(frozen=True)
class Deployed:
    """A stack on this machine: a client of its front door, and its Secrets Manager."""

    stack: Stack
    client: httpx2.Client
    secrets: Secrets


@contextmanager
def deployed(template: dict[str, Any], *, document: str | None = None, **parameters: str) -> Iterator[Deployed]:
    """The stack of these parameters; `document` stands for what rotation has made of the first one."""
    stack = Stack(template, **parameters, AllowedOrigins=ORIGIN)
    assert stack.refusals() == []
    lines: list[str] = []
    with running(Secrets()) as secrets:
        for secret in stack.of_type("AWS::SecretsManager::Secret").values():
            made: dict[str, Any] = {"Name": secret["Name"], "ClientRequestToken": "0" * 32}
            if document and secret["Name"].endswith("/tokens"):
                made["SecretString"] = document
            elif "SecretString" in secret:
                made["SecretString"] = secret["SecretString"]
            elif "GenerateSecretString" in secret:
                made["SecretString"] = generated(secret["GenerateSecretString"])
            secrets.region(REGION).create_secret(made)
        edge = AwsEdge(log=lines.append, port=0, python=sys.executable, region=REGION, **described(stack, secrets.url))
        with (
            running(edge),
            httpx2.Client(base_url=f"http://127.0.0.1:{edge.port}", timeout=60, trust_env=False) as client,
        ):
            client.headers.update(HEADERS)
            if "AwsRotation" in stack.active:
                secrets.rotation = rotation(stack, secrets.url, client, lines.append)
            yield Deployed(stack, client, secrets)
    assert not [line for line in lines if TOKEN.data in line or STRANGER.data in line]


def described(stack: Stack, endpoint: str) -> dict[str, Any]:
    """What the template says, in the stand-in's words."""
    functions = stack.of_type("AWS::Lambda::Function")
    environments = {name: environment(made, endpoint) for name, made in functions.items()}
    said: dict[str, Any] = {
        "kind": "function-url" if stack.of_type("AWS::Lambda::Url") else "http-api",
        "code": FUNCTIONS / "mcp_server",
        "handler": functions["McpServer"]["Handler"],
        "environment": environments["McpServer"],
    }
    routes = stack.of_type("AWS::ApiGatewayV2::Route").values()
    if routes:
        said["routes"] = [route["RouteKey"] for route in routes if "AuthorizerId" in route]
        said["open_routes"] = [route["RouteKey"] for route in routes if "AuthorizerId" not in route]
    for authorizer in stack.of_type("AWS::ApiGatewayV2::Authorizer").values():
        said["authorizer_environment"] = environments["AwsAuthorizer"]
        said["authorizer_handler"] = functions["AwsAuthorizer"]["Handler"]
        said["authorizer_ttl_seconds"] = float(authorizer["AuthorizerResultTtlInSeconds"])
        said["token_guard_code"] = FUNCTIONS / "token_guard"
    return said


def rotation(stack: Stack, endpoint: str, door: httpx2.Client, log: Callable[[str], None]) -> LambdaFunction:
    made = stack.of_type("AWS::Lambda::Function")["AwsRotation"]
    told = environment(made, endpoint)
    told["ROTATION_PROBE"] = told["ROTATION_PROBE"].replace("{Api.ApiEndpoint}/", str(door.base_url.join("/")))
    code = FUNCTIONS / "token_guard"
    seconds = float(made["Timeout"])
    described = Function("AwsRotation", made["Handler"], code, told, sys.executable, seconds, region=REGION)
    return LambdaFunction(described, max_instances=1, log=log)


def environment(function: dict[str, Any], endpoint: str) -> dict[str, str]:
    """What the template gives a function, and what stands for the places of its code and of the service here."""
    beside = {"AWS_ENDPOINT_URL": endpoint, "PYTHONPATH": str(FUNCTIONS), "PYTHONDONTWRITEBYTECODE": "1"}
    return {**function["Environment"]["Variables"], **beside}


def type_in(made: Deployed, home: Path, *names: str) -> None:
    """Run outputs of the stack as the person would who deployed it; each must end well."""
    variables = {"AWS_ENDPOINT_URL": made.secrets.url, "AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local"}
    surroundings = {**os.environ, **variables, "AWS_CONFIG_FILE": os.devnull, "HOME": str(home)}
    for name in names:
        command = made.stack.outputs[name]
        command = command.replace("{Api.ApiEndpoint}/", str(made.client.base_url.join("/")))
        command = command.replace("{McpServerUrl.FunctionUrl}", str(made.client.base_url.join("/")))
        shell = ["sh", "-c", command]  # which expands $HOME and opens the file after <
        done = subprocess.run(shell, cwd=ROOT, env=surroundings, capture_output=True, text=True)
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"


def generated(description: dict[str, Any]) -> str:
    assert description == {"PasswordLength": 64, "ExcludePunctuation": True}
    return "aA1" + "x" * 61


@pytest.fixture(scope="module", name="bearer")
def _bearer(template: dict[str, Any]) -> Iterator[httpx2.Client]:
    with deployed(template, document=TokenDocument((TOKEN,)).dump()) as made:
        yield made.client


def with_token(data: str) -> dict[str, str]:
    return {"authorization": f"Bearer {data}"}


def test_bearer_lets_a_token_of_the_document_in(bearer: httpx2.Client) -> None:
    answer = bearer.post("/mcp", json=PING, headers=with_token(TOKEN.data))
    assert (answer.status_code, answer.json()["result"]) == (200, {})


@pytest.mark.parametrize("method", ["POST", "GET", "DELETE"])
def test_bearer_refuses_strangers_with_every_method(bearer: httpx2.Client, method: str) -> None:
    assert bearer.request(method, "/mcp").status_code == 401
    assert bearer.request(method, "/mcp", headers=with_token(STRANGER.data)).status_code == 403


def test_bearer_says_405_only_to_those_who_may_know(bearer: httpx2.Client) -> None:
    answer = bearer.get("/mcp", headers=with_token(TOKEN.data))
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


def test_bearer_answers_preflights_of_allowed_origins_without_a_token(bearer: httpx2.Client) -> None:
    asked = {"access-control-request-method": "POST", "access-control-request-headers": "authorization"}
    answer = bearer.options("/mcp", headers={"origin": ORIGIN, **asked})
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (204, ORIGIN)
    assert bearer.options("/mcp", headers={"origin": "https://evil.example", **asked}).status_code == 403


@pytest.mark.parametrize("path", [METADATA, f"{METADATA}/mcp", "/.well-known/oauth-authorization-server", "/", "/sse"])
def test_bearer_knows_no_other_path(bearer: httpx2.Client, path: str) -> None:
    for headers in ({}, with_token(TOKEN.data)):
        assert bearer.get(path, headers=headers).status_code == 404


def test_bearer_is_healthy_for_everybody(bearer: httpx2.Client) -> None:
    assert bearer.get("/healthz").text == "ok"


def test_before_the_first_rotation_nobody_gets_in(template: dict[str, Any]) -> None:
    with deployed(template) as made:
        assert made.client.post("/mcp", json=PING, headers=with_token(TOKEN.data)).status_code == 403
        assert made.client.get("/healthz").status_code == 200


def manager(made: Deployed) -> Any:
    """Secrets Manager as a person with the right to rotate calls it."""
    return boto3.client(
        "secretsmanager",
        region_name=REGION,
        endpoint_url=made.secrets.url,
        aws_access_key_id="local",
        aws_secret_access_key="local",
    )


def until(what: str, look: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + 90
    while not (found := look()):
        assert time.monotonic() < deadline, what
        time.sleep(0.2)
    return found


def switch_rotation_on(made: Deployed) -> str:
    """As the stack does, which rotates at once; returns the data of the token that it makes."""
    [schedule] = made.stack.of_type("AWS::SecretsManager::RotationSchedule").values()
    name, client = made.stack.resources["Tokens"]["Properties"]["Name"], manager(made)
    client.rotate_secret(
        SecretId=name,
        RotationLambdaARN="arn:aws:lambda:eu-west-1:123456789012:function:AwsRotation",
        RotationRules=schedule["RotationRules"],
        RotateImmediately=schedule["RotateImmediatelyOnUpdate"],
    )

    def living() -> Any:
        return parse(client.get_secret_value(SecretId=name)["SecretString"]).live()

    [token] = until("no rotation has made a token", living)
    return str(token.data)


def test_the_first_rotation_makes_a_token_that_gets_in(template: dict[str, Any]) -> None:
    with deployed(template) as made:
        token = switch_rotation_on(made)
        assert made.client.post("/mcp", json=PING, headers=with_token(token)).status_code == 200


def test_the_first_rotation_delivers_its_token_to_the_secret_for_clients(template: dict[str, Any]) -> None:
    with deployed(template, DeliverToken="on") as made:
        token, client = switch_rotation_on(made), manager(made)

        def delivered() -> Any:
            return "AWSCURRENT" in str(client.describe_secret(SecretId="demo/token").get("VersionIdsToStages"))

        until("the rotation has not delivered its token", delivered)
        assert client.get_secret_value(SecretId="demo/token")["SecretString"] == token


def test_the_outputs_fetch_a_token_and_prove_the_door(template: dict[str, Any], tmp_path: Path) -> None:
    with deployed(template) as made:
        variables = {
            "AWS_ENDPOINT_URL": made.secrets.url,
            "AWS_ACCESS_KEY_ID": "local",
            "AWS_SECRET_ACCESS_KEY": "local",
        }
        surroundings = {**os.environ, **variables, "AWS_CONFIG_FILE": os.devnull, "HOME": str(tmp_path)}
        for name in ("FetchToken", "VerifyTokenDoor", "ListTokens", "Connect"):
            command = made.stack.outputs[name].replace("{Api.ApiEndpoint}", str(made.client.base_url))
            done = subprocess.run(command, shell=True, cwd=ROOT, env=surroundings, capture_output=True, text=True)  # noqa: S602 - a person's shell expands $HOME and <
            assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        token = (tmp_path / ".mcp-token").read_text().strip()
        assert made.client.post("/mcp", json=PING, headers=with_token(token)).status_code == 200


@pytest.mark.parametrize("front_door", ["function-url", "http-api"])
def test_jwt_serves_metadata_and_refuses_strangers(template: dict[str, Any], front_door: str, tmp_path: Path) -> None:
    issuer = "https://login.example.com"
    with deployed(template, Door="jwt", JwtIssuer=issuer, FrontDoor=front_door) as made:
        client = made.client
        for method in ("POST", "GET", "DELETE"):
            assert client.request(method, "/mcp").status_code == 401
        for path in (METADATA, f"{METADATA}/mcp"):
            answer = client.get(path, headers={"origin": ORIGIN})
            assert (answer.status_code, answer.json()["authorization_servers"]) == (200, [issuer])
            asked = {"origin": ORIGIN, "access-control-request-method": "GET"}
            assert client.options(path, headers=asked).status_code == 204
        assert client.options("/mcp", headers={"origin": ORIGIN}).status_code == 204
        assert client.get("/healthz").text == "ok"
        type_in(made, tmp_path, "VerifyJwtDoor", "Connect")
