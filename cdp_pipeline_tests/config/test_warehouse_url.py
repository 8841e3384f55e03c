"""The warehouse may hold a secret from outside the project: it arrives, and it is shown nowhere."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from cdp_pipeline.config.loader import load_project, read_project
from cdp_pipeline.errors import ProjectErrors
from cdp_pipeline_tests.config.projects import replaced, write_project

SECRET = "s3cr3t"
ACCEPTED = (
    "Write duckdb:///warehouse.duckdb (beside the project file), duckdb:////an/absolute/path.duckdb, or "
    "postgresql://user@host/database."
)


def with_warehouse(folder: Path, url: str, files: Mapping[str, str] | None = None) -> Path:
    return write_project(folder, replaced("duckdb:///warehouse.duckdb", url), files)


@pytest.mark.parametrize("url", ["duckdb:///a.duckdb", "duckdb:////srv/a.duckdb", "duckdb:///data/a b.duckdb"])
def test_a_file_of_duckdb_is_a_warehouse(tmp_path: Path, url: str) -> None:
    project = load_project(with_warehouse(tmp_path, url), {})
    assert (project.warehouse, project.engine) == (url, "duckdb")


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("postgresql://db/shop", "postgresql://db/shop"),
        ("postgresql://me:s3cr3t@db:5433/shop?sslmode=verify-full", "postgresql://me@db:5433/shop"),
        ("postgresql://me:s3@cr3t:/@db/shop", "postgresql://me@db/shop"),
        ("postgresql:///shop?host=/run/postgresql&password=s3cr3t", "postgresql:///shop"),
        ("${URL}", "${URL}"),
    ],
)
def test_a_database_is_a_warehouse_and_is_shown_without_its_password(tmp_path: Path, url: str, name: str) -> None:
    project = load_project(with_warehouse(tmp_path, f'"{url}"'), {"URL": "postgresql://me:s3cr3t@db/shop"})
    assert project.warehouse == url.replace("${URL}", "postgresql://me:s3cr3t@db/shop")
    assert (project.warehouse_name, project.engine) == (name, "postgresql")


def test_variables_and_files_are_filled_in(tmp_path: Path) -> None:
    folder = with_warehouse(tmp_path, "duckdb:///${DIR}/${file:secrets/name}.duckdb", {"secrets/name": f"{SECRET}\n"})
    project = load_project(folder, {"DIR": "${DIR}"})
    assert project.warehouse == f"duckdb:///${{DIR}}/{SECRET}.duckdb"


def test_the_variables_are_those_of_the_process_unless_others_are_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHOP_WAREHOUSE", "shop")
    assert load_project(with_warehouse(tmp_path, "duckdb:///${SHOP_WAREHOUSE}")).warehouse == "duckdb:///shop"


def test_nothing_else_is_filled_in(tmp_path: Path) -> None:
    text = replaced("id: message_id", 'id: "${SECRET}"')
    project = load_project(write_project(tmp_path, text), {"SECRET": SECRET})
    assert project.sources["web"].event.id == "${SECRET}"


def test_a_secret_is_in_no_text_about_the_project(tmp_path: Path) -> None:
    project = load_project(with_warehouse(tmp_path, "duckdb:///${SECRET}"), {"SECRET": SECRET})
    assert SECRET not in f"{project!r} {project} {project.error('warehouse', 'is busy.')} {project.locations}"


def test_another_secret_is_the_same_project(tmp_path: Path) -> None:
    folder = with_warehouse(tmp_path, "duckdb:///${SECRET}")
    assert load_project(folder, {"SECRET": "a"}).project_hash == load_project(folder, {"SECRET": "b"}).project_hash


def test_another_warehouse_is_another_project(tmp_path: Path) -> None:
    first, second = (load_project(with_warehouse(tmp_path / name, f"duckdb:///{name}"), {}) for name in "ab")
    assert first.project_hash != second.project_hash


@pytest.mark.parametrize(
    "url", ["${SECRET}", "mysql://root:${SECRET}@db/x", "duckdb:///${SECRET}${NEWLINE}", "postgresql://${SECRET}@db"]
)
def test_a_secret_is_in_no_error(tmp_path: Path, url: str) -> None:
    folder = with_warehouse(tmp_path, f'"{url}"')
    with pytest.raises(ProjectErrors) as caught:
        load_project(folder, {"SECRET": SECRET, "NEWLINE": "\n"})
    (error,) = caught.value.errors
    assert (error.path, error.line) == ("warehouse", 2)
    assert SECRET not in f"{caught.value} {caught.value!r} {error!r} {error.hint}"
    assert caught.value.__cause__ is caught.value.__context__ is None


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("mysql://db/x", f"is not a warehouse that this release knows. {ACCEPTED}"),
        ("postgres://db/x", f"is not a warehouse that this release knows. {ACCEPTED}"),
        ("postgresql+psycopg://db/x", f"is not a warehouse that this release knows. {ACCEPTED}"),
        ("postgresql://db", f"names no database. {ACCEPTED}"),
        ("postgresql://db/?sslmode=require", f"names no database. {ACCEPTED}"),
        ("sqlite:///a.db", f"is not a warehouse that this release knows. {ACCEPTED}"),
        ("duckdb://warehouse.duckdb", f"is not a warehouse that this release knows. {ACCEPTED}"),
        ("'duckdb:///'", f"names no file for the warehouse. {ACCEPTED}"),
        ("'duckdb:///:memory:'", f"a warehouse in memory would be empty again at the end of each run. {ACCEPTED}"),
        ("duckdb:///${NOT_SET}", "${NOT_SET} stands for an environment variable that is not set."),
        ("'duckdb:///${a b}'", "${a b} is not the name of an environment variable."),
        ("duckdb:///${file:gone}", "${file:gone} names no file. The path starts at the project's folder."),
        ("duckdb:///${file:.}", "${file:.} names no file. The path starts at the project's folder."),
        ("duckdb:///${SET", "has ${ without the } that ends it."),
        ("5", "must be a text, and this is the number 5."),
    ],
)
def test_what_is_no_warehouse_says_what_would_be(tmp_path: Path, url: str, message: str) -> None:
    project, (error,) = read_project(with_warehouse(tmp_path, url), {"SET": ""})
    assert str(error).startswith(f"project.yaml:2: warehouse: {message}")
    assert project is not None


def test_each_reference_that_stands_for_nothing_is_an_error(tmp_path: Path) -> None:
    _, errors = read_project(with_warehouse(tmp_path, "duckdb:///${A}${file:b}"), {})
    assert [error.message.split()[0] for error in errors] == ["${A}", "${file:b}"]


def test_a_secret_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"\xff")
    _, (error,) = read_project(with_warehouse(tmp_path, "duckdb:///${file:secret}"), {})
    assert error.message == "${file:secret} is a file that is not UTF-8 text."
