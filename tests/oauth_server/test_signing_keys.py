"""Signing keys: who signs, who is published, what a rotation does; and that no token is ever without its key."""

from __future__ import annotations

import json
from typing import Any

import jwt
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from authorization_server import signing_keys
from authorization_server.signing_keys import (
    AFTERWARDS_SECONDS,
    KEY_SET_MAX_AGE_SECONDS,
    LONGEST_TOKEN_SECONDS,
    OLDEST_DOCUMENT_SECONDS,
    PUBLISHED_SECONDS,
    SKEW_SECONDS,
    KeyDocument,
    KeyDocumentError,
    SigningKey,
    mint,
    parse,
    plan,
)
from mcp_faas import jwks
from mcp_faas.auth.keys import parse_key_set

NOW = 1_795_000_000
DAY = 24 * 3600
MONTHS = 90 * DAY


def rotated(document: KeyDocument, now: int) -> KeyDocument:
    return plan(document, now, MONTHS).document


def test_the_first_key_signs_at_once() -> None:
    document = rotated(KeyDocument(), NOW)
    assert document.signer(NOW) == document.keys[0]
    assert document.published(NOW) == document.keys
    assert document.signer(NOW - 3600) == document.keys[0], "a clock that is late has it, too"
    assert KeyDocument().signer(NOW) is None


def test_a_key_is_published_before_it_signs_and_until_its_tokens_are_dead() -> None:
    old = mint(NOW)
    after = NOW + MONTHS
    document = rotated(KeyDocument((old,)), after)
    new = document.keys[1]
    assert document.published(after) == (new, old)
    assert document.signer(after) == document.signer(after + PUBLISHED_SECONDS - 1) == old
    assert document.signer(after + PUBLISHED_SECONDS) == new
    last = after + PUBLISHED_SECONDS + LONGEST_TOKEN_SECONDS + AFTERWARDS_SECONDS
    assert document.published(last - 1) == (new, old)
    assert document.published(last) == (new,)
    assert plan(document, last - 1, MONTHS).dropped == ()
    step = plan(document, last, MONTHS)
    assert (step.added, step.dropped, step.document.keys) == (None, (old.kid,), (new,))


def test_nothing_to_do_is_nothing_to_write() -> None:
    document = KeyDocument((mint(NOW),))
    step = plan(document, NOW + MONTHS - 1, MONTHS)
    assert not step
    assert step.document == document
    assert plan(document, NOW + MONTHS, MONTHS)


def test_keys_that_others_may_have_go_at_once() -> None:
    document = rotated(KeyDocument((mint(NOW),)), NOW + MONTHS)
    step = plan(document, NOW + MONTHS + 5, MONTHS, compromised=True)
    assert step.document.published(NOW + MONTHS + 5) == step.document.keys
    assert step.document.signer(NOW + MONTHS + 5) == step.document.keys[0]
    assert set(step.dropped) == {key.kid for key in document.keys}
    assert step.added == step.document.keys[0].kid


def test_a_key_from_the_future_stops_a_rotation_and_no_server() -> None:
    near = KeyDocument((mint(NOW), mint(NOW + SKEW_SECONDS)))
    assert not plan(near, NOW, MONTHS)
    far = KeyDocument((mint(NOW), mint(NOW + SKEW_SECONDS + 1)))
    with pytest.raises(KeyDocumentError, match="in the future"):
        plan(far, NOW, MONTHS)
    assert far.signer(NOW) == far.keys[0]


def test_keys_do_not_pile_up_without_end() -> None:
    document = KeyDocument(tuple(mint(NOW - number) for number in range(signing_keys.MOST_KEYS)))
    with pytest.raises(KeyDocumentError, match="longer --max-age"):
        plan(document, NOW + 3600, 3600)


def test_the_times_fit_together() -> None:
    assert PUBLISHED_SECONDS >= OLDEST_DOCUMENT_SECONDS + KEY_SET_MAX_AGE_SECONDS + 60
    assert PUBLISHED_SECONDS >= OLDEST_DOCUMENT_SECONDS + jwks.TRUST_SECONDS, "our own resource servers"


def test_a_document_comes_back_from_its_text() -> None:
    document = KeyDocument((mint(NOW), mint(NOW + 5)))
    assert parse(document.dump()) == document
    text = document.dump().replace('"kty"', '"note": [1], "kty"', 1)
    assert "note" in parse(text).dump(), "what is not ours stays"
    assert all("note" not in key.public_jwk() for key in parse(text).keys)


def test_a_minted_key_signs_what_the_public_one_verifies() -> None:
    key = mint(NOW)
    token = jwt.encode({"x": 1}, jwt.PyJWK(key.private_jwk()).key, algorithm="ES256", headers={"kid": key.kid})
    assert jwt.decode(token, jwt.PyJWK(key.public_jwk()).key, algorithms=["ES256"]) == {"x": 1}
    assert key.public_jwk().keys() == {"kty", "crv", "x", "y", "kid", "use", "alg"}
    found = parse_key_set(json.dumps({"keys": [key.public_jwk()]}).encode())
    assert len(found.keys) == 1, "our own resource server takes it"


def test_a_key_is_not_printed() -> None:
    key = mint(NOW)
    document = KeyDocument((key,))
    assert key.private_jwk()["d"] not in f"{key!r} {key} {document!r} {plan(document, NOW, MONTHS)!r}"
    assert str(key.private_jwk()["d"]) not in json.dumps(key.public_jwk())


def entry(**changes: Any) -> dict[str, Any]:
    made = {**mint(NOW).entry, **changes}
    return {name: value for name, value in made.items() if value is not None}


OTHER = mint(NOW).entry
BROKEN = {
    "not JSON": "{",
    "nothing": "",
    "a list": "[]",
    "no keys": "{}",
    "keys are no list": '{"keys": {}}',
    "something beside": '{"keys": [], "tokens": []}',
    "twice": '{"keys": [], "keys": []}',
    "deep": "[" * 200_000,
    "a token document": '{"tokens": []}',
    "no object": '{"keys": [1]}',
    "RSA": json.dumps({"keys": [entry(kty="RSA")]}),
    "symmetric": json.dumps({"keys": [{"kty": "oct", "k": "c2VjcmV0", "kid": "a", "created": NOW}]}),
    "another curve": json.dumps({"keys": [entry(crv="P-384")]}),
    "for encryption": json.dumps({"keys": [entry(use="enc")]}),
    "another algorithm": json.dumps({"keys": [entry(alg="none")]}),
    "no kid": json.dumps({"keys": [entry(kid=None)]}),
    "an empty kid": json.dumps({"keys": [entry(kid="")]}),
    "a kid of two lines": json.dumps({"keys": [entry(kid="a\nb")]}),
    "no created": json.dumps({"keys": [entry(created=None)]}),
    "created in words": json.dumps({"keys": [entry(created="now")]}),
    "created true": json.dumps({"keys": [entry(created=True)]}),
    "created before time": json.dumps({"keys": [entry(created=-1)]}),
    "created in fractions": json.dumps({"keys": [entry(created=1.5)]}),
    "public only": json.dumps({"keys": [entry(d=None)]}),
    "padded": json.dumps({"keys": [entry(d=OTHER["d"] + "=")]}),
    "masked": json.dumps({"keys": [entry(d="*" * 43)]}),
    "zero": json.dumps({"keys": [entry(d="A" * 43)]}),
    "beyond the order": json.dumps({"keys": [entry(d="_" * 42 + "8")]}),
    "of two keys": json.dumps({"keys": [entry(x=OTHER["x"], y=OTHER["y"])]}),
    "one kid twice": json.dumps({"keys": [entry(kid="a"), entry(kid="a")]}),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_not_understood_is_said_without_quoting_it(name: str) -> None:
    with pytest.raises(KeyDocumentError) as caught:
        parse(BROKEN[name])
    said = str(caught.value)
    assert "signing key" in said
    assert caught.value.__cause__ is None
    for value in ("c2VjcmV0", str(OTHER["d"]), "****"):
        assert value not in said


class Rotation(RuleBasedStateMachine):
    """A schedule rotates at any time and in any rhythm; a server signs and publishes by documents of some age, and a
    resource server keeps key sets for some time. Every token must find its key as long as it lives."""

    def __init__(self) -> None:
        super().__init__()
        self.now = NOW
        self.history: list[tuple[int, KeyDocument]] = []
        self.tokens: list[tuple[str, int]] = []

    @initialize()
    def begin(self) -> None:
        self.history.append((self.now, rotated(KeyDocument(), self.now)))

    def document(self, age: int) -> KeyDocument:
        """The document as it was so long ago."""
        return next((found for moment, found in reversed(self.history) if moment <= self.now - age), self.history[0][1])

    @rule(max_age=st.sampled_from([3600, DAY, 30 * DAY]))
    def rotate(self, max_age: int) -> None:
        step = plan(self.document(0), self.now, max_age)
        if step:
            self.history.append((self.now, step.document))

    @rule(seconds=st.sampled_from([1, 60, 299, 600, 3600, 7200, DAY - 300, DAY, DAY + 1000, 31 * DAY]))
    def time_passes(self, seconds: int) -> None:
        self.now += seconds

    @rule(age=st.sampled_from([0, 60, 300]), life=st.sampled_from([900, LONGEST_TOKEN_SECONDS]))
    def sign(self, age: int, life: int) -> None:
        signer = self.document(min(age, OLDEST_DOCUMENT_SECONDS)).signer(self.now)
        assert signer is not None
        self.tokens.append((signer.kid, self.now + life))

    @invariant()
    def every_living_token_finds_its_key(self) -> None:
        if not self.history:
            return
        self.tokens = [(kid, end) for kid, end in self.tokens if end > self.now]
        for document_age in (0, OLDEST_DOCUMENT_SECONDS):
            published = self.document(document_age).published(self.now)
            assert {kid for kid, _ in self.tokens} <= {key.kid for key in published}
        # a resource server's set, kept for as long as we allow, of a server whose document was old by then
        was = self.now - KEY_SET_MAX_AGE_SECONDS
        if was - OLDEST_DOCUMENT_SECONDS >= self.history[0][0]:
            kept = self.document(KEY_SET_MAX_AGE_SECONDS + OLDEST_DOCUMENT_SECONDS).published(was)
            assert {kid for kid, _ in self.tokens} <= {key.kid for key in kept}

    @invariant()
    def the_document_stays_small(self) -> None:
        if self.history:
            assert 1 <= len(self.document(0).keys) <= signing_keys.MOST_KEYS


Rotation.TestCase.settings = settings(max_examples=80, stateful_step_count=30, deadline=None)
TestRotation = Rotation.TestCase


def test_keys_of_one_second_have_an_order() -> None:
    one, two = (SigningKey(kid, NOW, {}) for kid in ("a", "b"))
    assert KeyDocument((two, one)).by_age == KeyDocument((one, two)).by_age == (one, two)
    assert KeyDocument((two, one)).signer(NOW + PUBLISHED_SECONDS) == two
