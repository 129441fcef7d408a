"""The models of this installation as rows, and the stages they go through."""

from __future__ import annotations

from collections.abc import Iterable

from django.db import transaction

from inference.artifacts import Manifest
from inference.errors import ModelDigestMismatch, ModelNotInstalled, ModelRefused
from inference.models import PipelineVersion, RegisteredModel
from inference.stage_models import Stage, StageChange
from portal.audit import trail
from portal.audit.actions import Action

NEXT = {
    Stage.DEVELOPMENT: (Stage.PILOT, Stage.RETIRED),
    Stage.PILOT: (Stage.DEVELOPMENT, Stage.ACTIVE, Stage.RETIRED),
    Stage.ACTIVE: (Stage.PILOT, Stage.RETIRED),
    Stage.RETIRED: (Stage.PILOT,),
}
"""Where a model may go from each stage."""


def find(name: str, version: str) -> RegisteredModel:
    """The model of that name and version. Raises ModelNotInstalled with the versions that there are."""
    found = RegisteredModel.objects.filter(name=name, version=version).first()
    if found is None:
        known = ", ".join(map(str, RegisteredModel.objects.all())) or "none"
        raise ModelNotInstalled(f"There is no model {name} {version}; there are: {known}.")
    return found


def refuse_other_bytes(manifest: Manifest) -> None:
    """Raise ModelDigestMismatch when the manifest's name and version are registered with other bytes."""
    known = RegisteredModel.objects.filter(name=manifest.name, version=manifest.version).first()
    if known is not None and known.digest != manifest.digest:
        raise ModelDigestMismatch(
            f"Model {manifest.label} is registered with the digest {known.digest}, but these files have "
            f"{manifest.digest}. A model never changes under its version: give the other one a version of its own."
        )
    same = RegisteredModel.objects.filter(digest=manifest.digest).exclude(name=manifest.name, version=manifest.version)
    if other := same.first():
        raise ModelRefused(f"These very files are registered already, as {other}. Use that model.")


@transaction.atomic
def record(manifest: Manifest, *, by: str, reason: str, signed_by: str = "") -> RegisteredModel:
    """The row of the model that `manifest` describes, made in the stage of development when there is none yet.

    Raises ModelDigestMismatch and ModelRefused as `refuse_other_bytes` does.
    """
    refuse_other_bytes(manifest)
    model, created = RegisteredModel.objects.get_or_create(
        digest=manifest.digest,
        defaults={
            "name": manifest.name,
            "version": manifest.version,
            "backend": manifest.backend,
            "files": {name: pin.sha256 for name, pin in manifest.files.items()},
            "source": manifest.source.model_dump(mode="json", exclude_none=True),
            "card": manifest.card.model_dump(mode="json"),
            "signed_by": signed_by,
        },
    )
    if created:
        StageChange.objects.create(model=model, after=model.stage, by=by, reason=reason)
        trail.record(Action.MODEL_REGISTERED, of=str(model), detail={"digest": model.digest})
    elif signed_by and not model.signed_by:
        RegisteredModel.objects.filter(pk=model.pk).update(signed_by=signed_by)
        model.signed_by = signed_by
    return model


@transaction.atomic
def move(model_id: int, *, to: Stage, by: str, reason: str) -> StageChange:
    """Take a model to another stage. Raises ModelRefused when it may not go there, or when no reason is given."""
    model = RegisteredModel.objects.select_for_update().get(pk=model_id)
    before = Stage(model.stage)
    if not reason.strip():
        raise ModelRefused("Say why the stage changes: those who read its history will ask.")
    if to not in NEXT[before]:
        allowed = " or ".join(NEXT[before])
        raise ModelRefused(f"{model} is in the stage {before}; from there it goes to {allowed}, not to {to}.")
    if to == Stage.ACTIVE and model.is_demonstration:
        raise ModelRefused(f"{model} is a demonstration model and never becomes active: it is not for clinical use.")
    model.stage = to
    model.save(update_fields=["stage"])
    change = StageChange.objects.create(model=model, before=before, after=to, by=by, reason=reason.strip())
    trail.record(Action.MODEL_STAGE_CHANGED, of=str(model), detail={"before": before, "after": to})
    return change


def refuse_retired(version: PipelineVersion) -> None:
    """Raise ModelRefused when a model of the pipeline is retired: its old results stay, new exams do not go to it."""
    if retired := version.registered_models.filter(stage=Stage.RETIRED).first():
        raise ModelRefused(
            f"Pipeline {version.name} uses model {retired}, which is retired. Take the model back to the pilot stage, "
            "or send these exams to another pipeline."
        )


def pipelines_using(model: RegisteredModel) -> list[str]:
    """The names of the pipelines that pin the model in any of their versions."""
    names: Iterable[str] = model.pipelines.values_list("name", flat=True)
    return sorted(set(names))
