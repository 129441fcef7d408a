from pathlib import Path

from django.apps import AppConfig
from django.conf import settings


class InferenceConfig(AppConfig):
    name = "inference"
    verbose_name = "Inference"

    def ready(self) -> None:
        from dicom_ingest import pipeline_names  # noqa: PLC0415 - apps load before models
        from inference import shipped  # noqa: PLC0415

        pipeline_names.register(shipped.names)
        if settings.OVERREAD_PIPELINES:
            shipped.add_folder(Path(settings.OVERREAD_PIPELINES))
