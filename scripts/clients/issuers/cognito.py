"""The tokens of Cognito user pools that moto plays. Judges nothing."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from clients.issuers.process import NoIssuer
from clients.processes import INTEROP, environment, finished

PACKAGE = "moto"
PATIENCE_SECONDS = 120.0


@dataclass(frozen=True)
class Issued:
    """One user pool, and three logins: at its app client, at another one of it, and at another pool."""

    issuer: str
    jwks: Mapping[str, Any]
    app: str
    login: Mapping[str, str] = field(repr=False)
    another_app: Mapping[str, str] = field(repr=False)
    another_pool: Mapping[str, str] = field(repr=False)


async def cognito_tokens(home: Path) -> Issued:
    job, result = home / "cognito.json", home / "cognito-tokens.json"
    job.write_text(json.dumps({"result": str(result)}))
    result.touch(0o600)
    done = await finished(
        [sys.executable, str(INTEROP / "cognito_tokens.py"), str(job)], environment(home), PATIENCE_SECONDS
    )
    if done.code != 0:
        raise NoIssuer(f"{PACKAGE} issued nothing: {done.last_words}")
    found = json.loads(result.read_text())
    result.unlink()
    return Issued(**found)
