"""Fuzz what strangers can send: `make fuzz`. Each target of tests/fuzzing/targets.py runs by itself under atheris.

An input that breaks a promise is kept; `--again FILE` runs one target with it alone. Linux on x86_64 only.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCES = [ROOT / "functions", ROOT / "functions/mcp_server", ROOT / "scripts", ROOT / "tests"]
LONGEST_INPUT_BYTES = 20_000
SLOWEST_INPUT_SECONDS = 10
TAIL_LINES = 25


def main() -> int:
    sys.path[:0] = map(str, SOURCES)
    from fuzzing.targets import TARGETS

    chosen = arguments(sorted(TARGETS))
    if importlib.util.find_spec("atheris") is None:
        print("fuzz: there is no atheris for this machine; it has wheels for Linux on x86_64 only.", file=sys.stderr)
        return 1
    broken = 0
    for name in chosen.targets or sorted(TARGETS):
        folder = chosen.folder / name
        corpus = folder / "corpus"
        corpus.mkdir(parents=True, exist_ok=True)
        for seed in TARGETS[name].seeds:
            (corpus / hashlib.sha256(seed).hexdigest()[:16]).write_bytes(seed)
        broken += not fuzz(name, folder, corpus, chosen)
    return 1 if broken else 0


def fuzz(name: str, folder: Path, corpus: Path, chosen: argparse.Namespace) -> bool:
    """Run one target; True when every promise held."""
    limit = f"-runs={chosen.runs}" if chosen.runs else f"-max_total_time={chosen.seconds}"
    options = [limit, f"-max_len={LONGEST_INPUT_BYTES}", f"-timeout={SLOWEST_INPUT_SECONDS}", "-print_final_stats=1"]
    inputs = [str(chosen.again)] if chosen.again else [f"-artifact_prefix={folder}{os.sep}", str(corpus)]
    paths = [*map(str, SOURCES), *filter(None, [os.environ.get("PYTHONPATH")])]
    done = subprocess.run(
        [sys.executable, "-m", "fuzzing.drive", name, *options, *inputs],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    ran = re.search(r"stat::number_of_executed_units:\s*(\d+)", done.stdout)
    told = f"fuzz {name}: {ran[1] if ran else 'no'} runs"
    if done.returncode == 0:
        print(told, flush=True)
        return True
    print(f"{told}, and a promise was broken (exit {done.returncode}):", flush=True)
    print("\n".join(done.stdout.splitlines()[-TAIL_LINES:]), flush=True)
    return False


def arguments(targets: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"all, or some of: {', '.join(targets)}")
    parser.add_argument("--seconds", type=int, default=120, help="how long each target is fuzzed (120)")
    parser.add_argument("--runs", type=int, help="how many inputs instead")
    parser.add_argument("--again", type=Path, metavar="FILE", help="one kept input, for one TARGET")
    parser.add_argument(
        "--folder", type=Path, default=ROOT / ".build/fuzz", help="where inputs are kept between runs (.build/fuzz)"
    )
    chosen = parser.parse_args()
    unknown = set(chosen.targets) - set(targets)
    if unknown or (chosen.again and len(chosen.targets) != 1):
        parser.error(f"no such target: {', '.join(sorted(unknown))}" if unknown else "--again goes with one TARGET")
    chosen.folder = chosen.folder.resolve()
    chosen.again = chosen.again.resolve() if chosen.again else None
    return chosen


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        print("fuzz: interrupted", file=sys.stderr)
        sys.exit(130)
