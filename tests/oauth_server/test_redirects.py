"""The redirect matrix: what may be registered, and what matches what was. The expectations were written first."""

from __future__ import annotations

from pathlib import Path

import pytest

from authorization_server import redirects
from authorizing.world import CALLBACK, CHALLENGE, World

SCHEMES = ("cursor", "com.example.app")

MAY_BE_REGISTERED = {
    "plain": "https://client.example/callback",
    "root": "https://client.example/",
    "no path": "https://client.example",
    "port": "https://client.example:8443/callback",
    "query": "https://client.example/callback?tenant=a",
    "deep path": "https://client.example/a/b/c.d~e",
    "encoded blank": "https://client.example/a%20b",
    "punycode": "https://xn--bcher-kva.example/callback",
    "address": "https://192.0.2.7/callback",
    "loopback IPv4": "http://127.0.0.1/callback",
    "loopback IPv4 with a port": "http://127.0.0.1:33418/",
    "loopback IPv6": "http://[::1]:8080/callback",
    "localhost": "http://localhost:3334/oauth/callback",
    "private scheme with a name": "cursor://anysphere.cursor-mcp/oauth/callback",
    "private scheme with a path": "com.example.app:/callback",
}

MAY_NOT = {
    "empty": "",
    "number": 7,
    "null": None,
    "list": ["https://client.example/"],
    "relative": "/callback",
    "no scheme": "client.example/callback",
    "scheme-relative": "//client.example/callback",
    "plain http": "http://client.example/callback",
    "http to a private network": "http://192.168.1.7/callback",
    "http to another loopback address": "http://127.0.0.2/callback",
    "http to a name that begins like localhost": "http://localhost.evil.example/callback",
    "http to a name that begins like the address": "http://127.0.0.1.evil.example/callback",
    "http to a name below localhost": "http://evil.localhost/callback",
    "odd spelling of loopback": "http://127.1/callback",
    "loopback as a number": "http://2130706433/callback",
    "fragment": "https://client.example/callback#",
    "fragment with text": "https://client.example/callback#x",
    "user": "https://user@client.example/callback",
    "password": "https://user:pass@client.example/callback",
    "user that looks like a host": "https://client.example@evil.example/callback",
    "user on loopback": "http://127.0.0.1@evil.example/callback",
    "backslash": "https://client.example\\@evil.example/callback",
    "backslash for a slash": "https:\\\\client.example\\callback",
    "blank": "https://client.example/call back",
    "blank in front": " https://client.example/callback",
    "newline": "https://client.example/callback\n",
    "tab": "https://client.example/\tcallback",
    "NUL": "https://client.example/\0",
    "carriage return, encoded": "https://client.example/%0d%0aLocation:x",
    "NUL, encoded": "https://client.example/%00",
    "quote": 'https://client.example/"',
    "angle brackets": "https://client.example/<script>",
    "not ASCII": "https://bücher.example/callback",
    "full-width": "https://client．example/callback",
    "broken percent": "https://client.example/%zz",
    "dot segments": "https://client.example/callback/../admin",
    "dot segments, encoded": "https://client.example/callback/%2e%2e/admin",
    "encoded slash": "https://client.example/callback%2f..%2fadmin",
    "encoded backslash": "https://client.example/%5cevil.example",
    "single dot segment": "https://client.example/./callback",
    "empty segments": "https://client.example//evil.example",
    "upper-case scheme": "HTTPS://client.example/callback",
    "upper-case host": "https://CLIENT.example/callback",
    "dot at the host's end": "https://client.example./callback",
    "no host": "https:///callback",
    "no host, one slash": "https:/callback",
    "host of a hyphen": "https://-/callback",
    "port zero": "https://client.example:0/callback",
    "port too large": "https://client.example:65536/callback",
    "port with zeroes": "https://client.example:0443/callback",
    "port empty": "https://client.example:/callback",
    "port no number": "https://client.example:x/callback",
    "IPv6 not closed": "https://[::1/callback",
    "javascript": "javascript:alert(1)",
    "javascript with a comment": "javascript://client.example/%0aalert(1)",
    "data": "data:text/html,x",
    "file": "file:///etc/passwd",
    "blob": "blob:https://client.example/x",
    "view-source": "view-source:https://client.example/",
    "intent": "intent://x#Intent;end",
    "custom scheme that nobody accepts": "evil:/callback",
    "custom scheme in upper case": "CURSOR://x/callback",
    "custom scheme with a user": "cursor://user@x/callback",
    "custom scheme alone": "cursor:",
    "custom scheme without a name": "cursor://",
    "custom scheme without a slash": "cursor:callback",
    "out-of-band": "urn:ietf:wg:oauth:2.0:oob",
    "wildcard host": "https://*.client.example/callback",
    "own code": "https://client.example/callback?code=x",
    "own state": "https://client.example/callback?state=x",
    "own issuer": "https://client.example/callback?iss=x",
    "own error": "https://client.example/callback?a=b&error=x",
    "own code, encoded": "https://client.example/callback?c%6fde=x",
    "parameter twice": "https://client.example/callback?a=1&a=2",
    "too long": "https://client.example/" + "a" * 1024,
}

# What a client has registered, what it asks for, and whether that matches.
MATCHING = {
    "the same": (CALLBACK, CALLBACK, True),
    "slash at the end": (CALLBACK, CALLBACK + "/", False),
    "no slash at the end": (CALLBACK + "/", CALLBACK, False),
    "suffix of the path": (CALLBACK, CALLBACK + "/x", False),
    "suffix without a slash": (CALLBACK, CALLBACK + "x", False),
    "prefix of the path": (CALLBACK, CALLBACK[:-1], False),
    "another path": (CALLBACK, "https://client.example/other", False),
    "suffix of the host": (CALLBACK, "https://client.example.evil.example/callback", False),
    "prefix of the host": (CALLBACK, "https://evilclient.example/callback", False),
    "name below the host": (CALLBACK, "https://x.client.example/callback", False),
    "another host": (CALLBACK, "https://evil.example/callback", False),
    "user": (CALLBACK, "https://client.example@evil.example/callback", False),
    "backslash": (CALLBACK, "https://client.example\\.evil.example/callback", False),
    "fragment": (CALLBACK, CALLBACK + "#x", False),
    "query": (CALLBACK, CALLBACK + "?a=b", False),
    "empty query": (CALLBACK, CALLBACK + "?", False),
    "another query": (CALLBACK + "?a=b", CALLBACK + "?a=c", False),
    "longer query": (CALLBACK + "?a=b", CALLBACK + "?a=b&c=d", False),
    "no query": (CALLBACK + "?a=b", CALLBACK, False),
    "upper-case host": (CALLBACK, "https://CLIENT.example/callback", False),
    "upper-case scheme": (CALLBACK, "HTTPS://client.example/callback", False),
    "upper-case path": (CALLBACK, "https://client.example/Callback", False),
    "encoded letter": (CALLBACK, "https://client.example/c%61llback", False),
    "encoded slash": (CALLBACK, "https://client.example/x%2f..%2fcallback", False),
    "dot segments": (CALLBACK, "https://client.example/x/../callback", False),
    "doubled slash": (CALLBACK, "https://client.example//callback", False),
    "default port": (CALLBACK, "https://client.example:443/callback", False),
    "another port": (CALLBACK, "https://client.example:8443/callback", False),
    "plain http": (CALLBACK, "http://client.example/callback", False),
    "blank behind": (CALLBACK, CALLBACK + " ", False),
    "newline behind": (CALLBACK, CALLBACK + "\n", False),
    "loopback, another port": ("http://127.0.0.1:1/cb", "http://127.0.0.1:65535/cb", True),
    "loopback, registered without a port": ("http://127.0.0.1/cb", "http://127.0.0.1:4711/cb", True),
    "loopback, asked without a port": ("http://127.0.0.1:4711/cb", "http://127.0.0.1/cb", True),
    "loopback IPv6, another port": ("http://[::1]:1/cb", "http://[::1]:2/cb", True),
    "localhost, another port": ("http://localhost:1/cb", "http://localhost:2/cb", True),
    "loopback, another path": ("http://127.0.0.1:1/cb", "http://127.0.0.1:1/other", False),
    "loopback, slash at the end": ("http://127.0.0.1:1/cb", "http://127.0.0.1:1/cb/", False),
    "loopback, another query": ("http://127.0.0.1:1/cb", "http://127.0.0.1:1/cb?a=b", False),
    "loopback, fragment": ("http://127.0.0.1:1/cb", "http://127.0.0.1:2/cb#x", False),
    "loopback, port zero": ("http://127.0.0.1:1/cb", "http://127.0.0.1:0/cb", False),
    "loopback, port too large": ("http://127.0.0.1:1/cb", "http://127.0.0.1:65536/cb", False),
    "loopback, user": ("http://127.0.0.1:1/cb", "http://127.0.0.1:2@evil.example/cb", False),
    "address for localhost": ("http://localhost:1/cb", "http://127.0.0.1:1/cb", False),
    "localhost for the address": ("http://127.0.0.1:1/cb", "http://localhost:1/cb", False),
    "IPv6 for IPv4": ("http://127.0.0.1:1/cb", "http://[::1]:1/cb", False),
    "https for loopback http": ("http://127.0.0.1:1/cb", "https://127.0.0.1:1/cb", False),
    "https on loopback, another port": ("https://localhost:1/cb", "https://localhost:2/cb", False),
    "private scheme": ("cursor://app/cb", "cursor://app/cb", True),
    "private scheme, another name": ("cursor://app/cb", "cursor://evil/cb", False),
    "private scheme, a port": ("cursor://app/cb", "cursor://app:1/cb", False),
    "private scheme, upper case": ("cursor://app/cb", "cursor://APP/cb", False),
    "another private scheme": ("cursor://app/cb", "com.example.app://app/cb", False),
    "scheme that was taken away": ("vscode://app/cb", "vscode://app/cb", False),
}


@pytest.mark.parametrize("uri", MAY_BE_REGISTERED.values(), ids=MAY_BE_REGISTERED)
def test_may_be_registered(uri: str) -> None:
    assert redirects.read(uri, SCHEMES)


@pytest.mark.parametrize("uri", MAY_NOT.values(), ids=MAY_NOT)
def test_may_not_be_registered_and_the_refusal_quotes_nothing(uri: object) -> None:
    with pytest.raises(redirects.RedirectRefused) as why:
        redirects.read(uri, SCHEMES)
    assert "evil" not in str(why.value)


@pytest.mark.parametrize(("registered", "asked", "matching"), MATCHING.values(), ids=MATCHING)
def test_matches(registered: str, asked: str, matching: bool) -> None:
    assert redirects.matches([registered], asked, SCHEMES) is matching


def test_there_are_enough_cases() -> None:
    assert len(MATCHING) + len(MAY_NOT) + len(MAY_BE_REGISTERED) >= 60


@pytest.mark.parametrize(("registered", "asked", "matching"), MATCHING.values(), ids=MATCHING)
def test_nobody_is_sent_to_what_does_not_match(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, registered: str, asked: str, matching: bool
) -> None:
    """The same matrix through the endpoint: a page and no Location, neither for a good request nor for a bad one."""
    client = {"client_id": "matrix", "redirect_uris": [registered]}
    monkeypatch.setattr("authorizing.world.CLIENTS", [client])
    schemes = "cursor com.example.app" if not registered.startswith("vscode") else "cursor vscode"
    world = World(tmp_path, OAUTH_REDIRECT_SCHEMES=schemes)
    if registered.startswith("vscode"):  # registered while it was accepted, and now it is not
        object.__setattr__(world.settings, "redirect_schemes", SCHEMES)
    for challenge in (CHALLENGE, None):
        answer = world.ask(world.browser(), client_id="matrix", redirect_uri=asked, code_challenge=challenge)
        if not matching:
            assert (answer.status_code, "location" in answer.headers) == (400, False)
        elif challenge is None:
            assert answer.location.startswith(asked)
        else:
            assert answer.status_code == 200
    world.storage.close()


@pytest.mark.parametrize("given", [[], ["https://client.example/callback"] * 2], ids=["missing", "twice"])
def test_redirect_that_is_missing_or_there_twice(world: World, given: list[str]) -> None:
    from urllib.parse import urlencode

    client = "web" if given else "nobody"
    query = [*world.request(redirect_uri=None, client_id=client).items(), *(("redirect_uri", uri) for uri in given)]
    answer = world.browser().get("/authorize?" + urlencode(query))
    assert (answer.status_code, "location" in answer.headers) == (400, False)


@pytest.mark.parametrize(
    ("uri", "encoded", "expected"),
    [
        ("https://a.example/cb", "code=x", "https://a.example/cb?code=x"),
        ("https://a.example/cb?b=%7E", "code=x", "https://a.example/cb?b=%7E&code=x"),
        ("https://a.example/cb?", "code=x", "https://a.example/cb?code=x"),
        ("https://a.example", "code=x", "https://a.example?code=x"),
        ("cursor://app/cb", "code=x", "cursor://app/cb?code=x"),
    ],
)
def test_parameters_are_added_and_nothing_is_rewritten(uri: str, encoded: str, expected: str) -> None:
    assert redirects.with_parameters(uri, encoded) == expected
