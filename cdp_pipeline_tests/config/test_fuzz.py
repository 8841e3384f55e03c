"""Whatever stands in a project's files, reading it gives a project or errors with their places, and nothing else."""

import re
import tempfile
from pathlib import Path

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from cdp_pipeline.config.loader import load_project, read_project
from cdp_pipeline.config.schema import project_schema
from cdp_pipeline.errors import ProjectErrors
from cdp_pipeline_tests.config.projects import SHOP, write_project

EXAMPLES = settings(max_examples=50)

SCHEMA = project_schema()
KEYS = sorted({key for section in (SCHEMA, *SCHEMA["$defs"].values()) for key in section["properties"]})
LATER = ["mode", "automation", "guards", "weight", "files", "web", "customer", "Crm", "public", "<<", "=", "a.b[0]", ""]
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.dates(),
    st.datetimes(),
    st.text(max_size=5),
    st.sampled_from(
        ["web", "email", "sum", "custom", "cdp", "*", "${A}", "${file:x}", "{day}", "(", "*.yaml", "2026-01-01"]
    ),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.sampled_from(KEYS + LATER), inner, max_size=5)
    ),
    max_leaves=15,
)


def check(text: str, files: dict[str, str] | None = None) -> None:
    """Read a project and hold the answer against what a reader of it may rely on."""
    with tempfile.TemporaryDirectory() as name:
        folder = write_project(Path(name), text, files)
        project, errors = read_project(folder, {"A": "a"})
        for error in errors:
            assert error.message.endswith(".")
            assert error.file is not None
            lines = re.split("\r\n|[\n\r\x85\u2028\u2029]", (folder / error.file).read_bytes().decode())
            assert error.line is None or 1 <= error.line <= len(lines)
            assert str(error).encode()
        assert len({str(error) for error in errors}) == len(errors)
        if project is None:
            assert errors
        else:
            assert len(project.project_hash) == 64
            for entity in project.entities.values():
                assert entity.identifiers
                assert all(set(rule.source) <= set(project.sources) for rule in entity.stitching)
                assert all(entity.priority(rule.identifier) >= 0 for rule in entity.stitching)
        try:
            load_project(folder, {"A": "a"})
        except ProjectErrors:
            assert errors
        else:
            assert not errors


@EXAMPLES
@given(st.text())
def test_any_text(text: str) -> None:
    check(text.encode(errors="replace").decode())


@EXAMPLES
@given(st.dictionaries(st.sampled_from(KEYS + LATER), VALUES))
def test_any_yaml_with_our_keys(project: object) -> None:
    check(yaml.safe_dump(project, allow_unicode=True))


@EXAMPLES
@given(st.data())
def test_a_right_project_with_any_values_replaced(data: st.DataObject) -> None:
    """Replaces a value somewhere in the small project, several times, so that most of it stays right."""
    project = yaml.safe_load(SHOP)
    for _ in range(data.draw(st.integers(1, 4))):
        inner = project
        while inner:
            keys = sorted(inner) if isinstance(inner, dict) else range(len(inner))
            key = data.draw(st.sampled_from(keys))
            if isinstance(inner[key], dict | list) and data.draw(st.booleans()):
                inner = inner[key]
                continue
            inner[key] = data.draw(VALUES)
            break
    check(yaml.safe_dump(project), {"a.yaml": yaml.safe_dump(data.draw(VALUES))})


@EXAMPLES
@given(st.data())
def test_a_right_project_with_any_text_cut_or_put_in(data: st.DataObject) -> None:
    text = SHOP
    for _ in range(data.draw(st.integers(1, 3))):
        begin = data.draw(st.integers(0, len(text)))
        end = data.draw(st.integers(begin, min(begin + 10, len(text))))
        text = (
            text[:begin]
            + data.draw(st.text(st.sampled_from("\t\n :-[]{}'\"#&*!|>%@`a1\0\x85\u2028"), max_size=4))
            + text[end:]
        )
    check(text)
