"""The table of forms: functions of ours, and PostgreSQL's that an engine spells differently.

A statement says `cdp_hash(...)`; each engine's row here says what that is called there. Ours are:

    cdp_hash(part, …)        UUID of the first 16 bytes of SHA-256 over the parts, joined by U+001F
    cdp_try_json(text)       jsonb, or NULL when the text is no JSON
    cdp_try_time(text)       timestamptz of an ISO 8601 text, without a zone UTC; NULL when it is not readable
    cdp_json_kind(jsonb)     object, array, string, integer, number (with a fraction), boolean or null
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
    cdp_whole(text, null)    the text as a whole number of the type of `null`; an error when it is none
    cdp_divide(a, b)         a / b in double precision; division by zero is an error
    cdp_like, cdp_ilike      like and ilike, where a backslash escapes
    cdp_matches(text, re)    whether a regular expression matches somewhere in the text
    cdp_first(value, k1, k2) aggregate: the value that comes first by two keys
    cdp_last(value, k1, k2)  aggregate: the value that comes last by two keys
    cdp_any(value)           aggregate: the smallest value that is not NULL, of a type that has no min() everywhere
    cdp_ordered(value, key)  aggregate: an array of the values in the order of a key
    cdp_average(numeric)     aggregate: numeric(38,9), rounded half away from zero
    cdp_sum(numeric)         aggregate: numeric(38,9); an error when it is too large for that
    cdp_list(value)          aggregate: jsonb array of the distinct values, ascending; NULL over none
    cdp_list_double(value)   the same of double precision
    cdp_json_time(timestamptz) the text of a time in PostgreSQL's JSON: 2026-01-31T10:00:00+00:00
    cdp_json_double(double)  jsonb: a number, or what no JSON number can be as text: "NaN", "Infinity", "-Infinity"
    cdp_object(key, value, …) jsonb object
    cdp_to_json(value)       jsonb of any value
    cdp_fingerprint(text)    aggregate: a text that differs when the texts differ, whatever their order
    cdp_try(value)           the value, or NULL where working it out is an error
"""

from collections.abc import Callable, Sequence

import sqlglot
from sqlglot import exp

Form = Callable[[Sequence[exp.Expr]], exp.Expr]

ISO_TIME = r"^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?( ?(Z|z|[+-](0\d|1[0-5])(:?[0-5]\d)?))?)?$"


def _template(text: str, dialect: str) -> Form:
    """A form written as text in the engine's own dialect, with the arguments as :a, :b, :c."""
    tree = sqlglot.parse_one(text, read=dialect)

    def fill(arguments: Sequence[exp.Expr]) -> exp.Expr:
        filled = tree.copy()
        names = dict(zip("abcdef", arguments, strict=False))
        if isinstance(filled, exp.Placeholder):
            return names[filled.name].copy()
        for place in list(filled.find_all(exp.Placeholder)):
            if place.name in names:
                place.replace(names[place.name].copy())
        return exp.paren(filled, copy=False)

    return fill


def json_path(keys: Sequence[exp.Expr]) -> exp.Literal:
    """DuckDB's path text for keys and places: `$."a"[0]`."""
    steps = ["$"]
    for key in keys:
        if isinstance(key, exp.Literal) and not key.is_string:
            steps.append(f"[{key.name}]")
        elif isinstance(key, exp.Neg):
            steps.append(f"[#-{key.this.name}]")
        else:
            escaped = key.name.replace("\\", "\\\\").replace('"', '\\"')
            steps.append(f'."{escaped}"')
    return exp.Literal.string("".join(steps))


def _duckdb_hash(arguments: Sequence[exp.Expr]) -> exp.Expr:
    parts = [exp.func("chr", exp.Literal.number(31)), *(argument.copy() for argument in arguments)]
    text = exp.Anonymous(this="concat_ws", expressions=parts)
    digest = exp.func("substr", exp.Anonymous(this="sha256", expressions=[text]), "1", "32")
    return exp.cast(digest, "uuid")


def _duckdb_path(function: str) -> Form:
    def fill(arguments: Sequence[exp.Expr]) -> exp.Expr:
        return exp.Anonymous(this=function, expressions=[arguments[0].copy(), json_path(arguments[1:])])

    return fill


def _duckdb_paths(function: str) -> Form:
    def fill(arguments: Sequence[exp.Expr]) -> exp.Expr:
        paths = [json_path(keys.expressions) for keys in arguments[1:]]
        return exp.Anonymous(this=function, expressions=[arguments[0].copy(), exp.Array(expressions=paths)])

    return fill


def _duckdb_whole(arguments: Sequence[exp.Expr]) -> exp.Expr:
    to = arguments[1].args["to"].sql("duckdb")
    text = "CASE WHEN regexp_full_match(trim(:a), '[+-]?[0-9]+') THEN trim(:a) ELSE 'no whole number: ' || :a END"
    return _template(f"CAST({text} AS {to})", "duckdb")(arguments)


# DuckDB reads most ISO 8601 texts as they stand; it wants seconds, and no blank before the zone.
_DUCKDB_TIME = (
    f"CASE WHEN regexp_matches(:a, '{ISO_TIME}') AND left(:a, 4) <> '0000' THEN coalesce(TRY_CAST(:a AS TIMESTAMPTZ), "
    "TRY_CAST(regexp_replace(upper(regexp_replace(:a, ' ?(Z|z|[+-]\\d\\d(:?\\d\\d)?)$', '\\1')), "
    "'^(.{10}[T ]\\d\\d:\\d\\d)([Z+-].*)?$', '\\1:00\\2') AS TIMESTAMPTZ)) END"
)
_DUCKDB_KIND = (
    "CASE {0} WHEN 'OBJECT' THEN 'object' WHEN 'ARRAY' THEN 'array' WHEN 'VARCHAR' THEN 'string' "
    "WHEN 'BOOLEAN' THEN 'boolean' WHEN 'NULL' THEN 'null' WHEN 'UBIGINT' THEN 'integer' WHEN 'BIGINT' THEN 'integer' "
    "WHEN 'DOUBLE' THEN 'number' END"
)
# JSON that is known to be valid tells its kind by its first character, without being parsed again.
_DUCKDB_KIND_OF_TEXT = (
    "CASE left(ltrim(CAST(:a AS VARCHAR), ' ' || chr(9) || chr(10) || chr(13)), 1) WHEN '{' THEN 'object' "
    "WHEN '[' THEN 'array' WHEN '\"' THEN 'string' WHEN 't' THEN 'boolean' WHEN 'f' THEN 'boolean' "
    f"WHEN 'n' THEN 'null' ELSE {_DUCKDB_KIND.format('json_type(:a)')} END"
)
# The sum in whole billionths, twice, plus or minus the count: integer division then rounds half away from zero.
_DUCKDB_AVERAGE = (
    "CAST((CAST(replace(CAST(sum(:a) AS VARCHAR), '.', '') AS HUGEINT) * 2 + "
    "CASE WHEN sum(:a) < 0 THEN -count(:a) ELSE count(:a) END) // (2 * count(:a)) AS DECIMAL(38, 0)) "
    "* CAST(0.000000001 AS DECIMAL(10, 9))"
)
# A sum of decimals may wrap around silently; one of doubles tells how large it is.
_DUCKDB_SUM = (
    "CASE WHEN abs(sum(CAST(:a AS DOUBLE))) < 1e29 THEN sum(:a) WHEN count(:a) > 0 THEN "
    "CAST('the sum is too large for numeric(38,9)' || left(CAST(count(:a) AS VARCHAR), 0) AS DECIMAL(38, 9)) END"
)
_DUCKDB_LIST = "list_sort(list(DISTINCT :a) FILTER (WHERE :a IS NOT NULL))"
_DUCKDB_JSON_DOUBLE = (
    "CASE WHEN isfinite({0}) OR {0} IS NULL THEN to_json({0}) WHEN isnan({0}) THEN CAST('\"NaN\"' AS JSON) "
    "WHEN {0} > 0 THEN CAST('\"Infinity\"' AS JSON) ELSE CAST('\"-Infinity\"' AS JSON) END"
)

FORMS: dict[str, dict[str, Form]] = {
    "duckdb": {
        "cdp_hash": _duckdb_hash,
        "cdp_try_json": _template("TRY_CAST(:a AS JSON)", "duckdb"),
        "cdp_try_time": _template(_DUCKDB_TIME, "duckdb"),
        "cdp_json_kind": _template(_DUCKDB_KIND_OF_TEXT, "duckdb"),
        "cdp_json_texts": _template(
            "CASE WHEN json_type(:a) = 'ARRAY' THEN json_extract_string(:a, '$[*]') "
            "ELSE [json_extract_string(:a, '$')] END",
            "duckdb",
        ),
        "cdp_json_kinds": _template(
            "list_transform(CASE WHEN json_type(:a) = 'ARRAY' THEN json_type(:a, '$[*]') ELSE [json_type(:a)] END, "
            f"lambda k: {_DUCKDB_KIND.format('k')})",
            "duckdb",
        ),
        "cdp_size": _template("len(:a)", "duckdb"),
        "cdp_places": _template("range(len(:a))", "duckdb"),
        "cdp_text": _template("json_extract_string(:a, '$')", "duckdb"),
        "cdp_path_text": _duckdb_path("json_extract_string"),
        "cdp_path": _duckdb_path("json_extract"),
        "cdp_path_kind": _duckdb_path("json_type"),
        "cdp_path_kinds": _duckdb_paths("json_type"),
        "cdp_kind_name": _template(_DUCKDB_KIND.format("(:a)"), "duckdb"),
        "cdp_path_texts": _duckdb_paths("json_extract_string"),
        "cdp_paths": _duckdb_paths("json_extract"),
        "cdp_whole": _duckdb_whole,
        "cdp_divide": _template(
            "CASE WHEN CAST(:b AS DOUBLE) = 0 THEN CAST('division by zero' || left(CAST(:b AS TEXT), 0) AS DOUBLE) "
            "ELSE CAST(:a AS DOUBLE) / CAST(:b AS DOUBLE) END",
            "duckdb",
        ),
        "cdp_like": _template("(:a LIKE :b ESCAPE '\\')", "duckdb"),
        "cdp_ilike": _template("(:a ILIKE :b ESCAPE '\\')", "duckdb"),
        "cdp_digits": _template("regexp_replace(:a, '[^0-9]', '', 'g')", "duckdb"),
        "cdp_matches": _template("regexp_matches(:a, :b)", "duckdb"),
        "cdp_first": _template("arg_min(:a, struct_pack(k1 := :b, k2 := :c)) FILTER (WHERE :a IS NOT NULL)", "duckdb"),
        "cdp_last": _template("arg_max(:a, struct_pack(k1 := :b, k2 := :c)) FILTER (WHERE :a IS NOT NULL)", "duckdb"),
        "cdp_ordered": _template(
            "list_transform(list_sort(list(struct_pack(k := :b, v := :a))), lambda s: s.v)", "duckdb"
        ),
        "cdp_any": _template("min(:a)", "duckdb"),
        "cdp_average": _template(_DUCKDB_AVERAGE, "duckdb"),
        "cdp_sum": _template(_DUCKDB_SUM, "duckdb"),
        "cdp_list": _template(f"to_json({_DUCKDB_LIST})", "duckdb"),
        "cdp_list_double": _template(
            f"to_json(list_transform({_DUCKDB_LIST}, lambda x: {_DUCKDB_JSON_DOUBLE.format('x')}))", "duckdb"
        ),
        "cdp_json_time": _template(
            "rtrim(rtrim(strftime(:a, '%Y-%m-%dT%H:%M:%S.%f'), '0'), '.') || '+00:00'", "duckdb"
        ),
        "cdp_json_double": _template(_DUCKDB_JSON_DOUBLE.format(":a"), "duckdb"),
        "cdp_object": lambda arguments: exp.Anonymous(this="json_object", expressions=list(arguments)),
        "cdp_to_json": _template("to_json(:a)", "duckdb"),
        "cdp_fingerprint": _template("CAST(sum(hash(:a)) AS VARCHAR)", "duckdb"),
        "cdp_try": _template("TRY(:a)", "duckdb"),
    }
}


def apply_forms(tree: exp.Expr, dialect: str) -> exp.Expr:
    """Puts the engine's own forms in the place of ours, innermost first."""
    forms = FORMS[dialect]

    def rewrite(node: exp.Expr) -> exp.Expr:
        if isinstance(node, exp.Anonymous) and node.name.lower() in forms:
            return forms[node.name.lower()](node.expressions)
        return node

    return rewrite_up(tree, rewrite)


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
