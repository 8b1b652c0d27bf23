"""The places of a person's machine and of a CI job where a token can be delivered; the clouds' are in `mcp_faas`."""

from __future__ import annotations

import os
import re
from pathlib import Path

from lifecycle.errors import UsageError
from lifecycle.output import OutputLost, show
from mcp_faas.lifecycle.sinks import Sink, SinkError
from mcp_faas.lifecycle.sinks.documents import refuse_document, same_file, same_secret
from mcp_faas.stores import Access
from mcp_faas.stores.private_file import OWNER_ONLY, read_regular, replace_private, trouble

VARIABLE = "MCP_TOKEN"  # what the client configurations refer to
FORMS = "file:PATH, env:PATH, aws://REGION/SECRET, oss://REGION/BUCKET/KEY, github-output, stdout"

_LINE = re.compile(rf"^(?P<before>\s*(?:export\s+)?{VARIABLE}\s*=[^\S\r]*)(?P<value>.*?)\s*?(?P<after>\r?)$")


def check_apart(form: str, document: str) -> None:
    """Raise UsageError if `--deliver` names the place of the document at this address."""
    if _is_document(form, document):
        raise UsageError(
            f"--deliver {form} is the token document itself, and one token in its place would lock everybody out; "
            "name the place from which clients take their token"
        )


def open_sink(form: str, access: Access) -> Sink:
    """The sink that `--deliver` names."""
    kind, _, rest = form.partition(":")
    if form == "stdout":
        return StdoutSink()
    if form == "github-output":
        return GithubOutputSink(os.environ.get("GITHUB_OUTPUT", ""))
    if kind == "file" and rest:
        return FileSink(form, Path(rest).expanduser(), access.timeout)
    if kind == "env" and rest:
        return EnvSink(form, Path(rest).expanduser(), access.timeout)
    parts = rest[2:].split("/", 1 if kind == "aws" else 2) if rest.startswith("//") else []
    if kind == "aws" and len(parts) == 2 and all(parts):
        from mcp_faas.lifecycle.sinks.secretsmanager import SecretSink

        return SecretSink(form, parts[0], parts[1], access)
    if kind == "oss" and len(parts) == 3 and all(parts):
        from mcp_faas.lifecycle.sinks.oss import ObjectSink

        return ObjectSink(form, parts[0], parts[1], parts[2], access)
    raise UsageError(f"--deliver {form} is no place for a token; choose from: {FORMS}")


def _is_document(form: str, document: str) -> bool:
    kind, _, rest = form.partition(":")
    scheme, _, place = document.partition(":")
    if form == "github-output":
        kind, rest = "file", os.environ.get("GITHUB_OUTPUT", "")
    if kind in ("file", "env") and scheme == "file" and rest and place:
        return same_file(Path(rest).expanduser(), Path(place).expanduser())
    if kind == scheme == "aws":
        region, _, name = rest.removeprefix("//").partition("/")
        other_region, _, other_name = place.removeprefix("//").partition("/")
        return same_secret(region, name, other_region, other_name)
    return False


class FileSink:
    """The token and a newline in a file of its owner's, never missing and never half written."""

    readable = True
    unasked = False

    def __init__(self, label: str, path: Path, timeout: float) -> None:
        self.label = label
        self._path = path
        self._timeout = timeout

    def holds(self) -> str | None:
        text = _read_private(self._path)
        return text[:-1] if text is not None and text.endswith("\n") else text

    def deliver(self, token: str) -> None:
        _write_private(self._path, token + "\n", self._timeout)


class EnvSink:
    """One variable of a dotenv file; its other lines stay."""

    readable = True
    unasked = False

    def __init__(self, label: str, path: Path, timeout: float) -> None:
        self.label = label
        self._path = path
        self._timeout = timeout

    def holds(self) -> str | None:
        values = [found["value"] for line in self._lines() if (found := _LINE.match(line))]
        return values[-1].strip("\"'") if values else None

    def deliver(self, token: str) -> None:
        lines, seen = [], False
        for line in self._lines(any_mode=True):
            found = _LINE.match(line)
            lines.append(f"{found['before']}{token}{found['after']}" if found else line)
            seen = seen or found is not None
        if not seen:
            lines.append(f"{VARIABLE}={token}" + ("\r" if lines and lines[-1].endswith("\r") else ""))
        _write_private(self._path, "\n".join(lines) + "\n", self._timeout)

    def _lines(self, *, any_mode: bool = False) -> list[str]:
        # splitlines() would also cut at a form feed and at what Unicode calls a line's end, inside somebody's value
        text = _read_private(self._path, any_mode=any_mode)
        return text.removesuffix("\n").split("\n") if text else []


class GithubOutputSink:
    """The output `token` of a GitHub Actions step. The runner is told to mask it before it is written anywhere."""

    label = "github-output"
    readable = False
    unasked = False

    def __init__(self, path: str) -> None:
        if not path:
            raise UsageError("--deliver github-output works in a step of GitHub Actions; GITHUB_OUTPUT is not set")
        self._path = Path(path)

    def deliver(self, token: str) -> None:
        try:
            show(f"::add-mask::{token}")
            with self._path.open("a", encoding="utf-8") as file:
                file.write(f"token={token}\n")
        except OutputLost as error:
            raise SinkError(f"cannot be masked: standard output {error}") from None
        except OSError as error:
            raise SinkError(f"cannot be written: {error.strerror or error}") from None

    def holds(self) -> str | None:
        return None


class StdoutSink:
    """The token alone on the standard output."""

    readable = False

    def __init__(self, *, unasked: bool = False) -> None:
        self.label = "stdout"
        self.unasked = unasked

    def deliver(self, token: str) -> None:
        self._put(token)

    def _put(self, text: str, end: str = "\n") -> None:
        try:
            show(text, end)
        except OutputLost as error:
            raise SinkError(str(error)) from None

    def holds(self) -> str | None:
        return None


class KeptSink(StdoutSink):
    """The standard output of `--json`: the token becomes a member of the one object that is printed at the end."""

    def __init__(self, *, unasked: bool = False) -> None:
        super().__init__(unasked=unasked)
        self.token: str | None = None

    def deliver(self, token: str) -> None:
        # JSON may begin with a blank: nobody is told that a token is delivered to an output that takes nothing
        self._put(" ", end="")
        self.token = token


def _read_private(path: Path, *, any_mode: bool = False) -> str | None:
    """The text of a file, or None if it is not there, or open to others and so not in the form that it should have."""
    try:
        text, mode = read_regular(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise SinkError(f"cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise SinkError("holds something that is not text") from None
    refuse_document(text)
    return text if any_mode or mode == OWNER_ONLY else None


def _write_private(path: Path, text: str, timeout: float) -> None:
    try:
        replace_private(path, text, timeout)
    except OSError as error:
        raise SinkError(f"cannot be written: {trouble(error)}") from None
