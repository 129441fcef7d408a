"""The app of the viewer's files, which checks them when the portal starts."""

from django.apps import AppConfig
from django.core.checks import register


class ViewerStaticConfig(AppConfig):
    """Registers the check of OHIF's page."""

    name = "viewer_static"
    verbose_name = "Viewer"

    def ready(self) -> None:
        """Add the check to Django's."""
        from viewer_static.checks import check_viewer  # noqa: PLC0415 - apps are not ready above

        register(check_viewer)
