"""The REST API. Bodies and answers, errors included, are JSON."""

import logging

from django.db import InterfaceError, OperationalError
from rest_framework import generics, serializers, status
from rest_framework.response import Response
from rest_framework.views import APIView, exception_handler

from todos.models import Todo

logger = logging.getLogger(__name__)


def answer_exception(error, context):
    """Answer 503 rather than 500 when the database is away, so that clients know to try again."""
    if isinstance(error, (OperationalError, InterfaceError)):
        logger.error("database unavailable: %s", error)
        return Response(
            {"detail": "The database is unavailable."},
            status=status.HTTP_503_SERVICE_UNAVAILABLE,
            headers={"Retry-After": "5"},
        )
    return exception_handler(error, context)


class TodoSerializer(serializers.ModelSerializer):
    class Meta:
        model = Todo
        fields = ["id", "title", "completed", "order", "created"]
        extra_kwargs = {"order": {"required": False}}


class ToggleAllSerializer(serializers.Serializer):
    completed = serializers.BooleanField()


class TodoList(generics.ListCreateAPIView):
    queryset = Todo.objects.all()
    serializer_class = TodoSerializer

    def perform_create(self, serializer):
        if "order" in serializer.validated_data:
            serializer.save()
        else:
            serializer.save(order=Todo.objects.next_order())


class TodoDetail(generics.RetrieveUpdateDestroyAPIView):
    queryset = Todo.objects.all()
    serializer_class = TodoSerializer
    http_method_names = ["get", "head", "options", "patch", "delete"]


class ToggleAll(APIView):
    """Body {"completed": true|false}; answer {"updated": how many changed}."""

    def post(self, request):
        body = ToggleAllSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        completed = body.validated_data["completed"]
        return Response({"updated": Todo.objects.filter(completed=not completed).update(completed=completed)})


class ClearCompleted(APIView):
    """No body; answer {"deleted": how many}."""

    def post(self, request):
        deleted, _ = Todo.objects.filter(completed=True).delete()
        return Response({"deleted": deleted})
