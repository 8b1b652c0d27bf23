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


def test_each_setting_has_the_names_that_set_it_in_a_deploy() -> None:
    """The columns of the table are what template.yaml and s.yaml take a setting's value from."""
    template, fc = ((ROOT / name).read_text(encoding="utf-8") for name in ("template.yaml", "s.yaml"))
    parameters = set(re.findall(r"(?m)^  (\w+):\n    Type: (?:String|Number)$", template))
    places = (
        (template.split("\n  OauthServer:")[1].split("\n  OauthServerRole:")[0], r"!Ref (\w+)"),
        (fc.split("\n  oauth_server:")[1], r"\$\{vars\.(\w+)\}"),
    )
    rows = re.findall(r"(?m)^\| (`(?:OAUTH|MCP)_.*?`) \| ?(.*?) ?\| ?(.*?) ?\|", PAGE.split("## Settings")[1])
    assert len(rows) > 15
    for names, *shown in rows:
        for cell, (text, pattern) in zip(shown, places, strict=True):
            values = [re.search(rf"(?m)^ +{name}: (.*)$", text) for name in re.findall(r"`(\w+)`", names)]
            found = {name for value in values if value for name in re.findall(pattern, value[1])} - {"AWS"}
            assert set(re.findall(r"`(\w+)`", cell)) == (found & parameters if text is places[0][0] else found), names


def test_every_reason_is_documented() -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in CODE.rglob("*.py"))
    reasons = set(re.findall(r'(?:PageError|NotNow)\(\s*"([a-z_]+)"', text))
    reasons |= set(re.findall(r'Refused\("[a-z_]+", "([a-z_]+)"\)', text))
    reasons |= set(re.findall(r'story\(?\)?\.reason = "([a-z_]+)"', text))
    reasons |= set(re.findall(r'Login(?:Failed|Denied|Unavailable)\("([a-z_]+)"\)', text))
    assert len(reasons) > 20
    assert {reason for reason in reasons if f"`{reason}`" not in PAGE} == set()
