from django.db import migrations

# A search with a case-blind beginning of a name or of one of its component groups, as matching.py writes it.
NAME_INDEXES = "".join(
    f"""
CREATE INDEX exam_{column}_{group} ON dicom_ingest_exam (
    (upper(rtrim(split_part({column}, '=', {group}), '^'))) text_pattern_ops
);
"""
    for column in ("patient_name", "referring_physician_name")
    for group in (1, 2, 3)
)
NAME_INDEXES_BACK = "".join(
    f"DROP INDEX exam_{column}_{group};"
    for column in ("patient_name", "referring_physician_name")
    for group in (1, 2, 3)
)

# How often which description occurs, without which PostgreSQL takes each for rare and sorts all that match.
STATISTICS = """
CREATE STATISTICS exam_description_in_any_case ON (upper(study_description)) FROM dicom_ingest_exam;
CREATE STATISTICS series_description_in_any_case ON (upper(series_description)) FROM dicom_ingest_series;
"""
STATISTICS_BACK = """
DROP STATISTICS exam_description_in_any_case;
DROP STATISTICS series_description_in_any_case;
"""

# Once a statement, not once a row, so that instances may be added and removed by the thousand.
COUNT = """
CREATE FUNCTION dicom_ingest_count_instances() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        UPDATE dicom_ingest_series AS series SET instance_count = series.instance_count + added.number
        FROM (SELECT series_id, count(*) AS number FROM added_instances GROUP BY series_id) AS added
        WHERE series.id = added.series_id;
    ELSE
        UPDATE dicom_ingest_series AS series SET instance_count = series.instance_count - removed.number
        FROM (SELECT series_id, count(*) AS number FROM removed_instances GROUP BY series_id) AS removed
        WHERE series.id = removed.series_id;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER instances_are_counted_in AFTER INSERT ON dicom_ingest_instance
    REFERENCING NEW TABLE AS added_instances
    FOR EACH STATEMENT EXECUTE FUNCTION dicom_ingest_count_instances();
CREATE TRIGGER instances_are_counted_out AFTER DELETE ON dicom_ingest_instance
    REFERENCING OLD TABLE AS removed_instances
    FOR EACH STATEMENT EXECUTE FUNCTION dicom_ingest_count_instances();
"""
COUNT_BACK = """
DROP TRIGGER instances_are_counted_out ON dicom_ingest_instance;
DROP TRIGGER instances_are_counted_in ON dicom_ingest_instance;
DROP FUNCTION dicom_ingest_count_instances;
"""


class Migration(migrations.Migration):
    """What searches need to stay fast: names in any case, counts that need no counting."""

    replaces = [
        ("dicom_ingest", "0003_routing_rules"),
        ("dicom_ingest", "0004_discarded_instance"),
        ("dicom_ingest", "0005_remotes"),
        ("dicom_ingest", "0006_ae_title_limits"),
        ("dicom_ingest", "0007_corrected_series"),
        ("dicom_ingest", "0008_annotated_masks"),
        ("dicom_ingest", "0009_reports_of_readers"),
    ]
    dependencies = [("dicom_ingest", "0001_initial")]

    operations = [
        migrations.RunSQL(NAME_INDEXES, NAME_INDEXES_BACK),
        migrations.RunSQL(STATISTICS, STATISTICS_BACK),
        migrations.RunSQL(COUNT, COUNT_BACK),
    ]
