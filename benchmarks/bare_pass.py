"""The reference: one DuckDB pass over the shop's files that extracts the JSON paths which the project reads, once."""

import json
import sys
from pathlib import Path

import duckdb

from benchmarks.measure import Stopwatch, peak_memory_mb

LINE = ["$.message_id", "$.type", "$.version", "$.timestamp", "$.env"]
PAYLOAD = [
    f"$.properties.{name}"
    for name in (
        "anonymous_id", "user_id", "user.email", "inbound_user_ids", "company_vat", "total", "sku", "category",
        "campaign", "device",
    )
]  # fmt: skip
CALL = ["$.call_id", "$.started_at", "$.phone", "$.email", "$.minutes"]


def main() -> None:
    """Reads everything and prints the figures as JSON."""
    landing = Path(sys.argv[1]) / "landing"
    watch = Stopwatch()
    connection = duckdb.connect()
    rows = 0
    for files, paths in (("web/*/*", LINE + PAYLOAD), ("support/*/*", CALL)):
        query = f"""
            SELECT count(*), {", ".join(f"count(x[{n + 1}])" for n in range(len(paths)))}
            FROM (
                SELECT json_extract_string(line, {paths!r}) AS x
                FROM read_csv('{landing}/{files}', columns = {{'line': 'VARCHAR'}}, header = false, quote = '',
                              escape = '', delim = '\\x01', auto_detect = false, strict_mode = false)
                WHERE json_valid(line)
            )
        """  # noqa: S608
        rows += connection.execute(query).fetchall()[0][0]
    app = (
        f"SELECT count(*), count(id), count(name), count(happened_at), count(device_id), count(user_id), count(email), \
        count(json_extract_string(properties, '$.os')) FROM read_parquet('{landing}/app/*/*')"  # noqa: S608
    )
    rows += connection.execute(app).fetchall()[0][0]
    crm = f"SELECT count(*), count(COLUMNS(*)) FROM read_csv('{landing}/crm/*/*', all_varchar = true, \
        ignore_errors = true)"  # noqa: S608
    rows += connection.execute(crm).fetchall()[0][0]
    cpu, wall = watch.read()
    print(json.dumps({"rows": rows, "cpu": cpu, "wall": wall, "memory_mb": peak_memory_mb()}))  # noqa: T201


if __name__ == "__main__":
    main()
