"""The AWS stand-in's doors, with the real runtime client and a function in a process of its own behind them."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import boto3
import httpx2
import pytest

from aws.callers import FUNCTION, Caller, serving
from edges.aws import AwsEdge
from edges.aws_events import Platform
from edges.aws_instance import InitFailed
from edges.processes import free_port
from edges.serving import running

ROOT = Path(__file__).parents[2]


@pytest.fixture(name="http_api", scope="module")
def _http_api() -> Iterator[Caller]:
    with serving("http-api", timeout_seconds=2) as call:
        yield call


@pytest.fixture(name="function_url", scope="module")
def _function_url() -> Iterator[Caller]:
    with serving("function-url", timeout_seconds=2) as call:
        yield call


@pytest.fixture(params=["http_api", "function_url"])
def call(request: pytest.FixtureRequest) -> Caller:
    caller: Caller = request.getfixturevalue(request.param)
    return caller


def test_a_request_reaches_the_function_and_its_answer_comes_back(call: Caller) -> None:
    answer = call("/mcp?a=1", headers=[("X-A", "1"), ("X-A", "2"), ("Host", "evil.example")])
    event = answer.json()["event"]
    platform = Platform(call.edge.kind)
    assert event["headers"]["x-a"] == "1,2"
    assert event["headers"]["host"] == event["requestContext"]["domainName"] == platform.domain_name
    assert event["requestContext"]["http"]["sourceIp"] == "127.0.0.1"
    traced = answer.headers["apigw-requestid" if platform.kind == "http-api" else "x-amzn-requestid"]
    assert traced == event["requestContext"]["requestId"]


def test_a_function_sees_lambdas_environment_and_nothing_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OURS", "secret")
    monkeypatch.setenv("PYTHONPATH", "/nowhere")
    with serving(environment={"MCP_DOOR": "platform"}, region="eu-west-1", timeout_seconds=7) as call:
        seen = call.seen()
    environment = seen["environment"]
    assert environment["MCP_DOOR"] == "platform"
    assert environment["AWS_REGION"] == "eu-west-1"
    assert environment["AWS_LAMBDA_FUNCTION_NAME"] == "mcp-server"
    assert not {"OURS", "PYTHONPATH", "HOME"} & environment.keys()
    assert seen["path"][0] == str(FUNCTION)
    assert 6_000 < seen["left"] <= 7_000
    assert seen["arn"] == "arn:aws:lambda:eu-west-1:123456789012:function:mcp-server"
    assert call.lines == ["loading"]


@pytest.mark.parametrize(
    ("order", "said"),
    [
        ({"raise": "inner detail"}, "inner detail"),
        ({"exit": 3}, "exited with status 3"),
        ({"sleep": 30}, "Task timed out after 2.00 seconds"),
        ({"result": {"statusCode": 200, "body": {}}}, "body is dict"),
    ],
    ids=["raises", "exits", "times out", "nonsense"],
)
def test_a_functions_failure_is_told_to_the_log_alone(call: Caller, order: Any, said: str) -> None:
    call.lines.clear()
    answer = call(order=order)
    http_api = call.edge.kind == "http-api"
    assert answer.status_code == (500 if http_api else 502)
    assert answer.text == ('{"message":"Internal Server Error"}' if http_api else "Internal Server Error")
    assert any(said in line for line in call.lines)
    assert call.seen()["event"]["body"] == "{}"  # and the next call is as any other


def test_an_instance_that_raised_lives_on_and_one_that_timed_out_does_not(http_api: Caller) -> None:
    first = http_api.seen()["pid"]
    http_api(order={"raise": "x"})
    assert http_api.seen()["pid"] == first
    http_api(order={"sleep": 30})
    assert http_api.seen()["pid"] != first
    assert not Path(f"/proc/{first}").exists()


def test_a_result_over_lambdas_limit_is_502(call: Caller) -> None:
    assert call(order={"large": 6_291_000}).status_code == 200
    assert call(order={"large": 6_291_600}).status_code == 502
    assert call.seen()


def test_the_status_of_a_result_too_large_is_a_switch() -> None:
    with serving(too_large_result_status=500) as call:
        assert call(order={"large": 6_291_600}).status_code == 500


@pytest.mark.parametrize(
    ("size", "content_type", "status"),
    [
        (6_200_000, "text/plain", 200),
        (6_291_457, "text/plain", 413),
        (4_600_000, "application/octet-stream", 200),
        (4_800_000, "application/octet-stream", 413),
        (11_000_000, "text/plain", 413),
    ],
    ids=["fits", "too large for Lambda", "fits as base64", "too large as base64", "too large for the gateway"],
)
def test_a_body_over_the_limits_is_413(call: Caller, size: int, content_type: str, status: int) -> None:
    answer = call.client.post("/mcp", content=b"x" * size, headers={"content-type": content_type})
    assert answer.status_code == status


def test_the_request_line_and_headers_have_a_limit_on_an_http_api(http_api: Caller, function_url: Caller) -> None:
    assert http_api(headers={"x-a": "a" * 10_000}).status_code == 200
    refused = http_api(headers={"x-a": "a" * 10_240})
    assert (refused.status_code, refused.json()) == (431, {"message": "Request Header Fields Too Large"})
    assert function_url(headers={"x-a": "a" * 10_240}).status_code == 200


@pytest.mark.parametrize("renames", [True, False])
def test_the_challenge_is_renamed_where_the_switch_says_so(renames: bool) -> None:
    order = {"result": {"statusCode": 401, "headers": {"www-authenticate": "Bearer"}, "cookies": ["a=1", "b=2"]}}
    with serving("http-api", renames_challenge=renames) as call:
        answer = call(order=order)
    assert answer.headers.get("x-amzn-remapped-www-authenticate" if renames else "www-authenticate") == "Bearer"
    assert ("www-authenticate" in answer.headers) is not renames
    assert answer.headers.get_list("set-cookie") == ["a=1", "b=2"]


@pytest.mark.parametrize("status", [503, 504])
def test_an_http_api_gives_up_while_the_function_goes_on(status: int) -> None:
    with serving(gateway_timeout_seconds=0.5, timeout_status=status, max_instances=1) as call:
        for order in ({}, {"sleep": 1}, {}):
            if order:
                assert call(order=order).status_code == status
            while not order and (answer := call()).status_code != 200:  # a start alone can take longer
                assert answer.status_code == status
    assert any("the function goes on" in line for line in call.lines)


def test_only_routes_of_the_template_answer() -> None:
    with serving(routes=["POST /mcp", "GET /mcp"], stage="prod") as call:
        assert call("/prod/mcp").status_code == 200
        for path, method in (("/mcp", "POST"), ("/prod/mcp", "DELETE"), ("/prod/other", "POST"), ("/prod", "GET")):
            refused = call(path, method=method)
            assert (refused.status_code, refused.json()) == (404, {"message": "Not Found"})


def test_more_calls_than_instances_wait_for_one() -> None:
    with serving(max_instances=2) as call, ThreadPoolExecutor(6) as pool:
        began = time.monotonic()
        calls = [pool.submit(call, order={"sleep": 0.4, "result": None}) for _ in range(6)]
        assert {answer.result().status_code for answer in calls} == {200}
        assert time.monotonic() - began >= 1.2
        assert call.lines == ["loading"] * 2


def test_each_instance_takes_one_call_at_a_time() -> None:
    with serving(max_instances=3) as call, ThreadPoolExecutor(3) as pool:
        pids = [answer.json()["pid"] for answer in pool.map(lambda _: call(order={"sleep": 0.5}), range(3))]
    assert len(set(pids)) == 3


@pytest.mark.parametrize("client", ["vendor", "portable"])
def test_both_runtime_clients_do_the_same(client: Any) -> None:
    with serving(client=client, timeout_seconds=2) as call:
        first = call.seen()
        assert first["event"]["version"] == "2.0"
        assert first["path"][0] == str(FUNCTION)
        assert len(first["request_id"]) == 36
        assert call(order={"raise": "inner detail"}).status_code == 500
        assert call.seen()["pid"] == first["pid"]
        assert call(order={"exit": 1}).status_code == 500
        assert call(order={"large": 6_291_600}).status_code == 502
        assert call(order={"sleep": 30}).status_code == 500
        assert call.seen()["pid"] != first["pid"]
        assert any("ValueError: inner detail" in line for line in call.lines)


@pytest.mark.parametrize("client", ["vendor", "portable"])
def test_a_function_that_does_not_load_says_why_in_its_last_line(tmp_path: Path, client: Any) -> None:
    broken = tmp_path / "broken"
    broken.touch()
    reason = "MCP_DOOR is not set; choose one of: platform, bearer, jwt."
    lines: list[str] = []
    edge = AwsEdge(
        kind="function-url",
        port=0,
        environment={"BROKEN": str(broken)},
        code=FUNCTION,
        python=sys.executable,
        log=lines.append,
        client=client,
    )
    with running(edge), httpx2.Client(base_url=f"http://127.0.0.1:{edge.port}", timeout=60, trust_env=False) as caller:
        assert (caller.get("/mcp").status_code, caller.get("/mcp").text) == (502, "Internal Server Error")
        assert reason in lines
        broken.unlink()
        assert caller.get("/mcp").status_code == 200


async def _warm(edge: AwsEdge) -> None:
    await edge.start()
    try:
        await edge.warm()
    finally:
        await edge.stop()


def test_warming_up_finds_what_does_not_load(tmp_path: Path) -> None:
    (tmp_path / "broken").touch()
    for environment, python, said in (
        ({"BROKEN": str(tmp_path / "broken")}, sys.executable, "MCP_DOOR is not set"),
        ({}, "/no/such/python", "/no/such/python"),
    ):
        given: dict[str, Any] = {
            "environment": environment,
            "python": python,
            "code": FUNCTION,
            "log": lambda line: None,
        }
        with pytest.raises(InitFailed, match=said):
            asyncio.run(_warm(AwsEdge(kind="function-url", port=0, **given)))


@pytest.mark.parametrize("client", ["vendor", "portable"])
def test_the_reason_is_the_functions_word_and_not_the_end_of_a_traceback(client: Any) -> None:
    lines: list[str] = []
    given: dict[str, Any] = {"environment": {}, "python": sys.executable, "code": FUNCTION, "log": lines.append}
    edge = AwsEdge(kind="function-url", port=0, handler="refuses.handler", client=client, **given)
    with pytest.raises(InitFailed, match="MCP_DOOR is not set") as caught:
        asyncio.run(_warm(edge))
    assert str(caught.value) == "MCP_DOOR is not set; choose one of: platform, bearer, jwt."
    assert any("Traceback" in line for line in lines)


@pytest.mark.parametrize(
    "given",
    [
        {"kind": "function-url", "authorizer_environment": {}, "token_guard_code": FUNCTION},
        {"kind": "function-url", "stage": "prod"},
        {"kind": "http-api", "authorizer_environment": {}},
    ],
)
def test_what_a_door_cannot_have_is_refused(given: Any) -> None:
    with pytest.raises(ValueError, match="authorizer"):
        AwsEdge(port=0, environment={}, code=FUNCTION, python=sys.executable, log=print, **given)


# --- Coming and going -------------------------------------------------------------------------------------------------


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def test_stopping_leaves_no_process_and_no_port() -> None:
    with serving(api_port=0) as call:
        pid = call.seen()["pid"]
        assert call.edge.secrets is not None
        ports = [call.edge.port, call.edge.secrets.port]
    until(lambda: gone(pid))
    for port in ports:
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", port)) != 0


def _working_in(folder: Path) -> list[Path]:
    """The processes whose working directory this is."""
    found = []
    for process in Path("/proc").glob("[0-9]*/cwd"):
        with suppress(OSError):  # it ended, or is somebody else's
            if process.readlink() == folder:
                found.append(process)
    return found


def test_a_restart_puts_new_code_into_effect_and_answers_the_calls_that_it_ends(tmp_path: Path) -> None:
    code = tmp_path / "aws_lambda.py"
    code.write_text("def handler(event, context):\n    return 'old'\n")
    lines: list[str] = []
    given: dict[str, Any] = {"environment": {}, "python": sys.executable, "code": tmp_path, "log": lines.append}
    edge = AwsEdge(kind="http-api", port=0, max_instances=2, **given)

    async def call() -> str:
        async with httpx2.AsyncClient(timeout=60, trust_env=False) as client:
            return str((await client.get(f"http://127.0.0.1:{edge.port}/mcp")).text)

    async def change() -> None:
        await edge.start()
        try:
            assert await call() == "old"
            code.write_text("import time\ndef handler(event, context):\n    time.sleep(1)\n    return 'new'\n")
            await edge.restart()
            under_way = [asyncio.create_task(call()) for _ in range(4)]
            await asyncio.to_thread(until, lambda: edge.function.busy)
            await edge.restart()
            assert set(await asyncio.gather(*under_way)) <= {"new", '{"message":"Internal Server Error"}'}
            assert await call() == "new"
        finally:
            await edge.stop()

    asyncio.run(change())
    assert _working_in(tmp_path) == []


def test_stopping_does_not_wait_for_a_call_under_way() -> None:
    with ThreadPoolExecutor(1) as pool:
        with serving() as call:
            call.seen()
            pool.submit(call, order={"sleep": 20}).add_done_callback(lambda done: done.exception())
            until(lambda: call.edge.function.busy)
            began = time.monotonic()
        assert time.monotonic() - began < 10


PARENT = """
import asyncio, sys
from pathlib import Path
from edges.aws import AwsEdge
async def main():
    code = Path(sys.argv[1])
    edge = AwsEdge(kind="function-url", port=0, environment={}, code=code, python=sys.executable, log=print)
    await edge.start()
    print("port", edge.port, flush=True)
    await asyncio.Event().wait()
asyncio.run(main())
"""


def test_instances_die_with_a_parent_that_was_killed() -> None:
    command = [sys.executable, "-c", PARENT, str(FUNCTION)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "scripts")}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        port = parent.stdout.readline().split()[1]
        pid = httpx2.get(f"http://127.0.0.1:{port}/mcp", timeout=60, trust_env=False).json()["pid"]
        os.kill(parent.pid, signal.SIGKILL)
    until(lambda: gone(pid))


@pytest.mark.parametrize("taken", ["port", "api_port"])
def test_a_taken_port_is_named_and_nothing_is_left(taken: str) -> None:
    with socket.socket() as owner:
        owner.bind(("127.0.0.1", 0))
        owner.listen()
        port = owner.getsockname()[1]
        given: dict[str, Any] = {"port": 0, "api_port": 0, taken: port}
        with pytest.raises(OSError, match=str(port)), serving(**given):
            pass


# --- The deployed entry points ----------------------------------------------------------------------------------------


def test_the_deployed_functions_run_behind_the_door() -> None:
    """Door `bearer` on AWS: document in Secrets Manager, authorizer, function, and a tool that knows who calls."""
    token = "mcp-" + "a" * 40
    document = {"tokens": [{"tokenName": "alice", "enable": True, "tokenData": token}]}
    functions = str(ROOT / "functions")
    api_port = free_port()
    with serving(
        api_port=api_port,
        code=ROOT / "functions/mcp_server",
        environment={"MCP_DOOR": "platform", "PYTHONPATH": functions},
        token_guard_code=ROOT / "functions/token_guard",
        authorizer_environment={
            "MCP_TOKENS": "aws://us-east-1/stack/tokens",
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{api_port}",
            "PYTHONPATH": functions,
        },
    ) as call:
        session = boto3.session.Session("local", "local", "local", "us-east-1")
        client = session.client("secretsmanager", endpoint_url=f"http://127.0.0.1:{api_port}")
        client.create_secret(Name="stack/tokens", SecretString=json.dumps(document))
        message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "whoami", "arguments": {}}}
        accept = {"accept": "application/json, text/event-stream", "mcp-protocol-version": "2025-11-25"}
        assert call(order=message, headers=accept).status_code == 401
        assert call(order=message, headers={**accept, "authorization": "Bearer nonsense"}).status_code == 403
        answer = call(order=message, headers={**accept, "authorization": f"Bearer {token}"})
        assert answer.status_code == 200, answer.text
        assert "alice" in answer.text
        assert not any(token in line for line in call.lines)
