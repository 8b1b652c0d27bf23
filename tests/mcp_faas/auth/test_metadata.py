"""Where RFC 9728 metadata lives, and what it says."""

from __future__ import annotations

import json

import pytest

from mcp_faas.auth.metadata import metadata, metadata_url


@pytest.mark.parametrize(
    ("resource", "url"),
    [
        ("https://a.example/mcp", "https://a.example/.well-known/oauth-protected-resource/mcp"),
        ("https://a.example/prod/mcp", "https://a.example/.well-known/oauth-protected-resource/prod/mcp"),
        ("https://a.example:8443/mcp", "https://a.example:8443/.well-known/oauth-protected-resource/mcp"),
        ("https://a.example", "https://a.example/.well-known/oauth-protected-resource"),
        ("https://a.example/", "https://a.example/.well-known/oauth-protected-resource"),
    ],
)
def test_well_known_goes_between_host_and_path(resource: str, url: str) -> None:
    assert metadata_url(resource) == url


@pytest.mark.parametrize(
    ("resource", "mount", "url"),
    [
        ("https://a.example/prod/mcp", "/prod", "https://a.example/prod/.well-known/oauth-protected-resource/mcp"),
        ("https://a.example/prod", "/prod", "https://a.example/.well-known/oauth-protected-resource/prod"),
        ("https://a.example/mcp", "/prod", "https://a.example/.well-known/oauth-protected-resource/mcp"),
        (
            "https://a.example/production/mcp",
            "/prod",
            "https://a.example/.well-known/oauth-protected-resource/production/mcp",
        ),
    ],
    ids=["of a stage", "a stage's root", "a domain for the stage", "another beginning"],
)
def test_well_known_goes_behind_what_leads_to_us(resource: str, mount: str, url: str) -> None:
    assert metadata_url(resource, mount) == url


def test_resource_and_issuers_are_byte_for_byte() -> None:
    document = json.loads(metadata("https://A.example/MCP", ["https://i.example/", "https://j.example"], ["b", "a"]))
    assert document == {
        "resource": "https://A.example/MCP",
        "authorization_servers": ["https://i.example/", "https://j.example"],
        "bearer_methods_supported": ["header"],
        "scopes_supported": ["a", "b"],
    }


def test_offline_access_is_never_asked_for() -> None:
    assert "scopes_supported" not in json.loads(
        metadata("https://a.example", ["https://i.example"], ["offline_access"])
    )
