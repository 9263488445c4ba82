"""What a public repository has beside its code: workflows, issue forms, citation, container, changelog."""

import itertools
import json
import re
import shlex
import subprocess
import sys
import tomllib

import pytest

from tests.checkout import ROOT, files

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
FORMS = [ROOT / ".github" / "ISSUE_TEMPLATE" / f"{name}.yml" for name in ("number", "sentence")]
SCHEMAS = {  # the names that check-jsonschema has for them
    "vendor.github-workflows": WORKFLOWS,
    "vendor.github-issue-forms": FORMS,
    "vendor.github-issue-config": [ROOT / ".github" / "ISSUE_TEMPLATE" / "config.yml"],
    "vendor.citation-file-format": [ROOT / "CITATION.cff"],
}
EACH_WORKFLOW = pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)


def invalid(schema, *paths):
    """What check-jsonschema says against the files; nothing where they hold to the schema."""
    pytest.importorskip("check_jsonschema", reason="check-jsonschema is not installed: pip install -e '.[test]'")
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, *map(str, paths)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else done.stdout + done.stderr


def loaded(path):
    yaml = pytest.importorskip("ruamel.yaml", reason="ruamel.yaml comes with check-jsonschema, which is not installed")
    return yaml.YAML(typ="safe").load(path)


def steps(path):
    return [step for job in loaded(path)["jobs"].values() for step in job["steps"]]


@pytest.mark.parametrize("schema", SCHEMAS)
def test_files_hold_to_the_schemas_of_those_who_read_them(schema):
    assert SCHEMAS[schema]
    assert invalid(schema, *SCHEMAS[schema]) == ""


def test_a_file_that_breaks_its_schema_is_seen(tmp_path):
    broken = tmp_path / "book.yml"
    broken.write_text((ROOT / ".github/workflows/book.yml").read_text(encoding="utf-8").replace("runs-on:", "runs:"))
    assert "book.yml" in invalid("vendor.github-workflows", broken)


@EACH_WORKFLOW
def test_the_commands_of_workflows_exist(path):
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE))
    modules = {".".join(file.relative_to(ROOT).with_suffix("").parts) for file in files() if file.suffix == ".py"}
    extras = " ".join(package for extra in PROJECT["optional-dependencies"].values() for package in extra)
    tools = {re.match(r"[\w-]+", package)[0] for package in extras.split()} | {"pip", "make", "python", "lint-imports"}
    for line in (line for step in steps(path) for line in step.get("run", "").splitlines()):
        program, *words = shlex.split(line)
        assert program in tools, line
        if program == "make":
            assert set(words) <= targets, line
        if words[:1] == ["-m"]:
            assert words[1] in modules, line
        for file in (after for flag, after in itertools.pairwise(words) if flag == "-c"):
            assert (ROOT / file).is_file(), line


@EACH_WORKFLOW
def test_what_caches_depend_on_exists(path):
    named = [step.get("with", {}).get("cache-dependency-path", "") for step in steps(path)]
    assert any(named)
    assert all((ROOT / file).is_file() for some in named for file in some.split())


def test_the_tests_run_on_the_oldest_python_that_the_course_takes():
    jobs = loaded(ROOT / ".github/workflows/tests.yml")["jobs"]
    pythons = jobs["tests"]["strategy"]["matrix"]["python"]
    assert f">={pythons[0]}" == PROJECT["requires-python"]
    assert set(jobs["smoke"]["strategy"]["matrix"]["system"]) == {"windows-latest", "macos-latest"}


def test_the_form_for_numbers_asks_for_the_results_file():
    fields = {field.get("id"): field for field in loaded(FORMS[0])["body"]}
    assert "results.json" in fields["results"]["attributes"]["label"]
    assert fields["results"]["validations"]["required"]


def test_the_citation_is_of_this_version():
    citation = loaded(ROOT / "CITATION.cff")
    assert (citation["version"], citation["license"]) == (PROJECT["version"], PROJECT["license"])
    assert f"# {citation['title']}\n" in (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_container_runs_the_readme_s_first_command():
    container = json.loads((ROOT / ".devcontainer/devcontainer.json").read_text(encoding="utf-8"))
    commands = re.search(
        r"## Two commands\n+```\n(.+?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL
    )
    assert commands[1].startswith(container["postCreateCommand"])


def test_the_changelog_keeps_its_form():
    lines = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8").splitlines()
    versions = [line for line in lines if line.startswith("## ")]
    assert versions[0] == "## [Unreleased]"
    assert all(re.fullmatch(r"## \[\d+\.\d+\.\d+\] - \d{4}-\d\d-\d\d", line) for line in versions[1:])
    kinds = {line.removeprefix("### ") for line in lines if line.startswith("### ")}
    assert kinds <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
