"""Shipped pipelines and the models they pin, as rows that jobs can refer to for ever."""

from django.conf import settings
from django.db import transaction

from inference import artifacts, model_registry, pipeline
from inference.errors import ModelDigestMismatch
from inference.models import PipelineVersion, RegisteredModel
from inference.schema import ModelPin, Pipeline


def register_pipelines() -> list[PipelineVersion]:
    """Register every shipped pipeline in its present version; those already registered are left as they are."""
    return [register(definition) for definition in pipeline.available()]


@transaction.atomic
def register(definition: Pipeline) -> PipelineVersion:
    """The row of this very version of a pipeline: its definition, operators' code and models.

    Raises ModelDigestMismatch when it pins a model whose name and version are registered with other bytes.
    """
    models = [_register_model(pin) for pin in definition.models.values()]
    version, created = PipelineVersion.objects.get_or_create(
        digest=definition.digest,
        defaults={
            "name": definition.name,
            "version": definition.version,
            "title": definition.title,
            "definition": definition.model_dump(mode="json"),
        },
    )
    if created:
        version.registered_models.set(models)
    return version


def _register_model(pin: ModelPin) -> RegisteredModel:
    manifest = artifacts.manifest_of(pin.name, pin.version, settings.OVERREAD_STORE / "models")
    model = model_registry.record(manifest, by="Overread", reason="Pinned by a pipeline of this installation")
    if model.digest != pin.sha256:
        raise ModelDigestMismatch(
            f"Model {pin.label} is registered with the digest {model.digest}, but a pipeline pins {pin.sha256}. "
            "A model never changes under its version: give the other one a version of its own."
        )
    return model
