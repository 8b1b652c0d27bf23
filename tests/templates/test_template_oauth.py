"""What template.yaml makes for Door=oauth: two functions on one host, a table, keys that are renewed."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import shlex
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from werkzeug.serving import make_server

from authorization_server import settings as server
from authorization_server.signing_keys import parse
from authorizing.client_of_both import log_in_and_call
from authorizing.world import World
from local.doors import AWS_METADATA_ROUTES, AWS_OPEN_ROUTES, AWS_ROUTES, OAUTH_ROUTES
from mcp_faas.settings import read_settings
from s_rules.environments import Watched
from support.projects import ROOT
from templates.cloudformation import Stack

GITHUB = {"Door": "oauth", "LoginClientId": "Iv1.abc", "AllowedOrgs": "example"}
OPENID = {
    "Door": "oauth",
    "LoginProvider": "oidc",
    "LoginIssuer": "https://login.example.com",
    "LoginClientId": "client",
    "AllowedDomains": "example.com",
    "Scopes": "mcp:use",
    "EndedLogins": "subject-1 *@2026-01-31T18:00Z",
    "GrantableScopes": "mcp:use notes:write",
    "ScopeRules": "notes:write=user:alice@example.com",
    "PublicUrl": "https://api.example.com/mcp",
    "Registration": "off",
    "ClientDocuments": "off",
    "RedirectSchemes": "none",
    "AccessLifetime": "5m",
    "RefreshLifetime": "7d",
}
both = pytest.mark.parametrize("parameters", [GITHUB, OPENID], ids=["github", "openid"])
LOCAL_PATHS = {"/authorize/login"}  # of the login for development, which a cloud has not


def environment_of(stack: Stack, function: str) -> dict[str, str]:
    found: dict[str, str] = stack.of_type("AWS::Lambda::Function")[function]["Environment"]["Variables"]
    return {
        name: value.replace("{Api.ApiEndpoint}", "https://abc.example").replace("{OauthRecords}", "records")
        for name, value in found.items()
    }


@both
def test_both_functions_start_and_agree(template: dict[str, Any], parameters: dict[str, str]) -> None:
    stack = Stack(template, **parameters)
    assert stack.refusals() == []
    told = Watched(environment_of(stack, "OauthServer"))
    theirs = server.read_settings(told)
    assert theirs.doubts == ()
    assert told.unread(("MCP_", "OAUTH_")) == []
    ours = read_settings(environment_of(stack, "McpServer"))
    assert ours.jwt
    assert ours.jwt.issuers == (theirs.issuer,)
    assert (ours.public_url,) == theirs.resources
    assert theirs.needed_scopes == tuple(ours.scopes)
    origin = "https://api.example.com" if "PublicUrl" in parameters else "https://abc.example"
    assert (theirs.issuer, theirs.resources) == (origin, (f"{origin}/mcp",))
    assert theirs.store == "dynamodb://eu-west-1/records"
    keys = server.read_signing_keys(environment_of(stack, "AwsKeyRotation"))
    assert keys == theirs.signing_keys == "aws://eu-west-1/demo/signing-keys"


@contextlib.contextmanager
def serving(app: Flask) -> Iterator[str]:
    """The app on a socket, by its origin."""
    server = make_server("127.0.0.1", 0, app)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def documented() -> list[dict[str, str]]:
    """The parameters of each deploy that docs/oauth.md shows."""
    page = (ROOT / "docs/oauth.md").read_text(encoding="utf-8").replace("\\\n", " ")
    shown = re.findall(r"(?m)^ *sam deploy .*--parameter-overrides (.*)$", page)
    return [dict(word.split("=", 1) for word in shlex.split(line)) for line in shown]


@pytest.mark.parametrize("parameters", documented(), ids=lambda parameters: parameters.get("LoginProvider", "github"))
def test_a_client_of_a_documented_deploy_gets_in_and_calls_every_tool(
    template: dict[str, Any], parameters: dict[str, str], tmp_path: Path
) -> None:
    stack = Stack(template, **parameters)
    assert stack.refusals() == []
    function, server = environment_of(stack, "McpServer"), environment_of(stack, "OauthServer")
    went = asyncio.run(log_in_and_call(function, server, tmp_path))
    assert went.asked == went.granted == "mcp:tools:countdown"
    assert set(went.statuses.values()) == {200}


@pytest.mark.parametrize(
    "changes", [{"GrantableScopes": ""}, {"ScopeRules": "mcp:tools:countdown=user:alice"}], ids=str
)
def test_a_tool_for_some_keeps_nobody_from_the_others(
    template: dict[str, Any], changes: dict[str, str], tmp_path: Path
) -> None:
    stack = Stack(template, **GITHUB, **changes)
    function, server = environment_of(stack, "McpServer"), environment_of(stack, "OauthServer")
    went = asyncio.run(log_in_and_call(function, server, tmp_path))
    assert (went.asked, went.granted) == ("mcp:tools:countdown", "")
    assert went.statuses == {"add": 200, "countdown": 403}


def test_a_scope_that_every_request_needs_can_be_granted(template: dict[str, Any], tmp_path: Path) -> None:
    stack = Stack(template, **GITHUB, Scopes="mcp:use")
    function, server = environment_of(stack, "McpServer"), environment_of(stack, "OauthServer")
    went = asyncio.run(log_in_and_call(function, server, tmp_path))
    assert went.statuses["add"] == 200


def test_the_documented_machine_gets_a_token(
    template: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = (ROOT / "docs/oauth.md").read_text(encoding="utf-8")
    (entries,) = re.findall(r"(?m)^\[\{.*nightly-report.*\}\]$", page)
    (command,) = re.findall(r"(?m)^    (printf .*nightly-report.*/token)$", page)
    monkeypatch.setattr("authorizing.world.CLIENTS", json.loads(entries.replace("…", "s" * 32)))
    given = environment_of(Stack(template, **GITHUB), "OauthServer")
    world = World(tmp_path, OAUTH_SCOPES=given["OAUTH_SCOPES"], MCP_SCOPES="")
    with serving(world.app) as origin:
        shell = {"PATH": os.environ["PATH"], "SECRET": "s" * 32, "NO_PROXY": "127.0.0.1"}
        done = subprocess.run(
            ["sh", "-c", command.replace("https://HOST", origin)], env=shell, capture_output=True, text=True, timeout=60
        )
    world.storage.close()
    assert json.loads(done.stdout)["scope"] == "mcp:tools", done


def test_every_parameter_of_the_server_reaches_it(template: dict[str, Any]) -> None:
    found = server.read_settings(environment_of(Stack(template, **OPENID), "OauthServer"))
    assert (found.login.kind, found.login.issuer, found.login.client_id) == ("oidc", OPENID["LoginIssuer"], "client")
    assert found.admission.domains == {"example.com"}
    assert (found.has_ended("subject-1", 2**40), found.has_ended("2", 0), found.has_ended("2", 2**40)) == (
        True,
        True,
        False,
    )
    assert found.scopes == ("mcp:use", "notes:write")
    assert [rule.scope for rule in found.admission.rules] == ["notes:write"]
    assert (found.registration, found.client_documents, found.redirect_schemes) == (False, False, ())
    assert (found.access_token_seconds, found.refresh_token_seconds) == (300, 7 * 86400)
    enterprise = Stack(template, **GITHUB, GithubUrl="https://github.example.com")
    assert (
        server.read_settings(environment_of(enterprise, "OauthServer")).login.github_url == "https://github.example.com"
    )


def test_one_host_leads_to_both(template: dict[str, Any]) -> None:
    stack = Stack(template, **GITHUB)
    found: dict[str, set[str]] = {"{ApiIntegration}": set(), "{OauthIntegration}": set()}
    for route in stack.of_type("AWS::ApiGatewayV2::Route").values():
        assert (route["AuthorizationType"], route["ApiId"]) == ("NONE", "{Api}")  # each function checks by itself
        found[route["Target"].removeprefix("integrations/")].add(route["RouteKey"])
    assert found["{ApiIntegration}"] == {*AWS_ROUTES, *AWS_OPEN_ROUTES, *AWS_METADATA_ROUTES}
    assert found["{OauthIntegration}"] == {
        f"{method} {path}" for path, methods in OAUTH_ROUTES.items() if path not in LOCAL_PATHS for method in methods
    }
    integration = stack.of_type("AWS::ApiGatewayV2::Integration")["OauthIntegration"]
    assert integration == {
        "ApiId": "{Api}",
        "IntegrationType": "AWS_PROXY",
        "IntegrationUri": "{OauthServer.Arn}",
        "PayloadFormatVersion": "2.0",
        "TimeoutInMillis": 30000,
    }
    assert not stack.of_type("AWS::Lambda::Url")
    assert not stack.of_type("AWS::ApiGatewayV2::Authorizer")


def test_who_may_call_what(template: dict[str, Any]) -> None:
    api = "arn:aws:execute-api:eu-west-1:123456789012:{Api}/*"
    permissions = Stack(template, **GITHUB).of_type("AWS::Lambda::Permission").values()
    assert {(made["FunctionName"], made["Principal"], made["SourceArn"]) for made in permissions} == {
        ("{McpServer}", "apigateway.amazonaws.com", api),
        ("{OauthServer}", "apigateway.amazonaws.com", api),
        ("{AwsKeyRotation}", "events.amazonaws.com", "{KeyRotationSchedule.Arn}"),
    }


def test_the_table_is_what_the_storage_wants_and_outlives_the_stack(template: dict[str, Any]) -> None:
    from authorization_server.storage.dynamodb import KEY, TIME_TO_LIVE

    stack = Stack(template, **GITHUB)
    made = stack.resources["OauthRecords"]
    assert (made["DeletionPolicy"], made["UpdateReplacePolicy"]) == ("Retain", "Retain")
    assert made["Properties"] == {
        "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [{"AttributeName": KEY, "AttributeType": "S"}],
        "KeySchema": [{"AttributeName": KEY, "KeyType": "HASH"}],
        "TimeToLiveSpecification": {"AttributeName": TIME_TO_LIVE, "Enabled": True},
        "SSESpecification": {"SSEEnabled": True, "SSEType": "KMS"},
        "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": True},
    }


def test_no_secret_has_a_value_that_opens_anything(template: dict[str, Any]) -> None:
    secrets = Stack(template, **GITHUB).of_type("AWS::SecretsManager::Secret")
    assert set(secrets) == {"RequestStateKey", "LoginClientSecret", "OauthClients", "SigningKeys"}
    # CloudFormation writes these texts over the living values whenever they change.
    assert secrets["SigningKeys"]["SecretString"] == '{"keys": []}'
    assert parse(secrets["SigningKeys"]["SecretString"]).keys == ()
    assert secrets["OauthClients"]["SecretString"] == "[]"
    assert "SecretString" not in secrets["LoginClientSecret"]


def test_the_keys_are_renewed_by_a_clock(template: dict[str, Any]) -> None:
    stack = Stack(template, **GITHUB)
    [rule] = stack.of_type("AWS::Events::Rule").values()
    assert (rule["ScheduleExpression"], [target["Arn"] for target in rule["Targets"]]) == (
        "rate(1 hour)",
        ["{AwsKeyRotation.Arn}"],
    )
    alarms = {(a["MetricName"], a["Dimensions"][0]["Value"]) for a in stack.of_type("AWS::CloudWatch::Alarm").values()}
    assert {("Errors", "{AwsKeyRotation}"), ("Errors", "{OauthServer}"), ("Throttles", "{OauthServer}")} <= alarms


def test_a_cap_on_what_strangers_can_cost(template: dict[str, Any]) -> None:
    capped = Stack(template, **GITHUB, OauthConcurrency="7").of_type("AWS::Lambda::Function")
    assert capped["OauthServer"]["ReservedConcurrentExecutions"] == "7"
    assert "ReservedConcurrentExecutions" not in capped["AwsKeyRotation"]


def test_a_flood_of_strangers_writes_at_a_bounded_rate(template: dict[str, Any]) -> None:
    stack = Stack(template, **GITHUB)
    throttled = stack.of_type("AWS::ApiGatewayV2::Stage")["ApiStage"]["RouteSettings"]
    assert set(throttled) == {"GET /authorize", "POST /authorize", "GET /authorize/callback", "POST /register"}
    assert {tuple(sorted(limits.items())) for limits in throttled.values()} == {
        (("ThrottlingBurstLimit", 100), ("ThrottlingRateLimit", 20))
    }
    # API Gateway knows no route before it is made: a setting for one that is not there ends the deploy.
    routes = stack.of_type("AWS::ApiGatewayV2::Route")
    after = [name.strip("{}") for name in stack.resources["ApiStage"]["Metadata"]["After"]]
    assert {routes[name]["RouteKey"] for name in after} == set(throttled)
    for parameters in ({"Door": "bearer"}, {"Door": "jwt", "JwtIssuer": "https://a.example", "FrontDoor": "http-api"}):
        assert "RouteSettings" not in Stack(template, **parameters).of_type("AWS::ApiGatewayV2::Stage")["ApiStage"]


@pytest.mark.parametrize("parameters", [{}, {"Door": "jwt", "JwtIssuer": "https://login.example.com"}], ids=str)
def test_other_doors_make_nothing_of_it(template: dict[str, Any], parameters: dict[str, str]) -> None:
    stack = Stack(template, **parameters)
    assert not stack.of_type("AWS::DynamoDB::Table")
    assert not stack.of_type("AWS::Events::Rule")
    assert not [name for name in stack.active if name.startswith("Oauth")]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"LoginClientId": ""}, "LoginClientId is empty"),
        ({"AllowedOrgs": ""}, "nobody could log in"),
        ({"LoginProvider": "oidc"}, "which needs it"),
        ({"LoginIssuer": "https://login.example.com"}, "with github leave it empty"),
        ({"JwtIssuer": "https://login.example.com"}, "the issuer is this stack"),
        ({"TokenScopes": "a"}, "TokenScopes is for Door=bearer"),
        ({"DeliverToken": "on"}, "DeliverToken is for Door=bearer"),
        ({"Timeout": "30"}, "at most 29"),
        ({"LoginProvider": "local"}, "LoginProvider must be github or oidc"),
        ({"Door": "jwt", "JwtIssuer": "https://login.example.com"}, "are for Door=oauth"),
        ({"Door": "bearer"}, "are for Door=oauth"),
        ({"Door": "bearer", "LoginClientId": "", "AllowedOrgs": "", "GrantableScopes": "a"}, "are for Door=oauth"),
    ],
    ids=lambda case: case if isinstance(case, str) else json.dumps(case),
)
def test_what_cannot_work_is_refused(template: dict[str, Any], changes: dict[str, str], said: str) -> None:
    refusals = Stack(template, **{**GITHUB, **changes}).refusals()
    assert any(said in refusal for refusal in refusals), refusals


def test_outputs_say_what_is_left_to_do(template: dict[str, Any]) -> None:
    outputs = Stack(template, **OPENID).outputs
    assert outputs["CallbackUrl"] == "https://api.example.com/authorize/callback"
    assert outputs["PutLoginSecret"].endswith("--secret-id demo/login-client-secret --secret-string file:///dev/stdin")
    assert outputs["BeginKeys"].endswith("rotate aws://eu-west-1/demo/signing-keys")
    assert Stack(template, **GITHUB).outputs["CallbackUrl"] == "{Api.ApiEndpoint}/authorize/callback"
