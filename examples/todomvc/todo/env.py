"""Typed reading of environment variables; every mistake is an ImproperlyConfigured that names the variable."""

import os

from django.core.exceptions import ImproperlyConfigured

TRUE_WORDS = {"1", "true", "yes", "on"}
FALSE_WORDS = {"", "0", "false", "no", "off"}


def require(*names, may_be_empty=()):
    """Raise one error that lists all the variables that are missing, so that one deployment finds them all."""
    missing = [name for name in names if not os.environ.get(name)]
    missing += [name for name in may_be_empty if name not in os.environ]
    if missing:
        raise ImproperlyConfigured(
            f"Missing environment variables: {', '.join(missing)}. README.md says what each one is."
        )


def text(name, default=""):
    return os.environ.get(name, default)


def flag(name, default=False):
    value = os.environ.get(name)
    if value is None:
        return default
    word = value.strip().lower()
    if word in TRUE_WORDS:
        return True
    if word in FALSE_WORDS:
        return False
    raise ImproperlyConfigured(f"{name} is {value!r}; write true or false.")


def number(name, default):
    value = os.environ.get(name)
    if not value:
        return default
    try:
        return int(value)
    except ValueError:
        raise ImproperlyConfigured(f"{name} is {value!r}; write a whole number.") from None


def words(name):
    """Items separated by commas or white space."""
    return os.environ.get(name, "").replace(",", " ").split()
