"""The keys that say who may be one with whom: limits, guards, identity maps."""

from pathlib import Path

import pytest

from cdp_pipeline.config.guards import Guards, PublishGuards
from cdp_pipeline.config.loader import load_project, read_project
from cdp_pipeline.config.model import Entity, IdentityMap, MapPrimary
from cdp_pipeline_tests.config.projects import SHOP, mistakes, replaced, write_project

MAP = "{table: raw.map, primary: {type: web_id, column: id}, persons: {crm_id: crm, email: mail}}"
ATTRIBUTES = "    attributes:\n"


def with_map(old: str = "", new: str = "") -> str:
    """Return the small project with an identity map in lines 26 and 27, one text of which is replaced."""
    assert not old or MAP.count(old) == 1
    return replaced(ATTRIBUTES, f"    identity_maps:\n      - {MAP.replace(old, new) if old else MAP}\n{ATTRIBUTES}")


def with_guards(guards: str) -> str:
    """Return the small project with guards in line 26."""
    return replaced(ATTRIBUTES, f"    guards: {guards}\n{ATTRIBUTES}")


def with_type(keys: str) -> str:
    """Return the small project with further keys of its first type of identifier, in line 20."""
    return replaced("{type: crm_id}", f"{{type: crm_id, {keys}}}")


def customer(folder: Path, text: str) -> Entity:
    return load_project(write_project(folder, text), {}).entities["customer"]


# What arrives


def test_left_out_all_have_the_defaults_of_the_contract(tmp_path: Path) -> None:
    plain = customer(tmp_path, SHOP)
    first = plain.identifiers[0]
    assert (first.max_per_entity, first.max_links, first.bridge, first.when_shared) == (None, None, True, "by_time")
    assert plain.identity_maps == []
    assert plain.guards == Guards(
        max_identifiers=1000,
        max_links="auto",
        publish=PublishGuards(min_entities=1000, max_share_merged=0.05, max_growth=100),
    )


def test_every_key_arrives_with_what_was_written(tmp_path: Path) -> None:
    text = with_guards(
        "{max_identifiers: 7, max_links: 9, publish: {min_entities: 0, max_share_merged: 1, max_growth: 3}}"
    )
    text = text.replace("{type: crm_id}", "{type: crm_id, max_per_entity: 1, max_links: auto}")
    text = text.replace("{type: web_id}", "{type: web_id, max_links: 8, bridge: false, when_shared: nobody}")
    more = "resolve: all, updated_at: at, deleted: gone, mode: snapshot"
    text += f"    identity_maps: [{MAP[:-1]}, {more}}}, {MAP}]\n"
    found = customer(tmp_path, text)
    first, _, last = found.identifiers
    assert (first.max_per_entity, first.max_links, first.bridge, first.when_shared) == (1, "auto", True, "by_time")
    assert (last.max_per_entity, last.max_links, last.bridge, last.when_shared) == (None, 8, False, "nobody")
    publish = PublishGuards(min_entities=0, max_share_merged=1, max_growth=3)
    assert found.guards == Guards(max_identifiers=7, max_links=9, publish=publish)
    whole, plain = found.identity_maps
    primary, persons = MapPrimary(type="web_id", column="id"), {"crm_id": "crm", "email": "mail"}
    assert plain == IdentityMap(table="raw.map", primary=primary, persons=persons)
    assert (plain.resolve, plain.updated_at, plain.deleted, plain.mode) == ("first", None, None, "mirror")
    assert (whole.resolve, whole.updated_at, whole.deleted, whole.mode) == ("all", "at", "gone", "snapshot")


RIGHT = {
    "a snapshot without the time of a change": with_map("email: mail}", "email: mail}, mode: snapshot"),
    "old ids and new ones": with_map("crm_id: crm, email: mail", "web_id: new_id"),
    "two types in one column": with_map("crm_id: crm, email: mail", "crm_id: either, email: either"),
    "one type that bridges": with_type("bridge: false").replace("{type: web_id}", "{type: web_id, bridge: false}"),
    "no guards at all": with_guards("{}"),
    "a gate that never holds back": with_guards("{publish: {max_share_merged: 1}}"),
}


@pytest.mark.parametrize("text", RIGHT.values(), ids=RIGHT.keys())
def test_what_is_right_is_accepted(tmp_path: Path, text: str) -> None:
    assert mistakes(tmp_path, text) == []


def test_identity_maps_may_live_in_files_of_their_own(tmp_path: Path) -> None:
    text = replaced(ATTRIBUTES, "    identity_maps: {files: maps/*.yaml}\n" + ATTRIBUTES)
    files = {"maps/a.yaml": f"- {MAP}\n", "maps/b.yaml": MAP.replace("{crm_id: crm, email: mail}", "{}")}
    assert mistakes(tmp_path, text, files) == [
        "maps/b.yaml:1: entities.customer.identity_maps[1].persons: is empty. Name the column for one type of "
        "identifier at least, such as {email: email}."
    ]


# What is refused: the project, and the mistake as a user reads it, or how it begins. … stands for `entities.customer.`.

IN_MAP = "27: …identity_maps[0]."
ONE_MISTAKE = {
    "an undeclared primary type": (
        with_map("type: web_id", "type: web"),
        IN_MAP + "primary.type: 'web' is not declared. Did you mean web_id? Declared are crm_id, email, web_id.",
    ),
    "an undeclared type of person": (
        with_map("email: mail", "emial: mail"),
        IN_MAP + "persons.emial: 'emial' is not declared. Did you mean email? Declared are crm_id, email, web_id.",
    ),
    "nobody": (
        with_map("{crm_id: crm, email: mail}", "{}"),
        IN_MAP + "persons: is empty. Name the column for one type of identifier at least, such as {email: email}.",
    ),
    "persons without columns": (
        with_map("{crm_id: crm, email: mail}", "[crm_id]"),
        IN_MAP + "persons: must be a mapping of names, and this is a list. The ids of the person: for each type",
    ),
    "the primary column for a person": (
        with_map("crm_id: crm", "crm_id: id"),
        IN_MAP
        + "persons.crm_id: 'id' is `primary.column` already, so that it says nothing about who that is. Name the "
        "column that holds the person's crm_id.",
    ),
    "a person for the time": (
        with_map("email: mail}", "email: mail}, updated_at: mail"),
        IN_MAP + "updated_at: 'mail' is `persons.email` already. Name the column that holds the time of a row's last "
        "change, or leave the key out.",
    ),
    "the primary column for the time": (
        with_map("email: mail}", "email: mail}, updated_at: id"),
        IN_MAP + "updated_at: 'id' is `primary.column` already.",
    ),
    "the time for what is deleted": (
        with_map("email: mail}", "email: mail}, updated_at: at, deleted: at"),
        IN_MAP + "deleted: 'at' is `updated_at` already. Name the column that holds whether a row is deleted, or",
    ),
    "a misspelt key of a map": (
        with_map("email: mail}", "email: mail}, updated: at"),
        IN_MAP
        + "updated: 'updated' is not a key that is known here. Did you mean updated_at? Accepted are table, primary,"
        " persons, resolve, updated_at, deleted, mode.",
    ),
    "a map without a table": (
        with_map("table: raw.map, ", ""),
        IN_MAP + "table: is missing. It is needed: A table of the same warehouse, such as raw.identity_map.",
    ),
    "an unknown mode": (
        with_map("email: mail}", "email: mail}, mode: append"),
        IN_MAP + "mode: 'append' is not accepted here. Accepted: mirror, snapshot.",
    ),
    "an unknown way to resolve": (
        with_map("email: mail}", "email: mail}, resolve: frist"),
        IN_MAP + "resolve: 'frist' is not accepted here. Did you mean first? Accepted: first, all.",
    ),
    "no identifiers per entity": (
        with_type("max_per_entity: 0"),
        "20: …identifiers[0].max_per_entity: must be at least 1, and this is the number 0. How many values of this",
    ),
    "a word for a number of identifiers": (
        with_type("max_per_entity: one"),
        "20: …identifiers[0].max_per_entity: must be a whole number, and 'one' is a text.",
    ),
    "a word for a number of links": (
        with_type("max_links: automatic"),
        "20: …identifiers[0].max_links: 'automatic' is no number of links. Write a whole number from 1 on, or auto.",
    ),
    "no links": (
        with_type("max_links: 0"),
        "20: …identifiers[0].max_links: 0 is no number of links. Write a whole number from 1 on, or auto.",
    ),
    "a text for a bridge": (
        with_type("bridge: 'false'"),
        "20: …identifiers[0].bridge: must be true or false, and 'false' is a text. Write it without quotes.",
    ),
    "an unknown owner": (
        with_type("when_shared: last_logni"),
        "20: …identifiers[0].when_shared: 'last_logni' is not accepted here. Did you mean last_login? Accepted: "
        "by_time, last_login, nobody.",
    ),
    "no bridge at all": (
        with_type("bridge: false")
        .replace("{type: web_id}", "{type: web_id, bridge: false}")
        .replace("{type: email,", "{type: email, bridge: false,"),
        "20: …identifiers[0].bridge: is false, as it is for every other type: nothing could ever be joined. Leave it "
        "out (true) where a value proves that two people are one,",
    ),
    "a misspelt guard": (
        with_guards("{max_identifer: 5}"),
        "26: …guards.max_identifer: 'max_identifer' is not a key that is known here. Did you mean max_identifiers? "
        "Accepted are max_identifiers, max_links, publish.",
    ),
    "a guard that lets nobody in": (
        with_guards("{max_identifiers: 0}"),
        "26: …guards.max_identifiers: must be at least 1, and this is the number 0.",
    ),
    "a guard with a fraction of a link": (
        with_guards("{max_links: 1.5}"),
        "26: …guards.max_links: 1.5 is no number of links. Write a whole number from 1 on, or auto.",
    ),
    "a percentage for a share": (
        with_guards("{publish: {max_share_merged: 5}}"),
        "26: …guards.publish.max_share_merged: must be at most 1, and this is the number 5. The share of published",
    ),
    "no growth": (
        with_guards("{publish: {max_growth: 0}}"),
        "26: …guards.publish.max_growth: must be at least 1, and this is the number 0.",
    ),
    "fewer entities than none": (
        with_guards("{publish: {min_entities: -1}}"),
        "26: …guards.publish.min_entities: must be at least 0, and this is the number -1.",
    ),
    "a misspelt key of the gate": (
        with_guards("{publish: {max_grow: 5}}"),
        "26: …guards.publish.max_grow: 'max_grow' is not a key that is known here. Did you mean max_growth? Accepted",
    ),
}


@pytest.mark.parametrize(("text", "message"), ONE_MISTAKE.values(), ids=ONE_MISTAKE.keys())
def test_one_mistake_is_one_error_that_says_what_would_be_accepted(tmp_path: Path, text: str, message: str) -> None:
    (found,) = mistakes(tmp_path, text)
    assert found.startswith("project.yaml:" + message.replace("…", "entities.customer."))


# The project, and the paths of all errors: the cause and nothing that follows.
FOLLOWED = {
    "a type that a map names": (
        with_map().replace("{type: web_id}", "{type: web_id, pii: 1}"),
        ["identifiers[2].pii"],
    ),
    "types that could not be read": (
        with_map("email: mail", "emial: mail").replace("{type: web_id}", "5"),
        ["identifiers[2]"],
    ),
    "the only bridge": (
        with_type("bridge: false")
        .replace("{type: web_id}", "{type: web_id, bridge: false}")
        .replace("{type: email,", "{type: email, pii: 1,")
        .replace(", pii: true}", "}"),
        ["identifiers[1].pii"],
    ),
    "one of two maps": (
        with_map("crm_id: crm", "crm_id: 5") + "    checks: {max_null_share: 7}\n",
        ["checks.max_null_share", "identity_maps[0].persons.crm_id"],
    ),
    "several mistakes of one map": (
        with_map("crm_id: crm, email: mail", "fax: id, email: id").replace("type: web_id, column", "type: web, column"),
        [
            "identity_maps[0].persons.email",
            "identity_maps[0].persons.fax",
            "identity_maps[0].persons.fax",
            "identity_maps[0].primary.type",
        ],
    ),
}


@pytest.mark.parametrize(("text", "paths"), FOLLOWED.values(), ids=FOLLOWED.keys())
def test_what_follows_from_a_mistake_is_not_reported(tmp_path: Path, text: str, paths: list[str]) -> None:
    _, errors = read_project(write_project(tmp_path, text), {})
    assert sorted(error.path for error in errors) == [f"entities.customer.{path}" for path in paths]


def test_a_map_with_a_mistake_is_left_out_and_the_others_stay(tmp_path: Path) -> None:
    text = with_map("email: mail", "emial: mail").replace(ATTRIBUTES, f"      - {MAP}\n{ATTRIBUTES}")
    project, errors = read_project(write_project(tmp_path, text), {})
    assert [error.line for error in errors] == [27]
    assert project is not None
    assert [list(each.persons) for each in project.entities["customer"].identity_maps] == [["crm_id", "email"]]
