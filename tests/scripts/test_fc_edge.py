"""The FC gateway's stand-in, with a real function process behind it and a plain HTTP client before it."""

from __future__ import annotations

import json
import queue
import socket
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from edges.fc import FcEdge
from edges.fc_headers import ROLE_CREDENTIALS
from edges.fc_state import Refused, Unproven
from edges.processes import ChildFailed
from edges.serving import running

FUNCTION = Path(__file__).with_name("fc_function")
FUNCTIONS = Path(__file__).parents[2] / "functions"
TOKEN = "first-" + "a" * 40
OTHER = "other-" + "b" * 40
OFF = "off-" + "c" * 40
DOCUMENT = {
    "tokens": [
        {"tokenName": "one", "enable": True, "tokenData": TOKEN},
        {"tokenName": "two", "enable": True, "tokenData": OTHER},
        {"tokenName": "off", "enable": False, "tokenData": OFF},
    ]
}
BEARER = {
    "methods": ["GET", "POST", "DELETE"],
    "authType": "bearer",
    "authConfig": DOCUMENT,
    "disableURLInternet": False,
}
ANONYMOUS = {"methods": ["GET", "POST", "DELETE"], "authType": "anonymous"}


class Caller:
    """A client of one edge, and the lines that its function has said."""

    def __init__(self, edge: FcEdge, client: httpx2.Client, lines: queue.Queue[str]) -> None:
        self.edge, self.client, self.lines = edge, client, lines

    def __call__(self, path: str = "/mcp", method: str = "GET", **more: Any) -> httpx2.Response:
        return self.client.request(method, path, **more)

    def echo(self, path: str = "/mcp", method: str = "GET", **more: Any) -> dict[str, Any]:
        answer = self(path, method, **more)
        assert answer.status_code == 200, answer.text
        seen: dict[str, Any] = answer.json()
        return seen

    def hears(self, line: str) -> None:
        while self.lines.get(timeout=30) != line:
            pass


@contextmanager
def serving(trigger: dict[str, Any] = ANONYMOUS, **settings: Any) -> Iterator[Caller]:
    lines: queue.Queue[str] = queue.Queue()
    edge = FcEdge(
        **{"trigger": trigger, "code": FUNCTION, "environment": {"MCP_DOOR": "platform"}, "log": lines.put, **settings}
    )
    with running(edge), httpx2.Client(base_url=f"http://127.0.0.1:{edge.port}", trust_env=False, timeout=30) as client:
        yield Caller(edge, client, lines)


@pytest.fixture(scope="module")
def bearer() -> Iterator[Caller]:
    with serving(BEARER) as caller:
        yield caller


@pytest.fixture(scope="module")
def anonymous() -> Iterator[Caller]:
    with serving() as caller:
        yield caller


def authorization(token: str = TOKEN) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


# -- the door


def test_no_header_hears_the_documented_words(bearer: Caller) -> None:
    answer = bearer()
    assert answer.status_code == 403
    assert answer.json() == {
        "Code": "AccessDenied",
        "Message": "Authorization header is expected but missing",
        "RequestId": answer.headers["x-fc-request-id"],
    }
    assert "www-authenticate" not in answer.headers


@pytest.mark.parametrize(
    "header",
    [
        "Bearer " + "z" * 40,
        f"Bearer {OFF}",
        f"bearer {TOKEN}",
        f"Bearer  {TOKEN}",
        f"Bearer {TOKEN}, Bearer {OTHER}",
        TOKEN,
        "Bearer",
        "",
        f"Basic {TOKEN}",
        f"Bearer {TOKEN[:-1]}",
        f"Bearer {TOKEN}a",
    ],
)
def test_a_wrong_token_hears_the_documented_words(bearer: Caller, header: str) -> None:
    answer = bearer(headers={"Authorization": header})
    assert (answer.status_code, answer.json()["Message"]) == (403, "access denied due to invalid bearer token")


def test_two_authorization_headers_are_refused(bearer: Caller) -> None:
    answer = bearer(headers=[("Authorization", f"Bearer {TOKEN}"), ("Authorization", f"Bearer {TOKEN}")])
    assert answer.status_code == 403


@pytest.mark.parametrize("token", [TOKEN, OTHER])
def test_each_enabled_token_gets_in(bearer: Caller, token: str) -> None:
    assert bearer.echo(headers=authorization(token))["method"] == "GET"


def test_twenty_tokens_get_in_and_a_twenty_first_cannot_be_stored() -> None:
    tokens = [{"tokenName": f"t{n}", "enable": True, "tokenData": f"token-{n:02}-" + "d" * 30} for n in range(20)]
    with serving({**BEARER, "authConfig": {"tokens": tokens}}) as caller:
        for token in tokens:
            assert caller(headers=authorization(str(token["tokenData"]))).status_code == 200
    with pytest.raises(Refused, match="between 1 and 20"):
        FcEdge(
            trigger={**BEARER, "authConfig": {"tokens": [*tokens, {**tokens[0], "tokenName": "t20"}]}},
            code=FUNCTION,
            environment={},
        )


def test_only_the_methods_of_the_trigger_pass(bearer: Caller) -> None:
    for method, status in [("GET", 200), ("POST", 200), ("DELETE", 200), ("PUT", 403), ("PATCH", 403), ("HEAD", 403)]:
        answer = bearer(method=method, headers=authorization())
        assert answer.status_code == status, method
        assert ("x-fc-error-type" in answer.headers) == (status == 403)


def test_a_trigger_without_its_internet_address_refuses() -> None:
    with serving({**ANONYMOUS, "disableURLInternet": True}) as caller:
        answer = caller()
    assert (answer.status_code, answer.json()["Message"]) == (
        403,
        "access denied due to function internet URL is disable",
    )


def test_a_signed_trigger_lets_nobody_in_with_a_token() -> None:
    with serving({**ANONYMOUS, "authType": "function"}) as caller:
        assert caller(headers=authorization()).status_code == 403


def test_a_custom_domain_has_a_door_of_its_own() -> None:
    domain = {
        "authType": "bearer",
        "authInfo": json.dumps({"tokens": [{"tokenName": "d", "enable": True, "tokenData": OTHER}]}),
    }
    with serving(BEARER, domains={"mcp.example.com": domain}) as caller:
        there = {"Host": "mcp.example.com", "Origin": "https://app.example.com"}
        assert caller(headers={**there, **authorization(TOKEN)}).status_code == 403
        answer = caller(headers={**there, **authorization(OTHER)})
    assert answer.status_code == 200
    assert not {"content-disposition", "access-control-allow-origin"} & {*answer.headers}


# -- what reaches the function


def test_the_function_gets_fc_headers_and_no_forged_ones(anonymous: Caller) -> None:
    forged = {"X-Fc-Request-Id": "forged", "x-fc-security-token": "forged", "Keep-Alive": "timeout=5", "X-Kept": "yes"}
    spelled = {"target": b"/a%2Fb/../c?q=%20x&q=2"}  # the client's URL library would tidy it up
    seen = anonymous.echo(headers=forged, extensions=spelled)
    assert seen["target"] == "/a%2Fb/../c?q=%20x&q=2"
    got = dict(seen["headers"])
    assert {name for name in got if name.startswith("x-fc-")} == {
        "x-fc-request-id",
        "x-fc-function-name",
        "x-fc-region",
        "x-fc-account-id",
        "x-fc-qualifier",
        "x-fc-control-path",
    }
    assert got["x-fc-control-path"] == "/http-invoke"
    assert got["x-kept"] == "yes"
    assert "forged" not in got.values()
    assert "keep-alive" not in got


def test_repeated_headers_arrive_apart_and_in_order(anonymous: Caller) -> None:
    seen = anonymous.echo(headers=[("X-Two", "1"), ("X-Two", "2")])
    assert [value for name, value in seen["headers"] if name == "x-two"] == ["1", "2"]


def test_a_chunked_body_arrives_whole(anonymous: Caller) -> None:
    assert anonymous.echo(method="POST", content=iter([b"x" * 70_000, b"y" * 70_000]))["bytes"] == 140_000


def test_the_function_sees_its_configuration_and_nothing_of_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_SECRET_OF_MINE", "here")
    with serving(environment={"MCP_DOOR": "platform", "MCP_LOG_LEVEL": "DEBUG"}) as caller:
        seen = caller.echo()["environment"]
    assert seen["MCP_LOG_LEVEL"] == "DEBUG"
    assert seen["FC_FUNCTION_NAME"] == "mcp-server"
    assert int(seen["FC_CUSTOM_LISTEN_PORT"])
    assert "A_SECRET_OF_MINE" not in seen


def test_proxies_in_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with serving() as caller:
        assert caller().status_code == 200


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has the whole of 127.0.0.0/8 on its loopback interface")
def test_the_function_listens_on_the_loopback_interface_alone(anonymous: Caller) -> None:
    port = anonymous.echo()["port"]
    with socket.create_connection(("127.0.0.1", port), 5):
        pass
    with pytest.raises(ConnectionRefusedError):  # a socket on 0.0.0.0 would take this
        socket.create_connection(("127.0.0.2", port), 5)


# -- limits


def test_request_headers_over_8_kb_are_refused(anonymous: Caller) -> None:
    assert anonymous(headers={"X-Fat": "x" * 7_900}).status_code == 200
    answer = anonymous(headers={"X-Fat": "x" * 8_192})
    assert (answer.status_code, answer.json()["Code"]) == (400, "InvalidArgument")


def test_a_path_over_4_kb_is_refused(anonymous: Caller) -> None:
    assert anonymous("/" + "p" * 4_095).status_code == 200
    answer = anonymous("/p?" + "q" * 4_094)
    assert (answer.status_code, answer.json()["Code"]) == (400, "InvalidArgument")


def test_a_body_over_32_mb_is_refused(anonymous: Caller) -> None:
    limit = 32 * 1024 * 1024
    assert anonymous.echo(method="POST", content=b"x" * limit)["bytes"] == limit
    answer = anonymous(method="POST", content=b"x" * (limit + 1))
    assert (answer.status_code, answer.json()["Code"]) == (400, "InvalidArgument")


def test_response_headers_over_8_kb_are_a_bad_response(anonymous: Caller) -> None:
    answer = anonymous("/headers?x-fat=x")
    assert (answer.status_code, answer.json()["Code"]) == (502, "BadResponse")


def test_headers_that_a_function_cannot_set_are_dropped(anonymous: Caller) -> None:
    names = ["x-fc-mine", "connection", "date", "keep-alive", "server", "upgrade", "x-mine", "content-disposition"]
    answer = anonymous("/headers?" + "&".join(f"{name}=set" for name in names))
    assert [name for name in names if answer.headers.get(name) == "set"] == ["x-mine"]
    assert answer.headers["content-disposition"] == "attachment"  # what the default host makes of every answer


def test_off_the_default_host_nothing_becomes_a_download() -> None:
    with serving(default_host=False) as caller:
        assert "content-disposition" not in caller().headers
        assert caller("/headers?content-disposition=inline").headers["content-disposition"] == "inline"


# -- time


def test_a_stream_flows(anonymous: Caller) -> None:
    with anonymous.client.stream("GET", "/events") as answer:
        chunks = answer.iter_raw()
        assert next(chunks) == b"data: one\n\n"  # a gateway that buffers would wait for what comes after /release
        assert anonymous("/release").status_code == 200
        assert b"".join(chunks) == b"data: two\n\n"


def test_a_caller_who_hangs_up_is_noticed(anonymous: Caller) -> None:
    before = anonymous.echo()["pid"]
    with anonymous.client.stream("GET", "/forever") as answer:
        assert next(answer.iter_raw()) == b"some"
    anonymous.hears("the caller is gone")
    assert anonymous.echo()["pid"] == before


def test_at_concurrency_one_the_instance_goes_with_its_caller(all_end: Callable[[list[int], float], bool]) -> None:
    with serving(instance_concurrency=1) as caller:
        before = caller.echo()["pid"]
        with caller.client.stream("GET", "/forever") as answer:
            assert next(answer.iter_raw()) == b"some"
        caller.hears("the caller is gone")
        assert all_end([before], 30)
        assert caller.echo()["pid"] != before


def test_the_timeout_ends_a_call_and_cuts_a_stream() -> None:
    with serving(timeout_seconds=0.5) as caller:
        answer = caller("/forever?silent")
        assert (answer.status_code, answer.json()["Code"]) == (504, "FunctionTimeout")
        caller.hears("the caller is gone")
        with pytest.raises(httpx2.TransportError), caller.client.stream("GET", "/forever") as stream:
            stream.read()


def test_calls_above_the_concurrency_wait() -> None:
    with serving(instance_concurrency=2) as caller, ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda _: caller("/work").status_code, range(8)))
        assert answers == [200] * 8
        assert caller.echo()["peak"] == 2


def test_calls_above_the_concurrency_are_refused_when_the_quota_is_spent() -> None:
    with serving(instance_concurrency=1, overflow="refuse") as caller, caller.client.stream("GET", "/forever") as busy:
        assert busy.status_code == 200
        answer = caller()
    assert (answer.status_code, answer.json()["Code"]) == (429, "ResourceExhausted")


def test_a_function_that_dies_is_started_again(anonymous: Caller) -> None:
    before = anonymous.echo()["pid"]
    answer = anonymous("/leave")
    assert (answer.status_code, answer.json()["Code"]) == (502, "BadResponse")
    assert anonymous.echo()["pid"] != before


# -- browsers


def test_the_platform_reflects_any_origin(anonymous: Caller) -> None:
    answer = anonymous(headers={"Origin": "https://evil.example"})
    assert answer.headers["access-control-allow-origin"] == "https://evil.example"
    assert answer.headers["access-control-allow-credentials"] == "true"


def test_what_the_function_says_about_origins_stands(anonymous: Caller) -> None:
    answer = anonymous("/headers?access-control-allow-origin=null", headers={"Origin": "https://evil.example"})
    assert answer.headers.get_list("access-control-allow-origin") == ["null"]


PREFLIGHT = {
    "Origin": "https://a.example",
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "x-y",
}


def test_preflight_is_answered_by_the_platform_or_is_a_method_like_another() -> None:
    with serving(BEARER) as caller:
        answer = caller(method="OPTIONS", headers=PREFLIGHT)
        assert answer.status_code == 200
        assert answer.headers["access-control-allow-methods"] == "POST"
        assert answer.headers["access-control-allow-headers"] == "x-y"
    with serving(BEARER, unproven=Unproven(preflight="method")) as caller:
        assert caller(method="OPTIONS", headers=PREFLIGHT).status_code == 403
    methods = {"methods": ["GET", "OPTIONS"]}
    with serving({**ANONYMOUS, **methods}, unproven=Unproven(preflight="method")) as caller:
        assert caller.echo(method="OPTIONS", headers=PREFLIGHT)["method"] == "OPTIONS"


# -- what nobody knows, both ways


@pytest.mark.parametrize("status", [401, 403])
def test_status_of_a_refusal(status: Any) -> None:
    with serving(BEARER, unproven=Unproven(refusal_status=status)) as caller:
        assert caller().status_code == caller(headers=authorization("z" * 40)).status_code == status


def test_body_of_a_refusal_as_text() -> None:
    with serving(BEARER, unproven=Unproven(refusal_body="text")) as caller:
        assert caller().text == "Authorization header is expected but missing"


@pytest.mark.parametrize("forwarded", [True, False])
def test_authorization_reaches_the_function_or_not(forwarded: bool) -> None:
    with serving(BEARER, unproven=Unproven(forward_authorization=forwarded)) as caller:
        headers = dict(caller.echo(headers=authorization())["headers"])
    assert headers.get("authorization") == (f"Bearer {TOKEN}" if forwarded else None)


@pytest.mark.parametrize("sent", [True, False])
def test_the_roles_keys_reach_the_function_or_not(sent: bool) -> None:
    with serving(unproven=Unproven(sends_credentials=sent)) as caller:
        headers = dict(caller.echo()["headers"])
    assert headers.get("x-fc-security-token") == ("local-security-token" if sent else None)


def test_the_deployed_function_shows_no_key_and_no_token() -> None:
    everything = Unproven(sends_credentials=True, forward_authorization=True)
    call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "whoami", "arguments": {}}}
    accept = {"Accept": "application/json, text/event-stream", "MCP-Protocol-Version": "2025-11-25"}
    environment = {"MCP_DOOR": "platform", "MCP_LOG_LEVEL": "DEBUG"}
    with serving(BEARER, code=FUNCTIONS, unproven=everything, environment=environment) as caller:
        answer = caller("/mcp", "POST", json=call, headers={**accept, **authorization()})
    assert answer.status_code == 200
    said = answer.text + str(answer.headers) + "".join(caller.lines.queue)
    assert "tools/call" in said
    assert not [secret for secret in (TOKEN, *ROLE_CREDENTIALS.values()) if secret in said]


@pytest.mark.parametrize("rewritten", [True, False])
def test_host_is_kept_or_rewritten(rewritten: bool) -> None:
    with serving(unproven=Unproven(rewrite_host=rewritten)) as caller:
        headers = dict(caller.echo(headers={"Host": "caller.example"})["headers"])
    assert headers["host"] == ("mcp-server-local.local.fcapp.run" if rewritten else "caller.example")


@pytest.mark.parametrize(("any_case", "status"), [(True, 200), (False, 403)])
def test_scheme_in_lower_case(any_case: bool, status: int) -> None:
    with serving(BEARER, unproven=Unproven(any_case_scheme=any_case)) as caller:
        assert caller(headers={"Authorization": f"bearer {TOKEN}"}).status_code == status


def test_a_write_reaches_some_nodes_of_the_gateway_later() -> None:
    with serving(BEARER, unproven=Unproven(propagation_seconds=(0, 3600))) as caller:
        document = json.dumps({"tokens": [{"tokenName": "new", "enable": True, "tokenData": "n" * 40}]})
        caller.edge.account.put_trigger("mcp-server", "http", {**BEARER, "authConfig": document})

        def status(token: str) -> int:
            with httpx2.Client(trust_env=False) as fresh:  # a connection stays with its node
                return int(fresh.get(caller.edge.url, headers=authorization(token)).status_code)

        assert {status("n" * 40) for _ in range(4)} == {200, 403}
        assert {status(TOKEN) for _ in range(4)} == {200, 403}


# -- beginning and end


def test_a_taken_port_is_named_and_nothing_is_left() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        for ports in ({"port": port}, {"api_port": port}):
            edge = FcEdge(trigger=ANONYMOUS, code=FUNCTION, environment={}, **ports)
            with pytest.raises(OSError, match=f"port {port}"), running(edge):
                pass
            if edge.port not in (0, port):
                with pytest.raises(ConnectionRefusedError):
                    socket.create_connection(("127.0.0.1", edge.port), 5)


def test_a_function_that_does_not_start_is_quoted() -> None:
    edge = FcEdge(trigger=ANONYMOUS, code=FUNCTION, environment={"COMPLAIN": "MCP_DOOR is wrong"})
    with pytest.raises(ChildFailed, match=r"^MCP_DOOR is wrong$"), running(edge):
        pass


def test_stop_leaves_no_process_and_no_port(alive: Callable[[int], bool]) -> None:
    with serving() as caller:
        ports = [caller.edge.port, caller.edge.api_port, caller.echo()["port"]]
        pid = caller.echo()["pid"]
        with caller.client.stream("GET", "/forever") as open_stream:
            assert open_stream.status_code == 200
            caller.hears("working")
    for port in ports:
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), 5)
    assert not alive(pid)


def test_the_deployed_entry_point_serves_mcp_behind_the_trigger() -> None:
    call = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    accept = {"Accept": "application/json, text/event-stream", "MCP-Protocol-Version": "2025-11-25"}
    with serving(BEARER, code=FUNCTIONS) as caller:
        assert caller("/mcp", "POST", json=call, headers=accept).status_code == 403
        answer = caller("/mcp", "POST", json=call, headers={**accept, **authorization()})
        assert answer.status_code == 200
        assert answer.json()["result"]["tools"]
