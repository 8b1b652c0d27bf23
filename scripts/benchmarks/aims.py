"""What the project wants to reach, as data: which figure, and how much at most. No figure is computed here."""

from __future__ import annotations

from dataclasses import dataclass

DOORS = ("jwt", "platform")
KINDS = {"async": "async def", "def": "def"}


@dataclass(frozen=True)
class Aim:
    """`figure` is the key of a figure in results.json, `why` the heading of docs/bench/README.md that explains it."""

    figure: str
    at_most: float
    words: str
    why: str


def _aims() -> tuple[Aim, ...]:
    aims = []
    for door in DOORS:
        subject, words = f"ours-{door}", f"cold start, door {door}"
        aims.append(Aim(f"cold/wall/{subject}/plain", 0.45, f"{words}, to plain `sam build`", "cold-starts"))
        aims.append(Aim(f"cold/wall/{subject}/sdk-mangum", 0.80, f"{words}, to SDK + Mangum", "cold-starts"))
    for kind, at_most, why in (("async", 0.75, "warm-calls-async-def"), ("def", 0.30, "warm-calls-def")):
        for era in ("modern", "legacy"):
            for door in DOORS:
                case, words = f"{era} {kind} 10 tools", f"warm call, `{KINDS[kind]}`, {era}, door {door}"
                key = f"warm/p50 {case}/ours-{door}/sdk-mangum"
                aims.append(Aim(key, at_most, f"{words}, p50 to SDK + Mangum", why))
                aims.append(
                    Aim(f"warm/p99.9 {case}/ours-{door}/its p50", 3.0, f"{words}, p99.9 to p50", "the-slowest-calls")
                )
    for algorithm in ("RS256", "ES256", "EdDSA"):
        words = f"token check, {algorithm}, to raw signature"
        aims.append(Aim(f"token/{algorithm} accept/door jwt/raw", 1.5, words, "token-checks"))
        words = f"dearest refusal, {algorithm}, to acceptance"
        aims.append(Aim(f"token/{algorithm} dearest refusal/door jwt/accept", 1.0, words, "token-checks"))
    aims.append(Aim("size/unzipped/ours/plain", 0.85, "unzipped, to plain `sam build`", "size-and-memory"))
    for door in DOORS:
        words = f"memory at the first answer, door {door}, to plain `sam build`"
        aims.append(Aim(f"memory/first answer/ours-{door}/plain", 0.90, words, "size-and-memory"))
    return tuple(aims)


AIMS = _aims()
