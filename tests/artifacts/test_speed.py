"""The short form of `make bench`: the built artifact is no slower, beside the naive server in the same artifact, than
it was recorded to be. Under a minute; a ratio above its bound is measured up to five times. docs/bench/README.md says
how the bounds were found, and what to do when one is missed.
"""

from __future__ import annotations

import platform

import pytest

from artifacts import interpreters
from artifacts.deployables import DEFAULT_PYTHON
from benchmarks import machine, short
from benchmarks.short import Short

pytestmark = [
    pytest.mark.artifact,
    pytest.mark.alone,
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.skipif(platform.system() != "Linux", reason="Lambda's runtime client is a Linux program"),
    pytest.mark.skipif(
        interpreters.find(DEFAULT_PYTHON) is None, reason=f"the bounds were recorded with Python {DEFAULT_PYTHON}"
    ),
]


@pytest.fixture(name="stacks", scope="module")
def _stacks() -> Short:
    return Short.prepare(lambda sentence: None)


@pytest.mark.parametrize("name", ["cold", "warm", "token"])
def test_no_ratio_is_worse_than_recorded(stacks: Short, name: str) -> None:
    assert short.complaints(stacks.measurements[name], short.recorded(machine.processor())) == []
