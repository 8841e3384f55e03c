"""What expressions over a row have in common is worked out once, and nothing that a branch would have spared."""

import sqlglot
from sqlglot import exp

from cdp_pipeline.sql.shared_parts import Shared, share_parts

NUMBER = "cdp_exact((places[1]), cast(null as numeric(38, 9)))"


def shared(*texts: str) -> Shared:
    return share_parts([sqlglot.parse_one(text, read="postgres") for text in texts], "_s")


def below(found: Shared) -> list[str]:
    """Return what is worked out below the expressions."""
    return [tree.sql("postgres").lower() for level in found.levels for _, tree in level]


def test_places_numbers_and_first_conditions_are_worked_out_once() -> None:
    texts = (f"case when f.type in ('order') then {NUMBER} end", f"case when f.type in ('order') then {NUMBER} + 1 end")
    found = shared(*texts)
    place, number, condition = below(found)
    assert place == "places[1]"
    assert number.startswith("cdp_quick_exact((_s_place_0)")
    assert condition == "f.type in ('order')"
    assert not any(tree.find(exp.Bracket, exp.In) for tree in found.trees)
    assert all(tree.find(exp.Coalesce) for tree in found.trees)  # what is not read quickly is read where it stood


def test_what_stands_once_stays_where_it_is() -> None:
    found = shared(f"case when f.type in ('order') then {NUMBER} end", "f.type")
    assert found.levels == []


def test_what_a_branch_spares_stays_in_it() -> None:
    spared = (
        "case when f.type in ('a') then 1 when cast(f.version as integer) > 2 then tags[cast(f.version as integer)] end"
    )
    found = shared(spared, spared.replace("then 1", "then 3"))
    assert below(found) == ["f.type in ('a')"]
