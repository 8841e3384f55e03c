"""What is said of a definition that is wrong: with its name where all are read, without it in a list of mistakes."""

from cdp_pipeline.errors import SqlError, WarehouseError


def first_line(error: WarehouseError) -> str:
    """What the engine said, without the statement's name and text."""
    line = str(error).splitlines()[0]
    return line.partition(": ")[2] or line


def as_sql_error(error: SqlError | WarehouseError) -> SqlError:
    """The error as one of the definition."""
    return error if isinstance(error, SqlError) else SqlError(first_line(error))


class WrongDefinition(SqlError):
    """A definition that is wrong; its text names it, `message` and `hint` tell the mistake alone."""

    def __init__(self, what: str, error: SqlError | WarehouseError) -> None:
        """Takes what the definition is called, and what is wrong with it."""
        told = as_sql_error(error)
        super().__init__(f"{what}: {told.message}", told.hint)
        self.message = told.message
