"""The table of forms: functions of ours, and PostgreSQL's that an engine spells differently.

A statement says `cdp_hash(...)`; each engine's row here says what that is called there. Ours are:

    cdp_hash(part, …)        UUID of the first 16 bytes of SHA-256 over the parts, joined by U+001F
    cdp_hmac(text, i, o)     hex of HMAC-SHA256 (RFC 2104) of the text; the inner and the outer key are hex
    cdp_try_json(text)       jsonb, or NULL when the text is no JSON
    cdp_try_time(text)       timestamptz of an ISO 8601 text, without a zone UTC; NULL when it is not readable
    cdp_json_kind(jsonb)     object, array, string, integer, number, boolean or null; a whole number may be either
    cdp_json_texts(jsonb)    text[]: the elements of an array, each as text; of anything else the one text of it
    cdp_json_kinds(jsonb)    text[]: the kinds of what cdp_json_texts gives
    cdp_size(array)          how many elements an array has
    cdp_places(array)        bigint[]: 0, 1, 2… for each element of an array
    cdp_text(jsonb)          the text of a jsonb: of a string its content, of the rest its JSON; JSON null is NULL
    cdp_path_text(jsonb, k…) the text at a path of keys and places
    cdp_path(jsonb, k…)      the jsonb at a path of keys and places
    cdp_path_kind(jsonb, k…) the kind of what is at a path of keys and places, in the engine's own words
    cdp_path_texts(jsonb, (k…), …)  text[]: the texts at several paths, taken in one pass
    cdp_paths(jsonb, (k…), …)       jsonb[]: the values at several paths, taken in one pass
    cdp_path_kinds(jsonb, (k…), …)  text[]: the kinds of the values at several paths, in the engine's own words
    cdp_kind_name(text)             the kind that the engine's own word means
    cdp_digits(text)         its digits
    cdp_number_text(number)  its text; of a whole double without a fraction
    cdp_whole(text, null)    the text as a whole number of the type of `null`; an error when it is none
    cdp_exact(text, null)    the text as a numeric of the type of `null`; an error when it is none
    cdp_quick_exact(text, null)  the same, or NULL: when it is none, and wherever the engine takes long to tell
    cdp_divide(a, b)         a / b in double precision; division by zero is an error
    cdp_like, cdp_ilike      like and ilike, where a backslash escapes
    cdp_matches(text, re)    whether a regular expression matches somewhere in the text
    cdp_first(value, key, …) aggregate: the value that comes first by the keys; NULL is the greatest of a key
    cdp_last(value, key, …)  aggregate: the value that comes last by the keys
    cdp_weight(number)       numeric(38,9): the number, 1 for NULL; an error when it is negative
    cdp_any(value)           aggregate: the smallest value that is not NULL, of a type that has no min() everywhere
    cdp_ordered(value, key)  aggregate: an array of the values in the order of a key
    cdp_gathered(value, key) aggregate: jsonb array of the values that are not NULL in the order of a key; or NULL
    cdp_average(numeric)     aggregate: numeric(38,9), rounded half away from zero
    cdp_sum(numeric)         aggregate: numeric(38,9); an error when it is too large for that
    cdp_list(value)          aggregate: jsonb array of the distinct values, ascending; NULL over none
    cdp_list_double(value)   the same of double precision
    cdp_json_time(timestamptz) the text of a time in PostgreSQL's JSON: 2026-01-31T10:00:00+00:00
    cdp_json_double(double)  jsonb: a number, or what no JSON number can be as text: "NaN", "Infinity", "-Infinity"
    cdp_object(key, value, …) jsonb object
    cdp_dressed(value)       a time or a double as its JSON is on every engine, for cdp_object and cdp_row_text
    cdp_row_text(key, value, …) the same as text: in this order, without blanks, equal on every engine
    cdp_to_json(value)       jsonb of any value
    cdp_fingerprint(text)    aggregate: a text that differs when the texts differ, whatever their order
    cdp_try(value, null)     the value, or NULL where working it out is an error; `null` is of the value's type
    cdp_some_text()          a text that nobody knows yet, by which an engine tells the types of what is made of it

What users' SQL may say needs more of them. `cdp_` with the name of a function of PostgreSQL's is that function, see
`functions`; besides there are:

    cdp_elements(jsonb)      jsonb[]: an array's elements; none of NULL and JSON null, an error for anything else
    cdp_element_texts(jsonb) text[]: the same, each as text
    cdp_keys(jsonb)          text[]: an object's keys, by length and bytes
    cdp_field(jsonb, key)    the jsonb of a key that is calculated; cdp_field_text gives its text
    cdp_series(a, b)         bigint[]: the whole numbers from a to b
    cdp_json_text(jsonb)     PostgreSQL's canonical text
    cdp_json_order(value)    of a jsonb its canonical text, by which it is ordered; of anything else NULL
    cdp_json_contains(a, b)  a @> b
    cdp_json_has(jsonb, key) jsonb ? key
    cdp_any_of(value, array) value = any (array)
    cdp_divide_whole(a, b)   a / b of whole numbers; division by zero is an error
    cdp_divide_numeric(a, b) a / b of numeric(38,9) as such, rounded half away from zero; by zero an error
    cdp_imatches(text, re)   ~*
    cdp_substring_match(text, re) substring(text from re)
    cdp_round_even(double)   round(double precision)
    cdp_seconds(time)        extract(second from time), with its fraction
    cdp_array_agg, cdp_jsonb_agg, cdp_percentile_cont, cdp_percentile_disc, cdp_mode   aggregates of users' queries
"""

from collections.abc import Callable

from sqlglot import exp

from cdp_pipeline.sql.duckdb_forms import FORMS as DUCKDB_FORMS
from cdp_pipeline.sql.duckdb_functions import FUNCTIONS as DUCKDB_FUNCTIONS
from cdp_pipeline.sql.postgres_forms import FORMS as POSTGRES_FORMS
from cdp_pipeline.sql.postgres_functions import FUNCTIONS as POSTGRES_FUNCTIONS
from cdp_pipeline.sql.templates import Form

FORMS: dict[str, dict[str, Form]] = {
    "duckdb": {**DUCKDB_FORMS, **DUCKDB_FUNCTIONS},
    "postgres": {**POSTGRES_FORMS, **POSTGRES_FUNCTIONS},
}


TEMPORARY_SCHEMAS = {"duckdb": "temp", "postgres": "pg_temp"}


def apply_forms(tree: exp.Expr, dialect: str) -> exp.Expr:
    """Puts the engine's own forms in the place of ours, innermost first.

    A table without a schema is a temporary one. Where it is dropped that has to be said, or else a table of the user's
    with the same name would be dropped while there is no temporary one.
    """
    forms = FORMS[dialect]
    dropped = tree.find(exp.Table) if isinstance(tree, exp.Drop) else None
    if dropped is not None and not dropped.db:
        dropped.set("db", exp.to_identifier(TEMPORARY_SCHEMAS[dialect]))

    def rewrite(node: exp.Expr) -> exp.Expr:
        if isinstance(node, exp.Anonymous) and node.name.lower() in forms:
            return forms[node.name.lower()](node.expressions)
        return _spread(node) if isinstance(node, (exp.Filter, exp.Window)) else node

    return rewrite_up(tree, rewrite)


def _spread(node: exp.Expr) -> exp.Expr:
    """FILTER and OVER belong to each aggregate of which a form consists."""
    if not isinstance(node.this, exp.Paren):
        return node
    form = node.this.copy()
    for aggregate in _outermost(form):
        spread = node.copy()
        spread.set("this", aggregate.copy())
        aggregate.replace(spread)
    return form


def _outermost(node: exp.Expr) -> list[exp.Expr]:
    """The aggregates below a node, without those within others."""
    if isinstance(node, (exp.AggFunc, exp.Filter, exp.WithinGroup)):
        return [node]
    return [aggregate for child in node.iter_expressions() for aggregate in _outermost(child)]


def rewrite_up(tree: exp.Expr, rewrite: Callable[[exp.Expr], exp.Expr]) -> exp.Expr:
    """Rewrites every node of the tree in place, children before their parents; returns the root."""
    for node in list(tree.dfs())[::-1]:
        replacement = rewrite(node)
        if replacement is node:
            continue
        if node is tree:
            return replacement
        node.replace(replacement)
    return tree
