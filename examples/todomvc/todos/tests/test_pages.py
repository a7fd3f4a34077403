import re
from pathlib import Path

from django.test import SimpleTestCase

from todos.tests.collected import CollectedStaticFiles


class PageTests(CollectedStaticFiles, SimpleTestCase):
    def collected(self, url):
        self.assertRegex(url, r"^/static/.*\.[0-9a-f]{12}\.\w+$")
        return self.static_root / url.removeprefix("/static/")

    def test_the_page_names_collected_files_by_their_content(self):
        page = self.client.get("/")
        urls = re.findall(r'(?:src|href)="(/static/[^"]+)"', page.content.decode())
        self.assertEqual(len(urls), 3)
        for url in urls:
            self.assertTrue(self.collected(url).is_file(), url)

    def test_every_module_import_names_a_hashed_file_that_exists(self):
        seen = set()

        def follow(path):
            if path in seen:
                return
            seen.add(path)
            for target in re.findall(r"""^import .* from ['"](.+)['"];$""", path.read_text(), re.MULTILINE):
                self.assertRegex(target, r"^\./[\w-]+\.[0-9a-f]{12}\.js$")
                follow(path.parent / target)

        page = self.client.get("/").content.decode()
        follow(self.collected(re.search(r'<script type="module" src="([^"]+)"', page)[1]))
        sources = Path(__file__).parent.parent / "static" / "todos"
        self.assertEqual(len(seen), len(list(sources.glob("*.js"))))

    def test_the_page_brings_a_csrf_cookie_and_is_not_cached_blindly(self):
        page = self.client.get("/")
        self.assertIn("csrftoken", page.cookies)
        self.assertTrue(page.cookies["csrftoken"]["secure"])
        self.assertIn("no-cache", page["Cache-Control"])
        self.assertEqual(page["X-Frame-Options"], "DENY")

    def test_the_page_has_the_names_that_browser_tests_know(self):
        page = self.client.get("/").content.decode()
        for name in ["new-todo", "todo-list", "toggle", "destroy", "edit", "toggle-all", "todo-count", "filters",
                     "clear-completed"]:
            self.assertRegex(page, rf'class="{name}"')

    def test_an_unknown_host_is_refused(self):
        with self.assertLogs("django.security.DisallowedHost"):
            self.assertEqual(self.client.get("/", headers={"Host": "elsewhere.example"}).status_code, 400)
