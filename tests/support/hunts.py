"""What every hunt for secrets shares: tokens to hunt for, what a run showed, and where a secret was found."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TypeVar

import pytest

from mcp_faas.tokens import Marks, Token, marks, mint
from support.canaries import Canaries
from support.hunted_places import HUNTED_CREDENTIALS
from support.hunting import Seen

AT_ONCE = 3
C = TypeVar("C")
R = TypeVar("R")

# Values of which no part is like another, in all of the alphabet that FC accepts.
FOREIGN = Token("printer", True, "Zq7+/x=~.Kd93mWvB2/+tY5uPf8rLc6hNs1=")
DISABLED = Token("scanner", False, "Xc4+Vb7/Nm2=Qw5~Er8.Ty1-Ui6Op3As0Df9")

# All that turns on more output in Python and in the clouds' SDKs: `DEBUG` is the one variable that those we pin obey.
NOISY: Mapping[str, str] = {
    "DEBUG": "sdk",
    "PYTHONDEVMODE": "1",
    "PYTHONASYNCIODEBUG": "1",
    "PYTHONFAULTHANDLER": "1",
    "PYTHONWARNINGS": "always",
}
CREDENTIALS = Canaries(HUNTED_CREDENTIALS)


@dataclass
class Caught:
    """What a run showed, and the secrets that it had to do with."""

    seen: Seen
    secrets: set[str] = field(repr=False)
    asked: set[str] = field(default_factory=set, repr=False)  # those that it was asked to show on stdout
    homes: set[str] = field(default_factory=set)  # the files in which a secret belongs
    locks: set[str] = field(default_factory=set)  # other files that it may write
    requests: list[str] = field(default_factory=list, repr=False)  # what the access log of a gateway would hold
    typed: bool = False  # a secret was on the command line already


@contextmanager
def at_once(
    request: pytest.FixtureRequest, factory: pytest.TempPathFactory, test: str, cases: Mapping[str, C],
    hunt: Callable[[C, Path], R],
) -> Iterator[dict[str, Future[R]]]:  # fmt: skip
    """The runs of those cases for which this test was chosen, a few at a time: they mostly wait."""
    items = {item.name for item in request.session.items if item.path == request.path}
    wanted = [name for name in cases if f"{test}[{name}]" in items]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        yield {name: pool.submit(hunt, cases[name], factory.mktemp("hunt")) for name in wanted}
        pool.shutdown(cancel_futures=True)  # those after a test that ended the session


def aged(age: timedelta, since: timedelta) -> Token:
    """A token of ours of this age, delivered so long ago."""
    now = datetime.now(timezone.utc)
    token = mint(now - age)
    said = marks(token.name)
    assert said
    return Token(Marks(said.created, said.fingerprint, now - since).name(), True, token.data)


def private(path: Path) -> set[str]:
    """A file of its owner's alone, and where it is made before it takes its place."""
    return {str(path), str(path.with_name(f".{path.name}.tmp"))}


def leaks(caught: Caught) -> list[str]:
    """Each place where a secret is that does not belong there, and each file that nobody expected."""
    tokens = Canaries(caught.secrets)
    unasked = Canaries(caught.secrets - caught.asked) if caught.asked else tokens
    found = [f"{form} in a request's target" for target in caught.requests for form in tokens.found(target.encode())]
    for sight in caught.seen.sights:
        if sight.place == "file" and sight.name in caught.homes:
            continue
        if sight.place == "file" and sight.name not in caught.locks:
            found.append(f"file {sight.name}")
        if sight.place == "arguments" and caught.typed:
            continue
        forms = (unasked if sight.place == "stdout" else tokens).found(sight.content)
        if sight.place != "environment":  # where the credentials were given to the program
            forms |= CREDENTIALS.found(sight.content)
        found += [f"{form} in {sight.place} {sight.name}".rstrip() for form in sorted(forms)]
    return sorted(set(found))
