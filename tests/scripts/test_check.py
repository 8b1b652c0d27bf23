"""`make check` reports every check and fails if one did, whatever the tools do."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import check
from check import Check

PASSES = (sys.executable, "-c", "print('chatter')")
FAILS = (sys.executable, "-c", "import sys; print('on stdout'); sys.exit('on stderr')")


def report(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *checks: Check
) -> tuple[int, list[str]]:
    monkeypatch.setattr(check, "checks", lambda scratch: iter(checks))
    return check.main(), capsys.readouterr().out.splitlines()


def test_all_passed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    code, lines = report(monkeypatch, capsys, Check("one", (PASSES,)), Check("two", (PASSES, PASSES)))
    assert code == 0
    assert [line.split()[0] for line in lines] == ["ok", "ok", "check:"]  # and nothing of what the tools said
    assert lines[-1].endswith("all passed")


def test_a_failure_is_shown_and_stops_no_other_check(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, lines = report(
        monkeypatch, capsys, Check("bad", (FAILS, PASSES)), *[Check(f"{n}", (PASSES,)) for n in range(4)]
    )
    assert code == 1
    assert {"       | on stdout", "       | on stderr"} <= set(lines)
    assert sum(line.startswith("ok ") for line in lines) == 4
    assert lines[-1].endswith("failed: bad")


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (("no-such-program",), "no-such-program does not run: No such file or directory. Run `make setup`."),
        ((sys.executable, "-c", "import sys; sys.exit(3)"), f"{sys.executable} ended with 3"),
        ((sys.executable, "-c", "import time; time.sleep(60)"), f"{sys.executable} did not end within 0.5 s"),
    ],
    ids=["missing", "silent", "hanging"],
)
def test_a_tool_that_does_not_speak_fails_with_a_reason(
    monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...], said: str
) -> None:
    monkeypatch.setattr(check, "LIMIT_SECONDS", 0.5 if "sleep" in command[-1] else 60)
    assert check.run(Check("x", (command,))).said == said


def test_a_command_s_output_is_there_for_the_next(tmp_path: Path) -> None:
    path = tmp_path / "out"
    reads = (sys.executable, "-c", f"import sys; sys.exit(open({str(path)!r}).read() != 'chatter\\n')")
    assert check.run(Check("x", (PASSES, reads), output=path)).said is None


def test_every_deployable_is_checked_alone_and_both_forms_of_the_template(tmp_path: Path) -> None:
    found = {one.name: one for one in check.checks(tmp_path)}
    functions = Path(check.__file__).resolve().parent.parent / "functions"
    for folder in functions.iterdir():
        if folder.name != "mcp_faas" and list(folder.glob("*.py")):
            assert found[f"mypy {folder.name}"].environment == {"MYPYPATH": f"functions/{folder.name}"}
    assert {"ruff check", "ruff format", "mypy scripts", "cfn-lint", "sam validate --lint", "s.yaml"} <= found.keys()
    assert sum(name.startswith("checkov") for name in found) == 1 + len(check.VARIANTS)


def test_no_python_but_the_tests_escapes_the_type_check() -> None:
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "*.py"]
    found = subprocess.run(listing, cwd=check.ROOT, capture_output=True, text=True)
    if found.returncode != 0:
        pytest.skip("not a checkout of git")
    named = [Path(path) for one in check.type_checks() for path in one.commands[0] if (check.ROOT / path).is_dir()]
    paths = [Path(name) for name in found.stdout.split("\0") if name and not name.startswith("tests/")]
    assert [path for path in paths if not any(path.is_relative_to(folder) for folder in named)] == []
