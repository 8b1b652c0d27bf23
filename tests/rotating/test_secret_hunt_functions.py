"""Hunt for secrets in what the functions log at DEBUG, while callers come, services fail and code breaks.

Each run is a process of its own that calls the deployed handlers, and logs what they raise as the platforms do.
"""

from __future__ import annotations

import http.client
import json
import signal
import subprocess
import sys
import threading
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

import pytest

from aws.mcp_events import event
from edges.processes import free_port
from support.hunted_places import CLIENT_SECRET, REGION, SECRET, Fail, Places, StoreKind, places
from support.hunting import HOOK, make_folders, watch
from support.hunts import DISABLED, FOREIGN, NOISY, Caught, aged, at_once, leaks
from support.mcp import call, headers, message
from support.oss import ADDRESS as OSS_ADDRESS

FUNCTIONS = Path(__file__).resolve().parents[2] / "functions"
STRANGER = "Wr0ng~Tk9+Lq2/Xv5=Bn8.Cm1-Dp4Fr7Gs3H"  # a token that somebody sends and nobody knows
STEPS = ("createSecret", "setSecret", "testSecret", "finishSecret")
AWS_SDK, FC_SDK = "botocore.client:BaseClient._make_api_call", "darabonba.core:DaraCore.do_action"
Function = Literal["aws_authorizer", "aws_rotation", "fc_rotation", "aws_lambda"]


@dataclass(frozen=True)
class Run:
    """One function, and what goes wrong: a fault of its service, or a call that raises what it has seen."""

    function: Function
    store: StoreKind
    fail: Fail = lambda kind, number: None
    defect: str = ""
    well: int = 0  # answers at the least, so that a function that does nothing does not pass


def fails(wanted: str, fault: str) -> Fail:
    return lambda kind, number: fault if kind == wanted else None


RUNS = {
    "authorizer": Run("aws_authorizer", "aws", well=6),
    "authorizer, denied": Run("aws_authorizer", "aws", fails("read", "denied"), well=6),
    "authorizer, quoted": Run("aws_authorizer", "aws", fails("read", "echo"), well=6),
    "authorizer, truncated": Run("aws_authorizer", "aws", fails("read", "truncated"), well=6),
    "authorizer, its SDK breaks": Run("aws_authorizer", "aws", defect=f"{AWS_SDK} RuntimeError", well=6),
    "authorizer, its code breaks": Run("aws_authorizer", "aws", defect="mcp_faas.auth.bearer:identify RuntimeError"),
    "aws_rotation": Run("aws_rotation", "aws", well=4),
    "aws_rotation, denied": Run("aws_rotation", "aws", fails("write", "denied")),
    "aws_rotation, quoted": Run("aws_rotation", "aws", fails("write", "echo")),
    "aws_rotation, its SDK breaks": Run("aws_rotation", "aws", defect=f"{AWS_SDK} RuntimeError"),
    "aws_rotation, its code breaks": Run("aws_rotation", "aws", defect="mcp_faas.tokens:from_object RuntimeError"),
    "aws_rotation, a wrong value": Run("aws_rotation", "aws", defect="mcp_faas.tokens:from_object ValueError"),
    "fc_rotation": Run("fc_rotation", "fc", well=1),
    "fc_rotation, denied": Run("fc_rotation", "fc", fails("write", "denied")),
    "fc_rotation, quoted": Run("fc_rotation", "fc", fails("write", "echo")),
    "fc_rotation, its SDK breaks": Run("fc_rotation", "fc", defect=f"{FC_SDK} RuntimeError"),
    "fc_rotation, its code breaks": Run("fc_rotation", "fc", defect="mcp_faas.tokens:from_object RuntimeError"),
    "fc_rotation, a wrong value": Run("fc_rotation", "fc", defect="mcp_faas.tokens:from_object ValueError"),
    "server on Lambda": Run("aws_lambda", "aws", well=6),
    "server on Lambda, code breaks": Run("aws_lambda", "aws", defect="mcp_faas.doors:identify RuntimeError", well=6),
    "server on Lambda, quoted": Run("aws_lambda", "aws", fails("read", "echo"), well=6),
}


@dataclass
class Logged:
    """What a run showed, with the secrets in it, and how many events it had."""

    caught: Caught
    events: int


def hunt(run: Run, folder: Path) -> Logged:
    folders = make_folders(folder)
    with places(run.store, folders["work"] / "tokens.json") as around:
        old = aged(timedelta(days=40), timedelta(days=40))
        around.store.put({"tokens": [each.dump() for each in (FOREIGN, DISABLED, old)]})
        events = [json.dumps(each) for each in EVENTS[run.function](around, (old.data, FOREIGN.data, STRANGER))]
        around.store.fail = run.fail
        environment = {
            **surroundings(around),
            "PYTHONPATH": f"{HOOK}:{FUNCTIONS}:{FUNCTIONS / 'token_guard'}:{FUNCTIONS / 'mcp_server'}",
            **({"HUNT_DEFECT": run.defect} if run.defect else {}),
        }
        program = [sys.executable, str(HOOK / "run_handler.py"), run.function]
        seen = watch(program, folder, environment, stdin="\n".join(events) + "\n")
        secrets = {FOREIGN.data, DISABLED.data, old.data, STRANGER, *around.shown()}
    return Logged(Caught(seen, secrets), len(events))


@pytest.fixture(scope="module")
def hunted(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    with at_once(request, tmp_path_factory, test_no_secret_is_logged.__name__, RUNS, hunt) as runs:
        yield runs


@pytest.mark.parametrize("name", RUNS)
def test_no_secret_is_logged(hunted: dict[str, Future[Logged]], name: str, cases: Counter[str]) -> None:
    logged = hunted[name].result()
    seen = logged.caught.seen
    assert seen.exit == 0, seen.stderr
    answers = seen.stdout.count("\nanswer ") + seen.stdout.startswith("answer ")
    assert answers >= RUNS[name].well, seen.stderr
    if not RUNS[name].well:
        assert seen.stderr.strip(), "a failure is told"
    assert leaks(logged.caught) == []
    cases["secret hunt in functions"] += logged.events


def surroundings(around: Places) -> dict[str, str]:
    """The settings of all functions together."""
    deliver = OSS_ADDRESS if around.store.address.startswith("fc") else f"aws://{REGION}/{CLIENT_SECRET}"
    return {
        **around.environment,
        **NOISY,
        "MCP_LOG_LEVEL": "DEBUG",
        "MCP_DOOR": "bearer",
        "MCP_TOKENS": around.store.address,
        "MCP_PUBLIC_URL": "http://127.0.0.1/mcp",
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "ROTATION_DELIVER": deliver,
        "ROTATION_FC_ENDPOINT": around.environment.get("FC_ENDPOINT", ""),
    }


def of_authorizer(around: Places, tokens: tuple[str, ...]) -> list[Any]:
    values = [*(f"Bearer {token}" for token in tokens), f"Bearer {tokens[0]} {tokens[1]}", tokens[0]]
    return [*({"headers": {"authorization": value}} for value in values), {"headers": None}]


def of_rotation(around: Places, tokens: tuple[str, ...]) -> list[Any]:
    secrets, version = around.aws.manager.region(REGION), str(uuid.uuid4())
    secrets.rotate_secret({"SecretId": SECRET, "RotationLambdaARN": "arn:f", "ClientRequestToken": version})
    common = {"SecretId": SECRET, "ClientRequestToken": version, "RotationToken": str(uuid.uuid4())}
    return [{"Step": step, **common} for step in STEPS]


def of_server(around: Places, tokens: tuple[str, ...]) -> list[Any]:
    """Requests that carry tokens where they belong, and where they do not."""
    sent, body = headers("tools/list"), message("tools/list").decode()
    told = message("tools/call", call(tokens[0], {"text": tokens[0]})).decode()
    made = [event(headers={**sent, "authorization": f"Bearer {token}"}, body=body) for token in tokens]
    made.append(event(headers={**sent, "authorization": f"Bearer {tokens[0]}"}, body=told))
    made.append(event(headers={**sent, "cookie": f"token={tokens[1]}", "x-api-key": tokens[1]}, body=body))
    in_query = event(headers=sent, body=body)
    return [*made, {**in_query, "rawQueryString": f"access_token={tokens[1]}"}]


EVENTS: dict[Function, Callable[[Places, tuple[str, ...]], list[Any]]] = {
    "aws_authorizer": of_authorizer,
    "aws_rotation": of_rotation,
    "fc_rotation": lambda around, tokens: [{"triggerTime": "2026-11-22T07:49:00Z"}],
    "aws_lambda": of_server,
}


def test_the_web_function_logs_no_secret(tmp_path: Path, cases: Counter[str]) -> None:
    folders = make_folders(tmp_path)
    with places("file", folders["work"] / "tokens.json") as around:
        old = aged(timedelta(days=40), timedelta(days=40))
        around.store.put({"tokens": [each.dump() for each in (FOREIGN, DISABLED, old)]})
        port = free_port()
        environment = {
            **surroundings(around),
            "PYTHONPATH": f"{HOOK}:{FUNCTIONS}:{FUNCTIONS / 'mcp_server'}",
            "FC_SERVER_PORT": str(port),
        }
        statuses: list[int] = []

        def visit(process: subprocess.Popen[bytes]) -> None:
            threading.Thread(target=visits, args=(process, port, (old.data, FOREIGN.data, STRANGER), statuses)).start()

        seen = watch([sys.executable, "-m", "alibaba_fc"], tmp_path, environment, started=visit)
    assert statuses == [200, 200, 401, 401, 401, 401, 200], seen.stderr
    assert seen.stdout.count('"audit":') == len(statuses)
    assert leaks(Caught(seen, {FOREIGN.data, DISABLED.data, old.data, STRANGER})) == []
    cases["secret hunt in functions"] += len(statuses)


def visits(process: subprocess.Popen[bytes], port: int, tokens: tuple[str, ...], statuses: list[int]) -> None:
    """Callers with tokens in all places, as soon as the server answers; then it is stopped."""
    sent, body = headers("tools/list"), message("tools/list")
    told = message("tools/call", call(tokens[0], {"text": tokens[0]}))
    try:
        while process.poll() is None and not answers(port):
            pass
        for token in tokens:
            statuses.append(ask(port, {**sent, "authorization": f"Bearer {token}"}, body))
        statuses.append(ask(port, {**sent, "authorization": f"Basic {tokens[1]}"}, body))
        statuses.append(ask(port, {**sent, "cookie": f"token={tokens[1]}"}, body))
        statuses.append(ask(port, sent, body, f"/mcp?access_token={tokens[1]}"))
        statuses.append(ask(port, {**sent, "authorization": f"Bearer {tokens[0]}"}, told))
    finally:
        process.send_signal(signal.SIGTERM)


def answers(port: int) -> bool:
    try:
        return ask(port, {}, b"", "/healthz", "GET") == 200
    except OSError:
        return False


def ask(port: int, sent: dict[str, str], body: bytes, target: str = "/mcp", method: str = "POST") -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request(method, target, body, sent)
        answer = connection.getresponse()
        answer.read()
        return answer.status
    finally:
        connection.close()
