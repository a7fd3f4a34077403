"""GET /healthz: 200 when the application can read its table, 503 with the reason when it cannot.

A middleware ahead of all others rather than a view, because checks talk to gunicorn's socket directly, with a Host
header that ALLOWED_HOSTS does not know.
"""

import logging

from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection, transaction
from django.http import JsonResponse

from todos.models import Todo

logger = logging.getLogger(__name__)

PATH = "/healthz"
QUERY_TIMEOUT = "2s"


class HealthMiddleware:
    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        return health(request) if request.path == PATH else self.get_response(request)


def health(request):
    try:
        read_one_todo()
    except (DatabaseError, InterfaceError) as error:
        logger.error("health check failed: %s", error)
        # nginx adds the header: visitors need not learn the database's address and user, checks on the host do.
        visitor = "X-Forwarded-For" in request.headers
        reason = "database unavailable" if visitor else f"database unavailable: {' '.join(str(error).split())}"
        return answer(503, {"status": "unavailable", "reason": reason})
    return answer(200, {"status": "ok"})


def read_one_todo():
    """A query on the table itself, so that a migration that did not run and a missing privilege show too."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL statement_timeout = '{QUERY_TIMEOUT}'")
        Todo.objects.exists()


def answer(status, body):
    return JsonResponse(
        {**body, "release": settings.RELEASE}, status=status, headers={"Cache-Control": "no-store"}
    )
