"""What the project wants to reach, as data: which figure, and how much at most. No figure is computed here."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Aim:
    """`figure` is the key of a figure in results.json."""

    figure: str
    at_most: float
    words: str


def _aims() -> tuple[Aim, ...]:
    aims = []
    for door in ("jwt", "platform"):
        subject = f"ours-{door}"
        aims.append(Aim(f"cold/wall/{subject}/plain", 0.45, f"cold start, door {door}, to plain `sam build`"))
        aims.append(Aim(f"cold/wall/{subject}/sdk-mangum", 0.80, f"cold start, door {door}, to SDK + Mangum"))
    for era in ("modern", "legacy"):
        for kind, at_most in (("async", 0.75), ("def", 0.30)):
            case = f"{era} {kind} 10 tools"
            words = f"warm call of {'an `async def`' if kind == 'async' else 'a `def`'} tool, {era}"
            aims.append(Aim(f"warm/p50 {case}/ours-platform/sdk-mangum", at_most, f"{words}, p50 to SDK + Mangum"))
            aims.append(Aim(f"warm/p99.9 {case}/ours-platform/its p50", 3.0, f"{words}, p99.9 to p50"))
    for algorithm in ("RS256", "ES256", "EdDSA"):
        aims.append(Aim(f"token/{algorithm} accept/door jwt/raw", 1.5, f"token check, {algorithm}, to raw signature"))
        words = f"dearest refusal, {algorithm}, to acceptance"
        aims.append(Aim(f"token/{algorithm} dearest refusal/door jwt/accept", 1.0, words))
    aims.append(Aim("size/unzipped/ours/plain", 0.85, "unzipped, to plain `sam build`"))
    for door in ("jwt", "platform"):
        words = f"memory at the first answer, door {door}, to plain `sam build`"
        aims.append(Aim(f"memory/first answer/ours-{door}/plain", 0.90, words))
    return tuple(aims)


AIMS = _aims()
