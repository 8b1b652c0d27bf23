"""The section `token`: the check of a token as figures of CPU time, and which refusal is the dearest."""

from __future__ import annotations

from benchmarks import token_check
from benchmarks.peers import JWT
from benchmarks.results import Figure, paired
from benchmarks.sections.parts import Bench, Section, made


def _token(bench: Bench) -> list[Figure]:
    found = token_check.measure(
        bench.python,
        bench.folder(JWT),
        rounds=bench.effort.token_rounds,
        count=bench.effort.token_calls,
        step=lambda: bench.progress.step(),
    )
    figures: list[Figure] = []
    for algorithm, rounds in found.items():
        # CPU time: nothing here waits, and it is the steadier of the two.
        taken = {name: [row[name][1] / 1000 for row in rounds] for name in rounds[0]}
        for name, subject in (("accept", "door jwt"), ("pyjwt", "PyJWT"), ("pyjwkclient", "PyJWKClient")):
            pair = {subject: taken[name], "raw": taken["raw"]}
            figures += [
                row for row in paired("token", f"{algorithm} accept", "µs", pair, "raw") if row.subject != "raw"
            ]
        refusals = []
        for name in taken:
            if name.startswith("refuse "):
                pair = {"door jwt": taken[name], "accept": taken["accept"]}
                rows = paired("token", f"{algorithm} {name}", "µs", pair, "accept")
                refusals += [row for row in rows if row.subject == "door jwt"]
        figures += refusals
        dearest = max(refusals, key=lambda row: row.ratio.median)
        kind = dearest.quantity.partition("refuse ")[2]
        figures.append(
            Figure(
                "token",
                f"{algorithm} dearest refusal",
                "door jwt",
                "accept",
                dearest.ratio,
                "µs",
                dearest.absolute,
                dearest.beside,
                kind,
            )
        )
    return figures


TOKEN = Section("token", "the check of a token", 40, lambda effort: effort.token_rounds * 3, _token, made(JWT))
