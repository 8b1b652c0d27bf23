"""What a debugger, a failed assertion or a careless f-string would print of a run in progress: no secret in it."""

from __future__ import annotations

import dataclasses
import functools
import gc
import itertools
import traceback
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from lifecycle import arguments, commands
from lifecycle.environment import access
from mcp_faas.stores import StoreError, open_store
from mcp_faas.tokens import DocumentError
from support.canaries import Canaries
from support.hunted_places import HUNTED_CREDENTIALS, Places, StoreKind, places
from support.hunts import DISABLED, FOREIGN, aged

OURS = ("mcp_faas.", "lifecycle.")
MET = {"Token", "TokenDocument", "Snapshot", "Access", "Policy"}  # at the least, or the walk has seen nothing


class Walker:
    """Prints every object of ours that is alive."""

    def __init__(self, around: Places, secrets: set[str]) -> None:
        self.around, self.secrets = around, secrets
        self.met: Counter[str] = Counter()
        self.leaking: set[str] = set()

    def walk(self) -> None:
        canaries = Canaries({*self.secrets, *self.around.shown(), *HUNTED_CREDENTIALS})
        for each in gc.get_objects():
            kind = type(each)
            if str(kind.__module__).startswith(OURS) and (
                dataclasses.is_dataclass(each) or isinstance(each, Exception)
            ):
                self.met[kind.__name__] += 1
                if canaries.found(f"{each!r} {each!s}".encode()):
                    self.leaking.add(kind.__name__)


@pytest.fixture
def _only_this_run() -> Iterator[None]:
    """What other tests have left alive is not looked at: after a thousand of them it is most of a large heap."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.mark.usefixtures("_only_this_run")
@pytest.mark.parametrize("kind", ["file", "fc", "fc-domain", "aws"])
def test_no_object_of_a_run_prints_a_secret(
    kind: StoreKind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cases: Counter[str]
) -> None:
    with places(kind, tmp_path / "tokens.json") as around:
        for name, value in around.environment.items():
            monkeypatch.setenv(name, value)
        old = aged(timedelta(days=40), timedelta(days=40))
        around.store.put({"tokens": [each.dump() for each in (FOREIGN, DISABLED, old)]})
        walker = Walker(around, {FOREIGN.data, DISABLED.data, old.data})
        around.door.asked = walker.walk  # while the run waits for its answer
        typed = ["rotate", around.store.address, "--probe", around.door.url, "--deliver", f"file:{tmp_path / 'token'}"]
        assert commands.run_rotate(arguments.parser().parse_args(typed)) == 0
    assert walker.leaking == set()
    assert set(walker.met) >= MET
    cases["objects printed"] += walker.met.total()


FAULTS = ("denied", "500", "malformed", "truncated", "echo")


@pytest.mark.parametrize("kind", ["fc", "aws"])
def test_no_failure_of_a_store_tells_a_secret_in_its_traceback(
    kind: StoreKind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cases: Counter[str]
) -> None:
    with places(kind, tmp_path / "tokens.json") as around:
        for name, value in around.environment.items():
            monkeypatch.setenv(name, value)
        around.store.put({"tokens": [each.dump() for each in (FOREIGN, DISABLED)]})
        canaries = Canaries({FOREIGN.data, DISABLED.data, *HUNTED_CREDENTIALS})
        store = open_store(around.store.address, access())
        found = store.read()
        told = []
        for fault, call in itertools.product(FAULTS, ("read", "write")):
            around.store.fail = functools.partial(_only, call, fault)
            try:
                if call == "read":
                    store.read()
                else:
                    store.write(store.read(), found.document)
            except (StoreError, DocumentError) as error:
                told.append("".join(traceback.format_exception(error)) + repr(error))
        assert [text for text in told if canaries.found(text.encode())] == []
        assert len(told) >= len(FAULTS) + 2, "each read fails, and the writes that are refused"
        cases["failures told"] += len(told)


def _only(wanted: str, fault: str, called: str, number: int) -> str | None:
    return fault if called == wanted else None
