"""The files of `deploy/` fit together, publish nothing and hold no secret."""

import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from cdp_pipeline_tests.deploy.stack import DEPLOY, HOME, Unset, compose, interpolate, mounts, service, settings

ROOT = DEPLOY.parent
SERVICES = ("postgres", "code", "webserver", "daemon")
OF_DAGSTER = SERVICES[1:]
REFERENCE = re.compile(r"\$\{(\w+)(:[?-])?")
TEXTS = sorted(path for path in DEPLOY.iterdir() if path.is_file())


def text(name: str) -> str:
    return (DEPLOY / name).read_text(encoding="utf-8")


def referenced(value: Any) -> set[tuple[str, str]]:
    """Return the variables that a part of the compose file names, each with what follows the name."""
    return set(REFERENCE.findall(yaml.safe_dump(value, width=10_000)))


def wanted(name: str) -> set[str]:
    """Return the variables that a file of Dagster's settings takes from the environment."""
    return set(re.findall(r"\{env: (\w+)\}", text(name)))


def test_the_services_are_these() -> None:
    assert set(compose()["services"]) == set(SERVICES)


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_watched_and_comes_back_and_does_not_fill_the_disk(name: str) -> None:
    made = service(name)
    assert made["healthcheck"]["test"][0] == "CMD"
    assert {"interval", "timeout", "retries", "start_period"} <= set(made["healthcheck"])
    assert made["restart"] == "unless-stopped"
    assert {"max-size", "max-file"} == set(made["logging"]["options"])
    assert re.fullmatch(r"\d+[sm]", made["stop_grace_period"])


def test_services_start_in_order() -> None:
    order = {name: set(service(name).get("depends_on", {})) for name in SERVICES}
    assert order == {
        "postgres": set(),
        "code": {"postgres"},
        "webserver": {"postgres", "code"},
        "daemon": {"postgres", "code"},
    }
    conditions = [wait["condition"] for name in OF_DAGSTER for wait in service(name)["depends_on"].values()]
    assert set(conditions) == {"service_healthy"}


def test_ports_are_published_on_loopback_only() -> None:
    published = [port for name in SERVICES for port in service(name).get("ports", [])]
    assert len(published) == 2
    assert all(re.fullmatch(r"127\.0\.0\.1:\$\{CDP_\w+_PORT:-\d+\}:\d+", port) for port in published)
    assert not any({"network_mode", "privileged"} & set(service(name)) for name in SERVICES)


def test_what_is_mounted_is_there() -> None:
    volumes = set()
    for name in SERVICES:
        for place, source in mounts(name, settings({"CDP_PROJECT": "/somewhere"})).items():
            if source.startswith("./"):
                assert (DEPLOY / source).is_file(), source
                assert place.endswith(source.removeprefix(".")), f"{source} has another name in the container"
            elif not source.startswith("/"):
                volumes.add(source)
    assert volumes == set(compose()["volumes"])


def test_the_example_names_every_variable_and_gives_no_value() -> None:
    required = {name for name, sign in referenced(compose()) if sign == ":?"}
    optional = {name for name, sign in referenced(compose()) if sign == ":-"}
    assert {sign for _, sign in referenced(compose())} == {":?", ":-"}
    lines = re.findall(r"^(#?)(CDP_\w+|POSTGRES_\w+)=(.*)$", text(".env.example"), re.MULTILINE)
    assert {name for mark, name, _ in lines if not mark} == required
    assert {name for mark, name, _ in lines if mark} == optional
    assert [value for mark, _, value in lines if not mark and value] == []
    defaults = dict(re.findall(r"\$\{(\w+):-([^}]*)\}", text("compose.yaml")))
    assert {name: value for mark, name, value in lines if mark} == defaults


def test_a_variable_that_is_missing_is_named() -> None:
    given = settings({})
    for name in given:
        rest = {other: value for other, value in given.items() if other != name}
        with pytest.raises(Unset, match=f"^{name} is not set; see .env.example$"):
            interpolate(text("compose.yaml"), rest)


@pytest.mark.parametrize("name", OF_DAGSTER)
def test_a_service_has_the_variables_that_its_settings_want(name: str) -> None:
    given = set(service(name)["environment"])
    mounted = {place.removeprefix(f"{HOME}/") for place in mounts(name, settings({}))}
    assert "dagster.yaml" in mounted
    assert wanted("dagster.yaml") <= given
    if "workspace.yaml" in service(name)["command"]:
        assert "workspace.yaml" in mounted
        assert wanted("workspace.yaml") <= given


def test_the_databases_are_those_that_dagster_and_the_pipeline_are_told() -> None:
    given = service("postgres")["environment"]
    scripts = text("databases.sql") + text("warehouse_roles.sql")
    assert set(re.findall(r"^\\getenv \w+ (\w+)$", scripts, re.MULTILINE)) == {
        name for name in given if name.startswith("CDP_")
    }
    assert given["POSTGRES_DB"] == given["CDP_WAREHOUSE_DB"]  # where warehouse_roles.sql runs
    code = service("code")["environment"]
    assert {name: code[name] for name in wanted("dagster.yaml") if name in given} == {
        name: given[name] for name in wanted("dagster.yaml") if name in given
    }
    user, password, database = (given[f"CDP_WAREHOUSE_{part}"] for part in ("USER", "PASSWORD", "DB"))
    assert code["CDP_WAREHOUSE"] == f"postgresql://{user}:{password}@postgres:5432/{database}"


def test_secrets_are_references_and_go_only_where_they_are_needed() -> None:
    roles = {"CDP_DAGSTER_PG_PASSWORD", "CDP_WAREHOUSE_PASSWORD"}
    secrets = roles | {"POSTGRES_PASSWORD", "CDP_READER_PASSWORD"}
    seen = {}
    for name in SERVICES:
        for key, value in service(name)["environment"].items():
            assert isinstance(value, str)
            if "PASSWORD" in key:
                assert re.fullmatch(r"\$\{\w+:(-|\?[^}]+)\}", value), f"{name}: {key}"
            assert not re.search(r"://[^$@]*:[^$@]*@", value), f"{name}: {key}"
        rest = {key: value for key, value in service(name).items() if key != "environment"}
        assert not secrets & {variable for variable, _ in referenced(rest)}
        seen[name] = secrets & {variable for variable, _ in referenced(service(name))}
    dagster = {"CDP_DAGSTER_PG_PASSWORD"}
    assert seen == {"postgres": secrets, "code": roles, "webserver": dagster, "daemon": dagster}


def test_a_filled_in_env_file_is_not_committed() -> None:
    ignored = subprocess.run(["git", "check-ignore", "--quiet", "deploy/.env"], cwd=ROOT, check=False)
    assert ignored.returncode == 0


def test_the_image_is_built_from_what_is_there() -> None:
    build = service("code")["build"]
    assert (DEPLOY / build["context"]).resolve() == ROOT
    dockerfile = (ROOT / build["dockerfile"]).read_text(encoding="utf-8")
    copied = [name for line in re.findall(r"^COPY (.*) \S+$", dockerfile, re.MULTILINE) for name in line.split()]
    assert all((ROOT / name).exists() for name in copied)
    lines = Path(f"{ROOT / build['dockerfile']}.dockerignore").read_text(encoding="utf-8").splitlines()
    assert "*" in lines
    assert {line.removeprefix("!") for line in lines if line.startswith("!")} == set(copied)

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    base = re.search(r"^FROM python:(3\.\d+)-slim$", dockerfile, re.MULTILINE)
    assert base is not None
    assert project["requires-python"].startswith(f">={base[1]},")
    installed = re.search(r"--constraint requirements\.lock '\.\[([\w,]+)\]'$", dockerfile, re.MULTILINE)
    assert installed is not None
    assert set(installed[1].split(",")) == set(project["optional-dependencies"]) - {"dev"}


def test_the_instructions_name_only_what_there_is() -> None:
    known = set(
        re.findall(r"\b(?:CDP|POSTGRES|PG)_\w+", "".join(text(path.name) for path in TEXTS if path.suffix != ".md"))
    )
    assert set(re.findall(r"\b(?:CDP|POSTGRES)_\w+", text("README.md"))) <= known
    for line in re.findall(r"docker compose (.*)", text("README.md")):
        found = re.search(r"\b(?:exec|restart|logs|stop|start)\b((?: -\S+)*) (\w+)", line)
        assert found is None or found[2] in SERVICES, line
    for name in re.findall(r"`([\w.]+\.(?:yaml|sql|py)|Dockerfile|\.env\.example)`", text("README.md")):
        assert (DEPLOY / name).is_file() or name == "project.yaml", name
