"""Let a deploy make the trigger of door bearer only with a token document that FC will accept. Writes nothing.

`s.yaml` runs this before it deploys `mcp_server_trigger`; exit 1 stops that deploy before anything is changed. The
document is in the environment variable that `s.yaml` names, and no part of a token is ever shown.
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "functions"))

from mcp_faas.tokens import MAX_TOKENS, DocumentError, check_writable, parse

VARIABLE = "MCP_FC_AUTH_CONFIG"
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,127}")  # what FC takes for a tokenName
HOW = (
    "This deploy makes the trigger of door bearer, once. Give it a document for this one command:\n"
    f'  {VARIABLE}="$(.venv/bin/python scripts/tokens.py mint --document)" s mcp_server_trigger deploy --trigger\n'
    "Every later deploy is `s deploy`: it leaves the trigger and its tokens alone. docs/alibaba.md says more."
)


def objection(text: str | None) -> str | None:
    """What is wrong with the document, if anything."""
    if not text:
        return f"{VARIABLE} is not set."
    if "\n" in text:
        return f"{VARIABLE} has several lines; it takes one line of JSON."
    try:
        document = parse(text)
        check_writable(document)
    except DocumentError as error:
        return f"{VARIABLE}: {error}."
    if not document.live():
        return f"{VARIABLE} has no token that is enabled; nobody could come in."
    if len(document.tokens) > MAX_TOKENS:
        return f"{VARIABLE} has {len(document.tokens)} tokens; FC takes {MAX_TOKENS}."
    odd = [place for place, token in enumerate(document.tokens, 1) if not NAME.fullmatch(token.name)]
    if odd:
        return f"{VARIABLE}: the tokenName of token {odd[0]} must be letters, digits, - and _, no digit or - first."
    return None


def main() -> int:
    wrong = objection(os.environ.get(VARIABLE))
    if wrong:
        print(f"refused: {wrong} Nothing was changed.\n{HOW}", file=sys.stderr)
        return 1
    print("the first tokens are fit for FC; the trigger is made with them", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
