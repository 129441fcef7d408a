"""What can be done that is put on record, and what a row may say of it besides."""

from enum import StrEnum


class Action(StrEnum):
    """What was done, in the past tense. Members are only added: rows that were written keep their words."""

    # signing in
    SIGNED_IN = "signed in"
    SIGN_IN_FAILED = "sign-in failed"
    SIGNED_OUT = "signed out"
    TOKEN_ISSUED = "API token issued"  # noqa: S105 - a word, not a token
    PASSWORD_CHANGED = "password changed"  # noqa: S105 - a word, not a password
    ACCOUNT_MADE = "account made"
    ACCOUNT_CLOSED = "account closed by the directory"
    ACCOUNT_OPENED = "account opened again by the directory"
    ADMINISTRATION_GRANTED = "made an administrator by the directory"
    ADMINISTRATION_WITHDRAWN = "no longer an administrator by the directory"
    # who takes part in a study
    MEMBER_INVITED = "member invited"
    INVITATION_RENEWED = "invitation's link renewed"
    INVITATION_WITHDRAWN = "invitation withdrawn"
    INVITATION_ACCEPTED = "invitation accepted"
    ROLE_GRANTED = "role granted"
    ROLE_WITHDRAWN = "role withdrawn"
    GROUP_GRANTED = "role granted to a group"
    GROUP_GRANT_WITHDRAWN = "role of a group withdrawn"
    # seeing what is a patient's
    EXAM_VIEWED = "exam viewed"
    RESULT_VIEWED = "result viewed"
    COURSE_VIEWED = "course viewed"
    COURSE_PRINTED = "course opened for printing"
    JOB_VIEWED = "job viewed"
    FEEDBACK_VIEWED = "feedback viewed"
    STUDY_RESULTS_VIEWED = "study's results viewed"
    IMAGES_VIEWED = "images viewed"
    EXAMS_LISTED = "exams listed"
    EXAMS_SEARCHED = "exams searched"
    IMAGE_DISPLAY_INVOKED = "PACS link followed"
    ADMINISTRATION_VIEWED = "seen in the administration"
    # taking something out
    JOB_FILES_EXPORTED = "files of a job exported"
    QUARANTINED_FILE_EXPORTED = "quarantined file exported"
    LOG_EXPORTED = "log exported"
    STUDY_RESULTS_EXPORTED = "study's results exported"
    STUDY_REPORT_EXPORTED = "study's report exported"
    RESULTS_QUEUED = "results queued for sending"
    RESULTS_SENT = "results sent"
    SENDING_CANCELLED = "sending cancelled"
    SENDING_RETRIED = "sending retried"
    # bringing something in
    INSTANCES_STORED = "instances stored"
    EXAM_BROUGHT_IN = "exam brought in"
    EXAM_COMPLETED = "exam completed by hand"
    QUARANTINE_RETRIED = "quarantined file filed again"
    QUARANTINE_DISCARDED = "quarantined file discarded"
    PACS_SEARCHED = "PACS searched"
    RETRIEVAL_REQUESTED = "exam asked for from PACS"
    RETRIEVAL_CANCELLED = "retrieval cancelled"
    RETRIEVAL_RETRIED = "retrieval retried"
    # feedback and jobs
    FEEDBACK_SUBMITTED = "feedback submitted"
    FEEDBACK_AMENDED = "feedback amended"
    CORRECTION_SAVED = "corrected segmentation saved"
    MEASUREMENTS_SAVED = "measurements saved"
    JOB_RETRIED = "job retried"
    JOB_CANCELLED = "job cancelled"
    JOB_RERUN = "job rerun"
    # studies and their protocols
    STUDY_BEGUN = "study begun"
    PROTOCOL_WRITTEN = "draft of the protocol written"
    PROTOCOL_FROZEN = "protocol frozen"
    PROTOCOL_AMENDED = "amendment of the protocol begun"
    AMENDMENT_DISCARDED = "amendment of the protocol discarded"
    PROTOCOL_EXPORTED = "protocol exported"
    STUDY_STAGE_CHANGED = "study taken to another stage"
    # reads
    ORDER_DRAWN = "reading order drawn"
    READS_ASSIGNED = "reads assigned"
    READS_GIVEN = "reads given to a reader"
    READS_WITHDRAWN = "reads withdrawn"
    READS_RESTORED = "reads given back"
    READ_OPENED = "read opened"
    READ_SUBMITTED = "read submitted"
    READ_AMENDED = "answer to a read amended"
    # masks that people give an arm
    MASK_GIVEN = "mask given to an arm"
    MASK_FOUND = "mask taken as an arm's finding"
    START_ASKED_FOR = "starting mask asked for"
    IMAGES_TAKEN = "images of a read downloaded"
    # exams on their way through a study
    EXAMS_SCREENED = "exams screened"
    EXAMS_SCREENED_AGAIN = "exams screened again"
    SCREENING_DECIDED = "screening decided by hand"
    MISSED_EXAMS_TAKEN = "missed exams taken"
    CASE_MOVED = "case moved"
    CASE_TRIED_AGAIN = "case tried again"
    CASE_REVIEWED = "case reviewed"
    CASE_TO_BE_REVIEWED_AGAIN = "case to be reviewed again"
    CASE_RUN_ON_OTHER_SERIES = "case run on other series"
    FINDINGS_COLLECTED = "findings collected"
    TABLE_KEPT = "table of outside results kept"
    TRUTH_VIEWED = "truth viewed"
    TRUTH_IMPORTED = "truth imported"
    TRUTH_DECIDED = "truth decided"
    TRUTH_LOCKED = "truth locked"
    STUDY_REPORT_ASKED_FOR = "study's report asked for"
    STUDY_REPORT_MADE = "study's report made"
    # how the portal is set up
    FORM_BEGUN = "form begun"
    FORM_PUBLISHED = "form published"
    RULE_WRITTEN = "rule written"
    RULE_ACTIVATED = "rule activated"
    RULE_DEACTIVATED = "rule deactivated"
    EXAMS_JUDGED_AGAIN = "exams judged again"
    AE_TITLE_CHANGED = "AE title changed"
    REMOTE_CHANGED = "remote changed"
    REMOTE_DELETED = "remote deleted"
    MODEL_REGISTERED = "model registered"
    MODEL_STAGE_CHANGED = "model taken to another stage"
    ADDED_IN_ADMINISTRATION = "added in the administration"
    CHANGED_IN_ADMINISTRATION = "changed in the administration"
    DELETED_IN_ADMINISTRATION = "deleted in the administration"


# fmt: off
DETAIL_KEYS = frozenset(
    {
        "accepted", "action", "active", "ae_title", "after", "amendment", "amends", "answered", "arm", "arms",
        "assigned", "author", "before", "called_ae", "case", "cases", "changed", "changes", "count", "criteria",
        "decision", "destination", "digest", "enrolled", "exam", "exams", "excluded", "failed", "fields", "file",
        "files", "filters", "form", "format", "frames", "from", "group", "groups", "hits", "images", "instances",
        "invitation", "keys", "kind", "language", "level", "method", "minutes", "modality", "model", "models",
        "name", "number", "of", "order", "page", "part", "pipeline", "pipelines", "priority", "protocol",
        "questions", "read", "reader", "readers", "reads", "remote", "response", "result", "results", "role",
        "roles", "rows", "rule", "screened", "sections", "seed", "series", "sha256", "size", "slug", "source",
        "stage", "state", "stored", "study", "subject", "to", "total", "truth", "unit", "user", "users",
        "version", "versions",
    }
)
# fmt: on
"""What a row's detail may be about. A new key is added here, after asking whether its values could ever name a patient.

`reason` and `comment` are missing on purpose: free text may name a patient, and stands with what it is the reason of.
"""
