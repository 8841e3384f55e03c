"""DuckDB's forms of what users' SQL may say; what PostgreSQL's functions mean is in its manual, the rest in `forms`."""

from collections.abc import Mapping, Sequence

from sqlglot import exp

from cdp_pipeline.sql.duckdb_forms import FORMS
from cdp_pipeline.sql.regexes import groups_of
from cdp_pipeline.sql.templates import Form, template
from cdp_pipeline.sql.time_formats import as_strftime


def _error(message: str) -> str:
    """An error when, and only when, a row gets there: of a constant it would be raised for every statement.

    It is a cast that fails, for DuckDB's own error() is volatile, and cannot be tried.
    """
    return f"CAST('{message}' || left(CAST(:a AS VARCHAR), 0) AS INTEGER)"


def _is_text(node: exp.Expr) -> str:
    return f"CASE WHEN json_type({node}) = 'VARCHAR' THEN json_extract_string({node}, '$') END"


def _by_number(texts: Mapping[int, str]) -> Form:
    """A form for each number of arguments."""
    forms = {number: template(text, "duckdb") for number, text in texts.items()}
    return lambda arguments: forms[len(arguments)](arguments)


def _match(arguments: Sequence[exp.Expr]) -> exp.Expr:
    text, pattern = arguments
    count = groups_of(pattern.name)
    places = ", ".join(f"regexp_extract(:a, :b, {group}, 's')" for group in ([*range(1, count + 1)] or [0]))
    return template(f"CASE WHEN regexp_matches(:a, :b, 's') THEN [{places}] END", "duckdb")([text, pattern])


def _substring(arguments: Sequence[exp.Expr]) -> exp.Expr:
    group = 1 if groups_of(arguments[1].name) else 0
    form = template(f"CASE WHEN regexp_matches(:a, :b, 's') THEN regexp_extract(:a, :b, {group}, 's') END", "duckdb")
    return form(arguments)


def _replaced(arguments: Sequence[exp.Expr]) -> exp.Expr:
    text, pattern, replacement, *flags = arguments
    options = exp.Literal.string("s" + (flags[0].name if flags else ""))
    return exp.Anonymous(this="regexp_replace", expressions=[text, pattern, replacement, options])


def _to_char(arguments: Sequence[exp.Expr]) -> exp.Expr:
    return exp.Anonymous(
        this="strftime", expressions=[arguments[0], exp.Literal.string(as_strftime(arguments[1].name))]
    )


_TYPEOF = (
    "CASE json_type(:a) WHEN 'OBJECT' THEN 'object' WHEN 'ARRAY' THEN 'array' WHEN 'VARCHAR' THEN 'string' "
    "WHEN 'BOOLEAN' THEN 'boolean' WHEN 'NULL' THEN 'null' ELSE CASE WHEN NOT :a IS NULL THEN 'number' END END"
)
_ELEMENTS = (
    "CASE WHEN :a IS NULL OR json_type(:a) = 'NULL' THEN [] WHEN json_type(:a) = 'ARRAY' THEN {0} "
    f"ELSE CAST([{_error('cannot extract elements of what is no JSON array')}] AS {{1}}[]) END"
)
_KEYS = (
    "CASE WHEN :a IS NULL OR json_type(:a) = 'NULL' THEN [] WHEN json_type(:a) = 'OBJECT' THEN "
    "list_transform(list_sort(list_transform(list_distinct(json_keys(:a)), "
    "lambda cdp_k: struct_pack(l := strlen(cdp_k), k := cdp_k))), lambda cdp_p: cdp_p.k) "
    f"ELSE CAST([{_error('cannot extract the keys of what is no JSON object')}] AS VARCHAR[]) END"
)
_FIELD = "(:a, '$.\"' || replace(replace(:b, '\\', '\\\\'), '\"', '\\\"') || '\"')"
_HAS = (
    "CASE json_type(:a) WHEN 'OBJECT' THEN list_contains(json_keys(:a), :b) WHEN 'ARRAY' THEN "
    "list_contains(list_transform(coalesce(json_extract(:a, '$[*]'), []), lambda cdp_e: "
    f"{_is_text(exp.column('cdp_e'))}), :b) ELSE CASE WHEN NOT :a IS NULL THEN "
    f"coalesce({_is_text(exp.Placeholder(this='a'))} = :b, false) END END"
)
_ANY = (
    "CASE WHEN list_contains(:b, :a) THEN true WHEN :b IS NULL THEN NULL WHEN len(:b) = 0 THEN false "
    "WHEN :a IS NULL OR len(:b) <> list_count(:b) THEN NULL ELSE false END"
)
_DIVIDE_WHOLE = f"CASE WHEN :b = 0 THEN {_error('division by zero')} ELSE :a // :b END"
# In whole billionths, as PostgreSQL's numeric: the quotient of the doubled sides rounds half away from zero.
_BILLIONTHS = "CAST(replace(CAST({0} AS VARCHAR), '.', '') AS HUGEINT)"
_DIVIDE_NUMERIC = (
    f"CASE WHEN :b = 0 THEN {_error('division by zero')} ELSE CAST(({_BILLIONTHS.format(':a')} * 2000000000 + "
    f"CAST(sign(:a) AS HUGEINT) * abs({_BILLIONTHS.format(':b')})) // (2 * {_BILLIONTHS.format(':b')}) "
    "AS DECIMAL(38, 0)) * CAST(0.000000001 AS DECIMAL(10, 9)) END"
)
_MOD = f"CASE WHEN :b = 0 THEN {_error('division by zero')} ELSE :a % :b END"
# A lambda mentions its argument by name, so that the power is worked out once.
_POWER = (
    "list_transform([power(CAST(:a AS DOUBLE), CAST(:b AS DOUBLE))], lambda cdp_p: CASE WHEN NOT isfinite(cdp_p) "
    "THEN error('there is no such power: ' || CAST(cdp_p AS VARCHAR)) ELSE cdp_p END)[1]"
)
_MODE = (
    "list_sort(list_transform(map_entries(histogram(:a)), "
    "lambda cdp_e: struct_pack(n := -CAST(cdp_e.value AS BIGINT), v := cdp_e.key)))[1].v"
)

_AS_DOUBLE = template("CAST(:a AS DOUBLE)", "duckdb")

FUNCTIONS: dict[str, Form] = {
    "cdp_elements": template(_ELEMENTS.format("json_extract(:a, '$[*]')", "JSON"), "duckdb"),
    "cdp_element_texts": template(_ELEMENTS.format("json_extract_string(:a, '$[*]')", "VARCHAR"), "duckdb"),
    "cdp_keys": template(_KEYS, "duckdb"),
    "cdp_field": template("json_extract" + _FIELD, "duckdb"),
    "cdp_field_text": template("json_extract_string" + _FIELD, "duckdb"),
    "cdp_series": template("range(CAST(:a AS BIGINT), CAST(:b AS BIGINT) + 1)", "duckdb"),
    "cdp_json_text": template("cdp_json_canonical(CAST(:a AS VARCHAR))", "duckdb"),
    "cdp_json_order": template(
        "CASE WHEN typeof(:a) = 'JSON' THEN cdp_json_canonical(CAST(:a AS VARCHAR)) END", "duckdb"
    ),
    "cdp_json_contains": template("cdp_json_within(CAST(:a AS VARCHAR), CAST(:b AS VARCHAR))", "duckdb"),
    "cdp_json_has": template(_HAS, "duckdb"),
    "cdp_any_of": template(_ANY, "duckdb"),
    "cdp_divide_whole": template(_DIVIDE_WHOLE, "duckdb"),
    "cdp_divide_numeric": template(_DIVIDE_NUMERIC, "duckdb"),
    "cdp_imatches": template("regexp_matches(:a, :b, 'is')", "duckdb"),
    "cdp_substring_match": _substring,
    "cdp_round_even": template("round_even(:a, 0)", "duckdb"),
    "cdp_seconds": template("CAST(extract(microsecond FROM :a) AS DOUBLE) / 1000000", "duckdb"),
    "cdp_sum_double": lambda arguments: _AS_DOUBLE([FORMS["cdp_sum"](arguments)]),
    "cdp_average_double": lambda arguments: _AS_DOUBLE([FORMS["cdp_average"](arguments)]),
    "cdp_array_agg": template("list(:a)", "duckdb"),
    "cdp_jsonb_agg": template("to_json(list(:a))", "duckdb"),
    "cdp_percentile_cont": template("quantile_cont(CAST(:b AS DOUBLE), :a)", "duckdb"),
    "cdp_percentile_disc": template("quantile_disc(:b, :a)", "duckdb"),
    "cdp_mode": template(_MODE, "duckdb"),
    # PostgreSQL's own
    "cdp_jsonb_typeof": template(_TYPEOF, "duckdb"),
    "cdp_jsonb_array_length": template(
        "CASE WHEN :a IS NULL THEN NULL WHEN json_type(:a) = 'ARRAY' THEN CAST(json_array_length(:a) AS INTEGER) "
        f"ELSE {_error('cannot get the length of what is no JSON array')} END",
        "duckdb",
    ),
    "cdp_jsonb_build_object": lambda arguments: exp.Anonymous(this="json_object", expressions=list(arguments)),
    "cdp_jsonb_build_array": lambda arguments: exp.Anonymous(this="json_array", expressions=list(arguments)),
    "cdp_to_jsonb": template("to_json(:a)", "duckdb"),
    "cdp_btrim": _by_number({1: "trim(:a)", 2: "trim(:a, :b)"}),
    "cdp_lpad": _by_number({2: "lpad(:a, :b, ' ')", 3: "lpad(:a, :b, :c)"}),
    "cdp_rpad": _by_number({2: "rpad(:a, :b, ' ')", 3: "rpad(:a, :b, :c)"}),
    "cdp_char_length": template("length(:a)", "duckdb"),
    "cdp_regexp_replace": _replaced,
    "cdp_regexp_match": _match,
    "cdp_regexp_count": template("len(regexp_extract_all(:a, :b, 0, 's'))", "duckdb"),
    "cdp_regexp_like": template("regexp_matches(:a, :b, 's')", "duckdb"),
    "cdp_regexp_split_to_array": template("string_split_regex(:a, :b)", "duckdb"),
    "cdp_string_to_array": template("CASE WHEN :a = '' THEN [] ELSE string_split(:a, :b) END", "duckdb"),
    "cdp_array_to_string": template("array_to_string(:a, :b)", "duckdb"),
    "cdp_round": _by_number({1: "round(:a)", 2: "round(:a, :b)"}),
    "cdp_trunc": template("trunc(:a)", "duckdb"),
    "cdp_mod": template(_MOD, "duckdb"),
    "cdp_sign": template("sign(:a)", "duckdb"),
    "cdp_power": template(_POWER, "duckdb"),
    "cdp_sqrt": template("sqrt(CAST(:a AS DOUBLE))", "duckdb"),
    "cdp_ln": template("ln(CAST(:a AS DOUBLE))", "duckdb"),
    "cdp_log": template("log10(CAST(:a AS DOUBLE))", "duckdb"),
    "cdp_exp": template("exp(CAST(:a AS DOUBLE))", "duckdb"),
    "cdp_cardinality": template("len(:a)", "duckdb"),
    "cdp_array_length": template("nullif(len(:a), 0)", "duckdb"),
    "cdp_array_position": template("nullif(list_position(:a, :b), 0)", "duckdb"),
    "cdp_to_char": _to_char,
    "cdp_to_timestamp": template("to_timestamp(CAST(:a AS DOUBLE))", "duckdb"),
}
