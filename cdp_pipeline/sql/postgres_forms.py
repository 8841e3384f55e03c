"""PostgreSQL's row of the table of forms, and what else a tree needs to mean there what it means everywhere.

What each form means stands in `forms`. Functions named `pg_temp.cdp_…` are made by the session that calls them (see
`SESSION_FUNCTIONS`), so a database holds no code of ours that could grow old.

Text is compared byte by byte on every engine, whatever the database's collation: every text that a statement reads out
of JSON, casts or keeps in a table is of collation "C". Upper and lower case are Unicode's.
"""

from collections.abc import Sequence

from sqlglot import exp

from cdp_pipeline.sql.templates import ISO_TIME, Form, template

_MOST_ARGUMENTS = 100  # of a function


def _function(name: str) -> Form:
    return lambda arguments: exp.Anonymous(this=name, expressions=[argument.copy() for argument in arguments])


def _hash(arguments: Sequence[exp.Expr]) -> exp.Expr:
    parts = exp.Anonymous(
        this="concat_ws", expressions=[exp.func("chr", exp.Literal.number(31)), *(part.copy() for part in arguments)]
    )
    return template("CAST(encode(substr(sha256(convert_to(:a, 'UTF8')), 1, 16), 'hex') AS UUID)", "postgres")([parts])


def _path(*, as_text: bool) -> Form:
    def fill(arguments: Sequence[exp.Expr]) -> exp.Expr:
        tree = arguments[0].copy()
        keys = arguments[1:]
        for number, key in enumerate(keys, start=1):
            is_key = isinstance(key, exp.Literal) and key.is_string
            name = "jsonb_object_field" if is_key else "jsonb_array_element"
            ending = "_text" if as_text and number == len(keys) else ""
            tree = exp.Anonymous(this=name + ending, expressions=[tree, key.copy()])
        return bytewise(tree) if as_text else tree

    return fill


def bytewise(tree: exp.Expr) -> exp.Expr:
    """A text that compares byte by byte."""
    return exp.paren(exp.Collate(this=tree, expression=exp.to_identifier("C", quoted=True)), copy=False)


_PATH, _PATH_TEXT = _path(as_text=False), _path(as_text=True)


def _path_kind(arguments: Sequence[exp.Expr]) -> exp.Expr:
    return exp.Anonymous(this="jsonb_typeof", expressions=[_PATH(arguments)])


def _each(form: Form) -> Form:
    """The form at several paths, as an array."""

    def fill(arguments: Sequence[exp.Expr]) -> exp.Expr:
        root, *paths = arguments
        return exp.Array(expressions=[form([root, *path.expressions]) for path in paths])

    return fill


def _object(arguments: Sequence[exp.Expr]) -> exp.Expr:
    """A function takes no more than 100 arguments, and a file may have more columns than 50."""
    parts = [
        exp.Anonymous(
            this="jsonb_build_object", expressions=[part.copy() for part in arguments[first : first + _MOST_ARGUMENTS]]
        )
        for first in range(0, max(len(arguments), 1), _MOST_ARGUMENTS)
    ]
    tree: exp.Expr = parts[0]
    for part in parts[1:]:
        tree = exp.DPipe(this=tree, expression=part)
    return exp.paren(tree, copy=False)


def _row_text(arguments: Sequence[exp.Expr]) -> exp.Expr:
    """`{"name":value,…}` in the order of the columns and without blanks."""
    parts: list[exp.Expr] = []
    for name, value in zip(arguments[::2], arguments[1::2], strict=True):
        key = exp.Anonymous(this="to_json", expressions=[exp.cast(name.copy(), "text")])
        text = exp.cast(exp.Anonymous(this="to_json", expressions=[value.copy()]), "text")
        pieces = [
            exp.cast(key, "text"),
            exp.Literal.string(":"),
            exp.func("coalesce", text, exp.Literal.string("null")),
        ]
        parts.append(exp.Anonymous(this="concat", expressions=pieces))
    joined = exp.Anonymous(
        this="array_to_string",
        expressions=[exp.Array(expressions=parts or [exp.Literal.string("")]), exp.Literal.string(",")],
    )
    whole = exp.Anonymous(this="concat", expressions=[exp.Literal.string("{"), joined, exp.Literal.string("}")])
    return bytewise(whole)


_WHOLE_TEXT = "CASE WHEN trim(:a) ~ '^[+-]?[0-9]+$' THEN trim(:a) ELSE 'no whole number: ' || :a END"


def _whole(arguments: Sequence[exp.Expr]) -> exp.Expr:
    to = arguments[1].args["to"].sql("postgres")
    return template(f"CAST({_WHOLE_TEXT} AS {to})", "postgres")(arguments)


def _by_keys(*, descending: bool) -> Form:
    def fill(arguments: Sequence[exp.Expr]) -> exp.Expr:
        value = arguments[0].copy()
        keys = [exp.Ordered(this=key.copy(), desc=descending, nulls_first=descending) for key in arguments[1:]]
        ordered = exp.Anonymous(this="array_agg", expressions=[exp.Order(this=value, expressions=keys)])
        given = exp.Where(this=exp.Not(this=value.copy().is_(exp.null())))
        chosen = exp.paren(exp.Filter(this=ordered, expression=given), copy=False)
        return exp.Bracket(this=chosen, expressions=[exp.Literal.number(1)], offset=1)

    return fill


# The sum in whole billionths, twice, plus or minus the count: integer division then rounds half away from zero.
_AVERAGE = (
    "CAST(div(sum(:a) * 2000000000 + CASE WHEN sum(:a) < 0 THEN -count(:a) ELSE count(:a) END, "
    "CAST(2 * nullif(count(:a), 0) AS NUMERIC)) * 0.000000001 AS NUMERIC(38, 9))"
)
_LIST = "to_jsonb(array_agg(DISTINCT :a ORDER BY :a) FILTER (WHERE NOT :a IS NULL))"

FORMS: dict[str, Form] = {
    "cdp_hash": _hash,
    "cdp_hmac": template(
        "encode(sha256(decode(:c, 'hex') || sha256(decode(:b, 'hex') || convert_to(:a, 'UTF8'))), 'hex')", "postgres"
    ),
    "cdp_try_json": _function("pg_temp.cdp_try_json"),
    "cdp_try_time": _function("pg_temp.cdp_try_time"),
    "cdp_json_kind": _function("jsonb_typeof"),
    "cdp_json_texts": _function("pg_temp.cdp_json_texts"),
    "cdp_json_kinds": _function("pg_temp.cdp_json_kinds"),
    "cdp_size": _function("cardinality"),
    "cdp_places": template("ARRAY(SELECT generate_series(0, cardinality(:a) - 1))", "postgres"),
    "cdp_text": lambda arguments: bytewise(
        exp.Anonymous(
            this="jsonb_extract_path_text",
            expressions=[arguments[0].copy(), exp.Var(this="VARIADIC CAST('{}' AS TEXT[])")],
        )
    ),
    "cdp_path_text": _PATH_TEXT,
    "cdp_path": _PATH,
    "cdp_path_kind": _path_kind,
    "cdp_path_texts": _each(_PATH_TEXT),
    "cdp_paths": _each(_PATH),
    "cdp_path_kinds": _each(_path_kind),
    "cdp_kind_name": template(":a", "postgres"),
    "cdp_number_text": template("CAST(:a AS TEXT)", "postgres"),
    "cdp_digits": template("regexp_replace(:a, '[^0-9]', '', 'g')", "postgres"),
    "cdp_whole": _whole,
    "cdp_exact": lambda arguments: exp.cast(arguments[0].copy(), arguments[1].args["to"].copy()),
    "cdp_quick_exact": lambda arguments: arguments[1].copy(),
    "cdp_divide": template("CAST(:a AS DOUBLE PRECISION) / CAST(:b AS DOUBLE PRECISION)", "postgres"),
    "cdp_like": template("(:a LIKE :b ESCAPE '\\')", "postgres"),
    "cdp_ilike": template("(pg_temp.cdp_lower(:a) LIKE pg_temp.cdp_lower(:b) ESCAPE '\\')", "postgres"),
    "cdp_matches": template("(:a ~ :b)", "postgres"),
    "cdp_first": _by_keys(descending=False),
    "cdp_last": _by_keys(descending=True),
    "cdp_weight": template(
        "CASE WHEN :a IS NULL THEN 1 WHEN :a BETWEEN 0 AND 1e29 THEN :a "
        "ELSE CAST('a weight is negative: ' || :a AS NUMERIC) END",
        "postgres",
    ),
    "cdp_ordered": template("array_agg(:a ORDER BY :b, :a)", "postgres"),
    "cdp_gathered": template("to_jsonb(array_agg(:a ORDER BY :b) FILTER (WHERE NOT :a IS NULL))", "postgres"),
    # NULL: a cast of any text would be tried when the statement is planned.
    "cdp_some_text": template("CAST(NULL AS TEXT)", "postgres"),
    "cdp_any": template("(array_agg(:a ORDER BY :a) FILTER (WHERE NOT :a IS NULL))[1]", "postgres"),
    "cdp_average": template(_AVERAGE, "postgres"),
    "cdp_sum": template("CAST(sum(:a) AS NUMERIC(38, 9))", "postgres"),
    "cdp_list": template(_LIST, "postgres"),
    "cdp_list_double": template(_LIST, "postgres"),
    "cdp_json_time": lambda arguments: FORMS["cdp_text"]([exp.Anonymous(this="to_jsonb", expressions=[arguments[0]])]),
    "cdp_json_double": _function("to_jsonb"),
    "cdp_object": _object,
    "cdp_row_text": _row_text,
    "cdp_dressed": template(":a", "postgres"),
    "cdp_to_json": _function("to_jsonb"),
    "cdp_fingerprint": template("CAST(sum(CAST(hashtextextended(:a, 0) AS NUMERIC)) AS TEXT)", "postgres"),
}

# The most suitable collation for upper and lower case comes first; the database's own is the last resort.
CASE_COLLATIONS = ("pg_c_utf8", "C.utf8", "C.UTF-8", "en_US.utf8", "und-x-icu", "default")
# Every exception but a cancelled statement is caught by `others`. None of them is volatile: each call of one that is
# begins another command of the transaction, which takes longer than the call.
SESSION_FUNCTIONS = {
    "cdp_try_any_time": rf"""
        (cdp_text text) returns timestamptz language plpgsql stable strict as $cdp$
        begin
            if cdp_text ~ '{ISO_TIME}' and left(cdp_text, 4) <> '0000' then
                return cast(regexp_replace(cdp_text, '(\.\d{{6}})\d+', '\1') as timestamptz);
            end if;
            return null;
        exception when others then return null;
        end $cdp$""",
    "cdp_try_json": """
        (cdp_text text) returns jsonb language plpgsql immutable strict as $cdp$
        begin return cast(cdp_text as jsonb); exception when others then return null; end $cdp$""",
    # Most times look like this one and are on no day that a month may lack: to see that is much faster than to try.
    "cdp_try_time": """
        (cdp_text text) returns timestamptz language plpgsql stable strict as $cdp$
        begin
            if cdp_text like '____-__-__T__:__:__%' and translate(cdp_text, '0123456789', '') in ('--T::Z', '--T::.Z')
                and right(cdp_text, 1) = 'Z' and left(cdp_text, 4) <> '0000'
                and substr(cdp_text, 18, 2) = translate(substr(cdp_text, 18, 2), '.Z', '')
                and (
                    length(cdp_text) = 20
                    or (substr(cdp_text, 20, 1) = '.' and length(cdp_text) between 22 and 27)
                )
                and substr(cdp_text, 6, 2) between '01' and '12' and substr(cdp_text, 9, 2) between '01' and '28'
                and substr(cdp_text, 12, 2) < '24' and substr(cdp_text, 15, 2) < '60' and substr(cdp_text, 18, 2) < '60'
            then
                return cast(cdp_text as timestamptz);
            end if;
            return pg_temp.cdp_try_any_time(cdp_text);
        end $cdp$""",
    "cdp_json_texts": """
        (cdp_json jsonb) returns text[] language sql immutable as $cdp$
        select case when jsonb_typeof(cdp_json) = 'array'
            then array(select jsonb_array_elements_text(cdp_json) collate "C")
            else array[(cdp_json #>> '{}') collate "C"] end $cdp$""",
    "cdp_json_kinds": """
        (cdp_json jsonb) returns text[] language sql immutable as $cdp$
        select case when jsonb_typeof(cdp_json) = 'array'
            then array(select jsonb_typeof(e) from jsonb_array_elements(cdp_json) as e)
            else array[jsonb_typeof(cdp_json)] end $cdp$""",
    "cdp_lower": """
        (cdp_text text) returns text language sql immutable as $cdp$
        select lower(cdp_text collate "{collation}") $cdp$""",
    "cdp_upper": """
        (cdp_text text) returns text language sql immutable as $cdp$
        select upper(cdp_text collate "{collation}") $cdp$""",
}
