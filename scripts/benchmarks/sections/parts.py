"""What a section of a run is: its stacks, its steps, how much is repeated. Data and its types; measures nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType

from benchmarks import environments, events
from benchmarks.peers import PEERS, Peer
from benchmarks.progress import Progress
from benchmarks.results import Figure

Maker = Callable[[environments.Say], Path]


@dataclass(frozen=True)
class Effort:
    """How often everything is repeated."""

    cold_rounds: int
    warm_processes: int
    warm_rounds: int
    warm_calls: int
    token_rounds: int
    token_calls: int
    load_rounds: int
    load_seconds: float
    load_answers: int  # at least so many in each round: fewer have no p99
    memory_calls: int
    growth_rounds: int


FULL = Effort(15, 3, 12, 200, 25, 400, 10, 1.5, 100, 10_000, 8)
SMOKE = Effort(1, 1, 1, 10, 1, 20, 1, 0.2, 1, 20, 1)  # every stack answers once; the figures mean nothing


@dataclass(frozen=True)
class Bench:
    """What every section needs."""

    effort: Effort
    progress: Progress
    issuer: events.Issuer
    python: Path  # with Lambda's runtime client
    folders: Mapping[str, Path]  # by stack; those of the chosen sections alone

    def folder(self, peer: Peer) -> Path:
        return self.folders[peer.name]


@dataclass(frozen=True)
class Section:
    """One part of a run; `seconds` is what it takes on two idle cores, without the installing."""

    name: str
    what: str
    seconds: float
    steps: Callable[[Effort], int]
    measure: Callable[[Bench], list[Figure]]
    stacks: Mapping[str, Maker]  # what it runs, and how the folder of each is made


def made(*peers: Peer) -> Mapping[str, Maker]:
    return MappingProxyType({peer.name: partial(environments.folder_of, peer) for peer in peers})


AUTHORIZER = "ours-authorizer"
REMARKS = {AUTHORIZER: "the token document is a file here; Secrets Manager brings the import of boto3"}
REMARKS |= {peer.name: peer.remark for peer in PEERS}
