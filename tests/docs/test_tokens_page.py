"""What docs/tokens.md shows of `tokens.py` is what it prints: the session there is typed once more and compared."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lifecycle.clients import run_config
from mcp_faas.tokens import marks
from support.projects import ROOT

PAGE = (ROOT / "docs/tokens.md").read_text(encoding="utf-8")
TOOL = ROOT / "scripts/tokens.py"
NAME = re.compile(r"mcp-[0-9]{8}T[0-9]{6}Z-([0-9a-f]{8})(?:-[dhrx][0-9]{8}T[0-9]{6}Z)*")


def session() -> list[tuple[str, str]]:
    """Commands and what stands below each."""
    (block,) = re.findall(r"```console\n(.*?)```", PAGE, flags=re.DOTALL)
    turns = re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]
    return [(first, rest) for first, _, rest in (turn.partition("\n") for turn in turns)]


def bare(text: str, known: list[str]) -> str:
    """Without what differs from day to day: moments, spans, widths of columns; fingerprints by their order."""
    for fingerprint in re.findall(r"(?<![0-9a-f])[0-9a-f]{8}(?![0-9a-fT])", text):
        if fingerprint not in known:
            known.append(fingerprint)
    for place, fingerprint in enumerate(known):
        text = text.replace(fingerprint, f"<token {place}>")
    text = re.sub(r"[0-9]{8}T[0-9]{6}Z|[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}Z", "<moment>", text)
    return re.sub(r" +", " ", re.sub(r"\b[0-9]+[dhms]\b( [0-9]+[hms]\b)?", "<span>", text))


def test_the_session_is_what_the_tool_prints(tmp_path: Path) -> None:
    shown: list[str] = []
    printed: list[str] = []
    for command, expected in session():
        wanted = bare(expected, shown)
        if command.startswith("echo "):
            text, path = re.fullmatch(r"echo '(.*)' > (\S+)", command).groups()  # type: ignore[union-attr]  # or fail
            (tmp_path / path).write_text(text + "\n", encoding="utf-8")
            continue
        program, *words = shlex.split(command)
        assert program == "tokens.py"
        names = [entry["tokenName"] for entry in json.loads((tmp_path / "tokens.json").read_text())["tokens"]]
        for place, word in enumerate(words):
            if found := NAME.fullmatch(word):
                now = printed[shown.index(found[1])]
                words[place] = next(name for name in names if now in name)
        if "--max-age" in words:
            time.sleep(2.5)  # who types it takes longer; a name is cut to the second, and the next one lies ahead
        done = subprocess.run(
            [sys.executable, str(TOOL), *words],
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=100,
        )
        assert bare(done.stdout, printed) == wanted, command


def test_names_on_the_page_are_names() -> None:
    for found in NAME.finditer(PAGE):
        assert marks(found[0])


def test_the_configuration_is_what_config_prints(capsys: pytest.CaptureFixture[str]) -> None:
    from lifecycle import arguments

    run_config(arguments.parser().parse_args(["config", "https://HOST/mcp", "--client", "claude-code"]))
    printed = json.loads(capsys.readouterr().out)
    blocks = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", PAGE, flags=re.DOTALL)]
    assert printed in blocks


def test_verifys_lines_are_in_verify() -> None:
    text = (ROOT / "scripts/lifecycle/verify.py").read_text(encoding="utf-8")
    (block,) = re.findall(r"```\n(pass  .*?)```", PAGE, flags=re.DOTALL)
    for what in re.findall(r"^(?:pass|fail)  (.+?)(?: \(.*\))?$", block, flags=re.MULTILINE):
        assert f'"{what}' in text
