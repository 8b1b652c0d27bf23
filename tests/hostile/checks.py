"""What every answer is held to: the challenge byte by byte, one audit line, and silence about the rest."""

from __future__ import annotations

import ast
import json
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from hostile.case import CANARIES, Expect
from hostile.ways_in import Answer

ROOT = Path(__file__).resolve().parents[2]
LIBRARY = ROOT / "functions/mcp_faas"
TOKEN_MAX, TEXT_CLAIM_MAX = 8192, 1024  # the two bounds that a refusal may name
DESCRIPTIONS = {
    "invalid_token": "The access token is not accepted.",
    "invalid_request": "Send exactly one Authorization header: Bearer, one blank and the token.",
    "insufficient_scope": "The operation needs a wider scope.",
}
KNOWN_CALLER = ("ok", "scope_missing", "message_malformed", "message_too_large")  # reasons after which a name is known


@cache
def closed_list() -> frozenset[str]:
    """`ok`, and the reasons that docs/audit.md names."""
    table = (ROOT / "docs/audit.md").read_text(encoding="utf-8").partition("| `reason` |")[2]
    names = "\n".join(row.split("|")[1] for row in table.splitlines() if row.startswith("| `"))
    return frozenset({"ok", *re.findall(r"`([a-z_]+)`", names)})


@cache
def own_words() -> frozenset[str]:
    """Every word that the code itself can say when it refuses: in what it raises, and as the name of a claim."""
    texts: list[str] = []
    for path in (
        *sorted((LIBRARY / "auth").glob("*.py")),
        LIBRARY / "doors.py",
        LIBRARY / "jwt_door.py",
        LIBRARY / "jwks.py",
        LIBRARY / "gate.py",
    ):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        raised = [node for node in ast.walk(tree) if isinstance(node, ast.Raise)]
        texts += [text for node in raised for text in _constants(node)]
        texts += [text for text in _constants(tree) if re.fullmatch(r"[a-z0-9_]+", text)]
    return frozenset({word for text in texts for word in _words(text)} | {str(TOKEN_MAX), str(TEXT_CLAIM_MAX)})


def _constants(node: ast.AST) -> list[str]:
    return [found.value for found in ast.walk(node) if isinstance(found, ast.Constant) and isinstance(found.value, str)]


def _words(text: str) -> list[str]:
    return [word.strip(",;.`") for word in text.split()]


def metadata_url(resource: str) -> str:
    """RFC 9728 §3.1, for a resource of the form https://host/path; behind the stage for https://host/stage/path."""
    before, _, path = resource.rpartition("/")
    return f"{before}/.well-known/oauth-protected-resource/{path}"


def challenge(expect: Expect, resource: str) -> tuple[str, dict[str, str]]:
    """The reference: the header's value, and the same as the members of the JSON body."""
    parameters: dict[str, str] = {}
    if expect.error:
        parameters = {"error": expect.error, "error_description": DESCRIPTIONS[expect.error]}
    parameters |= {"scope": expect.scope, "resource_metadata": metadata_url(resource)}
    body = parameters if expect.error else {"message": "Authentication required.", **parameters}
    return "Bearer " + ", ".join(f'{name}="{value}"' for name, value in parameters.items()), body


def complaints(
    expect: Expect, answer: Answer, decisions: Sequence[Mapping[str, Any]], resource: str, *, head: bool = False
) -> list[str]:
    """What is wrong with the answer and its audit lines; nothing, if all is well."""
    wrong: list[str] = []
    if answer.status != expect.status:
        wrong.append(f"status {answer.status} {answer.body[:120]!r}")
    challenges = answer.all("www-authenticate")
    if expect.error is None:
        if challenges:
            wrong.append(f"challenge {challenges}")
    else:
        header, body = challenge(expect, resource)
        if challenges != [header]:
            wrong.append(f"challenge {challenges}")
        if not head and _json(answer.body) != body:
            wrong.append(f"body {answer.body[:200]!r}")
        if answer.all("cache-control") != ["no-store"]:
            wrong.append(f"cache-control {answer.all('cache-control')}")
    if answer.all("location"):
        wrong.append("a redirect")
    if any(canary.encode() in answer.body for canary in CANARIES.values()):
        wrong.append("a claim in the answer")
    return wrong + _of_decisions(expect, answer, decisions)


def _of_decisions(expect: Expect, answer: Answer, decisions: Sequence[Mapping[str, Any]]) -> list[str]:
    wrong: list[str] = []
    if len(decisions) != bool(expect.reasons):
        return [f"{len(decisions)} audit lines"]
    for line in decisions:
        reason = line["reason"]
        if reason not in expect.reasons or reason not in closed_list():
            wrong.append(f"reason {reason}")
        if line["status"] != answer.status:
            wrong.append(f"logged status {line['status']}")
        if (line["decision"] == "allow") != (reason in ("ok", "message_malformed", "message_too_large")):
            wrong.append(f"decision {line['decision']}")
        told = json.dumps(line)
        secret = CANARIES if reason not in KNOWN_CALLER else ("jti", "email")
        wrong += [f"the claim {name} in the log" for name in secret if CANARIES[name] in told]
        if foreign := set(_words(line["detail"] or "")) - own_words():
            wrong.append(f"words that are not ours in the log: {sorted(foreign)}")
        if (line["detail"] is None) != (reason in KNOWN_CALLER):
            wrong.append(f"detail {line['detail']}")
        if reason not in KNOWN_CALLER and any(line[name] for name in ("subject", "client", "issuer", "scopes")):
            wrong.append("the name of somebody who was refused")
    return wrong


def decisions_by_call(lines: Iterable[str]) -> dict[str, list[Mapping[str, Any]]]:
    """The audit lines of an output, by the platform's id of the call."""
    found: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for line in lines:
        if line.startswith("{"):
            decision = json.loads(line)
            assert decision["audit"] == "mcp-faas/1"
            found[str(decision["request_id"])].append(decision)
    return found


def leaks(lines: Sequence[str], credentials: Iterable[str]) -> list[str]:
    """Pieces of these credentials, and canary claims outside of audit lines, in an output."""
    output = "\n".join(lines)
    other = "\n".join(line for line in lines if not line.startswith("{"))
    pieces = {piece[:24] for text in credentials for piece in re.split(r"[^A-Za-z0-9_-]+", text) if len(piece) >= 24}
    found = [piece for piece in pieces if piece in output]
    return found + [canary for canary in CANARIES.values() if canary in other]


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return None
