"""A rotation of the signing keys carried out: in files and in Secrets Manager, by two at once, killed, answers lost."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import signal
import stat
import subprocess
import sys
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import pytest

from authorization_server.key_rotation import ADDRESS_FORMS, open_place, rotate
from authorization_server.signing_keys import KeyDocument, KeyDocumentError, mint, parse
from edges.secretsmanager import Call, Fault, SecretsManager
from edges.serving import running
from mcp_faas.stores import Access, AddressError, StoreConflict, StoreError, StoreUnavailable

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "scripts/signing_keys.py"
SECRET = "team/oauth-keys"
DAY = 24 * 3600


class Where(Protocol):
    """A place with a document in it."""

    address: str

    def put(self, text: str) -> None: ...

    def truth(self) -> str: ...


class InFile:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.address = f"file:{path}"

    def put(self, text: str) -> None:
        self.path.write_text(text)
        self.path.chmod(0o600)

    def truth(self) -> str:
        return self.path.read_text()


class InSecretsManager:
    address = f"aws://eu-west-1/{SECRET}"

    def __init__(self, manager: SecretsManager) -> None:
        self.manager = manager
        self.region = manager.region("eu-west-1")
        self.region.create_secret({"Name": SECRET, "SecretString": '{"keys": []}', "ClientRequestToken": "t" * 36})

    def put(self, text: str) -> None:
        self.region.put_secret_value(
            {"SecretId": SECRET, "SecretString": text, "ClientRequestToken": str(uuid.uuid4())}
        )

    def truth(self) -> str:
        text: str = self.region.get_secret_value({"SecretId": SECRET})["SecretString"]
        return text


@pytest.fixture
def manager(monkeypatch: pytest.MonkeyPatch) -> Iterator[SecretsManager]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "local")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "local")
    with running(SecretsManager()) as manager:
        monkeypatch.setenv("AWS_ENDPOINT_URL", manager.url)
        yield manager


@pytest.fixture
def aws(manager: SecretsManager) -> InSecretsManager:
    return InSecretsManager(manager)


@pytest.fixture(params=["file", "aws"])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> Where:
    if request.param == "file":
        return InFile(tmp_path / "keys.json")
    aws: InSecretsManager = request.getfixturevalue("aws")
    return aws


def aged(days: int) -> KeyDocument:
    """A document whose newest key is so old."""
    return KeyDocument((mint(int(time.time()) - days * DAY),))


def script(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPT), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=100)


def test_a_rotation_adds_once(where: Where) -> None:
    document = aged(91)
    where.put(document.dump())
    step, _ = rotate(open_place(where.address), 90 * DAY)
    after = parse(where.truth())
    assert after == step.document
    assert after.keys[0] == document.keys[0]
    assert after.keys[1].kid == step.added
    assert not rotate(open_place(where.address), 90 * DAY)[0]
    assert parse(where.truth()) == after


def test_a_look_writes_nothing(where: Where) -> None:
    where.put(aged(91).dump())
    before = where.truth()
    assert rotate(open_place(where.address), 90 * DAY, only_look=True)[0]
    assert where.truth() == before


def test_an_empty_document_gets_its_first_key(where: Where) -> None:
    where.put('{"keys": []}')
    assert rotate(open_place(where.address), 90 * DAY)[0].added
    assert len(parse(where.truth()).keys) == 1


def test_of_two_at_once_one_loses_and_nothing_is_lost(where: Where) -> None:
    where.put(aged(91).dump())
    slow, fast = open_place(where.address), open_place(where.address)
    found = slow.read()
    step, _ = rotate(fast, 90 * DAY)
    with pytest.raises(StoreConflict):
        slow.write(found, aged(0).dump())
    assert parse(where.truth()) == step.document


@pytest.mark.parametrize("text", ["{", '{"tokens": []}', '{"keys": [{"kty": "oct"}]}'])
def test_a_document_that_is_not_understood_is_not_written(where: Where, text: str) -> None:
    where.put(text)
    with pytest.raises(KeyDocumentError):
        rotate(open_place(where.address), 90 * DAY)
    assert where.truth() == text


def test_a_file_stays_its_owners_alone(tmp_path: Path) -> None:
    where = InFile(tmp_path / "keys.json")
    where.put(aged(91).dump())
    rotate(open_place(where.address), 90 * DAY)
    assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {0o600}


def test_a_missing_file_is_begun_only_when_asked(tmp_path: Path) -> None:
    address = f"file:{tmp_path / 'new/keys.json'}"
    with pytest.raises(StoreError, match=r"begin it with: scripts/signing_keys\.py mint file:/"):
        rotate(open_place(address), 90 * DAY)
    place = open_place(address, begin=True)
    assert rotate(place, 90 * DAY)[0].added
    assert stat.S_IMODE((tmp_path / "new/keys.json").stat().st_mode) == 0o600


@pytest.mark.parametrize("address", ["keys.json", "fc://r/f/t", "aws://region", "aws:///x", "file:", ""])
def test_another_address_is_refused(address: str) -> None:
    with pytest.raises(AddressError, match=ADDRESS_FORMS[0]):
        open_place(address)


def test_time_is_that_of_the_service(aws: InSecretsManager) -> None:
    aws.put(aged(1).dump())
    step, now = rotate(open_place(aws.address), 90 * DAY, clock=lambda: time.time() + 365 * DAY)
    assert not step, "a clock that is a year ahead rotates nothing"
    assert abs(now - time.time()) < 60


AFTER_AND_BEFORE: dict[str, Callable[[], Fault]] = {
    "reset before": lambda: Fault.reset(applied=False),
    "reset after": lambda: Fault.reset(applied=True),
    "500 before": Fault.error,
    "500 after": lambda: Fault.error(applied=True),
    "throttled": Fault.throttle,
    "malformed": Fault.malformed,
}


@pytest.mark.parametrize("fault", AFTER_AND_BEFORE)
def test_whatever_is_lost_a_second_run_finds_one_new_key(
    aws: InSecretsManager, fault: str, cases: Counter[str]
) -> None:
    for position in range(1, 5):
        aws.manager.fault = lambda call: None
        old = aged(91)
        aws.put(old.dump())
        calls: list[str] = []

        def fail(call: Call, calls: list[str] = calls, position: int = position) -> Fault | None:
            calls.append(call.operation)
            return AFTER_AND_BEFORE[fault]() if len(calls) == position else None

        aws.manager.fault = fail
        for _ in range(2):
            with contextlib.suppress(StoreUnavailable, StoreConflict):
                rotate(open_place(aws.address, Access(timeout=3)), 90 * DAY)
            document = parse(aws.truth())
            assert document.keys[0] == old.keys[0], "at no time is a key in use missing"
        assert len(document.keys) == 2, "and never two new ones"
        cases["lost answers of a key rotation"] += 1


@pytest.mark.parametrize("fault", ["reset after", "500 after", "malformed"])
def test_a_move_whose_answer_was_lost_is_found_again(aws: InSecretsManager, fault: str) -> None:
    aws.put(aged(91).dump())
    aws.manager.fault = lambda call: AFTER_AND_BEFORE[fault]() if call.operation == "UpdateSecretVersionStage" else None
    step, _ = rotate(open_place(aws.address, Access(timeout=3)), 90 * DAY)
    assert parse(aws.truth()) == step.document


def kids(where: Where) -> list[str]:
    return [key.kid for key in parse(where.truth()).keys]


def test_the_script_rotates(where: Where) -> None:
    old = aged(91)
    where.put(old.dump())
    done = script("rotate", where.address, "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert kids(where) == [old.keys[0].kid, told["added"]]
    assert [row["state"] for row in told["keys"]] == ["signing", "published"]
    assert told["keys"][0]["published_until"] > told["time"]
    again = script("rotate", where.address)
    assert (again.returncode, again.stdout, again.stderr) == (0, "", "nothing to do\n")
    listed = script("list", where.address)
    assert listed.returncode == 0
    assert f"{old.keys[0].kid:18} signing" in listed.stdout
    private = [str(key.entry["d"]) for key in parse(where.truth()).keys]
    for said in (done, again, listed):
        assert not any(value[:12] in said.stdout + said.stderr for value in private)


def test_the_script_says_what_it_would_do(where: Where) -> None:
    where.put(aged(91).dump())
    before = where.truth()
    done = script("rotate", where.address, "--dry-run", "--json")
    assert done.returncode == 0
    assert "would: add a key, which signs from" in done.stderr
    assert json.loads(done.stdout)["added"] is None
    assert where.truth() == before


def test_the_script_replaces_what_others_may_have(where: Where) -> None:
    old = aged(1)
    where.put(old.dump())
    done = script("rotate", where.address, "--compromised")
    assert done.returncode == 0
    assert f"done: drop {old.keys[0].kid}\n" in done.stderr
    assert "signs at once" in done.stderr
    assert len(kids(where)) == 1
    assert kids(where) != [old.keys[0].kid]


def test_the_script_begins_a_document_once(where: Where) -> None:
    if isinstance(where, InSecretsManager):
        where.put('{"keys": []}')
    assert script("mint", where.address).returncode == 0
    first = kids(where)
    again = script("mint", where.address)
    assert again.returncode == 3
    assert again.stderr.endswith("Nothing was changed.\n")
    assert kids(where) == first


def test_a_missing_file_is_begun_by_the_command_that_the_error_names(tmp_path: Path) -> None:
    where = InFile(tmp_path / "my keys.json")
    refused = script("rotate", where.address)
    said, _, command = refused.stderr.strip().partition("begin it with: ")
    assert (refused.returncode, said) == (1, f"failed: {tmp_path / 'my keys.json'} does not exist; ")
    name, *arguments = shlex.split(command)
    assert (ROOT / name) == SCRIPT
    assert script(*arguments).returncode == 0
    assert script("rotate", where.address).returncode == 0


def test_the_script_prints_a_first_document() -> None:
    done = script("mint")
    assert (done.returncode, done.stderr) == (0, "")
    assert len(parse(done.stdout).keys) == 1


EXITS: dict[str, tuple[list[str], int, str]] = {
    "no command": ([], 2, "usage:"),
    "no address": (["rotate"], 2, "usage: the following arguments are required: ADDRESS"),
    "no such address": (["rotate", "keys.json"], 2, "usage: 'keys.json' is no address of signing keys"),
    "too young": (["rotate", "file:FOLDER/far.json", "--max-age", "59m"], 2, "usage: --max-age is at least 1h"),
    "no duration": (["rotate", "file:FOLDER/far.json", "--max-age", "often"], 2, "usage:"),
    "no such file": (["rotate", "file:FOLDER/none.json"], 1, "failed:"),
    "a folder": (["list", "file:FOLDER"], 1, "failed:"),
    "a path below a file": (["list", "file:FOLDER/far.json/x"], 1, "failed:"),
    "not understood": (["rotate", "file:FOLDER/broken.json"], 3, "refused: signing key 1"),
    "not understood by list": (["list", "file:FOLDER/broken.json"], 3, "refused: signing key 1"),
    "from the future": (["rotate", "file:FOLDER/far.json"], 3, "refused: a key was created in the future"),
}


@pytest.mark.parametrize("name", EXITS)
def test_every_way_out_says_why(name: str, tmp_path: Path) -> None:
    (tmp_path / "broken.json").write_text('{"keys": [{"kid": "x", "d": "do-not-quote-me"}]}')
    (tmp_path / "far.json").write_text(KeyDocument((mint(int(time.time()) + DAY),)).dump())
    written, code, sentence = EXITS[name]
    arguments = [word.replace("FOLDER", str(tmp_path)) for word in written]
    done = script(*arguments)
    assert done.returncode == code, done.stderr
    assert done.stderr.startswith(sentence)
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert "do-not-quote-me" not in done.stderr


STEPPED = """
import os, sys
root, address, stop = sys.argv[1], sys.argv[2], int(sys.argv[3])
sys.path[:0] = [root + "/functions", root + "/functions/oauth_server"]
from authorization_server import key_rotation
from authorization_server.signing_keys import KeyDocument
import mcp_faas.stores.private_file

lines = 0
WATCHED = ("key_rotation.py", "private_file.py")

def trace(frame, event, argument):
    global lines
    if os.path.basename(frame.f_code.co_filename) not in WATCHED:
        return None
    if event == "line":
        lines += 1
        if lines == stop:
            os.kill(os.getpid(), 9)
    return trace

sys.settrace(trace)
key_rotation.rotate(key_rotation.open_place(address), 90 * 86400)
sys.settrace(None)
print(lines)
"""


def stepped(address: str, stop: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", STEPPED, str(ROOT), address, str(stop)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


@pytest.mark.timeout(300)
def test_a_rotation_that_is_killed_between_any_two_lines_has_happened_or_not(
    tmp_path: Path, cases: Counter[str]
) -> None:
    where = InFile(tmp_path / "keys.json")
    for _ in range(2):  # the first makes the lock's file, too
        where.put(aged(91).dump())
        count = int(stepped(where.address, 0).communicate(timeout=60)[0])
    every = 1 if os.environ.get("MCP_FAULT_MATRIX") == "full" else max(1, count // 12)
    for stop in range(1, count + 1, every):
        old = aged(91)
        where.put(old.dump())
        killed = stepped(where.address, stop)
        killed.communicate(timeout=60)
        assert killed.returncode == -signal.SIGKILL
        document = parse(where.truth())
        assert document.keys[0] == old.keys[0]
        rotate(open_place(where.address), 90 * DAY)
        assert len(parse(where.truth()).keys) == 2
        assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {0o600}
        cases["kills of a key rotation"] += 1


@pytest.mark.parametrize("operation", ["PutSecretValue", "UpdateSecretVersionStage"])
@pytest.mark.parametrize("applied", [False, True], ids=["before", "after"])
def test_a_rotation_that_is_killed_in_a_call_has_happened_or_not(
    aws: InSecretsManager, operation: str, applied: bool
) -> None:
    old = aged(91)
    aws.put(old.dump())
    hit: list[str] = []

    def hang(call: Call) -> Fault | None:
        if call.operation != operation:
            return None
        hit.append(operation)
        return Fault.hang(3600, applied=applied)

    aws.manager.fault = hang
    run = subprocess.Popen([sys.executable, str(SCRIPT), "rotate", aws.address], stderr=subprocess.PIPE, text=True)
    until = time.monotonic() + 60
    while not hit and time.monotonic() < until:
        time.sleep(0.02)
    time.sleep(0.2 if applied else 0)  # what is applied is applied while the call hangs
    run.kill()
    run.communicate(timeout=60)
    aws.manager.fault = lambda call: None
    assert parse(aws.truth()).keys[0] == old.keys[0]
    assert script("rotate", aws.address).returncode == 0
    assert len(kids(aws)) == 2
    assert kids(aws)[0] == old.keys[0].kid


def test_a_rotation_that_is_asked_to_stop_says_so(aws: InSecretsManager) -> None:
    aws.put(aged(91).dump())
    hit: list[str] = []

    def hang(call: Call) -> Fault | None:
        hit.append(call.operation)
        return Fault.hang(3600, applied=False)

    aws.manager.fault = hang
    run: subprocess.Popen[Any] = subprocess.Popen(
        [sys.executable, str(SCRIPT), "rotate", aws.address], stderr=subprocess.PIPE, text=True
    )
    until = time.monotonic() + 60
    while not hit and time.monotonic() < until:
        time.sleep(0.02)
    run.send_signal(signal.SIGTERM)
    _, said = run.communicate(timeout=60)
    assert (run.returncode, said) == (
        1,
        "stopped: the keys are as they were, or rotated; run the same command again to go on\n",
    )
