"""Plans: what is done next, for any document, clock and policy."""

from __future__ import annotations

import hashlib
import itertools
from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcp_faas.generations import Generations
from mcp_faas.planning.vocabulary import KEPT
from mcp_faas.rotation import (
    WRITES,
    Intent,
    Mint,
    Plan,
    PlanRefused,
    Policy,
    Progress,
    Revoke,
    Rollback,
    Rotate,
    Step,
    apply,
    check_step,
    deliverable,
    find,
    new_token_time,
    plan,
)
from mcp_faas.tokens import (
    BASE62,
    MAX_TOKENS,
    PREFIX,
    RANDOM_LENGTH,
    DocumentError,
    Marks,
    Token,
    TokenDocument,
    checksum,
    fingerprint,
    is_ours,
    marks,
    mint,
    whole_second,
)

NOW = datetime(2026, 11, 22, 12, 0, 0, tzinfo=timezone.utc)
DAY, HOUR, SECOND = timedelta(days=1), timedelta(hours=1), timedelta(seconds=1)
POLICY = Policy(max_age=30 * DAY, overlap=24 * HOUR)
DOOR = replace(POLICY, probing=True)
FC = replace(DOOR, settling=True)
SETTLING = replace(POLICY, settling=True)


def foreign(number: int = 0, enabled: bool = True) -> Token:
    return Token(f"printer-{number}", enabled, f"foreign-{number:04d}-" + "v" * 32)


def made(moment: datetime, seed: int) -> Token:
    """As `mint` makes it, but the same each time: what is drawn can be drawn again."""
    digits = int.from_bytes(hashlib.sha512(str(seed).encode()).digest(), "big")
    body = PREFIX + "".join(BASE62[digits // 62**place % 62] for place in range(RANDOM_LENGTH))
    data = f"{body}-{checksum(body)}"
    return Token(Marks(whole_second(moment), fingerprint(data)).name(), True, data)


SEEDS = itertools.count(10_000)


def ours(age: timedelta, *, enabled: bool = True, seed: int | None = None, **said: timedelta) -> Token:
    """A token of this age; its marks as ages, too."""
    token = made(NOW - age, next(SEEDS) if seed is None else seed)
    known = marks(token.name)
    assert known
    times: dict[str, Any] = {mark: NOW - since for mark, since in said.items()}
    return Token(replace(known, **times).name(), enabled, token.data)


def document(*tokens: Token) -> TokenDocument:
    return TokenDocument(tokens)


def planned(
    tokens: TokenDocument, intent: Intent | None = None, policy: Policy = POLICY, progress: Progress | None = None
) -> Plan:
    return plan(intent or Rotate(), tokens, NOW, policy, progress or Progress())


def said(found: Plan) -> list[tuple[str, Token | None]]:
    return [(step.action, step.token) for step in found.steps]


def actions(found: Plan) -> list[str]:
    return [step.action for step in found.steps]


# Rotate


def test_a_document_with_foreign_tokens_only_gets_one_of_ours() -> None:
    assert actions(planned(document(foreign(), foreign(1)))) == ["add", "deliver", "mark"]


def test_the_order_is_add_settle_prove_deliver_and_only_then_the_mark() -> None:
    assert actions(planned(document(), policy=FC)) == ["add", "settle", "prove", "deliver", "mark"]


def test_nothing_due_is_an_empty_plan_that_says_what_comes() -> None:
    current = ours(29 * DAY, delivered=29 * DAY)
    found = planned(document(foreign(), current))
    assert found.steps == ()
    assert [(due.action, due.at) for due in found.due] == [("add", NOW + DAY)]


def test_age_is_due_at_the_second() -> None:
    assert not planned(document(ours(30 * DAY - SECOND, delivered=30 * DAY - SECOND))).steps
    assert planned(document(ours(30 * DAY, delivered=30 * DAY))).steps


def test_an_added_token_is_delivered_by_whoever_finds_it() -> None:
    old, new = ours(40 * DAY, delivered=40 * DAY), ours(SECOND)
    assert said(planned(document(old, new), policy=FC)) == [
        ("settle", new),
        ("prove", new),
        ("deliver", new),
        ("mark", new),
    ]


def test_the_overlap_counts_from_the_delivery_not_from_the_making() -> None:
    old = ours(60 * DAY, delivered=60 * DAY)
    new = ours(10 * DAY, delivered=24 * HOUR - SECOND)
    assert planned(document(old, new)).steps == ()
    new = ours(10 * DAY, delivered=24 * HOUR)
    assert actions(planned(document(old, new))) == ["disable", "delete"]


def test_with_a_door_the_new_one_is_proven_before_the_old_one_goes_and_refused_before_it_is_deleted() -> None:
    old, new = ours(60 * DAY, delivered=60 * DAY), ours(10 * DAY, delivered=2 * DAY)
    assert said(planned(document(old, new), policy=DOOR)) == [
        ("prove", new),
        ("disable", old),
        ("refuse", old),
        ("delete", old),
    ]


def test_each_token_of_a_chain_has_its_own_overlap() -> None:
    first = ours(3 * DAY, delivered=3 * DAY)
    second = ours(2 * DAY, delivered=36 * HOUR)
    third = ours(HOUR, delivered=HOUR)
    assert said(planned(document(first, second, third))) == [("disable", first), ("delete", first)]


def test_a_client_found_with_the_old_token_restarts_its_overlap_before_it_gets_the_new_one() -> None:
    old, new = ours(60 * DAY, delivered=60 * DAY), ours(10 * DAY, delivered=9 * DAY)
    progress = Progress(held=frozenset({old.data}), behind=True)
    found = planned(document(old, new), progress=progress)
    assert said(found) == [("hold", old), ("deliver", new)]
    after = apply(found.steps[0], document(old, new), NOW)
    later = plan(Rotate(), after, NOW + 24 * HOUR, POLICY, Progress())
    assert later.steps == ()
    assert actions(plan(Rotate(), after, NOW + 24 * HOUR + SECOND, POLICY, Progress())) == ["disable", "delete"]


def test_a_second_host_gets_what_the_first_one_made() -> None:
    new = ours(DAY, delivered=DAY)
    assert said(planned(document(new), progress=Progress(behind=True))) == [("deliver", new)]
    assert actions(planned(document(new), policy=DOOR, progress=Progress(behind=True))) == ["prove", "deliver"]


def test_a_token_that_may_have_been_handed_out_by_a_killed_run_gets_its_overlap() -> None:
    lost = ours(2 * DAY)  # added and never marked, and then overtaken
    new = ours(DAY, delivered=2 * HOUR)
    assert planned(document(lost, new)).steps == ()
    assert said(plan(Rotate(), document(lost, new), NOW + 22 * HOUR, POLICY, Progress())) == [
        ("disable", lost),
        ("delete", lost),
    ]


def test_of_two_tokens_added_at_once_one_is_chosen_and_the_other_waits() -> None:
    old, one, two = ours(60 * DAY, delivered=60 * DAY), ours(SECOND), ours(SECOND)
    for order in ([old, one, two], [two, old, one]):
        found = planned(document(*order))
        chosen = max((one, two), key=lambda token: token.name)
        assert said(found) == [("deliver", chosen), ("mark", chosen)]


def test_a_token_disabled_by_hand_is_left_until_its_overlap_would_be_over() -> None:
    by_hand = ours(5 * DAY, enabled=False, delivered=5 * DAY)
    assert actions(planned(document(by_hand))) == ["add", "deliver", "mark"]
    new = ours(HOUR, delivered=HOUR)
    assert planned(document(by_hand, new)).steps == ()
    new = ours(2 * DAY, delivered=2 * DAY)
    assert said(planned(document(by_hand, new))) == [("delete", by_hand)]


def test_twenty_tokens_are_refused_when_one_more_is_needed() -> None:
    full = document(*map(foreign, range(20)))
    with pytest.raises(PlanRefused, match="20 tokens"):
        planned(full)
    nineteen = document(*map(foreign, range(19)))
    assert actions(planned(nineteen))[0] == "add"
    nothing_needed = document(*map(foreign, range(19)), ours(DAY, delivered=DAY))
    assert planned(nothing_needed).steps == ()


def test_a_full_document_makes_room_with_what_is_over_anyway() -> None:
    over, due = ours(70 * DAY, delivered=70 * DAY), ours(60 * DAY, delivered=60 * DAY)
    found = planned(document(*map(foreign, range(18)), over, due))
    assert said(found) == [("disable", over), ("delete", over)]


@pytest.mark.parametrize("current", [[ours(60 * DAY, delivered=60 * DAY)], []], ids=["one is in use", "none is"])
def test_a_full_document_makes_room_with_what_is_disabled(current: list[Token]) -> None:
    gone = ours(70 * DAY, enabled=False, delivered=70 * DAY, disabled=HOUR)
    found = planned(document(*map(foreign, range(19 - len(current))), *current, gone))
    assert said(found) == [("delete", gone)]


def test_a_full_document_with_no_room_to_make_is_refused() -> None:
    unsent = ours(70 * DAY, revoked=60 * DAY)  # nobody should have it, but with no other one of ours it stays
    gone = ours(70 * DAY, enabled=False, delivered=70 * DAY, disabled=HOUR)
    assert said(planned(document(*map(foreign, range(18)), unsent, gone))) == [("delete", gone)]
    with pytest.raises(PlanRefused, match="20 tokens"):
        planned(document(*map(foreign, range(19)), unsent))


def test_a_token_that_nobody_fetched_waits_and_says_so() -> None:
    current, added = ours(40 * DAY, delivered=40 * DAY), ours(SECOND)
    found = planned(document(current, added), policy=replace(POLICY, delivering=False))
    assert found.steps == ()
    assert [(due.action, due.name) for due in found.due] == [("deliver", added.name)]


def test_a_token_that_the_door_still_takes_is_due_for_a_later_run() -> None:
    current, gone = ours(DAY, delivered=DAY), ours(9 * DAY, enabled=False, delivered=9 * DAY, disabled=HOUR)
    found = planned(document(current, gone), policy=DOOR, progress=Progress(unrefused=frozenset({gone.data})))
    assert found.steps == ()
    assert ("delete", gone.name, None) in [(due.action, due.name, due.at) for due in found.due]


def test_who_keeps_coming_back_with_a_revoked_token_does_not_keep_it_alive() -> None:
    new = ours(10 * DAY, delivered=5 * DAY)
    for revoked, replaced, is_held in ((23 * HOUR, 5 * DAY, True), (25 * HOUR, 5 * DAY, False), (9 * DAY, HOUR, True)):
        new = ours(10 * DAY, delivered=replaced)
        old = ours(60 * DAY, delivered=60 * DAY, held=HOUR, revoked=revoked)
        found = planned(document(old, new), progress=Progress(held=frozenset({old.data})))
        assert actions(found) == (["hold"] if is_held else [])
    over = ours(60 * DAY, delivered=60 * DAY, held=25 * HOUR, revoked=30 * HOUR)
    new = ours(10 * DAY, delivered=5 * DAY)
    found = planned(document(over, new), progress=Progress(held=frozenset({over.data})))
    assert actions(found) == ["disable", "delete"]


@pytest.mark.parametrize(
    "ahead", [DAY + SECOND, 73 * 365 * DAY, datetime(9999, 12, 31, 23, 59, 59, tzinfo=NOW.tzinfo) - NOW]
)
def test_a_name_from_the_far_future_is_refused(ahead: timedelta) -> None:
    for token in (ours(-ahead), ours(-ahead, delivered=-ahead), ours(DAY, delivered=-ahead), ours(DAY, held=-ahead)):
        for intent in (Rotate(), Mint(), Rollback(), Revoke(token.name), Revoke(token.name, at_once=True)):
            with pytest.raises(
                PlanRefused, match=r"more than a day ahead of now, 2026-11-22T12:00:00Z\. See that the clock"
            ):
                planned(document(foreign(), token), intent)
    assert planned(document(ours(-DAY, delivered=-DAY))).steps == ()


def test_a_clock_that_was_ahead_ends_no_overlap_early_and_orders_new_tokens_after_old_ones() -> None:
    future = ours(-HOUR, delivered=-HOUR)
    old = ours(60 * DAY, delivered=60 * DAY)
    assert planned(document(old, future)).steps == ()
    token = mint(new_token_time(document(future), NOW))
    after = apply(Step("mark", token), document(future, token), NOW)
    assert Generations(after).current is not None
    current = Generations(after).current
    assert current
    assert current.token.data == token.data


@pytest.mark.parametrize("intent", [Rotate(), Mint(), Rollback(), Revoke("printer-0", at_once=True)], ids=str)
def test_a_masked_document_is_not_planned_for(intent: Intent) -> None:
    current = ours(40 * DAY, delivered=40 * DAY)
    with pytest.raises(DocumentError, match="printer-0 has a masked value"):
        planned(document(replace(foreign(), data="fore****" + "*" * 32), current), intent)


# Mint, revoke, rollback


def test_mint_adds_whatever_the_age() -> None:
    current = ours(HOUR, delivered=HOUR)
    assert actions(planned(document(current), Mint())) == ["add", "deliver", "mark"]


def test_revoke_marks_the_token_for_the_next_rotation() -> None:
    current = ours(HOUR, delivered=HOUR)
    found = planned(document(current), Revoke(current.name))
    assert said(found) == [("revoke", current)]
    after = apply(found.steps[0], document(current), NOW)
    assert actions(planned(after)) == ["add", "deliver", "mark"]


def test_revoke_says_what_comes_next_and_the_second_time_that_it_was_so_before() -> None:
    current = ours(HOUR, delivered=HOUR)
    after = apply(Step("revoke", current), document(current), NOW - SECOND)
    first = planned(after, Revoke(current.name), progress=Progress(revoked=True)).note
    assert first.startswith(
        after.tokens[0].name + " still opens the door: the next rotate replaces it, whatever its age"
    )
    assert "To end it at once: revoke it with --now" in first
    again = planned(after, Revoke(current.name))
    assert again.steps == ()
    assert "was revoked before, at 2026-11-22T12:00:00Z; nothing is changed. It still opens the door" in again.note


def test_revoke_of_one_that_was_replaced_marks_it_too_and_prolongs_nothing() -> None:
    old, new = ours(60 * DAY, delivered=60 * DAY), ours(10 * DAY, delivered=23 * HOUR)
    found = planned(document(old, new), Revoke(old.name))
    assert said(found) == [("revoke", old)]
    after = apply(found.steps[0], document(old, new), NOW)
    note = planned(after, Revoke(old.name), progress=Progress(revoked=True)).note
    assert "its clients have a newer token since 2026-11-21T13:00:00Z" in note
    assert actions(plan(Rotate(), after, NOW + HOUR - SECOND, POLICY, Progress())) == []
    assert actions(plan(Rotate(), after, NOW + HOUR, POLICY, Progress())) == ["disable", "delete"]


def test_revoke_of_what_is_disabled_or_was_never_handed_out() -> None:
    current, gone = ours(DAY, delivered=DAY), ours(9 * DAY, enabled=False, delivered=9 * DAY, disabled=HOUR)
    found = planned(document(current, gone), Revoke(gone.name))
    assert (found.steps, "is disabled already" in found.note) == ((), True)
    lost = ours(2 * DAY)  # overtaken before it was marked as delivered: on its way out by itself
    found = planned(document(lost, current), Revoke(lost.name))
    assert (found.steps, "no place is given it any more" in found.note) == ((), True)
    added = ours(SECOND)
    found = planned(document(current, added), Revoke(added.name))
    assert said(found) == [("revoke", added)]
    after = apply(found.steps[0], document(current, added), NOW)
    assert planned(after).steps == (), "a rotation goes on with a token that was revoked"
    assert "no place is given it any more" in planned(after, Revoke(added.name)).note
    over = NOW + SECOND + POLICY.overlap
    assert plan(Rotate(), after, over - SECOND, POLICY, Progress()).steps == ()
    assert actions(plan(Rotate(), after, over, POLICY, Progress())) == ["disable", "delete"]


def test_revoke_now_replaces_the_only_token_before_it_goes() -> None:
    current = ours(HOUR, delivered=HOUR)
    found = planned(document(foreign(), current), Revoke(current.name, at_once=True), DOOR)
    assert actions(found) == ["add", "prove", "deliver", "mark", "disable", "refuse", "delete"]


def test_revoke_now_goes_back_to_an_older_token_that_still_works() -> None:
    older, current = ours(DAY, delivered=DAY), ours(HOUR, delivered=HOUR)
    intent = Revoke(current.name, at_once=True)
    assert deliverable(intent, document(older, current)) == older
    found = planned(document(older, current), intent, progress=Progress(behind=True))
    assert said(found) == [("deliver", older), ("disable", current), ("delete", current)]


def test_revoke_now_does_not_go_back_to_a_revoked_token() -> None:
    older, current = ours(DAY, delivered=DAY, revoked=2 * HOUR), ours(HOUR, delivered=HOUR)
    intent = Revoke(current.name, at_once=True)
    found = planned(document(older, current), intent, progress=Progress(behind=True))
    assert actions(found) == ["add", "deliver", "mark", "disable", "delete"]
    added = ours(SECOND)
    found = planned(document(older, current, added), intent, progress=Progress(behind=True))
    assert said(found)[:2] == [("deliver", added), ("mark", added)]
    found = planned(document(older, added), intent)
    assert said(found) == [("deliver", added), ("mark", added)], "an interrupted one is not finished"


def test_revoke_now_needs_no_room_where_others_are_still_let_in() -> None:
    current = ours(HOUR, delivered=HOUR)
    intent = Revoke(current.name, at_once=True)
    for others in (19, 20, 22):
        full = document(*map(foreign, range(others)), current)
        found = planned(full, intent, DOOR)
        assert said(found) == [("disable", current), ("refuse", current), ("delete", current)]
        assert "no other token of this tool: tokens.py rotate makes one when there is room" in found.note
        assert "no other token of this tool" in planned(full.without(current.data), intent).note
        assert len(walk(full, intent, POLICY, Progress()).tokens) == others
        marked = walk(full, Revoke(current.name), POLICY, Progress())
        assert Generations(marked).all[0].marks.revoked
    with pytest.raises(PlanRefused, match="20 tokens"):
        planned(document(*(foreign(number, enabled=False) for number in range(19)), current), intent)


def test_revoke_finds_a_token_by_a_name_it_had_before() -> None:
    token = mint(NOW - DAY)
    marked = apply(Step("mark", token), document(token), NOW)
    assert marked.tokens[0].name != token.name
    assert find(marked, token.name) == marked.tokens[0]


def test_revoke_of_what_is_gone_is_done_and_of_what_never_was_is_refused() -> None:
    gone = ours(DAY, delivered=DAY)
    assert planned(document(foreign()), Revoke(gone.name, at_once=True)).steps == ()
    with pytest.raises(PlanRefused, match="no token"):
        planned(document(foreign()), Revoke("nobody", at_once=True))
    with pytest.raises(PlanRefused, match="not made by this tool"):
        planned(document(foreign()), Revoke("printer-0", at_once=True))


def test_a_value_given_for_a_name_is_not_repeated() -> None:
    token = ours(DAY)
    with pytest.raises(PlanRefused) as caught:
        planned(document(foreign()), Revoke(token.data))
    assert token.data[:12] not in str(caught.value)
    with pytest.raises(PlanRefused) as caught:
        planned(document(foreign()), Revoke(foreign().data))
    assert foreign().data[:12] not in str(caught.value)


def test_a_token_that_was_lost_is_added_again_only_where_writes_can_be_lost_and_nobody_withdrew_it() -> None:
    current = ours(DAY, delivered=DAY)
    given = Progress(delivered=(current,), settled=frozenset({current.data}))
    lost = document(ours(2 * DAY, delivered=2 * DAY))
    assert said(planned(lost, policy=SETTLING, progress=given)) == [("add", current)]
    assert planned(lost, policy=POLICY, progress=given).steps == ()
    withdrawn = replace(given, withdrawn=frozenset({current.data}))
    assert planned(lost, policy=SETTLING, progress=withdrawn).steps == ()


def test_a_revoked_token_is_deleted_when_every_run_that_could_miss_it_has_ended() -> None:
    current = ours(DAY, delivered=DAY)
    gone = ours(9 * DAY, enabled=False, delivered=9 * DAY, revoked=HOUR, disabled=KEPT - SECOND)
    assert planned(document(gone, current), policy=SETTLING).steps == ()
    due = next(due for due in planned(document(gone, current), policy=SETTLING).due if due.action == "delete")
    assert due.at == NOW + SECOND
    assert said(planned(document(gone, current))) == [("delete", gone)]
    over = plan(Rotate(), document(gone, current), NOW + SECOND, SETTLING, Progress())
    assert said(over) == [("delete", gone)]
    by_hand = ours(9 * DAY, enabled=False, delivered=9 * DAY)
    found = planned(document(by_hand, current), Revoke(by_hand.name, at_once=True), SETTLING)
    assert actions(found) == ["revoke", "disable"], "when it was disabled is not known"
    ending = ours(9 * DAY, delivered=9 * DAY, revoked=2 * DAY)
    assert actions(planned(document(ending, ours(DAY, delivered=DAY)), policy=SETTLING)) == ["disable"]


def test_rollback_returns_to_the_token_before_and_a_rotation_leaves_that_alone() -> None:
    old, new = ours(DAY, delivered=DAY), ours(HOUR, delivered=HOUR)
    found = planned(document(old, new), Rollback(), DOOR)
    assert said(found)[:3] == [("prove", old), ("return", old), ("deliver", old)]
    after = apply(found.steps[1], document(old, new), NOW)
    again = Generations(after).current
    assert again
    assert again.token.data == old.data
    assert planned(after, Rollback()).steps == ()
    assert planned(after).steps == ()
    new_again = after.holding(new.data)
    assert said(plan(Rotate(), after, NOW + 25 * HOUR, POLICY, Progress())) == [
        ("disable", new_again),
        ("delete", new_again),
    ]


def test_rollback_during_a_rotation_ends_it() -> None:
    current, added = ours(40 * DAY, delivered=40 * DAY), ours(SECOND)
    found = planned(document(current, added), Rollback())
    assert said(found)[0] == ("return", current)
    after = apply(found.steps[0], document(current, added), NOW)
    sorted_ = Generations(after)
    assert sorted_.pending is None
    assert sorted_.current
    assert sorted_.current.token.data == current.data


def test_rollback_ends_a_rotation_that_began_after_an_earlier_rollback() -> None:
    again, newer, added = ours(5 * DAY, delivered=HOUR), ours(4 * DAY, delivered=4 * DAY), ours(SECOND)
    assert said(planned(document(again, newer, added), Rollback()))[0] == ("return", again)


def test_a_rollback_that_was_interrupted_delivers_and_marks_the_delivery() -> None:
    again, newer = ours(5 * DAY, delivered=HOUR), ours(4 * DAY, delivered=4 * DAY)
    found = planned(document(again, newer), Rollback(), progress=Progress(behind=True))
    assert said(found) == [("deliver", again), ("mark", again)]
    found = planned(document(again, newer), Rollback(), progress=Progress(unmarked=True))
    assert said(found) == [("mark", again)]


def test_what_is_disabled_says_since_when() -> None:
    current = ours(DAY, delivered=DAY)
    (after,) = apply(Step("disable", current), document(current), NOW + SECOND / 2).tokens
    known = marks(after.name)
    assert known
    assert (after.enabled, known.disabled) == (False, NOW)


def test_rollback_after_the_overlap_is_refused() -> None:
    for tokens in (
        [ours(HOUR, delivered=HOUR)],
        [ours(DAY, enabled=False, delivered=DAY, disabled=HOUR), ours(HOUR, delivered=HOUR)],
        [foreign()],
        [],
    ):
        with pytest.raises(PlanRefused):
            planned(document(*tokens), Rollback())


def test_rollback_does_not_return_to_a_revoked_token() -> None:
    revoked, current = ours(2 * DAY, delivered=2 * DAY, revoked=HOUR), ours(HOUR, delivered=HOUR)
    with pytest.raises(PlanRefused, match=rf"{revoked.name} is revoked and stays so") as refused:
        planned(document(revoked, current), Rollback())
    assert (refused.value.purpose, refused.value.options) == (f"To replace {current.name}", ("--max-age", "1s"))
    older = ours(3 * DAY, delivered=3 * DAY)
    assert said(planned(document(older, revoked, current), Rollback()))[0] == ("return", older)


def test_rollback_does_not_stay_with_a_revoked_token_either() -> None:
    again, newer = ours(5 * DAY, delivered=HOUR, revoked=SECOND), ours(4 * DAY, delivered=4 * DAY)
    for behind in (True, False):
        with pytest.raises(PlanRefused, match=rf"{again.name}, the current .* is revoked and stays so") as refused:
            planned(document(again, newer), Rollback(), progress=Progress(behind=behind))
        assert (refused.value.purpose, refused.value.options) == (f"To replace {again.name}", ())
    assert actions(planned(document(again, newer))) == ["add", "deliver", "mark"]


def test_rollback_returns_to_the_last_one_that_was_delivered_not_made() -> None:
    first, second = (
        ours(5 * DAY, delivered=2 * DAY),
        ours(4 * DAY, delivered=4 * DAY),
    )  # an earlier rollback to the first
    third = ours(HOUR, delivered=HOUR)
    assert said(planned(document(first, second, third), Rollback()))[0] == ("return", first)


def test_rollback_does_not_stop_the_replacement_of_a_revoked_token() -> None:
    revoked, added = ours(2 * DAY, delivered=2 * DAY, revoked=HOUR), ours(SECOND)
    with pytest.raises(PlanRefused, match=rf"{revoked.name} is revoked, so its replacement goes on") as refused:
        planned(document(revoked, added), Rollback())
    assert (refused.value.purpose, refused.value.options) == (f"To finish the replacement of {revoked.name}", ())


# For any document, clock and policy

SPAN = st.integers(-3600, 90 * 86400).map(lambda seconds: timedelta(seconds=seconds))


@st.composite
def any_token(draw: st.DrawFn) -> Token:
    if draw(st.integers(0, 3)) == 0:
        return foreign(draw(st.integers(0, 9999)), draw(st.booleans()))
    age = draw(SPAN)
    known = {
        mark: draw(SPAN.map(lambda span: min(span, age)))
        for mark in ("delivered", "held", "revoked", "disabled")
        if draw(st.booleans())
    }
    return ours(age, enabled=draw(st.booleans()), seed=draw(st.integers(0, 4999)), **known)


def unique(tokens: list[Token]) -> bool:
    return len({token.name for token in tokens}) == len({token.data for token in tokens}) == len(tokens)


DOCUMENTS = st.lists(any_token(), max_size=20).filter(unique).map(lambda tokens: TokenDocument(tuple(tokens)))
POLICIES = st.builds(
    Policy,
    max_age=st.integers(0, 60 * 86400).map(lambda seconds: timedelta(seconds=seconds)),
    overlap=st.integers(0, 10 * 86400).map(lambda seconds: timedelta(seconds=seconds)),
    probing=st.booleans(),
    settling=st.booleans(),
)


@settings(max_examples=300, deadline=None)
@given(DOCUMENTS, POLICIES, st.booleans(), st.data())
def test_any_document_is_walked_to_rest_without_a_lockout(
    start: TokenDocument, policy: Policy, behind: bool, data: st.DataObject
) -> None:
    intents: list[Intent] = [Rotate(), Mint(), Rollback()]
    intents += [Revoke(token.name, at_once) for token in start.tokens for at_once in (True, False)]
    intent = data.draw(st.sampled_from(intents))
    held = frozenset(token.data for token in start.tokens if data.draw(st.booleans()))
    walk(start, intent, policy, Progress(behind=behind, held=held))


def walk(start: TokenDocument, intent: Intent, policy: Policy, progress: Progress) -> TokenDocument:
    """Carry out plans as the executor does, in a world where everything works; checks each step."""
    here, wrote = start, False
    for _ in range(100):
        try:
            found = plan(intent, here, NOW, policy, progress)
        except DocumentError:
            assert isinstance(intent, Revoke | Rollback) or len(here.tokens) >= MAX_TOKENS
            assert not wrote or len(here.tokens) >= MAX_TOKENS
            return here
        if not found.steps:
            return here
        step = found.steps[0]
        if step.action in WRITES:
            step = replace(step, token=step.token or made(new_token_time(here, NOW), 5000 + len(here.tokens)))
            after = apply(step, here, NOW)
            check_step(here, after)
            assert_safe(step, here, after, policy, progress, intent)
            here, wrote = after, True
            if step.action == "mark":
                progress = replace(progress, held=frozenset(), unmarked=False)
            elif step.action == "hold" and step.token:
                progress = replace(progress, held=progress.held - {step.token.data})
            continue
        assert step.token
        value = step.token.data
        if step.action == "settle":
            progress = replace(progress, settled=progress.settled | {value})
        elif step.action == "prove":
            progress = replace(progress, proven=progress.proven | {value})
        elif step.action == "refuse":
            assert not step.token.enabled
            progress = replace(progress, refused=progress.refused | {value})
        else:
            assert not policy.probing or value in progress.proven, "delivered before it was proven"
            assert step.token.enabled
            progress = replace(progress, delivered=(*progress.delivered, step.token), behind=False, unmarked=True)
    raise AssertionError("no rest")


def assert_safe(
    step: Step, before: TokenDocument, after: TokenDocument, policy: Policy, progress: Progress, intent: Intent
) -> None:
    assert step.token
    others = [token for token in before.tokens if token.data != step.token.data and not is_ours(token)]
    assert [token for token in after.tokens if token.data != step.token.data and not is_ours(token)] == others
    assert [token.data for token in after.live()] or not before.live()
    in_use, was = Generations(after).current, Generations(before).current
    if in_use and in_use.marks.revoked:
        assert was, "a revoked token became the current one"
        assert was.token.data == in_use.token.data, "a revoked token became the current one"
    if step.action == "disable":
        left = Generations(after).current
        no_room = isinstance(intent, Revoke) and len(before.tokens) >= MAX_TOKENS
        assert left is not None or no_room, "the last delivered token was disabled"
        assert not policy.probing or isinstance(intent, Revoke) or (left and left.token.data in progress.proven)
        if not isinstance(intent, Revoke):
            known = next(entry for entry in Generations(before).superseded if entry.token.data == step.token.data)
            since = Generations(before).superseded_at(known)
            assert since is not None
            assert NOW - since >= policy.overlap
    if step.action == "delete":
        gone = before.holding(step.token.data)
        assert gone
        assert not gone.enabled, "deleted while it was enabled"
        assert not policy.probing or gone.data in progress.refused, "deleted before it was proven to be refused"


@settings(max_examples=200, deadline=None)
@given(DOCUMENTS, POLICIES)
def test_a_plan_says_all_that_a_run_then_does(start: TokenDocument, policy: Policy) -> None:
    """--dry-run prints the plan that would run."""
    policy = replace(policy, overlap=max(policy.overlap, SECOND))
    try:
        first = plan(Rotate(), start, NOW, policy, Progress())
    except DocumentError:
        return
    if len(start.tokens) >= MAX_TOKENS:
        return  # making room comes first, and what follows is planned when there is room
    here, progress, done = start, Progress(), []
    while (now_planned := plan(Rotate(), here, NOW, policy, progress)).steps:
        step = now_planned.steps[0]
        done.append(step.action)
        if step.action in WRITES:
            step = replace(step, token=step.token or made(new_token_time(here, NOW), 5000 + len(here.tokens)))
            here = apply(step, here, NOW)
            continue
        assert step.token
        value = frozenset({step.token.data})
        progress = replace(
            progress,
            settled=progress.settled | (value if step.action == "settle" else frozenset()),
            proven=progress.proven | (value if step.action == "prove" else frozenset()),
            refused=progress.refused | (value if step.action == "refuse" else frozenset()),
            delivered=(*progress.delivered, step.token) if step.action == "deliver" else progress.delivered,
        )
    assert not Counter(actions(first)) - Counter(done), "a planned step was not taken"
    if not Generations(start).disabled:  # once such a token is gone, another may turn out to be the newest
        assert sorted(done) == sorted(actions(first))


def test_the_last_look_before_a_write_trusts_no_planner() -> None:
    start = document(foreign(), ours(DAY, delivered=DAY))
    with pytest.raises(PlanRefused, match="not make"):
        check_step(start, start.without(foreign().data))
    with pytest.raises(PlanRefused, match="not make"):
        check_step(start, start.changing(foreign().data, name="x", enabled=True))
    only = document(ours(DAY, delivered=DAY))
    with pytest.raises(PlanRefused, match="no enabled"):
        check_step(only, only.without(only.tokens[0].data))
    full = document(*map(foreign, range(20)))
    with pytest.raises(PlanRefused, match="20"):
        check_step(full, full.adding(mint(NOW)))
    more = full.adding(foreign(20)).adding(gone := ours(HOUR))
    check_step(more, more.changing(gone.data, name=gone.name, enabled=False))
    check_step(more, more.without(gone.data))
