import logging

from django.apps import AppConfig
from pydicom import config


class DicomIngestConfig(AppConfig):
    name = "dicom_ingest"
    verbose_name = "Reception"

    def ready(self) -> None:
        """Keep pydicom from printing the values it finds odd: they may be a patient's.

        pydicom sets its logger's level when it is imported, so what settings.LOGGING said before is lost.
        """
        config.settings.reading_validation_mode = config.IGNORE
        config.settings.writing_validation_mode = config.IGNORE
        logging.getLogger("pydicom").setLevel(logging.ERROR)
