from django.db import migrations

FORWARD = """
CREATE FUNCTION feedback_response_is_added() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- The form must not change between its being answered and the answer's being seen by others.
    PERFORM 1 FROM feedback_form WHERE id = NEW.form_id FOR SHARE;
    IF NEW.amends_id IS NOT NULL AND NOT EXISTS (
        SELECT 1 FROM feedback_response
        WHERE id = NEW.amends_id AND result_id IS NOT DISTINCT FROM NEW.result_id AND author_id = NEW.author_id
            AND sitting = NEW.sitting
    ) THEN
        RAISE EXCEPTION 'A response amends only a response of the same author to the same result, in the same sitting.'
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF NEW.amends_id IS NOT NULL AND NEW.reason !~ '\\S' THEN
        RAISE EXCEPTION 'An amendment needs a reason.' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE FUNCTION feedback_response_is_kept() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'Responses are append-only: % of % is refused. Add an amendment instead.', TG_OP, OLD.id
        USING ERRCODE = 'integrity_constraint_violation';
END $$;

CREATE FUNCTION feedback_form_is_kept() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND (NEW.id, NEW.slug, NEW.version, NEW.title, NEW.questions, NEW.created_at)
            IS NOT DISTINCT FROM (OLD.id, OLD.slug, OLD.version, OLD.title, OLD.questions, OLD.created_at)
            AND OLD.frozen_at IS NULL THEN
        RETURN NEW;  -- it is frozen, and nothing else
    END IF;
    IF OLD.frozen_at IS NOT NULL THEN
        RAISE EXCEPTION 'Form % version % is frozen by a protocol: % is refused. Add a new version instead.',
            OLD.slug, OLD.version, TG_OP
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF EXISTS (SELECT 1 FROM feedback_response WHERE form_id = OLD.id) THEN
        RAISE EXCEPTION 'Form % version % is in use: % is refused. Add a new version instead.',
            OLD.slug, OLD.version, TG_OP
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF TG_OP = 'DELETE' THEN
        RETURN OLD;
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER response_is_added BEFORE INSERT ON feedback_response
    FOR EACH ROW EXECUTE FUNCTION feedback_response_is_added();
CREATE TRIGGER response_is_kept BEFORE UPDATE OR DELETE ON feedback_response
    FOR EACH ROW EXECUTE FUNCTION feedback_response_is_kept();
CREATE TRIGGER form_is_kept BEFORE UPDATE OR DELETE ON feedback_form
    FOR EACH ROW EXECUTE FUNCTION feedback_form_is_kept();

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
DROP TRIGGER form_is_kept ON feedback_form;
DROP TRIGGER response_is_kept ON feedback_response;
DROP TRIGGER response_is_added ON feedback_response;
DROP FUNCTION feedback_form_is_kept;
DROP FUNCTION feedback_response_is_kept;
DROP FUNCTION feedback_response_is_added;
"""


class Migration(migrations.Migration):
    """What readers said, the forms that asked it and their corrections stay: PostgreSQL refuses the rest, whoever asks."""

    replaces = [
        ("feedback", "0002_initial"),
        ("feedback", "0003_append_only"),
        ("feedback", "0004_sittings_reasons_and_drafts"),
        ("feedback", "0005_a_frozen_form_is_kept"),
        ("feedback", "0006_corrections"),
        ("feedback", "0007_corrections_are_kept"),
    ]
    dependencies = [("feedback", "0001_initial")]

    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
