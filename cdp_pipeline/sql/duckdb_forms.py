"""DuckDB's row of the table of forms; what each form means stands in `forms`."""

from collections.abc import Sequence

from sqlglot import exp

from cdp_pipeline.sql.templates import ISO_TIME, Form, template


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


# PostgreSQL's JSON has a time as 2026-01-31T10:00:00+00:00 and a whole double as 7, DuckDB's as it prints them.
_DUCKDB_VALUE = (
    "CASE WHEN typeof(:a) = 'TIMESTAMP WITH TIME ZONE' THEN to_json(replace(CAST(:a AS VARCHAR), ' ', 'T') || ':00') "
    "WHEN typeof(:a) LIKE 'TIMESTAMP%' THEN to_json(replace(CAST(:a AS VARCHAR), ' ', 'T')) "
    "WHEN typeof(:a) = 'DOUBLE' THEN CASE CAST(:a AS VARCHAR) WHEN 'nan' THEN to_json('NaN') "
    "WHEN 'inf' THEN to_json('Infinity') WHEN '-inf' THEN to_json('-Infinity') "
    "ELSE CAST(regexp_replace(CAST(:a AS VARCHAR), '\\.0$', '') AS JSON) END ELSE to_json(:a) END"
)


_FAST_DIGITS = 18


def _duckdb_whole(arguments: Sequence[exp.Expr]) -> exp.Expr:
    to = arguments[1].args["to"].sql("duckdb")
    text = "CASE WHEN regexp_full_match(trim(:a), '[+-]?[0-9]+') THEN trim(:a) ELSE 'no whole number: ' || :a END"
    return template(f"CAST({text} AS {to})", "duckdb")(arguments)


def _duckdb_by_keys(function: str) -> Form:
    def fill(arguments: Sequence[exp.Expr]) -> exp.Expr:
        # One key of bytes for each row, shared by all aggregates in that order: structs are compared field by field.
        ascending = exp.Literal.string("ASC NULLS LAST")
        keys = [part for key in arguments[1:] for part in (key.copy(), ascending.copy())]
        order = exp.Anonymous(this="create_sort_key", expressions=keys)
        # Values that are NULL are left out without a FILTER, for which DuckDB would cut all columns of all aggregates.
        return exp.Anonymous(this=function, expressions=[arguments[0].copy(), order])

    return fill


def _duckdb_try(arguments: Sequence[exp.Expr]) -> exp.Expr:
    """TRY, within a CASE whose condition always holds.

    What several expressions share DuckDB works out once, before them, and so outside of TRY; it leaves what stands in
    a CASE where it is. The condition reads a column, for one that is known beforehand would be left out. A name of
    ours is that of an element in a lambda, and no column.

    A COALESCE within TRY writes beyond its memory in DuckDB 1.5 as soon as a row fails; a CASE that says the same does
    not.
    """
    value = exp.Anonymous(this="TRY", expressions=[_without_coalesce(arguments[0].copy())])
    columns = (column for column in arguments[0].find_all(exp.Column) if not column.name.startswith("cdp_"))
    column = next(columns, None)
    if column is None:
        return value
    always = exp.Not(this=exp.paren(column.copy().is_(exp.null())).is_(exp.null()))
    return exp.paren(exp.Case().when(always, value), copy=False)


def _without_coalesce(tree: exp.Expr) -> exp.Expr:
    for node in list(tree.find_all(exp.Coalesce))[::-1]:
        *firsts, value = (each.copy() for each in (node.this, *node.expressions))
        for first in reversed(firsts):
            value = exp.Case().when(exp.paren(first).is_(exp.null()), value).else_(first)
        value = exp.paren(value, copy=False)
        if node is tree:
            return value
        node.replace(value)
    return tree


def _duckdb_exact(arguments: Sequence[exp.Expr]) -> exp.Expr:
    """Most numbers are small, and DuckDB reads those twenty times faster into a decimal of 18 digits."""
    digits, scale = _digits(arguments)
    text = f"CAST(:a AS DECIMAL({digits}, {scale}))"
    if digits > _FAST_DIGITS >= scale:
        text = f"COALESCE({_quick(digits, scale)}, {text})"
    return template(text, "duckdb")(arguments)


def _duckdb_quick_exact(arguments: Sequence[exp.Expr]) -> exp.Expr:
    return template(_quick(*_digits(arguments)), "duckdb")(arguments)


def _digits(arguments: Sequence[exp.Expr]) -> tuple[int, int]:
    """How many digits the type of the second argument has, and how many of them after the point."""
    to = arguments[1].args["to"]
    digits, scale = (int(part.name) for part in (*to.expressions, exp.DataTypeParam(this=exp.Literal.number(0)))[:2])
    return digits, scale


def _quick(digits: int, scale: int) -> str:
    fast = min(digits, max(_FAST_DIGITS, scale))
    return f"CAST(TRY_CAST(:a AS DECIMAL({fast}, {scale})) AS DECIMAL({digits}, {scale}))"


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
def _average(billionths: str, digits: int) -> str:
    """An average, rounded half away from zero, by whole numbers of billionths; so many digits hold the sum."""
    half = "CASE WHEN sum(:a) < 0 THEN -count(:a) ELSE count(:a) END"
    whole = f"CAST(({billionths} * 2 + {half}) // (2 * count(:a)) AS DECIMAL({digits}, 0))"
    return f"CAST({whole} * CAST(0.000000001 AS DECIMAL(10, 9)) AS DECIMAL(38, 9))"


# A sum of usual size is taken apart in 64 bits; the way by its text is ten times as long.
_SMALL = "CAST(sum(:a) AS DECIMAL(18, 9))"
_FEW = f"(CAST(trunc({_SMALL}) AS BIGINT) * 1000000000 + CAST(({_SMALL} - trunc({_SMALL})) * 1000000000 AS BIGINT))"
_MANY = "CAST(replace(CAST(sum(:a) AS VARCHAR), '.', '') AS HUGEINT)"
_DUCKDB_AVERAGE = (
    f"CASE WHEN sum(:a) BETWEEN -999999999 AND 999999999 THEN {_average(_FEW, 18)} ELSE {_average(_MANY, 38)} END"
)
# DuckDB adds in 128 bits, which hold a little more than 38 digits, and fails where they overflow.
_MOST = "99999999999999999999999999999.999999999"
_DUCKDB_SUM = (
    f"CASE WHEN sum(:a) BETWEEN -{_MOST} AND {_MOST} THEN sum(:a) WHEN count(:a) > 0 THEN "
    "CAST('the sum is too large for numeric(38,9)' || left(CAST(count(:a) AS VARCHAR), 0) AS DECIMAL(38, 9)) END"
)
_DUCKDB_LIST = "list_sort(list(DISTINCT :a) FILTER (WHERE :a IS NOT NULL))"
_DUCKDB_JSON_DOUBLE = (
    "CASE WHEN isfinite({0}) OR {0} IS NULL THEN to_json({0}) WHEN isnan({0}) THEN CAST('\"NaN\"' AS JSON) "
    "WHEN {0} > 0 THEN CAST('\"Infinity\"' AS JSON) ELSE CAST('\"-Infinity\"' AS JSON) END"
)


FORMS: dict[str, Form] = {
    "cdp_hash": _duckdb_hash,
    "cdp_hmac": template("sha256(unhex(:c) || unhex(sha256(unhex(:b) || encode(:a))))", "duckdb"),
    "cdp_try_json": template("TRY_CAST(:a AS JSON)", "duckdb"),
    # Not NULL: whatever is calculated with a NULL that is written out is an integer.
    "cdp_some_text": template("CAST('unknown' AS VARCHAR)", "duckdb"),
    "cdp_try_time": template(_DUCKDB_TIME, "duckdb"),
    "cdp_json_kind": template(_DUCKDB_KIND_OF_TEXT, "duckdb"),
    "cdp_json_texts": template(
        "CASE WHEN json_type(:a) = 'ARRAY' THEN json_extract_string(:a, '$[*]') "
        "ELSE [json_extract_string(:a, '$')] END",
        "duckdb",
    ),
    "cdp_json_kinds": template(
        "list_transform(CASE WHEN json_type(:a) = 'ARRAY' THEN json_type(:a, '$[*]') ELSE [json_type(:a)] END, "
        f"lambda cdp_each: {_DUCKDB_KIND.format('cdp_each')})",
        "duckdb",
    ),
    "cdp_size": template("len(:a)", "duckdb"),
    "cdp_places": template("range(len(:a))", "duckdb"),
    "cdp_text": template("json_extract_string(:a, '$')", "duckdb"),
    "cdp_path_text": _duckdb_path("json_extract_string"),
    "cdp_path": _duckdb_path("json_extract"),
    "cdp_path_kind": _duckdb_path("json_type"),
    "cdp_path_kinds": _duckdb_paths("json_type"),
    "cdp_kind_name": template(_DUCKDB_KIND.format("(:a)"), "duckdb"),
    "cdp_path_texts": _duckdb_paths("json_extract_string"),
    "cdp_paths": _duckdb_paths("json_extract"),
    "cdp_whole": _duckdb_whole,
    "cdp_exact": _duckdb_exact,
    "cdp_quick_exact": _duckdb_quick_exact,
    "cdp_divide": template(
        "CASE WHEN CAST(:b AS DOUBLE) = 0 THEN CAST('division by zero' || left(CAST(:b AS TEXT), 0) AS DOUBLE) "
        "ELSE CAST(:a AS DOUBLE) / CAST(:b AS DOUBLE) END",
        "duckdb",
    ),
    "cdp_like": template("(:a LIKE :b ESCAPE '\\')", "duckdb"),
    "cdp_ilike": template("(:a ILIKE :b ESCAPE '\\')", "duckdb"),
    "cdp_digits": template("regexp_replace(:a, '[^0-9]', '', 'g')", "duckdb"),
    "cdp_matches": template("regexp_matches(:a, :b, 's')", "duckdb"),
    "cdp_first": _duckdb_by_keys("arg_min"),
    "cdp_last": _duckdb_by_keys("arg_max"),
    "cdp_weight": template(
        "CASE WHEN :a IS NULL THEN 1 WHEN :a >= 0 THEN :a "
        "ELSE CAST('a weight is negative: ' || :a AS DECIMAL(38, 9)) END",
        "duckdb",
    ),
    "cdp_ordered": template(
        "list_transform(list_sort(list(struct_pack(k := :b, v := :a))), lambda cdp_pair: cdp_pair.v)", "duckdb"
    ),
    "cdp_gathered": template("to_json(list(:a ORDER BY :b) FILTER (WHERE :a IS NOT NULL))", "duckdb"),
    "cdp_any": template("min(:a)", "duckdb"),
    "cdp_average": template(_DUCKDB_AVERAGE, "duckdb"),
    "cdp_sum": template(_DUCKDB_SUM, "duckdb"),
    "cdp_list": template(f"to_json({_DUCKDB_LIST})", "duckdb"),
    "cdp_list_double": template(
        f"to_json(list_transform({_DUCKDB_LIST}, lambda cdp_each: {_DUCKDB_JSON_DOUBLE.format('cdp_each')}))", "duckdb"
    ),
    "cdp_json_time": template("rtrim(rtrim(strftime(:a, '%Y-%m-%dT%H:%M:%S.%f'), '0'), '.') || '+00:00'", "duckdb"),
    "cdp_json_double": template(_DUCKDB_JSON_DOUBLE.format(":a"), "duckdb"),
    "cdp_object": lambda arguments: exp.Anonymous(this="json_object", expressions=list(arguments)),
    "cdp_number_text": template(
        "CASE WHEN typeof(:a) = 'DOUBLE' THEN regexp_replace(CAST(:a AS VARCHAR), '\\.0$', '') "
        "ELSE CAST(:a AS VARCHAR) END",
        "duckdb",
    ),
    "cdp_to_json": template("to_json(:a)", "duckdb"),
    "cdp_fingerprint": template("CAST(sum(hash(:a)) AS VARCHAR)", "duckdb"),
    "cdp_row_text": lambda arguments: exp.cast(exp.Anonymous(this="json_object", expressions=list(arguments)), "text"),
    "cdp_dressed": template(_DUCKDB_VALUE, "duckdb"),
    "cdp_try": _duckdb_try,
}
