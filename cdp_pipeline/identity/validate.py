"""The mistakes of a project in identity maps, as far as they can be seen without the warehouse.

Whether a map has the columns that the project names is asked of the warehouse (see `identity_maps.missing_columns`).
"""

import re

from cdp_pipeline.config.model import Project
from cdp_pipeline.errors import ProjectError
from cdp_pipeline.identity.map_tables import map_path


def validate(project: Project) -> list[ProjectError]:
    """All mistakes of this room in a project."""
    return [
        project.error(
            f"{map_path(kind, number)}.table",
            f"`{declared.table}` is no table's name.",
            "Write schema and table, such as raw.identity_map.",
        )
        for kind, entity in project.entities.items()
        for number, declared in enumerate(entity.identity_maps)
        if not re.fullmatch(r"\w+\.\w+", declared.table)
    ]
