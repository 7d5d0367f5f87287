"""A build step that starts from nothing.

setuptools copies modules into build/lib and never takes one away: a wheel built in a tree that was built before would
ship the modules that have been deleted since.
"""

import shutil

from setuptools.command.build_py import build_py


class CleanBuild(build_py):
    """Copy the modules into an empty folder."""

    def run(self) -> None:
        """Remove what an earlier build left, then build."""
        if not self.editable_mode:
            shutil.rmtree(self.build_lib, ignore_errors=True)

        super().run()
