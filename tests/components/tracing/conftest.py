"""The small finished project of the artifacts' tests."""

from __future__ import annotations

from tests.components.artifacts.conftest import made_project, project

__all__ = ["made_project", "project"]
