"""`manage.py conformance > docs/dicom-conformance.md`"""

from typing import Any

from django.core.management.base import BaseCommand

from dicom_ingest.conformance import statement


class Command(BaseCommand):
    help = "Write the DICOM conformance statement from the code's own tables."
    requires_system_checks: list[str] = []

    def handle(self, **_options: Any) -> None:
        self.stdout.write(statement(), ending="")
