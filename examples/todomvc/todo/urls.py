from django.urls import path

from todos import api, pages

urlpatterns = [
    path("", pages.index, name="index"),
    path("api/todos/", api.TodoList.as_view(), name="todo-list"),
    path("api/todos/toggle-all/", api.ToggleAll.as_view(), name="toggle-all"),
    path("api/todos/clear-completed/", api.ClearCompleted.as_view(), name="clear-completed"),
    path("api/todos/<int:pk>/", api.TodoDetail.as_view(), name="todo-detail"),
]
