from django.db import migrations

FORWARD = """
CREATE FUNCTION inference_model_is_kept() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND ROW(NEW.name, NEW.version, NEW.digest, NEW.backend)
            IS DISTINCT FROM ROW(OLD.name, OLD.version, OLD.digest, OLD.backend) THEN
        RAISE EXCEPTION 'Model % % never changes: register another version instead.', OLD.name, OLD.version
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF TG_OP = 'UPDATE' AND ROW(NEW.card, NEW.files, NEW.source) IS NOT DISTINCT FROM ROW(OLD.card, OLD.files, OLD.source) THEN
        RETURN NEW;
    END IF;
    IF EXISTS (
        SELECT 1 FROM inference_pipelineversion_registered_models AS pin
        JOIN inference_job AS job ON job.pipeline_id = pin.pipelineversion_id
        WHERE pin.registeredmodel_id = OLD.id
    ) THEN
        RAISE EXCEPTION 'Model % % was used by a job: % is refused. Register another version instead.',
            OLD.name, OLD.version, TG_OP
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF TG_OP = 'DELETE' THEN
        RETURN OLD;
    END IF;
    RETURN NEW;
END $$;

CREATE FUNCTION inference_stage_change_is_kept() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'The history of a model''s stages is append-only: % of % is refused.', TG_OP, OLD.id
        USING ERRCODE = 'integrity_constraint_violation';
END $$;

CREATE TRIGGER model_is_kept BEFORE UPDATE OR DELETE ON inference_registeredmodel
    FOR EACH ROW EXECUTE FUNCTION inference_model_is_kept();
CREATE TRIGGER stage_change_is_kept BEFORE UPDATE OR DELETE ON inference_stagechange
    FOR EACH ROW EXECUTE FUNCTION inference_stage_change_is_kept();
"""

BACKWARD = """
DROP TRIGGER stage_change_is_kept ON inference_stagechange;
DROP TRIGGER model_is_kept ON inference_registeredmodel;
DROP FUNCTION inference_stage_change_is_kept;
DROP FUNCTION inference_model_is_kept;
"""


class Migration(migrations.Migration):
    """Models that a job used, and the history of their stages, stay: PostgreSQL refuses the rest, whoever asks."""

    replaces = [
        ("inference", "0002_job_priority"),
        ("inference", "0003_runs_and_findings"),
        ("inference", "0004_model_registry"),
        ("inference", "0005_a_person_chose_the_series"),
    ]
    dependencies = [("inference", "0001_initial")]

    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
