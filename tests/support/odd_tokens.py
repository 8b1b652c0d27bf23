"""Tokens that are odd in one or more places, for hypothesis and the fuzzer: signed by a real key more often than not.

Every choice leans towards the edge of what is valid, because a token that is wrong everywhere tests one check alone.
"""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

from support.jwts import GOOD_CLAIMS, GOOD_HEADER, ISSUER, NOW, RESOURCE, b64, ec_key, ed_key, jwk, rsa_key, sign_parts

KEYS: dict[str, Any] = {"RS256": rsa_key(), "PS256": rsa_key(), "ES256": ec_key(), "EdDSA": ed_key()}
JWKS = [jwk(rsa_key(), kid="k1"), jwk(ec_key(), kid="k2"), jwk(ed_key(), kid="k3")]
KIDS = {"RS256": "k1", "PS256": "k1", "ES256": "k2", "EdDSA": "k3"}

_JUNK: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=20),
    st.just([]),
    st.just({}),
    st.just([1, {}]),
)
_TIMES: st.SearchStrategy[Any] = st.one_of(
    st.sampled_from([NOW, NOW - 31, NOW - 30, NOW - 29, NOW + 29, NOW + 30, NOW + 31, NOW + 600.5, str(NOW + 600)]),
    st.sampled_from([NOW * 1000, 2**53, 2**63, 10**400, -1, 0, True, float("nan"), float("inf"), NOW + 86401]),
)
_AUDIENCES: st.SearchStrategy[Any] = st.sampled_from(
    [
        *(RESOURCE, RESOURCE + "/", RESOURCE.upper(), RESOURCE[:-1], f"{RESOURCE} x", "", None, {"0": RESOURCE}),
        *([RESOURCE], [RESOURCE, "https://other.example"], ["https://other.example"], []),
        *([RESOURCE, 1], [[RESOURCE]]),
    ]
)
_ISSUERS: st.SearchStrategy[Any] = st.sampled_from(
    [ISSUER, ISSUER + "/", ISSUER[:-1], ISSUER.upper(), [ISSUER], "", None, "https://issuer.example.com.evil.example"]
)
_CLAIMS: dict[str, st.SearchStrategy[Any]] = {
    "exp": _TIMES,
    "nbf": _TIMES,
    "iat": _TIMES,
    "aud": _AUDIENCES,
    "iss": _ISSUERS,
    "sub": st.one_of(st.text(max_size=8), _JUNK),
    "client_id": st.one_of(st.text(max_size=8), _JUNK),
    "jti": st.one_of(st.text(max_size=8), _JUNK),
    "scope": st.one_of(st.text(alphabet='ab: *\t"\\é', max_size=12), _JUNK),
    "cnf": st.just({"jkt": "x"}),
    "nonce": st.just("n"),
    "own": _JUNK,
}
_HEADERS: dict[str, st.SearchStrategy[Any]] = {
    "typ": st.sampled_from(
        ["at+jwt", "AT+JWT", "application/at+jwt", "JWT", "jwt", "", "logout+jwt", "dpop+jwt", 1, None]
    ),
    "kid": st.one_of(st.sampled_from(["k1", "k2", "k3", "k4", "", "../k1", "k" * 300]), _JUNK),
    "alg": st.one_of(
        st.sampled_from(["none", "HS256", "RS256", "PS256", "ES256", "ES384", "EdDSA", "rs256", ""]), _JUNK
    ),
    "crit": st.sampled_from([[], ["exp"], ["b64"], "exp", None]),
    "b64": st.booleans(),
    "cty": st.sampled_from(["JWT", "json", None, 1]),
    "zip": st.just("DEF"),
    "jku": st.just("https://evil.example/jwks"),
    "jwk": st.just(jwk(rsa_key(name="evil"))),
    "own": _JUNK,
}


@st.composite
def _changed(draw: st.DrawFn, good: dict[str, Any], odd: dict[str, st.SearchStrategy[Any]]) -> dict[str, Any]:
    """The good object with up to three members changed or left out."""
    made = dict(good)
    for name in draw(st.lists(st.sampled_from(sorted(odd)), max_size=3, unique=True)):
        if draw(st.integers(0, 4)) == 0:
            made.pop(name, None)
        else:
            made[name] = draw(odd[name])
    return made


def _text(members: dict[str, Any], doubled: str | None) -> bytes:
    """JSON, with one member twice if so wished, as no encoder would write it."""
    text = json.dumps(members)
    if doubled in members:
        text = f"{{{json.dumps(doubled)}: {json.dumps(members[doubled])}, {text[1:]}"
    return text.encode("utf-8", "surrogatepass")


@st.composite
def odd_tokens(draw: st.DrawFn) -> str:
    """A token that may be good, a little odd, or wrong."""
    algorithm = draw(st.sampled_from(sorted(KEYS)))
    header = draw(_changed({**GOOD_HEADER, "alg": algorithm, "kid": KIDS[algorithm]}, _HEADERS))
    claims = draw(_changed(GOOD_CLAIMS, _CLAIMS))
    doubled = draw(st.none() | st.none() | st.sampled_from(["exp", "alg", "aud", "own"]))
    key = draw(st.sampled_from([KEYS[algorithm]] * 4 + [rsa_key(name="evil")]))
    token = sign_parts(_text(header, doubled), _text(claims, doubled), algorithm=algorithm, key=key)
    edit = draw(st.integers(0, 19))
    if edit == 0:
        token += draw(st.sampled_from(["=", "==", ".", " ", "\n", ".e30", "A"]))
    elif edit == 1:
        at = draw(st.integers(0, len(token) - 1))
        token = token[:at] + draw(st.characters()) + token[at + 1 :]
    elif edit == 2:
        token = token[: draw(st.integers(0, len(token)))]
    elif edit == 3:
        head, body, signature = token.split(".")
        token = draw(st.sampled_from([f"{head}.{body}.", f"{head}..{signature}", f".{body}.{signature}"]))
    elif edit == 4:
        head, body, signature = token.split(".")
        token = f"{b64(draw(st.binary(max_size=60)))}.{body}.{signature}"
    return token
