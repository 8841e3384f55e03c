"""Formats of times: PostgreSQL's patterns that every engine can print alike."""

import re

from cdp_pipeline.errors import SqlError

_PATTERNS = {
    "YYYY": "%Y", "MM": "%m", "DD": "%d", "HH24": "%H", "MI": "%M", "SS": "%S", "MS": "%g", "US": "%f", "DDD": "%j",
    "ID": "%u", "IYYY": "%G", "IW": "%V", "Mon": "%b", "Dy": "%a", "HH12": "%I", "AM": "%p",
}  # fmt: skip
_PART = re.compile("|".join(sorted(_PATTERNS, key=len, reverse=True)) + r'|"[^"]*"|[-/:., _]|.', re.DOTALL)


def as_strftime(pattern: str) -> str:
    """PostgreSQL's pattern as strftime's.

    Raises:
        SqlError: it holds something that is not in the table.
    """
    parts = []
    for part in _PART.findall(pattern):
        if part in _PATTERNS:
            parts.append(_PATTERNS[part])
        elif part in "-/:., _" or part[0] == '"':
            parts.append(part.strip('"').replace("%", "%%"))
        else:
            raise SqlError(
                f"`{part}` in the format '{pattern[:80]}' is not supported.",
                f"Use {', '.join(_PATTERNS)}, and other text in quotes: 'YYYY-MM-DD\"T\"HH24:MI'.",
            )
    return "".join(parts)
