"""The functions of PostgreSQL that a user may call by name, and what each gives.

A function without a form is called by the same name on every engine and was seen to give equal values there. One with
a form is `cdp_` and its name in the table of forms. What is not here is refused.

A kind is what a value is, as far as its own tree tells: text, whole, numeric, double, boolean, date, timestamp,
timestamptz, interval, jsonb, uuid, or an array of one of them, such as `text[]`.
"""

from dataclasses import dataclass

ARGUMENT = "the argument's"  # a function's kind that is its first argument's


@dataclass(frozen=True)
class Function:
    """A function with its arguments' number and its result's kind.

    Attributes:
        kind: the kind of its result.
        least: how many arguments it takes at least.
        most: how many at most.
        form: whether it stands in the table of forms.
        literals: the places of the arguments that must be literals, from 0.
    """

    kind: str
    least: int
    most: int
    form: bool = True
    literals: tuple[int, ...] = ()


FUNCTIONS: dict[str, Function] = {
    # JSON
    "jsonb_typeof": Function("text", 1, 1),
    "jsonb_array_length": Function("whole", 1, 1),
    "jsonb_build_object": Function("jsonb", 0, 100),
    "jsonb_build_array": Function("jsonb", 0, 100),
    "to_jsonb": Function("jsonb", 1, 1),
    # Text
    "btrim": Function("text", 1, 2),
    "ltrim": Function("text", 1, 2, form=False),
    "rtrim": Function("text", 1, 2, form=False),
    "lpad": Function("text", 2, 3),
    "rpad": Function("text", 2, 3),
    "repeat": Function("text", 2, 2, form=False),
    "reverse": Function("text", 1, 1, form=False),
    "translate": Function("text", 3, 3, form=False),
    "ascii": Function("whole", 1, 1, form=False),
    "chr": Function("text", 1, 1, form=False, literals=(0,)),
    "char_length": Function("whole", 1, 1),
    "regexp_replace": Function("text", 3, 4, literals=(1, 2, 3)),
    "regexp_match": Function("text[]", 2, 2, literals=(1,)),
    "regexp_count": Function("whole", 2, 2, literals=(1,)),
    "regexp_like": Function("boolean", 2, 2, literals=(1,)),
    "regexp_split_to_array": Function("text[]", 2, 2, literals=(1,)),
    "string_to_array": Function("text[]", 2, 2, literals=(1,)),
    "array_to_string": Function("text", 2, 2, literals=(1,)),
    # Numbers
    "round": Function(ARGUMENT, 1, 2, literals=(1,)),
    "trunc": Function(ARGUMENT, 1, 1),
    "mod": Function(ARGUMENT, 2, 2),
    "sign": Function(ARGUMENT, 1, 1),
    "power": Function("double", 2, 2),
    "sqrt": Function("double", 1, 1),
    "ln": Function("double", 1, 1),
    "log": Function("double", 1, 1),
    "exp": Function("double", 1, 1),
    # Arrays
    "cardinality": Function("whole", 1, 1),
    "array_length": Function("whole", 2, 2, literals=(1,)),
    "array_position": Function("whole", 2, 2),
    # Times
    "to_char": Function("text", 2, 2, literals=(1,)),
    "to_timestamp": Function("timestamptz", 1, 1),
    "make_date": Function("date", 3, 3, form=False),
}
# Functions that give rows: the array of them, the column's name where one has a name of its own, and its kind.
ARRAYS: dict[str, tuple[str, str | None, str]] = {
    "jsonb_array_elements": ("cdp_elements", "value", "jsonb"),
    "jsonb_array_elements_text": ("cdp_element_texts", "value", "text"),
    "jsonb_object_keys": ("cdp_keys", None, "text"),
    "string_to_table": ("cdp_string_to_array", None, "text"),
    "regexp_split_to_table": ("cdp_regexp_split_to_array", None, "text"),
}
# What calculates one value from many rows, beside those that sqlglot knows.
GATHERING = ("array_agg", "jsonb_agg")
DOUBLE_AGGREGATES = ("stddev", "stddev_samp", "stddev_pop", "variance", "var_samp", "var_pop")
WITHIN_GROUP = ("percentile_cont", "percentile_disc", "mode")
CALLED_AGGREGATES = (*GATHERING, *DOUBLE_AGGREGATES, *WITHIN_GROUP)
WINDOW_FUNCTIONS = {
    "row_number": (0, 0), "rank": (0, 0), "dense_rank": (0, 0), "percent_rank": (0, 0), "cume_dist": (0, 0),
    "ntile": (1, 1), "lag": (1, 3), "lead": (1, 3), "first_value": (1, 1), "last_value": (1, 1), "nth_value": (2, 2),
}  # fmt: skip
COUNTING = ("row_number", "rank", "dense_rank", "ntile")  # window functions that give whole numbers
