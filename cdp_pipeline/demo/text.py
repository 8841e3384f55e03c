"""Text made for a whole column at once, because five million lines are too many for a loop.

A column of text is an Arrow array; small sets of values (products, clock times, hex pairs) are tables
that are made once and then looked up by number.
"""

from functools import cache

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

_DASHES_AT = (8, 13, 18, 23)


def join(*parts: str | pa.Array) -> pa.Array:
    """One text per row: the parts side by side. At least one part is a column."""
    return pc.binary_join_element_wise(*parts, "")


def pick(table: list[str], index: Ints) -> pa.Array:
    """The table's text at each index."""
    return pa.array(table, pa.string()).take(pa.array(index))


def keep(values: pa.Array, wanted: Flags, otherwise: str | None = "") -> pa.Array:
    """The values where they are wanted, elsewhere the same text (or null)."""
    return pc.if_else(pa.array(wanted), values, pa.scalar(otherwise, pa.string()))


def scatter(rows: int, at: Ints, values: pa.Array) -> pa.Array:
    """A column of `rows` texts: the values at the given rows, empty elsewhere."""
    index = np.zeros(rows, dtype=np.int64)
    index[at] = np.arange(1, len(at) + 1)
    return pa.concat_arrays([pa.array([""]), values]).take(pa.array(index))


def digits(numbers: Ints, width: int = 0) -> pa.Array:
    """Whole numbers as text, filled with zeros on the left."""
    return pc.utf8_lpad(pc.cast(pa.array(numbers), pa.string()), width, "0")


def money(cents: Ints) -> pa.Array:
    """An amount with two decimals, as a JSON number is written."""
    return join(digits(cents // 100), ".", digits(cents % 100, 2))


def times(day: str, milliseconds: Ints) -> pa.Array:
    """Moments of one day in ISO 8601, to the millisecond, in UTC."""
    clock = _clock().take(pa.array(milliseconds // 1000))
    return join(f"{day}T", clock, ".", _thousand().take(pa.array(milliseconds % 1000)), "Z")


def seconds(day: pa.Array, milliseconds: Ints) -> pa.Array:
    """Moments in ISO 8601, to the second, in UTC; each row has its own day."""
    return join(day, "T", _clock().take(pa.array(milliseconds // 1000)), "Z")


def hex_ids(rng: np.random.Generator, rows: int) -> pa.Array:
    """Random 128-bit ids of 32 hex digits."""
    return _fixed_width(_hex_pairs()[_random_bytes(rng, rows)].reshape(rows, 32))


def uuids(rng: np.random.Generator, rows: int) -> pa.Array:
    """Random ids that are written as UUIDs are."""
    letters = np.full((rows, 36), ord("-"), dtype=np.uint8)
    places = [place for place in range(36) if place not in _DASHES_AT]
    letters[:, places] = _hex_pairs()[_random_bytes(rng, rows)].reshape(rows, 32)
    return _fixed_width(letters)


def _random_bytes(rng: np.random.Generator, rows: int) -> npt.NDArray[np.uint8]:
    return np.frombuffer(rng.bytes(16 * rows), dtype=np.uint8).reshape(rows, 16)


def _fixed_width(letters: npt.NDArray[np.uint8]) -> pa.Array:
    rows, width = letters.shape
    offsets = np.arange(rows + 1, dtype=np.int32) * np.int32(width)
    return pa.StringArray.from_buffers(rows, pa.py_buffer(offsets), pa.py_buffer(np.ascontiguousarray(letters)))


@cache
def _hex_pairs() -> npt.NDArray[np.uint8]:
    return np.frombuffer(bytes(range(256)).hex().encode(), dtype=np.uint8).reshape(256, 2)


@cache
def _clock() -> pa.Array:
    return pa.array([f"{s // 3600:02}:{s // 60 % 60:02}:{s % 60:02}" for s in range(86_400)])


@cache
def _thousand() -> pa.Array:
    return pa.array([f"{number:03}" for number in range(1000)])
