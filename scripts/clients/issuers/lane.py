"""Where an issuer's rows come about: on which cloud, with what, and how a row is begun and ended. Judges nothing."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx2

from clients.issuers.browser import LostOnTheWay
from clients.issuers.cases import Expected, complaints_of_a_token
from clients.issuers.process import NoIssuer
from clients.issuers.server import TrustingServer
from clients.row import Row
from edges.aws_instance import InitFailed
from edges.processes import ChildFailed
from local.doors import Cloud

# What may go wrong on the way to a verdict; each is a row that failed, and the next row has its turn.
DAMAGE = (NoIssuer, LostOnTheWay, ChildFailed, InitFailed, httpx2.HTTPError, asyncio.TimeoutError, OSError)


@dataclass(frozen=True)
class Lane:
    """One issuer at one cloud. `home` is a folder of its own, and `report` takes each row as soon as it is there."""

    cloud: Cloud
    node: str
    home: Path
    report: Callable[[Row], None]

    @contextlib.contextmanager
    def setting(self, issuer: str, version: str) -> Iterator[None]:
        """For what every row needs: where that fails, one row says so, and there are no others."""
        try:
            yield
        except DAMAGE as error:
            problem = f"{type(error).__name__}: {error}"
            self.report(Row(self.cloud, "jwt", issuer, version, "start", "http", problems=[problem]))

    @contextlib.contextmanager
    def row(self, issuer: str, version: str, what: str) -> Iterator[Row]:
        """A row that is reported at the end of its block, whatever happens in it."""
        row = Row(self.cloud, "jwt", issuer, version, what, "http", seen={"cases": {}})
        began = time.monotonic()
        try:
            yield row
        except DAMAGE as error:
            row.problems.append(f"{type(error).__name__}: {error}")
        row.seconds = round(time.monotonic() - began, 1)
        self.report(row)


async def show(server: TrustingServer, row: Row, name: str, token: str, expected: Expected) -> None:
    """Show one token to the server, note what it made of it, and what was wrong with that."""
    heard = await server.shown(token)
    row.seen["cases"][name] = str(heard)
    row.problems += [f"{name} {what}" for what in complaints_of_a_token(expected, heard, server.metadata)]
