"""The section `size`: bytes of each stack, unzipped and zipped."""

from __future__ import annotations

from benchmarks import environments
from benchmarks.peers import OURS, PEERS, PLAIN
from benchmarks.results import Figure, single
from benchmarks.sections.parts import Bench, Section, made


def _size(bench: Bench) -> list[Figure]:
    figures = []
    unzipped, zipped = {}, {}
    for peer in PEERS:
        name = "ours" if peer in OURS else peer.name
        if name not in unzipped:
            bench.progress.step(name)
            unzipped[name], zipped[name] = environments.sizes(bench.folder(peer))
    for name in unzipped:
        for quantity, sizes in (("unzipped", unzipped), ("zipped", zipped)):
            figures.append(single("size", quantity, name, PLAIN.name, "MB", sizes[name] / 1e6, sizes[PLAIN.name] / 1e6))
    return figures


SIZE = Section("size", "artifacts and installed folders", 40, lambda effort: len(PEERS) - 1, _size, made(*PEERS))
