"""Hydra plugin: puts the package's configurations for InverseBench on every search path.

Hydra imports this file in each of its programs, so it imports Hydra and nothing else.
"""

from hydra.core.config_search_path import ConfigSearchPath
from hydra.plugins.search_path_plugin import SearchPathPlugin


class LMAPSSearchPathPlugin(SearchPathPlugin):
    """Appends ``lmaps_science.configs.inversebench``; the program's own configs win."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        """Append the folder of configurations to `search_path`."""
        search_path.append("lmaps-science", "pkg://lmaps_science.configs.inversebench")
