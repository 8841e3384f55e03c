"""How identifiers are named: by type and value, and by kind where several have the type."""

from pathlib import Path

import pytest

from cdp_pipeline.config.loader import load_project
from cdp_pipeline.config.model import Project
from cdp_pipeline.errors import UsageError
from cdp_pipeline.operations.names import Name, parse_names

TWO_KINDS = """\
name: names
warehouse: duckdb:///warehouse.duckdb
start: 2026-01-01
entities:
  customer:
    identifiers: [{type: crm}, {type: email}]
  household:
    identifiers: [{type: address}, {type: email}]
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    (tmp_path / "project.yaml").write_text(TWO_KINDS)
    return load_project(tmp_path, {})


NAMED = {
    ("email:a:b/c",): [Name("customer", "email", "a:b/c")],
    ("address:here",): [Name("household", "address", "here")],
    ("household/email:a",): [Name("household", "email", "a")],
    ("entity_id:1",): [Name("customer", "entity_id", "1")],
    ("email:a", "address:here"): [Name("household", "email", "a"), Name("household", "address", "here")],
    ("email:a", "household/email:b"): [Name("household", "email", "a"), Name("household", "email", "b")],
    ("household/address:a", "email:b"): [Name("household", "address", "a"), Name("household", "email", "b")],
}


@pytest.mark.parametrize("texts", NAMED, ids=" ".join)
def test_names_are_of_the_first_kind_that_has_the_types_of_all(project: Project, texts: tuple[str, ...]) -> None:
    assert parse_names(project, *texts) == NAMED[texts]


REFUSED = {
    ("email",): "`email` is no identifier. Write TYPE:VALUE or KIND/TYPE:VALUE, such as email:ann@x.org.",
    ("email:",): "`email:` is no identifier.",
    ("/email:a",): "`/email:a` is no identifier.",
    ("firm/email:a",): "There is no kind of entity `firm`. There is: customer, household.",
    ("email:a", "fax:1"): "There is no type of identifier `fax`. There is: customer/crm, customer/email, household/",
    ("household/crm:1",): "There is no type of identifier `crm`. There is: household/address, household/email.",
    ("crm:1", "address:here"): "No kind of entity has the types of identifier `crm` and `address`. There is: customer/",
    ("customer/email:a", "household/email:a"): "are of two kinds, customer and household.",
}


@pytest.mark.parametrize("texts", REFUSED, ids=" ".join)
def test_what_names_nothing_is_refused_with_what_there_is(project: Project, texts: tuple[str, ...]) -> None:
    with pytest.raises(UsageError) as caught:
        parse_names(project, *texts)
    assert REFUSED[texts] in str(caught.value)
