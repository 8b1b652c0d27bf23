"""The collector around a start: off inside, on afterwards however it ends, and what was made stays out of its way."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mcp_faas.starting import collector_off


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    yield
    gc.unfreeze()
    gc.enable()


def test_nothing_is_collected_inside_and_what_was_made_never_is() -> None:
    runs: list[int] = []

    def count(phase: str, info: dict[str, int]) -> None:
        runs.append(info["generation"])

    gc.unfreeze()
    gc.callbacks.append(count)
    try:
        with collector_off():
            kept = [[number] for number in range(50_000)]
            assert runs == []
        assert gc.isenabled()
        assert gc.get_freeze_count() > len(kept)
    finally:
        gc.callbacks.remove(count)


def test_a_start_that_fails_leaves_the_collector_on_and_nothing_frozen() -> None:
    gc.unfreeze()
    with pytest.raises(LookupError), collector_off():
        raise LookupError
    assert gc.isenabled()
    assert gc.get_freeze_count() == 0


FUNCTIONS = Path(__file__).resolve().parents[2] / "functions"
EVENT_FUNCTION = "import {module}"
WEB_FUNCTION = """
import gc, runpy
from mcp_faas.platforms import fc
fc.run_web_function = lambda *_: None
gc.unfreeze()
runpy.run_module("alibaba_fc", run_name="__main__")
"""
TELL = "import gc; print(gc.get_freeze_count(), gc.isenabled())"


@pytest.mark.parametrize(
    "start",
    [EVENT_FUNCTION.format(module="aws_lambda"), EVENT_FUNCTION.format(module="alibaba_fc"), WEB_FUNCTION],
    ids=["aws_lambda", "alibaba_fc", "alibaba_fc as a web function"],
)
def test_every_entry_point_starts_so(start: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", f"{start}\n{TELL}"],
        cwd=FUNCTIONS / "mcp_server",
        env={"PATH": os.defpath, "PYTHONPATH": str(FUNCTIONS), "MCP_DOOR": "platform"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    frozen, enabled = done.stdout.split()
    assert (int(frozen) > 50_000, enabled) == (True, "True"), done.stdout
