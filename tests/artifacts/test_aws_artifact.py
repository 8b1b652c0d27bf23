"""The artifacts for Lambda, built and run as Lambda runs them: with its emulator, its client and nothing of ours."""

from __future__ import annotations

import base64
import json
import platform
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import boto3
import httpx2
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

import rie
from aws.mcp_events import DOORS, ERAS, LEGACY, MODERN, Door, event, initialize, mcp, message, tool
from edges.aws import AwsEdge
from edges.processes import free_port
from edges.secretsmanager import Fault, SecretsManager
from edges.serving import running
from rie import Answer, Emulator, FunctionError

pytestmark = [
    pytest.mark.artifact,
    pytest.mark.timeout(600),
    pytest.mark.skipif(
        platform.system() != "Linux", reason="the emulator and Lambda's runtime client are Linux programs"
    ),
]

TOKEN = "mcp-" + "a" * 40
OTHER = "mcp-" + "b" * 40
DISABLED = "mcp-" + "c" * 40
DOCUMENT = {
    "tokens": [
        {"tokenName": "alice", "enable": True, "tokenData": TOKEN},
        {"tokenName": "bob", "enable": True, "tokenData": OTHER},
        {"tokenName": "carol", "enable": False, "tokenData": DISABLED},
    ]
}
WELL_KNOWN = "/.well-known/oauth-protected-resource"


class Workshop:
    """Builds each artifact once, and starts instances of it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._version, interpreter = rie.lambda_python()
        self.python = rie.runtime(self._version, interpreter)

    def artifact(self, logical_id: str) -> Path:
        place = self.folder / logical_id
        return place if place.exists() else rie.build(logical_id, place, self._version)

    def start(self, logical_id: str, handler: str, environment: dict[str, str]) -> Emulator:
        return Emulator(self.artifact(logical_id), handler, python=self.python, environment=environment)

    def serve(self, **environment: str) -> Emulator:
        return self.start("McpServer", "aws_lambda.handler", environment)

    @contextmanager
    def with_awkward_tools(self, timeout_seconds: int = 30) -> Iterator[Emulator]:
        """An artifact whose `tools.py` was replaced after the build, behind door `platform`."""
        with rie.copied(self.artifact("McpServer"), self.folder / "changed") as place:
            for stale in (place / "__pycache__").glob("tools.*"):
                stale.unlink()
            (place / "tools.py").write_bytes(Path(__file__).with_name("awkward_tools.py").read_bytes())
            with Emulator(
                place,
                "aws_lambda.handler",
                python=self.python,
                environment={"MCP_DOOR": "platform"},
                timeout_seconds=timeout_seconds,
            ) as function:
                yield function


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    return Workshop(tmp_path_factory.mktemp("artifacts"))


def warmed(function: Emulator) -> Emulator:
    """With an instance that has started: where the machine is busy, a start alone can take a short timeout."""
    for _ in range(10):
        with suppress(FunctionError):
            function.request(event(method="GET", path="/healthz"))
            return function
    raise AssertionError("the function does not start within its timeout")


@pytest.fixture(name="function", scope="module")
def _function(workshop: Workshop) -> Iterator[Emulator]:
    """Door `platform`: the authorizer in front has checked."""
    with workshop.serve(MCP_DOOR="platform", MCP_ALLOWED_ORIGINS="https://app.example.com") as function:
        yield warmed(function)


@pytest.fixture(name="awkward", scope="module")
def _awkward(workshop: Workshop) -> Iterator[Emulator]:
    with workshop.with_awkward_tools() as function:
        yield warmed(function)


def text_of(answer: Answer) -> str:
    """What a tool said."""
    assert answer.status == 200, answer.body
    result = answer.json()["result"]
    return "".join(content["text"] for content in result["content"])


# --- Conversations ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("era", ERAS)
def test_every_era_introduces_itself_lists_and_calls(function: Emulator, era: str) -> None:
    hello = function.request(initialize(era)).json()["result"]
    assert hello.get("protocolVersion", MODERN) == era
    assert function.request(mcp("notifications/initialized", era=era, id_=None)).status == 202
    names = {entry["name"] for entry in function.request(mcp("tools/list", era=era)).json()["result"]["tools"]}
    assert {"add", "word_count", "roll", "whoami", "countdown"} <= names
    assert text_of(function.request(tool("add", {"a": 2, "b": 3}, era=era))) in ("5", "5.0")
    assert text_of(function.request(tool("word_count", {"text": "one two"}, era=era))) == "2"
    roll = function.request(tool("roll", {"dice": "2d6"}, era=era)).json()["result"]["structuredContent"]
    assert roll["total"] == sum(roll["dice"])
    note = function.request(mcp("resources/read", {"uri": "notes://note/welcome"}, era=era)).json()["result"]
    assert "locked" in note["contents"][0]["text"]
    prompt = {"name": "summarize", "arguments": {"text": "a"}}
    assert function.request(mcp("prompts/get", prompt, era=era)).json()["result"]["messages"]


def test_every_era_gets_the_same_tools(function: Emulator) -> None:
    listed = [function.request(mcp("tools/list", era=era)).json()["result"]["tools"] for era in ERAS]
    assert all(tools == listed[0] for tools in listed)


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("encoded", [False, True], ids=["text", "base64"])
def test_each_door_of_the_platform_reaches_the_server(function: Emulator, door: Door, encoded: bool) -> None:
    sent = tool("whoami", door=door, caller="alice")
    if encoded:
        sent |= {"body": base64.b64encode(sent["body"].encode()).decode(), "isBase64Encoded": True}
    assert json.loads(text_of(function.request(sent)))["client"] == "alice"
    health = function.request(event(door, method="GET", path="/healthz"))
    assert (health.status, health.body) == (200, "ok")


@pytest.mark.parametrize("version", [None, *ERAS])
@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_other_methods_are_405_at_once(function: Emulator, version: str | None, method: str) -> None:
    headers = {"accept": "text/event-stream"} | ({"mcp-protocol-version": version} if version else {})
    began = time.monotonic()
    answer = function.request(event(method=method, headers=headers))
    assert time.monotonic() - began < 5
    assert (answer.status, answer.headers["allow"]) == (405, "POST")


@pytest.mark.parametrize("which", ["function", "awkward"])
def test_subscriptions_answer_at_once(request: pytest.FixtureRequest, which: str) -> None:
    function: Emulator = request.getfixturevalue(which)
    began = time.monotonic()
    answer = function.request(mcp("subscriptions/listen", {"notifications": {"toolsListChanged": True}}))
    assert time.monotonic() - began < 5
    assert (answer.status, answer.json()["error"]["code"], answer.json()["id"]) == (404, -32601, 1)


# --- Doors ------------------------------------------------------------------------------------------------------------


def test_door_platform_believes_its_authorizer_and_no_header(function: Emulator) -> None:
    for caller in ("alice", "bob", None):
        sent = tool("whoami", caller=caller, token=TOKEN, door="http-api")
        sent["headers"] |= {"x-token-name": "mallory"}
        client = json.loads(text_of(function.request(sent)))["client"]
        assert client == caller if caller else client not in ("alice", "bob", "mallory")
    for path in (WELL_KNOWN, f"{WELL_KNOWN}/mcp"):
        assert function.request(event(method="GET", path=path)).status == 404


def test_an_origin_that_is_not_allowed_is_403_in_every_method(function: Emulator) -> None:
    for origin, status in (("https://app.example.com", 200), ("https://evil.example.com", 403), ("null", 403)):
        sent = mcp("tools/list")
        sent["headers"]["origin"] = origin
        assert function.request(sent).status == status
        preflight = function.request(event(method="OPTIONS", headers={"origin": origin}))
        assert preflight.status == (204 if status == 200 else 403)


def test_door_bearer_compares_the_token_itself(workshop: Workshop, tmp_path: Path) -> None:
    document = tmp_path / "tokens.json"
    document.write_text(json.dumps(DOCUMENT))
    document.chmod(0o600)
    with workshop.serve(MCP_DOOR="bearer", MCP_TOKENS=f"file:{document}", MCP_LOG_LEVEL="DEBUG") as function:
        for token, status in ((None, 401), (DISABLED, 401), (TOKEN[:-1], 401), ("", 400), (TOKEN, 200), (OTHER, 200)):
            answer = function.request(tool("whoami", token=token))
            assert answer.status == status, token
            assert "resource_metadata" not in json.dumps(dict(answer.headers)) + answer.body
        spaced = tool("whoami")
        spaced["headers"]["Authorization"] = f" \tBearer {TOKEN} "
        assert json.loads(text_of(function.request(spaced)))["client"] == "alice"
        assert function.request(event(method="GET")).status == 401
        assert function.request(event(method="GET", path=WELL_KNOWN)).status == 404
        output = function.output
    assert '"client":"alice"' in output
    assert not any(token in output for token in (TOKEN, OTHER, DISABLED))


class Issuer:
    """An issuer of access tokens with one key."""

    url = "https://login.example.com"

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        public = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(self._key.public_key()))
        self.jwks = json.dumps({"keys": [{**public, "kid": "one", "use": "sig", "alg": "ES256"}]})

    def token(self, audience: str, **claims: Any) -> str:
        now = int(time.time())
        given: dict[str, Any] = {
            "iss": self.url,
            "aud": audience,
            "sub": "alice",
            "client_id": "cli",
            "jti": "1",
            "scope": "",
        }
        given |= {"iat": now, "exp": now + 300, **claims}
        return jwt.encode(given, self._key, "ES256", headers={"kid": "one", "typ": "at+jwt"})


def test_door_jwt_is_a_resource_server_for_the_platforms_name(workshop: Workshop) -> None:
    issuer = Issuer()
    host = event()["requestContext"]["domainName"]
    resource = f"https://{host}/mcp"
    settings = {"MCP_JWT_ISSUER": issuer.url, "MCP_JWT_JWKS": issuer.jwks, "MCP_LOG_LEVEL": "DEBUG"}
    with workshop.serve(MCP_DOOR="jwt", **settings) as function:
        for path in (WELL_KNOWN, f"{WELL_KNOWN}/mcp"):
            sent = event(method="GET", path=path, headers={"host": "evil.example", "x-forwarded-host": "evil.example"})
            metadata = function.request(sent).json()
            assert (metadata["resource"], metadata["authorization_servers"]) == (resource, [issuer.url])
        challenge = function.request(tool("whoami"))
        assert challenge.status == 401
        assert f'resource_metadata="https://{host}{WELL_KNOWN}/mcp"' in challenge.headers["www-authenticate"]
        good = issuer.token(resource)
        for era in (MODERN, LEGACY[0]):
            assert json.loads(text_of(function.request(tool("whoami", token=good, era=era))))["subject"] == "alice"
        refused = {
            "another audience": issuer.token("https://other.example/mcp"),
            "expired": issuer.token(resource, exp=int(time.time()) - 60),
            "another key": Issuer().token(resource),
            "nonsense": "x.y.z",
        }
        for token in refused.values():
            assert function.request(tool("whoami", token=token)).status == 401
        assert function.request(tool("countdown", {"seconds": 0}, token=good)).status == 403
        scoped = issuer.token(resource, scope="mcp:tools:countdown")
        assert function.request(tool("countdown", {"seconds": 0}, token=scoped)).status == 200
        output = function.output
    assert not any(token.rpartition(".")[2] in output for token in (good, scoped, refused["expired"]))


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ({}, "MCP_DOOR"),
        ({"MCP_DOOR": "open"}, "MCP_DOOR"),
        ({"MCP_DOOR": "bearer"}, "MCP_TOKENS"),
        ({"MCP_DOOR": "jwt"}, "MCP_JWT_ISSUER"),
        ({"MCP_DOOR": "jwt", "MCP_JWT_ISSUER": "http://login.example.com"}, "MCP_JWT_ISSUER"),
        ({"MCP_DOOR": "platform", "MCP_SSE": "on"}, "MCP_SSE"),
        ({"MCP_DOOR": "platform", "MCP_SERVER": "nowhere:server"}, "MCP_SERVER"),
    ],
    ids=lambda case: str(case),
)
def test_a_wrong_setting_keeps_the_function_from_starting(
    workshop: Workshop, settings: dict[str, str], name: str
) -> None:
    with workshop.serve(**settings) as function:
        with pytest.raises(FunctionError, match=name) as caught:
            function.invoke(mcp("tools/list"))
        said = [line for line in function.output.splitlines() if line.startswith("[ERROR]")]
    assert name in json.loads(str(caught.value))["errorMessage"]
    assert name in said[-1]


# --- The authorizer ---------------------------------------------------------------------------------------------------


def authorization(token: str | None, **more: str) -> dict[str, Any]:
    asked = event("http-api-authorizer")
    headers = {"authorization": f"Bearer {token}", **more} if token is not None else more
    return {**asked, "headers": headers, "identitySource": [headers.get("authorization")]}


@pytest.fixture(name="manager")
def _manager() -> Iterator[SecretsManager]:
    with running(SecretsManager()) as manager:
        yield manager


@contextmanager
def authorizer(workshop: Workshop, manager: SecretsManager, document: str) -> Iterator[Callable[..., Any]]:
    session = boto3.session.Session("local", "local", "local", "eu-west-1")
    client = session.client("secretsmanager", endpoint_url=manager.url)
    client.create_secret(Name="stack/tokens", SecretString=document)
    environment = {
        "MCP_TOKENS": "aws://eu-west-1/stack/tokens",
        "AWS_ENDPOINT_URL": manager.url,
        "MCP_LOG_LEVEL": "DEBUG",
    }
    with workshop.start("AwsAuthorizer", "aws_authorizer.handler", environment) as function:
        yield lambda token, **more: function.invoke(authorization(token, **more))
        assert not any(token in function.output for token in (TOKEN, OTHER, DISABLED))


def test_the_authorizer_lets_in_whom_the_document_names(workshop: Workshop, manager: SecretsManager) -> None:
    with authorizer(workshop, manager, json.dumps(DOCUMENT)) as decide:
        for token, name in ((TOKEN, "alice"), (OTHER, "bob")):
            assert decide(token) == {"isAuthorized": True, "context": {"tokenName": name}}
        for other in (DISABLED, TOKEN[:-1], TOKEN + "a", "", f"{TOKEN},Bearer {TOKEN}", "é", None):
            assert decide(other)["isAuthorized"] is False
        assert decide(TOKEN, Authorization=f"Bearer {TOKEN}")["isAuthorized"] is False  # two headers


@pytest.mark.parametrize("document", ["", "{", "[]", '{"tokens": "all"}', '{"tokens": [{"tokenName": "a"}]}'])
def test_an_unreadable_document_never_authorizes(workshop: Workshop, manager: SecretsManager, document: str) -> None:
    with authorizer(workshop, manager, document or " ") as decide:
        assert decide(TOKEN)["isAuthorized"] is False


@pytest.mark.parametrize(
    "fault",
    [Fault.error(), Fault.throttle(), Fault.reset(applied=False), Fault.truncated(), Fault.malformed()],
    ids=lambda fault: f"{fault.effect} {fault.kind}",
)
def test_a_service_that_fails_never_authorizes_and_never_raises(
    workshop: Workshop, manager: SecretsManager, fault: Fault
) -> None:
    with authorizer(workshop, manager, json.dumps(DOCUMENT)) as decide:
        manager.fault = lambda call: fault
        began = time.monotonic()
        assert decide(TOKEN)["isAuthorized"] is False
        assert time.monotonic() - began < 10 + 5  # API Gateway's 10 s, and the emulator's own start


def test_the_built_functions_work_together_behind_the_stand_in(workshop: Workshop) -> None:
    """Door `bearer` as a caller sees it: gateway, authorizer, Secrets Manager and server, all of it over HTTP."""
    api_port = free_port()
    edge = AwsEdge(
        kind="http-api",
        port=0,
        api_port=api_port,
        code=workshop.artifact("McpServer"),
        environment={"MCP_DOOR": "platform"},
        token_guard_code=workshop.artifact("AwsAuthorizer"),
        authorizer_environment={
            "MCP_TOKENS": "aws://eu-west-1/stack/tokens",
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{api_port}",
        },
        python=str(workshop.python),
        log=lambda line: None,
        client="vendor",
    )
    assert edge.secrets is not None
    secret = {"Name": "stack/tokens", "SecretString": json.dumps(DOCUMENT), "ClientRequestToken": "1" * 32}
    edge.secrets.region("eu-west-1").create_secret(secret)
    body, headers = message("tools/call", {"name": "whoami", "arguments": {}})
    with running(edge), httpx2.Client(timeout=60, trust_env=False) as client:
        for token, status in ((None, 401), (DISABLED, 403), (TOKEN, 200), (OTHER, 200)):
            with_token = {**headers, "authorization": f"Bearer {token}"} if token else headers
            answer = client.post(f"http://127.0.0.1:{edge.port}/mcp", content=body, headers=with_token)
            assert answer.status_code == status
            name = {TOKEN: "alice", OTHER: "bob"}.get(token or "", "nobody")
            assert (f'"client":"{name}"' in answer.text.replace("\\", "").replace(" ", "")) is (status == 200)


# --- Bad input --------------------------------------------------------------------------------------------------------

GOOD_BODY, GOOD_HEADERS = message("tools/list")


def bad(**changes: Any) -> dict[str, Any]:
    made = event(headers={**GOOD_HEADERS, **changes.pop("headers", {})}, body=GOOD_BODY)
    return {**made, **changes}


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (bad(body="{"), 400),
        (bad(body=""), 400),
        (bad(body=None), 400),
        (bad(body="[]"), 400),
        (bad(body='"text"'), 400),
        (bad(body="[" * 100_000), 400),
        (bad(body='{"jsonrpc": "2.0", "id": 1, "method": "no/such"}', headers={"mcp-method": "no/such"}), 400),
        (mcp("no/such"), 404),
        (bad(body="%%%", isBase64Encoded=True), 400),
        (bad(body=f"%{base64.b64encode(GOOD_BODY.encode()).decode()}", isBase64Encoded=True), 400),
        (bad(body="/w==", isBase64Encoded=True), 400),
        (bad(headers={"content-type": "text/plain"}), 415),
        (bad(headers={"accept": "text/html"}), 406),
        (bad(headers={"mcp-protocol-version": "1999-01-01"}), 400),
        (bad(headers={"mcp-method": "tools/call"}), 400),
        (bad(body="x" * (5 * 1024 * 1024)), 413),
        (event(path="/nowhere"), 404),
        (event(path="/mcp/"), 404),
        (event(path="//mcp"), 404),
        (event(path="/MCP"), 404),
    ],
    ids=lambda case: "" if isinstance(case, dict) else str(case),
)
def test_bad_requests_get_the_protocols_own_error(function: Emulator, sent: dict[str, Any], status: int) -> None:
    answer = function.request(sent)
    assert answer.status == status, answer.body[:500]
    assert "Traceback" not in answer.body
    assert function.request(mcp("tools/list")).status == 200


@pytest.mark.parametrize(
    "sent",
    [
        {},
        [],
        None,
        "text",
        0,
        {"version": "1.0", "httpMethod": "POST", "path": "/mcp", "headers": {}, "requestContext": {}, "body": None},
        {**event(), "version": "1.0"},
        {**event(), "headers": None},
        {**event(), "headers": {"a": 1}},
        {**event(), "headers": []},
        {**event(), "requestContext": {}},
        {**event(), "requestContext": {**event()["requestContext"], "http": {}}},
        {**event(), "requestContext": {**event()["requestContext"], "domainName": "a b"}},
        {**event(), "cookies": 1},
        {**event(), "body": {}},
        {"Records": []},
        {"source": "aws.events", "detail-type": "Scheduled Event"},
    ],
    ids=lambda case: json.dumps(case)[:40],
)
def test_an_event_of_another_shape_is_400(function: Emulator, sent: Any) -> None:
    answer = function.request(sent)
    assert answer.status == 400, answer.body
    assert function.request(mcp("tools/list")).status == 200


# --- A user's own file, and tools that misbehave ----------------------------------------------------------------------


def test_a_file_without_any_option_of_ours_drops_in(awkward: Emulator) -> None:
    for era in ERAS:
        assert awkward.request(initialize(era)).status == 200
        for name in ("whoami", "whoami_in_a_thread"):
            assert text_of(awkward.request(tool(name, era=era, caller="alice"))) == "alice"


def test_nothing_of_this_environment_is_within_reach(awkward: Emulator) -> None:
    seen = json.loads(text_of(awkward.request(tool("surroundings"))))
    root = str(rie.ROOT)
    for path in (*seen["path"], *seen["modules"]):
        assert not path.startswith(root) or Path(path).is_relative_to(rie.RUNTIMES), path
    assert seen["path"][0] == seen["folder"][0]
    assert not {"PYTHONPATH", "HOME", "VIRTUAL_ENV"} & set(seen["environment"])


def test_running_adds_nothing_to_the_artifact(workshop: Workshop) -> None:
    """What lacked bytecode would be compiled at each cold start: Lambda's folder cannot be written to."""
    for logical_id, handler, environment, sent in (
        ("McpServer", "aws_lambda.handler", {"MCP_DOOR": "platform"}, mcp("tools/list")),
        ("AwsAuthorizer", "aws_authorizer.handler", {"MCP_TOKENS": "aws://eu-west-1/x"}, authorization(None)),
    ):
        with rie.copied(workshop.artifact(logical_id), workshop.folder / "changed") as place:
            before = set(place.rglob("*"))
            assert any(path.suffix == ".pyc" for path in before)
            with Emulator(place, handler, python=workshop.python, environment=environment) as function:
                function.invoke(sent)
            assert set(place.rglob("*")) == before


def test_a_tool_that_raises_tells_the_log_alone(awkward: Emulator) -> None:
    answer = awkward.request(tool("fail"))
    assert answer.json()["result"]["isError"] is True
    assert "inner detail" not in answer.body
    assert "ValueError: inner detail" in awkward.output


def test_a_result_too_large_is_an_error_that_a_person_can_read(awkward: Emulator) -> None:
    answer = awkward.request(tool("large", {"size": 7_000_000}))
    assert answer.status == 200
    assert "6 MB" in answer.json()["error"]["message"]
    assert text_of(awkward.request(tool("large", {"size": 10}))) == "x" * 10


@pytest.mark.parametrize(("name", "era"), [("hang", MODERN), ("block_a_thread", LEGACY[0])])
def test_a_call_that_is_cut_off_says_so_and_leaves_nothing_behind(workshop: Workshop, name: str, era: str) -> None:
    with workshop.with_awkward_tools(timeout_seconds=6) as function:
        assert text_of(warmed(function).request(tool("whoami", caller="bob"))) == "bob"
        starts = function.output.count("INIT START")
        cut = function.request(tool(name, era=era, caller="alice", id_=7))
        assert (cut.status, cut.json()["id"], "cut off" in cut.json()["error"]["message"]) == (200, 7, True)
        assert text_of(function.request(tool("whoami"))) not in ("alice", "bob")
        assert text_of(function.request(tool("whoami_in_a_thread", caller="bob"))) == "bob"
        assert "hang" not in text_of(function.request(tool("still_running")))
        assert function.output.count("INIT START") == starts  # the instance lived on


def test_a_call_that_lambda_ends_leaves_nothing_behind(workshop: Workshop) -> None:
    with workshop.with_awkward_tools(timeout_seconds=6) as function:
        assert text_of(warmed(function).request(tool("whoami", caller="bob"))) == "bob"
        with pytest.raises(FunctionError, match="timed out"):
            function.request(tool("block_the_loop", caller="alice"))
        assert text_of(warmed(function).request(tool("whoami", caller="bob"))) == "bob"


# --- A thousand warm calls --------------------------------------------------------------------------------------------


def conversation(number: int) -> tuple[dict[str, Any], Callable[[Answer], bool]]:
    """The call of that number and what must be true of its answer: eras, doors, principals and operations mixed."""
    era, door, caller = ERAS[number % len(ERAS)], DOORS[number % 3], f"client-{number % 20}"
    common: dict[str, Any] = {"era": era, "door": door, "caller": caller, "id_": number % 7 + 1}

    def result(answer: Answer) -> Any:
        assert answer.json()["id"] == common["id_"]
        return answer.json()["result"]

    calls: list[tuple[dict[str, Any], Callable[[Answer], bool]]] = [
        (mcp("tools/list", **common), lambda answer: len(result(answer)["tools"]) >= 5),
        (tool("add", {"a": number, "b": 1}, **common), lambda answer: float(text_of(answer)) == number + 1),
        (tool("word_count", {"text": "a " * number}, **common), lambda answer: text_of(answer) == str(number)),
        (tool("whoami", **common), lambda answer: json.loads(text_of(answer))["client"] == caller),
        (tool("roll", {"dice": "no"}, **common), lambda answer: result(answer)["isError"] is True),
        (mcp("resources/list", **common), lambda answer: bool(result(answer)["resources"])),
        (mcp("prompts/list", **common), lambda answer: bool(result(answer)["prompts"])),
        (
            mcp("notifications/cancelled", {"requestId": 1}, **{**common, "id_": None}),
            lambda answer: answer.status == 202,
        ),
        (event(door, method="GET"), lambda answer: answer.status == 405),
        (event(door, headers=GOOD_HEADERS, body="{"), lambda answer: answer.status == 400),
        (event(door, method="GET", path="/healthz"), lambda answer: answer.body == "ok"),
    ]
    return calls[number % len(calls)]


@pytest.mark.slow
def test_a_thousand_warm_calls_of_all_kinds_do_not_fail_and_do_not_grow(workshop: Workshop) -> None:
    with workshop.serve(MCP_DOOR="platform") as function:
        for number in range(1000):
            if number == 100:
                settled = function.resident_bytes
            sent, holds = conversation(number)
            answer = function.request(sent)
            assert holds(answer), (number, sent, answer)
        grown = function.resident_bytes - settled
        lines = [json.loads(line) for line in function.output.splitlines() if line.startswith('{"audit"')]
        assert function.output.count("INIT START") == 1
    assert grown < 5_000_000, f"{grown / 1e6:.1f} MB more than after the first hundred"
    assert len(lines) == 1000 - len(range(10, 1000, 11))  # all but /healthz, which is no decision
