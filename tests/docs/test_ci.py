"""The pipelines of docs/ci: what they may do, that their commands exist, and that no token can end in a log."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lifecycle import arguments
from lifecycle.errors import UsageError
from lifecycle.sinks import open_sink
from mcp_faas.stores import Access, AddressError, open_store
from support.pipelines import FLOW, GITHUB, GITLAB, INSTALL, JOBS, ROOT, SAMPLES, TOOL, Job, load

README = ROOT / "docs/ci/README.md"
PINNED = re.compile(r"[\w.-]+/[\w.-]+@[0-9a-f]{40}")
LONGEST_MINUTES = 10
ACCESS = Access(fc_key=("id", "secret", "token"))  # nothing is called with it
TRACING = re.compile(r"\bset\s+-\w*x|xtrace|DEBUG_TRACE|STEP_DEBUG|\bprintenv\b|\benv\s*$|export -p", re.MULTILINE)
FETCHING = re.compile(r"\b(curl|wget|pip|npm|npx|apt-get|git)\b")
SECRET_NAME = re.compile(r"TOKEN|SECRET|PASSWORD|_KEY\b")


# What every pipeline is held to. Each function yields what is wrong, in words.


def leaks(job: Job) -> Iterator[str]:
    """Ways in which a token, or the identity that the job has, could be shown or handed on."""
    if TRACING.search("\n".join([job.script, *job.settings])):
        yield "traces its commands, or lists its environment"
    for line in job.script.splitlines():
        if re.search(r"\becho\b|\bcat\b|\btee\b", line):
            yield f"shows something: {line}"
        if "printf" in line and not re.search(r'printf %s "\$\w+" > "\$\w+_FILE"', line):
            yield f"prints to a log: {line}"
    if "secrets." in job.script or any("secrets." in value for value in job.settings.values()):
        yield "takes a stored secret"
    if "${{" in job.script:
        yield "pastes an expression into a script"
    for name in job.settings:
        if SECRET_NAME.search(name):
            yield f"sets {name} for whatever it starts"
    if re.search(r"\bID_TOKEN\b", job.script):
        first = job.script.splitlines()[0]
        if first != 'id_token="$ID_TOKEN"; unset ID_TOKEN' or len(re.findall(r"\bID_TOKEN\b", job.script)) != 2:
            yield "starts something while the identity is in the environment"
        if "umask 077" not in job.script.partition("mktemp")[0]:
            yield "writes the identity to a file for everybody"


def strangers(job: Job) -> Iterator[str]:
    """Code from elsewhere than the lock, and files that are not there."""
    if job.script.count(INSTALL) != 1:
        yield "does not install from the lock"
    if FETCHING.search(job.script):
        yield "fetches something by itself"
    for words in job.lines():
        for word in words:
            if word.endswith((".py", ".sh", ".txt")) and not (ROOT / word).is_file():
                yield f"{word} does not exist"


def misuse(job: Job) -> Iterator[str]:
    """A command line that `tokens.py` would refuse, or that does less than a rotation should."""
    calls = [*job.rotations()]
    if len(calls) != 1:
        yield f"calls tokens.py {len(calls)} times"
    for call in calls:
        try:
            chosen = arguments.parser().parse_args(call)
        except SystemExit:
            yield f"tokens.py does not take: {call}"
            continue
        if chosen.command != "rotate" or chosen.dry_run or not chosen.probe:
            yield "does not rotate and prove"
        if not chosen.max_age > chosen.overlap:
            yield "lets a token live on for longer than it lived"
        if not chosen.deliver or {"stdout", ""} & {*chosen.deliver}:
            yield "shows the token on the standard output"
        if any(word.startswith("$") for word in call):
            yield f"uses a variable that is not documented: {call}"
        try:
            open_store(chosen.address, ACCESS)
            for sink in chosen.deliver:
                open_sink(sink, ACCESS)
        except (AddressError, UsageError) as error:
            yield str(error)


def github(pipeline: Any) -> Iterator[str]:
    triggers = pipeline[True]  # YAML 1.1 takes the word "on" for true
    if set(triggers) != {"schedule", "workflow_dispatch"}:
        yield "can be started by something else than a clock or a person"
    if pipeline.get("permissions") != {}:
        yield "the workflow as a whole has permissions"
    if pipeline.get("concurrency", {}).get("cancel-in-progress") is not False:
        yield "runs may overlap, or be cut off"
    for name, job in pipeline["jobs"].items():
        if job.get("permissions") != {"contents": "read", "id-token": "write"}:
            yield f"{name} has other permissions than it needs"
        if not job.get("timeout-minutes", 360) <= LONGEST_MINUTES:
            yield f"{name} has no short timeout"
        if job.get("environment") != "token-rotation":
            yield f"{name} is outside the environment that the role trusts"
        for step in job["steps"]:
            if not PINNED.fullmatch(step.get("uses", "a/b@" + "0" * 40)):
                yield f"{step['uses']} is not pinned by a whole commit hash"
            if "checkout" in step.get("uses", "") and step["with"].get("persist-credentials") is not False:
                yield "the checkout leaves its token behind"
        *before, last_but_one, last = (step.get("uses", step.get("run", "")) for step in job["steps"])
        if "credentials" not in last_but_one or any("credentials" in each for each in before) or INSTALL in last:
            yield f"{name} has credentials while it does something else than rotate"


def gitlab(pipeline: Any) -> Iterator[str]:
    common = pipeline[".rotate-tokens"]
    if common.get("timeout") != f"{LONGEST_MINUTES} minutes":
        yield "has no short timeout"
    if common.get("resource_group") != "rotate-tokens" or common.get("interruptible") is not False:
        yield "runs may overlap, or be cut off"
    if common.get("image") != "$ROTATION_IMAGE":
        yield "the image is not the documented one"
    for name, job in pipeline.items():
        if name == ".rotate-tokens":
            continue
        if job.get("extends") != ".rotate-tokens":
            yield f"{name} goes its own way"
        (rule,) = job["rules"]
        if 'SOURCE == "schedule" && $CI_COMMIT_REF_PROTECTED == "true"' not in rule["if"] or "||" in rule["if"]:
            yield f"{name} runs at other times than a protected branch's schedule"
        if set(job["id_tokens"]["ID_TOKEN"]) != {"aud"} or len(job["id_tokens"]) != 1:
            yield f"{name} has another identity than one for its cloud"


def flow(pipeline: Any) -> Iterator[str]:
    wanted = {"maxRunningPipelineInstances": 1, "pipelineMaxRunningBehavior": "rejectNew"}
    if pipeline.get("concurrencyConfig") != wanted:
        yield "runs may overlap, or be cut off"
    for stage in pipeline["stages"].values():
        for name, job in stage["jobs"].items():
            if not str(job["runsOn"]["group"]).startswith("private/") or job["runsOn"].get("vm") is not True:
                yield f"{name} does not run on the machine that has the role"
            for step in job["steps"].values():
                for line in step["with"]["run"].replace("\\\n", " ").splitlines():
                    if "python" in line and not re.match(r"timeout [1-6]00 ", line):
                        yield f"no timeout before: {line}"


SHAPES: dict[Path, Callable[[Any], Iterator[str]]] = {GITHUB: github, GITLAB: gitlab, FLOW: flow}


def problems(path: Path, text: str) -> list[str]:
    found = [*SHAPES[path](load(text))]
    for job in JOBS[path](text):
        for rule in (leaks, strangers, misuse):
            found += [f"{job.name} {problem}" for problem in rule(job)]
    return found


@pytest.mark.parametrize("path", JOBS, ids=lambda path: path.stem)
def test_pipeline_keeps_the_rules(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert problems(path, text) == []
    assert len(JOBS[path](text)) == (1 if path == FLOW else 2)


ROTATE = ".venv/bin/python scripts/tokens.py rotate"
BROKEN = [
    (GITHUB, "@3d3c42e5aac5ba805825da76410c181273ba90b1", "@v7", "pinned"),
    (GITHUB, "persist-credentials: false", "persist-credentials: true", "leaves its token behind"),
    (GITHUB, "permissions: {}", "permissions: write-all", "as a whole"),
    (GITHUB, "contents: read", "contents: write", "other permissions"),
    (GITHUB, "timeout-minutes: 10", "timeout-minutes: 60", "no short timeout"),
    (GITHUB, "cancel-in-progress: false", "cancel-in-progress: true", "overlap"),
    (GITHUB, "workflow_dispatch:", "pull_request_target:", "started by something else"),
    (GITHUB, "environment: token-rotation", "environment: other", "outside the environment"),
    (GITHUB, "AWS_PROFILE: rotate-tokens", "AWS_SECRET: ${{ secrets.KEY }}", "stored secret"),
    (GITHUB, '"$ADDRESS"', "${{ vars.ROTATION_AWS_ADDRESS }}", "pastes an expression"),
    (GITHUB, "ADDRESS: ${{ vars.ROTATION_AWS_ADDRESS }}", "ADDRESS: nowhere", "no address"),
    (GITHUB, ' --deliver "$SINK"', "", "standard output"),
    (GITHUB, ' --deliver "$SINK"', " --deliver stdout", "standard output"),
    (GITHUB, '--probe "$ENDPOINT"', "", "prove"),
    (GITHUB, "--max-age 30d", "--max-age 30", "does not take"),
    (GITHUB, "--max-age 30d", "--max-age 1h", "for longer"),
    (GITHUB, 'rotate "$ADDRESS"', 'mint "$ADDRESS"', "does not take"),
    (GITHUB, INSTALL, "pip install boto3", "does not install from the lock"),
    (GITHUB, INSTALL, f"{INSTALL} && curl -o x https://example.com", "fetches"),
    (GITHUB, ROTATE, f"set -eux; {ROTATE}", "traces"),
    (GITHUB, ROTATE, f"cat token; {ROTATE}", "shows something"),
    (GITHUB, ROTATE, ROTATE.replace("tokens.py", "token.py"), "does not exist"),
    (GITLAB, "timeout: 10 minutes", "timeout: 3 hours", "no short timeout"),
    (GITLAB, "resource_group: rotate-tokens", "resource_group: $CI_JOB_ID", "overlap"),
    (GITLAB, "image: $ROTATION_IMAGE", "image: python:latest", "image"),
    (GITLAB, ' && $CI_COMMIT_REF_PROTECTED == "true"', "", "other times"),
    (GITLAB, "unset ID_TOKEN", "true", "in the environment"),
    (GITLAB, "umask 077; ", "", "for everybody"),
    (GITLAB, 'printf %s "$id_token" > "$AWS_WEB_IDENTITY_TOKEN_FILE"', 'printf %s "$id_token"', "prints to a log"),
    (GITLAB, "docs/ci/alibaba_role.py", "docs/ci/role.py", "does not exist"),
    (GITLAB, 'GIT_DEPTH: "1"', 'CI_DEBUG_TRACE: "true"', "traces"),
    (FLOW, "maxRunningPipelineInstances: 1", "maxRunningPipelineInstances: 2", "overlap"),
    (FLOW, "rejectNew", "preemptOldest", "cut off"),
    (FLOW, "group: private/", "group: public/", "machine that has the role"),
    (FLOW, "timeout 300 ", "", "no timeout"),
    (FLOW, "set -eu", "set -eux", "traces"),
    (FLOW, "value: oss://", "value: ftp://", "no place"),
]


@pytest.mark.parametrize(("path", "old", "new", "word"), BROKEN, ids=[f"{row[0].stem}: {row[2]}" for row in BROKEN])
def test_a_broken_copy_is_noticed(path: Path, old: str, new: str, word: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    found = problems(path, text.replace(old, new, 1))
    assert any(word in problem for problem in found), found


# The tools' own opinions, offline


def tool(name: str, *options: str) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).with_name(name)
    return subprocess.run([str(program), *options], capture_output=True, text=True, timeout=100)


SCHEMAS = {GITHUB: "vendor.github-workflows", GITLAB: "vendor.gitlab-ci"}


@pytest.mark.parametrize("path", SCHEMAS, ids=lambda path: path.stem)
def test_the_published_schema_takes_it_and_not_a_broken_copy(path: Path, tmp_path: Path) -> None:
    broken = tmp_path / path.name
    text = path.read_text(encoding="utf-8")
    broken.write_text(re.sub(r"\btimeout(-minutes)?: 10", r"timeout\1: [soon]", text, count=1), encoding="utf-8")
    for file, expected in ((path, 0), (broken, 1)):
        done = tool("check-jsonschema", "--builtin-schema", SCHEMAS[path], str(file))
        assert done.returncode == expected, done.stdout


def test_zizmor_finds_nothing_but_in_a_broken_copy(tmp_path: Path) -> None:
    broken = tmp_path / GITHUB.name
    broken.write_text(re.sub(r"@[0-9a-f]{40}", "@main", GITHUB.read_text(encoding="utf-8")), encoding="utf-8")
    for file, clean in ((GITHUB, True), (broken, False)):
        done = tool("zizmor", "--offline", "--no-config", "--persona", "pedantic", str(file))
        assert (done.returncode == 0) == clean, done.stdout + done.stderr


# The README


def policies() -> list[Any]:
    blocks = re.findall(r"```json\n(.*?)```", README.read_text(encoding="utf-8"), flags=re.DOTALL)
    return [json.loads(block) for block in blocks]


def statements() -> Iterator[Any]:
    for policy in policies():
        yield from policy["Statement"]


def listed(value: object) -> list[Any]:
    return value if isinstance(value, list) else [value]


def test_roles_are_assumed_by_one_subject_for_one_audience() -> None:
    trusting = [each for each in statements() if "Principal" in each and "Federated" in each["Principal"]]
    assert len(trusting) == 4, "GitHub and GitLab, on both clouds"
    for statement in trusting:
        assert set(statement["Condition"]) == {"StringEquals"}, "no patterns"
        keys = {key.rpartition(":")[2]: value for key, value in statement["Condition"]["StringEquals"].items()}
        assert {"aud", "sub"} <= set(keys)
        assert not any("*" in value for value in keys.values())


def test_roles_may_do_what_the_stores_and_sinks_call_and_no_more() -> None:
    allowed = {action for each in statements() if "Resource" in each for action in listed(each["Action"])}
    calls = {
        "secretsmanager": "functions/mcp_faas/stores/secretsmanager.py",
        "fc": "functions/mcp_faas/stores/fc_trigger.py",
    }
    called = set()
    for service, file in calls.items():
        text = (ROOT / file).read_text(encoding="utf-8")
        operations = re.findall(r'\bcall\(\s*"(\w+)"|self\.client\.(\w+)\(SecretId', text)
        called |= {f"{service}:{(a or b).title().replace('_', '')}" for a, b in operations}
    assert len(called) == 6
    assert allowed == called | {"oss:GetObject", "oss:PutObject"}


def test_only_fc_is_allowed_on_every_resource() -> None:
    """FC's documentation has no finer grain for it; see docs/alibaba.md."""
    for statement in statements():
        for resource in listed(statement.get("Resource", [])):
            if "*" in re.sub(r"^acs:oss:\*:\*:", "", resource):
                assert all(action.startswith("fc:") for action in listed(statement["Action"]))


def test_readme_names_every_variable() -> None:
    told = set(re.findall(r"^\| `(ROTATION_[A-Z_]+)` \|", README.read_text(encoding="utf-8"), re.MULTILINE))
    used = {name for path in JOBS for name in re.findall(r"\bROTATION_[A-Z_]+\b", path.read_text(encoding="utf-8"))}
    assert told == used
    assert set(SAMPLES) <= used


def test_readmes_own_commands_are_ones_that_tokens_takes() -> None:
    text = README.read_text(encoding="utf-8")
    for block in re.findall(r"```(?:sh|yaml)\n(.*?)```", text, flags=re.DOTALL):
        job = Job("README", block if TOOL in block else "")
        for call in job.rotations():
            arguments.parser().parse_args(call)
