"""The page about the server: it names every setting and every reason that the code has."""

from __future__ import annotations

import re
from pathlib import Path

from authorization_server.settings import KNOWN

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/oauth.md").read_text(encoding="utf-8")
CODE = ROOT / "functions/oauth_server/authorization_server"


def test_every_setting_is_documented() -> None:
    assert set(re.findall(r"`(OAUTH_[A-Z_]+)`", PAGE)) == set(KNOWN)
    read = set(re.findall(r'"(OAUTH_[A-Z_]+)"', (CODE / "settings.py").read_text(encoding="utf-8")))
    assert read - {"OAUTH_"} == set(KNOWN)


def test_every_reason_is_documented() -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in CODE.rglob("*.py"))
    reasons = set(re.findall(r'(?:PageError|NotNow)\(\s*"([a-z_]+)"', text))
    reasons |= set(re.findall(r'Refused\("[a-z_]+", "([a-z_]+)"\)', text))
    reasons |= set(re.findall(r'story\(?\)?\.reason = "([a-z_]+)"', text))
    reasons |= set(re.findall(r'Login(?:Failed|Denied|Unavailable)\("([a-z_]+)"\)', text))
    assert len(reasons) > 20
    assert {reason for reason in reasons if f"`{reason}`" not in PAGE} == set()
