"""The collector around a start: off inside, on afterwards however it ends, and what was made stays out of its way."""

from __future__ import annotations

import gc
from collections.abc import Iterator

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
