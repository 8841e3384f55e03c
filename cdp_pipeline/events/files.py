"""Landing files, found and read: NDJSON, CSV and Parquet; plain, .gz and .zst.

A file is read into Arrow batches whose columns are the row's number in the file (`cdp_place_row`, from 1), what is
wrong with the row as such (`cdp_read_problem`, mostly NULL), its text as it landed where it is broken (`cdp_broken`),
and either the line (`cdp_line`, NDJSON) or the file's own columns. A broken row never ends the reading of a file; a
file that is no file of its kind at all is an InputError.
"""

import csv
import hashlib
import io
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path, PurePosixPath

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv

from cdp_pipeline.config.model import Source
from cdp_pipeline.errors import InputError
from cdp_pipeline.events.parquet import read_parquet, refuse_names

BLOCK_BYTES = 32 << 20
_BLANK_AT_MOST = 80  # characters of white space; a longer line of nothing else is a broken row
_HEADER_BYTES = 1 << 20
_COMPRESSIONS = {".gz": "gzip", ".zst": "zstd"}
_FORMATS = {".ndjson": "ndjson", ".jsonl": "ndjson", ".json": "ndjson", ".csv": "csv", ".parquet": "parquet"}
_DAY = "{day}"
_DAY_TEXT = "[0-9]{4}-[0-9]{2}-[0-9]{2}"
# What PostgreSQL's jsonb refuses and other parsers let through; only such lines are parsed again, strictly.
_SUSPECT = r"(?i)\\u0000|\\ud[89a-f]|[:\[,]\s*-?(nan|inf)|,\s*[\]}]"


@dataclass(frozen=True)
class LandingFile:
    """A landing file: its path in the project, the day in it, its size and modification time."""

    place: str
    path: Path
    day: date | None
    size: int
    modified: float


def file_format(path: Path) -> tuple[str, str | None]:
    """The format and the compression that a file's name tells.

    Raises:
        InputError: the name tells neither NDJSON nor CSV nor Parquet.
    """
    compression = _COMPRESSIONS.get(path.suffix.lower())
    name = Path(path.stem) if compression else path
    known = _FORMATS.get(name.suffix.lower())
    if known is None:
        raise InputError(
            f"{path}: cannot tell what kind of file this is. Landing files end in {', '.join(sorted(_FORMATS))}, "
            "each also with .gz or .zst; take other files out of the pattern in `files`."
        )
    return known, compression


def find_files(folder: Path, source: Source) -> list[LandingFile]:
    """The files that lie under a source's pattern now, by path.

    Hidden files and folders do not count, nor do markers of other programs (`_SUCCESS`), unless they are asked for.

    Raises:
        InputError: what stands where the day should be is no day, or the pattern cannot be read.
    """
    pattern = PurePosixPath(source.files or "").as_posix()
    parts = pattern.split("/")
    glob = "/".join(re.sub(r"\*+", "*", part.replace(_DAY, "*")) if _DAY in part else part for part in parts)
    markers = parts[-1].startswith("_")
    found = []
    try:
        matchers = [_pattern(pattern, day) for day in (_DAY_TEXT, "[^/]*?")]
        for path in sorted(folder.glob(glob)):
            place = path.relative_to(folder).as_posix()
            hidden = any(part.startswith(".") for part in Path(place).parts)
            if hidden or (path.name.startswith("_") and not markers) or not path.is_file():
                continue
            stat = path.stat()
            found.append(LandingFile(place, path, _day(matchers, place, pattern), stat.st_size, stat.st_mtime))
    except (ValueError, NotImplementedError, IndexError, re.error) as error:
        raise InputError(f"sources.{source.name}.files: the pattern `{pattern}` cannot be read: {error}.") from error
    except OSError as error:
        raise InputError(
            f"{error.filename or pattern}: cannot be read: {error.strerror}. Mend its permissions, or run again if it "
            "was only on its way."
        ) from error
    return found


def _pattern(pattern: str, day: str) -> re.Pattern[str]:
    """A pattern as a regular expression, in which `day` matches what stands where the day should be."""
    text = re.escape(pattern).replace(re.escape(_DAY), _DAY).replace(r"\*\*/", "(.*/)?").replace(r"\*", "[^/]*")
    text = re.sub(r"\\\[(!?)(.+?)\\\]", _one_of, text)
    return re.compile(text.replace(r"\?", "[^/]").replace(_DAY, f"(?P<day>{day})"))


def _one_of(characters: re.Match[str]) -> str:
    """A set of characters of a pattern, such as [0-9] or [!ab], in a regular expression."""
    return "[" + ("^" if characters[1] else "") + characters[2].replace("\\-", "-") + "]"


def _day(matchers: list[re.Pattern[str]], place: str, pattern: str) -> date | None:
    if _DAY not in pattern:
        return None
    match = next(filter(None, (matcher.fullmatch(place) for matcher in matchers)), None)
    text = match["day"] if match else ""
    try:
        if not re.fullmatch(_DAY_TEXT, text):
            raise ValueError(text)
        return date.fromisoformat(text)
    except ValueError as error:
        raise InputError(
            f"{place}: `{text}` stands where the day of arrival should be. Days are written like 2026-01-31; the "
            f"pattern is `{pattern}`."
        ) from error


def fingerprint(path: Path) -> str:
    """SHA-256 of a file's content.

    Raises:
        InputError: the file cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}. Mend its permissions or take it away.") from error


def read_file(path: Path) -> Iterator[pa.Table]:
    """Reads a file in batches.

    Raises:
        InputError: the file cannot be read at all.
    """
    kind, compression = file_format(path)
    try:
        if path.stat().st_size == 0:
            return
        if kind != "parquet" and not _has_rows(path, kind):
            return
        with pa.input_stream(path, compression=compression) as stream:
            if kind == "parquet":
                yield from read_parquet(stream, path)
            else:
                yield from _read_text(stream, None if kind == "ndjson" else csv_header(path))
    except (pa.ArrowException, OSError, EOFError) as error:
        raise InputError(
            f"{path}: cannot be read as {kind}: {str(error).splitlines()[0]} Mend the file or take it away; nothing of "
            "this landing was kept."
        ) from error


def _has_rows(path: Path, kind: str) -> bool:
    """Whether a file of text has more than nothing, or in CSV than the beginning of a header."""
    head = _head(path, 1 if kind == "ndjson" else _HEADER_BYTES)
    return bool(head) if kind == "ndjson" else b"\n" in head or b"\r" in head


def _head(path: Path, size: int) -> bytes:
    """How a file begins, decompressed."""
    with pa.input_stream(path, compression=file_format(path)[1]) as stream:
        return bytes(stream.read(size))


def csv_header(path: Path) -> list[str]:
    """The names of a CSV file's columns.

    Raises:
        InputError: it has none, one of them is empty, two are equal, or a quote is never closed.
    """
    text = _head(path, _HEADER_BYTES).decode("utf-8-sig", errors="replace")
    try:
        names = _first_record(text)
    except csv.Error as error:
        raise InputError(
            f"{path}: its header cannot be read, perhaps for a quote that is never closed ({error})."
        ) from error
    if not all(names):
        raise InputError(f"{path}: its header has a column without a name.")
    refuse_names(path, names)
    return names


def _first_record(text: str) -> list[str]:
    try:
        return next(csv.reader(io.StringIO(text, newline=""), strict=True), [])
    except csv.Error as error:
        if "expected after" not in str(error):  # text after a closing quote belongs to the name
            raise
        return next(csv.reader(io.StringIO(text, newline="")), [])


class _Numbering:
    """Gives each good record its number, leaving out those of broken ones; a CSV's header is record 1."""

    def __init__(self, first: int, lines: bool) -> None:
        self._next = first
        self._lines = lines
        self.broken: dict[int, tuple[str, str]] = {}

    def skip(self, row: pacsv.InvalidRow) -> str:
        """Notes a broken record; pyarrow calls it while it parses the block that holds the record."""
        what = f"invalid: {row.actual_columns} fields where the header has {row.expected_columns}"
        what = "invalid: broken JSON" if self._lines else what
        self.broken[row.number] = (what, row.text)
        return "skip"

    def numbers(self, count: int) -> pa.Array:
        """The numbers of the next good records."""
        broken = np.array([number for number in self.broken if number >= self._next], dtype=np.int64)
        candidates = np.arange(self._next, self._next + count + len(broken), dtype=np.int64)
        numbers = candidates[~np.isin(candidates, broken)][:count]
        if count:
            self._next = int(numbers[-1]) + 1
        return pa.array(numbers)

    def broken_rows(self, columns: list[str]) -> pa.Table:
        """The broken records as a batch with the file's columns, all NULL."""
        rows = sorted((number, what, text) for number, (what, text) in self.broken.items())
        return pa.table(
            {
                "cdp_place_row": pa.array([row[0] for row in rows], pa.int64()),
                "cdp_read_problem": pa.array([row[1] for row in rows], pa.string()),
                "cdp_broken": pa.array([row[2].replace("\x00", "\ufffd") for row in rows], pa.string()),
            }
            | {name: pa.nulls(len(rows), pa.string()) for name in columns}
        )


def _read_text(stream: pa.NativeFile, header: list[str] | None) -> Iterator[pa.Table]:
    """Reads lines (`header` is None) or CSV records, all as text; in CSV empty = NULL."""
    lines = header is None
    columns = ["cdp_line"] if header is None else header
    numbering = _Numbering(1 if lines else 2, lines)
    reader = pacsv.open_csv(
        stream,
        read_options=pacsv.ReadOptions(
            use_threads=False, block_size=BLOCK_BYTES, column_names=columns, skip_rows_after_names=0 if lines else 1
        ),
        parse_options=pacsv.ParseOptions(
            delimiter="\x01" if lines else ",",
            quote_char=False if lines else '"',
            newlines_in_values=not lines,
            ignore_empty_lines=not lines,
            invalid_row_handler=numbering.skip,
        ),
        convert_options=pacsv.ConvertOptions(
            column_types=dict.fromkeys(columns, pa.binary()), null_values=[""], strings_can_be_null=not lines
        ),
    )
    for batch in reader:
        yield _text_batch(batch, numbering.numbers(batch.num_rows), lines)
    if numbering.broken:
        yield numbering.broken_rows(columns)


def _text_batch(batch: pa.RecordBatch, numbers: pa.Array, lines: bool) -> pa.Table:
    problems: dict[int, str] = {}
    columns = {name: _decode(column, problems) for name, column in zip(batch.schema.names, batch.columns, strict=True)}
    if lines:
        _find_strict_problems(columns["cdp_line"], problems)
    problem = None
    if problems:
        told = np.full(batch.num_rows, None, dtype=object)
        told[list(problems)] = list(problems.values())
        problem = pa.array(told, pa.string())
    table = pa.table(
        {
            "cdp_place_row": numbers,
            "cdp_read_problem": pa.nulls(batch.num_rows, pa.string()) if problem is None else problem,
            "cdp_broken": columns["cdp_line"] if lines else pa.nulls(batch.num_rows, pa.string()),
        }
        | columns
    )
    return _without_blank_lines(table) if lines else table


def _without_blank_lines(table: pa.Table) -> pa.Table:
    short = pc.indices_nonzero(pc.less(pc.binary_length(table["cdp_line"]), _BLANK_AT_MOST)).to_pylist()
    blank = [row for row in short if not table["cdp_line"][row].as_py().strip()]
    if not blank:
        return table
    return table.filter(pc.invert(pc.is_in(pa.array(range(len(table))), value_set=pa.array(blank, pa.int64()))))


def _decode(raw: pa.Array, problems: dict[int, str]) -> pa.Array:
    """Text out of bytes; what is not UTF-8, or holds a NUL, is noted as a problem of its row."""
    try:
        text = raw.cast(pa.string())
        if not _may_hold_nul(raw):
            return text
    except pa.ArrowInvalid:
        pass
    texts = []
    for row, value in enumerate(raw.to_pylist()):
        decoded = None if value is None else value.decode("utf-8", errors="replace")
        if decoded is not None and decoded.encode() != value:
            problems[row] = "invalid: not UTF-8"
        elif decoded is not None and "\x00" in decoded:
            problems[row] = "invalid: holds \\u0000"
        texts.append(None if decoded is None else decoded.replace("\x00", "\ufffd"))
    return pa.array(texts, pa.string())


def _may_hold_nul(raw: pa.Array) -> bool:
    data = raw.buffers()[-1]
    return data is not None and not np.frombuffer(data, dtype=np.uint8)[: _used_bytes(raw)].all()


def _used_bytes(raw: pa.Array) -> int:
    """Where the values end in the buffer; what comes after them is no data."""
    offsets = np.frombuffer(raw.buffers()[1], dtype=np.int32)
    return int(offsets[raw.offset + len(raw)]) if len(raw) else 0


def _find_strict_problems(lines: pa.Array, problems: dict[int, str]) -> None:
    for row in pc.indices_nonzero(pc.match_substring_regex(lines, _SUSPECT)).to_pylist():
        problem = _strict_problem(lines[row].as_py())
        if problem is not None:
            problems.setdefault(row, problem)


def _strict_problem(line: str) -> str | None:
    try:
        value = json.loads(line, parse_constant=_refuse_constant)
    except ValueError:
        return "invalid: broken JSON"
    except RecursionError:
        return "invalid: JSON nested too deeply"
    text = json.dumps(value, ensure_ascii=False)
    if "\\u0000" in text and _holds_nul(value):
        return "invalid: holds \\u0000"
    if re.search("[\ud800-\udfff]", text):
        return "invalid: broken JSON (half a surrogate pair)"
    return None


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _holds_nul(value: object) -> bool:
    if isinstance(value, str):
        return "\x00" in value
    if isinstance(value, dict):
        return any(_holds_nul(key) or _holds_nul(item) for key, item in value.items())
    return isinstance(value, list) and any(_holds_nul(item) for item in value)
