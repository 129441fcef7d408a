from django.db import migrations

FORWARD = """
CREATE FUNCTION feedback_correction_changes() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        RAISE EXCEPTION 'Corrections are kept: DELETE of % is refused. Save another one instead.', OLD.id
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF (NEW.id, NEW.predecessor_id, NEW.result_id, NEW.exam_id, NEW.series_id, NEW.is_empty, NEW.original,
        NEW.original_sha256, NEW.sitting, NEW.author_id, NEW.made_at, NEW.seconds)
        IS DISTINCT FROM
       (OLD.id, OLD.predecessor_id, OLD.result_id, OLD.exam_id, OLD.series_id, OLD.is_empty, OLD.original,
        OLD.original_sha256, OLD.sitting, OLD.author_id, OLD.made_at, OLD.seconds) THEN
        RAISE EXCEPTION 'What correction % says stays as it was saved. Save another one instead.', OLD.id
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF OLD.state = 'measured' AND (NEW.state, NEW.problem, NEW.attempts, NEW.leased_until)
        IS DISTINCT FROM (OLD.state, OLD.problem, OLD.attempts, OLD.leased_until) THEN
        RAISE EXCEPTION 'Correction % is measured: that stays.', OLD.id
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF OLD.replaced_by_id IS NOT NULL AND NEW.replaced_by_id IS DISTINCT FROM OLD.replaced_by_id THEN
        RAISE EXCEPTION 'Correction % was replaced already: that stays.', OLD.id
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE FUNCTION feedback_structure_is_added() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM 1 FROM feedback_correction WHERE id = NEW.correction_id AND state <> 'measured' FOR SHARE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'Correction % is measured: nothing is added to it.', NEW.correction_id
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE FUNCTION feedback_structure_is_kept() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'What was measured of a correction is kept: % of % is refused.', TG_OP, OLD.id
        USING ERRCODE = 'integrity_constraint_violation';
END $$;

CREATE TRIGGER correction_changes BEFORE UPDATE OR DELETE ON feedback_correction
    FOR EACH ROW EXECUTE FUNCTION feedback_correction_changes();
CREATE TRIGGER structure_is_added BEFORE INSERT ON feedback_correctedstructure
    FOR EACH ROW EXECUTE FUNCTION feedback_structure_is_added();
CREATE TRIGGER structure_is_kept BEFORE UPDATE OR DELETE ON feedback_correctedstructure
    FOR EACH ROW EXECUTE FUNCTION feedback_structure_is_kept();
"""

BACKWARD = """
DROP TRIGGER structure_is_kept ON feedback_correctedstructure;
DROP TRIGGER structure_is_added ON feedback_correctedstructure;
DROP TRIGGER correction_changes ON feedback_correction;
DROP FUNCTION feedback_structure_is_kept;
DROP FUNCTION feedback_structure_is_added;
DROP FUNCTION feedback_correction_changes;
"""


class Migration(migrations.Migration):
    """A correction stays as it was saved, and its measurements as they were taken: PostgreSQL refuses the rest."""

    dependencies = [("feedback", "0006_corrections")]

    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
