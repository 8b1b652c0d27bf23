"""`scripts/tokens.py` as a person types it: what is on which stream, and how it ends."""

from __future__ import annotations

import importlib
import json
import os
import re
import shlex
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from lifecycle import clients
from mcp_faas.tokens import from_object, has_our_shape, is_ours, mint
from rotating.clock import FastClock
from rotating.services import FcService, service

ROOT = Path(__file__).resolve().parents[2]
TOOL = ROOT / "scripts" / "tokens.py"
FOREIGN = {"tokenName": "printer", "enable": True, "tokenData": "foreign-" + "v" * 40, "note": [1]}
TOKEN = re.compile(r"mcpt-[0-9A-Za-z]{43}-[0-9A-Za-z]{6}")
COMMANDS = ("mint", "list", "rotate", "revoke", "rollback", "verify", "config", "jwt")


def tokens(*arguments: object, stdin: str = "", python: tuple[str, ...] = (sys.executable,), **environment: str) -> Any:
    """One run; a traceback is a defect whatever else happened."""
    done = subprocess.run(
        [*python, str(TOOL), *map(str, arguments)],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=130,
        env={**os.environ, **environment},
    )
    assert "Traceback" not in done.stderr
    if done.returncode:
        assert done.stderr.strip(), "a non-zero exit says why"
    return done


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A document with one foreign token."""
    found = tmp_path / "tokens.json"
    found.write_text(json.dumps({"tokens": [FOREIGN], "kept": {"deep": 1}}))
    found.chmod(0o600)
    return found


def entries(path: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(path.read_text())["tokens"]
    return found


def ours(path: Path) -> list[str]:
    return [token.data for token in from_object(json.loads(path.read_text())).tokens if is_ours(token)]


def name_of(path: Path, data: str) -> str:
    return next(str(entry["tokenName"]) for entry in entries(path) if entry["tokenData"] == data)


# mint


def test_mint_prints_one_line_and_nothing_else_on_python_alone() -> None:
    done = tokens("mint", python=(sys.executable, "-E", "-S"))
    assert (done.returncode, done.stderr) == (0, "")
    assert re.fullmatch(TOKEN.pattern + "\n", done.stdout)
    assert has_our_shape(done.stdout.strip())


def test_mint_document_is_one_line_of_json_that_is_a_document() -> None:
    done = tokens("mint", "--document")
    assert done.stdout.count("\n") == 1
    (token,) = from_object(json.loads(done.stdout)).tokens
    assert is_ours(token)
    assert token.enabled


def test_mint_with_an_address_stores_and_shows(path: Path) -> None:
    done = tokens("mint", f"file:{path}")
    assert ours(path) == [done.stdout.strip()]
    assert entries(path)[0] == FOREIGN


def test_mint_begins_a_file(tmp_path: Path) -> None:
    new = tmp_path / "new.json"
    done = tokens("mint", f"file:{new}")
    assert ours(new) == [done.stdout.strip()]
    assert stat.S_IMODE(new.stat().st_mode) == 0o600


# rotate and what is delivered


def test_rotate_shows_the_token_alone_on_stdout(path: Path) -> None:
    done = tokens("rotate", f"file:{path}")
    assert [done.stdout] == [f"{ours(path)[0]}\n"]
    assert not TOKEN.search(done.stderr)
    again = tokens("rotate", f"file:{path}")
    assert (again.returncode, again.stdout) == (0, "")


def test_with_deliver_nothing_is_shown(path: Path, tmp_path: Path) -> None:
    sink = tmp_path / "token"
    done = tokens("rotate", f"file:{path}", "--deliver", f"file:{sink}", "--json")
    assert not TOKEN.search(done.stdout + done.stderr)
    assert json.loads(done.stdout)["changed"] is True
    assert sink.read_text() == ours(path)[0] + "\n"
    assert stat.S_IMODE(sink.stat().st_mode) == 0o600


def test_a_second_host_gets_what_the_first_made_and_nothing_is_written(path: Path, tmp_path: Path) -> None:
    tokens("rotate", f"file:{path}", "--deliver", f"file:{tmp_path / 'one'}")
    before = path.stat().st_ino, path.read_bytes()
    tokens("rotate", f"file:{path}", "--deliver", f"file:{tmp_path / 'two'}")
    assert (tmp_path / "one").read_text() == (tmp_path / "two").read_text()
    assert (path.stat().st_ino, path.read_bytes()) == before


def test_env_keeps_the_other_lines(path: Path, tmp_path: Path) -> None:
    dotenv = tmp_path / ".env"
    dotenv.write_text("A=1\nexport MCP_TOKEN='old'\n# end\n")
    tokens("rotate", f"file:{path}", "--deliver", f"env:{dotenv}")
    assert dotenv.read_text() == f"A=1\nexport MCP_TOKEN={ours(path)[0]}\n# end\n"
    assert stat.S_IMODE(dotenv.stat().st_mode) == 0o600


def test_github_output_is_masked_first(path: Path, tmp_path: Path) -> None:
    output = tmp_path / "output"
    done = tokens("rotate", f"file:{path}", "--deliver", "github-output", GITHUB_OUTPUT=str(output))
    (token,) = ours(path)
    assert done.stdout == f"::add-mask::{token}\n"
    assert output.read_text() == f"token={token}\n"


def test_a_delivery_that_fails_stops_before_the_old_token(path: Path, tmp_path: Path) -> None:
    first = tokens("mint", f"file:{path}").stdout.strip()
    time.sleep(1.1)
    nowhere = tmp_path / "none" / "token"
    done = tokens("rotate", f"file:{path}", "--max-age", "1s", "--overlap", "0s", "--deliver", f"file:{nowhere}")
    assert done.returncode == 1
    assert "run the same command again" in done.stderr
    assert {entry["tokenData"]: entry["enable"] for entry in entries(path)}[first] is True
    assert not TOKEN.search(done.stderr + done.stdout)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no device that is always full")
def test_a_full_disk_under_stdout_is_a_failed_delivery(path: Path) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, str(TOOL), "rotate", f"file:{path}"], stdout=full, stderr=subprocess.PIPE, text=True
        )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    shown = tokens("rotate", f"file:{path}").stdout.strip()
    assert ours(path) == [shown], "what was not delivered is delivered by the next run"


def test_a_whole_rotation_leaves_no_moment_without_a_token(path: Path, tmp_path: Path) -> None:
    sink = tmp_path / "token"
    run = ("rotate", f"file:{path}", "--overlap", "1s", "--deliver", f"file:{sink}")
    tokens(*run)
    first = sink.read_text()
    time.sleep(1.1)
    tokens(*run, "--max-age", "1s")
    assert sink.read_text() != first
    until = time.monotonic() + 30
    while len(ours(path)) > 1 and time.monotonic() < until:
        live = {entry["tokenData"] for entry in entries(path) if entry["enable"]}
        assert sink.read_text().strip() in live
        tokens(*run)
    assert ours(path) == [sink.read_text().strip()]
    assert entries(path)[0] == FOREIGN


def test_a_dry_run_prints_the_plan_and_changes_nothing(path: Path) -> None:
    before = path.read_bytes()
    done = tokens("rotate", f"file:{path}", "--dry-run")
    assert path.read_bytes() == before
    assert [line[:6] for line in done.stdout.splitlines()[:3]] == ["1. add", "2. del", "3. not"]
    plan = json.loads(tokens("rotate", f"file:{path}", "--dry-run", "--json").stdout)
    assert [step["action"] for step in plan["steps"]] == ["add", "deliver", "mark"]
    assert plan["dry_run"] is True


# revoke and rollback


def test_rollback_and_what_follows(path: Path, tmp_path: Path) -> None:
    sink = tmp_path / "token"
    deliver = ("--deliver", f"file:{sink}")
    tokens("rotate", f"file:{path}", *deliver)
    first = sink.read_text()
    time.sleep(1.1)
    tokens("rotate", f"file:{path}", *deliver, "--max-age", "1s")
    assert sink.read_text() != first
    for _ in range(2):
        assert tokens("rollback", f"file:{path}", *deliver).returncode == 0
        assert sink.read_text() == first
    assert tokens("rotate", f"file:{path}", *deliver).returncode == 0
    assert sink.read_text() == first


def test_rollback_shows_the_token_that_is_current_again_as_often_as_it_is_run(path: Path) -> None:
    first = tokens("rotate", f"file:{path}").stdout
    time.sleep(1.1)
    tokens("rotate", f"file:{path}", "--max-age", "1s")
    assert [tokens("rollback", f"file:{path}").stdout for _ in range(2)] == [first, first]


def test_rollback_after_the_overlap_says_so(path: Path) -> None:
    tokens("rotate", f"file:{path}")
    done = tokens("rollback", f"file:{path}")
    assert done.returncode == 3
    assert "overlap is over" in done.stderr


def test_revoke_now_twice_is_as_once(path: Path) -> None:
    first = tokens("rotate", f"file:{path}").stdout.strip()
    name = name_of(path, first)
    done = tokens("revoke", f"file:{path}", name, "--now")
    assert ours(path) == [done.stdout.strip()] != [first]
    before = path.read_bytes()
    assert tokens("revoke", f"file:{path}", name, "--now").returncode == 0
    assert path.read_bytes() == before


def test_revoke_without_haste_says_what_comes_and_no_rollback_undoes_it(path: Path, tmp_path: Path) -> None:
    sink = tmp_path / "token"
    deliver = ("--deliver", f"file:{sink}")
    tokens("rotate", f"file:{path}", *deliver)
    name = name_of(path, sink.read_text().strip())
    follows = "still opens the door: the next rotate replaces it, whatever its age"
    assert follows in tokens("revoke", f"file:{path}", name, "--dry-run").stdout
    assert follows in tokens("revoke", f"file:{path}", name).stderr
    before = path.read_bytes()
    again = tokens("revoke", f"file:{path}", name)
    assert (again.returncode, path.read_bytes()) == (0, before)
    assert "nothing is changed. It " + follows in again.stderr
    assert "revoked: the next rotate replaces it" in tokens("list", f"file:{path}").stdout
    tokens("rotate", f"file:{path}", *deliver)
    replacement = sink.read_text()
    done = tokens("rollback", f"file:{path}", *deliver)
    assert done.returncode == 3
    assert "is revoked and stays so" in done.stderr
    assert sink.read_text() == replacement


def test_list_says_that_an_added_token_waits_to_be_delivered(path: Path) -> None:
    """As a cloud's own rotation leaves it that has no place to deliver to."""
    path.write_text(json.dumps({"tokens": [FOREIGN, mint(datetime.now(timezone.utc)).dump()]}))
    [line] = [line for line in tokens("list", f"file:{path}").stdout.splitlines() if " added " in line]
    assert "not noted as delivered yet; a rotation that delivers does that, and no older token goes before" in line
    assert tokens("rotate", f"file:{path}", "--deliver", f"file:{path.parent / 'client'}").returncode == 0
    assert "delivered yet" not in tokens("list", f"file:{path}").stdout


def test_revoke_of_another_tools_token_is_refused(path: Path) -> None:
    for name in ("printer", "nobody"):
        done = tokens("revoke", f"file:{path}", name, "--now")
        assert done.returncode == 3
        assert name in done.stderr
    assert entries(path) == [FOREIGN]


# Refusals


@pytest.mark.parametrize("dry", [[], ["--dry-run"]])
@pytest.mark.parametrize("data", ["", "****", "abc****" + "v" * 40, None, "short"])
def test_a_masked_empty_or_missing_value_is_refused(path: Path, data: str | None, dry: list[str]) -> None:
    entry = {"tokenName": "a", "enable": True, **({} if data is None else {"tokenData": data})}
    path.write_text(json.dumps({"tokens": [entry]}))
    before = path.read_bytes()
    done = tokens("rotate", f"file:{path}", *dry)
    assert done.returncode == 3
    assert "Nothing was changed" in done.stderr
    assert path.read_bytes() == before


@pytest.mark.parametrize("dry", [[], ["--dry-run"]])
def test_twenty_tokens_are_refused(path: Path, dry: list[str]) -> None:
    full = [{**FOREIGN, "tokenName": f"t{n}", "tokenData": f"{n:040d}"} for n in range(20)]
    path.write_text(json.dumps({"tokens": full}))
    assert tokens("rotate", f"file:{path}", *dry).returncode == 3
    assert entries(path) == full


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"tokens": 1}', '{"tokens": [], "tokens": []}', json.dumps({"tokens": [FOREIGN, FOREIGN]})],
)
def test_an_unknown_shape_is_not_written(path: Path, text: str) -> None:
    path.write_text(text)
    assert tokens("rotate", f"file:{path}").returncode != 0
    assert path.read_text() == text


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["spin"],
        ["rotate"],
        ["rotate", "nowhere"],
        ["rotate", "file:x", "--max-age", "30"],
        ["rotate", "file:x", "--overlap", "-1h"],
        ["rotate", "file:x", "--overlap", "1.5h"],
        ["rotate", "file:x", "--max-age", "99999999d"],
        ["rotate", "file:x", "--deliver", "mail:me"],
        ["rotate", "file:x", "--deliver", "github-output"],
        ["rotate", "file:x", "--probe", "ftp://host/mcp"],
        ["rotate", "file:x", "--probe", "http://host.example/mcp"],
        ["config", "https://h/mcp", "--client", "fax"],
        ["config", "h/mcp", "--client", "cursor"],
        ["config", "http://host.example/mcp", "--client", "cursor"],
        ["config", "https://h/mcp?token=x", "--client", "cursor"],
        ["config", "https://h/mcp#x", "--client", "cursor"],
        ["verify", "http://host.example/mcp"],
        ["verify", "https://h/mcp?token=x"],
        ["rotate", "file:x", "--probe", "127.0.0.1"],
        ["verify", "h"],
        ["mint", "--document", "file:x"],
    ],
    ids=" ".join,
)
def test_wrong_usage_is_2(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GITHUB_OUTPUT", raising=False)
    done = tokens(*arguments)
    assert done.returncode == 2
    assert not re.search(r"usage: .*(: ://|token=x)", done.stderr)


@pytest.mark.parametrize("timeout", ["0", "-1", "soon", "1000"])
def test_a_wrong_timeout_is_2(path: Path, timeout: str) -> None:
    done = tokens("list", f"file:{path}", TOKENS_TIMEOUT=timeout)
    assert done.returncode == 2
    assert "TOKENS_TIMEOUT" in done.stderr


@pytest.mark.parametrize(
    ("name", "address"),
    [("FC_ENDPOINT", "fc://local/f/t"), ("OSS_ENDPOINT", "fc://local/f/t"), ("AWS_ENDPOINT_URL", "aws://us-east-1/s")],
)
@pytest.mark.parametrize(
    ("endpoint", "why"),
    [
        ("http://api.example", "http://api.example, which would carry tokens in the clear"),
        ("http://127.0.0.1.example:8788", "in the clear"),
        ("http://[::1", "takes a URL"),
        ("http://127.0.0.1:port", "takes a URL"),
        ("foo", "takes a URL"),
    ],
)
def test_an_endpoint_elsewhere_is_encrypted(name: str, address: str, endpoint: str, why: str) -> None:
    """The calls carry tokens, and on Alibaba Cloud the whole document."""
    variables: dict[str, Any] = {name: endpoint, "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "a"}
    done = tokens("list", address, **variables)
    assert done.returncode == 2
    assert name in done.stderr
    assert why in done.stderr


def test_a_missing_file_is_1_and_is_not_made(tmp_path: Path) -> None:
    done = tokens("rotate", f"file:{tmp_path / 'none.json'}")
    assert done.returncode == 1
    assert not list(tmp_path.glob("none*"))


def test_an_unreachable_service_is_1() -> None:
    done = tokens("rotate", "fc://local/f/t", FC_ENDPOINT="http://127.0.0.1:9", TOKENS_TIMEOUT="1")
    assert done.returncode == 1
    assert "again" in done.stderr


@pytest.fixture
def no_credentials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """An environment in which no SDK finds any, and no service of any region is asked."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    return {
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "none"),
        "AWS_CONFIG_FILE": str(tmp_path / "none"),
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
        "HOME": str(tmp_path),
    }


def test_without_aws_credentials_their_names_are_told_at_once(no_credentials: dict[str, Any]) -> None:
    done = tokens("list", "aws://us-east-1/s", **no_credentials)
    assert done.returncode == 1
    assert "AWS_PROFILE, or AWS_ACCESS_KEY_ID" in done.stderr
    assert "when that is repaired" in done.stderr
    unknown = tokens("list", "aws://us-east-1/s", **{**no_credentials, "AWS_PROFILE": "mine"})
    assert "the region or AWS_PROFILE" in unknown.stderr


def test_a_service_that_does_not_answer_may_be_in_another_region() -> None:
    """In 127.0.0.1's place stands a name that resolves nowhere, as a misspelt region's does."""
    key: dict[str, Any] = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "a"}
    key |= {"ALIBABA_CLOUD_ACCESS_KEY_ID": "a", "ALIBABA_CLOUD_ACCESS_KEY_SECRET": "a", "TOKENS_TIMEOUT": "2"}
    aws = tokens("list", "aws://us-est-1/s", AWS_ENDPOINT_URL="https://api.invalid", **key)
    assert "see that the region is right" in aws.stderr
    fc = tokens("list", "fc://cn-hangzou/f/t", FC_ENDPOINT="https://api.invalid", **key)
    assert "see that cn-hangzou is a region" in fc.stderr


@pytest.mark.parametrize(
    ("change", "advice"),
    {
        "masked": ({"tokenData": "****"}, "If it is hidden, use credentials that may read values"),
        "empty": ({"tokenData": ""}, "If it is hidden, use credentials that may read values"),
        "one name twice": ({"tokenData": "w" * 40}, "delete or rename one of them"),
        "no state": ({"enable": 1}, "mend or delete that entry"),
    }.values(),
)
def test_a_refused_document_comes_with_what_to_do(path: Path, change: dict[str, Any], advice: str) -> None:
    path.write_text(json.dumps({"tokens": [FOREIGN, {**FOREIGN, **change}]}))
    done = tokens("rotate", f"file:{path}")
    assert done.returncode == 3
    assert advice in done.stderr


@pytest.mark.parametrize("text", ["{", "[]", "{}"])
def test_what_is_no_document_comes_with_how_to_begin_one(path: Path, text: str) -> None:
    path.write_text(text)
    assert "`tokens.py mint --document` prints a first one" in tokens("list", f"file:{path}").stderr


def test_a_home_that_takes_no_file_is_no_hindrance(path: Path) -> None:
    assert tokens("rotate", f"file:{path}", HOME="/proc").returncode == 0


# On a service


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FcService]:
    with service("fc_trigger", FastClock(), monkeypatch, tmp_path) as found:
        found.put({"tokens": [FOREIGN]})
        yield found


def test_a_list_that_fails_says_nothing_of_writing(path: Path, tmp_path: Path) -> None:
    assert "Run the same command again" in tokens("list", f"file:{tmp_path / 'none'}").stderr
    path.write_text("{")
    for address in (tmp_path / "none", path):
        assert not re.search("written|changed", tokens("list", f"file:{address}").stderr)
        assert re.search("Nothing was (written|changed)", tokens("rotate", f"file:{address}").stderr)


def test_what_is_not_found_may_be_misspelt(place: FcService) -> None:
    done = tokens("list", "fc://local/nothing/http", **endpoint(place))
    assert re.search(r"NotFound \(HTTP 404.*see that the address is spelt right", done.stderr)


def endpoint(place: FcService) -> dict[str, Any]:
    return {"FC_ENDPOINT": f"http://127.0.0.1:{place.port}"}


def test_no_secret_leaves_but_to_the_sink(place: FcService, tmp_path: Path) -> None:
    sink = tmp_path / "token"
    run = ("rotate", place.address, "--deliver", f"file:{sink}")
    done = tokens(*run, DEBUG="sdk", **endpoint(place))
    assert done.returncode == 0
    token = sink.read_text().strip()
    for value in (token, str(FOREIGN["tokenData"])):
        assert value[:12] not in done.stdout + done.stderr
    assert [file.name for file in tmp_path.iterdir()] == ["token"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
@pytest.mark.parametrize("call", [1, 2, 3, 5])
def test_a_signal_at_any_call_leaves_a_document_to_go_on_from(
    place: FcService, tmp_path: Path, number: signal.Signals, call: int
) -> None:
    sink = tmp_path / "token"
    command = [sys.executable, str(TOOL), "rotate", place.address, "--deliver", f"file:{sink}"]
    run = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env={**os.environ, **endpoint(place)})

    def strike(kind: str, at: int) -> str | None:
        if at == call:
            run.send_signal(number)
            return "timeout after" if number != signal.SIGKILL else None
        return None

    place.fail = strike
    story = run.communicate(timeout=120)[1]
    assert "Traceback" not in story
    assert run.returncode == (1 if number != signal.SIGKILL else -signal.SIGKILL)
    if number != signal.SIGKILL:
        assert "again" in story
    place.fail = lambda kind, at: None
    assert tokens("rotate", place.address, "--deliver", f"file:{sink}", **endpoint(place)).returncode == 0
    known = [token for token in from_object(place.truth()).tokens if is_ours(token)]
    assert [token.data for token in known] == [sink.read_text().strip()]
    assert place.truth()["tokens"][0] == FOREIGN


# config


@pytest.mark.parametrize("client", clients.CLIENTS)
def test_each_configuration_parses_as_its_client_does(client: str) -> None:
    url = "https://mcp.example.com/mcp"
    done = tokens("config", url, "--client", client, "--name", "demo", python=(sys.executable, "-E", "-S"))
    assert done.returncode == 0
    kind = clients.FORMATS[client].kind
    if kind == "json":
        read: Any = json.loads(done.stdout)
        entry = read.get("servers", read.get("mcpServers"))["demo"]
        assert url in (entry.get("url"), entry.get("serverUrl"), entry.get("httpUrl"), *entry.get("args", []))
        said = json.dumps(entry)
        assert "Bearer" in said
    elif kind == "toml":
        toml = importlib.import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")  # pytest brings tomli
        read = toml.loads(done.stdout)
        assert read["mcp_servers"]["demo"] == {"url": url, "bearer_token_env_var": "MCP_TOKEN"}
    else:
        assert (
            url
            in subprocess.run(
                ["bash", "-c", f"printf '%s\\n' {done.stdout.strip()}"], capture_output=True, text=True, check=True
            ).stdout.splitlines()
        )
    assert not TOKEN.search(done.stdout)


@pytest.mark.parametrize("client", clients.CLIENTS)
def test_configuration_of_a_client_that_logs_in_has_no_token(client: str) -> None:
    url = "https://mcp.example.com/mcp"
    done = tokens("config", url, "--client", client, "--name", "demo", "--no-token")
    if client in ("supergateway", "inspector"):
        assert (done.returncode, done.stdout) == (2, "")
        assert f"{client} cannot log in" in done.stderr
        return
    assert done.returncode == 0
    kind = clients.FORMATS[client].kind
    if kind == "json":
        read: Any = json.loads(done.stdout)
        entry = read.get("servers", read.get("mcpServers"))["demo"]
        assert url in (entry.get("url"), entry.get("serverUrl"), entry.get("httpUrl"), *entry.get("args", []))
        assert "inputs" not in read
    elif kind == "toml":
        toml = importlib.import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")
        assert toml.loads(done.stdout)["mcp_servers"]["demo"] == {"url": url}
    else:
        assert shlex.split(done.stdout)[:4] == ["npx", "-y", "mcp-remote", url]
    for word in ("token", "bearer", "header", "authorization"):
        assert word not in done.stdout.lower()
    assert "MCP_TOKEN" not in done.stderr
    assert "log in" in done.stderr


@pytest.mark.parametrize(("said", "client"), [("VS Code", "vscode"), ("vs-code", "vscode"), ("Gemini", "gemini-cli")])
def test_a_client_is_known_by_its_usual_names(said: str, client: str) -> None:
    assert clients.client_name(said) == client


# help, and the page that shows it


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str) -> None:
    done = tokens(command, "--help")
    assert done.returncode == 0
    assert "exit codes" in done.stdout or command in done.stdout


def test_jwt_signs_for_a_key_set_that_it_prints(tmp_path: Path) -> None:
    import jwt

    common = (
        "jwt",
        "--issuer",
        "http://127.0.0.1:9",
        "--audience",
        "http://127.0.0.1:8787/mcp",
        "--keys",
        tmp_path / "key",
    )
    token = tokens(*common, "--scope", "a b").stdout.strip()
    jwks = json.loads(tokens(*common, "--jwks").stdout)
    assert "d" not in jwks["keys"][0]
    key = jwt.PyJWK(jwks["keys"][0])
    claims = jwt.decode(token, key.key, algorithms=["ES256"], audience="http://127.0.0.1:8787/mcp")
    assert claims["scope"] == "a b"
    assert jwt.get_unverified_header(token)["typ"] == "at+jwt"
    assert stat.S_IMODE((tmp_path / "key").stat().st_mode) == 0o600
