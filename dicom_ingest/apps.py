from django.apps import AppConfig


class DicomIngestConfig(AppConfig):
    name = "dicom_ingest"
    verbose_name = "Reception"
