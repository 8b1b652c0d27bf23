"""The commands that read or change a token document: mint, list, rotate, revoke, rollback."""

from __future__ import annotations

import argparse
from datetime import datetime, timezone

from lifecycle import report
from lifecycle.environment import access
from lifecycle.errors import UsageError
from lifecycle.output import say, show
from lifecycle.sinks import KeptSink, StdoutSink, check_apart, open_sink
from mcp_faas.lifecycle.probe import Probe
from mcp_faas.lifecycle.rotator import Rotator, current_name
from mcp_faas.lifecycle.sinks import Sink
from mcp_faas.rotation import WRITES, Intent, Mint, Plan, Policy, Revoke, Rollback, Rotate
from mcp_faas.stores import Snapshot, open_store
from mcp_faas.stores.file import FileStore
from mcp_faas.tokens import TokenDocument, fingerprint, mint


def run_mint(arguments: argparse.Namespace) -> int:
    if arguments.address:
        if arguments.document:
            raise UsageError("--document prints a first document; it goes without an ADDRESS")
        return _run(arguments, Mint(), Policy())
    if arguments.dry_run:
        raise UsageError("--dry-run needs an ADDRESS: without one nothing happens anyway")
    token = mint(datetime.now(timezone.utc))
    if arguments.document:
        show(TokenDocument((token,)).dump())
    elif arguments.json:
        report.print_json({"name": token.name, "fingerprint": fingerprint(token.data), "token": token.data})
    else:
        show(token.data)
    return 0


def run_list(arguments: argparse.Namespace) -> int:
    rotator = Rotator(open_store(arguments.address, access()), Rotate(), Policy(), timeout=access().timeout)
    snapshot, now = rotator.look()
    rows = report.rows(snapshot.document, now, Policy(arguments.max_age, arguments.overlap))
    if arguments.json:
        known = {"address": arguments.address, "time": report.iso(now), "url": snapshot.url}
        report.print_json({**known, "tokens": rows})
    else:
        show(report.table(rows, snapshot.url))
    return 0


def run_rotate(arguments: argparse.Namespace) -> int:
    return _run(arguments, Rotate(), Policy(arguments.max_age, arguments.overlap))


def run_revoke(arguments: argparse.Namespace) -> int:
    return _run(arguments, Revoke(arguments.name, arguments.now), Policy())


def run_rollback(arguments: argparse.Namespace) -> int:
    return _run(arguments, Rollback(), Policy())


def _run(arguments: argparse.Namespace, intent: Intent, policy: Policy) -> int:
    reach = access()
    shown = KeptSink if arguments.json else StdoutSink
    wanted = list(dict.fromkeys(getattr(arguments, "deliver", [])))
    for form in wanted:
        check_apart(form, arguments.address)
    sinks: list[Sink] = [shown() if form == "stdout" else open_sink(form, reach) for form in wanted]
    if not sinks:
        sinks = [shown(unasked=True)]
    url = getattr(arguments, "probe", None)
    try:
        probe = Probe(url, reach.timeout) if url else None
    except ValueError as error:
        raise UsageError(f"--probe: {error}") from None
    store = open_store(arguments.address, reach)
    if isinstance(intent, Mint) and not arguments.dry_run and isinstance(store, FileStore):
        store.create()  # a file may be begun so; a typing error in the address of a rotation must not begin one
    rotator = Rotator(store, intent, policy, sinks, probe, reach.timeout, report=report.say_step, tell=say)
    if arguments.dry_run:
        _show_plan(arguments, *rotator.preview())
        return 0
    try:
        outcome = rotator.run()
    finally:  # a machine that asked for the token gets it, however the run ends: the document may say that it has it
        arguments.token = next((sink.token for sink in sinks if isinstance(sink, KeptSink)), None)
    if arguments.json:
        result = {
            "address": arguments.address,
            "time": report.iso(outcome.time),
            "changed": any(step.action in WRITES for step in outcome.done),
            **report.plan_object(Plan(outcome.done, outcome.due, outcome.note)),
            "current": current_name(outcome.document),
            "tokens": report.rows(outcome.document, outcome.time, policy),
        }
        report.print_json({**result, "token": arguments.token} if arguments.token else result)
        return 0
    if outcome.note:
        say(outcome.note)
    if not outcome.done and not outcome.note:
        say("nothing to do")
    for line in report.due_lines(outcome.due, outcome.time, policy_is_known=isinstance(intent, Rotate)):
        say(line)
    return 0


def _show_plan(arguments: argparse.Namespace, plan: Plan, snapshot: Snapshot, now: datetime) -> None:
    if arguments.json:
        report.print_json(
            {"address": arguments.address, "time": report.iso(now), "dry_run": True, **report.plan_object(plan)}
        )
        return
    say(f"This would be done to {arguments.address}; nothing is changed now.")
    for number, step in enumerate(plan.steps, 1):
        show(f"{number}. {step}")
    if plan.note or not plan.steps:
        show(plan.note or "nothing to do")
    for line in report.due_lines(plan.due, now):
        show(line)
