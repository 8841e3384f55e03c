"""What PostgreSQL's jsonb does and an engine in process does not: its canonical text, and containment."""

import json
from decimal import Decimal
from typing import Any

_DIGITS_OF_A_NUMBER = 4_000  # 1e100000 is a short text, and its canonical text would be a long one


class _Number(str):
    """A number as PostgreSQL's numeric prints it."""

    __slots__ = ()


def canonical(text: str) -> str:
    """PostgreSQL's text of a JSON value: keys by length and bytes, each once, and blanks after `:` and `,`.

    Raises:
        ValueError: it is no JSON, or holds a number of too many digits.
    """
    return _written(_read(text))


def contains(text: str, part: str) -> bool:
    """Whether PostgreSQL's `jsonb @> jsonb` is true of two JSON values."""
    whole, piece = _read(text), _read(part)
    if isinstance(whole, list) and not isinstance(piece, (list, dict)):
        return any(_equal(element, piece) for element in whole)
    return _within(whole, piece)


def _read(text: str) -> Any:
    return json.loads(text, parse_float=_number, parse_int=_number, parse_constant=_refused)


def _number(text: str) -> _Number:
    number = Decimal(text)
    if abs(number.adjusted()) > _DIGITS_OF_A_NUMBER:
        raise ValueError(f"the number {text[:40]} has too many digits")
    written = format(number, "f")
    return _Number(written.removeprefix("-") if not number else written)


def _refused(text: str) -> Any:
    raise ValueError(f"{text} is no JSON")


def _written(value: Any) -> str:
    if isinstance(value, _Number):
        return str(value)
    if isinstance(value, list):
        return f"[{', '.join(map(_written, value))}]"
    if isinstance(value, dict):
        keys = sorted(value, key=lambda key: (len(key.encode()), key.encode()))
        return f"{{{', '.join(f'{_written(key)}: {_written(value[key])}' for key in keys)}}}"
    return json.dumps(value, ensure_ascii=False)


def _equal(left: Any, right: Any) -> bool:
    if isinstance(left, _Number) and isinstance(right, _Number):
        return Decimal(left) == Decimal(right)
    return type(left) is type(right) and bool(left == right)


def _within(whole: Any, piece: Any) -> bool:
    if isinstance(piece, dict):
        return isinstance(whole, dict) and all(key in whole and _within(whole[key], piece[key]) for key in piece)
    if isinstance(piece, list):
        return isinstance(whole, list) and all(any(_within(have, want) for have in whole) for want in piece)
    return _equal(whole, piece)
