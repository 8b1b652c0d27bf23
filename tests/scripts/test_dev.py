"""`make run`, started as a person starts it, from a copy of the source so that nothing here is touched."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import httpx2
import pytest
import yaml

from edges.processes import free_ports
from local.doors import (
    AWS_METADATA_ROUTES,
    AWS_OPEN_ROUTES,
    AWS_ROUTES,
    AWS_TIMEOUT_SECONDS,
    FC_INSTANCE_CONCURRENCY,
    FC_METHODS,
    FC_TIMEOUT_SECONDS,
    OAUTH_METHODS,
    OAUTH_ROUTES,
)
from mcp_faas.stores import Access, open_store

ROOT = Path(__file__).parents[2]
PATIENCE_SECONDS = 90.0  # for a start on a busy machine
STOP_SECONDS = 3.0  # what is promised
AllEnd = Callable[[Iterable[int], float], bool]
LIST_TOOLS = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
ACCEPT = {"Accept": "application/json, text/event-stream"}
PLACES = [
    ["--cloud", "fc", "--door", "bearer"],
    ["--cloud", "fc", "--door", "jwt"],
    ["--cloud", "aws", "--door", "bearer"],
    ["--cloud", "aws", "--door", "jwt"],
    ["--cloud", "aws", "--door", "jwt", "--front", "http-api"],
]


def copy_of_source(folder: Path) -> Path:
    for name in ("functions", "scripts"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy_of_source(tmp_path_factory.mktemp("source"))


class Run:
    """One running `dev.py`: what it said, who it started, how it ended."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.out: list[str] = []
        self.err: list[str] = []
        self._news = threading.Condition()
        self._readers = [
            threading.Thread(target=self._read, args=(stream, lines), daemon=True)
            for stream, lines in ((process.stdout, self.out), (process.stderr, self.err))
        ]
        for reader in self._readers:
            reader.start()

    def _read(self, stream: Any, lines: list[str]) -> None:
        for line in stream:
            with self._news:
                lines.append(line.rstrip("\n"))
                self._news.notify_all()
        with self._news:
            self._news.notify_all()

    def hears(self, pattern: str, seconds: float = PATIENCE_SECONDS) -> str:
        """The first line so far, or the next one, on stdout or stderr that has this in it."""

        def found() -> str | None:
            return next((line for line in self.out + self.err if re.search(pattern, line)), None)

        with self._news:
            self._news.wait_for(lambda: found() or not any(r.is_alive() for r in self._readers), seconds)
            line = found()
        assert line is not None, f"no {pattern!r} in {self.out + self.err}"
        return line

    def ready(self) -> Run:
        self.hears("Ctrl-C stops it")
        self.hears("mcpServers")  # the end of what it prints on stdout, which is another stream
        return self

    @property
    def url(self) -> str:
        return self.out[0].removeprefix("ready ")

    @property
    def token_file(self) -> Path:
        return Path(self.out[1].removeprefix("token "))

    @property
    def token(self) -> str:
        return self.token_file.read_text().removesuffix("\n")

    def tools(self, token: str | None = None, **headers: str) -> httpx2.Response:
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        with httpx2.Client(trust_env=False, timeout=60) as client:
            answer: httpx2.Response = client.post(self.url, json=LIST_TOOLS, headers={**ACCEPT, **headers})
        return answer

    def descendants(self) -> list[int]:
        listing = subprocess.run(["ps", "-eo", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
        pairs = [tuple(map(int, line.split())) for line in listing.splitlines()]
        found = [self.process.pid]
        for parent in found:
            found += [pid for pid, ppid in pairs if ppid == parent]
        return found

    def ports(self) -> list[int]:
        return [int(found) for line in self.out + self.err for found in re.findall(r"http://127\.0\.0\.1:(\d+)", line)]

    def ends(self, seconds: float = STOP_SECONDS) -> int:
        code = self.process.wait(seconds)
        for reader in self._readers:
            reader.join(5)
        return code


@contextmanager
def started(source: Path, *arguments: str, **environment: str) -> Iterator[Run]:
    command = [sys.executable, str(source / "scripts/dev.py"), *arguments]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
        start_new_session=True,
    )
    with process:
        try:
            yield Run(process)
        finally:
            if process.poll() is None:
                process.kill()


def refused(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 5).close()
    except ConnectionRefusedError:
        return True
    return False


# -- what it promises


@pytest.mark.parametrize("place", PLACES, ids=lambda place: "-".join(place[1::2]))
def test_it_is_ready_and_locked_and_leaves_nothing(source: Path, place: list[str], all_end: AllEnd) -> None:
    with started(source, "--port", "0", *place) as run:
        run.hears("^token ")
        token = run.token
        # at this moment, without another try
        assert run.tools(token).status_code == 200
        assert run.tools().status_code in (401, 403)
        assert run.tools(token + "x").status_code in (401, 403)
        run.ready()
        assert re.fullmatch(r"ready http://127\.0\.0\.1:\d+/mcp", run.out[0])
        assert run.out[1].startswith("token /")
        assert stat.S_IMODE(run.token_file.stat().st_mode) == 0o600
        assert stat.S_IMODE(run.token_file.parent.stat().st_mode) == 0o700
        assert run.token_file.read_text() == token + "\n"
        assert run.token_file.parent == source / ".run"
        processes, ports = run.descendants(), run.ports()
        assert len(processes) > 2
        assert len(set(ports)) >= 2
        run.process.send_signal(signal.SIGINT)
        assert run.ends() == 0
        assert all_end(processes, STOP_SECONDS)
        assert all(map(refused, ports))
        assert not run.token_file.exists()  # of a port that was chosen by chance
        assert not [line for line in run.out + run.err if token in line]
        assert not [line for line in run.err if "Traceback" in line]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
@pytest.mark.parametrize("cloud", ["fc", "aws"])
def test_however_it_ends_nothing_is_left(source: Path, cloud: str, number: signal.Signals, all_end: AllEnd) -> None:
    with started(source, "--port", "0", "--cloud", cloud) as run:
        processes, ports = run.ready().descendants(), run.ports()
        run.process.send_signal(number)
        assert run.ends() == (-9 if number == signal.SIGKILL else 0)
        assert all_end(processes, STOP_SECONDS)
        assert all(map(refused, ports))


def test_it_can_be_stopped_while_it_starts(source: Path, all_end: AllEnd) -> None:
    with started(source, "--port", "0", "--door", "jwt") as run:
        run.hears("^run: starting")
        processes = run.descendants()
        run.process.send_signal(signal.SIGINT)
        run.process.send_signal(signal.SIGINT)  # somebody impatient
        assert run.ends() == 0
        assert all_end(processes, STOP_SECONDS)
        assert run.out == []


def test_an_open_stream_does_not_hold_it_up(source: Path) -> None:
    with started(source, "--port", "0", MCP_SSE="on") as run:
        run.ready()
        headers = {"Authorization": f"Bearer {run.token}"}
        address = run.url.removesuffix("/mcp") + "/sse"
        with httpx2.Client(trust_env=False) as client, client.stream("GET", address, headers=headers) as stream:
            assert stream.status_code == 200
            assert next(stream.iter_raw())
            run.process.send_signal(signal.SIGINT)
            assert run.ends() == 0


def test_the_printed_curl_command_works(source: Path) -> None:
    with started(source, "--port", "0") as run:
        command = next(line for line in run.ready().out if line.startswith("curl "))
        answer = subprocess.run(["sh", "-c", command], capture_output=True, text=True, timeout=60)
        assert "whoami" in [tool["name"] for tool in json.loads(answer.stdout)["result"]["tools"]]
        assert run.token not in command


def test_the_token_of_a_port_stays_good_from_one_run_to_the_next(tmp_path: Path) -> None:
    source = copy_of_source(tmp_path)
    port = str(free_ports(3)[0])

    def token_of_a_run() -> str:
        with started(source, "--port", port) as run:
            token = run.ready().token
            assert run.tools(token).status_code == 200
            run.process.send_signal(signal.SIGINT)
            assert run.ends() == 0
            assert run.token_file.exists()
            return token

    token = token_of_a_run()
    assert token_of_a_run() == token
    file = tmp_path / ".run" / f"bearer-{port}.token"
    file.chmod(0o644)  # somebody else may have read it
    other = token_of_a_run()
    assert other != token
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    file.write_text("not one of ours\n")
    assert token_of_a_run() not in (token, other, "not one of ours")


def test_the_official_sdks_reach_the_tokens(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "local")
    for cloud in ("fc", "aws"):
        with started(source, "--port", "0", "--cloud", cloud) as run:
            hint = run.hears("rotate its token with").split()
            (endpoint,) = [word.partition("=")[2] for word in hint if "ENDPOINT" in word]
            monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
            (address,) = [word for word in hint if re.match("(fc|aws)://", word)]
            document = open_store(address, Access(fc_endpoint=endpoint)).read().document
            assert [token.data for token in document.tokens] == [run.token]
            assert f"file:{run.token_file}" in hint


# -- what is around it


@pytest.mark.parametrize("place", [PLACES[1], PLACES[2]], ids=["fc-jwt", "aws-bearer"])
def test_proxies_and_debugging_in_the_environment_change_nothing(source: Path, place: list[str]) -> None:
    dead = "http://127.0.0.1:9"
    proxies = {name: dead for upper in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY") for name in (upper, upper.lower())}
    more = {"DEBUG": "sdk", "MCP_LOG_LEVEL": "DEBUG", "MCP_DOOR": "nonsense", "MCP_JWT_AUDIENCE": "other"}
    with started(source, "--port", "0", *place, **proxies, **more) as run:
        token = run.ready().token
        assert run.hears("does not get").startswith("run: the function does not get MCP_DOOR, MCP_JWT_AUDIENCE of your")
        assert run.tools(token).status_code == 200
        run.process.send_signal(signal.SIGINT)
        assert run.ends() == 0
        assert not [line for line in run.out + run.err if token in line or token.rpartition(".")[2] in line]


def test_the_users_own_settings_reach_the_function(source: Path) -> None:
    origin = "https://app.example.com"
    with started(source, "--port", "0", "--door", "jwt", MCP_ALLOWED_ORIGINS=origin) as run:
        token = run.ready().token
        assert run.tools(token, Origin=origin).status_code == 200
        assert run.tools(token, Origin="https://evil.example").status_code == 403


@pytest.mark.parametrize("offset", [0, 1, 2])
def test_a_taken_port_is_one_sentence(source: Path, offset: int) -> None:
    ports = free_ports(3)
    taken = socket.create_server(("127.0.0.1", ports[offset]))
    with taken, started(source, "--port", str(ports[0]), "--door", "jwt") as run:
        assert run.ends(PATIENCE_SECONDS) == 1
    assert re.search(rf"port {ports[offset]}: Address already in use.*PORT=", run.err[-1])
    assert run.out == []
    assert not [line for line in run.err if "Traceback" in line]


def test_a_second_run_on_a_port_leaves_the_token_of_the_first(tmp_path: Path) -> None:
    source = copy_of_source(tmp_path)
    arguments = ("--port", str(free_ports(3)[0]), "--door", "jwt")
    with started(source, *arguments) as run:
        token = run.ready().token
        with started(source, *arguments) as second:
            assert second.ends(PATIENCE_SECONDS) == 1
        assert run.token == token
        run.process.send_signal(signal.SIGINT)
        assert run.ends() == 0
        assert not run.token_file.exists()


@pytest.mark.parametrize("cloud", ["fc", "aws"])
def test_a_wrong_setting_is_quoted(source: Path, cloud: str, all_end: AllEnd) -> None:
    with started(source, "--port", "0", "--cloud", cloud, MCP_LOG_LEVEL="LOUD") as run:
        processes = run.descendants()
        assert run.ends(PATIENCE_SECONDS) == 1
        assert all_end(processes, STOP_SECONDS)
    assert re.match(r'run: the server did not start: .*MCP_LOG_LEVEL is "LOUD"; choose one of', run.err[-1])
    assert run.out == []


def test_a_server_that_lets_nobody_in_is_not_called_ready(source: Path) -> None:
    with started(source, "--port", "0", MCP_SCOPES="nobody:has:it") as run:
        assert run.ends(PATIENCE_SECONDS) == 1
    assert "answered 403 to the holder of its token" in run.err[-1]
    assert run.out == []


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--cloud", "gcp"], 'CLOUD is "gcp"; choose one of: fc, aws.'),
        (["--door", "open"], 'DOOR is "open"; choose one of: bearer, jwt, oauth.'),
        (
            ["--cloud", "aws", "--door", "oauth", "--front", "function-url"],
            "A Function URL leads to one function, and DOOR=oauth has two; with it FRONT is http-api.",
        ),
        (["--port", "http"], 'PORT is "http"; it must be a number from 1 to 65533, or 0 for any free port.'),
        (["--port", "65534"], 'PORT is "65534"; it must be a number from 1 to 65533, or 0 for any free port.'),
        (["--cloud", "aws", "--front", "alb"], 'FRONT is "alb"; choose one of: http-api, function-url.'),
        (["--front", "http-api"], "FRONT is for CLOUD=aws; leave it out."),
        (
            ["--cloud", "aws", "--front", "function-url"],
            "A Function URL cannot check a token; with DOOR=bearer FRONT is http-api.",
        ),
        (["--doors"], "unrecognized arguments: --doors"),
    ],
)
def test_wrong_usage_is_one_sentence(source: Path, arguments: list[str], sentence: str) -> None:
    done = subprocess.run([sys.executable, str(source / "scripts/dev.py"), *arguments], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"run: {sentence}\n")


@pytest.mark.parametrize("cloud", ["fc", "aws"])
def test_a_change_of_tools_takes_effect(tmp_path: Path, cloud: str) -> None:
    source = copy_of_source(tmp_path)
    tools = source / "functions/mcp_server/tools.py"
    working = tools.read_text()
    with started(source, "--port", "0", "--cloud", cloud) as run:
        token = run.ready().token
        assert "brand_new" not in run.tools(token).text
        tools.write_text("this is no Python\n")
        run.hears("tools.py changed")
        assert re.search("(?i)syntax", run.hears("did not start"))
        assert run.tools(token).status_code >= 400
        tools.write_text(working + "\n\n@server.tool()\nasync def brand_new() -> str:\n    return 'new'\n")
        run.hears("run: restarted")
        assert "brand_new" in run.tools(token).text


# -- what keeps it so


def test_the_stand_ins_are_configured_like_the_templates() -> None:
    functions = yaml.safe_load((ROOT / "s.yaml").read_text())["resources"].values()
    web = [one["props"] for one in functions if "customRuntimeConfig" in one["props"]]
    assert web
    for props in web:
        assert (props["timeout"], props["instanceConcurrency"]) == (FC_TIMEOUT_SECONDS, FC_INSTANCE_CONCURRENCY)
    bearer, jwt, oauth = (
        trigger["triggerConfig"]["methods"]
        for props in web
        for trigger in props.get("triggers", [])
        if trigger["triggerType"] == "http"
    )
    assert {"bearer": tuple(bearer), "jwt": tuple(jwt), "oauth": tuple(jwt)} == FC_METHODS
    assert tuple(oauth) == OAUTH_METHODS
    template = (ROOT / "template.yaml").read_text()
    assert set(re.findall(r"RouteKey: ([A-Z]+ /[a-z./-]*)", template)) == {
        *AWS_ROUTES,
        *AWS_OPEN_ROUTES,
        *AWS_METADATA_ROUTES,
        *(f"{method} {path}" for path, methods in OAUTH_ROUTES.items() for method in methods if "/login" not in path),
    }
    assert re.search(rf"Timeout:\n +Type: Number\n +Default: {AWS_TIMEOUT_SECONDS:g}\n", template)


def test_the_readme_says_how_many_packages_that_is() -> None:
    lock = (ROOT / "requirements/run.txt").read_text().splitlines()
    count = sum(1 for line in lock if line[:1].isalnum())
    assert f"setup: installing up to {count} locked packages into .venv" in (ROOT / "README.md").read_text()


def test_it_needs_nothing_but_the_packages_of_make_run() -> None:
    program = "import sys, dev; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "scripts")}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment, check=True)
    lock = (ROOT / "requirements/run.txt").read_text()
    locked = {name.lower().replace("_", "-") for name in re.findall(r"^([A-Za-z0-9_.-]+)==", lock, re.MULTILINE)}
    modules = set(done.stdout.split())
    used = {
        distribution.metadata["Name"].lower().replace("_", "-")
        for distribution in distributions()
        if modules & {Path(file.parts[0]).stem for file in distribution.files or ()}
    }
    assert "uvicorn" in used
    assert used - locked <= {"setuptools", "pip"}  # which come with the interpreter
