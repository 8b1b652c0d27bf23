"""Is the challenge of a 401 what RFC 6750, 9110 and 9728 say, and does it arrive? Judges; what is parsed is decided in
`challenge.py`."""

from __future__ import annotations

import json
from collections.abc import Iterator

from diagnosis.challenge import Challenge, Ungrammatical, misfits, parse
from diagnosis.checks import Check, broken, could_not_tell, judge, not_applicable, ok
from diagnosis.endpoint import Endpoint
from diagnosis.wire import Reply
from lifecycle.verify import CHALLENGE, RENAMED_CHALLENGE

IDS = (
    "challenge.present",
    "challenge.name",
    "challenge.body",
    "challenge.grammar",
    "challenge.bearer",
    "challenge.once",
    "challenge.values",
    "challenge.no-error",
    "challenge.metadata",
    "challenge.scope",
    "challenge.offline",
    "challenge.rejected",
)


def values_of(reply: Reply) -> tuple[list[str], bool]:
    """The challenge under its own name, or under the one that AWS gives it; and whether it was the latter."""
    own, renamed = reply.values(CHALLENGE), reply.values(RENAMED_CHALLENGE)
    return (own or renamed), bool(renamed and not own)


def read(reply: Reply) -> list[Challenge]:
    """The challenges of an answer, as far as they can be read."""
    found = []
    for value in values_of(reply)[0]:
        try:
            found += parse([value])
        except Ungrammatical:
            continue
    return found


def examine(endpoint: Endpoint) -> Iterator[Check]:
    reply = endpoint.stranger
    if endpoint.kind in ("open", "platform"):
        why = (
            "nobody is refused"
            if endpoint.kind == "open"
            else f"{endpoint.cloud} sends no challenge, and cannot be told to"
        )
        yield from (not_applicable(id_, why) for id_ in IDS)
        return
    values, renamed = values_of(reply)
    if not values:
        yield _absent(endpoint)
        yield from (not_applicable(id_, "there is no challenge") for id_ in IDS[1:-1])
        yield _rejected(endpoint)
        return
    yield ok("challenge.present", reply, _shown(values, renamed))
    yield _name(endpoint, renamed)
    yield _body(endpoint, renamed)
    try:
        challenges = parse(values)
    except Ungrammatical as error:
        advice = f"{error}. A client that reads strictly finds no challenge: quote every value, one comma between two"
        yield broken("challenge.grammar", reply, advice, _shown(values, renamed))
        yield from (could_not_tell(id_, "the challenge cannot be read") for id_ in IDS[4:-1])
    else:
        yield ok("challenge.grammar", reply, _shown(values, renamed))
        yield from _content(endpoint, challenges)
    yield _rejected(endpoint)


def _shown(values: list[str], renamed: bool) -> str:
    return f"{RENAMED_CHALLENGE if renamed else CHALLENGE}: {' | '.join(values)}"


def _absent(endpoint: Endpoint) -> Check:
    reply = endpoint.stranger
    if reply.status != 401:
        return not_applicable("challenge.present", f"the answer is {reply}, not 401")
    advice = (
        'clients look for the login in WWW-Authenticate: send Bearer resource_metadata="…"; a '
        "proxy may strip the header"
    )
    return broken("challenge.present", reply, advice)


def _name(endpoint: Endpoint, renamed: bool) -> Check:
    """Renaming is the platform's doing, so what counts is whether clients find their way without it."""
    reply = endpoint.stranger
    if not renamed:
        return ok("challenge.name", reply)
    if endpoint.metadata_reply is not None:
        return not_applicable(
            "challenge.name", f"AWS has renamed it {RENAMED_CHALLENGE}; clients find the metadata without it"
        )
    advice = (
        "AWS renames a function's WWW-Authenticate, so clients that need it find nothing: serve the metadata at both "
        "well-known paths, where they look after any 401"
    )
    return broken("challenge.name", reply, advice)


def _body(endpoint: Endpoint, renamed: bool) -> Check:
    reply = endpoint.stranger
    if not renamed:
        return not_applicable("challenge.body", "the header arrives under its own name")
    if not endpoint.metadata_named:
        return not_applicable("challenge.body", "the challenge has no resource_metadata that could stand in the body")
    named = json.dumps(endpoint.metadata_named)[1:-1].encode() in reply.body
    advice = (
        "repeat the challenge's parameters in the JSON body: a person or a client that misses the header finds it there"
    )
    return judge("challenge.body", named, reply, advice, "resource_metadata is in the body" if named else "")


def _content(endpoint: Endpoint, challenges: list[Challenge]) -> Iterator[Check]:
    reply = endpoint.stranger
    bearers = [challenge for challenge in challenges if challenge.is_bearer]
    if not bearers:
        advice = "answer with WWW-Authenticate: Bearer …; another scheme sends MCP clients nowhere"
        yield broken("challenge.bearer", reply, advice)
        yield from (not_applicable(id_, "there is no Bearer challenge") for id_ in IDS[5:-1])
        return
    first = bearers[0]
    yield judge(
        "challenge.bearer",
        bool(first.parameters),
        reply,
        'a bare `Bearer` says nothing: RFC 6750 wants at least one parameter, resource_metadata="…" or realm="…"',
    )
    advice = "two parts of the server, or the server and a proxy, each add one; clients take either: remove one"
    yield judge("challenge.once", len(bearers) == 1, reply, advice, f"{len(bearers)} Bearer challenge(s)")
    wrong = [text for challenge in bearers for text in misfits(challenge)]
    yield judge("challenge.values", not wrong, reply, "; ".join(wrong))
    advice = (
        "error tells a client that its token was bad: some throw away what they have and log in "
        "anew, in a loop. Leave it out"
    )
    yield judge("challenge.no-error", all("error" not in each.parameters for each in bearers), reply, advice)
    yield _metadata(endpoint, first)
    scope = first.parameters.get("scope", "")
    if scope:
        yield ok("challenge.scope", reply, f"scope: {scope}")
    else:
        advice = "if every call needs a scope, name it here: clients that are told nothing ask for all or for none"
        yield could_not_tell("challenge.scope", "no scope is named, and none may be needed", advice=advice)
    advice = "refresh tokens are between client and issuer; a resource that demands offline_access makes logins fail"
    yield judge("challenge.offline", "offline_access" not in scope.split(), reply, advice)


def _metadata(endpoint: Endpoint, bearer: Challenge) -> Check:
    reply = endpoint.stranger
    if bearer.parameters.get("resource_metadata"):
        return ok("challenge.metadata", reply, bearer.parameters["resource_metadata"])
    if endpoint.kind == "static":
        return not_applicable(
            "challenge.metadata", "a door with static tokens leads to no login, and says so by its silence"
        )
    advice = 'name the metadata\'s URL here (clients of 2025-06-18 look nowhere else): resource_metadata="https://…"'
    return broken("challenge.metadata", reply, advice)


def _rejected(endpoint: Endpoint) -> Check:
    """What a bad token hears."""
    made_up = endpoint.canary()
    reply = endpoint.post(headers=[("Authorization", f"Bearer {made_up}")], note="with a made-up token")
    if reply.status != 401:
        return not_applicable("challenge.rejected", f"the answer is {reply}; see hostile.status")
    challenges = read(reply)
    bearer = next((challenge for challenge in challenges if challenge.is_bearer), None)
    if not challenges and values_of(reply)[0]:
        return could_not_tell("challenge.rejected", "the challenge cannot be read", reply)
    error = bearer.parameters.get("error", "") if bearer else ""
    advice = 'a client that hears no error="invalid_token" cannot know that it has to get a new token'
    return judge("challenge.rejected", error == "invalid_token", reply, advice)
