"""Verifiers with one check removed each, and the tests beside this file: every one of them must be noticed.

Each mutant is a copy of the sources with one place changed; the suite runs over it in a process of its own.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent.parent
# In this order: the first test that fails is the end of a run, and the last two files take longest.
SUITE = ("test_jwt.py", "test_keys.py", "test_bearer.py", "test_profiles.py", "test_compact.py", "test_signatures.py")
LANES = 2


@dataclass(frozen=True)
class Mutant:
    """A text of one module of `mcp_faas` that occurs there once, and what takes its place."""

    module: str
    old: str
    new: str


def jwt(old: str, new: str) -> Mutant:
    return Mutant("auth/jwt.py", old, new)


def compact(old: str, new: str) -> Mutant:
    return Mutant("auth/compact.py", old, new)


def signatures(old: str, new: str) -> Mutant:
    return Mutant("auth/signatures.py", old, new)


def keys(old: str, new: str) -> Mutant:
    return Mutant("auth/keys.py", old, new)


def bearer(old: str, new: str) -> Mutant:
    return Mutant("auth/bearer.py", old, new)


MUTANTS = {
    "no size cap": compact("if len(token) > TOKEN_MAX_CHARACTERS:", "if False:"),
    "anything around three parts": compact("if _COMPACT.fullmatch(token) is None:", "if not _COMPACT.search(token):"),
    "several spellings of one token": compact("if part[-1] not in _ENDINGS[left]:", "if left == 1:"),
    "several spellings of two bytes": compact('b"AEIMQUYcgkosw048")', "bytes(range(256)))"),
    "a character too many": compact('_ENDINGS = (bytes(range(256)), b"",', '_ENDINGS = (bytes(range(256)), b"A",'),
    "values are not counted": compact('text.count(b",") + ', ""),
    "objects are not counted": compact(' + text.count(b"{")', ""),
    "lists are not counted": compact(' + text.count(b"[")', ""),
    "any JSON value for a header": compact("if not isinstance(value, dict):", "if value is None:"),
    "any algorithm that is known": jwt("if header.algorithm not in policy.algorithms:", "if not header.algorithm:"),
    "any algorithm at all": compact("or algorithm not in ASYMMETRIC_ALGORITHMS:", "or algorithm is None:"),
    "crit is ignored": compact('for name in ("crit", "b64", "zip"):', 'for name in ("b64", "zip"):'),
    "b64 is ignored": compact('for name in ("crit", "b64", "zip"):', 'for name in ("crit", "zip"):'),
    "nested tokens pass": compact('removeprefix("application/") == "jwt":', 'removeprefix("application/") == "?":'),
    "any typ": jwt("if header.kind not in policy.profile.types:", "if header.kind is None:"),
    "typ without a type is none": compact('.removeprefix("application/") or None)', '.removeprefix("application/"))'),
    "any kid": compact("if not isinstance(kid, str) or not 0 < len(kid)", "if False and not 0 < len(kid)"),
    "signature not checked": jwt(
        "        key.checks[token.header.algorithm](token.signature, token.signing_input)\n", "        pass\n"
    ),
    "signature that does not fit passes": jwt(
        'raise SignatureInvalid("the signature does not fit the key") from None', "return"
    ),
    "signature of any text": jwt("(token.signature, token.signing_input)", '(token.signature, b"")'),
    "signature of any length": signatures("if len(signature) != 2 * size:", "if not signature:"),
    "salt of any length": signatures("PSS(MGF1(digest), digest.digest_size)", "PSS(MGF1(digest), PSS.AUTO)"),
    "wrong form of a signature passes": jwt(
        'raise SignatureInvalid("the signature has the wrong form") from None', "return"
    ),
    "any issuer": jwt("if issuer_of(token) != policy.issuer:", "if not issuer_of(token):"),
    "issuer by prefix": jwt(
        "if issuer_of(token) != policy.issuer:", "if not policy.issuer.startswith(issuer_of(token)):"
    ),
    "expired passes": jwt("if now >= expires_at + LEEWAY_SECONDS:", "if now < 0:"),
    "a leeway of an hour": jwt("LEEWAY_SECONDS = 30", "LEEWAY_SECONDS = 3600"),
    "exp inclusive": jwt("if now >= expires_at + LEEWAY_SECONDS:", "if now > expires_at + LEEWAY_SECONDS:"),
    "iat in the future": jwt("if issued_at > now + LEEWAY_SECONDS:", "if issued_at < 0:"),
    "any lifetime": jwt("if expires_at - issued_at > profile.max_lifetime_seconds:", "if expires_at < 0:"),
    "nbf in the future": jwt("if not_before > now + LEEWAY_SECONDS:", "if not_before < 0:"),
    "nbf is ignored": jwt('_number(claims, "nbf") if "nbf" in claims else 0', "0"),
    "exp before iat passes": jwt("if expires_at <= issued_at or", "if"),
    "exp before nbf passes": jwt(" or expires_at <= not_before:", ":"),
    "exp at iat passes": jwt("if expires_at <= issued_at or", "if expires_at < issued_at or"),
    "exp at nbf passes": jwt("or expires_at <= not_before:", "or expires_at < not_before:"),
    "bound tokens pass": jwt('if "cnf" in claims:', "if False:"),
    "any audience": jwt(
        "if (policy.audiences or itself).isdisjoint(_audiences(claims, name)):", "if not _audiences(claims, name):"
    ),
    "the endpoint beside the audiences": jwt("(policy.audiences or itself)", "(policy.audiences | itself)"),
    "aud beside another claim": jwt('if name != "aud" and "aud" in claims and', "if False and"),
    "audience list of anything": jwt("all(isinstance(entry, str) for entry in value)", "value"),
    "marks of other tokens pass": jwt("if not claims.keys().isdisjoint(profile.forbidden):", "if False:"),
    "required claims may be missing": jwt("for name in sorted(profile.required):", "for name in ():"),
    "required claims of any type": jwt("if not _is_filled(claims[name]) and not (", "if False and not ("),
    "marks of any type": jwt("for name in sorted(profile.any_of):", "for name in ():"),
    "empty marks": jwt('isinstance(value, str) and value != ""', "isinstance(value, str)"),
    "empty lists are marks": jwt("isinstance(value, list) and value != []", "isinstance(value, list)"),
    "lists of anything are marks": jwt("all(_is_filled(entry) for entry in value)", "value"),
    "token_use is not read": jwt("for name, value in profile.equal.items():", "for name, value in ():"),
    "no client needed": jwt("if choice and claims.keys().isdisjoint(choice):", "if False:"),
    "jti of any type": jwt('for name in ("jti", *profile.client_claims):', "for name in profile.client_claims:"),
    "scope of any characters": jwt("isinstance(word, str) and is_scope(word)", "isinstance(word, str)"),
    "booleans are numbers": jwt(
        "if isinstance(value, bool) or not isinstance(value, (int, float)):", "if not isinstance(value, (int, float)):"
    ),
    "numbers without bounds": jwt("if not 0 <= value < 2**53:", "if value is None:"),
    "empty text": jwt(
        "if not isinstance(value, str) or not 0 < len(value)", "if not isinstance(value, str) or not 0 <= len(value)"
    ),
    "text that cannot be encoded": jwt("        value.encode()\n", "        pass\n"),
    "members twice": Mutant("strict_json.py", "if len(members) != len(pairs):", "if False:"),
    "NaN is a number": Mutant("strict_json.py", "_unique, parse_constant=_refuse)", "_unique)"),
    "symmetric and private keys": keys('if "d" in entry or "k" in entry:', "if False:"),
    "keys for encryption": keys('if use not in (None, "sig"):', "if False:"),
    "key_ops are not read": keys('"verify" in operations', "operations"),
    "weak RSA": keys("RSA_MIN_BITS, RSA_MAX_BITS = 2048, 8192", "RSA_MIN_BITS, RSA_MAX_BITS = 512, 8192"),
    "alg of a key is not read": keys(
        "algorithms = algorithms & {declared} if isinstance(declared, str) else frozenset()", "pass"
    ),
    "one kid, two keys": keys("if index not in clashing)", "if index >= 0)"),
    "the first of several keys": keys("if len(fitting) != 1:", "if not fitting:"),
    "kid is not compared": keys("self._fitting.get((kid, algorithm), ())", "self._fitting.get((None, algorithm), ())"),
    "any number of keys": keys("if len(entries) > SET_MAX_KEYS:", "if False:"),
    "several headers": bearer("if len(authorization) > 1:", "if False:"),
    "commas and blanks in a token": bearer(r"([A-Za-z0-9\-._~+/=]+)", r"([A-Za-z0-9\-._~+/=, ]+)"),
    "disabled tokens": bearer("if same and token.enabled:", "if same:"),
}


@pytest.fixture(scope="module")
def lanes(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Copies of what the suite needs, one for each process that runs at the same time."""
    made = [tmp_path_factory.mktemp("lane") for _ in range(LANES)]
    for lane in made:
        shutil.copytree(ROOT / "functions", lane / "functions", ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copytree(ROOT / "tests/support", lane / "tests/support", ignore=shutil.ignore_patterns("__pycache__"))
        (lane / "tests/auth").mkdir(parents=True)
        for name in SUITE:
            shutil.copy(ROOT / "tests/mcp_faas/auth" / name, lane / "tests/auth" / name)
        for name in ("pyproject.toml", "tests/conftest.py"):
            shutil.copy(ROOT / name, lane / name)
    return made


# Runs the suite once for every line that it is sent, each time in a fork: what all runs share (pytest, cryptography,
# the test keys) is loaded and made once, and `mcp_faas` is not, because that is what changes.
RUNNER = """
import os, sys
import cryptography.hazmat.primitives.asymmetric, hypothesis, jwt, pytest
from support.jwts import ec_key, ed_key, rsa_key
for name in ("first", "second", "good", "evil"):
    rsa_key(name=name)
    rsa_key(2048, name)
rsa_key(), rsa_key(1024), ed_key(), [ec_key(curve) for curve in ("P-256", "P-384", "P-521")]
assert not [name for name in sys.modules if name.startswith("mcp_faas")]
for line in sys.stdin:
    child = os.fork()
    if not child:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        status = 99  # of a suite that could not even begin
        try:
            status = pytest.main(["-x", "-p", "no:cacheprovider", "--assert=plain", *sys.argv[1:]])
        finally:
            os._exit(status)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


def suite_passes(runner: subprocess.Popen[str]) -> bool:
    """Does the suite pass in this runner's copy, as it is now? Anything but yes and no is an error of this test."""
    assert runner.stdin is not None
    assert runner.stdout is not None
    runner.stdin.write("run\n")
    runner.stdin.flush()
    status = runner.stdout.readline().strip()
    assert status in ("0", "1"), f"the suite could not run: {status}"
    return status == "0"


def survives(mutant: Mutant, lane: Path, runner: subprocess.Popen[str]) -> bool:
    path = lane / "functions/mcp_faas" / mutant.module
    source = path.read_text()
    path.write_text(source.replace(mutant.old, mutant.new))
    try:
        return suite_passes(runner)
    finally:
        path.write_text(source)


@pytest.mark.parametrize("mutant", MUTANTS.values(), ids=MUTANTS)
def test_mutant_changes_one_place(mutant: Mutant) -> None:
    assert (ROOT / "functions/mcp_faas" / mutant.module).read_text().count(mutant.old) == 1


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_every_removed_check_is_noticed(lanes: list[Path]) -> None:
    def run(number: int) -> list[str]:
        lane, own = lanes[number], list(MUTANTS.items())[number::LANES]
        paths = os.pathsep.join(str(lane / name) for name in ("functions", "tests"))
        environ = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
        command = [sys.executable, "-B", "-c", RUNNER, *(f"tests/auth/{name}" for name in SUITE)]
        with subprocess.Popen(
            command,
            cwd=lane,
            env={**environ, "PYTHONPATH": paths},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        ) as runner:
            assert suite_passes(runner), "the suite passes over the sources as they are"
            found = [name for name, mutant in own if survives(mutant, lane, runner)]
            assert suite_passes(runner), "the suite passes over the sources as they were"
            return found

    with ThreadPoolExecutor(LANES) as pool:
        survivors = [name for found in pool.map(run, range(LANES)) for name in found]
    print(f"{len(MUTANTS)} mutants of the verifier")
    assert not survivors, survivors
