"""The page about the server: it names every setting and every reason that the code has."""

from __future__ import annotations

import contextlib
import re
import sqlite3
from pathlib import Path

from authorization_server.settings import KNOWN
from authorizing.world import PASSPHRASE, VERIFIER, World, parameters

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


def test_what_stands_in_the_table_in_the_clear(tmp_path: Path) -> None:
    """As the page says it: a client's state, the person and what let them in; no code, no token."""
    world = World(tmp_path, OAUTH_ALLOWED_USERS="dev bob")

    def table() -> str:
        with contextlib.closing(sqlite3.connect(tmp_path / "store.sqlite")) as store:
            return "\n".join(store.iterdump())

    browser = world.browser()
    where = {"client_id": "desktop", "redirect_uri": "http://127.0.0.1:1234/callback"}
    agreed = world.decide(browser, world.ask(browser, state="what-the-client-says", **where).text)
    assert "what-the-client-says" in table()
    code = parameters(world.log_in(browser, agreed.location).location)["code"]
    given = world.redeem(code, **where).json or {}
    left = table()
    assert '"user:dev"' in left.replace("\\", "")
    assert '"subject":"dev"' in left.replace(" ", "").replace("\\", "")
    for secret in (code, given["access_token"], given["refresh_token"], PASSPHRASE, VERIFIER):
        assert secret[-16:] not in left
    world.storage.close()


def test_every_reason_is_documented() -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in CODE.rglob("*.py"))
    reasons = set(re.findall(r'(?:PageError|NotNow)\(\s*"([a-z_]+)"', text))
    reasons |= set(re.findall(r'Refused\("[a-z_]+", "([a-z_]+)"\)', text))
    reasons |= set(re.findall(r'story\(?\)?\.reason = "([a-z_]+)"', text))
    reasons |= set(re.findall(r'Login(?:Failed|Denied|Unavailable)\("([a-z_]+)"\)', text))
    assert len(reasons) > 20
    assert {reason for reason in reasons if f"`{reason}`" not in PAGE} == set()
