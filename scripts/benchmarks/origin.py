"""From which run figures come: its commit, its command, and whether it was one run for all. Asks git alone."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from benchmarks.results import Results

ROOT = Path(__file__).resolve().parents[2]
CONTAINED = tuple(f"functions/{name}" for name in ("mcp_server", "mcp_faas", "token_guard"))  # by the artifacts
MEASURED = (*CONTAINED, "scripts", "requirements")  # a change of a page is no change of what is measured
SAME = ("began", "command", "commit", "dirty")


def describe(root: Path = ROOT) -> dict[str, Any]:
    """The commit, and whether what is measured has changes besides. Both unknown where git does not answer."""
    commit = _git(root, "rev-parse", "HEAD")
    changes = _git(root, "status", "--porcelain", "--", *MEASURED)
    return {"commit": commit, "dirty": None if changes is None else bool(changes)}


def sections_of(keys: Iterable[str]) -> set[str]:
    return {key.partition("/")[0] for key in keys}


def is_one_run(results: Results, sections: Iterable[str]) -> bool:
    runs = [results.runs[section] for section in sections if section in results.runs]
    return all("began" in run for run in runs) and len({tuple(run[name] for name in SAME) for run in runs}) == 1


def words(results: Results, sections: Iterable[str]) -> str:
    """What a page may claim."""
    sections = set(sections)
    if not is_one_run(results, sections):
        return "several runs"
    run = next(results.runs[section] for section in sections if section in results.runs)
    if not run["commit"]:
        return "one run"
    return f"one run at commit {run['commit'][:10]}{' with changes' if run['dirty'] else ''}"


def doubts(results: Results, root: Path = ROOT) -> Iterable[str]:
    """What a reader of the figures should know; none of it makes them wrong."""
    if not is_one_run(results, results.runs):
        yield "not all sections are of one run; `make bench` without --only measures them all"
    unnamed = sorted(name for name, run in results.runs.items() if not run.get("commit"))
    if unnamed:
        yield f"of no known commit: {', '.join(unnamed)}"
    changed = sorted(name for name, run in results.runs.items() if run.get("dirty"))
    if changed:
        yield f"measured with changes that no commit has: {', '.join(changed)}"
    for commit in sorted({run["commit"] for run in results.runs.values() if run.get("commit")}):
        since = _git(root, "diff", "--name-only", commit, "HEAD", "--", *CONTAINED)
        if since:
            yield f"what the artifacts contain has changed since commit {commit[:10]}, of which the figures are"


def _git(root: Path, *arguments: str) -> str | None:
    """What git says; None where there is no git, no repository or no such commit."""
    try:
        done = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True)
    except FileNotFoundError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None
