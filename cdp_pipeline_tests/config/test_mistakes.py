"""What is wrong is reported once, at its file, line and path, in words that say what would be accepted."""

import re
from pathlib import Path

import pytest

from cdp_pipeline.config.loader import read_project
from cdp_pipeline_tests.config.projects import MAP_OF, SHOP, mistakes, replaced, write_project

TWELVE = """\
name: shop
warehouse: duckdb:///warehouse.duckdb
start: 2026-02-30
stat: 2026-01-01
automation: {replay: sometimes}
sources:
  web:
    files: landing/web/{day}/*
    event:
      id: 5
      type: type
  crm:
    table: raw.contacts
    event: {type: "'contact'", time: updated_at}
entities:
  customer:
    identifiers:
      - {type: email, normalize: [lowr]}
      - {type: phone}
      - {type: phone}
    stitching:
      - {source: web, identifier: email, value: a}
      - {source: wbe, identifier: phone, value: a}
      - {source: web, identifier: fax, value: a}
    attributes: {files: attributes/*.yaml}
    checks: {max_null_share: 7}
"""
TWELVE_ATTRIBUTES = """\
- {id: revenue, type: sum, value: x}
- id: Revenue
  type: sum
  value: x
"""


def test_twelve_mistakes_are_found_at_once_each_at_its_place(tmp_path: Path) -> None:
    write_project(tmp_path, TWELVE, {"attributes/money.yaml": TWELVE_ATTRIBUTES})
    project, errors = read_project(tmp_path, {})
    assert [(str(error.file), error.line, error.path) for error in errors] == [
        ("attributes/money.yaml", 2, "entities.customer.attributes[1].id"),
        ("project.yaml", 3, "start"),
        ("project.yaml", 4, "stat"),
        ("project.yaml", 5, "automation.replay"),
        ("project.yaml", 9, "sources.web.event.time"),
        ("project.yaml", 10, "sources.web.event.id"),
        ("project.yaml", 12, "sources.crm.arrived_at"),
        ("project.yaml", 18, "entities.customer.identifiers[0].normalize[0]"),
        ("project.yaml", 20, "entities.customer.identifiers[2].type"),
        ("project.yaml", 23, "entities.customer.stitching[1].source"),
        ("project.yaml", 24, "entities.customer.stitching[2].identifier"),
        ("project.yaml", 26, "entities.customer.checks.max_null_share"),
    ]
    assert project is not None
    assert [attribute.id for attribute in project.entities["customer"].attributes] == ["revenue"]


# What is replaced in the small project, by what, and the line and the mistake as a user reads it, or how it begins.
# … stands for `entities.customer.`.
ONE_MISTAKE = {
    "a scalar that is no text": (
        "id: message_id",
        "id: 5",
        "9: sources.web.event.id: must be a text, and this is the number 5. Put it in quotes: '5'.",
    ),
    "a version that YAML takes for a number": (
        "version: '1-0-0'",
        "version: 1.10",
        "25: …stitching[1].version: must be a text, a list of texts or '*', and this is the "
        "number 1.10. Put it in quotes: '1.10'.",
    ),
    "an empty text": ("id: message_id", "id: ' '", "9: sources.web.event.id: is empty."),
    "a needed key without a value": (
        "time: timestamp",
        "time:",
        "11: sources.web.event.time: must be a text, and there is nothing.",
    ),
    "a missing key": ("      time: timestamp\n", "", "8: sources.web.event.time: is missing."),
    "a misspelt key": (
        "time: timestamp",
        "tme: timestamp",
        "11: sources.web.event.tme: 'tme' is not a key that is known here. Did you mean time? Accepted are id,",
    ),
    "half an expression as a key": (
        "value: \"payload->>'user_id'\"",
        "value: coalesce(a, b)",
        "24: …stitching[0].b): 'b)' is not a key that is known here. If it belongs to an SQL "
        "expression, put the whole expression in double quotes.",
    ),
    "a name that only the loader gives": (
        "    where: row->>'env' = 'prod'",
        "    name: web",
        "7: sources.web.name: 'name' is not a key that is known here.",
    ),
    "the models' spelling of schema": (
        "name: shop",
        "name: shop\nschema_name: shared",
        "2: schema_name: 'schema_name' is not a key that is known here. Did you mean schema?",
    ),
    "an unknown word": (
        "type: sum",
        "type: summ",
        "27: …attributes[0].type: 'summ' is not accepted here. Did you mean sum? Accepted: avg,",
    ),
    "a text where true or false belongs": (
        "pii: true",
        "pii: 'true'",
        "21: …identifiers[1].pii: must be true or false, and 'true' is a text. Write it without",
    ),
    "a mapping where a list belongs": (
        "normalize: [trim, lower]",
        "normalize: {trim: true}",
        "21: …identifiers[1].normalize: must be a list, and this is a mapping.",
    ),
    "braces that YAML takes for a mapping": (
        "files: landing/web/{day}/*",
        "files: {day}",
        "6: sources.web.files: must be a text, and this is a mapping. Put the text in quotes if it begins with",
    ),
    "a text where a section belongs": (
        "event: {id: contact_id, type: \"'contact'\", time: updated_at}",
        "event: contact",
        "16: sources.crm.event: must be a mapping of keys, and 'contact' is a text. Write key: value lines; "
        "accepted keys are id, source, type,",
    ),
    "no regular expression": (
        r"'^[^@\s]+@[^@\s]+$'",
        "'('",
        "21: …identifiers[1].valid: is not a regular expression: missing ), unterminated",
    ),
    "a default that is a list": (
        "default: 0",
        "default: [0]",
        "27: …attributes[0].default: [0] is not a text, a number, true or false.",
    ),
    "a default that YAML takes for a day": (
        "default: 0",
        "default: 2026-01-01",
        "27: …attributes[0].default: 2026-01-01 is not a text, a number, true or false.",
    ),
    "a day with a time": (
        "start: 2026-01-01",
        "start: 2026-01-01 10:00:00",
        "3: start: 2026-01-01 10:00:00 is not a day.",
    ),
    "an end before the start": (
        "start: 2026-01-01",
        "start: 2026-01-01\nend: 2025-12-31",
        "4: end: 2025-12-31 is before start, 2026-01-01.",
    ),
    "an odd name of an attribute": (
        "id: revenue",
        "id: totalRevenue",
        "27: …attributes[0].id: 'totalRevenue' is not a name that a table or column can have. "
        "Write a-z first, then a-z, 0-9 and _, at most 41 characters, such as total_revenue.",
    ),
    "a reserved name of an attribute": (
        "id: revenue",
        "id: person_key",
        "27: …attributes[0].id: 'person_key' is reserved",
    ),
    "a reserved name of an identifier": (
        "- {type: crm_id}",
        "- {type: pg_id}\n      - {type: crm_id}",
        "20: …identifiers[0].type: 'pg_id' is reserved",
    ),
    "an odd name of a source": (
        "entities:\n",
        "  CRM: {table: crm, arrived_at: t, event: {type: t, time: t}}\nentities:\n",
        "17: sources.CRM: 'CRM' is not a name that a table or column can have.",
    ),
    "a reserved kind": ("  customer:", "  public:", "18: entities.public: 'public' is reserved"),
    "a schema of the warehouse": (
        "  customer:\n",
        "  customer:\n    schema: main\n",
        "19: …schema: 'main' is a schema of the warehouse itself.",
    ),
    "the schema of the shared tables": (
        "  customer:\n",
        "  customer:\n    schema: cdp\n",
        "19: …schema: cdp is the schema of the shared tables already.",
    ),
    "neither files nor a table": (
        "    table: raw.contacts\n",
        "",
        "13: sources.crm: has neither files nor a table.",
    ),
    "files and a table": (
        "    table: raw.contacts\n",
        "    table: raw.contacts\n    files: crm/{day}/*\n",
        "13: sources.crm: has both files and a table.",
    ),
    "a table without the day of arrival": (
        "    arrived_at: updated_at\n",
        "",
        "13: sources.crm.arrived_at: is missing. A table needs it",
    ),
    "files without the day of arrival": (
        "landing/web/{day}/*",
        "landing/web/*",
        "6: sources.web.files: does not say on which day a file arrived.",
    ),
    "the day twice": (
        "landing/web/{day}/*",
        "landing/{day}/{day}.csv",
        "6: sources.web.files: has {day} 2",
    ),
    "the day and the time of arrival": (
        "landing/web/{day}/*\n",
        "landing/web/{day}/*\n    arrived_at: sent\n",
        "7: sources.web.arrived_at: gives the day of arrival, and so does {day} in `files`.",
    ),
    "an unknown placeholder": (
        "landing/web/{day}/*",
        "landing/web/{date}/{day}",
        "6: sources.web.files: {date} stands for nothing.",
    ),
    "no identifiers": (
        SHOP[SHOP.index("    identifiers:") : SHOP.index("    attributes:")],
        "    identifiers: []\n",
        "19: …identifiers: is empty.",
    ),
    "a share above 1": (
        "    stitching:\n",
        "    checks: {max_null_share: 7}\n    stitching:\n",
        "23: …checks.max_null_share: must be at most 1, and this is the number 7.",
    ),
    "a size below 1": (
        "    stitching:\n",
        "    checks: {max_entity_size: 0}\n    stitching:\n",
        "23: …checks.max_entity_size: must be at least 1, and this is the number 0.",
    ),
    "an undeclared identifier": (
        "identifier: email",
        "identifier: emial",
        "25: …stitching[1].identifier: 'emial' is not declared. Did you mean email? Declared "
        "are crm_id, email, web_id.",
    ),
    "an undeclared source": (
        "source: [web, crm]",
        "source: [web, crn]",
        "25: …stitching[1].source: 'crn' is no source of this project. Did you mean crm?",
    ),
    "an undeclared source of an attribute": (
        "sources: web",
        "sources: [web, app]",
        "27: …attributes[0].sources: 'app' is no source of this project. Declared are crm, web.",
    ),
    "an identifier declared twice": (
        "{type: web_id}",
        "{type: web_id}\n      - {type: crm_id}",
        "23: …identifiers[3].type: 'crm_id' stands in the list already, at project.yaml:20.",
    ),
    "an attribute declared twice": (
        "    attributes:\n",
        "    attributes:\n      - {id: revenue, type: max, value: x}\n",
        "28: …attributes[1].id: 'revenue' stands in the list already, at project.yaml:27.",
    ),
    "a key written twice": (
        "      type: type\n",
        "      type: type\n      id: other\n",
        "11: sources.web.event.id: is written a second time, the first time on line 9. Keep one of the two.",
    ),
    "an operator that YAML takes for a comment": (
        "id: message_id",
        "id: row #>> '{a,b}'",
        "9: sources.web.event.id: is cut before \"#>> '{a,b}'\", for YAML takes ` #` for a comment.",
    ),
    "a number that is none": (
        "default: 0",
        "default: .nan",
        "27: …attributes[0].default: '.nan' cannot be read: it is no finite number.",
    ),
    "a text that cannot be stored": (
        "id: message_id",
        r'id: "a\0b"',
        r"9: sources.web.event.id: 'a\x00b' cannot be read: it has a character that cannot be stored.",
    ),
    "a number beyond 64 bits": (
        "default: 0",
        "default: 9223372036854775808",
        "27: …attributes[0].default: '9223372036854775808' cannot be read: it is beyond 64 bits.",
    ),
    "a number for YAML that is none for Python": (
        "id: message_id",
        "id: 0x_\n      id: a",
        "10: sources.web.event.id: is",
    ),
    "a key that cannot be shown": (
        "id: message_id",
        r'"a\eb": message_id',
        "9: sources.web.event: has a key with a character that cannot be shown. Write a plain word.",
    ),
    "a tag": (
        "id: message_id",
        "id: !secret x",
        "9: sources.web.event.id: 'x' cannot be read: the YAML tag",
    ),
    "a section with a tag": (
        "event: {id:",
        "event: !secret {id:",
        "16: sources.crm.event: has the YAML tag",
    ),
    "a list as a key": (
        "name: shop",
        "? [a]\n: shop\nname: shop",
        "1: has a list or a mapping for a key.",
    ),
    "an alias of itself": (
        "event: {id: contact_id,",
        "event: &event {id: *event,",
        "16: sources.crm.event.id: is an alias of something that it stands in itself",
    ),
    "an identity map about a type that is not declared": (
        "    attributes:\n",
        f"{MAP_OF}webid, column: id}}, persons: {{email: mail}}}}\n    attributes:\n",
        "27: …identity_maps[0].primary.type: 'webid' is not declared. Did you mean web_id? Declared are crm_id,",
    ),
    "an identity map that names a person by a type that is not declared": (
        "    attributes:\n",
        f"{MAP_OF}web_id, column: id}}, persons: {{emial: mail}}}}\n    attributes:\n",
        "27: …identity_maps[0].persons.emial: 'emial' is not declared. Did you mean email? Declared are crm_id,",
    ),
    "an identity map that names nobody": (
        "    attributes:\n",
        f"{MAP_OF}web_id, column: id}}, persons: {{}}}}\n    attributes:\n",
        "27: …identity_maps[0].persons: is empty. Name the column for one type of identifier at least, such as {email:",
    ),
    "an identity map without its primary id": (
        "    attributes:\n",
        "    identity_maps: [{table: raw.map, persons: {email: mail}}]\n    attributes:\n",
        "26: …identity_maps[0].primary: is missing.",
    ),
}


@pytest.mark.parametrize(("old", "new", "message"), ONE_MISTAKE.values(), ids=ONE_MISTAKE.keys())
def test_one_mistake_is_one_error_that_says_what_would_be_accepted(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    (found,) = mistakes(tmp_path, replaced(old, new))
    assert found.startswith("project.yaml:" + message.replace("…", "entities.customer."))


def test_no_message_shows_where_pydantic_explains_itself(tmp_path: Path) -> None:
    every = "\n".join(
        found
        for number, (old, new, _) in enumerate(ONE_MISTAKE.values())
        for found in mistakes(tmp_path / str(number), replaced(old, new))
    )
    assert not re.search("pydantic|http|Input should|validation", every)
