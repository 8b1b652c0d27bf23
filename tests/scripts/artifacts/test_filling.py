"""A step that takes long says that it goes on, and stops saying so when it is over, however that was."""

from __future__ import annotations

import threading

import pytest

from artifacts import filling


@pytest.mark.parametrize("fails", [False, True])
def test_a_long_step_tells_the_time(monkeypatch: pytest.MonkeyPatch, fails: bool) -> None:
    monkeypatch.setattr(filling, "PATIENCE_SECONDS", 0.01)
    said: list[str] = []
    twice = threading.Event()

    def say(sentence: str) -> None:
        said.append(sentence)
        if len(said) == 2:
            twice.set()

    def work() -> None:
        with filling.telling_the_time("still installing", say):
            assert twice.wait(30)
            if fails:
                raise ValueError

    before = threading.active_count()
    if fails:
        with pytest.raises(ValueError):
            work()
    else:
        work()
    assert threading.active_count() == before
    assert said[0] == "still installing, 0 s so far"


def test_a_short_step_says_nothing() -> None:
    said: list[str] = []
    with filling.telling_the_time("still installing", said.append):
        pass
    assert said == []
