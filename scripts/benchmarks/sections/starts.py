"""The section `cold`: starts as figures of time and memory, to both baselines."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from types import MappingProxyType

from benchmarks import cold, environments, events
from benchmarks.peers import PEERS, PLAIN, SDK
from benchmarks.results import Figure, paired
from benchmarks.sections.parts import AUTHORIZER, FULL, REMARKS, Bench, Section, made


def _cold(bench: Bench) -> list[Figure]:
    instances = [
        cold.Instance(
            peer.name,
            bench.folder(peer),
            peer.handler,
            bench.python,
            events.tool_call(peer, events.newest_era(peer), bench.issuer),
            events.settings(peer, bench.issuer),
        )
        for peer in PEERS
    ]
    with tempfile.TemporaryDirectory() as scratch:
        instances.append(_authorizer(bench, Path(scratch)))
        return _cold_of(bench, instances)


def _authorizer(bench: Bench, scratch: Path) -> cold.Instance:
    """The function in front of door `bearer` on AWS. Its document is a file here, so the AWS SDK is not in it."""
    token = "mcp-" + "a" * 40
    document = scratch / "tokens.json"
    document.touch(0o600)
    document.write_text(json.dumps({"tokens": [{"tokenName": "alice", "enable": True, "tokenData": token}]}))
    header = f"Bearer {token}"
    event = {"version": "2.0", "type": "REQUEST", "headers": {"authorization": header}, "identitySource": [header]}
    return cold.Instance(
        AUTHORIZER,
        bench.folders[AUTHORIZER],
        "aws_authorizer.handler",
        bench.python,
        {**event, "requestContext": {"requestId": "id="}},
        {"MCP_TOKENS": f"file:{document}"},
        lambda result: result["isAuthorized"] is True,
    )


def _cold_of(bench: Bench, instances: list[cold.Instance]) -> list[Figure]:
    starts: list[dict[str, cold.Start]] = []
    warm_up = 2 if bench.effort is FULL else 0
    for number in range(warm_up):
        bench.progress.step(f"round {number + 1} of {warm_up} that are thrown away")
        next(iter(cold.rounds(instances, 1, 0)))
    for found in cold.rounds(instances, bench.effort.cold_rounds, 0):
        starts.append(found)
        bench.progress.step(f"round {len(starts)} of {bench.effort.cold_rounds}")
    figures: list[Figure] = []
    for baseline in (PLAIN.name, SDK.name):
        values = {name: [found[name].wall_seconds * 1000 for found in starts] for name in starts[0]}
        figures += paired("cold", "wall", "ms", values, baseline, REMARKS)
        values = {name: [found[name].cpu_seconds * 1000 for found in starts] for name in starts[0]}
        figures += paired("cold", "cpu", "ms", values, baseline, REMARKS)
        values = {name: [found[name].resident_bytes / 1e6 for found in starts] for name in starts[0]}
        for figure in paired("memory", "first answer", "MB", values, baseline, REMARKS):
            figures.append(figure)
    return figures


def _token_guard(say: environments.Say) -> Path:
    return environments.ours("aws", say, "token_guard")


COLD = Section(
    "cold",
    "process start to the first answer",
    125,
    lambda effort: effort.cold_rounds + 2,
    _cold,
    MappingProxyType({**made(*PEERS), AUTHORIZER: _token_guard}),
)
