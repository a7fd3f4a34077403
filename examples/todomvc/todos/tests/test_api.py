import json

from django.db import connection
from django.test import Client, TestCase
from django.test.utils import CaptureQueriesContext

from todos.models import HIGHEST_ORDER, Todo
from todos.tests.collected import CollectedStaticFiles


class ApiTestCase(TestCase):
    def send(self, method, path, body=None, client=None):
        return (client or self.client).generic(
            method, path, "" if body is None else json.dumps(body), content_type="application/json"
        )

    def create(self, title, **fields):
        return Todo.objects.create(title=title, order=Todo.objects.next_order(), **fields)


class TodoListTests(ApiTestCase):
    def test_a_created_todo_is_trimmed_active_and_last(self):
        self.create("first")
        response = self.send("POST", "/api/todos/", {"title": "  second \t"})
        self.assertEqual(response.status_code, 201)
        self.assertEqual(response.json()["title"], "second")
        self.assertIs(response.json()["completed"], False)
        self.assertEqual([todo["title"] for todo in self.client.get("/api/todos/").json()], ["first", "second"])

    def test_the_list_is_read_by_one_query_that_can_use_the_index(self):
        self.create("only")
        with CaptureQueriesContext(connection) as queries:
            self.client.get("/api/todos/")
        self.assertEqual(len(queries), 1)
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL enable_sort = off; SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off")
            cursor.execute("EXPLAIN " + queries[0]["sql"])
            self.assertIn("todos_todo_order", "\n".join(row[0] for row in cursor.fetchall()))

    def test_todos_are_listed_by_order_and_then_by_id(self):
        for title, order in [("c", 3), ("a", 1), ("b1", 2), ("b2", 2)]:
            self.send("POST", "/api/todos/", {"title": title, "order": order})
        self.assertEqual([todo["title"] for todo in self.client.get("/api/todos/").json()], ["a", "b1", "b2", "c"])

    def test_a_todo_after_the_highest_order_still_fits(self):
        self.send("POST", "/api/todos/", {"title": "highest", "order": HIGHEST_ORDER})
        self.assertEqual(self.send("POST", "/api/todos/", {"title": "after"}).json()["order"], HIGHEST_ORDER + 1)

    def test_any_unicode_text_survives_unchanged(self):
        title = "<b>über</b> & \u202eרשימה 日本 🛒 \"'"
        self.send("POST", "/api/todos/", {"title": title})
        self.assertEqual(self.client.get("/api/todos/").json()[0]["title"], title)

    def test_a_bad_body_is_refused_with_the_reasons_as_json(self):
        bad = [
            ({}, "title"),
            ({"title": ""}, "title"),
            ({"title": "   "}, "title"),
            ({"title": None}, "title"),
            ({"title": "x" * 501}, "title"),
            ({"title": "nul \x00"}, "title"),
            ({"title": "x", "completed": "maybe"}, "completed"),
            ({"title": "x", "order": -1}, "order"),
            ({"title": "x", "order": HIGHEST_ORDER + 1}, "order"),
        ]
        for body, field in bad:
            with self.subTest(body=body):
                response = self.send("POST", "/api/todos/", body)
                self.assertEqual(response.status_code, 400)
                self.assertIn(field, response.json())
        self.assertFalse(Todo.objects.exists())

    def test_what_is_not_json_is_refused(self):
        malformed = self.client.generic("POST", "/api/todos/", "{", content_type="application/json")
        self.assertEqual(malformed.status_code, 400)
        self.assertIn("JSON parse error", malformed.json()["detail"])
        self.assertEqual(self.client.post("/api/todos/", {"title": "form"}).status_code, 415)


class TodoDetailTests(ApiTestCase):
    def test_a_patch_changes_only_what_it_names(self):
        todo = self.create("milk")
        response = self.send("PATCH", f"/api/todos/{todo.pk}/", {"completed": True})
        self.assertEqual(response.status_code, 200)
        self.assertEqual((response.json()["title"], response.json()["completed"]), ("milk", True))
        todo.refresh_from_db()
        self.assertIs(todo.completed, True)

    def test_an_empty_title_and_the_read_only_fields_cannot_be_patched(self):
        todo = self.create("milk")
        self.assertEqual(self.send("PATCH", f"/api/todos/{todo.pk}/", {"title": " "}).status_code, 400)
        answer = self.send("PATCH", f"/api/todos/{todo.pk}/", {"id": todo.pk + 1, "created": "2001-01-01"}).json()
        self.assertEqual(answer["id"], todo.pk)
        self.assertNotIn("2001", answer["created"])

    def test_a_deleted_todo_is_gone(self):
        todo = self.create("milk")
        self.assertEqual(self.client.delete(f"/api/todos/{todo.pk}/").status_code, 204)
        self.assertEqual(self.client.get(f"/api/todos/{todo.pk}/").status_code, 404)
        self.assertEqual(self.client.delete(f"/api/todos/{todo.pk}/").status_code, 404)

    def test_an_id_larger_than_the_column_is_not_found(self):
        self.assertEqual(self.client.get(f"/api/todos/{10**30}/").status_code, 404)

    def test_put_is_not_offered(self):
        todo = self.create("milk")
        self.assertEqual(self.send("PUT", f"/api/todos/{todo.pk}/", {"title": "x"}).status_code, 405)


class BulkTests(ApiTestCase):
    def test_toggle_all_sets_every_todo_and_counts_those_that_changed(self):
        self.create("a")
        self.create("b", completed=True)
        self.assertEqual(self.send("POST", "/api/todos/toggle-all/", {"completed": True}).json(), {"updated": 1})
        self.assertEqual(self.send("POST", "/api/todos/toggle-all/", {"completed": False}).json(), {"updated": 2})
        self.assertFalse(Todo.objects.filter(completed=True).exists())

    def test_toggle_all_needs_to_be_told_which_way(self):
        response = self.send("POST", "/api/todos/toggle-all/", {})
        self.assertEqual(response.status_code, 400)
        self.assertIn("completed", response.json())

    def test_clear_completed_leaves_the_active_todos(self):
        self.create("a")
        self.create("b", completed=True)
        self.assertEqual(self.send("POST", "/api/todos/clear-completed/").json(), {"deleted": 1})
        self.assertEqual([todo.title for todo in Todo.objects.all()], ["a"])


class CsrfTests(CollectedStaticFiles, ApiTestCase):
    def test_every_unsafe_request_without_the_token_is_refused(self):
        todo = self.create("milk")
        stranger = Client(enforce_csrf_checks=True)
        unsafe = [
            ("POST", "/api/todos/", {"title": "x"}),
            ("PATCH", f"/api/todos/{todo.pk}/", {"completed": True}),
            ("DELETE", f"/api/todos/{todo.pk}/", None),
            ("POST", "/api/todos/toggle-all/", {"completed": True}),
            ("POST", "/api/todos/clear-completed/", None),
        ]
        for method, path, body in unsafe:
            with self.subTest(method=method, path=path):
                response = self.send(method, path, body, client=stranger)
                self.assertEqual(response.status_code, 403)
                self.assertIn("CSRF", response.json()["detail"])
        self.assertEqual([(todo.title, todo.completed) for todo in Todo.objects.all()], [("milk", False)])

    def test_the_token_of_the_page_is_accepted_through_nginx(self):
        visitor = Client(enforce_csrf_checks=True)
        behind_nginx = {"X-Forwarded-Proto": "https", "Host": "testserver"}
        token = visitor.get("/", headers=behind_nginx).cookies["csrftoken"].value
        response = visitor.post(
            "/api/todos/",
            {"title": "mine"},
            content_type="application/json",
            headers={**behind_nginx, "X-CSRFToken": token, "Origin": "https://testserver"},
        )
        self.assertEqual(response.status_code, 201)

    def test_the_token_is_refused_from_another_origin(self):
        visitor = Client(enforce_csrf_checks=True)
        token = visitor.get("/").cookies["csrftoken"].value
        response = visitor.post(
            "/api/todos/",
            {"title": "theirs"},
            content_type="application/json",
            headers={"X-CSRFToken": token, "Origin": "https://elsewhere.example"},
        )
        self.assertEqual(response.status_code, 403)
