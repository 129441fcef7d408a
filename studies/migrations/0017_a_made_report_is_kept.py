from django.db import migrations

FORWARD = """
CREATE FUNCTION studies_report_is_kept() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'Report % was made and is kept: % is refused. Make a new one.', OLD.id, TG_OP
        USING ERRCODE = 'integrity_constraint_violation';
END $$;

CREATE TRIGGER report_is_kept BEFORE UPDATE OR DELETE ON studies_studyreport
    FOR EACH ROW WHEN (OLD.state = 'done') EXECUTE FUNCTION studies_report_is_kept();
"""

BACKWARD = """
DROP TRIGGER report_is_kept ON studies_studyreport;
DROP FUNCTION studies_report_is_kept;
"""


class Migration(migrations.Migration):
    """A report that was made stays as it is: PostgreSQL refuses to change or delete it."""

    dependencies = [("studies", "0016_reports_to_the_board")]

    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
