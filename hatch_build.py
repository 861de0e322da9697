"""Project links of the package's metadata, from one constant that a release from a public host fills in."""

from __future__ import annotations

from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

#: The repository's address, without a slash at the end; empty until there is a public one.
REPOSITORY = ""


def project_urls(repository: str) -> dict[str, str]:
    """The links of ``[project.urls]`` for a repository; none without one."""
    if not repository:
        return {}
    return {
        "Documentation": f"{repository}/tree/main/docs",
        "Source": repository,
        "Issues": f"{repository}/issues",
        "Changelog": f"{repository}/blob/main/CHANGELOG.md",
    }


class ProjectUrls(MetadataHookInterface):
    """Gives the metadata its links when the package is built."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Fill in the one dynamic field."""
        metadata["urls"] = project_urls(REPOSITORY)
