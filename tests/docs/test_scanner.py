"""docs/gitleaks.toml finds every token and no look-alike; docs/tokens.md tells the rest apart.

gitleaks itself is on no package registry, so its part is done here: keyword, expression, entropy of the group. The
expression keeps to what Go's RE2 and Python read alike.
"""

from __future__ import annotations

import importlib
import json
import math
import random
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from mcp_faas.tokens import BASE62, checksum, fingerprint, has_our_shape, mint
from support.projects import ROOT, copy_project

NOW = datetime(2026, 11, 22, tzinfo=timezone.utc)
PAGE = ROOT / "docs/tokens.md"
MANY = 10_000


def rules() -> list[Any]:
    toml = importlib.import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")  # pytest brings tomli
    found: list[Any] = toml.loads((ROOT / "docs/gitleaks.toml").read_text(encoding="utf-8"))["rules"]
    return found


(RULE,) = rules()
PATTERN = re.compile(RULE["regex"], re.ASCII)


def entropy(text: str) -> float:
    """Shannon's, in bits a character, as gitleaks takes it of a finding."""
    return -sum(n / len(text) * math.log2(n / len(text)) for n in Counter(text).values())


def findings(text: str) -> list[str]:
    if not any(keyword in text.lower() for keyword in RULE["keywords"]):
        return []
    found = (match[RULE["secretGroup"]] for match in PATTERN.finditer(text))
    return [secret for secret in found if entropy(secret) > RULE["entropy"]]


@pytest.fixture(scope="module")
def tokens() -> list[str]:
    return [mint(NOW).data for _ in range(MANY)]


def test_the_expression_reads_alike_in_go() -> None:
    assert not re.search(r"\(\?[^:]", RULE["regex"]), "no look-around, no named group, no flag"
    assert not re.search(r"\\[^-.]", RULE["regex"]), "no class or boundary that means something else in Unicode"
    assert not re.search(r"[+*?}]\+", RULE["regex"]), "nothing possessive"


def test_every_token_is_found_wherever_it_stands(tokens: list[str]) -> None:
    around = ['"{}"', "MCP_TOKEN={}\n", "Bearer {}", "Bearer%20{}%0A", "a\\n{}\\n", "key_{}_", "{}\r\n", "<{}>", "{}."]
    for number, token in enumerate(tokens):
        assert findings(around[number % len(around)].format(token)) == [token]
        assert has_our_shape(token)
    assert min(map(entropy, tokens)) > RULE["entropy"] + 0.4, "far from the bound"
    assert findings("\n".join(tokens)) == tokens
    assert findings(json.dumps({"tokens": [{"tokenData": token} for token in tokens]})) == tokens


def near(token: str, dice: random.Random) -> Iterator[str]:
    """What a scanner should not report."""
    body, check = token[5:48], token[-6:]
    yield from (f"mcpt-{body[:-1]}-{check}", f"mcpt-{body}0-{check}", f"mcpt-{body}-{check[:-1]}")
    yield from (f"mcpt-{body}-{check}0", f"mcpt_{body}-{check}", f"mcpt-{body}_{check}", f"mcpt-{body}{check}")
    yield from (f"MCPT-{body}-{check}", f"mcp-{body}-{check}", f"mcpt-{body}", body, token[::-1])
    place = dice.randrange(43)
    yield from (f"mcpt-{body[:place]}{sign}{body[place + 1 :]}-{check}" for sign in "-+/=~._ é…")
    letter = dice.choice(BASE62)
    yield f"mcpt-{letter * 43}-{letter * 6}"


def test_near_misses_are_not_found(tokens: list[str]) -> None:
    dice = random.Random(1)  # noqa: S311 - picks places
    for token in tokens[:1000]:
        for miss in near(token, dice):
            assert findings(miss) == [], miss
        assert findings(mint(NOW).name) == []


def slip(token: str, dice: random.Random) -> str:
    """A look-alike of the right shape: one character changed, two neighbours swapped, or a checksum at random."""
    place = dice.choice([*range(5, 48), *range(49, 55)])
    kind = dice.randrange(3)
    if kind == 0:
        return token[:place] + dice.choice(BASE62.replace(token[place], "")) + token[place + 1 :]
    if kind == 1 and place not in (47, 54) and token[place] != token[place + 1]:
        return token[:place] + token[place + 1] + token[place] + token[place + 2 :]
    return token[:49] + "".join(dice.choice(BASE62.replace(old, "")) for old in token[49:])


def test_look_alikes_that_are_found_fail_the_checksum(tokens: list[str]) -> None:
    dice = random.Random(2)  # noqa: S311 - picks places
    for token in tokens:
        other = slip(token, dice)
        assert PATTERN.fullmatch(other)
        assert other != token
        assert not has_our_shape(other)


def test_this_repository_holds_none(tmp_path: Path) -> None:
    for path in copy_project(tmp_path / "project").rglob("*"):
        if path.is_file() and not path.is_symlink():
            assert findings(path.read_text(encoding="utf-8", errors="replace")) == [], path


# What docs/tokens.md says of the checksum


def test_the_pages_vectors_are_right() -> None:
    rows = re.findall(r"^\| `([^`]*)` \| `([0-9A-Za-z]{6})` \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert len(rows) >= 3
    for text, expected in rows:
        assert checksum(text) == expected


def test_the_pages_program_tells_tokens_from_look_alikes(tokens: list[str]) -> None:
    (program,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)
    dice = random.Random(3)  # noqa: S311 - picks places
    sample = tokens[:200]
    report = [
        {"RuleID": RULE["id"], "Secret": secret, "File": "a.txt", "StartLine": line}
        for line, secret in enumerate([*sample, *(slip(token, dice) for token in sample), "ghp_other", "mcpt--"], 1)
    ]
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", program],
        input=json.dumps(report),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stderr == ""
    assert done.stdout.splitlines() == [f"a.txt:{line} {fingerprint(token)}" for line, token in enumerate(sample, 1)]
