"""`s.yaml` as the command line that deploys it sees it; each rule refuses the one copy that breaks it."""

from __future__ import annotations

import asyncio
import copy
import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

import check_s
import serverless_devs
from authorization_server.settings import KNOWN
from authorizing.client_of_both import log_in_and_call
from mcp_faas.auth.profiles import PROFILES
from mcp_faas.settings import read_settings
from mcp_faas.tokens import Token, TokenDocument
from s_rules import doors, functions
from s_rules.resources import Contents

ROOT = Path(check_s.ROOT)
TEXT = (ROOT / "s.yaml").read_text(encoding="utf-8")
HTTP = "triggers.0.triggerConfig"
LONG = "q7ZpX2mK9vL4tR8wN3bY6cD1fG5hJ0sA"  # 32 characters of FC's alphabet, as random as a token
GONE = object()


@pytest.fixture(scope="session")
def rendered() -> Mapping[str, Any]:
    with serverless_devs.template(TEXT) as template:
        return template.render()


@pytest.fixture(scope="session")
def built() -> Mapping[str, Contents]:
    return check_s.artifacts()


def put(tree: Any, path: str, value: object) -> None:
    """Set, or with GONE remove, one place of a parsed file; numbers in the path are places of a list."""
    *way, last = path.split(".")
    for step in way:
        tree = tree[int(step)] if isinstance(tree, list) else tree.setdefault(step, {})
    if value is GONE:
        del tree[last]
    else:
        tree[int(last) if isinstance(tree, list) else last] = value


def complaints(rendered: Mapping[str, Any], built: Mapping[str, Contents], changes: Mapping[str, object]) -> list[str]:
    """What the rules say of the good file with these places of its resources changed."""
    written, seen = yaml.safe_load(TEXT), copy.deepcopy(rendered)
    written = json.loads(json.dumps(written))  # what an anchor shares would change in all its places
    for path, value in changes.items():
        for tree in (written, seen):
            put(tree, path, value)
    return list(check_s.complaints(yaml.safe_dump(written, width=1000), written, seen, built))


def at(resource: str, place: str) -> str:
    return f"resources.{resource}.props.{place}"


def both(place: str, value: object) -> dict[str, object]:
    """The same change of the one function that two resources describe."""
    return {at("mcp_server", place): value, at("mcp_server_trigger", place): value}


def test_the_file_passes() -> None:
    done = subprocess.run([sys.executable, str(ROOT / "scripts/check_s.py")], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_good_file_has_no_complaint(rendered: Mapping[str, Any], built: Mapping[str, Contents]) -> None:
    assert complaints(rendered, built, {}) == []


RULES: dict[str, tuple[dict[str, object], str]] = {
    "a login that cannot be": (
        {at("oauth_server", "environmentVariables.OAUTH_LOGIN"): "local"},
        "resources.oauth_server.props.environmentVariables: the function would not start. OAUTH_LOGIN is local",
    ),
    "a setting of the login misspelt": (
        {at("oauth_server", "environmentVariables.OAUTH_ALLOWED_USER"): "alice"},
        "environmentVariables.OAUTH_ALLOWED_USER is set, but nothing reads it",
    ),
    "a person of another host's numbers": (
        {
            at("oauth_server", "environmentVariables.OAUTH_GITHUB_URL"): "https://github.example.com",
            at("oauth_server", "environmentVariables.OAUTH_ENDED"): "github:7",
        },
        'OAUTH_ENDED holds "github:7"; it takes',
    ),
    "an AWS key in the file": (
        {at("oauth_server", "environmentVariables.AWS_SECRET_ACCESS_KEY"): "x"},
        "AWS_SECRET_ACCESS_KEY is not ${env('OAUTH_AWS_SECRET_ACCESS_KEY', '')}",
    ),
    "logins in an instance's own file": (
        {at("oauth_server", "environmentVariables.OAUTH_STORE"): "sqlite:/tmp/store"},
        "OAUTH_STORE is a file of one instance",
    ),
    "pages that are downloaded": (
        {at("oauth_server", "environmentVariables.OAUTH_ISSUER"): "https://x.cn-hangzhou.fcapp.run"},
        "OAUTH_ISSUER is a default host of FC",
    ),
    "another component": ({"resources.mcp_server_jwt.component": "fc"}, "resources.mcp_server_jwt.component is fc;"),
    "unknown authType": (
        {at("mcp_server_jwt", f"{HTTP}.authType"): "typo"},
        'resources.mcp_server_jwt.props.triggers[0].triggerConfig.authType is "typo"; choose one of: bearer, anonymous',
    ),
    "authType in capitals": ({at("mcp_server_trigger", f"{HTTP}.authType"): "Bearer"}, 'authType is "Bearer"; choose'),
    "authType left out": ({at("mcp_server_jwt", f"{HTTP}.authType"): GONE}, "authType is not set; choose"),
    "the API's default": ({at("mcp_server_jwt", f"{HTTP}.authType"): "function"}, 'authType is "function"; choose'),
    "a trigger that is anything": (
        {at("mcp_server_jwt", HTTP): {"foo": 1}},
        "triggers[0].triggerConfig.methods is not set; write a list with POST",
    ),
    "unknown method": (
        {at("mcp_server_jwt", f"{HTTP}.methods"): ["GET", "POST", "FETCH"]},
        "triggerConfig.methods is ['GET', 'POST', 'FETCH']; write a list with POST, of: GET, POST",
    ),
    "no POST": ({at("mcp_server_jwt", f"{HTTP}.methods"): ["GET"]}, "methods is ['GET']; write a list with POST"),
    "no disableURLInternet": (
        {at("mcp_server_jwt", f"{HTTP}.disableURLInternet"): GONE},
        "triggerConfig.disableURLInternet is not set; write true or false",
    ),
    "two HTTP triggers": (
        {at("mcp_server_jwt", "triggers"): [{"triggerType": "http"}, {"triggerType": "http"}]},
        "resources.mcp_server_jwt.props.triggers has 2 HTTP triggers",
    ),
    "nobody checks": (
        {at("mcp_server_jwt", "environmentVariables.MCP_DOOR"): "platform"},
        'triggerConfig.authType is anonymous, but MCP_DOOR is "platform"; with anonymous it must be bearer or jwt',
    ),
    "both check": (
        both("environmentVariables.MCP_DOOR", "jwt"),
        'authType is bearer, but MCP_DOOR is "jwt"; with bearer it must be platform',
    ),
    "anonymous with tokens": (
        {at("mcp_server_jwt", f"{HTTP}.authConfig"): "${env('MCP_FC_AUTH_CONFIG', '')}"},
        "triggers[0].triggerConfig.authConfig is set, but authType is anonymous",
    ),
    "tokens as an object": (
        {at("mcp_server_trigger", f"{HTTP}.authConfig"): {"tokens": [{"tokenName": "a", "tokenData": "b"}]}},
        "mcp_server_trigger.props.triggers[0].triggerConfig.authConfig is not ${env('MCP_FC_AUTH_CONFIG', '')}",
    ),
    "tokens as text": (
        {at("mcp_server_trigger", f"{HTTP}.authConfig"): '{"tokens": []}'},
        "triggerConfig.authConfig is not ${env('MCP_FC_AUTH_CONFIG', '')}",
    ),
    "tokens from vars": (
        {at("mcp_server_trigger", f"{HTTP}.authConfig"): "${vars.tokens}"},
        "triggerConfig.authConfig is not ${env('MCP_FC_AUTH_CONFIG', '')}",
    ),
    "a literal default": (
        {at("mcp_server_trigger", f"{HTTP}.authConfig"): "${env('MCP_FC_AUTH_CONFIG', 'x')}"},
        "triggerConfig.authConfig is not ${env('MCP_FC_AUTH_CONFIG', '')}",
    ),
    "no guard": (
        {"resources.mcp_server_trigger.actions.pre-deploy": []},
        'resources.mcp_server_trigger.actions.pre-deploy is ""; it must run scripts/first_tokens.py',
    ),
    "a custom domain": (
        {at("mcp_server_jwt", "customDomain"): {"domainName": "auto"}},
        "resources.mcp_server_jwt.props.customDomain is set; fc3 prints",
    ),
    "two doors, one function": (
        {at("mcp_server_jwt", "functionName"): "mcp-server"},
        "resources.mcp_server_jwt.props.environmentVariables is not that of resources.mcp_server",
    ),
    "a trigger that undoes the function": (
        {at("mcp_server_trigger", "memorySize"): 1024},
        "resources.mcp_server_trigger.props.memorySize is not that of resources.mcp_server, but both are the function",
    ),
    "a plain deploy of everything": ({"flow": {}}, "flow.deploy is not set, so a plain `s deploy` would undo"),
    "a plain deploy of the tokens": (
        {"flow.deploy": [["mcp_server", "mcp_server_trigger"]]},
        "flow.deploy names mcp_server_trigger",
    ),
    "a plain deploy of the tokens, alone": ({"flow.deploy": ["mcp_server_trigger"]}, "names mcp_server_trigger"),
    "no timeout": (both("timeout", GONE), "resources.mcp_server.props.timeout is not set"),
    "no concurrency": (both("instanceConcurrency", GONE), "resources.mcp_server.props.instanceConcurrency is not set"),
    "concurrency of a built-in runtime": (
        {at("mcp_server_jwt", "runtime"): "python3.12"},
        "instanceConcurrency is 20; python3.12 handles one request at a time",
    ),
    "an artifact that is not built": (
        {at("mcp_server_jwt", "code"): "./functions/mcp_server"},
        'mcp_server_jwt.props.code is "./functions/mcp_server"; `make package` builds: ./.build/fc/mcp_server',
    ),
    "an old artifact": (
        {"resources.mcp_server_jwt.actions": {}},
        'resources.mcp_server_jwt.actions.pre-deploy is ""; it must run `make package`',
    ),
    "a runtime without a known Python": (
        {at("mcp_server_jwt", "runtime"): "custom"},
        'resources.mcp_server_jwt.props.runtime is "custom"; choose one of: custom.debian10',
    ),
    "a runtime with another Python": (
        {at("mcp_server_jwt", "runtime"): "custom.debian12"},
        "props.runtime is custom.debian12, whose Python is 3.11; ./.build/fc/mcp_server is built for 3.12",
    ),
    "PATH of another runtime": (
        {at("mcp_server_jwt", "environmentVariables.PATH"): "/var/fc/lang/python3.10/bin:/usr/bin"},
        'environmentVariables.PATH is "/var/fc/lang/python3.10/bin:/usr/bin"; on custom.debian11 it must begin with',
    ),
    "PATH in the wrong order": (
        {at("mcp_server_jwt", "environmentVariables.PATH"): "/usr/bin:/var/fc/lang/python3.12/bin"},
        'PATH is "/usr/bin:/var/fc/lang/python3.12/bin"; on custom.debian11 it must begin with',
    ),
    "no PATH": ({at("mcp_server_jwt", "environmentVariables.PATH"): GONE}, "environmentVariables.PATH is not set"),
    "no command": (
        {at("mcp_server_jwt", "customRuntimeConfig.command"): GONE},
        "customRuntimeConfig.command is not set; write [/code/bootstrap]",
    ),
    "a command that is not there": (
        {at("mcp_server_jwt", "customRuntimeConfig.command"): ["/code/start"]},
        "customRuntimeConfig.command is ['/code/start'], but the artifact has no start",
    ),
    "a command that cannot run": (
        {at("mcp_server_jwt", "customRuntimeConfig.command"): ["/code/tools.py"]},
        "customRuntimeConfig.command is ['/code/tools.py'], but tools.py is not executable",
    ),
    "no port": ({at("mcp_server_jwt", "customRuntimeConfig.port"): GONE}, "customRuntimeConfig.port is not set"),
    "a handler that is not there": (
        {at("mcp_server_jwt", "runtime"): "python3.12", at("mcp_server_jwt", "handler"): "index.handler"},
        'resources.mcp_server_jwt.props.handler is "index.handler"; ./.build/fc/mcp_server has: alibaba_fc.handler.',
    ),
    "a reserved name": (
        {at("mcp_server_jwt", "environmentVariables.FC_ENDPOINT"): "x"},
        'environmentVariables.FC_ENDPOINT is "x", but names that start with FC_',
    ),
    "no name": ({at("mcp_server_jwt", "environmentVariables.MCP-X"): "x"}, "environmentVariables.MCP-X is no name"),
    "a number": ({at("mcp_server_jwt", "environmentVariables.PORT"): 9000}, "PORT is 9000, which is not text"),
    "too much environment": (
        {at("mcp_server_jwt", "environmentVariables.BIG"): "x y " * 1024},
        "environmentVariables has 4",
    ),
    "no door": (
        both("environmentVariables.MCP_DOOR", GONE),
        "resources.mcp_server.props.environmentVariables: the function would not start. MCP_DOOR is not set",
    ),
    "an unknown door": (both("environmentVariables.MCP_DOOR", "open"), 'MCP_DOOR is "open"; choose one of: platform'),
    "door jwt without an issuer": (
        {at("mcp_server_jwt", "environmentVariables.MCP_JWT_ISSUER"): ""},
        "the function would not start. MCP_DOOR is jwt, but MCP_JWT_ISSUER is not set",
    ),
    "door jwt without its URL": (
        {at("mcp_server_jwt", "environmentVariables.MCP_PUBLIC_URL"): ""},
        "mcp_server_jwt.props.environmentVariables: the function would not start. MCP_DOOR is jwt, but MCP_PUBLIC_URL",
    ),
    "an issuer in the clear": (
        {at("mcp_server_jwt", "environmentVariables.MCP_JWT_ISSUER"): "http://login.example.com"},
        'MCP_JWT_ISSUER is "http://login.example.com"; it must start with https://',
    ),
    "a misspelt setting": (
        {at("mcp_server_jwt", "environmentVariables.MCP_JWT_ISUER"): "x"},
        "environmentVariables.MCP_JWT_ISUER is set, but with MCP_DOOR jwt nothing reads it. Is it misspelt?",
    ),
    "a setting of the other door": (
        both("environmentVariables.MCP_JWT_ISSUER", "https://login.example.com"),
        "MCP_JWT_ISSUER is set, but with MCP_DOOR platform nothing reads it",
    ),
    "a list of tokens": ({"vars.tokens": '{"tokens": [{"tokenData": "short"}]}'}, "holds a list of tokens"),
    "a token of ours": ({"vars.note": "mcpt-0123456789"}, "holds a token of this project"),
    "a JWT": ({"vars.note": "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhIn0."}, "holds a JWT"),
    "an access key": ({"vars.note": "LTAI" + "5tABCDEFGHJK"}, "holds an Alibaba Cloud access key"),
    "an AWS access key": ({"vars.note": "AKIA" + "ABCDEFGHIJKLMNOP"}, "holds an AWS access key"),
    "a private key": ({"vars.note": "-----BEGIN EC " + "PRIVATE KEY-----"}, "holds a private key"),
    "a random value": ({"vars.note": LONG}, "holds a value that looks like a token"),
    "a random value in the environment": (
        both("environmentVariables.NOTE", f"Bearer {LONG}"),
        "holds a value that looks like a token",
    ),
    "a symmetric key set": (
        {at("mcp_server_jwt", "environmentVariables.MCP_JWT_JWKS"): '{"keys": [{"kty": "oct", "k": "c2VjcmV0"}]}'},
        "environmentVariables.MCP_JWT_JWKS holds a private or symmetric key",
    ),
    "nothing": ({"resources": {}}, "resources is empty"),
    "a rotator that strangers start": (
        {at("fc_rotation", "triggers.0.triggerType"): "http"},
        "resources.fc_rotation.props.triggers has http; write one timer",
    ),
    "a rotator that nobody starts": ({at("fc_rotation", "triggers"): GONE}, "props.triggers has nothing; write one"),
    "two timers": (
        {at("fc_rotation", "triggers"): [{"triggerType": "timer"}, {"triggerType": "timer"}]},
        "props.triggers has timer, timer; write one timer",
    ),
    "a timer without a time": (
        {at("fc_rotation", f"{HTTP}.cronExpression"): GONE},
        "triggers[0].triggerConfig.cronExpression is not set; write '@every 60m'",
    ),
    "a timer in words of its own": (
        {at("fc_rotation", f"{HTTP}.cronExpression"): "@every 1h"},
        'cronExpression is "@every 1h"; write',
    ),
    "a timer that is faster than a run": (
        {at("fc_rotation", f"{HTTP}.cronExpression"): "@every 1m"},
        'cronExpression is "@every 1m"; write',
    ),
    "a timer that is too rare": (
        {at("fc_rotation", f"{HTTP}.cronExpression"): "@every 1441m"},
        "another number of minutes from 2 to 1440",
    ),
    "a timer that is off": ({at("fc_rotation", f"{HTTP}.enable"): False}, "triggerConfig.enable is False; write true"),
    "a rotator without a role": (
        {at("fc_rotation", "role"): GONE},
        "fc_rotation.props.role is not set; write the name",
    ),
    "a rotator with an empty role": ({at("fc_rotation", "role"): ""}, 'fc_rotation.props.role is ""; write the name'),
    "a role that fc3 would change": (
        {at("fc_rotation", "role"): "McpRotation"},
        'role is "McpRotation"; write the name',
    ),
    "the rotator's role for everybody": (
        {at("mcp_server_jwt", "role"): "mcp-token-rotation"},
        "resources.mcp_server_jwt.props.role is that of resources.fc_rotation, which may rewrite triggers",
    ),
    "too little time for a rotation": ({at("fc_rotation", "timeout"): 60}, "timeout is 60; a run may take 120 s"),
    "a rotator without a way out": ({at("fc_rotation", "internetAccess"): False}, "internetAccess is False; it calls"),
    "a rotator without a document": (
        {at("fc_rotation", "environmentVariables.MCP_TOKENS"): GONE},
        "fc_rotation.props.environmentVariables: the function would not rotate. MCP_TOKENS is not set",
    ),
    "a document of another cloud": (
        {at("fc_rotation", "environmentVariables.MCP_TOKENS"): "aws://eu-west-1/tokens"},
        'MCP_TOKENS is "aws://eu-west-1/tokens"; it takes fc://REGION/FUNCTION/TRIGGER or fc-domain://',
    ),
    "a trigger that is not there": (
        {at("fc_rotation", "environmentVariables.MCP_TOKENS"): "fc://cn-hangzhou/mcp-server/https"},
        'is "fc://cn-hangzhou/mcp-server/https"; the triggers of mcp-server that hold tokens are: http.',
    ),
    "a trigger without tokens": (
        {at("fc_rotation", "environmentVariables.MCP_TOKENS"): "fc://cn-hangzhou/mcp-server-jwt/http"},
        "the triggers of mcp-server-jwt that hold tokens are: none.",
    ),
    "an age that is none": (
        {at("fc_rotation", "environmentVariables.ROTATION_MAX_AGE"): "a month"},
        "the function would not rotate. ROTATION_MAX_AGE is 'a month'",
    ),
    "an overlap that is none": (
        {at("fc_rotation", "environmentVariables.ROTATION_OVERLAP"): "24"},
        "the function would not rotate. ROTATION_OVERLAP is '24'",
    ),
    "a proof in the clear": (
        {at("fc_rotation", "environmentVariables.ROTATION_PROBE"): "http://mcp.example.com/mcp"},
        "the function would not rotate. http://mcp.example.com would carry the token in the clear",
    ),
    "a delivery to a file": (
        {at("fc_rotation", "environmentVariables.ROTATION_DELIVER"): "file:/tmp/token"},
        'ROTATION_DELIVER is "file:/tmp/token"; it takes oss://REGION/BUCKET/KEY.',
    ),
    "a delivery to no object": (
        {at("fc_rotation", "environmentVariables.ROTATION_DELIVER"): "oss://cn-hangzhou/bucket/"},
        'ROTATION_DELIVER is "oss://cn-hangzhou/bucket/"; it takes',
    ),
    "a misspelt setting of the rotation": (
        {at("fc_rotation", "environmentVariables.ROTATION_MAXAGE"): "30d"},
        "environmentVariables.ROTATION_MAXAGE is set, but nothing reads it. Is it misspelt?",
    ),
    "a setting of the MCP function": (
        {at("fc_rotation", "environmentVariables.MCP_DOOR"): "platform"},
        "fc_rotation.props.environmentVariables.MCP_DOOR is set, but nothing reads it",
    ),
    "a handler of another file": (
        {at("fc_rotation", "handler"): "aws_rotation.handler"},
        'fc_rotation.props.handler is "aws_rotation.handler"; ./.build/fc/token_guard has: fc_rotation.handler.',
    ),
    "a rotator on another Python": (
        {at("fc_rotation", "runtime"): "python3.10"},
        "props.runtime is python3.10, whose Python is 3.10; ./.build/fc/token_guard is built for 3.12",
    ),
    "a rotator that is not built": (
        {"resources.fc_rotation.actions": {}},
        'resources.fc_rotation.actions.pre-deploy is ""; it must run `make package`',
    ),
    "a plain deploy of the rotator": (
        {"flow.deploy": [["mcp_server", "fc_rotation"]]},
        "flow.deploy would deploy fc_rotation with a plain `s deploy`, with or without its role; leave it to `s fc_rot",
    ),
    "a plain deploy of everything, the rotator too": ({"flow": {}}, "flow.deploy would deploy fc_rotation"),
}


@pytest.mark.parametrize("rule", RULES)
def test_a_broken_copy_is_refused(rule: str, rendered: Mapping[str, Any], built: Mapping[str, Contents]) -> None:
    changes, sentence = RULES[rule]
    said = complaints(rendered, built, changes)
    assert any(sentence in line for line in said), said
    assert not any(LONG in line for line in said)


ACCEPTED: dict[str, dict[str, object]] = {
    "all methods": {at("mcp_server_jwt", f"{HTTP}.methods"): list(doors.METHODS)},
    "the default host closed": {at("mcp_server_jwt", f"{HTTP}.disableURLInternet"): True},
    "an issuer with a long path": {
        at(
            "mcp_server_jwt", "environmentVariables.MCP_JWT_ISSUER"
        ): "https://login.example.com/0123456789abcdef012/v2.0"
    },
    "an audience that looks like a token": {
        at("mcp_server_jwt", "environmentVariables.MCP_JWT_AUDIENCE"): f"123456789012-{LONG}.apps.example.com api://x"
    },
    "public keys": {
        at("mcp_server_jwt", "environmentVariables.MCP_JWT_JWKS"): json.dumps(
            {"keys": [{"kty": "EC", "crv": "P-256", "x": f"{LONG}AAAAAAAAAAA", "y": f"{LONG}BBBBBBBBBBB"}]}
        )
    },
    "a variable of the user's own tools": {at("mcp_server_jwt", "environmentVariables.WEATHER_UNITS"): "metric"},
    "a rotation every two hours, proven and delivered": {
        at("fc_rotation", f"{HTTP}.cronExpression"): "@every 120m",
        at("fc_rotation", "environmentVariables.ROTATION_PROBE"): "https://mcp.example.com/mcp",
        at("fc_rotation", "environmentVariables.ROTATION_DELIVER"): "oss://cn-hangzhou/my-bucket/mcp/token",
    },
    "the rotation of a domain": {
        at("fc_rotation", "environmentVariables.MCP_TOKENS"): "fc-domain://cn-hangzhou/mcp.example.com"
    },
    "the rotation of a trigger that another file makes": {
        at("fc_rotation", "environmentVariables.MCP_TOKENS"): "fc://cn-shanghai/another/door"
    },
    "a role as an ARN": {at("fc_rotation", "role"): "acs:ram::1234567890123456:role/mcp-token-rotation"},
    "a role of the MCP function's own": {at("mcp_server_jwt", "role"): "reads-weather"},
    "a function that is started by its built-in runtime": {
        at("mcp_server_jwt", "runtime"): "python3.12",
        at("mcp_server_jwt", "handler"): "alibaba_fc.handler",
        at("mcp_server_jwt", "instanceConcurrency"): 1,
        at("mcp_server_jwt", "customRuntimeConfig"): GONE,
    },
}


@pytest.mark.parametrize("change", ACCEPTED)
def test_what_a_user_may_want_is_accepted(
    change: str, rendered: Mapping[str, Any], built: Mapping[str, Contents]
) -> None:
    assert complaints(rendered, built, ACCEPTED[change]) == []


def broken_file(tmp_path: Path, old: str, new: str) -> Path:
    assert old in TEXT
    path = tmp_path / "s.yaml"
    path.write_text(TEXT.replace(old, new), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("cpu: 0.5", "cpu: 99", "mcp_server/props/cpu must be <= 16"),
        (
            "runtime: custom.debian11",
            "runtime: python3.13",
            "props/runtime must be equal to one of the allowed values",
        ),
        (
            "region: cn-hangzhou",
            "region: cn-nowhere",
            "props/region must be equal to one of the allowed values",
        ),
        ("memory: 512", "memory: 500", "mcp_server/props/memorySize must be multiple of 64"),
        ("authType: anonymous", "authType: typo", 'triggerConfig.authType is "typo"'),  # the schema lets this one pass
        ("${vars.log_level}", "${vars.level}", "vars.level"),
        ("${env('MCP_FC_AUTH_CONFIG', '')}", "${env('MCP_FC_AUTH_CONFIG')}", "env('MCP_FC_AUTH_CONFIG') not found"),
        ("resources:\n", "resources: [\n", "while parsing"),
    ],
)
def test_the_command_line_refuses_a_broken_file(tmp_path: Path, old: str, new: str, sentence: str) -> None:
    path = broken_file(tmp_path, old, new)
    done = subprocess.run([sys.executable, str(ROOT / "scripts/check_s.py"), str(path)], capture_output=True, text=True)
    assert done.returncode == 1
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


def test_the_cap_that_the_page_shows_can_be_added(tmp_path: Path) -> None:
    page = (ROOT / "docs/oauth.md").read_text(encoding="utf-8")
    (lines,) = re.findall(r"to the `props` of `oauth_server` in `s.yaml`:\n\n```yaml\n(.*?)```", page, re.DOTALL)
    after = "      functionName: ${vars.function}-oauth\n"
    assert check_s.check(broken_file(tmp_path, after, after + lines)) == []


def test_the_check_leaves_nothing_in_the_home_of_the_user(tmp_path: Path) -> None:
    environment = {**os.environ, "HOME": str(tmp_path)}
    command = [sys.executable, str(ROOT / "scripts/check_s.py")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / ".s").exists()


@pytest.mark.parametrize(("node", "sentence"), [(None, "Node is missing"), ("v16.20.2", "This is Node v16.20.2")])
def test_without_a_node_that_does_the_check_fails_and_says_so(tmp_path: Path, node: str | None, sentence: str) -> None:
    if node:
        for name in ("node", "npm"):
            (tmp_path / name).write_text(f"#!/bin/sh\necho {node}\n")
            (tmp_path / name).chmod(0o755)
    command = [sys.executable, str(ROOT / "scripts/check_s.py")]
    done = subprocess.run(command, env={"PATH": str(tmp_path)}, capture_output=True, text=True)
    assert done.returncode == 1
    assert sentence in done.stderr
    assert "install Node 18 or later" in done.stderr


def test_the_lock_holds_hashes_and_no_address() -> None:
    lock = json.loads((serverless_devs.HOME / "package-lock.json").read_text())
    packages = {name: entry for name, entry in lock["packages"].items() if name}
    assert packages["node_modules/@serverless-devs/s"]["version"] == "3.1.10"
    assert all(entry["integrity"].startswith("sha512-") and "resolved" not in entry for entry in packages.values())


def test_the_rules_know_what_the_schema_knows() -> None:
    schema = json.loads((serverless_devs.COMPONENT / "schema.json").read_text())
    methods = schema["definitions"]["IHttpTriggerConfig"]["properties"]["methods"]["items"]["enum"]
    assert sorted(doors.METHODS) == sorted(methods)
    assert set(functions.RUNTIMES) <= set(schema["definitions"]["IRuntime"]["enum"])


class Deploys:
    """The template with the real command line, and in place of fc3 a component that writes down what it was given."""

    def __init__(self, template: serverless_devs.Template, record: Path) -> None:
        self.template, self.record = template, record

    def run(self, *command: str, **environment: str) -> serverless_devs.Done:
        return self.template.run(*command, environment={"RECORD": str(self.record), **environment})

    @property
    def inputs(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.record.read_text().splitlines()] if self.record.exists() else []


@pytest.fixture
def deploys(tmp_path: Path) -> Iterator[Deploys]:
    guard = f"{shlex.quote(sys.executable)} {shlex.quote(str(ROOT / 'scripts/first_tokens.py'))}"
    text = re.sub(r"make package ONLY=fc/\w+", "echo built", TEXT)
    assert text.count(".venv/bin/python scripts/first_tokens.py") == 1
    text = text.replace(".venv/bin/python scripts/first_tokens.py", guard)
    with serverless_devs.template(text) as template:
        yield Deploys(template, tmp_path / "record")


def document(*tokens: Token) -> str:
    return TokenDocument(tokens).dump()


def test_a_plain_deploy_comes_near_no_trigger(deploys: Deploys) -> None:
    done = deploys.run("deploy")
    assert done.code == 0, done.output
    assert [(given["props"]["functionName"], "triggers" in given["props"]) for given in deploys.inputs] == [
        ("mcp-server", False)
    ]


def test_the_rotator_is_deployed_by_its_name_and_needs_no_token(deploys: Deploys) -> None:
    done = deploys.run("fc_rotation", "deploy")
    assert done.code == 0, done.output
    (given,) = deploys.inputs
    props = given["props"]
    assert (props["functionName"], props["handler"], props["role"]) == (
        "mcp-server-rotation",
        "fc_rotation.handler",
        "mcp-token-rotation",
    )
    assert props["environmentVariables"]["MCP_TOKENS"] == "fc://cn-hangzhou/mcp-server/http"
    assert [(trigger["triggerType"], trigger["triggerConfig"]) for trigger in props["triggers"]] == [
        ("timer", {"cronExpression": "@every 60m", "enable": True})
    ]


def test_door_jwt_deploys_without_any_token(deploys: Deploys) -> None:
    assert deploys.run("mcp_server_jwt", "deploy").code == 0
    (given,) = deploys.inputs
    assert given["props"]["functionName"] == "mcp-server-jwt"
    assert given["props"]["triggers"][0]["triggerConfig"] == {
        "methods": ["GET", "POST", "DELETE", "OPTIONS"],
        "disableURLInternet": False,
        "authType": "anonymous",
    }


def test_every_setting_of_the_authorization_server_can_be_set_in_vars(rendered: Mapping[str, Any]) -> None:
    """As on AWS: all but the passphrase, which is for development."""
    found = rendered["resources"]["oauth_server"]["props"]["environmentVariables"]
    assert {name for name in found if name.startswith("OAUTH_")} == set(KNOWN) - {"OAUTH_LOCAL_PASSPHRASE"}
    template = (ROOT / "template.yaml").read_text(encoding="utf-8")
    assert {name for name in KNOWN if f"          {name}: " in template} == set(KNOWN) - {"OAUTH_LOCAL_PASSPHRASE"}


def test_a_client_of_the_documented_deploy_gets_in_and_calls_every_tool(
    rendered: Mapping[str, Any], tmp_path: Path
) -> None:
    of = {name: made["props"].get("environmentVariables", {}) for name, made in rendered["resources"].items()}
    function, server = of["mcp_server_jwt"], of["oauth_server"]
    told = {"MCP_JWT_ISSUER": server["OAUTH_ISSUER"], "MCP_JWT_PROFILE": "mcp-faas"}  # docs/oauth.md, Alibaba Cloud
    went = asyncio.run(log_in_and_call({**function, **told}, server, tmp_path))
    assert went.asked == went.granted == "mcp:tools:countdown"
    assert set(went.statuses.values()) == {200}


@pytest.mark.parametrize(
    ("issuer", "profile", "subjects"),
    [("https://a.example https://b.example", "keycloak idaas", "''"), ("https://a.example", "keycloak", "alice bob")],
)
def test_what_the_issuer_pages_ask_for_can_be_set_in_vars(issuer: str, profile: str, subjects: str) -> None:
    wanted = {
        "issuer": issuer,
        "profile": profile,
        "algorithms": "ES256 RS256",
        "subjects": subjects,
        "audience": "api://x",
        "scopes_supported": "api://x/mcp.tools",
    }
    text = TEXT
    for name, value in wanted.items():
        text = re.sub(rf"(?m)^  {name}: \S+", f"  {name}: {value}", text, count=1)
    with serverless_devs.template(text) as template:
        environment = template.render()["resources"]["mcp_server_jwt"]["props"]["environmentVariables"]
    settings = read_settings(environment)
    assert settings.doubts == ()
    assert settings.scopes_supported == frozenset({"api://x/mcp.tools"})
    assert settings.jwt
    assert settings.jwt.profiles == tuple(PROFILES[name] for name in profile.split())
    assert settings.jwt.algorithms == {"ES256", "RS256"}
    assert settings.jwt.subjects == set(subjects.strip("'").split())


def test_the_trigger_is_made_with_the_document_of_the_environment(deploys: Deploys) -> None:
    text = document(Token("k1", True, LONG))
    done = deploys.run("mcp_server_trigger", "deploy", "--trigger", MCP_FC_AUTH_CONFIG=text)
    assert done.code == 0, done.output
    (given,) = deploys.inputs
    config = given["props"]["triggers"][0]["triggerConfig"]
    assert (config["authType"], config["authConfig"]) == ("bearer", text)
    assert "--trigger" in given["args"]
    left = [path for path in deploys.template.folder.rglob("*") if path.is_file() and LONG in path.read_text()]
    assert left == []


def test_the_document_that_tokens_py_prints_makes_the_trigger(deploys: Deploys) -> None:
    command = [sys.executable, str(ROOT / "scripts/tokens.py"), "mint", "--document"]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout.rstrip("\n")
    done = deploys.run("mcp_server_trigger", "deploy", "--trigger", MCP_FC_AUTH_CONFIG=text)
    assert done.code == 0, done.output
    assert deploys.inputs[0]["props"]["triggers"][0]["triggerConfig"]["authConfig"] == text


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (None, "MCP_FC_AUTH_CONFIG is not set."),
        ("", "MCP_FC_AUTH_CONFIG is not set."),
        ("kept", "MCP_FC_AUTH_CONFIG: the token document is not JSON"),
        ("{}", 'MCP_FC_AUTH_CONFIG: the token document has no list "tokens"'),
        (document(), "has no token that is enabled"),
        (document(Token("k1", False, LONG)), "has no token that is enabled"),
        (document(Token("k1", True, LONG[:-4] + "****")), "masked"),
        (document(Token("k1", True, "short")), "masked"),
        (document(Token("1k", True, LONG)), "the tokenName of token 1 must be"),
        (document(*(Token(f"k{n}", True, f"{LONG}{n}") for n in range(21))), "has 21 tokens; FC takes 20"),
        (json.dumps({"tokens": []}, indent=1), "has several lines"),
    ],
)
def test_the_trigger_is_not_made_without_a_good_document(deploys: Deploys, text: str | None, sentence: str) -> None:
    environment = {} if text is None else {"MCP_FC_AUTH_CONFIG": text}
    done = deploys.run("mcp_server_trigger", "deploy", "--trigger", **environment)
    assert done.code != 0
    assert deploys.inputs == []
    assert sentence in re.sub(r"\s+", " ", done.output)
    assert "Nothing was changed." in done.output
    assert LONG[:12] not in done.output


# What the page tells people to allow


def page_policies() -> list[dict[str, Any]]:
    page = (ROOT / "docs/alibaba.md").read_text(encoding="utf-8")
    return [json.loads(block) for block in re.findall(r"(?s)```json\n(.*?)```", page)]


def called(module: str, pattern: str) -> set[str]:
    """The operations that a module calls, as RAM spells them."""
    found = re.findall(pattern, (ROOT / "functions/mcp_faas" / module).read_text(encoding="utf-8"))
    return {"".join(word.title() for word in name.split("_")) for name in found}


def test_the_policy_of_the_page_allows_exactly_what_the_rotator_calls() -> None:
    trust, policy = page_policies()
    assert [(statement["Action"], statement["Principal"]) for statement in trust["Statement"]] == [
        ("sts:AssumeRole", {"Service": ["fc.aliyuncs.com"]})
    ]
    triggers, delivery = policy["Statement"]
    calls = {f"fc:{name}" for name in called("stores/fc_trigger.py", r'\.call\("(\w+)"')}
    puts = {f"oss:{name}" for name in called("lifecycle/sinks/oss.py", r"_client\.(\w+)\(")}
    assert set(triggers["Action"]) == calls == {"fc:GetTrigger", "fc:UpdateTrigger"}
    assert set(delivery["Action"]) == puts == {"oss:GetObject", "oss:PutObject"}
    assert delivery["Resource"].startswith("acs:oss:*:*:BUCKET/")
    assert {statement["Effect"] for statement in policy["Statement"]} == {"Allow"}


def test_the_page_names_every_setting_of_the_rotation() -> None:
    page = (ROOT / "docs/alibaba.md").read_text(encoding="utf-8")
    assert [name for name in yaml.safe_load(TEXT)["vars"] if name.startswith("rotation_") and name not in page] == []
