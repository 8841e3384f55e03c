"""The users' language as text: PostgreSQL's SQL, read into a tree of bounded size.

Functions whose meaning sqlglot would translate are kept under the names that PostgreSQL gives them, so that
`functions` says of each what it means on another engine, and nothing else does.
"""

import re
from itertools import pairwise
from typing import ClassVar

import sqlglot
from sqlglot import Token, TokenType, exp
from sqlglot.dialects.postgres import Postgres
from sqlglot.errors import SqlglotError
from sqlglot.parsers.postgres import PostgresParser

from cdp_pipeline.errors import SqlError
from cdp_pipeline.sql.bare import bare

MAX_LENGTH = 10_000
INTERVAL = re.compile(
    r"([+-]?\d+(\.\d+)? *(years?|months?|mons?|weeks?|days?|hours?|minutes?|mins?|seconds?|secs?) *)+|\d+:\d\d(:\d\d)?",
    re.IGNORECASE,
)
_MAX_NESTING = 60  # of brackets; deeper than that is no use, and would use up Python's stack
_MAX_DEPTH = 200
_MAX_NODES = 4_000
_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?")  # whose unit stands outside of the text: interval '2' day
_OPENING = (TokenType.L_PAREN, TokenType.L_BRACKET, TokenType.CASE)
_CLOSING = (TokenType.R_PAREN, TokenType.R_BRACKET, TokenType.END)
_TRANSLATED = (
    "COUNT", "SUM", "AVG", "MIN", "MAX", "BOOL_AND", "BOOL_OR", "COALESCE", "NULLIF", "GREATEST", "LEAST", "LOWER",
    "UPPER", "LENGTH", "SUBSTRING", "SUBSTR", "LEFT", "RIGHT", "SPLIT_PART", "REPLACE", "CONCAT", "CONCAT_WS", "STRPOS",
    "STARTS_WITH", "MD5", "ABS", "FLOOR", "CEIL", "CEILING", "DATE_TRUNC", "NOW",
)  # fmt: skip
_OWN_SYNTAX = (
    "CAST",
    "EXTRACT",
    "DATE_PART",
    "OVERLAY",
    "POSITION",
    "STRING_AGG",
    "SUBSTRING",
    "TRIM",
    "CEIL",
    "FLOOR",
)


class PostgreSQL(Postgres):
    """PostgreSQL as it is: sqlglot takes `lower(payload->'user'->>'email')` for a lambda, which PostgreSQL has not."""

    class Parser(PostgresParser):
        """Reads `->` as the operator of JSON, in a function's arguments too, and leaves most functions as they are."""

        LAMBDAS: ClassVar = {
            token: parse for token, parse in PostgresParser.LAMBDAS.items() if token is not TokenType.ARROW
        }
        FUNCTIONS: ClassVar = {
            "EVERY": exp.LogicalAnd.from_arg_list,
            **{name: PostgresParser.FUNCTIONS[name] for name in _TRANSLATED},
        }
        FUNCTION_PARSERS: ClassVar = {name: PostgresParser.FUNCTION_PARSERS[name] for name in _OWN_SYNTAX}


def parse(text: str, what: str) -> exp.Expr:
    """Reads one statement or expression.

    Args:
        text: PostgreSQL SQL; comments and one `;` at its end may stand in it.
        what: what it should be, for messages: `expression` or `query`.

    Raises:
        SqlError: it is none, it is several, or it is too long or too deeply nested.
    """
    if len(text) > MAX_LENGTH:
        raise SqlError(f"The {what} is longer than {MAX_LENGTH:,} characters.")
    if "\x00" in text:
        raise SqlError(f"The {what} holds a NUL character.")
    try:
        _check_tokens(PostgreSQL().tokenize(text), text, what)
        trees = [tree for tree in sqlglot.parse(text, read=PostgreSQL) if tree is not None]
    except SqlglotError as error:
        raise SqlError(f"`{shortened(text)}` is no SQL {what}: {_plain(error)}.") from error
    except RecursionError as error:
        raise SqlError(f"The {what} is nested too deeply.") from error
    if len(trees) != 1 or isinstance(trees[0], (exp.Alias, exp.Block)):
        raise SqlError(
            f"`{shortened(text)}` is not one {what}.", f"Write a single {what}, without `;` and without a name."
        )
    _check_size(trees[0], what)
    return bare(trees[0])


def shortened(text: str) -> str:
    """A text as it can stand in a message."""
    text = " ".join(text.split())
    return text if len(text) <= 200 else text[:200] + "…"


def no_interval(written: str) -> SqlError:
    """The error for what should be an interval."""
    return SqlError(f"`{written}` is no interval.", "Write: interval '1 month 2 days', times a number.")


def _check_tokens(tokens: list[Token], text: str, what: str) -> None:
    if tokens and tokens[0].token_type in PostgreSQL.Tokenizer.COMMANDS:  # which sqlglot would not read any further
        raise SqlError(f"`{shortened(text)}` is no {what}.")
    depth = 0
    for token in tokens:
        depth += (token.token_type in _OPENING) - (token.token_type in _CLOSING)
        if depth > _MAX_NESTING:
            raise SqlError(f"The {what} is nested too deeply.")
    _check_intervals(tokens)


def _check_intervals(tokens: list[Token]) -> None:
    """Of a text with one number and unit sqlglot leaves out the rest: '1 day ago', and 'P1M', which is no minute."""
    for token, following in pairwise(tokens):
        if token.token_type is TokenType.INTERVAL and following.token_type is TokenType.STRING:
            text = following.text.strip()
            if not INTERVAL.fullmatch(text) and not _NUMBER.fullmatch(text):
                raise no_interval(f"interval '{shortened(following.text)}'")


def _check_size(tree: exp.Expr, what: str) -> None:
    for number, node in enumerate(tree.walk(), start=1):
        if number > _MAX_NODES:
            raise SqlError(f"The {what} has more than {_MAX_NODES:,} parts.")
        if node.depth > _MAX_DEPTH:
            raise SqlError(f"The {what} is nested too deeply.")


def _plain(error: SqlglotError) -> str:
    return str(error).splitlines()[0].split(". Line")[0].strip().rstrip(".")
