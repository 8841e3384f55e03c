"""How far the work at hand is, for whoever wants to show it.

A stage says what it does without knowing who looks: a terminal draws a bar, Dagster and a test hear nothing.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

Listener = Callable[[str, int, int], None]

_listener: ContextVar[Listener | None] = ContextVar("cdp_progress_listener", default=None)


def report(what: str, done: int, total: int) -> None:
    """Says that `done` of `total` steps of `what` are done; a no-op when nobody listens."""
    listener = _listener.get()
    if listener is not None:
        listener(what, done, total)


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Sends what is reported within the block to `listener`."""
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)
