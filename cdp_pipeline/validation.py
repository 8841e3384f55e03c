"""Gathers all mistakes of a project: of its shape, its references, and every room's expressions."""

from collections.abc import Mapping
from pathlib import Path

from cdp_pipeline.attributes.validate import validate as validate_attributes
from cdp_pipeline.config.loader import read_project
from cdp_pipeline.config.model import Project
from cdp_pipeline.errors import ProjectError, ProjectErrors
from cdp_pipeline.events.validate import validate as validate_events
from cdp_pipeline.identity.validate import validate as validate_identity


def find_errors(folder: Path, environ: Mapping[str, str] | None = None) -> tuple[Project | None, list[ProjectError]]:
    """Reads a project and finds all of its mistakes at once.

    Returns:
        As much of the project as could be understood, and the mistakes in the order of their places.
    """
    project, errors = read_project(folder, environ)
    if project is not None:
        errors = [*errors, *validate_events(project), *validate_identity(project), *validate_attributes(project)]
    return project, ProjectErrors(errors).errors


def load_valid_project(folder: Path, environ: Mapping[str, str] | None = None) -> Project:
    """Reads a project that has no mistakes.

    Raises:
        ProjectErrors: it has; all of them.
    """
    project, errors = find_errors(folder, environ)
    if errors or project is None:
        raise ProjectErrors(errors)
    return project
