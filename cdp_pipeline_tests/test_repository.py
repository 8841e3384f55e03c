"""What the repository promises about itself: its documents, its settings, its size, and who imports whom."""

import ast
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from cdp_pipeline_tests.conftest import HERE, LAST, LONGEST

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "cdp_pipeline"
DOCUMENTS = ("README.md", "CONTRIBUTING.md")
LONGEST_FILE = 400

# The rules of the house: what each room may import of ours. Everybody may import itself and progress.
BASE = {"errors", "tables", "config", "sql", "warehouse"}
ROOMS = {"events", "identity", "attributes"}
MAY_IMPORT: dict[str, set[str]] = {
    "tables": set(),
    "config": {"errors"},
    "sql": {"errors"},
    "warehouse": {"errors", "tables", "sql"},
    "events": BASE,
    "identity": BASE | {"events"},
    "attributes": BASE | {"events", "identity"},
    "operations": BASE | ROOMS | {"validation"},
    "quality": BASE | ROOMS | {"validation", "operations"},
    "automation": BASE | ROOMS | {"validation", "operations", "quality", "definitions"},
    "demo": set(),
    "terminal": BASE | ROOMS | {"validation", "operations", "quality", "automation", "starter"},
    "cli": BASE | ROOMS | {"validation", "operations", "quality", "automation", "terminal", "starter", "demo"},
}
FILES = {"errors", "progress", "validation", "definitions", "starter"}
OURS = FILES | set(MAY_IMPORT)


def committed_files() -> list[Path]:
    """Return every file that is in the repository, or would be if all were committed now."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    paths = (ROOT / name for name in listed.stdout.decode().split("\0") if name)
    return sorted(path for path in paths if path.is_file())


def committed_text() -> Iterator[tuple[str, str]]:
    """Give the name and text of every text file of the repository."""
    for path in committed_files():
        content = path.read_bytes()
        if b"\0" not in content:
            yield path.relative_to(ROOT).as_posix(), content.decode()


def ruff_codes(name: str, source: str) -> dict[int, set[str]]:
    """Return what ruff finds about imports in a source that stood under this name, by line."""
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "ruff",
            "check",
            "--select",
            "TID",
            "--output-format",
            "json",
            "--stdin-filename",
            name,
            "-",
        ],
        cwd=ROOT,
        check=False,  # 1 is what it returns when it finds something
        input=source.encode(),
        capture_output=True,
    )
    found: dict[int, set[str]] = {}
    for finding in json.loads(done.stdout):
        found.setdefault(finding["location"]["row"], set()).add(finding["code"])
    return found


def imports(node: ast.AST, late: bool = False) -> Iterator[tuple[str, bool]]:
    """Give every module that is imported when the code runs, and whether only inside a function."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            yield from ((alias.name, late) for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            yield child.module or "", late
        elif not (isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING"):
            yield from imports(child, late or isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda))


def make_targets() -> set[str]:
    return set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def code_in(document: str) -> list[str]:
    """Return a document's lines of code: those of its code blocks, and what stands between backticks."""
    text = (ROOT / document).read_text()
    blocks = re.findall(r"^```.*?\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    rest = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    return [line for block in blocks for line in block.splitlines()] + re.findall(r"`([^`\n]+)`", rest)


# Documents


def test_make_help_lists_every_target() -> None:
    shown = subprocess.run(["make", "help"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    assert set(re.findall(r"^  make ([a-z-]+) +\S", shown, re.MULTILINE)) == make_targets()


@pytest.mark.parametrize("document", DOCUMENTS)
def test_documents_name_only_make_targets_that_exist(document: str) -> None:
    mentioned = {target for line in code_in(document) for target in re.findall(r"\bmake ([a-z][a-z-]*)", line)}
    assert mentioned
    assert mentioned <= make_targets()


@pytest.mark.parametrize("document", [*DOCUMENTS, "docs/attributes.md"])
def test_documents_name_only_verbs_and_options_of_the_command(document: str) -> None:
    from typer.main import get_command

    from cdp_pipeline.cli import app

    verbs = getattr(get_command(app), "commands", {})
    assert verbs
    for line in code_in(document):
        for verb, rest in re.findall(r"(?:^|[\s/])cdp ([a-z][a-z-]*)([^#|&;]*)", line):
            assert verb in verbs, f"{document}: `{line.strip()}`"
            command, below = verbs[verb], getattr(verbs[verb], "commands", {})
            word = re.match(r" ([a-z-]+)", rest)
            if below and word:
                assert word[1] in below, f"{document}: `{line.strip()}`"
                command = below[word[1]]
            known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
            assert set(re.findall(r"(?<=\s)--[a-z-]+", rest)) <= known | {"--help"}, f"{document}: `{line.strip()}`"


# Settings


def test_both_dagster_settings_are_the_same_and_load(tmp_path: Path) -> None:
    packaged = (PACKAGE / "automation" / "dagster.yaml").read_text()
    assert (ROOT / "dagster.yaml").read_text() == packaged
    (tmp_path / "dagster.yaml").write_text(packaged)
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        assert not instance.telemetry_enabled
        assert not instance.nux_enabled
        assert not instance.run_monitoring_enabled
        assert instance.managed_python_loggers == ["cdp_pipeline"]
        queue = instance.get_concurrency_config().run_queue_config
        assert queue is not None
        assert queue.max_concurrent_runs == 4


def test_the_lock_pins_every_dependency_without_hosts() -> None:
    lock = (ROOT / "requirements.lock").read_text()
    assert "://" not in lock
    pins = dict(line.split("==") for line in lock.splitlines())
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *(one for extra in project["optional-dependencies"].values() for one in extra)]
    for requirement in map(Requirement, wanted):
        pinned = pins.get(canonicalize_name(requirement.name))
        assert pinned is not None, f"{requirement} is not in requirements.lock: make lock"
        assert requirement.specifier.contains(Version(pinned)), f"{requirement}: the lock has {pinned}: make lock"


def test_nothing_of_one_machine_is_committed() -> None:
    path = re.compile(r"(?<![\w.}-])/(home|work|tmp)/")
    host = re.compile(r"https?://([^/\s:\"'`<>()\[\]{}|]+)")
    public = re.compile(r"localhost|127\.0\.0\.1|.*\.(com|org|net|io|dev|example|test|invalid)|host")
    strays = [
        f"{name}:{number}: {line.strip()[:100]}"
        for name, text in committed_text()
        for number, line in enumerate(text.splitlines(), start=1)
        if path.search(line) or not all(public.fullmatch(found) for found in host.findall(line))
    ]
    assert not strays


# Size and layers


def test_the_order_of_the_suite_names_files_that_exist() -> None:
    assert [name for name in (*LONGEST, LAST) if not (HERE / name).is_file()] == []


def test_no_file_is_too_long() -> None:
    lengths = {
        path.relative_to(ROOT).as_posix(): len(path.read_text().splitlines())
        for path in PACKAGE.rglob("*")
        if path.suffix in {".py", ".sql"}
    }
    assert {name: length for name, length in lengths.items() if length > LONGEST_FILE} == {}


def test_every_room_has_its_rules() -> None:
    assert {path.parent.name for path in PACKAGE.glob("*/*.py")} <= set(MAY_IMPORT)
    assert {path.stem for path in PACKAGE.glob("*.py")} <= FILES | {"__init__", "__main__"}


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_a_room_imports_only_what_it_may(room: str) -> None:
    others = sorted(OURS - {room})
    found = ruff_codes(f"cdp_pipeline/{room}/assets.py", "\n".join(f"import cdp_pipeline.{name}" for name in others))
    refused = {name for row, name in enumerate(others, start=1) if "TID251" in found.get(row, set())}
    assert set(others) - refused == MAY_IMPORT[room] | ({"progress"} if room != "tables" else set())


@pytest.mark.parametrize("name", ["errors", "tables/shared", "progress"])
def test_what_everybody_imports_imports_nothing_of_ours(name: str) -> None:
    assert ruff_codes(f"cdp_pipeline/{name}.py", "from cdp_pipeline.config import project\n") == {1: {"TID251"}}


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_no_room_reaches_into_dagster(room: str) -> None:
    assert "TID251" in ruff_codes(f"cdp_pipeline/{room}/assets.py", "import dagster._core.instance\n")[1]


@pytest.mark.parametrize(
    "name", ["cli/again", "validation", "events/landing", "identity/solve", "operations/plan", "sql/parse"]
)
@pytest.mark.parametrize("library", ["dagster", "great_expectations", "pandas"])
def test_libraries_that_are_slow_to_import_are_not_imported_at_the_top(name: str, library: str) -> None:
    assert "TID253" in ruff_codes(f"cdp_pipeline/{name}.py", f"import {library}\n").get(1, set())


def test_dagster_and_the_extra_libraries_stay_where_they_belong() -> None:
    """Ruff looks at the top of a module, and not for everything in the files that may import Dagster."""
    strays = []
    for path in sorted(PACKAGE.rglob("*.py")):
        may_import_dagster = path.parent.name == "automation" or path.name in {
            "definitions.py",
            "assets.py",
            "checks.py",
        }
        for module, late in imports(ast.parse(path.read_text())):
            library = module.partition(".")[0]
            if library == "dagster" and not may_import_dagster:
                strays.append(f"{path.relative_to(ROOT)} imports dagster")
            if library in {"great_expectations", "pandas"} and not late:
                strays.append(f"{path.relative_to(ROOT)} imports {library} at its top")
    assert not strays


def test_the_command_starts_without_heavy_libraries() -> None:
    heavy = {"dagster", "great_expectations", "pandas", "scipy"}
    program = f"import sys; import cdp_pipeline.cli; print(*sorted({heavy!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True, capture_output=True, text=True)
    assert done.stdout.split() == []
