from django.conf import settings
from django.db import DatabaseError, connection
from django.test import TestCase, TransactionTestCase

from todos.models import Todo


class HealthTests(TestCase):
    def test_a_working_application_answers_ok_and_its_release(self):
        response = self.client.get("/healthz")
        self.assertEqual(response.status_code, 200)
        self.assertEqual(response.json(), {"status": "ok", "release": settings.RELEASE})
        self.assertEqual(response["Cache-Control"], "no-store")

    def test_any_host_header_will_do(self):
        self.assertEqual(self.client.get("/healthz", headers={"Host": "unix:/run/todo.sock"}).status_code, 200)


class MissingTableTests(TransactionTestCase):
    def setUp(self):
        with connection.schema_editor() as editor:
            editor.delete_model(Todo)
        self.addCleanup(self.restore_table)

    def restore_table(self):
        with connection.schema_editor() as editor:
            editor.create_model(Todo)

    def test_a_migration_that_did_not_run_is_unhealthy(self):
        with self.assertRaises(DatabaseError):
            Todo.objects.exists()
        with self.assertLogs("todos.health", "ERROR"):
            response = self.client.get("/healthz")
        self.assertEqual(response.status_code, 503)
        self.assertIn("todos_todo", response.json()["reason"])


class DatabaseAwayTests(TransactionTestCase):
    """The connection is pointed at a port where nothing listens; the refusal is PostgreSQL's client's own."""

    def setUp(self):
        port = connection.settings_dict["PORT"]
        connection.close()
        connection.settings_dict["PORT"] = "1"
        self.addCleanup(self.restore_port, port)

    def restore_port(self, port):
        connection.close()
        connection.settings_dict["PORT"] = port

    def test_a_check_on_the_host_learns_the_reason(self):
        with self.assertLogs("todos.health", "ERROR"):
            response = self.client.get("/healthz")
        self.assertEqual(response.status_code, 503)
        self.assertEqual(response.json()["release"], settings.RELEASE)
        self.assertIn("port 1", response.json()["reason"].replace('"', ""))

    def test_a_visitor_learns_only_that_it_is_away(self):
        with self.assertLogs("todos.health", "ERROR"):
            response = self.client.get("/healthz", headers={"X-Forwarded-For": "203.0.113.9"})
        self.assertEqual(response.json()["reason"], "database unavailable")

    def test_the_api_asks_to_try_again(self):
        with self.assertLogs("todos.api", "ERROR"), self.assertLogs("django.request", "ERROR"):
            response = self.client.get("/api/todos/")
        self.assertEqual(response.status_code, 503)
        self.assertEqual(response["Retry-After"], "5")
        self.assertEqual(response.json(), {"detail": "The database is unavailable."})
