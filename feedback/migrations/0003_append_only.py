from django.db import migrations

FORWARD = """
CREATE FUNCTION feedback_response_is_added() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- The form must not change between its being answered and the answer's being seen by others.
    PERFORM 1 FROM feedback_form WHERE id = NEW.form_id FOR SHARE;
    IF NEW.amends_id IS NOT NULL AND NOT EXISTS (
        SELECT 1 FROM feedback_response
        WHERE id = NEW.amends_id AND result_id = NEW.result_id AND author_id = NEW.author_id
    ) THEN
        RAISE EXCEPTION 'A response amends only a response of the same author to the same result.'
            USING ERRCODE = 'integrity_constraint_violation';
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
"""

BACKWARD = """
DROP TRIGGER form_is_kept ON feedback_form;
DROP TRIGGER response_is_kept ON feedback_response;
DROP TRIGGER response_is_added ON feedback_response;
DROP FUNCTION feedback_form_is_kept;
DROP FUNCTION feedback_response_is_kept;
DROP FUNCTION feedback_response_is_added;
"""


class Migration(migrations.Migration):
    """Nothing reported is edited in place: PostgreSQL refuses it, whoever asks."""

    dependencies = [("feedback", "0002_initial")]

    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
