"""PostgreSQL's forms of what users' SQL may say: its own functions, mostly."""

from sqlglot import exp

from cdp_pipeline.sql.functions import FUNCTIONS as CALLED
from cdp_pipeline.sql.postgres_forms import FORMS
from cdp_pipeline.sql.templates import Form, template


def _own(name: str) -> Form:
    return lambda arguments: exp.Anonymous(this=name, expressions=[argument.copy() for argument in arguments])


def _text(name: str) -> Form:
    """A function of its own that gives a text, which compares byte by byte whatever it was made of."""
    return template(f'({name}(:a, :b) COLLATE "C")', "postgres")


def _of_doubles(name: str) -> Form:
    return template(f"{name}(CAST(:a AS DOUBLE PRECISION))", "postgres")


_AS_DOUBLE = template("CAST(:a AS DOUBLE PRECISION)", "postgres")
_ELEMENTS = "CASE WHEN jsonb_typeof(:a) = 'null' THEN {1} ELSE ARRAY(SELECT {0}(:a){2}) END"

# PostgreSQL's own quotient has as many digits as it thinks fit; rounded once more it could be another.
_DIVIDE_NUMERIC = "CAST(div(:a * 2000000000 + sign(:a) * abs(:b), 2 * :b) * 0.000000001 AS NUMERIC(38, 9))"

FUNCTIONS: dict[str, Form] = {
    **{f"cdp_{name}": _own(name) for name, function in CALLED.items() if function.form},
    "cdp_elements": template(_ELEMENTS.format("jsonb_array_elements", "CAST('{}' AS JSONB[])", ""), "postgres"),
    "cdp_element_texts": template(
        _ELEMENTS.format("jsonb_array_elements_text", "CAST('{}' AS TEXT[])", ' COLLATE "C"'), "postgres"
    ),
    "cdp_keys": template(_ELEMENTS.format("jsonb_object_keys", "CAST('{}' AS TEXT[])", ' COLLATE "C"'), "postgres"),
    "cdp_field": _own("jsonb_object_field"),
    "cdp_field_text": _text("jsonb_object_field_text"),
    "cdp_series": template("ARRAY(SELECT generate_series(CAST(:a AS BIGINT), CAST(:b AS BIGINT)))", "postgres"),
    "cdp_json_text": template('(CAST(:a AS TEXT) COLLATE "C")', "postgres"),
    "cdp_json_order": template(
        "CASE WHEN CAST(pg_typeof(:a) AS TEXT) = 'jsonb' THEN CAST(:a AS TEXT) COLLATE \"C\" END", "postgres"
    ),
    "cdp_json_contains": template("(:a @> :b)", "postgres"),
    "cdp_json_has": _own("jsonb_exists"),
    "cdp_any_of": template("(:a = ANY(:b))", "postgres"),
    "cdp_divide_whole": template(":a / :b", "postgres"),
    "cdp_divide_numeric": template(_DIVIDE_NUMERIC, "postgres"),
    "cdp_imatches": template("(:a ~* :b)", "postgres"),
    "cdp_substring_match": _text("substring"),
    "cdp_round_even": _own("round"),
    "cdp_seconds": template("CAST(extract(second FROM :a) AS DOUBLE PRECISION)", "postgres"),
    "cdp_sum_double": lambda arguments: _AS_DOUBLE([FORMS["cdp_sum"](arguments)]),
    "cdp_average_double": lambda arguments: _AS_DOUBLE([FORMS["cdp_average"](arguments)]),
    "cdp_array_agg": _own("array_agg"),
    "cdp_jsonb_agg": _own("jsonb_agg"),
    "cdp_percentile_cont": template(
        "percentile_cont(:a) WITHIN GROUP (ORDER BY CAST(:b AS DOUBLE PRECISION))", "postgres"
    ),
    "cdp_percentile_disc": template("percentile_disc(:a) WITHIN GROUP (ORDER BY :b)", "postgres"),
    "cdp_mode": template("mode() WITHIN GROUP (ORDER BY :a)", "postgres"),
    "cdp_power": template("power(CAST(:a AS DOUBLE PRECISION), CAST(:b AS DOUBLE PRECISION))", "postgres"),
    "cdp_sqrt": _of_doubles("sqrt"),
    "cdp_ln": _of_doubles("ln"),
    "cdp_log": _of_doubles("log"),
    "cdp_exp": _of_doubles("exp"),
}
