"""The pages about issuers: one for each profile, with settings that start the function and the profile's own facts."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import yaml

from mcp_faas.auth.profiles import PROFILES
from mcp_faas.settings import read_settings, require_public_url
from mcp_faas.settings.doubts import KNOWN
from mcp_faas.settings.issuers import JwtSettings
from support.vendor_tokens import LEGITIMATE

ROOT = Path(__file__).resolve().parents[2]
ISSUERS = ROOT / "docs/issuers"
INDEX = ISSUERS / "README.md"
PAGES = sorted(ISSUERS.glob("*.md"))
SECTIONS = [
    "At the issuer",
    "Settings",
    "A token to test with, and the check",
    "Known traps",
    "What the profile rests on",
]
# How the reasons of the audit line end; other words in the same column are not reasons.
REASON_ENDS = ("mismatch", "missing", "malformed", "refused", "long", "unknown", "invalid", "unavailable", "expired")


def blocks(page: Path) -> list[dict[str, str]]:
    """The settings of each fenced `env` block, as a shell would read them."""
    found = re.findall(r"^```env\n(.*?)^```$", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    return [dict(word.split("=", 1) for line in block.splitlines() for word in shlex.split(line)) for block in found]


def started(environ: dict[str, str]) -> JwtSettings:
    """What the real loader makes of them."""
    settings = read_settings(environ)
    require_public_url(settings)
    assert settings.jwt is not None
    return settings.jwt


def rows(text: str) -> list[list[str]]:
    return [
        [cell.strip() for cell in line.strip("|").split(" | ")] for line in text.splitlines() if line.startswith("|")
    ]


def test_every_profile_has_a_page_and_every_page_a_profile() -> None:
    assert [page.stem for page in PAGES if page != INDEX] == sorted(PROFILES)


def test_index_leads_to_every_page() -> None:
    named = re.findall(
        r"^\| \[`([a-z0-9-]+)`\]\(([a-z0-9-]+)\.md\)", INDEX.read_text(encoding="utf-8"), flags=re.MULTILINE
    )
    assert named == [(name, name) for name in PROFILES]


@pytest.mark.parametrize("name", PROFILES)
def test_settings_of_the_page_start_the_function_with_its_profile(name: str) -> None:
    found = blocks(ISSUERS / f"{name}.md")
    assert found
    for environ in found:
        assert started(environ).profiles == (PROFILES[name],)
        assert environ["MCP_JWT_PROFILE"] == name


@pytest.mark.parametrize("name", PROFILES)
def test_issuer_on_the_page_has_the_form_that_the_tokens_have(name: str) -> None:
    """A slash at the end, a path, a version: the tests' tokens and the page must not drift apart."""

    def form(url: str) -> str:
        return re.sub(r"[0-9A-Za-z-]{8,}", "ID", url.split("://", 1)[1].partition("/")[2])

    sent = {form(str(case.claims["iss"])) for case in LEGITIMATE if case.profile == name}
    for environ in blocks(ISSUERS / f"{name}.md"):
        assert form(environ["MCP_JWT_ISSUER"]) in sent


@pytest.mark.parametrize("name", PROFILES)
def test_page_says_what_the_profile_rests_on_and_that_nobody_tried_it(name: str) -> None:
    text = (ISSUERS / f"{name}.md").read_text(encoding="utf-8")
    assert "It was not tried with a real tenant." in text
    assert re.findall(r"^## (.+)$", text, flags=re.MULTILINE) == SECTIONS
    table = rows(text.partition("## What the profile rests on")[2])[2:]
    assert table == [[fact.says, fact.standing, fact.source] for fact in PROFILES[name].provenance]


def set_by_template() -> dict[str, str | None]:
    """Each variable of a function in `template.yaml`, and the parameter that it takes its value from."""
    text = (ROOT / "template.yaml").read_text(encoding="utf-8")
    lines = re.findall(r"^          (MCP_[A-Z_]+): (.*)$", text, flags=re.MULTILINE)
    references = {name: re.findall(r"!Ref (\w+)\b(?!::)", value) for name, value in lines}
    return {name: found[0] if found else None for name, found in references.items()}


def set_by_s_yaml(*resources: str) -> dict[str, str | None]:
    """Likewise in `s.yaml`: the variable of `vars`."""
    made = yaml.safe_load((ROOT / "s.yaml").read_text(encoding="utf-8"))["resources"]
    environments = [made[name]["props"].get("environmentVariables", {}) for name in resources or made]
    found = {name: re.fullmatch(r"\$\{vars\.(\w+)\}", value) for each in environments for name, value in each.items()}
    return {name: match[1] if match else None for name, match in found.items() if name.startswith("MCP_")}


def test_index_says_where_every_setting_of_the_pages_goes() -> None:
    section = INDEX.read_text(encoding="utf-8").partition("## Where do the settings go?")[2].partition("\n## ")[0]
    (door, *told) = rows(section)[2:]
    assert door == ["`MCP_DOOR=jwt`", "`Door=jwt`", "none: deploy `mcp_server_jwt`"]
    template, s_yaml = set_by_template(), set_by_s_yaml("mcp_server_jwt")
    for cells in told:
        name, parameter, variable = (re.findall("`(.+?)`", cell)[0] for cell in cells)
        assert (template[name], s_yaml[name]) == (parameter, variable)
    shown = {name for page in PAGES for environ in blocks(page) for name in environ}
    assert shown - {"MCP_DOOR"} <= {cells[0].strip("`") for cells in told}


@pytest.mark.parametrize("name", PROFILES)
def test_page_leads_to_where_its_settings_go(name: str) -> None:
    settings = (ISSUERS / f"{name}.md").read_text(encoding="utf-8").partition("\n## Settings\n")[2]
    assert settings.startswith("\n[Where they go](README.md#where-do-the-settings-go)")


def test_page_of_the_settings_says_which_of_them_a_template_does_not_set() -> None:
    page = (ROOT / "docs/settings.md").read_text(encoding="utf-8")
    pattern = r"(?s)but for\n(.*?), which you add.*?only `template.yaml` sets\n(.*?), only `s.yaml` sets (.*?)\n"
    (said,) = re.findall(pattern, page)
    neither, template, s_yaml = (set(re.findall("`(MCP_[A-Z_]+)`", words)) for words in said)
    assert set(KNOWN) - set_by_template().keys() - set_by_s_yaml().keys() == neither
    assert set_by_template().keys() - set_by_s_yaml().keys() == template
    assert set_by_s_yaml().keys() - set_by_template().keys() == s_yaml


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_no_secret_becomes_an_argument(page: Path) -> None:
    """`printf` is the shell's own; what curl gets as an argument, everybody on the machine can read."""
    for command in re.findall(r"\bcurl (?:[^|\n\\]|\\\n)*", page.read_text(encoding="utf-8")):
        assert "$TOKEN" not in command
        assert "$SECRET" not in command


def test_index_shows_several_issuers_with_a_profile_each() -> None:
    (environ,) = blocks(INDEX)
    jwt = started(environ)
    assert len(jwt.issuers) == 2
    assert jwt.profiles == (PROFILES["keycloak"], PROFILES["cognito"])


def test_every_reason_in_the_traps_is_one_of_the_audit_line() -> None:
    told = set(re.findall(r"`([a-z_]+)`", (ISSUERS.parent / "audit.md").read_text(encoding="utf-8")))
    for page in PAGES:
        for line in page.read_text(encoding="utf-8").splitlines():
            if found := re.match(r"\| (`[a-z_]+`(?:, `[a-z_]+`)*)", line):
                named = {word for word in re.findall(r"`([a-z]+_[a-z_]+)`", found[1]) if word.endswith(REASON_ENDS)}
                assert named <= told, f"{page.name}: {line}"
