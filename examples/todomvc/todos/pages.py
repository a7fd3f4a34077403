from django.shortcuts import render
from django.views.decorators.cache import cache_control
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.http import require_safe


# The page names static files by their content: a stale copy would ask for those of an older release.
@require_safe
@cache_control(no_cache=True)
@ensure_csrf_cookie
def index(request):
    return render(request, "todos/index.html")
