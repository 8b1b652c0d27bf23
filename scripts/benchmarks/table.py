"""The figures as tables of Markdown, and the place between two marks where they stand in a page. Pure: text to text."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks import origin
from benchmarks.results import Figure, Results

BEGIN, END = "<!-- bench: begin -->", "<!-- bench: end -->"
OURS = "this project"

# Columns of the README's table: what a reader would choose from, in this order.
STACKS = {
    "ours-jwt": f"{OURS}, door `jwt` ¹",
    "ours-platform": f"{OURS}, door `bearer` (the function) ²",
    "plain": "official SDK + Mangum, `sam build`",
    "sdk-mangum": "the same with bytecode",
    "fastmcp": "fastmcp + Mangum",
    "run-mcp-servers": "run-mcp-servers ³",
    "awslabs": "awslabs handler ⁴",
}
SIZES = {"ours-jwt": "ours", "ours-platform": "ours"}
WARM = "p50 {} 10 tools"
AUTHORIZER = "cold/wall/ours-authorizer/plain"
KEYS_NOTE = "¹ with the issuer's keys in `MCP_JWT_JWKS`; else a fetch of them comes on top of a first call."
OTHERS_NOTE = (
    "³ starts a server for each call; version 1 of the official SDK. "
    "⁴ speaks the protocol of 2024 only, and checks less: not like for like. None but this project asks who calls."
)


class MarksMissing(Exception):
    """A page has not exactly one place for the table."""


def comparison(results: Results) -> str:
    """What a reader of the README wants to know: rows of ratios, the least of each is best."""
    rows: list[tuple[str, str, dict[str, str]]] = [
        ("cold start", "plain", {name: f"cold/wall/{name}/plain" for name in STACKS}),
        ("warm call, `async def`", "sdk-mangum", _warm("modern async")),
        ("warm call, `def`", "sdk-mangum", _warm("modern def")),
        ("warm call, `async def`, before 2026", "sdk-mangum", _warm("legacy async")),
        ("warm call, `def`, before 2026", "sdk-mangum", _warm("legacy def")),
        ("memory at the first answer", "plain", {name: f"memory/first answer/{name}/plain" for name in STACKS}),
        ("unzipped", "plain", {name: f"size/unzipped/{SIZES.get(name, name)}/plain" for name in STACKS}),
    ]
    lines = [_row(["", *STACKS.values()]), _row(["---", *["--:"] * len(STACKS)])]
    for title, baseline, keys in rows:
        cells = []
        for name, key in keys.items():
            figure = results.figure(key)
            if name == "plain" and baseline == "sdk-mangum":
                cells.append("1.00")  # the same code: bytecode is read at the start alone
            else:
                cells.append(_ratio(figure) if figure else "–")
        lines.append(_row([title, *cells]))
    keys_shown = [key for _, _, keys in rows for key in keys.values()]
    notes = f"{KEYS_NOTE} {_bearer_note(results)} {OTHERS_NOTE}"
    return "\n".join([*lines, "", notes, "", _where(results, keys_shown)])


def aims(results: Results) -> str:
    """Each aim with what was measured, and whether it was reached."""
    lines = [_row(["aim", "at most", "measured", "p10 to p90", ""]), _row(["---", "--:", "--:", "--:", "---"])]
    for aim in results.aims:
        figure = results.figure(aim.figure)
        if figure is None:
            lines.append(_row([aim.words, f"{aim.at_most:.2f}", "–", "–", "not measured"]))
            continue
        ratio = figure.ratio
        spread = f"{ratio.p10:.2f} to {ratio.p90:.2f}" if ratio.p10 != ratio.p90 else "–"
        verdict = "ok" if ratio.median <= aim.at_most else f"**missed**, [why](#{aim.why})"
        lines.append(_row([aim.words, f"{aim.at_most:.2f}", f"{ratio.median:.2f}", spread, verdict]))
    return "\n".join([*lines, "", _where(results, [aim.figure for aim in results.aims])])


def spliced(page: str, table: str) -> str:
    """The page with the table between its marks. Raises `MarksMissing`."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end or BEGIN in after or END in before:
        raise MarksMissing(f"the page needs one line {BEGIN} and one line {END} after it")
    return f"{before}{BEGIN}\n{table}\n{END}{after}"


def _warm(case: str) -> dict[str, str]:
    keys = {name: f"warm/{WARM.format(case)}/{name}/sdk-mangum" for name in STACKS}
    if case == "legacy async":
        keys["run-mcp-servers"] = "warm/p50 legacy async 10 tools, a process each call/run-mcp-servers/sdk-mangum"
    return keys


def _ratio(figure: Figure) -> str:
    value = figure.ratio.median
    return f"{value:.2f}" if value < 10 else f"{value:.0f}"


def _bearer_note(results: Results) -> str:
    """What the column of the function alone leaves out."""
    figure = results.figure(AUTHORIZER)
    share = f", {_ratio(figure)} in the same measure without the import of boto3," if figure else ""
    return f"² on AWS the authorizer stands before it: its own cold start{share} comes on top of a first call."


def _where(results: Results, keys: Sequence[str]) -> str:
    """From which run or runs these figures are, where and when; the date is that of the last."""
    sections = origin.sections_of(keys)
    runs = [run for section, run in results.runs.items() if section in sections]
    if not runs:
        return ""
    last = max(runs, key=lambda run: str(run["date"]))
    return (
        f"From {origin.words(results, sections)}: {last['date'][:10]}, {last['processor']}, {last['cores']} cores, "
        f"Python {last['pythons'].get('lambda', '')}; not measured on Lambda or FC."
    )


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
