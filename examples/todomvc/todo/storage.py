from django.contrib.staticfiles.storage import ManifestStaticFilesStorage


class HashedStaticFilesStorage(ManifestStaticFilesStorage):
    """Names files by their content, and rewrites the imports between JavaScript modules to those names."""

    support_js_module_import_aggregation = True
