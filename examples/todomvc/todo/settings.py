"""Settings, all of them from the environment: see the table in README.md."""

from pathlib import Path

from todo import env

BASE_DIR = Path(__file__).resolve().parent.parent
DEBUG = env.flag("DEBUG")

env.require(
    "SECRET_KEY",
    "STATIC_ROOT",
    "DATABASE_NAME",
    "DATABASE_USER",
    "DATABASE_HOST",
    *([] if DEBUG else ["ALLOWED_HOSTS"]),
    may_be_empty=["DATABASE_PASSWORD"],
)

SECRET_KEY = env.text("SECRET_KEY")
RELEASE = env.text("RELEASE") or BASE_DIR.name

ALLOWED_HOSTS = env.words("ALLOWED_HOSTS")
CSRF_TRUSTED_ORIGINS = env.words("CSRF_TRUSTED_ORIGINS")
# nginx terminates TLS and always sets this header itself, so a visitor cannot forge it.
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
CSRF_COOKIE_SECURE = not DEBUG
# Strict-Transport-Security and the redirect to https belong to nginx.
SILENCED_SYSTEM_CHECKS = ["security.W004", "security.W008"]

ROOT_URLCONF = "todo.urls"
WSGI_APPLICATION = "todo.wsgi.application"
# rest_framework is a library here: as an installed app it would only add its own static files to ours.
INSTALLED_APPS = ["django.contrib.staticfiles", "todos"]
MIDDLEWARE = [
    "todos.health.HealthMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}]

DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": env.text("DATABASE_NAME"),
        "USER": env.text("DATABASE_USER"),
        "PASSWORD": env.text("DATABASE_PASSWORD"),
        "HOST": env.text("DATABASE_HOST"),
        "PORT": env.text("DATABASE_PORT", "5432"),
        "CONN_MAX_AGE": env.number("DATABASE_CONN_MAX_AGE", 600),
        "CONN_HEALTH_CHECKS": True,
        # A pgbouncer in transaction mode cannot keep a cursor between two queries.
        "DISABLE_SERVER_SIDE_CURSORS": True,
        # A database host that vanishes is noticed in 5 s when connecting and 10 s when connected, not in 15 minutes.
        "OPTIONS": {"connect_timeout": 5, "tcp_user_timeout": 10_000},
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

STATIC_URL = "/static/"
STATIC_ROOT = env.text("STATIC_ROOT")
MEDIA_URL = "/media/"
MEDIA_ROOT = env.text("MEDIA_ROOT")
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "todo.storage.HashedStaticFilesStorage"},
}

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["todos.csrf.CsrfProtection"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_PERMISSION_CLASSES": [],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "EXCEPTION_HANDLER": "todos.api.answer_exception",
    "UNAUTHENTICATED_USER": None,
}

EMAIL_HOST = env.text("EMAIL_HOST", "localhost")
EMAIL_PORT = env.number("EMAIL_PORT", 25)
EMAIL_HOST_USER = env.text("EMAIL_HOST_USER")
EMAIL_HOST_PASSWORD = env.text("EMAIL_HOST_PASSWORD")
EMAIL_USE_TLS = env.flag("EMAIL_USE_TLS")
EMAIL_USE_SSL = env.flag("EMAIL_USE_SSL")
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = SERVER_EMAIL = env.text("EMAIL_FROM", "todo@localhost")

LANGUAGE_CODE = "en"
USE_I18N = False
TIME_ZONE = "UTC"
USE_TZ = True

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "{levelname} {name}: {message}", "style": "{"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": env.text("LOG_LEVEL", "INFO").upper()},
    "loggers": {"django": {"handlers": [], "propagate": True}},
}
