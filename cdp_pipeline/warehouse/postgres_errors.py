"""What PostgreSQL's errors mean for a run: whether trying again can help, and if not, what to do.

Codes are SQLSTATEs: https://www.postgresql.org/docs/current/errcodes-appendix.html.
"""

import re

import psycopg

from cdp_pipeline.errors import WarehouseError, WarehouseInterrupted

_LOST = ("08", "57P01", "57P02", "57P03", "57P05")
_TRY_AGAIN = (*_LOST, "40001", "40P01", "55P03", "53300")
_ADVICE = {
    "57014": "The statement was cancelled: by hand, or because it took longer than statement_timeout allows. Give the "
    "pipeline's role more time: alter role … set statement_timeout = '1h'.",
    "53100": "The server's disk is full. Make room on it (temporary files go there too), and run again.",
    "53200": "The server ran out of memory, or of its table of locks: raise max_locks_per_transaction for the latter.",
    "42501": "The role lacks a privilege. deploy/warehouse_roles.sql makes one that has all that is needed.",
    "25006": "This server takes no writes: it may be a standby, or set read-only. Name the primary in `warehouse`.",
    "2BP01": "Something of yours reads what is to be made anew, a view perhaps: drop it, and make it again afterwards.",
    "28P01": "Check user and password in `warehouse`.",
    "28000": "Check user and password in `warehouse`, and the server's pg_hba.conf.",
    "3D000": "Make the database first: createdb NAME.",
}
# A server that turns a client away at the door gives it no code.
_TURNED_AWAY = {
    "authentication failed": _ADVICE["28P01"],
    "no password supplied": _ADVICE["28P01"],
    "no pg_hba.conf entry": _ADVICE["28000"],
    "role .* does not exist": _ADVICE["28000"],
    "database .* does not exist": _ADVICE["3D000"],
    "permission denied for database": "Grant the role CONNECT on it; deploy/warehouse_roles.sql does.",
    "invalid .* value|invalid connection option|does not support SSL|certificate": "Check the options in `warehouse`.",
}
_HALF = " Nothing was half written; the next run continues from here."


def translated(error: psycopg.Error, name: str, statement: str | None = None) -> WarehouseError:
    """The error in our words; `WarehouseInterrupted` when another try can help."""
    code = error.sqlstate or ""
    message = f"{name}: {_said(error)}"
    if not code:
        for words, turned_away in _TURNED_AWAY.items():
            if re.search(words, message):
                return WarehouseError(f"{message}. {turned_away}", statement=statement)
    if _is_lost(error) or code in _TRY_AGAIN or code[:2] in _TRY_AGAIN:
        return WarehouseInterrupted(message, statement=statement)
    advice = _ADVICE.get(code)
    if advice is not None:
        message += f". {advice}{_HALF}"
    return WarehouseError(message, statement=statement)


def _is_lost(error: psycopg.Error) -> bool:
    """Whether the connection is gone, or the server does not take one at this moment."""
    code = error.sqlstate or ""
    if code:
        return code in _LOST or code[:2] in _LOST
    # libpq gives no code where it lost the server, or never reached it.
    return isinstance(error, (psycopg.OperationalError, psycopg.InterfaceError))


def _said(error: psycopg.Error) -> str:
    """What the server said; of an error of libpq its first line, which names host and port and no password."""
    said = error.diag.message_primary or str(error).strip().partition("\n")[0]
    detail = error.diag.message_detail
    return f"{said} ({detail})" if detail else said
