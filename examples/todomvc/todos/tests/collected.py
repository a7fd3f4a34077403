import tempfile
from pathlib import Path

from django.core.management import call_command


class CollectedStaticFiles:
    """Mix-in for tests that render the page: collects the static files into a folder of their own, self.static_root."""

    def setUp(self):
        super().setUp()
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.static_root = Path(folder.name)
        overridden = self.settings(STATIC_ROOT=folder.name)
        overridden.enable()
        self.addCleanup(overridden.disable)
        call_command("collectstatic", interactive=False, verbosity=0)
