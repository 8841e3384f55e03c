"""What a sensor remembers of a landing folder: small, and enough to tell what is new from what is gone.

A file is known by place, size and modification time, of which a hash is taken. Of each day of arrival the memory keeps
the sum of all its files' hashes, which says that something differs, and one byte of each, which say whether that is
something new or only something gone: bytes that are all among those of before, and fewer, mean that files went. Months
before the last one are remembered as one. So 10,000 files take 1 to 8 KB, and each tick of a sensor is stored with it.
"""

import base64
import binascii
import hashlib
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, timedelta
from itertools import accumulate, pairwise

from cdp_pipeline.events.files import LandingFile

_SUM_BYTES = 4
_LENGTH_BYTES = 3
_NAME_BYTES = 10

State = Mapping[str, bytes]  # by day of arrival or month; of files that do not say their day, under ""


def span_of(day: date | None, today: date) -> str:
    """What a day is remembered as: itself, or from two months ago on its month."""
    if day is None:
        return ""
    last_month = (today.replace(day=1) - timedelta(days=1)).replace(day=1)
    return day.isoformat() if day >= last_month else day.isoformat()[:7]


def state_of(files: Iterable[LandingFile], today: date) -> dict[str, bytes]:
    """What is remembered of files."""
    marks: dict[str, list[bytes]] = {}
    for file in files:
        known_by = f"{file.place}\x1f{file.size}\x1f{file.modified}".encode()
        marks.setdefault(span_of(file.day, today), []).append(hashlib.sha256(known_by).digest())
    return {
        span: _remembered(sum(int.from_bytes(mark[:_SUM_BYTES]) for mark in found), Counter(mark[0] for mark in found))
        for span, found in sorted(marks.items())
    }


def new_spans(before: State, now: State, today: date) -> list[str]:
    """The days and months in which something lies that did not lie there before."""
    known = _brought_up_to(before, today)
    return [span for span, state in now.items() if state != known.get(span) and not _only_gone(known.get(span), state)]


def _only_gone(before: bytes | None, now: bytes) -> bool:
    return before is not None and len(now) < len(before) and _firsts(now) <= _firsts(before)


def _remembered(total: int, firsts: Counter[int]) -> bytes:
    # The bytes as differences, of which most are small, are compressed to a third.
    steps = bytes(later - earlier for earlier, later in pairwise((0, *sorted(firsts.elements()))))
    return (total & 0xFFFFFFFF).to_bytes(_SUM_BYTES) + steps


def _firsts(state: bytes) -> Counter[int]:
    return Counter(accumulate(state[_SUM_BYTES:]))


def _brought_up_to(before: State, today: date) -> dict[str, bytes]:
    """A state of before with those days as months that are months now."""
    known: dict[str, bytes] = {}
    for span, state in before.items():
        now = span_of(date.fromisoformat(span), today) if len(span) == _NAME_BYTES else span
        other = known.get(now, bytes(_SUM_BYTES))
        total = sum(int.from_bytes(each[:_SUM_BYTES]) for each in (state, other))
        known[now] = _remembered(total, _firsts(state) + _firsts(other))
    return known


def packed(state: State) -> str:
    """A state as text."""
    parts = (
        span.encode().ljust(_NAME_BYTES) + len(known).to_bytes(_LENGTH_BYTES) + known for span, known in state.items()
    )
    return base64.b85encode(zlib.compress(b"".join(parts), 9)).decode()


def unpacked(text: str) -> dict[str, bytes]:
    """The state that a text holds.

    Raises:
        ValueError: it holds none.
    """
    try:
        return dict(_parts(zlib.decompress(base64.b85decode(text))))
    except (zlib.error, binascii.Error) as error:
        raise ValueError("no state of a landing folder") from error


def _parts(content: bytes) -> Iterator[tuple[str, bytes]]:
    place = 0
    while place < len(content):
        start = place + _NAME_BYTES + _LENGTH_BYTES
        end = start + int.from_bytes(content[place + _NAME_BYTES : start])
        yield content[place : place + _NAME_BYTES].decode().strip(), content[start:end]
        place = end
