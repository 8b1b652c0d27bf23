"""docs/clients.md is about the clients that are pinned here, and shows nothing of the machine that wrote it."""

from __future__ import annotations

import json
from importlib.metadata import version

import pytest

from clients.page import BEGIN, END, PAGE, plain, replaced
from clients.processes import INTEROP
from clients.visits import Visit, visits

PINNED: dict[str, str] = json.loads((INTEROP / "package.json").read_text())["dependencies"]


@pytest.mark.parametrize("visit", visits("fc"), ids=lambda visit: f"{visit.client} {visit.era} {visit.transport}")
def test_each_client_has_its_row(visit: Visit) -> None:
    pinned = version("mcp") if visit.package == "mcp" else PINNED[visit.package]
    mode = visit.era + (", SSE" if visit.transport == "sse" else "")
    assert f"| {visit.client} {pinned} | {mode} | " in PAGE.read_text(), "run: make interop ARGS=--write-docs"


@pytest.mark.parametrize("issuer", ["oidc-provider", "oauth2-mock-server", "moto"])
def test_each_issuer_has_its_rows(issuer: str) -> None:
    pinned = version("moto") if issuer == "moto" else PINNED[issuer]
    assert f"| {issuer} {pinned} | " in PAGE.read_text(), "run: make interop ARGS=--write-docs"


def test_a_token_of_an_issuer_is_one_row_with_a_cell_for_each_cloud() -> None:
    row = {"door": "jwt", "client": "issuer", "version": "1", "era": "claims", "problems": []}
    seen = {"cases": {"expired": "401 (token_expired)"}}
    rows = [{**row, "cloud": "aws", "seen": seen}, {**row, "cloud": "fc", "seen": seen, "problems": ["let in"]}]
    assert "| issuer 1 | expired | **failed** | 401 (token_expired) |" in replaced(f"{BEGIN}{END}", rows)


def test_what_is_written_by_hand_stays() -> None:
    page = replaced(f"before\n{BEGIN}\nyesterday\n{END}\nafter\n", [])
    assert page.startswith(f"before\n{BEGIN}\n")
    assert page.endswith(f"{END}\nafter\n")
    assert "yesterday" not in page


def test_addresses_paths_and_process_numbers_are_left_out() -> None:
    said = "[31409] failed at http://127.0.0.1:4321/mcp in /home/me/tests/interop/node_modules/x/y.js:1\nmore"
    assert plain(said) == "failed at URL/mcp in more"
