"""The metadata of a series as one gzipped file, for WADO-RS to send as it is."""

import gzip

from dicom_ingest import store
from dicom_ingest.models import Series


def write_metadata(series: Series) -> None:
    """Write the headers of the series' instances, in their order, as one gzipped JSON array.

    The caller holds the series' row locked, so that no instance joins meanwhile unseen.
    Raises FileNotFoundError when a header is missing.
    """
    study_uid, series_uid = series.exam.study_instance_uid, series.series_instance_uid
    headers = [
        store.header_path(study_uid, series_uid, sop_uid).read_bytes()
        for sop_uid in series.instances.values_list("sop_instance_uid", flat=True)
    ]
    packed = gzip.compress(b"[" + b",".join(headers) + b"]", compresslevel=6, mtime=0)
    store.write_durably(store.metadata_path(study_uid, series_uid), packed)
