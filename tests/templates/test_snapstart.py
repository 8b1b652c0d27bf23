"""SnapStart in template.yaml: with it every way in leads to the published version, without it none does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from artifacts.deployables import ARCHITECTURES
from templates.cloudformation import Stack
from templates.conftest import Transform

BEARER: dict[str, str] = {}
JWT_URL = {"Door": "jwt", "JwtIssuer": "https://login.example.com"}
JWT_API = {**JWT_URL, "FrontDoor": "http-api"}
OAUTH = {"Door": "oauth", "LoginClientId": "client", "AllowedUsers": "alice"}
every_door = pytest.mark.parametrize(
    "parameters", [BEARER, JWT_URL, JWT_API, OAUTH], ids=["bearer", "url", "jwt api", "oauth"]
)

DESCRIPTION_MAX_CHARACTERS = 256
# Another value than the default, and than the one above, of each parameter that has no list of values.
OTHER = {
    "PublicUrl": "https://api.example.com/mcp",
    "AllowedOrigins": "https://app.example.com",
    "JwtIssuer": "https://other.example.com",
    "JwtAudience": "audience",
    "JwtJwksUrl": "https://login.example.com/jwks",
    "JwtProfile": "okta",
    "JwtAlgorithms": "ES256",
    "JwtSubjects": "alice",
    "LoginIssuer": "https://login.example.com",
    "LoginClientId": "client",
    "GithubUrl": "https://github.example.com",
    "AllowedUsers": "alice",
    "AllowedOrgs": "example",
    "AllowedDomains": "example.com",
    "EndedLogins": "alice",
    "GrantableScopes": "a b",
    "ScopeRules": "a=user:alice",
    "RedirectSchemes": "none",
    "AccessLifetime": "5m",
    "RefreshLifetime": "7d",
    "OauthConcurrency": "5",
    "Scopes": "a",
    "ScopesSupported": "a b",
    "TokenScopes": "a",
    "RotationSchedule": "rate(4 hours)",
    "TokenMaxAge": "7d",
    "TokenOverlap": "1h",
    "AuthorizerCacheSeconds": "5",
    "MemorySize": "512",
    "Timeout": "9",
    "ReservedConcurrency": "5",
    "AuthorizerConcurrency": "5",
    "AlarmTopicArn": "arn:aws:sns:eu-west-1:123456789012:alarms",
}


def ways_in(stack: Stack) -> set[str]:
    """What the front doors call, and what they may call."""
    called = [url["TargetFunctionArn"] for url in stack.of_type("AWS::Lambda::Url").values()]
    called += [made["IntegrationUri"] for made in stack.of_type("AWS::ApiGatewayV2::Integration").values()]
    allowed = [made["FunctionName"] for made in stack.of_type("AWS::Lambda::Permission").values()]
    assert called
    return {name for name in [*called, *allowed] if name.startswith("{McpServer")}


def version(stack: Stack) -> dict[str, Any]:
    [made] = stack.of_type("AWS::Lambda::Version").values()
    return dict(made)


@every_door
def test_every_way_in_leads_to_the_snapshot(template: dict[str, Any], parameters: dict[str, str]) -> None:
    stack = Stack(template, **parameters, SnapStart="on")
    assert stack.refusals() == []
    assert ways_in(stack) == {"{McpServerAliaslive}"}
    [alias] = stack.of_type("AWS::Lambda::Alias").values()
    [name] = stack.of_type("AWS::Lambda::Version")
    assert alias == {"Name": "live", "FunctionName": "{McpServer}", "FunctionVersion": f"{{{name}.Version}}"}
    functions = stack.of_type("AWS::Lambda::Function")
    assert functions["McpServer"]["SnapStart"] == {"ApplyOn": "PublishedVersions"}
    assert tuple(map(int, functions["McpServer"]["Runtime"].removeprefix("python").split("."))) >= (3, 12)
    assert not [name for name, made in functions.items() if name != "McpServer" and "SnapStart" in made]
    assert "ProvisionedConcurrencyConfig" not in json.dumps(stack.resources)  # the two exclude each other


@every_door
def test_without_it_every_way_in_leads_to_the_function_itself(
    template: dict[str, Any], parameters: dict[str, str]
) -> None:
    stack = Stack(template, **parameters)
    assert ways_in(stack) <= {"{McpServer}", "{McpServer.Arn}"}
    assert stack.of_type("AWS::Lambda::Function")["McpServer"]["SnapStart"] == {"ApplyOn": "None"}


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_it_is_there_for_every_processor(template: dict[str, Any], architecture: str) -> None:
    assert Stack(template, SnapStart="on", Architecture=architecture).refusals() == []


def test_old_snapshots_are_not_paid_for(template: dict[str, Any]) -> None:
    [name] = Stack(template).of_type("AWS::Lambda::Version")
    assert template["Resources"][name]["DeletionPolicy"] == "Delete"


@pytest.mark.parametrize("parameters", [BEARER, JWT_URL], ids=["bearer", "jwt"])
def test_a_new_version_is_published_where_and_only_where_the_function_changes(
    template: dict[str, Any], parameters: dict[str, str]
) -> None:
    """A version that is not published leaves callers with old settings; Lambda refuses one that changes nothing."""

    def made(stack: Stack) -> tuple[dict[str, Any], str]:
        function = dict(stack.of_type("AWS::Lambda::Function")["McpServer"])
        function.pop("ReservedConcurrentExecutions", None)  # is of the function, not of a version
        return function, version(stack)["Description"]

    function, description = made(Stack(template, **parameters, SnapStart="on"))
    for name, declared in template["Parameters"].items():
        if name in ("Door", "SnapStart"):
            continue
        now = str(parameters.get(name, declared["Default"]))
        others = [OTHER[name]] if name in OTHER else [str(value) for value in declared["AllowedValues"]]
        for other in others:
            if other != now:
                changed = made(Stack(template, **{**parameters, name: other}, SnapStart="on"))
                assert (changed[0] != function) <= (changed[1] != description), name
                refused = Stack(template, **{**parameters, name: other}).refusals()
                assert refused or (changed[0] != function) == (changed[1] != description), name


def test_another_door_and_the_first_snapshot_are_new_versions(template: dict[str, Any]) -> None:
    described = {
        version(Stack(template, **parameters, SnapStart="on"))["Description"] for parameters in (BEARER, JWT_URL)
    }
    assert len(described) == 2
    assert "Description" not in version(Stack(template))


def test_the_description_of_long_settings_fits(template: dict[str, Any]) -> None:
    usual = {
        "JwtIssuer": "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_AbCdEfGhI",
        "JwtProfile": "cognito",
        "JwtAudience": "1h57kf5cpq17m0eml12EXAMPLE",
        "Scopes": "mcp:use",
    }
    described = version(Stack(template, Door="jwt", SnapStart="on", **usual))["Description"]
    assert len(described) < DESCRIPTION_MAX_CHARACTERS * 0.9


def test_the_function_url_is_like_sam_s_own(template: dict[str, Any], transform: Transform, tmp_path: Path) -> None:
    sam = tmp_path / "url.yaml"
    properties = {"FunctionUrlConfig": {"AuthType": "NONE"}, "AutoPublishAlias": "live"}
    shared = {"Function": {"Runtime": "python3.13", "Handler": "a.b"}}
    function = {"Type": "AWS::Serverless::Function", "Properties": properties}
    sam.write_text(json.dumps({"Globals": shared, "Resources": {"McpServer": function}}))
    done = transform("--template", str(sam))
    assert done.returncode == 0, done.stderr
    theirs = Stack({"Parameters": {}, "Outputs": {}, **json.loads(done.stdout)})
    ours = Stack(template, **JWT_URL, SnapStart="on")

    def permissions(stack: Stack) -> list[dict[str, Any]]:
        return sorted(stack.of_type("AWS::Lambda::Permission").values(), key=lambda made: str(made["Action"]))

    assert permissions(ours) == permissions(theirs)
    [our], [their] = ours.of_type("AWS::Lambda::Url").values(), theirs.of_type("AWS::Lambda::Url").values()
    assert our == {**their, "InvokeMode": "BUFFERED"}
