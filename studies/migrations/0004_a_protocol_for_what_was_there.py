import django.db.models.deletion
from django.db import migrations, models
from django.utils.timezone import now

from studies.protocols.protocol_document import digest_of, document_of
from studies.protocols.protocol_schema import Protocol


def write_protocols(apps, schema_editor):
    """Studies of the time before protocols take every exam, and go on: the newest version says just that."""
    Study = apps.get_model("studies", "Study")
    ProtocolVersion = apps.get_model("studies", "ProtocolVersion")
    Screening = apps.get_model("studies", "Screening")
    for study in Study.objects.select_related("ae_title"):
        protocol = Protocol.model_validate(
            {
                "title": study.title,
                "question": study.question,
                "arrival": {
                    "ae_title": study.ae_title.title,
                    "quiet_seconds": max(1, study.ae_title.quiet_period_seconds),
                },
                "blinding": {"readers": "open", "patient": "shown"},
            }
        )
        version = ProtocolVersion.objects.create(
            study=study,
            number=1,
            document=document_of(protocol),
            digest=digest_of(document_of(protocol)),
            frozen_at=now(),
        )
        Study.objects.filter(pk=study.pk).update(stage="active")
        for case in study.cases.all():
            case.protocol = version
            case.screening = Screening.objects.create(
                study=study, exam=case.exam, protocol=version, outcome="matched", screened_at=case.enrolled_at
            )
            case.save(update_fields=["protocol", "screening"])


class Migration(migrations.Migration):
    dependencies = [("studies", "0003_protocols_cases_and_reads")]

    operations = [
        migrations.RunPython(write_protocols, migrations.RunPython.noop),
        migrations.AlterField(
            model_name="case",
            name="screening",
            field=models.OneToOneField(
                on_delete=django.db.models.deletion.PROTECT, related_name="case", to="studies.screening"
            ),
        ),
        migrations.AlterField(
            model_name="case",
            name="protocol",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="cases", to="studies.protocolversion"
            ),
        ),
    ]
