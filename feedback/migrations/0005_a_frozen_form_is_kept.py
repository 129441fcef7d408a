from django.db import migrations

FORWARD = """
CREATE OR REPLACE FUNCTION feedback_response_is_added() RETURNS trigger LANGUAGE plpgsql AS $$
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

CREATE OR REPLACE FUNCTION feedback_form_is_kept() RETURNS trigger LANGUAGE plpgsql AS $$
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
"""

BACKWARD = """
CREATE OR REPLACE FUNCTION feedback_response_is_added() RETURNS trigger LANGUAGE plpgsql AS $$
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

CREATE OR REPLACE FUNCTION feedback_form_is_kept() RETURNS trigger LANGUAGE plpgsql AS $$
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
"""


class Migration(migrations.Migration):
    """A form that a frozen protocol asks never changes, and an amendment says why: PostgreSQL refuses the rest."""

    dependencies = [("feedback", "0004_sittings_reasons_and_drafts")]

    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
