from django.db import migrations

FORWARD = """
CREATE FUNCTION studies_protocol_is_kept() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.frozen_at IS NOT NULL THEN
        RAISE EXCEPTION 'Version % of the protocol of study % is frozen: % is refused. Amend it instead.',
            OLD.number, OLD.study_id, TG_OP
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF TG_OP = 'DELETE' THEN
        RETURN OLD;
    END IF;
    IF (NEW.study_id, NEW.number) IS DISTINCT FROM (OLD.study_id, OLD.number) THEN
        RAISE EXCEPTION 'A version of a protocol keeps its study and its number.'
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE FUNCTION studies_protocol_forms_are_kept() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- Neither the version nor the form may change between this check and its being seen by others.
    IF TG_OP <> 'INSERT' THEN
        PERFORM 1 FROM studies_protocolversion
            WHERE id = OLD.protocolversion_id AND frozen_at IS NOT NULL FOR SHARE;
        IF FOUND THEN
            RAISE EXCEPTION 'The forms of a frozen protocol are kept: % is refused. Amend it instead.', TG_OP
                USING ERRCODE = 'integrity_constraint_violation';
        END IF;
    END IF;
    IF TG_OP = 'DELETE' THEN
        RETURN OLD;
    END IF;
    PERFORM 1 FROM feedback_form WHERE id = NEW.form_id FOR SHARE;
    PERFORM 1 FROM studies_protocolversion WHERE id = NEW.protocolversion_id AND frozen_at IS NOT NULL FOR SHARE;
    IF FOUND THEN
        RAISE EXCEPTION 'The forms of a frozen protocol are kept: % is refused. Amend it instead.', TG_OP
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE FUNCTION studies_form_of_protocol_is_kept() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND (NEW.id, NEW.slug, NEW.version, NEW.title, NEW.questions)
            IS NOT DISTINCT FROM (OLD.id, OLD.slug, OLD.version, OLD.title, OLD.questions) THEN
        RETURN NEW;
    END IF;
    IF EXISTS (
        SELECT 1 FROM studies_protocolversion_forms asked
        JOIN studies_protocolversion version ON version.id = asked.protocolversion_id
        WHERE asked.form_id = OLD.id AND version.frozen_at IS NOT NULL
    ) THEN
        RAISE EXCEPTION 'Form % version % belongs to a frozen protocol: % is refused. Add a new version instead.',
            OLD.slug, OLD.version, TG_OP
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF TG_OP = 'DELETE' THEN
        RETURN OLD;
    END IF;
    RETURN NEW;
END $$;

CREATE FUNCTION studies_study_begins_as_draft() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.stage <> 'draft' THEN
        RAISE EXCEPTION 'A study begins as a draft, not as %.', NEW.stage
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE FUNCTION studies_study_goes_forward() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    stages CONSTANT text[] := ARRAY['draft', 'pilot', 'active', 'locked', 'closed'];
    readers text;
BEGIN
    IF NEW.slug <> OLD.slug AND OLD.stage <> 'draft' THEN
        RAISE EXCEPTION 'The short name of study % stands in records and does not change.', OLD.slug
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF NEW.stage <> OLD.stage THEN
        IF array_position(stages, NEW.stage::text) IS NULL
                OR (array_position(stages, NEW.stage::text) < array_position(stages, OLD.stage::text)
                    AND NOT (OLD.stage = 'locked' AND NEW.stage = 'active')) THEN
            RAISE EXCEPTION 'Study % is %: it does not go back to %.', OLD.slug, OLD.stage, NEW.stage
                USING ERRCODE = 'integrity_constraint_violation';
        END IF;
        IF NOT EXISTS (
            SELECT 1 FROM studies_protocolversion WHERE study_id = OLD.id AND frozen_at IS NOT NULL
        ) THEN
            RAISE EXCEPTION 'Study % has no frozen protocol: it does not become %.', OLD.slug, NEW.stage
                USING ERRCODE = 'integrity_constraint_violation';
        END IF;
    END IF;
    IF NEW.readers_are_blinded <> OLD.readers_are_blinded THEN
        SELECT document -> 'blinding' ->> 'readers' INTO readers FROM studies_protocolversion
            WHERE study_id = OLD.id AND frozen_at IS NOT NULL ORDER BY number DESC LIMIT 1;
        IF FOUND AND NEW.readers_are_blinded <> (readers = 'blinded') THEN
            RAISE EXCEPTION 'The frozen protocol of study % has its readers %. Amend it instead.', OLD.slug, readers
                USING ERRCODE = 'integrity_constraint_violation';
        END IF;
    END IF;
    RETURN NEW;
END $$;

CREATE FUNCTION studies_stage_change_is_kept() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'Steps between stages are only added: % of % is refused.', TG_OP, OLD.id
        USING ERRCODE = 'integrity_constraint_violation';
END $$;

CREATE TRIGGER protocol_is_kept BEFORE UPDATE OR DELETE ON studies_protocolversion
    FOR EACH ROW EXECUTE FUNCTION studies_protocol_is_kept();
CREATE TRIGGER protocol_forms_are_kept BEFORE INSERT OR UPDATE OR DELETE ON studies_protocolversion_forms
    FOR EACH ROW EXECUTE FUNCTION studies_protocol_forms_are_kept();
CREATE TRIGGER form_of_protocol_is_kept BEFORE UPDATE OR DELETE ON feedback_form
    FOR EACH ROW EXECUTE FUNCTION studies_form_of_protocol_is_kept();
CREATE TRIGGER study_begins_as_draft BEFORE INSERT ON studies_study
    FOR EACH ROW EXECUTE FUNCTION studies_study_begins_as_draft();
CREATE TRIGGER study_goes_forward BEFORE UPDATE ON studies_study
    FOR EACH ROW EXECUTE FUNCTION studies_study_goes_forward();
CREATE TRIGGER stage_change_is_kept BEFORE UPDATE OR DELETE ON studies_stagechange
    FOR EACH ROW EXECUTE FUNCTION studies_stage_change_is_kept();

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

CREATE TRIGGER arm_mask_is_kept BEFORE UPDATE OR DELETE ON studies_armmask
    FOR EACH ROW EXECUTE FUNCTION studies_said_is_kept();

CREATE FUNCTION studies_report_is_kept() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'Report % was made and is kept: % is refused. Make a new one.', OLD.id, TG_OP
        USING ERRCODE = 'integrity_constraint_violation';
END $$;

CREATE TRIGGER report_is_kept BEFORE UPDATE OR DELETE ON studies_studyreport
    FOR EACH ROW WHEN (OLD.state = 'done') EXECUTE FUNCTION studies_report_is_kept();

CREATE TRIGGER report_is_kept BEFORE UPDATE OR DELETE ON studies_readreport
    FOR EACH ROW EXECUTE FUNCTION studies_row_is_kept();
"""

BACKWARD = """
DROP TRIGGER report_is_kept ON studies_readreport;
DROP TRIGGER report_is_kept ON studies_studyreport;
DROP FUNCTION studies_report_is_kept;
DROP TRIGGER arm_mask_is_kept ON studies_armmask;
DROP TRIGGER seed_is_kept ON studies_studyseed;
DROP TRIGGER order_is_kept ON studies_readingorder;
DROP TRIGGER answer_is_kept ON studies_readresponse;
DROP TRIGGER answer_is_added ON studies_readresponse;
DROP TRIGGER read_is_kept ON studies_read;
DROP TRIGGER read_changes ON studies_read;
DROP FUNCTION studies_row_is_kept;
DROP FUNCTION studies_answer_is_added;
DROP FUNCTION studies_read_changes;
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
DROP TRIGGER stage_change_is_kept ON studies_stagechange;
DROP TRIGGER study_goes_forward ON studies_study;
DROP TRIGGER study_begins_as_draft ON studies_study;
DROP TRIGGER form_of_protocol_is_kept ON feedback_form;
DROP TRIGGER protocol_forms_are_kept ON studies_protocolversion_forms;
DROP TRIGGER protocol_is_kept ON studies_protocolversion;
DROP FUNCTION studies_stage_change_is_kept;
DROP FUNCTION studies_study_goes_forward;
DROP FUNCTION studies_study_begins_as_draft;
DROP FUNCTION studies_form_of_protocol_is_kept;
DROP FUNCTION studies_protocol_forms_are_kept;
DROP FUNCTION studies_protocol_is_kept;
"""


class Migration(migrations.Migration):
    """Protocols, findings, reads, truth and reports stay as they were frozen, given or made: PostgreSQL refuses the rest."""

    replaces = [
        ("studies", "0002_destinations_and_priors"),
        ("studies", "0003_protocols_cases_and_reads"),
        ("studies", "0004_a_protocol_for_what_was_there"),
        ("studies", "0005_invitations_and_group_grants"),
        ("studies", "0006_frozen_protocols_and_stages"),
        ("studies", "0007_cases_on_their_way"),
        ("studies", "0008_what_was_found_and_said_is_kept"),
        ("studies", "0009_reads_are_claimed_and_withdrawn"),
        ("studies", "0010_reads_are_kept"),
        ("studies", "0011_case_showings"),
        ("studies", "0012_panels_decide_too"),
        ("studies", "0013_how_long_qc_took"),
        ("studies", "0014_annotated_masks"),
        ("studies", "0015_compared_masks"),
        ("studies", "0016_reports_to_the_board"),
        ("studies", "0017_a_made_report_is_kept"),
        ("studies", "0018_measurements_of_reads"),
    ]
    dependencies = [("studies", "0001_initial")]

    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
