"""The end of a run says what failed, for whoever sees the tail of its log alone."""

from __future__ import annotations

from clients.row import Row, last_lines

GOOD = Row("fc", "jwt", "client", "1", "auto", "http")
BAD = Row("aws", "jwt", "client", "1", "auto", "http", 2.5, ["no answer", "was let in without a token"])


def test_what_failed_is_told_again_before_the_count() -> None:
    *failed, count = last_lines([BAD, GOOD], 60.4)
    assert failed == [BAD.line()]
    assert "no answer; was let in without a token" in failed[0]
    assert count == "interop: 1 ok, 1 failed, 60 s"


def test_nothing_is_told_again_when_all_is_well() -> None:
    assert [*last_lines([GOOD, GOOD], 1)] == ["interop: 2 ok, 0 failed, 1 s"]
