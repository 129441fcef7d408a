from django.db import migrations

FORWARD = """
CREATE FUNCTION audit_entry_is_kept() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'The audit trail is append-only: % is refused.', TG_OP
        USING ERRCODE = 'integrity_constraint_violation';
END $$;

CREATE TRIGGER entry_is_kept BEFORE UPDATE OR DELETE ON audit_entry
    FOR EACH ROW EXECUTE FUNCTION audit_entry_is_kept();
CREATE TRIGGER entries_are_kept BEFORE TRUNCATE ON audit_entry
    FOR EACH STATEMENT EXECUTE FUNCTION audit_entry_is_kept();
"""

BACKWARD = """
DROP TRIGGER entries_are_kept ON audit_entry;
DROP TRIGGER entry_is_kept ON audit_entry;
DROP FUNCTION audit_entry_is_kept;
"""


class Migration(migrations.Migration):
    """Rows are only ever added: PostgreSQL refuses everything else, whoever asks."""

    dependencies = [("audit", "0001_initial")]

    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
