import os
import subprocess
import sys

from django.conf import settings
from django.test import SimpleTestCase

COMPLETE = {
    "SECRET_KEY": "settings-tests-only",
    "STATIC_ROOT": "/nonexistent/static",
    "DATABASE_NAME": "todo",
    "DATABASE_USER": "todo",
    "DATABASE_PASSWORD": "",
    "DATABASE_HOST": "192.0.2.1",
    "ALLOWED_HOSTS": "todo.example, 192.0.2.2",
}


def read_settings(expression="''", **changes):
    """Import the settings in a new interpreter; a change to None removes the variable."""
    environment = {key: value for key, value in {**COMPLETE, **changes}.items() if value is not None}
    return subprocess.run(
        [sys.executable, "-c", f"from todo import settings; print({expression})"],
        cwd=settings.BASE_DIR,
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        timeout=30,
    )


class SettingsTests(SimpleTestCase):
    def test_all_missing_variables_are_named_at_once(self):
        result = read_settings(SECRET_KEY=None, DATABASE_HOST="", DATABASE_PASSWORD=None)
        self.assertNotEqual(result.returncode, 0)
        self.assertIn(
            "ImproperlyConfigured: Missing environment variables: SECRET_KEY, DATABASE_HOST, DATABASE_PASSWORD.",
            result.stderr,
        )

    def test_allowed_hosts_are_needed_unless_debugging(self):
        self.assertIn("ALLOWED_HOSTS", read_settings(ALLOWED_HOSTS=None).stderr)
        self.assertEqual(read_settings(ALLOWED_HOSTS=None, DEBUG="1").returncode, 0)

    def test_debug_is_off_unless_switched_on(self):
        for value, expected in [(None, "False"), ("", "False"), ("0", "False"), ("off", "False"), ("True", "True")]:
            with self.subTest(value=value):
                self.assertEqual(read_settings("settings.DEBUG", DEBUG=value).stdout.strip(), expected)

    def test_a_value_that_cannot_be_understood_is_named(self):
        self.assertIn("DEBUG is 'maybe'", read_settings(DEBUG="maybe").stderr)
        self.assertIn("EMAIL_PORT is 'smtp'", read_settings(EMAIL_PORT="smtp").stderr)

    def test_lists_are_separated_by_commas_or_spaces(self):
        result = read_settings("settings.ALLOWED_HOSTS")
        self.assertEqual(result.stdout.strip(), "['todo.example', '192.0.2.2']")

    def test_the_release_is_the_folder_of_the_checkout_unless_named(self):
        self.assertEqual(read_settings("settings.RELEASE").stdout.strip(), settings.BASE_DIR.name)
        self.assertEqual(read_settings("settings.RELEASE", RELEASE="abc1234").stdout.strip(), "abc1234")
