"""Mint, rotate and revoke the tokens of an MCP server's door. Only chooses the command and ends with its exit code.

`mint`, `verify` and `config` run on Python alone; a cloud's SDK is imported by the store that needs it.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Sequence
from types import FrameType, SimpleNamespace

# What takes time to load is imported further down, behind the handlers: Ctrl-C before them would show a traceback.

DONE, FAILED, USAGE, REFUSED = 0, 1, 2, 3
GO_ON = "what was written so far is safe; run the same command again to go on"
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stopped(BaseException):
    """A signal asked this run to end."""


def command(name: str) -> Callable[..., int]:
    """The function behind a command, imported when it is called for."""
    if name == "verify":
        from lifecycle.verify import run_verify

        return run_verify
    if name == "config":
        from lifecycle.clients import run_config

        return run_config
    if name == "jwt":
        from lifecycle.access_tokens import run_jwt

        return run_jwt
    from lifecycle import commands

    return {
        "mint": commands.run_mint,
        "list": commands.run_list,
        "rotate": commands.run_rotate,
        "revoke": commands.run_revoke,
        "rollback": commands.run_rollback,
    }[name]


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; every way out but 0 says why on stderr, and none with a traceback, which could show a token."""
    chosen = SimpleNamespace()
    try:
        for number in SIGNALS:
            signal.signal(number, _stop)
        sys.unraisablehook = _unraisable
        try:
            return _run(chosen, argv)
        finally:
            _hear_no_more()  # what is left is to end
    except Stopped:
        return _end(chosen, FAILED, "stopped", GO_ON)


def _run(chosen: SimpleNamespace, argv: Sequence[str] | None) -> int:
    from pathlib import Path

    root = Path(__file__).resolve().parent.parent
    sys.path[:0] = [str(root / "scripts"), str(root / "functions")]
    from lifecycle import arguments, memory
    from lifecycle.errors import UsageError
    from lifecycle.output import OutputLost, show
    from mcp_faas.lifecycle.rotator import RunFailed, RunRefused
    from mcp_faas.logs import defect
    from mcp_faas.stores import AddressError, StoreError
    from mcp_faas.tokens import DocumentError

    memory.keep_private()
    try:
        try:
            arguments.parser().parse_args(argv, chosen)
        except SystemExit as done:
            if not done.code:
                show("", end="")  # --help has printed; did it arrive?
            raise
        return command(chosen.command)(chosen)
    except (UsageError, AddressError) as error:
        return _end(chosen, USAGE, "usage", error)
    except (RunRefused, DocumentError) as error:
        return _end(chosen, REFUSED, "refused", error)
    except (RunFailed, StoreError) as error:
        return _end(chosen, FAILED, "failed", error)
    except OutputLost as error:
        advice = "run the same command again"
        if hasattr(chosen, "token"):
            advice = "the document is as `list` shows it; `rotate ADDRESS --deliver stdout` shows its current token"
        return _end(chosen, FAILED, "failed", f"standard output {error}; {advice}")
    except ModuleNotFoundError as error:
        _run_again()
        return _end(chosen, FAILED, "failed", f"{error.name} is not installed; run `make setup`, then this again")
    except Exception as error:  # noqa: BLE001 - a defect; its text may quote a token, its type and place do not
        return _end(chosen, FAILED, "failed", f"unexpected {defect(error)}; run the same command again")


def _end(chosen: SimpleNamespace, code: int, word: str, why: object) -> int:
    from lifecycle import output

    output.say(f"{word}: {why}")
    if getattr(chosen, "json", False):
        import contextlib

        from lifecycle import report

        token = getattr(chosen, "token", None)
        told = {"error": output.concealed(str(why)), "exit": code, **({"token": token} if token else {})}
        with contextlib.suppress(output.OutputLost):  # then the sentence above is all there is
            report.print_json(told)
    return code


def _stop(number: int, frame: FrameType | None) -> None:
    _hear_no_more()  # a second one would interrupt the tidying up
    raise Stopped


def _hear_no_more() -> None:
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def _unraisable(unraisable: sys.UnraisableHookArgs) -> None:
    """What is raised while an object is destroyed, the interpreter can only print, traceback and text and all."""
    if unraisable.exc_type is Stopped:  # the run would go on, and no second signal would reach it
        _end(SimpleNamespace(), FAILED, "stopped", GO_ON)
        os._exit(FAILED)


def _run_again() -> None:
    """`python3 scripts/tokens.py` on a machine's own Python means the environment that `make setup` made."""
    from pathlib import Path

    environment = Path(__file__).resolve().parent.parent / ".venv"
    python = environment / "bin" / "python"
    if python.exists() and not environment.samefile(sys.prefix):
        os.execv(python, [str(python), *sys.argv])  # noqa: S606 - the same command line, which holds no secret


if __name__ == "__main__":
    sys.exit(main())
