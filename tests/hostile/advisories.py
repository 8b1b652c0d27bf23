"""Published advisories of this kind of software, and what here would fail if one of them applied to this server.

A proof is a test (`file::function`) or a case of the corpus (`corpus:id`). What concerns an authorization server alone
is not in the table. `test_advisories.py` checks that every proof exists.
"""

from __future__ import annotations

OWN = "tests/hostile/test_advisories.py"
GATE = "tests/mcp_faas/test_gate.py"
JWKS = "tests/mcp_faas/test_jwks.py"
REACH = "tests/mcp_faas/issuers/test_reach.py"
CORPUS = "tests/hostile/test_corpus.py"

ADVISORIES: dict[str, tuple[str, list[str]]] = {
    "CVE-2022-29217 GHSA-ffqj-6fqr-9h24": (
        "pyjwt: a public key as the secret of an HMAC",
        [
            *(
                f"corpus:keys/{name} with {form}"
                for name in ("HS256", "HS384", "HS512")
                for form in ("the PEM", "the DER")
            ),
            *("corpus:keys/HS256 with the PKCS#1 PEM", "corpus:keys/HS256 with the PKCS#1 DER"),
            *("corpus:keys/HS256 with the OpenSSH line", "corpus:keys/HS256 with the certificate"),
            *("corpus:keys/HS256 with the certificate in DER", "corpus:keys/RS256 that is an HMAC with the PEM"),
        ],
    ),
    "CVE-2024-53861 GHSA-75c5-xw7c-p5pm": (
        "pyjwt: a part of the issuer was enough",
        ["corpus:claims/iss a prefix", "corpus:claims/iss a shorter prefix", "corpus:claims/iss one letter"],
    ),
    "CVE-2025-45768": (
        "pyjwt: keys that are too short",
        [*(f"corpus:keys/RSA of {bits} bits" for bits in (1024, 1536, 2040)), "corpus:keys/exponent 1"],
    ),
    "CVE-2026-32597 GHSA-752w-5fwx-jx9f": (
        "pyjwt: an unknown `crit` was let pass",
        ["corpus:header/crit unknown", "corpus:header/crit unknown and absent", "corpus:header/crit empty"],
    ),
    "CVE-2026-48522 GHSA-993g-76c3-p5m4": (
        "pyjwt: the key client opened file:, ftp: and data:",
        [f"{OWN}::test_keys_come_over_https_alone", f"{REACH}::test_key_set_that_metadata_may_not_name"],
    ),
    "CVE-2026-48523 GHSA-jq35-7prp-9v3f": (
        "pyjwt: the algorithm of a JWK was not asked",
        ["corpus:header/RS384 with a key for RS256", "corpus:header/PS256 with a key for RS256"],
    ),
    "CVE-2026-48524 GHSA-fhv5-28vv-h8m8": (
        "pyjwt: unknown kids caused fetches, and an error emptied the cache",
        [
            f"{JWKS}::test_unknown_kids_cost_one_fetch_in_thirty_seconds",
            f"{JWKS}::test_outage_is_survived_until_the_stale_limit",
            f"{JWKS}::test_known_key_answers_while_the_issuer_hangs",
        ],
    ),
    "CVE-2026-48525 GHSA-w7vc-732c-9m39": (
        "pyjwt: megabytes were decoded before anything was refused; b64=false",
        [
            *("corpus:text/payload of 5 MB", "corpus:text/kid of 100 kB", "corpus:header/b64 false"),
            *("corpus:header/crit b64 false", f"{OWN}::test_a_long_token_is_not_decoded"),
        ],
    ),
    "CVE-2026-48526 GHSA-xgmm-8j9v-c9wx": (
        "pyjwt: the text of a public JWK as a secret",
        [
            "corpus:keys/HS256 with the JWK",
            "corpus:keys/HS256 with the JWK sorted",
            "corpus:keys/HS256 with the whole key set",
        ],
    ),
    "GHSA-hxm8-2xgr-2p9m": (
        "pyjwt: several texts of one token",
        [
            "corpus:text/= at the end",
            "corpus:text/other spelling of the signature 1",
            "corpus:text/padding of each part",
        ],
    ),
    "CVE-2025-59420": ("authlib: `crit` was let pass", ["corpus:header/crit unknown", "corpus:header/crit b64 true"]),
    "CVE-2026-27962 GHSA-wvwj-cvrp-7pv5": (
        "authlib: the token's own `jwk` where no key was found",
        [
            *("corpus:header/brings jwk, an unknown kid", "corpus:header/brings jwk, no kid"),
            *(
                "corpus:header/brings all of them, an unknown kid",
                f"{OWN}::test_no_place_of_keys_in_a_token_is_visited",
            ),
        ],
    ),
    "CVE-2025-53366 GHSA-3qhf-m339-9g5v, CVE-2025-53365 GHSA-j975-95f5-7wqh": (
        "mcp for Python: a malformed body ended the server",
        [
            *("corpus:messages/not JSON", "corpus:messages/100,000 open lists", "corpus:messages/a lone surrogate"),
            f"{OWN}::test_an_instance_goes_on_after_every_message",
        ],
    ),
    "CVE-2025-66416 GHSA-9h52-p55h-vw2f, CVE-2026-34742": (
        "mcp for Python and Go: no protection against DNS rebinding",
        [
            f"{OWN}::test_origin_decides_whatever_the_host_is",
            "corpus:http/Host localhost",
            f"{GATE}::test_origin_that_is_not_allowed_is_403",
        ],
    ),
    "CVE-2026-52869 GHSA-jpw9-pfvf-9f58": (
        "mcp for Python: a session was served to another user",
        [f"{OWN}::test_session_of_the_legacy_transport_belongs_to_who_opened_it"],
    ),
    "CVE-2026-52870 GHSA-hvrp-rf83-w775": (
        "mcp for Python: tasks of other users",
        [
            *(f"corpus:messages/tasks/{what}" for what in ("list", "get", "result", "cancel")),
            f"{OWN}::test_there_are_no_tasks",
        ],
    ),
    "CVE-2026-59950 GHSA-vj7q-gjh5-988w": (
        "mcp for Python: WebSockets without a check of the origin",
        ["corpus:http/a WebSocket", "corpus:http/a WebSocket, with a token", f"{OWN}::test_there_are_no_websockets"],
    ),
    "CVE-2026-25536 GHSA-345p-7cg4-v4c7": (
        "mcp for TypeScript: answers went to another client of a warm server",
        [
            "tests/hostile/test_isolation.py::test_a_thousand_principals_at_once_hear_of_nobody_else",
            "tests/hostile/test_isolation.py::test_nor_do_they_one_after_another_on_a_warm_instance",
        ],
    ),
    "GHSA-8r9q-7v3j-jr4g": (
        "mcp for TypeScript: URIs on which a regular expression never ends",
        ["corpus:messages/URI: many braces", "corpus:messages/URI: alternating", f"{OWN}::test_no_uri_takes_long"],
    ),
    "CVE-2026-27896": (
        "members of another case were taken for those of JSON-RPC",
        ["corpus:messages/Method for method", "corpus:messages/Params for params", "corpus:messages/Name for name"],
    ),
    "CVE-2025-6514": (
        "mcp-remote: a command in the metadata of a server",
        [
            f"{OWN}::test_metadata_holds_the_settings_and_nothing_of_a_caller",
            f"{GATE}::test_metadata_is_the_same_bytes_for_everybody",
        ],
    ),
    "CVE-2025-49596": (
        "Inspector: a local proxy that everybody could reach",
        ["tests/scripts/test_fc_edge.py::test_the_function_listens_on_the_loopback_interface_alone"],
    ),
    "GHSA-7x63-xv5r-3p2x": (
        "oauth2-proxy: X-Forwarded-Uri named a path without a door",
        [
            "corpus:http/believed: X-Forwarded-Uri",
            "corpus:http/believed: X-Original-URL",
            "corpus:http/believed: all at once",
        ],
    ),
    "GHSA-5hvv-m4w4-gf6v": (
        "oauth2-proxy: the name of a health check opened the door",
        [
            "corpus:http/User-Agent GoogleHC/1.0",
            "corpus:http/User-Agent kube-probe/1.31",
            "corpus:http/User-Agent ELB-HealthChecker/2.0",
        ],
    ),
    "CVE-2026-32211": (
        "an MCP server without any authentication",
        [
            f"{OWN}::test_no_route_and_no_method_is_open",
            "corpus:aws-event/no token: at all",
            "corpus:fc-event/no token: at all",
        ],
    ),
    "CVE-2022-21449": (
        "a signature of zeros fitted every key",
        [f"corpus:signature/{name}: r and s zero" for name in ("ES256", "ES384", "ES512")],
    ),
}
