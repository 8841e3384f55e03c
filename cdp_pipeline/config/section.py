"""What every part of a project file is made of."""

from typing import ClassVar

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A mapping of the project file: unknown keys and values of another type are refused, and nothing changes later."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        validate_default=False,
        validate_by_name=True,
        validate_by_alias=True,
        hide_input_in_errors=True,
    )
    # The fields that the loader fills in and that no user may write.
    not_written: ClassVar[frozenset[str]] = frozenset()
