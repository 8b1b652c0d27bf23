"""The tables that are made from results.json, and the marks between which they stand."""

from __future__ import annotations

import platform
import re
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks import machine, origin, pages, report, results, table
from benchmarks.aims import AIMS, Aim
from benchmarks.ratios import Spread
from benchmarks.results import Figure, Results
from benchmarks.table import BEGIN, END, MarksMissing

RUN: dict[str, Any] = {
    "began": "2026-11-22 09:59:00 UTC",
    "command": "scripts/bench.py",
    "commit": "0123456789abcdef",
    "dirty": False,
    "date": "2026-11-22 10:00 UTC",
    "processor": "a processor",
    "cores": 2,
    "pythons": {"lambda": "3.13.0"},
}


def figure(key: str, ratio: float) -> Figure:
    section, quantity, subject, baseline = key.rsplit("/", 2)[0].split("/", 1) + key.rsplit("/", 2)[1:]
    return Figure(section, quantity, subject, baseline, Spread(ratio, ratio - 0.01, ratio + 0.01, 15), "ms", 1.0, 2.0)


def of(*figures: Figure, aims: tuple[Aim, ...] = AIMS) -> Results:
    return Results(figures, {row.section: RUN for row in figures}, aims)


def cells(text: str, title: str) -> list[str]:
    line = next(line for line in text.splitlines() if line.startswith(f"| {title} |"))
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_a_row_has_a_ratio_for_each_stack_and_a_dash_where_none_was_measured() -> None:
    found = of(figure("cold/wall/ours-jwt/plain", 0.424), figure("cold/wall/run-mcp-servers/plain", 12.3))
    row = cells(table.comparison(found), "cold start")
    assert row == ["cold start", "0.42", "–", "–", "–", "–", "12", "–"]


def test_every_column_and_row_of_the_full_run_is_filled() -> None:
    """Names of figures are text: one that is spelled differently here and where it is measured would leave a dash."""
    if not pages.RESULTS.exists():
        pytest.skip("no results.json yet")
    found = results.read(pages.RESULTS)
    empty = [line for line in table.comparison(found).splitlines() if line.startswith("|") and "–" in line]
    assert all("`def`" in line or "`async def` |" in line for line in empty), empty
    assert "not measured |" not in table.aims(found)


@pytest.mark.parametrize(("ratio", "verdict"), [(0.44, "ok"), (0.45, "ok"), (0.46, "**missed**, [why](#cold-starts)")])
def test_an_aim_is_ok_or_missed(ratio: float, verdict: str) -> None:
    aim = Aim("cold/wall/ours-jwt/plain", 0.45, "cold start", "cold-starts")
    found = of(figure(aim.figure, ratio), aims=(aim,))
    assert cells(table.aims(found), "cold start")[-1] == verdict
    assert ("missed" in report.report(found)) == (verdict != "ok")


def test_an_aim_that_was_not_measured_says_so() -> None:
    assert cells(table.aims(of()), AIMS[0].words)[-1] == "not measured"


def test_the_table_stands_between_its_marks() -> None:
    page = f"before\n{BEGIN}\nold\n{END}\nafter\n"
    made = table.spliced(page, "new")
    assert made == f"before\n{BEGIN}\nnew\n{END}\nafter\n"
    assert table.spliced(made, "new") == made


@pytest.mark.parametrize("page", ["", BEGIN, END, f"{END}{BEGIN}", f"{BEGIN}{END}{BEGIN}{END}"])
def test_a_page_without_one_place_for_it_is_refused(page: str) -> None:
    with pytest.raises(MarksMissing):
        table.spliced(page, "new")


ALL = tuple(figure(key, 0.5) for key in ("cold/wall/ours-jwt/plain", "size/unzipped/ours/plain"))


def test_the_table_claims_one_run_where_it_is_one() -> None:
    assert "From one run at commit 0123456789: 2026-11-22" in table.comparison(of(*ALL))


@pytest.mark.parametrize(
    "other", [{"command": "scripts/bench.py --only size"}, {"commit": "fedcba"}, {"dirty": True}, {"began": "later"}]
)
def test_the_table_says_several_runs_where_they_are(other: dict[str, Any]) -> None:
    found = of(*ALL)
    found.runs["size"] = {**RUN, **other}
    assert "From several runs: " in table.comparison(found)
    assert any("not all sections are of one run" in line for line in origin.doubts(found))


def test_runs_of_which_an_older_version_said_less_are_several() -> None:
    found = of(*ALL)
    found.runs["size"] = found.runs["cold"] = {name: RUN[name] for name in ("date", "processor", "cores", "pythons")}
    assert "From several runs: " in table.comparison(found)
    assert any("of no known commit: cold, size" in line for line in origin.doubts(found))


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("functions/mcp_server/tools.py", True),
        ("functions/mcp_faas/gate.py", True),
        ("functions/token_guard/aws_authorizer.py", True),
        ("functions/oauth_server/aws_lambda.py", False),
        ("docs/page.md", False),
    ],
)
def test_a_change_of_what_was_measured_is_told(tmp_path: Path, path: str, told: bool) -> None:
    def git(*arguments: str) -> None:
        command = ["git", "-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "commit.gpgsign=false"]
        subprocess.run([*command, *arguments], cwd=tmp_path, check=True, capture_output=True)

    git("init", "--quiet")
    git("commit", "--quiet", "--allow-empty", "-m", "measured")
    found = of(*ALL)
    found.runs.update({name: {**RUN, **origin.describe(tmp_path)} for name in found.runs})
    assert list(origin.doubts(found, tmp_path)) == []
    (tmp_path / path).parent.mkdir(parents=True)
    (tmp_path / path).write_text("changed")
    assert origin.describe(tmp_path)["dirty"] is told
    git("add", ".")
    git("commit", "--quiet", "-m", "changed")
    assert any("has changed since" in line for line in origin.doubts(found, tmp_path)) is told


def test_no_build_of_the_machine_s_kernel_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "release", lambda: "6.18.44-of-somebody")
    assert machine.kernel() == "6.18"
    kernels = {run.get("kernel", "") for run in results.loads(pages.RESULTS.read_text()).runs.values()}
    assert all(re.fullmatch(r"(\w+ \d+\.\d+)?", kernel) for kernel in kernels)


def test_what_the_column_of_the_function_alone_leaves_out_is_said() -> None:
    without, within = of(*ALL), of(*ALL, figure("cold/wall/ours-authorizer/plain", 0.0627))
    assert "the authorizer stands before it: its own cold start comes" in table.comparison(without)
    assert "its own cold start, 0.06 in the same measure" in table.comparison(within)


@pytest.fixture(name="project")
def _project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with results and pages that agree."""
    monkeypatch.setattr(pages, "ROOT", tmp_path)
    monkeypatch.setattr(pages, "RESULTS", tmp_path / "results.json")
    monkeypatch.setattr(pages, "PAGES", {tmp_path / "README.md": table.comparison, tmp_path / "aims.md": table.aims})
    for page in ("README.md", "aims.md"):
        (tmp_path / page).write_text(f"{BEGIN}\n{END}\n")
    found = of(*(figure(aim.figure, 0.5) for aim in AIMS))
    (tmp_path / "results.json").write_text(results.dumps(found))
    pages.write(found)
    return tmp_path


def test_pages_that_were_written_have_no_complaint(project: Path) -> None:
    assert list(pages.complaints()) == []


@pytest.mark.parametrize("page", ["README.md", "aims.md"])
def test_a_figure_changed_by_hand_is_found(project: Path, page: str) -> None:
    text = (project / page).read_text()
    (project / page).write_text(text.replace("0.50", "0.40", 1))
    assert [line for line in pages.complaints() if line.startswith(page)]


def test_results_for_other_aims_are_found(project: Path) -> None:
    found = of(*(figure(aim.figure, 0.5) for aim in AIMS), aims=(*AIMS[1:], replace(AIMS[0], at_most=9.0)))
    (project / "results.json").write_text(results.dumps(found))
    assert any("other aims" in line for line in pages.complaints())


def test_an_aim_without_its_figure_is_found(project: Path) -> None:
    found = of(*(figure(aim.figure, 0.5) for aim in AIMS[1:]))
    (project / "results.json").write_text(results.dumps(found))
    assert any(AIMS[0].figure in line for line in pages.complaints())


def test_a_claim_of_one_run_beside_the_table_is_found(project: Path) -> None:
    page = project / "README.md"
    page.write_text(f"Ratios from one run.\n{page.read_text()}")
    assert list(pages.complaints()) == []
    found = results.read(project / "results.json")
    found.runs["cold"] = {**found.runs["cold"], "commit": "fedcba"}
    (project / "results.json").write_text(results.dumps(found))
    pages.write(found)
    assert [line for line in pages.complaints() if "'from one run'" in line]


def test_missing_results_are_one_complaint(project: Path) -> None:
    (project / "results.json").unlink()
    assert len(list(pages.complaints())) == 1
