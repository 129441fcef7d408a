from django.db import migrations
from django.db.models import F

FORWARD = """
CREATE FUNCTION studies_said_is_kept() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only: % of % is refused. Add another row instead.', TG_TABLE_NAME, TG_OP, OLD.id
        USING ERRCODE = 'integrity_constraint_violation';
END $$;

CREATE FUNCTION studies_finding_is_kept() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND OLD.replaced_at IS NULL AND NEW.replaced_at IS NOT NULL
        AND to_jsonb(NEW) - 'replaced_at' = to_jsonb(OLD) - 'replaced_at' THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'Findings of arms are append-only: % of % is refused. Add a newer finding instead.', TG_OP, OLD.id
        USING ERRCODE = 'integrity_constraint_violation';
END $$;

CREATE FUNCTION studies_table_is_kept() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.kept_at IS NOT NULL THEN
        RAISE EXCEPTION 'Table % was taken: % is refused. Upload another instead.', OLD.id, TG_OP
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF TG_OP = 'DELETE' THEN
        RETURN OLD;
    END IF;
    RETURN NEW;
END $$;

CREATE FUNCTION studies_truth_is_kept() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.locked_at IS NOT NULL THEN
        RAISE EXCEPTION 'Version % of the truth is locked: % is refused. Make a new version instead.', OLD.number, TG_OP
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF TG_OP = 'DELETE' THEN
        RETURN OLD;
    END IF;
    RETURN NEW;
END $$;

CREATE FUNCTION studies_case_truth_is_kept() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    one record;
BEGIN
    FOR one IN SELECT * FROM studies_truthversion
        WHERE id IN (CASE WHEN TG_OP <> 'INSERT' THEN OLD.version_id END, CASE WHEN TG_OP <> 'DELETE' THEN NEW.version_id END)
        FOR SHARE  -- so that it is not locked while this row is on its way
    LOOP
        IF one.locked_at IS NOT NULL THEN
            RAISE EXCEPTION 'Version % of the truth is locked: % is refused. Make a new version instead.',
                one.number, TG_OP
                USING ERRCODE = 'integrity_constraint_violation';
        END IF;
    END LOOP;
    IF TG_OP = 'DELETE' THEN
        RETURN OLD;
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER past_screening_is_kept BEFORE UPDATE OR DELETE ON studies_pastscreening
    FOR EACH ROW EXECUTE FUNCTION studies_said_is_kept();
CREATE TRIGGER qc_review_is_kept BEFORE UPDATE OR DELETE ON studies_qcreview
    FOR EACH ROW EXECUTE FUNCTION studies_said_is_kept();
CREATE TRIGGER finding_is_kept BEFORE UPDATE OR DELETE ON studies_armfinding
    FOR EACH ROW EXECUTE FUNCTION studies_finding_is_kept();
CREATE TRIGGER table_is_kept BEFORE UPDATE OR DELETE ON studies_outsidetable
    FOR EACH ROW EXECUTE FUNCTION studies_table_is_kept();
CREATE TRIGGER truth_is_kept BEFORE UPDATE OR DELETE ON studies_truthversion
    FOR EACH ROW EXECUTE FUNCTION studies_truth_is_kept();
CREATE TRIGGER case_truth_is_kept BEFORE INSERT OR UPDATE OR DELETE ON studies_casetruth
    FOR EACH ROW EXECUTE FUNCTION studies_case_truth_is_kept();
"""

BACKWARD = """
DROP TRIGGER case_truth_is_kept ON studies_casetruth;
DROP TRIGGER truth_is_kept ON studies_truthversion;
DROP TRIGGER table_is_kept ON studies_outsidetable;
DROP TRIGGER finding_is_kept ON studies_armfinding;
DROP TRIGGER qc_review_is_kept ON studies_qcreview;
DROP TRIGGER past_screening_is_kept ON studies_pastscreening;
DROP FUNCTION studies_case_truth_is_kept;
DROP FUNCTION studies_truth_is_kept;
DROP FUNCTION studies_table_is_kept;
DROP FUNCTION studies_finding_is_kept;
DROP FUNCTION studies_said_is_kept;
"""


def leave_what_ran(apps, schema_editor):
    """The pipelines of cases of the time before were asked for as their exams came; they are not asked for again."""
    apps.get_model("studies", "Case").objects.update(requested_at=F("enrolled_at"))


class Migration(migrations.Migration):
    """Findings, verdicts, past screenings, tables and locked truth stay as they are: PostgreSQL refuses, whoever asks."""

    dependencies = [("studies", "0007_cases_on_their_way")]

    operations = [
        migrations.RunPython(leave_what_ran, migrations.RunPython.noop),
        migrations.RunSQL(FORWARD, BACKWARD),
    ]
