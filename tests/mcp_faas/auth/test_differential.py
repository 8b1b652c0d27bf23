"""Is our verifier anywhere laxer than two independent ones? What it lets in, `joserfc` and `jwcrypto` must let in too.

They are told as much as they understand: the keys, the algorithms, issuer, audience, the required claims, the time.
That they refuse a part of what we refuse, and we refuse all that they do, shows that the comparison is about something.
"""

from __future__ import annotations

import collections
import json

import jwcrypto.jwk
import jwcrypto.jwt
import pytest
from hypothesis import HealthCheck, given, settings
from joserfc import jwk as joserfc_jwk
from joserfc import jwt as joserfc_jwt
from joserfc.errors import JoseError
from joserfc.jwk import GuestProtocol
from joserfc.jws import JWSRegistry
from joserfc.jwt import ClaimsOption
from jwcrypto.common import JWException

from mcp_faas.auth.compact import parse
from mcp_faas.auth.errors import AuthError
from mcp_faas.auth.jwt import Policy, verify
from mcp_faas.auth.keys import parse_key_set
from support.jwts import ISSUER, NOW, RESOURCE, key_set, rsa_key, token
from support.odd_tokens import JWKS, KEYS, KIDS, odd_tokens

ALGORITHMS = sorted(KEYS)
REQUIRED = ("exp", "iat", "sub", "client_id", "jti")
POLICY = Policy(ISSUER, frozenset({RESOURCE}), frozenset(ALGORITHMS))
OURS = parse_key_set(key_set(*JWKS))
JOSERFC = joserfc_jwk.KeySet.import_key_set({"keys": JWKS})
JWCRYPTO = jwcrypto.jwk.JWKSet.from_json(json.dumps({"keys": JWKS}))
EXAMPLES = 1500


class Headers(JWSRegistry):
    """RFC 7515 §4: members that are not understood are ignored; joserfc refuses them, and headers over 512 bytes."""

    max_header_length = 8192


HEADERS = Headers(algorithms=ALGORITHMS, strict_check_header=False)

seen: collections.Counter[str] = collections.Counter()

# The name EdDSA is what issuers still write; joserfc would rather read RFC 9864's.
pytestmark = pytest.mark.filterwarnings("ignore:EdDSA is deprecated")


def ours(text: str) -> bool:
    try:
        verify(parse(text), OURS, POLICY, NOW)
    except AuthError:
        return False
    return True


def joserfc_key(token: GuestProtocol) -> joserfc_jwk.Key:
    """RFC 7515 §4.1.4: `kid` is a hint; without it, the one key that fits. joserfc would demand it here."""
    header = token.headers()
    key: joserfc_jwk.Key = JOSERFC.get_by_kid(header["kid"] if "kid" in header else KIDS[header["alg"]])
    return key


def by_joserfc(text: str) -> bool:
    options: dict[str, ClaimsOption] = {name: {"essential": True} for name in REQUIRED}
    options["iss"] = {"essential": True, "value": ISSUER}
    options["aud"] = {"essential": True, "value": RESOURCE}
    registry = joserfc_jwt.JWTClaimsRegistry(now=NOW, leeway=30, **options)
    try:
        registry.validate(joserfc_jwt.decode(text, joserfc_key, registry=HEADERS).claims)
    # On a hostile token it raises whatever its JSON and base64 raise; each is a no.
    except (JoseError, ValueError, TypeError, KeyError, AttributeError, OverflowError):
        return False
    return True


def by_jwcrypto(text: str) -> bool:
    claims = {"iss": ISSUER, "aud": RESOURCE, **dict.fromkeys(REQUIRED)}
    try:
        seen_token = jwcrypto.jwt.JWT(check_claims=claims, algs=ALGORITHMS, expected_type="JWS")
        seen_token.leeway = 30
        seen_token.deserialize(text, JWCRYPTO)
    except (JWException, ValueError, TypeError, KeyError, AttributeError, OverflowError):
        return False
    return True


@pytest.fixture
def same_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jwcrypto.jwt.time.time", lambda: float(NOW))


@pytest.mark.usefixtures("same_time")
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_all_three_accept_a_good_token(algorithm: str) -> None:
    good = token({"alg": algorithm, "kid": KIDS[algorithm]}, key=KEYS[algorithm])
    assert (ours(good), by_joserfc(good), by_jwcrypto(good)) == (True, True, True)
    forged = token({"alg": algorithm, "kid": KIDS[algorithm]}, key=rsa_key(name="evil"))
    assert (ours(forged), by_joserfc(forged), by_jwcrypto(forged)) == (False, False, False)


@pytest.mark.usefixtures("same_time")
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(odd_tokens())
def test_what_we_let_in_the_others_let_in(text: str) -> None:
    verdicts = ours(text), by_joserfc(text), by_jwcrypto(text)
    seen[str(verdicts)] += 1
    if verdicts[0]:
        assert verdicts == (True, True, True)


def test_the_comparison_was_about_something() -> None:
    """Tokens that all accept, tokens that none accepts, and some that only we refuse, in numbers worth the name."""
    print("ours, joserfc, jwcrypto:", dict(seen))
    assert seen["(True, True, True)"] > EXAMPLES / 40
    assert seen["(False, False, False)"] > EXAMPLES / 40
    assert seen["(False, True, True)"] > EXAMPLES / 40
