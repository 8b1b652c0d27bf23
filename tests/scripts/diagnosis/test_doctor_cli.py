"""`scripts/doctor.py` as a person types it: what is on which stream, how it ends, and what it never shows."""

from __future__ import annotations

import io
import json
import os
import pty
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from diagnosis import arguments, causes
from diagnosis.checks import Check, Redactor
from diagnosis.rules import RULES
from edges.processes import free_port
from edges.serving import running
from flawed.correct import FORBIDDEN_TOOL, ORIGIN, TOKEN, Answer, Correct, Request
from flawed.flaws import EchoesTheToken, PathFormAlone, Static
from lifecycle.errors import UsageError

ROOT = Path(__file__).resolve().parents[3]
TOOL = ROOT / "scripts/doctor.py"
PAGE = ROOT / "docs/doctor.md"
ALL = ("--origin", ORIGIN, "--forbidden-tool", FORBIDDEN_TOOL)


def doctor(*given: str, stdin: str = "", python: tuple[str, ...] = (sys.executable,)) -> Any:
    """One run; a traceback is a defect whatever else happened."""
    done = subprocess.run([*python, str(TOOL), *given], input=stdin, capture_output=True, text=True, timeout=110)
    assert "Traceback" not in done.stderr
    if done.returncode:
        assert done.stderr.strip(), "a non-zero exit says why"
    return done


@pytest.fixture(scope="module")
def correct() -> Iterator[Correct]:
    with running(Correct()) as server:
        yield server


def test_a_right_server_is_0_on_python_alone(correct: Correct) -> None:
    done = doctor(correct.url, *ALL, stdin=TOKEN + "\n", python=(sys.executable, "-E", "-S"))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith("do not apply\n")
    assert "BROKEN" not in done.stdout
    assert "If a connector cannot log in" not in done.stdout


def test_json_is_as_documented(correct: Correct) -> None:
    done = doctor(correct.url, "--json", *ALL, stdin=TOKEN)
    report = json.loads(done.stdout)
    assert {*report} == {"url", "checks", "causes"}
    assert (report["url"], report["causes"]) == (correct.url, [])
    assert [check["id"] for check in report["checks"]] == [*RULES]
    for check in report["checks"]:
        assert {*check} == {"id", "level", "source", "what", "result", "verdict", "sent", "got", "advice"}
        assert check["level"] in ("MUST", "SHOULD", "INFO")
        assert check["result"] in ("pass", "fail", "skip")
    sample = json.loads(re.findall(r"```json\n(.*?)```", PAGE.read_text(), re.DOTALL)[0])
    assert {*sample} == {*report}
    assert {*sample["checks"][0]} == {*report["checks"][0]}


def test_the_exit_code_is_the_severity(correct: Correct) -> None:
    with running(PathFormAlone()) as server:  # a SHOULD
        assert doctor(server.url).returncode == 0
        assert doctor(server.url, "--strict").returncode == 1
    with running(EchoesTheToken()) as server:  # a MUST
        done = doctor(server.url)
    assert done.returncode == 1
    assert "BROKEN   leak.token" in done.stdout
    assert "failed: 1 of" in done.stderr


def test_nobody_there_is_3() -> None:
    done = doctor(f"http://127.0.0.1:{free_port()}/mcp", "--json")
    assert (done.returncode, json.loads(done.stdout)["checks"]) == (3, [])
    assert "Connection refused" in done.stderr


@pytest.mark.parametrize(
    ("given", "stdin", "said"),
    [
        (["ftp://127.0.0.1/mcp"], "", "no URL of an MCP endpoint"),
        (["127.0.0.1:8970/mcp"], "", "https:// is missing"),
        (["localhost:8970/mcp"], "", "https:// is missing"),
        (["user:hunter2hunter2@127.0.0.1/mcp"], "", "https:// is missing"),
        (["https://user:hunter2hunter2@127.0.0.1/mcp"], "", "no URL of an MCP endpoint"),
        (["https://127.0.0.1/mcp#a"], "", "no URL of an MCP endpoint"),
        (["https://127.0.0.1/m cp"], "", "no URL of an MCP endpoint"),
        (["https://[::1/mcp"], "", "no URL of an MCP endpoint"),
        (["http://mcp.example.com/mcp"], "", "in the clear"),
        (["http://127.0.0.1:9/mcp"], "Bearer hunter2hunter2\n", "no bearer token"),
        (["http://127.0.0.1:9/mcp", "--token-stdin"], "\n", "is empty"),
        (["http://127.0.0.1:9/mcp", "--timeout", "0"], "", "seconds"),
        (["http://127.0.0.1:9/mcp", "--origin", "https://a.example/"], "", "no origin"),
        (["http://127.0.0.1:9/mcp", "--ca-file", "/nowhere"], "", "--ca-file"),
        ([], "", "URL"),
    ],
)
def test_wrong_usage_is_2(given: list[str], stdin: str, said: str) -> None:
    done = doctor(*given, stdin=stdin)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert "hunter2" not in done.stderr


def test_a_run_without_end_is_3(correct: Correct) -> None:
    program = f"import sys; sys.path.insert(0, {str(TOOL.parent)!r}); import doctor; doctor.WHOLE_SECONDS = 0.05; "
    program += f"sys.exit(doctor.main([{correct.url!r}, '--json']))"
    done = subprocess.run([sys.executable, "-c", program], input="", capture_output=True, text=True, timeout=60)
    assert done.returncode == 3
    assert "no end" in done.stderr
    assert len(json.loads(done.stdout)["checks"]) in (0, len(RULES))


class Slow(Correct):
    """Answers once somebody lets it."""

    def __init__(self) -> None:
        super().__init__()
        self.reached = threading.Event()

    def answer(self, request: Request) -> Answer:
        self.reached.set()
        return Answer(None)


def test_ctrl_c_ends_it_without_a_trace() -> None:
    with running(Slow()) as server:
        process = subprocess.Popen(
            [sys.executable, str(TOOL), server.url],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        with process:
            assert server.reached.wait(60)
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (3, "")
    assert err == "stopped; nothing was changed anywhere\n"


def test_a_closed_pipe_ends_it_without_a_trace(correct: Correct) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as closed:
        done = subprocess.run(
            [sys.executable, str(TOOL), correct.url], stdin=subprocess.DEVNULL, stdout=closed, stderr=subprocess.PIPE,
            timeout=60,
        )  # fmt: skip
    assert (done.returncode, done.stderr) == (3, b"")


def test_progress_is_for_terminals_alone(correct: Correct) -> None:
    ours, theirs = pty.openpty()
    with os.fdopen(ours, "rb", buffering=0) as screen:
        subprocess.run(
            [sys.executable, str(TOOL), correct.url], input="", stdout=subprocess.PIPE, stderr=theirs, text=True
        )
        os.close(theirs)
        shown = b""
        with suppress(OSError):  # how the end of a terminal is told
            while piece := screen.read(4096):
                shown += piece
    assert f"2/{len(RULES)} door.kind".encode() in shown
    assert shown.endswith(b"\r\x1b[K")


# -- the token


def test_a_pipe_that_nobody_writes_to_does_not_hold_it_up(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(arguments, "WAIT_SECONDS", 0.1)
    reading, writing = os.pipe()
    with os.fdopen(reading) as stream, os.fdopen(writing, "w"):
        assert arguments.read_token(stream, insist=False) == ""
    assert "no token came on stdin" in capsys.readouterr().err


def test_the_first_line_is_the_token() -> None:
    assert arguments.read_token(io.StringIO("abc-._~+/==\nmore\n"), insist=False) == "abc-._~+/=="
    assert arguments.read_token(None, insist=False) == ""
    with pytest.raises(UsageError):
        arguments.read_token(None, insist=True)


@pytest.mark.parametrize(
    "shown",
    ["{token}", "{token!r} and {token}", "{upper}", "{url}", "{base64}", "{part}", "a{token}b"],
)
def test_no_piece_of_a_token_is_shown(shown: str) -> None:
    token = "A1b2-C3d4.E5f6~G7h8+I9j0/K1l2="
    forms = {
        "token": token,
        "upper": token.upper(),
        "url": "A1b2-C3d4.E5f6~G7h8%2BI9j0%2FK1l2%3D",
        "base64": "QTFiMi1DM2Q0LkU1ZjZ+RzdoOCtJOWowL0sxbDI9",
        "part": token[3:18],
    }
    redactor = Redactor()
    redactor.learn([token])
    text = redactor.clean(Check("leak.token", "fail", "broken", got=shown.format(**forms))).got
    assert "[token]" in text
    for form in forms.values():
        pieces = {form[at : at + 12].lower() for at in range(len(form) - 11)}
        assert not [piece for piece in pieces if piece in text.lower()]


def test_nothing_drives_the_terminal() -> None:
    check = Redactor().clean(Check("door.kind", "pass", "ok", got="a\x1b[2Jb\r\nc\u202e" + "x" * 1000))
    assert check.got.startswith("a\\x1b[2Jb\\x0d\\x0ac\\x202e")
    assert len(check.got) <= 400


def test_the_token_goes_nowhere_else() -> None:
    """To the endpoint alone: not to the issuer, not to the metadata."""
    with running(Correct()) as server:
        assert doctor(server.url, stdin=TOKEN).returncode == 0
        carried = [request for request in server.sent if TOKEN in repr((request.headers, request.query, request.body))]
    assert {request.path for request in carried} == {"/mcp"}
    assert len(server.sent) < 120, "no flood"


# -- the page


def test_the_page_has_every_rule_and_no_other() -> None:
    rows = re.findall(r"^\| `([a-z.0-9-]+)` \| (\w+) \| (.+?) \| (.+?) \|$", PAGE.read_text(), re.MULTILINE)
    assert rows == [(rule.id, rule.level, rule.what, rule.source) for rule in RULES.values()]
    assert f"as an OAuth 2.1 resource server: {len(RULES)} rules" in PAGE.read_text()


def test_the_page_has_the_help() -> None:
    assert doctor("--help").returncode == 0
    told = PAGE.read_text()
    for option in ("--json", "--strict", "--token-stdin", "--origin", "--forbidden-tool", "--timeout", "--ca-file"):
        assert f"`{option}" in told, option


def test_every_cause_points_to_rules_and_stands_on_the_page() -> None:
    told = " ".join(PAGE.read_text().split())
    for cause in [*causes.CAUSES, causes.NO_REGISTRATION]:
        assert {*cause.checks} <= {*RULES}
        assert cause.cause in told
        assert cause.fix in told


def test_a_cause_is_named_for_a_login_that_cannot_begin() -> None:
    class Slash(Correct):
        def metadata(self, request: Request) -> dict[str, Any]:
            return {**super().metadata(request), "resource": self.url + "/"}

    with running(Slash()) as server:
        done = doctor(server.url)
    assert "If a connector cannot log in: The resource is not the URL that the client has" in done.stdout
    assert "Only the slash at the end differs" in done.stdout


def test_a_static_door_is_told_what_to_do() -> None:
    with running(Static()) as server:
        done = doctor(server.url)
    assert done.returncode == 0
    assert "configure the clients with the header Authorization" in done.stdout
