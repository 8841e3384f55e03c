"""The landing folder: what arrives on which day, how late, how often, and in which file.

Most rows arrive on the day on which they happened. Some arrive days later, some twice, and once the web tracker's
collector was down for two hours and sent what it had kept two days later in a file of its own. Files are equal byte
for byte when the rows are: gzip keeps no time.
"""

import gzip
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from cdp_pipeline.demo.offices import CRM_HEADER
from cdp_pipeline.demo.text import Flags, Ints, digits, join

_GZIP_LEVEL = 1  # half the time of the usual 6 for a file a fifth larger
_SHARE_LATE = 0.01
_SHARE_TWICE_AT_ONCE = 0.003
_SHARE_TWICE_LATER = 0.002

_FILES = {
    "web": "part-{part}.ndjson.gz",
    "app": "part-{part}.parquet",
    "crm": "contacts.csv",
    "support": "calls.ndjson",
}


class Landing:
    """Writes one source's rows day by day, and keeps back what arrives later.

    The last day takes all that would arrive after it.
    """

    def __init__(self, folder: Path, source: str, dates: list[str], counts: Counter[str]) -> None:
        self._folder = folder / "landing" / source
        self._source = source
        self._dates = dates
        self._counts = counts
        self._waiting: dict[tuple[int, int], list[pa.Table]] = defaultdict(list)

    def arrive(self, rng: np.random.Generator, day: int, rows: pa.Table, *, kept_back: Flags | None = None) -> None:
        """Give each of the day's good rows, and each duplicate of one, its day of arrival.

        Args:
            rng: decides who is late.
            day: when the rows happened.
            rows: in the columns of the file.
            kept_back: rows that arrive together two days later, in a file of their own.
        """
        last = len(self._dates) - 1
        delay = np.where(rng.random(len(rows)) < _SHARE_LATE, rng.geometric(0.3, len(rows)), 0)
        arrival = np.minimum(day + delay, last)
        part = np.zeros(len(rows), dtype=np.int64)
        if kept_back is not None:
            arrival[kept_back] = min(day + 2, last)
            part[kept_back] = 1
        in_time = arrival == day
        chance = rng.random(len(rows))
        at_once = np.flatnonzero(in_time & (chance < _SHARE_TWICE_AT_ONCE))
        later = np.flatnonzero(in_time & (chance > 1 - _SHARE_TWICE_LATER))
        self._put(rows, arrival, part)
        self._put_again(rows, at_once, np.full(len(at_once), day))
        self._put_again(rows, later, np.minimum(day + rng.integers(1, 6, len(later)), last))
        self._counts["events"] += len(rows)
        self._counts["late"] += int((~in_time).sum())

    def write(self, rng: np.random.Generator, day: int, extra: pa.Table) -> None:
        """Write the files of a day of arrival; extra rows are strewn among the others.

        Args:
            rng: decides where.
            day: of arrival.
            extra: broken rows and others that are no event.
        """
        folder = self._folder / self._dates[day]
        folder.mkdir(parents=True, exist_ok=True)
        for part in sorted({0, *(part for arrival, part in self._waiting if arrival == day)}):
            tables = [*self._waiting.pop((day, part), []), extra if part == 0 else extra.slice(0, 0)]
            rows = _strewn(rng, tables)
            _WRITERS[self._source](folder / _FILES[self._source].format(part=part), rows)
            self._counts[self._source] += len(rows)

    def _put(self, rows: pa.Table, arrival: Ints, part: Ints) -> None:
        """Keep rows for the day and the file in which they arrive."""
        for place in sorted({(int(a), int(p)) for a, p in zip(*np.unique([arrival, part], axis=1), strict=True)}):
            wanted = (arrival == place[0]) & (part == place[1])
            self._waiting[place].append(rows.filter(pa.array(wanted)))

    def _put_again(self, rows: pa.Table, chosen: Ints, arrival: Ints) -> None:
        self._put(rows.take(pa.array(chosen)), arrival, np.zeros(len(chosen), dtype=np.int64))
        self._counts["duplicates"] += len(chosen)


class Truth:
    """Writes who really did each good event, in the order in which they happened."""

    def __init__(self, folder: Path) -> None:
        path = folder / "truth" / "truth.csv.gz"
        path.parent.mkdir(parents=True, exist_ok=True)
        self._raw = path.open("wb")
        self._file = gzip.GzipFile("", "wb", _GZIP_LEVEL, self._raw, mtime=0)
        self._file.write(b"source,id,person\n")

    def add(self, source: str, ids: pa.ChunkedArray, person: Ints) -> None:
        """Add one source's events of one day."""
        self._file.write(_bytes(join(f"{source},", _whole(ids), ",", digits(person), "\n")))

    def close(self) -> None:
        """Finish the file."""
        self._file.close()
        self._raw.close()


def _strewn(rng: np.random.Generator, tables: list[pa.Table]) -> pa.Table:
    """All rows: those of the largest table in their order, the others anywhere among them."""
    largest, *others = sorted(tables, key=len, reverse=True)
    rows, few = len(largest), sum(len(table) for table in others)
    places = np.sort(rng.integers(0, rows + 1, few))
    order = np.insert(np.arange(rows), places, rows + rng.permutation(few))
    return pa.concat_tables([largest, *others]).take(pa.array(order))


def _lines(rows: pa.Table) -> memoryview:
    return _bytes(join(_whole(rows.column("line")), "\n"))


def _whole(column: pa.ChunkedArray) -> pa.Array:
    return pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)


def _bytes(lines: pa.Array) -> memoryview:
    """The texts of a fresh column one after the other, without a copy."""
    offsets, data = lines.buffers()[1:]
    if data is None:
        return memoryview(b"")
    end = int(np.frombuffer(offsets, dtype=np.int32)[len(lines)])
    return memoryview(data)[:end]


def _write_gzip(path: Path, rows: pa.Table) -> None:
    path.write_bytes(gzip.compress(_lines(rows), _GZIP_LEVEL, mtime=0))


def _write_plain(path: Path, rows: pa.Table) -> None:
    path.write_bytes(_lines(rows))


def _write_csv(path: Path, rows: pa.Table) -> None:
    path.write_bytes(f"{CRM_HEADER}\n".encode() + _lines(rows))


def _write_parquet(path: Path, rows: pa.Table) -> None:
    pq.write_table(rows, path, compression="zstd")


_WRITERS: dict[str, Callable[[Path, pa.Table], None]] = {
    "web": _write_gzip,
    "app": _write_parquet,
    "crm": _write_csv,
    "support": _write_plain,
}
