"""What template.yaml makes for each door and front door: AWS's own transform, evaluated for the parameters."""

from __future__ import annotations

import ast
import importlib
import json
import re
import shlex
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from artifacts.deployables import ARCHITECTURES, DEFAULT_ARCHITECTURE, DEFAULT_PYTHON, for_sam
from lifecycle.arguments import duration
from mcp_faas.auth.algorithms import ASYMMETRIC_ALGORITHMS
from mcp_faas.auth.profiles import PROFILES
from mcp_faas.lifecycle.door import AFTER_PROOF_SECONDS
from mcp_faas.lifecycle.settings import rotation_settings
from mcp_faas.rotation import Policy
from mcp_faas.settings import LOG_LEVELS, read_log_level, read_settings
from mcp_faas.tokens import parse
from s_rules.environments import Watched
from templates.cloudformation import Stack, allowed
from templates.conftest import Transform

ROOT = Path(__file__).resolve().parents[2]

ISSUER = {"Door": "jwt", "JwtIssuer": "https://login.example.com"}
BEARER: dict[str, str] = {}
BEARER_ASKING_FOR_A_URL = {"Door": "bearer", "FrontDoor": "function-url"}
BEARER_API = {"Door": "bearer", "FrontDoor": "http-api"}
JWT_URL = {**ISSUER, "FrontDoor": "function-url"}
JWT_API = {**ISSUER, "FrontDoor": "http-api"}

OAUTH = {"Door": "oauth", "LoginClientId": "client", "AllowedUsers": "alice"}

VARIANTS = {
    "bearer": BEARER,
    "bearer, http-api": BEARER_API,
    "jwt, function-url": JWT_URL,
    "jwt, http-api": JWT_API,
    "oauth": OAUTH,
}
every_variant = pytest.mark.parametrize("parameters", VARIANTS.values(), ids=VARIANTS)
with_api = pytest.mark.parametrize("parameters", [BEARER, JWT_API, OAUTH], ids=["bearer", "jwt", "oauth"])
bearer = pytest.mark.parametrize(
    "parameters", [BEARER, BEARER_ASKING_FOR_A_URL, BEARER_API], ids=["default", "function-url", "http-api"]
)


# --- Who may come in ----------------------------------------------------------------------------------------------


@bearer
def test_bearer_checks_every_call_of_mcp_before_the_function(
    template: dict[str, Any], parameters: dict[str, str]
) -> None:
    assert routes(Stack(template, **parameters)) == {
        "POST /mcp": ("CUSTOM", "{ApiAuthorizer}"),
        "GET /mcp": ("CUSTOM", "{ApiAuthorizer}"),
        "DELETE /mcp": ("CUSTOM", "{ApiAuthorizer}"),
        "OPTIONS /mcp": ("NONE", None),  # a preflight carries no token
        "GET /healthz": ("NONE", None),
    }


def test_jwt_api_leaves_the_check_to_the_function_and_serves_metadata(template: dict[str, Any]) -> None:
    metadata = "/.well-known/oauth-protected-resource"
    open_routes = ["POST /mcp", "GET /mcp", "DELETE /mcp", "OPTIONS /mcp", "GET /healthz"]
    open_routes += [f"{method} {metadata}{suffix}" for method in ("GET", "OPTIONS") for suffix in ("", "/mcp")]
    assert routes(Stack(template, **JWT_API)) == dict.fromkeys(open_routes, ("NONE", None))


def test_bearer_has_no_metadata_route(template: dict[str, Any]) -> None:
    # A client that finds metadata drops the token that its user configured.
    assert not [key for key in routes(Stack(template)) if "well-known" in key or "$default" in key or "{" in key]


INVOKE = "arn:aws:apigateway:eu-west-1:lambda:path/2015-03-31/functions"


def test_the_authorizer_is_asked_with_the_header_and_answers_simply(template: dict[str, Any]) -> None:
    stack = Stack(template, AuthorizerCacheSeconds="7")
    assert stack.of_type("AWS::ApiGatewayV2::Authorizer") == {
        "ApiAuthorizer": {
            "ApiId": "{Api}",
            "Name": "tokens",
            "AuthorizerType": "REQUEST",
            "AuthorizerPayloadFormatVersion": "2.0",
            "EnableSimpleResponses": True,
            "IdentitySource": ["$request.header.Authorization"],
            "AuthorizerResultTtlInSeconds": "7",
            "AuthorizerUri": f"{INVOKE}/{{AwsAuthorizer.Arn}}/invocations",
        }
    }


# What may call what: (function, action, who) and the rest of each permission.
API_ONLY = ("McpServer", "lambda:InvokeFunction", "apigateway.amazonaws.com")
API_ARN = "arn:aws:execute-api:eu-west-1:123456789012:{Api}"


@bearer
def test_bearer_function_is_reached_through_its_api_alone(template: dict[str, Any], parameters: dict[str, str]) -> None:
    stack = Stack(template, **parameters)
    assert not stack.of_type("AWS::Lambda::Url")
    assert permissions(stack) == {
        API_ONLY: {"SourceArn": f"{API_ARN}/*"},
        ("AwsAuthorizer", "lambda:InvokeFunction", "apigateway.amazonaws.com"): {
            "SourceArn": f"{API_ARN}/authorizers/{{ApiAuthorizer}}"
        },
        ("AwsRotation", "lambda:InvokeFunction", "secretsmanager.amazonaws.com"): {"SourceAccount": "123456789012"},
    }


def test_jwt_api_function_is_reached_through_its_api_alone(template: dict[str, Any]) -> None:
    stack = Stack(template, **JWT_API)
    assert not stack.of_type("AWS::Lambda::Url")
    assert permissions(stack) == {API_ONLY: {"SourceArn": f"{API_ARN}/*"}}


def test_function_url_has_both_permissions_like_sam_s_own(
    template: dict[str, Any], transform: Transform, tmp_path: Path
) -> None:
    stack = Stack(template, **JWT_URL)
    assert not stack.of_type("AWS::ApiGatewayV2::Api")
    assert len(permissions(stack)) == 2

    sam = tmp_path / "url.yaml"
    function = {"Type": "AWS::Serverless::Function", "Properties": {"FunctionUrlConfig": {"AuthType": "NONE"}}}
    shared = {"Function": {"Runtime": "python3.13", "Handler": "a.b"}}
    sam.write_text(json.dumps({"Globals": shared, "Resources": {"McpServer": function}}))
    done = transform("--template", str(sam))
    assert done.returncode == 0, done.stderr
    made = json.loads(done.stdout)
    theirs = Stack({"Parameters": {}, "Outputs": {}, **made})
    assert permissions(stack) == permissions(theirs)
    [ours], [url] = stack.of_type("AWS::Lambda::Url").values(), theirs.of_type("AWS::Lambda::Url").values()
    assert ours == {**url, "InvokeMode": "BUFFERED"}


def test_front_doors_are_the_same_function_with_the_payload_it_knows(template: dict[str, Any]) -> None:
    [integration] = Stack(template).of_type("AWS::ApiGatewayV2::Integration").values()
    assert integration == {
        "ApiId": "{Api}",
        "IntegrationType": "AWS_PROXY",
        "IntegrationUri": "{McpServer.Arn}",
        "PayloadFormatVersion": "2.0",
        "TimeoutInMillis": 30000,
    }


@with_api
def test_api_has_no_stage_prefix_and_no_cors_of_its_own(template: dict[str, Any], parameters: dict[str, str]) -> None:
    stack = Stack(template, **parameters)
    [stage], [api] = (
        stack.of_type("AWS::ApiGatewayV2::Stage").values(),
        stack.of_type("AWS::ApiGatewayV2::Api").values(),
    )
    assert (stage["StageName"], stage["AutoDeploy"]) == ("$default", True)
    assert "CorsConfiguration" not in api  # it would answer preflights before the function, which knows the origins


# --- What each function may do --------------------------------------------------------------------------------------


def own_logs(name: str) -> set[tuple[str, str]]:
    return {(f"logs:{action}", f"{{{name}Logs.Arn}}") for action in ("CreateLogStream", "PutLogEvents")}


MCP_SERVER = own_logs("McpServer") | {("secretsmanager:GetSecretValue", "{RequestStateKey}")}
AUTHORIZER = own_logs("AwsAuthorizer") | {("secretsmanager:GetSecretValue", "{Tokens}")}
ROTATION = own_logs("AwsRotation") | {
    (f"secretsmanager:{action}", "{Tokens}")
    for action in ("DescribeSecret", "GetSecretValue", "PutSecretValue", "UpdateSecretVersionStage")
}


OAUTH_SERVER = (
    own_logs("OauthServer")
    | {
        ("secretsmanager:GetSecretValue", f"{{{name}}}")
        for name in ("SigningKeys", "LoginClientSecret", "OauthClients")
    }
    | {(f"dynamodb:{action}", "{OauthRecords.Arn}") for action in ("GetItem", "PutItem")}
)
KEY_ROTATION = own_logs("AwsKeyRotation") | {
    (f"secretsmanager:{action}", "{SigningKeys}")
    for action in ("DescribeSecret", "GetSecretValue", "PutSecretValue", "UpdateSecretVersionStage")
}


def test_delivery_adds_a_secret_and_who_may_write_it(template: dict[str, Any]) -> None:
    stack = Stack(template, DeliverToken="on")
    roles = {name: grants(role) for name, role in stack.of_type("AWS::IAM::Role").items()}
    delivery = {(action, "{CurrentToken}") for action, resource in ROTATION if resource == "{Tokens}"}
    assert roles == {
        "McpServerRole": MCP_SERVER,
        "AwsAuthorizerRole": AUTHORIZER,
        "AwsRotationRole": ROTATION | delivery,
    }
    secret = stack.of_type("AWS::SecretsManager::Secret")["CurrentToken"]
    assert secret.keys() == {"Name", "Description"}  # a value here would be written over the living token
    assert secret["Name"] == "demo/token"


@every_variant
def test_roles_allow_exactly_this(template: dict[str, Any], parameters: dict[str, str]) -> None:
    stack = Stack(template, **parameters)
    expected = {"McpServerRole": MCP_SERVER}
    if stack.parameters["Door"] == "bearer":
        expected |= {"AwsAuthorizerRole": AUTHORIZER, "AwsRotationRole": ROTATION}
    if stack.parameters["Door"] == "oauth":
        expected |= {"OauthServerRole": OAUTH_SERVER, "AwsKeyRotationRole": KEY_ROTATION}
    assert {name: grants(role) for name, role in stack.of_type("AWS::IAM::Role").items()} == expected
    for name, function in stack.of_type("AWS::Lambda::Function").items():
        assert function["Role"] == f"{{{name}Role.Arn}}"
    for role in stack.of_type("AWS::IAM::Role").values():
        [trust] = role["AssumeRolePolicyDocument"]["Statement"]
        assert trust == {
            "Effect": "Allow",
            "Principal": {"Service": "lambda.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }


@every_variant
def test_managed_policies_are_for_tracing_alone(template: dict[str, Any], parameters: dict[str, str]) -> None:
    quiet, traced = Stack(template, **parameters), Stack(template, **parameters, Tracing="Active")
    assert {role.get("ManagedPolicyArns") is None for role in quiet.of_type("AWS::IAM::Role").values()} == {True}
    for role in traced.of_type("AWS::IAM::Role").values():
        assert role["ManagedPolicyArns"] == ["arn:aws:iam::aws:policy/AWSXRayDaemonWriteAccess"]
    assert {f["TracingConfig"]["Mode"] for f in quiet.of_type("AWS::Lambda::Function").values()} == {"PassThrough"}
    assert {f["TracingConfig"]["Mode"] for f in traced.of_type("AWS::Lambda::Function").values()} == {"Active"}


@every_variant
def test_nothing_has_a_name_that_would_need_a_stronger_capability(
    template: dict[str, Any], parameters: dict[str, str]
) -> None:
    # samconfig.toml grants CAPABILITY_IAM, which a role with a name of its own would not get along with.
    for role in Stack(template, **parameters).of_type("AWS::IAM::Role").values():
        assert "RoleName" not in role


# --- What each function is told -------------------------------------------------------------------------------------

ALWAYS = {
    "MCP_SCOPE_ERROR_IN_RESULT": "off",
    "MCP_HIDE_FORBIDDEN": "off",
    "MCP_REQUEST_STATE_KEY": "aws://eu-west-1/demo/request-state-key",
    "MCP_LOG_LEVEL": "INFO",
}
PLATFORM = {"MCP_DOOR": "platform", "MCP_REQUIRE_AUTHORIZER": "on"}
JWT = {"MCP_DOOR": "jwt", "MCP_JWT_ISSUER": "https://login.example.com", "MCP_JWT_PROFILE": "rfc9068", **ALWAYS}
ENVIRONMENTS: list[tuple[dict[str, str], dict[str, str]]] = [
    (BEARER, {**PLATFORM, **ALWAYS}),
    (
        {"PublicUrl": "https://api.example.com/mcp", "AllowedOrigins": "https://a.example https://b.example"},
        {
            **PLATFORM,
            "MCP_PUBLIC_URL": "https://api.example.com/mcp",
            "MCP_ALLOWED_ORIGINS": "https://a.example https://b.example",
            **ALWAYS,
        },
    ),
    (
        {"Scopes": "mcp:use", "TokenScopes": "mcp:use notes:write"},
        {**PLATFORM, "MCP_SCOPES": "mcp:use", "MCP_TOKEN_SCOPES": "mcp:use notes:write", **ALWAYS},
    ),
    (JWT_URL, JWT),
    (JWT_API, JWT),
    (
        {"ScopeErrorInResult": "on", "HideForbidden": "on"},
        {**PLATFORM, **ALWAYS, "MCP_SCOPE_ERROR_IN_RESULT": "on", "MCP_HIDE_FORBIDDEN": "on"},
    ),
    (
        {
            **JWT_URL,
            "JwtAudience": "one two",
            "JwtJwksUrl": "https://login.example.com/jwks.json",
            "JwtProfile": "cognito",
            "JwtAlgorithms": "ES256 EdDSA",
            "JwtSubjects": "alice bob",
            "Scopes": "mcp:use",
            "ScopesSupported": "mcp:use notes:write",
            "LogLevel": "DEBUG",
        },
        {
            **JWT,
            "MCP_JWT_AUDIENCE": "one two",
            "MCP_JWT_JWKS_URL": "https://login.example.com/jwks.json",
            "MCP_JWT_PROFILE": "cognito",
            "MCP_JWT_ALGORITHMS": "ES256 EdDSA",
            "MCP_JWT_SUBJECTS": "alice bob",
            "MCP_SCOPES": "mcp:use",
            "MCP_SCOPES_SUPPORTED": "mcp:use notes:write",
            "MCP_LOG_LEVEL": "DEBUG",
        },
    ),
]


@pytest.mark.parametrize(
    ("parameters", "expected"), ENVIRONMENTS, ids=[",".join(case[0]) or "defaults" for case in ENVIRONMENTS]
)
def test_mcp_function_gets_this_environment_and_starts_with_it(
    template: dict[str, Any], parameters: dict[str, str], expected: dict[str, str]
) -> None:
    stack = Stack(template, **parameters)
    assert stack.refusals() == []
    environment = environment_of(stack, "McpServer")
    assert environment == expected
    assert read_settings(environment).door == expected["MCP_DOOR"]


def test_small_functions_get_the_address_of_the_document_and_never_a_token(template: dict[str, Any]) -> None:
    stack = Stack(template, TokenMaxAge="90d", TokenOverlap="48h")
    assert environment_of(stack, "AwsAuthorizer") == {
        "MCP_TOKENS": "aws://eu-west-1/demo/tokens",
        "MCP_LOG_LEVEL": "INFO",
    }
    assert environment_of(stack, "AwsRotation") == {
        "ROTATION_MAX_AGE": "90d",
        "ROTATION_OVERLAP": "48h",
        "ROTATION_PROBE": "{Api.ApiEndpoint}/mcp",
        "MCP_LOG_LEVEL": "INFO",
    }
    named = Stack(template, PublicUrl="https://api.example.com/mcp", DeliverToken="on")
    environment = environment_of(named, "AwsRotation")
    assert environment["ROTATION_PROBE"] == "https://api.example.com/mcp"
    assert environment["ROTATION_DELIVER"] == "aws://eu-west-1/demo/token"


def test_the_rotator_understands_and_reads_all_that_it_is_told(template: dict[str, Any]) -> None:
    told = Watched(environment_of(Stack(template, DeliverToken="on"), "AwsRotation"))
    settings = rotation_settings(told)
    read_log_level(told)
    assert settings.policy == Policy(timedelta(days=30), timedelta(hours=24), delivering=True)
    assert told.unread(("MCP_", "ROTATION_")) == []


def test_the_rotator_outlasts_a_refusal_that_the_gateway_remembers(template: dict[str, Any]) -> None:
    rotator = importlib.import_module("token_guard.aws_rotation")
    seconds = Stack(template).of_type("AWS::Lambda::Function")["AwsRotation"]["Timeout"]
    asks = seconds - rotator.SPARE_SECONDS - rotator.NOTICED_SECONDS - AFTER_PROOF_SECONDS
    assert asks > template["Parameters"]["AuthorizerCacheSeconds"]["Default"]


@every_variant
def test_every_handler_is_a_function_in_the_file_of_its_name(
    template: dict[str, Any], parameters: dict[str, str]
) -> None:
    for name, function in Stack(template, **parameters).of_type("AWS::Lambda::Function").items():
        module, attribute = function["Handler"].split(".")
        file = ROOT / "functions" / for_sam(name).deployable / f"{module}.py"
        assert attribute in names_in(file), file
        assert name in ("McpServer", "OauthServer") or name == "".join(word.title() for word in module.split("_"))


@every_variant
def test_runtime_and_processor_are_what_the_builder_builds_for(
    template: dict[str, Any], parameters: dict[str, str]
) -> None:
    for function in Stack(template, **parameters).of_type("AWS::Lambda::Function").values():
        assert function["Runtime"] == f"python{DEFAULT_PYTHON}"
        assert function["Architectures"] == [DEFAULT_ARCHITECTURE]


def test_reserved_concurrency_is_an_option(template: dict[str, Any]) -> None:
    def reserved(stack: Stack) -> dict[str, Any]:
        functions = stack.of_type("AWS::Lambda::Function").items()
        return {name: function.get("ReservedConcurrentExecutions") for name, function in functions}

    assert reserved(Stack(template)) == {"McpServer": None, "AwsAuthorizer": None, "AwsRotation": None}
    capped = Stack(template, ReservedConcurrency="20", AuthorizerConcurrency="5")
    assert reserved(capped) == {"McpServer": "20", "AwsAuthorizer": "5", "AwsRotation": None}


# --- Tokens -----------------------------------------------------------------------------------------------------------


def test_the_first_document_lets_nobody_in(template: dict[str, Any]) -> None:
    text = Stack(template).of_type("AWS::SecretsManager::Secret")["Tokens"]["SecretString"]
    assert parse(text).tokens == ()
    # CloudFormation writes this text over the living tokens whenever it changes: docs/decisions/aws-first-token.md.
    assert text == '{"tokens": []}'


def test_rotation_begins_when_it_is_allowed_to_and_at_once(template: dict[str, Any]) -> None:
    stack = Stack(template, RotationSchedule="rate(4 hours)")
    first = stack.resources["TokensRotation"]["DependsOn"]
    assert first[0] == "AwsRotationPermission"
    assert set(first[1:]) == {"AwsAuthorizerPermission", "ApiPermission", "ApiStage", "McpPostRoute"}, (
        "it asks the door"
    )
    assert stack.of_type("AWS::SecretsManager::RotationSchedule") == {
        "TokensRotation": {
            "SecretId": "{Tokens}",
            "RotationLambdaARN": "{AwsRotation.Arn}",
            "RotationRules": {"ScheduleExpression": "rate(4 hours)", "Duration": "1h"},
            "RotateImmediatelyOnUpdate": True,
        }
    }


@pytest.mark.parametrize("parameters", [JWT_URL, JWT_API], ids=str)
def test_door_jwt_makes_nothing_of_door_bearer(template: dict[str, Any], parameters: dict[str, str]) -> None:
    stack = Stack(template, **parameters)
    assert list(stack.of_type("AWS::Lambda::Function")) == ["McpServer"]
    assert list(stack.of_type("AWS::SecretsManager::Secret")) == ["RequestStateKey"]
    assert not stack.of_type("AWS::SecretsManager::RotationSchedule")
    assert not stack.of_type("AWS::ApiGatewayV2::Authorizer")


def test_no_parameter_takes_a_secret(template: dict[str, Any]) -> None:
    suspicious = {
        name for name in template["Parameters"] if re.search(r"(?i)token|secret|key|password|credential", name)
    }
    assert suspicious == {"TokenScopes", "TokenMaxAge", "TokenOverlap", "DeliverToken"}  # and that one is on or off
    assert "{{resolve:" not in json.dumps(template)  # a dynamic reference would put a secret into a setting


@every_variant
def test_no_output_holds_a_secret(template: dict[str, Any], parameters: dict[str, str]) -> None:
    stack = Stack(template, **parameters)
    secrets = stack.of_type("AWS::SecretsManager::Secret")
    for value in stack.outputs.values():
        assert not [name for name in secrets if f"{{{name}" in value]
        assert not re.search(r"[A-Za-z0-9+/=~-]{32,}", value.replace("/", " "))


# --- What can be seen afterwards --------------------------------------------------------------------------------------


@every_variant
def test_every_log_has_an_end(template: dict[str, Any], parameters: dict[str, str]) -> None:
    stack = Stack(template, **parameters, LogRetentionDays="14")
    groups = stack.of_type("AWS::Logs::LogGroup")
    assert {group["RetentionInDays"] for group in groups.values()} == {"14"}
    for name, function in stack.of_type("AWS::Lambda::Function").items():
        assert function["LoggingConfig"] == {"LogGroup": f"{{{name}Logs}}"}
        assert f"{name}Logs" in groups


@with_api
def test_access_log_has_no_words_of_the_caller(template: dict[str, Any], parameters: dict[str, str]) -> None:
    [stage] = Stack(template, **parameters).of_type("AWS::ApiGatewayV2::Stage").values()
    line = json.loads(stage["AccessLogSettings"]["Format"])
    assert set(line.values()) == {
        "$context.requestId",
        "$context.requestTime",
        "$context.identity.sourceIp",
        "$context.routeKey",  # of ours, not the path that was asked for
        "$context.status",
        "$context.responseLength",
        "$context.responseLatency",
        "$context.integration.latency",
        "$context.integration.integrationStatus",
        "$context.integration.error",
        "$context.error.responseType",
        "$context.authorizer.tokenName",
    }
    assert stage["AccessLogSettings"]["DestinationArn"] == "{ApiLogs.Arn}"


COMMON_ALARMS = {("AWS/Lambda", "Errors", "{McpServer}"), ("AWS/Lambda", "Throttles", "{McpServer}")}
API_ALARMS = {("AWS/ApiGateway", "5xx", "{Api}")}
TOKEN_ALARMS = {
    ("AWS/Lambda", "Errors", "{AwsAuthorizer}"),
    ("AWS/Lambda", "Throttles", "{AwsAuthorizer}"),
    ("AWS/Lambda", "Errors", "{AwsRotation}"),
    ("AWS/Lambda", "Invocations", "{AwsRotation}"),
}


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        (BEARER, COMMON_ALARMS | API_ALARMS | TOKEN_ALARMS),
        (JWT_API, COMMON_ALARMS | API_ALARMS),
        (JWT_URL, COMMON_ALARMS | {("AWS/Lambda", "Url5xxCount", "{McpServer}")}),
    ],
    ids=["bearer", "jwt, http-api", "jwt, function-url"],
)
def test_alarms(template: dict[str, Any], parameters: dict[str, str], expected: set[tuple[str, str, str]]) -> None:
    topic = "arn:aws:sns:eu-west-1:123456789012:alarms"
    silent = Stack(template, **parameters).of_type("AWS::CloudWatch::Alarm").values()
    loud = Stack(template, **parameters, AlarmTopicArn=topic).of_type("AWS::CloudWatch::Alarm").values()
    assert {(a["Namespace"], a["MetricName"], a["Dimensions"][0]["Value"]) for a in silent} == expected
    assert {"AlarmActions" in alarm for alarm in silent} == {False}
    assert {tuple(alarm["AlarmActions"]) for alarm in loud} == {(topic,)}
    assert {alarm["MetricName"] for alarm in silent if alarm["TreatMissingData"] != "notBreaching"} <= {"Invocations"}


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ("rate(4 hours)", True),
        ("rate(23 hours)", True),
        ("rate(1 day)", True),
        ("rate(2 days)", False),
        ("rate(10 days)", False),
        ("cron(0 16 1,15 * ? *)", False),
    ],
)
def test_a_rotator_that_is_not_called_any_more_rings_where_that_can_be_seen(
    template: dict[str, Any], schedule: str, expected: bool
) -> None:
    """Secrets Manager has no metric, and an alarm looks back for seven days at most."""
    stack = Stack(template, RotationSchedule=schedule)
    silent = [a for a in stack.of_type("AWS::CloudWatch::Alarm").values() if a["MetricName"] == "Invocations"]
    assert bool(silent) == expected
    for alarm in silent:
        assert (alarm["Statistic"], alarm["ComparisonOperator"], alarm["Threshold"]) == ("Sum", "LessThanThreshold", 1)
        assert alarm["TreatMissingData"] == "breaching"
        assert 86400 < alarm["Period"] * alarm["EvaluationPeriods"] <= 7 * 86400


# --- What can be typed in ---------------------------------------------------------------------------------------------


def test_every_parameter_explains_itself(template: dict[str, Any]) -> None:
    for name, declared in template["Parameters"].items():
        assert {"Type", "Default", "Description", "ConstraintDescription"} <= declared.keys(), name
        assert {"AllowedValues", "AllowedPattern", "MinValue"} & declared.keys(), name
        assert name in declared["ConstraintDescription"], name  # AWS shows it without saying which parameter it means
        assert allowed(declared, str(declared["Default"])), name


def test_choices_are_the_ones_that_the_code_has(template: dict[str, Any]) -> None:
    def choices(name: str) -> list[str]:
        values: list[str] = template["Parameters"][name]["AllowedValues"]
        return values

    def pattern(name: str) -> str:
        return str(template["Parameters"][name]["AllowedPattern"])

    profiles, algorithms = "|".join(PROFILES), "|".join(ASYMMETRIC_ALGORITHMS)
    assert pattern("JwtProfile") == f"^({profiles})( ({profiles}))*$"
    assert pattern("JwtAlgorithms") == f"^$|^({algorithms})( ({algorithms}))*$"
    assert set(choices("LogLevel")) == set(LOG_LEVELS) - {"CRITICAL"}  # nothing here logs at that level
    assert choices("Architecture") == list(ARCHITECTURES)
    for door in choices("Door"):
        needed = {"bearer": BEARER, "jwt": ISSUER, "oauth": OAUTH}[door]
        url = {"PublicUrl": "https://api.example.com/mcp"}  # in door oauth the API's own one is part of the settings
        read_settings(environment_of(Stack(template, **{**needed, **url, "Door": door}), "McpServer"))


def test_rotation_begins_with_the_defaults_of_the_command_line(template: dict[str, Any]) -> None:
    policy = Policy(
        max_age=duration(template["Parameters"]["TokenMaxAge"]["Default"]),
        overlap=duration(template["Parameters"]["TokenOverlap"]["Default"]),
    )
    assert policy == Policy()


@pytest.mark.parametrize("profile", PROFILES)
def test_every_profile_starts(template: dict[str, Any], profile: str) -> None:
    stack = Stack(template, **ISSUER, JwtProfile=profile, JwtAudience="an-audience")
    assert stack.refusals() == []
    assert read_settings(environment_of(stack, "McpServer")).jwt


def test_each_of_several_issuers_has_a_profile(template: dict[str, Any]) -> None:
    several = {"Door": "jwt", "JwtIssuer": "https://a.example https://b.example", "JwtAudience": "an-audience"}
    stack = Stack(template, **several, JwtProfile="keycloak cognito")
    assert stack.refusals() == []
    jwt = read_settings(environment_of(stack, "McpServer")).jwt
    assert jwt
    assert jwt.profiles == (PROFILES["keycloak"], PROFILES["cognito"])


VALUES = [
    ("PublicUrl", ["https://api.example.com/mcp"], ["http://api.example.com/mcp", "https://api.example.com", "api"]),
    ("AllowedOrigins", ["https://a.example http://localhost:6274"], ["https://a.example/", "a.example", "*"]),
    ("JwtIssuer", ["https://a.example/realms/x https://b.example"], ["http://a.example", "https://a  b", "a.example"]),
    ("JwtAudience", ["https://api.example.com/mcp api://x"], [" a", "a  b"]),
    ("JwtProfile", ["mcp-faas", "keycloak cognito"], ["", "x", "okta,entra", "okta  entra", "oktaentra"]),
    ("JwtAlgorithms", ["", "EdDSA", "RS256 ES256"], ["HS256", "none", "RS256,ES256", "RS256  ES256"]),
    ("JwtSubjects", ["117734567890123456789 alice@example.com"], [" a", "a  b"]),
    ("JwtJwksUrl", ["https://a.example/jwks"], ["http://a.example/jwks", "https://a.example https://b.example"]),
    ("Scopes", ["a b:c", "https://example.com/x"], ['a"b', "a\\b", " a", "a,  b"]),
    ("RotationSchedule", ["rate(4 hours)", "rate(1 day)", "rate(10 days)", "cron(0 16 1,15 * ? *)"],
     ["rate(1 hour)", "rate(3 hours)", "rate(1 days)", "cron(5 16 * * ? *)", "daily"]),
    ("TokenMaxAge", ["30d", "24h", "90m", "3s"], ["30", "0d", "1w", "-1d", "1.5d"]),
    ("TokenOverlap", ["24h"], ["24"]),
    ("AuthorizerCacheSeconds", ["0", "3600"], ["-1", "3601", "x"]),
    ("AlarmTopicArn", ["arn:aws:sns:eu-west-1:123456789012:alarms"], ["alarms", "arn:aws:sqs:eu-west-1:1:a"]),
    ("LogRetentionDays", ["30"], ["31", "0"]),
    ("Door", ["jwt", "oauth"], ["", "open", "none"]),
]  # fmt: skip


@pytest.mark.parametrize(("name", "good", "bad"), VALUES, ids=[case[0] for case in VALUES])
def test_values(template: dict[str, Any], name: str, good: list[str], bad: list[str]) -> None:
    declared = template["Parameters"][name]
    assert [value for value in good if not allowed(declared, value)] == []
    assert [value for value in bad if allowed(declared, value)] == []


COMBINATIONS = [
    (BEARER, None),
    (BEARER_ASKING_FOR_A_URL, None),
    (JWT_URL, None),
    (JWT_API, None),
    ({"Door": "jwt"}, "JwtIssuer is empty"),
    ({**ISSUER, "TokenScopes": "a"}, "TokenScopes is for Door=bearer"),
    ({**ISSUER, "JwtProfile": "cognito"}, "Set JwtAudience to the app client ids"),
    ({"JwtIssuer": "https://login.example.com"}, "Set Door=jwt or leave them out"),
    ({"JwtAudience": "x"}, "Set Door=jwt or leave them out"),
    ({"JwtJwksUrl": "https://login.example.com/jwks"}, "Set Door=jwt or leave them out"),
    ({"JwtProfile": "entra"}, "Set Door=jwt or leave them out"),
    ({"JwtAlgorithms": "ES256"}, "Set Door=jwt or leave them out"),
    ({"ScopesSupported": "a"}, "Set Door=jwt or leave them out"),
    ({"JwtSubjects": "a"}, "Set Door=jwt or leave them out"),
    ({"Scopes": "a"}, "Set TokenScopes too"),
    ({"DeliverToken": "on"}, None),
    ({"DeliverToken": "yes"}, "DeliverToken must be on or off"),
    ({"ScopeErrorInResult": "yes"}, "ScopeErrorInResult must be on or off"),
    ({"HideForbidden": "yes"}, "HideForbidden must be on or off"),
    ({**ISSUER, "DeliverToken": "on"}, "DeliverToken is for Door=bearer"),
    ({"Timeout": "30"}, "at most 29"),
    ({**JWT_API, "Timeout": "900"}, "at most 29"),
    ({**JWT_URL, "Timeout": "900"}, None),
    ({"Timeout": "901"}, "from 1 to 900"),
]


@pytest.mark.parametrize(
    ("parameters", "said"),
    COMBINATIONS,
    ids=[" ".join(f"{k}={v}" for k, v in case[0].items()) or "defaults" for case in COMBINATIONS],
)
def test_combinations_that_cannot_work_are_refused_before_anything_is_made(
    template: dict[str, Any], parameters: dict[str, str], said: str | None
) -> None:
    refusals = Stack(template, **parameters).refusals()
    assert any(said in refusal for refusal in refusals) if said else refusals == []


@every_variant
def test_outputs_are_commands_for_what_is_there(template: dict[str, Any], parameters: dict[str, str]) -> None:
    stack = Stack(template, **parameters)
    url = "{McpServerUrl.FunctionUrl}mcp" if "McpServerUrl" in stack.active else "{Api.ApiEndpoint}/mcp"
    assert stack.outputs.pop("Url") == url
    stack.outputs.pop("CallbackUrl", None)
    for value in stack.outputs.values():
        program, first, *_ = shlex.split(value)
        assert program in (".venv/bin/python", "sam", "aws"), value
        assert program != ".venv/bin/python" or (ROOT / first).is_file(), value
    assert stack.outputs["Connect"].endswith(
        " --no-token" if parameters.get("Door") in ("jwt", "oauth") else " claude-code"
    )
    with_a_name = Stack(template, **parameters, PublicUrl="https://api.example.com/mcp").outputs
    with_a_name.pop("CallbackUrl", None)
    assert with_a_name["Url"] == "https://api.example.com/mcp"
    assert {name for name, value in with_a_name.items() if "https://" in value} == {
        name for name, value in {**stack.outputs, "Url": url}.items() if url in value
    }


def test_every_check_that_is_skipped_has_its_reason() -> None:
    lines = (ROOT / ".checkov.yaml").read_text(encoding="utf-8").split("skip-check:\n")[1].splitlines()
    assert lines
    for line in lines:
        assert re.fullmatch(r"  - CKV2?_AWS_\d+ # .{40,}", line), line


def test_a_template_that_is_not_sam_is_refused_with_the_reason(transform: Transform, tmp_path: Path) -> None:
    broken = tmp_path / "template.yaml"
    broken.write_text((ROOT / "template.yaml").read_text().replace("Handler: aws_lambda", "Handlr: aws_lambda"))
    done = transform("--template", str(broken))
    assert done.returncode == 1
    assert "property Handlr not defined" in done.stderr


# --- Reading a stack --------------------------------------------------------------------------------------------------


def routes(stack: Stack) -> dict[str, tuple[str, str | None]]:
    made = stack.of_type("AWS::ApiGatewayV2::Route").values()
    assert {route["Target"] for route in made} - {"integrations/{OauthIntegration}"} == {
        "integrations/{ApiIntegration}"
    }
    return {route["RouteKey"]: (route["AuthorizationType"], route.get("AuthorizerId")) for route in made}


def permissions(stack: Stack) -> dict[tuple[str, str, str], dict[str, Any]]:
    found = {}
    for made in stack.of_type("AWS::Lambda::Permission").values():
        rest = dict(made)
        function = rest.pop("FunctionName").strip("{}")
        found[function, rest.pop("Action"), rest.pop("Principal")] = rest
    return found


def grants(role: dict[str, Any]) -> set[tuple[str, str]]:
    found = set()
    for policy in role["Policies"]:
        for statement in policy["PolicyDocument"]["Statement"]:
            assert statement["Effect"] == "Allow"
            assert statement.keys() == {"Effect", "Action", "Resource"}
            actions, resources = (
                [value] if isinstance(value, str) else value for value in (statement["Action"], statement["Resource"])
            )
            found |= {(action, resource) for action in actions for resource in resources}
    return found


def names_in(file: Path) -> set[str]:
    """What a module defines or assigns at its top level."""
    body = ast.parse(file.read_text(encoding="utf-8")).body
    assigned = [target for node in body if isinstance(node, ast.Assign) for target in node.targets]
    return {node.name for node in body if isinstance(node, ast.FunctionDef)} | {
        target.id for target in assigned if isinstance(target, ast.Name)
    }


def environment_of(stack: Stack, function: str) -> dict[str, str]:
    variables: dict[str, str] = stack.of_type("AWS::Lambda::Function")[function]["Environment"]["Variables"]
    return variables
