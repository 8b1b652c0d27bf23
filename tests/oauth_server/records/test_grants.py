"""A code and what comes of it: each check, each step, and what must hold whatever two parties and a network do."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, fields, replace

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from authorization_server.records import RecordBroken, Refused, dump, parse
from authorization_server.records import grants as module
from authorization_server.records.grants import Grant, Granted, Redemption, Renewal, alive, revoke
from authorization_server.records.handles import derive, digest, s256

NOW = 1_795_000_000
VERIFIER = derive("test", "verifier")
CHALLENGE = s256(VERIFIER) or ""
CODE, LINE, FIRST, SECOND, THIRD = (digest(name) for name in ("code", "line", "first", "second", "third"))
REDIRECT = "https://client.example.com/callback"
GRANT = Grant(
    client_id="client",
    subject="somebody",
    resource="https://mcp.example.com/mcp",
    scopes=("read", "write"),
    auth_time=NOW,
    redirect_uri=REDIRECT,
    redirect_uri_asked=True,
    code_challenge=CHALLENGE,
    code=CODE,
    code_expires_at=NOW + 60,
    expires_at=NOW + 3600,
    given_at=NOW,
    marks=("org:acme", "user:somebody"),
)
ASKED = Redemption("client", CODE, REDIRECT, VERIFIER, GRANT.resource, FIRST, LINE)
REDEEMED = replace(GRANT, redeemed_at=NOW, current=FIRST, line=LINE)
RENEWED = replace(REDEEMED, current=SECOND, previous=FIRST)
WITHOUT_REFRESH = replace(GRANT, redeemed_at=NOW)


def redeem(grant: Grant | None, asked: Redemption, now: int) -> tuple[Grant | None, Granted | Refused]:
    """While the settings are what they were."""
    return module.redeem(grant, asked, now, lambda found: found.scopes)


def renew(grant: Grant | None, asked: Renewal, now: int) -> tuple[Grant | None, Granted | Refused]:
    return module.renew(grant, asked, now, lambda found: found.scopes)


def test_a_code_gives_tokens() -> None:
    after, outcome = redeem(GRANT, ASKED, NOW)
    assert after == REDEEMED
    assert outcome == Granted(REDEEMED, ("read", "write"), NOW + 3600)
    assert (GRANT.keep_until, REDEEMED.keep_until) == (NOW + 60, NOW + 3600)


def test_a_code_may_bring_no_refresh_token() -> None:
    after, outcome = redeem(GRANT, replace(ASKED, fresh=None, line=None), NOW)
    assert isinstance(outcome, Granted)
    assert after == WITHOUT_REFRESH
    assert renew(after, Renewal("client", LINE, FIRST, SECOND), NOW)[1] == Refused(
        "invalid_grant", "refresh_token_unknown"
    )


def test_a_grant_without_refresh_brings_none_whatever_the_client_is_now() -> None:
    after, outcome = redeem(replace(GRANT, refreshes=False), ASKED, NOW)
    assert isinstance(outcome, Granted)
    assert after == replace(WITHOUT_REFRESH, refreshes=False)


WRONG = {
    "another code": ({"code": digest("guess")}, "invalid_grant", "code_unknown"),
    "another client": ({"client_id": "Client"}, "invalid_grant", "code_of_another_client"),
    "no redirect": ({"redirect_uri": None}, "invalid_grant", "redirect_uri_differs"),
    "another redirect": ({"redirect_uri": REDIRECT + "/"}, "invalid_grant", "redirect_uri_differs"),
    "no verifier": ({"verifier": None}, "invalid_grant", "verifier_wrong"),
    "empty verifier": ({"verifier": ""}, "invalid_grant", "verifier_wrong"),
    "another verifier": ({"verifier": derive("other", "verifier")}, "invalid_grant", "verifier_wrong"),
    "the challenge itself": ({"verifier": CHALLENGE}, "invalid_grant", "verifier_wrong"),
    "another resource": ({"resource": GRANT.resource + "/"}, "invalid_target", "resource_differs"),
}


@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize("grant", [GRANT, REDEEMED], ids=["fresh", "redeemed"])
def test_who_could_not_have_redeemed_a_code_changes_nothing(wrong: str, grant: Grant) -> None:
    change, error, reason = WRONG[wrong]
    after, outcome = redeem(grant, replace(ASKED, **change), NOW)  # type: ignore[arg-type]  # each is one field
    assert after is grant
    assert outcome == Refused(error, reason)  # type: ignore[arg-type]  # a table's text


def test_a_redirect_that_was_not_asked_for_may_be_left_out() -> None:
    grant = replace(GRANT, redirect_uri_asked=False)
    assert isinstance(redeem(grant, replace(ASKED, redirect_uri=None), NOW)[1], Granted)
    assert isinstance(redeem(grant, ASKED, NOW)[1], Granted)
    assert isinstance(redeem(grant, replace(ASKED, redirect_uri="https://x"), NOW)[1], Refused)


def test_a_code_lives_sixty_seconds() -> None:
    assert isinstance(redeem(GRANT, ASKED, NOW + 59)[1], Granted)
    assert redeem(GRANT, ASKED, NOW + 60) == (GRANT, Refused("invalid_grant", "code_expired"))
    short = replace(GRANT, expires_at=NOW + 5)
    assert redeem(short, ASKED, NOW + 5)[1] == Refused("invalid_grant", "code_expired")


def test_a_code_that_is_not_there() -> None:
    assert redeem(None, ASKED, NOW) == (None, Refused("invalid_grant", "code_unknown"))


@pytest.mark.parametrize("later", [0, 59, 3000])
@pytest.mark.parametrize("grant", [REDEEMED, RENEWED], ids=["redeemed", "renewed"])
def test_a_code_used_twice_ends_what_it_brought(grant: Grant, later: int) -> None:
    after, outcome = redeem(grant, ASKED, NOW + later)
    assert outcome == Refused("invalid_grant", "code_replayed")
    assert after == replace(grant, ended="code_replayed", current=None, previous=None)
    assert not alive(after, NOW + later)
    assert redeem(after, ASKED, NOW)[1] == Refused("invalid_grant", "grant_ended")
    assert renew(after, Renewal("client", LINE, FIRST, THIRD), NOW)[1] == Refused("invalid_grant", "grant_ended")


def test_a_refresh_token_is_replaced() -> None:
    after, outcome = renew(REDEEMED, Renewal("client", LINE, FIRST, SECOND), NOW)
    assert after == RENEWED
    assert outcome == Granted(RENEWED, ("read", "write"), NOW + 3600)


def test_the_one_before_is_good_until_the_new_one_is_used() -> None:
    again, outcome = renew(RENEWED, Renewal("client", LINE, FIRST, THIRD), NOW)
    assert isinstance(outcome, Granted)
    assert again == replace(RENEWED, current=THIRD)
    used, outcome = renew(RENEWED, Renewal("client", LINE, SECOND, THIRD), NOW)
    assert isinstance(outcome, Granted)
    assert used is not None
    assert (used.current, used.previous) == (THIRD, SECOND)
    after, outcome = renew(used, Renewal("client", LINE, FIRST, digest("fourth")), NOW)
    assert outcome == Refused("invalid_grant", "refresh_token_replayed")
    assert after is not None
    assert after.ended == "refresh_token_replayed"


def test_a_superseded_one_ends_all() -> None:
    again, _ = renew(RENEWED, Renewal("client", LINE, FIRST, THIRD), NOW)
    after, outcome = renew(again, Renewal("client", LINE, SECOND, digest("fourth")), NOW)
    assert outcome == Refused("invalid_grant", "refresh_token_replayed")
    assert not alive(after, NOW)


@pytest.mark.parametrize("token", [FIRST, digest("dead")])
def test_another_client_changes_nothing(token: str) -> None:
    after, outcome = renew(REDEEMED, Renewal("other", LINE, token, SECOND), NOW)
    assert after is REDEEMED
    assert outcome == Refused("invalid_grant", "refresh_token_of_another_client")
    other = (REDEEMED, Refused("invalid_grant", "token_of_another_client"))
    assert revoke(REDEEMED, "other", LINE) == other
    assert revoke(REDEEMED, "other", None) == other


# What somebody can have of a grant without a refresh token of it: the code, and what can be made of that.
STRANGERS = {
    "the code's secret": CODE,
    "a token of another line": FIRST,
    "a dead token of another line": digest("dead"),
    "nothing": digest(""),
}


@pytest.mark.parametrize("token", STRANGERS.values(), ids=STRANGERS)
@pytest.mark.parametrize("line", [digest(""), digest("guess"), CODE], ids=["no line", "another", "the code's"])
@pytest.mark.parametrize("client", ["client", "other"])
@pytest.mark.parametrize(
    "grant", [GRANT, REDEEMED, RENEWED, WITHOUT_REFRESH], ids=["fresh", "redeemed", "renewed", "without refresh"]
)
def test_who_has_had_no_refresh_token_changes_nothing(grant: Grant, client: str, line: str, token: str) -> None:
    after, outcome = renew(grant, Renewal(client, line, token, THIRD), NOW)
    assert after is grant
    assert outcome == Refused("invalid_grant", "refresh_token_unknown")
    assert revoke(grant, client, line) == (grant, None)


def test_what_was_not_redeemed_is_not_revoked() -> None:
    for line in (None, LINE, digest("")):
        assert revoke(GRANT, "client", line) == (GRANT, None)
    assert isinstance(redeem(GRANT, ASKED, NOW)[1], Granted)


SCOPES: dict[tuple[str, ...] | None, tuple[str, ...] | None] = {
    None: ("read", "write"),
    ("read",): ("read",),
    ("write", "read"): ("write", "read"),
    (): (),
    ("admin",): None,
    ("read", "admin"): None,
    ("Read",): None,
}


@pytest.mark.parametrize("asked", SCOPES)
def test_scopes_only_shrink(asked: tuple[str, ...] | None) -> None:
    after, outcome = renew(REDEEMED, Renewal("client", LINE, FIRST, SECOND, asked), NOW)
    wanted = SCOPES[asked]
    if wanted is None:
        assert (after, outcome) == (REDEEMED, Refused("invalid_scope", "scope_not_granted"))
    else:
        assert isinstance(outcome, Granted)
        assert outcome.scopes == wanted
        assert after is not None
        assert after.scopes == GRANT.scopes


def test_another_resource_is_refused_and_costs_no_token() -> None:
    asked = Renewal("client", LINE, FIRST, SECOND, resource="https://other.example.com/mcp")
    assert renew(REDEEMED, asked, NOW) == (REDEEMED, Refused("invalid_target", "resource_differs"))
    assert isinstance(renew(REDEEMED, replace(asked, resource=GRANT.resource), NOW)[1], Granted)


GONE = Refused("invalid_grant", "person_not_admitted")


def test_what_the_settings_do_not_allow_any_longer_is_refused_and_costs_nothing() -> None:
    asked = Renewal("client", LINE, FIRST, SECOND)
    assert module.redeem(GRANT, ASKED, NOW, lambda grant: GONE) == (GRANT, GONE)
    assert module.renew(REDEEMED, asked, NOW, lambda grant: GONE) == (REDEEMED, GONE)
    assert isinstance(renew(REDEEMED, asked, NOW)[1], Granted)


def test_a_dead_token_ends_all_whatever_the_settings_allow() -> None:
    after, outcome = module.renew(REDEEMED, Renewal("client", LINE, THIRD, SECOND), NOW, lambda grant: GONE)
    assert outcome == Refused("invalid_grant", "refresh_token_replayed")
    assert not alive(after, NOW)


LEFT: list[tuple[tuple[str, ...], tuple[str, ...] | None, tuple[str, ...] | None]] = [
    (("read",), None, ("read",)),
    (("read",), ("write", "read"), ("read",)),  # a client that always asks for all it once got
    (("read",), ("write",), None),
    ((), None, None),
    ((), (), ()),
    (("read", "write", "admin"), None, ("read", "write")),  # what was not granted does not come by a setting
]


@pytest.mark.parametrize(("left", "asked", "given"), LEFT, ids=range(len(LEFT)))
def test_scopes_that_the_settings_do_not_allow_any_longer_are_left_out(
    left: tuple[str, ...], asked: tuple[str, ...] | None, given: tuple[str, ...] | None
) -> None:
    after, outcome = module.renew(REDEEMED, Renewal("client", LINE, FIRST, SECOND, asked), NOW, lambda grant: left)
    if given is None:
        assert (after, outcome) == (REDEEMED, Refused("invalid_grant", "scopes_withdrawn"))
    else:
        assert outcome == Granted(RENEWED, given, NOW + 3600)
        assert after == RENEWED, "they come back with the settings"
    if asked is None:
        _, outcome = module.redeem(GRANT, ASKED, NOW, lambda grant: left)
        assert (outcome.scopes if isinstance(outcome, Granted) else None) == given


def test_the_end_is_absolute() -> None:
    assert isinstance(renew(REDEEMED, Renewal("client", LINE, FIRST, SECOND), NOW + 3599)[1], Granted)
    after, outcome = renew(REDEEMED, Renewal("client", LINE, FIRST, SECOND), NOW + 3600)
    assert (after, outcome) == (REDEEMED, Refused("invalid_grant", "grant_expired"))


def test_revocation_ends_all_of_it_and_says_so_once() -> None:
    ended = replace(RENEWED, ended="revoked", current=None, previous=None)
    for line in (LINE, None):
        assert revoke(RENEWED, "client", line) == (ended, None)
        assert revoke(ended, "client", line) == (ended, None)
        assert revoke(None, "client", line) == (None, None)
    assert redeem(ended, ASKED, NOW)[1] == Refused("invalid_grant", "grant_ended")
    assert renew(ended, Renewal("client", LINE, SECOND, THIRD), NOW)[1] == Refused("invalid_grant", "grant_ended")


def test_what_is_alive() -> None:
    assert alive(REDEEMED, NOW)
    assert not alive(REDEEMED, NOW + 3600)
    assert not alive(GRANT, NOW), "nothing was issued yet"
    assert not alive(None, NOW)


@pytest.mark.parametrize("grant", [GRANT, REDEEMED, RENEWED, module.end(RENEWED, "revoked")])
def test_a_record_comes_back_from_json(grant: Grant) -> None:
    assert parse(Grant, json.loads(json.dumps(dump(grant)))) == grant


def test_a_record_of_another_shape_is_broken() -> None:
    with pytest.raises(RecordBroken, match="Grant"):
        parse(Grant, {**dump(GRANT), "more": 1})
    nothings: list[object] = [{}, [], [1], None, "text", 7, True]
    for nothing in nothings:
        with pytest.raises(RecordBroken, match="Grant"):
            parse(Grant, nothing)


ODD: list[object] = [None, True, 1, 1.5, "text", [], [1], {"x": 1}]


@pytest.mark.parametrize("name", [field.name for field in fields(Grant)])
def test_a_member_of_another_type_or_none_at_all_is_broken(name: str) -> None:
    record = json.loads(json.dumps(dump(replace(RENEWED, ended="revoked", refreshes=False))))
    optional = name in ("auth_time", "redeemed_at", "line", "current", "previous", "ended")
    right = {type(record[name]), type(None)} if optional else {type(record[name])}
    for value in ODD:
        if type(value) not in right or value == [1]:
            with pytest.raises(RecordBroken, match=f"Grant has a {name} "):
                parse(Grant, {**record, name: value})
    del record[name]
    if optional or name == "refreshes":
        assert getattr(parse(Grant, record), name) is {"refreshes": True}.get(name)
    else:
        with pytest.raises(RecordBroken, match="other members"):
            parse(Grant, record)


@dataclass
class Party:
    """Somebody with a copy of the client's storage: the tokens that reached it, the newest last."""

    tokens: list[str] = field(default_factory=list)


class Family(RuleBasedStateMachine):
    """The client, and a thief who copies its tokens now and then; answers get lost; time passes.

    `received` counts what each has got; the model keeps its own account of which tokens are dead, by the promise alone:
    a token is dead once one that came later has been used, or one that was given in its place.
    """

    def __init__(self) -> None:
        super().__init__()
        self.now = NOW
        self.minted = 0
        self.grant: Grant = GRANT
        self.client, self.thief = Party(), Party()
        self.parent: dict[str, str | None] = {}  # token -> the one that was shown for it
        self.used: set[str] = set()
        self.replaced: set[str] = set()  # given for a token for which another was given later
        self.lost_in_a_row = False
        self.stolen = False

    def token(self) -> str:
        self.minted += 1
        return digest(str(self.minted))

    def dead(self, token: str) -> bool:
        """By the promise: replaced by a sibling, or one that was given for it, or further on, has been used."""
        if token in self.replaced:
            return True
        return any(self.parent[other] == token and other in self.used for other in self.parent)

    @initialize()
    def login(self) -> None:
        first = self.token()
        after, outcome = redeem(GRANT, replace(ASKED, fresh=first), self.now)
        assert isinstance(outcome, Granted)
        assert after is not None
        self.grant = after
        self.parent[first] = None
        self.client.tokens.append(first)

    def show(self, token: str, receiver: Party | None, scopes: tuple[str, ...] | None = None) -> bool:
        """Somebody uses a token; its answer reaches the receiver, or nobody."""
        fresh, before = self.token(), self.grant
        was_dead, over = self.dead(token), before.ended is not None or self.now >= GRANT.expires_at
        after, outcome = renew(before, Renewal("client", LINE, token, fresh, scopes, None), self.now)
        assert after is not None
        self.grant = after
        if isinstance(outcome, Refused):
            if outcome.error == "invalid_grant":
                assert was_dead or over, f"a good token was refused: {outcome.reason}"
            if was_dead and not over:
                assert after.ended is not None, "a dead token ends the family"
            return False
        assert not was_dead, "who shows a dead token gets none"
        assert not over, "nothing is given after the end"
        assert set(outcome.scopes) <= set(GRANT.scopes)
        assert outcome.until == GRANT.expires_at
        self.used.add(token)
        self.replaced |= {other for other in self.parent if self.parent[other] == token}
        self.parent[fresh] = token
        if receiver is not None:
            receiver.tokens.append(fresh)
        return True

    @rule()
    def client_refreshes(self) -> None:
        self.show(self.client.tokens[-1], self.client)

    @rule()
    def client_refreshes_and_the_answer_is_lost(self) -> None:
        self.show(self.client.tokens[-1], None)

    @rule(times=st.integers(1, 4))
    def client_never_stays_out_after_lost_answers(self, times: int) -> None:
        for _ in range(times):
            self.show(self.client.tokens[-1], None)
        done = self.show(self.client.tokens[-1], self.client)
        if not self.stolen and self.now < GRANT.expires_at:
            assert done, "nobody else has a token, so nothing but time ends this"

    @rule(scopes=st.sampled_from([("read",), ("admin",), ("read", "admin"), ()]))
    def client_asks_for_scopes(self, scopes: tuple[str, ...]) -> None:
        given = self.show(self.client.tokens[-1], self.client, scopes)
        assert not (given and "admin" in scopes)

    @rule()
    def thief_copies(self) -> None:
        self.stolen = True
        self.thief.tokens.append(self.client.tokens[-1])

    @precondition(lambda self: self.thief.tokens)
    @rule()
    def thief_refreshes(self) -> None:
        self.show(self.thief.tokens[-1], self.thief)

    @precondition(lambda self: self.thief.tokens)
    @rule(data=st.data())
    def thief_shows_an_old_one(self, data: st.DataObject) -> None:
        self.show(data.draw(st.sampled_from(self.thief.tokens)), self.thief)

    @precondition(lambda self: self.thief.tokens)
    @rule(first=st.booleans())
    def both_go_on(self, first: bool) -> None:
        """Each uses the newest that it has, twice: whoever was first, the family is over then."""
        if self.now >= GRANT.expires_at:
            return
        parties = [self.client, self.thief] if first else [self.thief, self.client]
        for party in [*parties, *parties]:
            self.show(party.tokens[-1], party)
        assert self.grant.ended == "refresh_token_replayed"

    @rule(seconds=st.sampled_from([1, 60, 900, 1800]))
    def time_passes(self, seconds: int) -> None:
        self.now += seconds

    @invariant()
    def expiry_is_absolute(self) -> None:
        assert self.grant.expires_at == GRANT.expires_at
        assert self.grant.keep_until <= GRANT.expires_at

    @invariant()
    def an_ended_family_stays_so(self) -> None:
        if self.grant.ended is not None:
            assert (self.grant.current, self.grant.previous) == (None, None)
            assert not alive(self.grant, self.now)

    @invariant()
    def at_most_two_tokens_count(self) -> None:
        good = [token for token in self.parent if not self.dead(token)]
        if self.grant.ended is None:
            assert {self.grant.current, self.grant.previous} - {None} <= set(good)


Family.TestCase.settings = settings(max_examples=150, stateful_step_count=25, deadline=None)
TestFamily = Family.TestCase
