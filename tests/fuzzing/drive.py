"""Drive one target with atheris, coverage-guided: python -m fuzzing.drive TARGET [libFuzzer's options] CORPUS."""

from __future__ import annotations

import logging
import sys

import atheris

with atheris.instrument_imports(include=["mcp_faas"]):
    from fuzzing.targets import TARGETS

logging.disable(logging.CRITICAL)  # thousands of refusals a second are not worth a line each
atheris.Setup([sys.argv[0], *sys.argv[2:]], TARGETS[sys.argv[1]].run)
atheris.Fuzz()
