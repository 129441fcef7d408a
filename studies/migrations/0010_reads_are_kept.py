from django.db import migrations

FORWARD = """
CREATE FUNCTION studies_read_changes() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.state = 'submitted' THEN
        RAISE EXCEPTION 'Read % is submitted: it is not changed any more. Add an amendment instead.', OLD.id
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF (NEW.id, NEW.study_id, NEW.case_id, NEW.reader_id, NEW.kind, NEW.arms, NEW.condition, NEW.occasion, NEW.form_id,
        NEW.protocol_id, NEW.is_pilot, NEW.position, NEW.after_id, NEW.washout_days, NEW.assigned_at)
        IS DISTINCT FROM
       (OLD.id, OLD.study_id, OLD.case_id, OLD.reader_id, OLD.kind, OLD.arms, OLD.condition, OLD.occasion, OLD.form_id,
        OLD.protocol_id, OLD.is_pilot, OLD.position, OLD.after_id, OLD.washout_days, OLD.assigned_at) THEN
        RAISE EXCEPTION 'What read % consists of was fixed when it was assigned. Withdraw it and assign another.', OLD.id
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF OLD.opened_at IS NOT NULL AND NEW.opened_at IS DISTINCT FROM OLD.opened_at THEN
        RAISE EXCEPTION 'Read % was opened at %: that stays.', OLD.id, OLD.opened_at
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF NEW.state IN ('opened', 'submitted') AND NEW.after_id IS NOT NULL THEN
        PERFORM 1 FROM studies_read WHERE id = NEW.after_id AND state = 'submitted' FOR SHARE;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'Read % opens only when read % is submitted.', OLD.id, NEW.after_id
                USING ERRCODE = 'integrity_constraint_violation';
        END IF;
    END IF;
    RETURN NEW;
END $$;

CREATE FUNCTION studies_answer_is_added() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    response feedback_response%ROWTYPE;
    of_read studies_read%ROWTYPE;
BEGIN
    SELECT * INTO response FROM feedback_response WHERE id = NEW.response_id;
    SELECT * INTO of_read FROM studies_read WHERE id = NEW.read_id FOR UPDATE;
    IF response.author_id <> of_read.reader_id THEN
        RAISE EXCEPTION 'Read % is answered by its reader only.', NEW.read_id
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF (of_read.state = 'submitted') <> (response.amends_id IS NOT NULL) THEN
        RAISE EXCEPTION 'Read % has one first answer, and after that amendments.', NEW.read_id
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF response.amends_id IS NOT NULL AND EXISTS (
        SELECT 1 FROM studies_read WHERE after_id = NEW.read_id AND opened_at IS NOT NULL
    ) THEN
        RAISE EXCEPTION 'The answer to read % is locked: a read that follows it was opened.', NEW.read_id
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE FUNCTION studies_row_is_kept() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% keeps its rows as they are: % is refused.', TG_TABLE_NAME, TG_OP
        USING ERRCODE = 'integrity_constraint_violation';
END $$;

CREATE TRIGGER read_changes BEFORE UPDATE ON studies_read
    FOR EACH ROW EXECUTE FUNCTION studies_read_changes();
CREATE TRIGGER read_is_kept BEFORE DELETE ON studies_read
    FOR EACH ROW EXECUTE FUNCTION studies_row_is_kept();
CREATE TRIGGER answer_is_added BEFORE INSERT ON studies_readresponse
    FOR EACH ROW EXECUTE FUNCTION studies_answer_is_added();
CREATE TRIGGER answer_is_kept BEFORE UPDATE OR DELETE ON studies_readresponse
    FOR EACH ROW EXECUTE FUNCTION studies_row_is_kept();
CREATE TRIGGER order_is_kept BEFORE UPDATE OR DELETE ON studies_readingorder
    FOR EACH ROW EXECUTE FUNCTION studies_row_is_kept();
CREATE TRIGGER seed_is_kept BEFORE UPDATE OR DELETE ON studies_studyseed
    FOR EACH ROW EXECUTE FUNCTION studies_row_is_kept();
"""

BACKWARD = """
DROP TRIGGER seed_is_kept ON studies_studyseed;
DROP TRIGGER order_is_kept ON studies_readingorder;
DROP TRIGGER answer_is_kept ON studies_readresponse;
DROP TRIGGER answer_is_added ON studies_readresponse;
DROP TRIGGER read_is_kept ON studies_read;
DROP TRIGGER read_changes ON studies_read;
DROP FUNCTION studies_row_is_kept;
DROP FUNCTION studies_answer_is_added;
DROP FUNCTION studies_read_changes;
"""


class Migration(migrations.Migration):
    """What was read, in which order and by which seed, stands as it was: PostgreSQL refuses else, whoever asks."""

    dependencies = [("studies", "0009_reads_are_claimed_and_withdrawn")]

    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
