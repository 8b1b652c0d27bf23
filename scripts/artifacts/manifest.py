"""Read and write the list of what was built: no time, path or machine in it, so that equal builds have equal lists."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from artifacts import archive
from artifacts.deployables import Artifact, Target


@dataclass(frozen=True)
class Entry:
    sha256: str  # of the zip
    python: str
    architecture: str
    bytes_zipped: int
    bytes_unzipped: int
    bytecode: bool  # false: no matching Python was found, and each cold start pays for it
    sbom: str  # beside this list


def describe(target: Target, folder: Path, bytecode: bool, sbom: str) -> Entry:
    """The folder lies in its place, the zip and the SBOM beside it."""
    zipped = folder.with_name(f"{folder.name}.zip")
    return Entry(
        sha256=archive.sha256_of(zipped),
        python=target.python,
        architecture=target.architecture,
        bytes_zipped=zipped.stat().st_size,
        bytes_unzipped=archive.bytes_of(folder),
        bytecode=bytecode,
        sbom=f"{folder.parent.name}/{folder.name}{sbom}",
    )


def record(build: Path, built: dict[str, Entry], known: tuple[Artifact, ...]) -> Path:
    """Enter what was built, and keep the other entries as long as their zip is the one that they describe."""
    path = build / "manifest.json"
    entries = {name: asdict(entry) for name, entry in built.items()}
    for name, entry in _read(path).items():
        zipped = build / f"{name}.zip"
        is_current = zipped.is_file() and archive.sha256_of(zipped) == entry.get("sha256")
        if name not in entries and is_current and any(name == row.name for row in known):
            entries[name] = entry
    text = json.dumps(dict(sorted(entries.items())), indent=2) + "\n"
    fresh = path.with_name(f".building-{path.name}")
    fresh.write_text(text, encoding="utf-8")
    fresh.replace(path)
    return path


def _read(path: Path) -> dict[str, dict[str, object]]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
