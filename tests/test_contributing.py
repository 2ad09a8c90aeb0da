"""What a contributor is given: hooks that are the tools of `make lint`, and workflows that ask for little."""

import re
import subprocess
import sys

import pytest
import yaml

from plitka.server.serve import ROOT

HOOKS = ROOT / ".pre-commit-config.yaml"
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
PINNED = re.compile(r"[\w.-]+/[\w.-]+@[0-9a-f]{40}")
SECRETS = {"REPLICATE_API_TOKEN"}


def recipe(target):
    """The commands of a target of the Makefile, as they are run."""
    text = (ROOT / "Makefile").read_text()
    lines = re.search(rf"^{target}:.*\n((?:\t.*\n)+)", text, re.MULTILINE)[1]
    return [line.strip("\t@").replace("$(BIN)", ".venv/bin") for line in lines.splitlines()]


def hooks():
    return [hook for repo in yaml.safe_load(HOOKS.read_text())["repos"] for hook in repo["hooks"]]


def test_the_hooks_are_what_pre_commit_takes():
    line = [sys.executable, "-m", "pre_commit", "validate-config", str(HOOKS)]
    subprocess.run(line, check=True, capture_output=True, timeout=300)


def test_every_hook_runs_a_command_of_make_lint_and_fetches_nothing():
    assert {repo["repo"] for repo in yaml.safe_load(HOOKS.read_text())["repos"]} == {"local"}
    lint = {command.removesuffix(" .") for command in recipe("lint")}
    commands = {hook["entry"].removesuffix(" --force-exclude") for hook in hooks()}
    assert commands <= lint
    assert {".venv/bin/ruff check", ".venv/bin/ruff format --check", ".venv/bin/mypy"} <= commands
    assert {hook["language"] for hook in hooks()} == {"system"}


@pytest.fixture(params=WORKFLOWS, ids=lambda path: path.name)
def workflow(request):
    return request.param.read_text()


def test_a_workflow_reads_the_repository_and_may_do_nothing_else_unless_a_job_says_so(workflow):
    content = yaml.safe_load(workflow)
    assert content["permissions"] == {"contents": "read"}
    more = {name: job["permissions"] for name, job in content["jobs"].items() if "permissions" in job}
    assert more in ({}, {"notes": {"contents": "write"}})
    assert all(job["timeout-minutes"] for job in content["jobs"].values())


def test_a_workflow_takes_actions_by_their_commit_and_secrets_by_name(workflow):
    steps = [step for job in yaml.safe_load(workflow)["jobs"].values() for step in job["steps"]]
    used = [step["uses"] for step in steps if "uses" in step]
    assert used
    assert [name for name in used if not PINNED.fullmatch(name)] == []
    assert set(re.findall(r"\bsecrets\.(\w+)", workflow)) <= SECRETS
    # A title or branch name in a script would be run as part of it.
    assert not any("${{" in step.get("run", "") for step in steps)


def test_a_workflow_installs_no_branch_that_others_move(workflow):
    steps = [step for job in yaml.safe_load(workflow)["jobs"].values() for step in job["steps"]]
    for step in steps:
        for name in step.get("env", {}):
            step["run"] = step["run"].replace(f"${name}", str(step["env"][name]))
        for line in step.get("run", "").splitlines():
            if re.search(r"\bpip install\b", line):
                assert re.search(r"\.git@[0-9a-f]{40}\b|==|--constraint|--requirement", line), line


def test_a_pull_request_never_meets_a_secret():
    text = (ROOT / ".github/workflows/checks.yml").read_text()
    # YAML reads `on` as true.
    assert set(yaml.safe_load(text)[True]) == {"pull_request", "push"}
    assert "secrets." not in text


def test_what_workflows_run_of_ours_exists(workflow):
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    runs = [
        step["run"]
        for job in yaml.safe_load(workflow)["jobs"].values()
        for step in job["steps"]
        if "run" in step
    ]
    made = {target for run in runs for target in re.findall(r"^make ([\w-]+)", run, re.MULTILINE)}
    modules = {name for run in runs for name in re.findall(r"python -m ([\w.]+)", run)}
    assert made <= targets
    assert all((ROOT / f"{name.replace('.', '/')}.py").is_file() for name in modules)
    for script in (name for run in runs for name in re.findall(r"^(\.ci/\w+)$", run, re.MULTILINE)):
        assert (ROOT / script).is_file()
