"""`scripts/tokens.py` told to deliver where no token belongs: the document itself, and what is no file with an end."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edges.serving import running
from lifecycle import arguments, commands
from lifecycle.errors import UsageError
from lifecycle.sinks import EnvSink, FileSink
from mcp_faas.lifecycle.run import RunFailed
from mcp_faas.lifecycle.sinks import Sink, SinkError
from mcp_faas.lifecycle.sinks.documents import refuse_document, same_secret
from mcp_faas.lifecycle.sinks.oss import ObjectSink
from mcp_faas.lifecycle.sinks.secretsmanager import SecretSink
from mcp_faas.stores import Access
from rotating.clock import FastClock
from rotating.services import SECRET, AwsService, service
from support.oss import ADDRESS, BUCKET, KEY, REGION, Oss

TOKEN = "mcpt-" + "t" * 43 + "-aaaaaa"
DOCUMENT = json.dumps({"tokens": [{"tokenName": "printer", "enable": True, "tokenData": "foreign-" + "v" * 40}]})
ARN = f"arn:aws:secretsmanager:eu-west-1:123456789012:secret:{SECRET}"
ADDRESSES = {"name": SECRET, "whole ARN": f"{ARN}-AbC1d2", "ARN without its end": ARN}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"A=1\r\nMCP_TOKEN=x\r\nB=2\r\n", b"A=1\r\nMCP_TOKEN=new\r\nB=2\r\n"),
        (b"MCP_TOKEN=\r\n", b"MCP_TOKEN=new\r\n"),
        (b"A=1\r\n", b"A=1\r\nMCP_TOKEN=new\r\n"),
        (b"A=page\x0cbreak\nMCP_TOKEN=x\n", b"A=page\x0cbreak\nMCP_TOKEN=new\n"),
        (b"A=a\xe2\x80\xa8b\xc2\x85\x1c\n\n", b"A=a\xe2\x80\xa8b\xc2\x85\x1c\n\nMCP_TOKEN=new\n"),
        (b"export MCP_TOKEN = 'x' \n# \r end", b"export MCP_TOKEN = new\n# \r end\n"),
        (b"", b"MCP_TOKEN=new\n"),
    ],
)
def test_the_other_lines_of_a_dotenv_file_stay(tmp_path: Path, before: bytes, after: bytes) -> None:
    dotenv = tmp_path / ".env"
    dotenv.write_bytes(before)
    sink = EnvSink("env", dotenv, 1.0)
    sink.deliver("new")
    assert dotenv.read_bytes() == after
    assert sink.holds() == "new"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    found = tmp_path / "tokens.json"
    found.write_text(DOCUMENT)
    found.chmod(0o600)
    return found


def rotate(address: str, *more: str) -> int:
    """As `tokens.py rotate`, in this process."""
    return commands.run_rotate(arguments.parser().parse_args(["rotate", address, *more]))


def same(path: Path) -> str:
    return f"file:{path}"


def linked(path: Path) -> str:
    path.with_name("link").symlink_to(path)
    return f"file:{path.with_name('link')}"


def hard_linked(path: Path) -> str:
    path.with_name("hard").hardlink_to(path)
    return f"file:{path.with_name('hard')}"


def by_another_way(path: Path) -> str:
    (path.parent / "folder").mkdir()
    return f"file:{path.parent}/folder/../{path.name}"


def dotenv(path: Path) -> str:
    return f"env:{path}"


@pytest.mark.parametrize("dry", [[], ["--dry-run"]], ids=["", "dry-run"])
@pytest.mark.parametrize("form", [same, linked, hard_linked, by_another_way, dotenv])
def test_a_document_is_no_place_for_its_own_token(path: Path, form: Callable[[Path], str], dry: list[str]) -> None:
    with pytest.raises(UsageError, match="is the token document itself"):
        rotate(f"file:{path}", "--deliver", form(path), *dry)
    assert path.read_text() == DOCUMENT


def test_that_is_wrong_usage(path: Path) -> None:
    tool = Path(arguments.__file__).parents[1] / "tokens.py"
    done = subprocess.run(
        [sys.executable, str(tool), "rotate", f"file:{path}", "--deliver", f"file:{path}"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("usage: --deliver file:")


def test_nor_is_it_a_steps_output(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_OUTPUT", str(path))
    with pytest.raises(UsageError, match="is the token document itself"):
        rotate(f"file:{path}", "--deliver", "github-output")
    assert path.read_text() == DOCUMENT


@pytest.mark.parametrize("sink", ADDRESSES)
@pytest.mark.parametrize("document", ADDRESSES)
def test_a_secret_is_known_by_each_of_its_names(document: str, sink: str) -> None:
    at, to = (f"aws://eu-west-1/{ADDRESSES[each]}" for each in (document, sink))
    with pytest.raises(UsageError, match="is the token document itself"):
        rotate(at, "--deliver", to)


@pytest.mark.parametrize(
    ("region", "name"),
    [
        ("eu-west-1", "team/mcp-token"),
        ("eu-west-1", "mcp-tokens"),
        ("us-east-1", SECRET),
        ("eu-west-1", f"{ARN}2-AbC1d2"),
        ("eu-west-1", f"{ARN.replace('eu-west-1', 'us-east-1')}-AbC1d2"),
    ],
)
def test_another_secret_is_another(region: str, name: str) -> None:
    for known in ADDRESSES.values():
        assert not same_secret("eu-west-1", known, region, name)
        assert not same_secret(region, name, "eu-west-1", known)


# the second net: whatever way led there, no sink replaces a document


@pytest.fixture
def secret(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[AwsService]:
    with service("secretsmanager", FastClock(), monkeypatch, tmp_path) as place:
        assert isinstance(place, AwsService)
        place.put(json.loads(DOCUMENT))
        yield place


def refuses(sink: Sink) -> None:
    with pytest.raises(SinkError, match="holds a token document"):
        sink.holds()


@pytest.mark.parametrize("mode", [0o600, 0o644])
def test_a_file_with_a_document_is_not_replaced(tmp_path: Path, path: Path, mode: int) -> None:
    other = tmp_path / "other.json"
    other.write_text(DOCUMENT)
    other.chmod(mode)
    refuses(FileSink("file", other, 1.0))
    refuses(EnvSink("env", other, 1.0))
    with pytest.raises(RunFailed, match="holds a token document"):
        rotate(f"file:{path}", "--deliver", f"file:{other}")
    assert (other.read_text(), path.read_text()) == (DOCUMENT, DOCUMENT)


def test_a_secret_with_a_document_is_not_replaced(secret: AwsService) -> None:
    sink = SecretSink("aws", "eu-west-1", SECRET, Access())
    refuses(sink)
    with pytest.raises(SinkError, match="holds a token document"):
        sink.deliver(TOKEN)
    assert secret.truth() == json.loads(DOCUMENT)


def test_an_object_with_a_document_is_not_replaced() -> None:
    with running(Oss()) as oss:
        oss.put(DOCUMENT.encode())
        refuses(ObjectSink(ADDRESS, REGION, BUCKET, KEY, Access(oss_endpoint=oss.url, fc_key=("id", "secret", ""))))


@pytest.mark.parametrize("text", ['{"tokens": []}', '{"tokens": {}, "tokens": 1}', '{"tokens": [{"tokenName": 1}]}'])
def test_a_damaged_document_counts_as_one(text: str) -> None:
    with pytest.raises(SinkError):
        refuse_document(text)


@pytest.mark.parametrize("text", ["", TOKEN, f"{TOKEN}\n", "placeholder", '"tokens"', "{", "A=1\n", "[" * 100_000])
def test_other_texts_are_none(text: str) -> None:
    refuse_document(text)


# what is no file with an end


def pipe(folder: Path) -> Path:
    os.mkfifo(folder / "pipe")
    return folder / "pipe"


def folder(folder: Path) -> Path:
    return folder


def listening(folder: Path) -> Path:
    # the name of a socket must be short, so it is bound from within its folder
    before = Path.cwd()
    os.chdir(folder)
    try:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind("socket")
    finally:
        os.chdir(before)
    return folder / "socket"


def device(folder: Path) -> Path:
    return Path("/dev/zero")


def link_to_a_device(folder: Path) -> Path:
    (folder / "link").symlink_to("/dev/zero")
    return folder / "link"


ODD = {
    pipe: "it is a pipe",
    folder: "it is a folder",
    listening: "it is a socket",
    device: "it is a device",
    link_to_a_device: "it is a device",
}


@pytest.mark.parametrize("kind", ["file", "env"])
@pytest.mark.parametrize(("make", "named"), ODD.items())
def test_what_is_no_file_is_named_and_nothing_is_written(
    path: Path, tmp_path: Path, make: Callable[[Path], Path], named: str, kind: str
) -> None:
    with pytest.raises(RunFailed, match=f"cannot be read: {named}, not a regular file"):
        rotate(f"file:{path}", "--deliver", f"{kind}:{make(tmp_path)}")
    assert path.read_text() == DOCUMENT


@pytest.mark.parametrize(("make", "named"), ODD.items())
def test_nor_is_it_read_as_a_document(tmp_path: Path, make: Callable[[Path], Path], named: str) -> None:
    with pytest.raises(RunFailed, match=f"cannot be read: {named}, not a regular file"):
        rotate(f"file:{make(tmp_path)}")


def test_a_file_that_is_far_too_long_is_not_read_to_its_end(path: Path, tmp_path: Path) -> None:
    with (tmp_path / "long").open("wb") as file:
        file.truncate(1 << 40)  # holes, which take no room on a disk
    for address, *more in ([f"file:{path}", "--deliver", f"file:{tmp_path / 'long'}"], [f"file:{tmp_path / 'long'}"]):
        with pytest.raises(RunFailed, match="it is far too long to be the right file"):
            rotate(address, *more)
