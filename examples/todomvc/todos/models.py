from django.core.validators import MaxValueValidator
from django.db import models
from django.db.models import Max

# Well below the column's limit, so that the order after the highest one a client may ask for still fits.
HIGHEST_ORDER = 1_000_000_000


class TodoQuerySet(models.QuerySet):
    def next_order(self):
        """The order that puts a new todo last. Two at the same moment may get the same one; the id decides then."""
        return (self.aggregate(highest=Max("order"))["highest"] or 0) + 1


class Todo(models.Model):
    title = models.CharField(max_length=500)
    completed = models.BooleanField(default=False)
    order = models.PositiveIntegerField(validators=[MaxValueValidator(HIGHEST_ORDER)])
    created = models.DateTimeField(auto_now_add=True)

    objects = TodoQuerySet.as_manager()

    class Meta:
        ordering = ["order", "id"]
        indexes = [models.Index(fields=["order", "id"], name="todos_todo_order")]

    def __str__(self):
        return self.title
