"""Settings, all of them from the environment or from `OVERREAD_HOME/environment`, which `make demo` writes.

`docs/operators.md` lists every variable with its default.
"""

import warnings
from datetime import timedelta
from pathlib import Path
from typing import Any

import django_stubs_ext
import environ
from csp.constants import NONE, SELF

from portal import ldap_settings
from viewer_static import build

django_stubs_ext.monkeypatch()

BASE_DIR = Path(__file__).resolve().parent.parent
env = environ.Env()

OVERREAD_HOME = Path(env.str("OVERREAD_HOME", default=str(BASE_DIR / ".overread"))).resolve()
if (OVERREAD_HOME / "environment").is_file():
    env.read_env(OVERREAD_HOME / "environment")
OVERREAD_STORE = Path(env.str("OVERREAD_STORE", default=str(OVERREAD_HOME / "store"))).resolve()
# Where NGINX serves OVERREAD_STORE by internal redirects, such as /_store; empty where it does not stand in front.
OVERREAD_ACCEL_PREFIX = env.str("OVERREAD_ACCEL_PREFIX", default="")
# A folder with the site's own pipelines (*.yaml), found beside those that are shipped; empty for none.
OVERREAD_PIPELINES = env.str("OVERREAD_PIPELINES", default="")
# A folder with the site's own rules of response (*.yaml); one takes the place of the shipped rule of its name.
OVERREAD_RESPONSE_RULES = env.str("OVERREAD_RESPONSE_RULES", default="")
OVERREAD_WEB_HOST = env.str("OVERREAD_WEB_HOST", default="127.0.0.1")
OVERREAD_WEB_PORT = env.int("OVERREAD_WEB_PORT", default=8000)
OVERREAD_DIMSE_HOST = env.str("OVERREAD_DIMSE_HOST", default="127.0.0.1")
OVERREAD_DIMSE_PORT = env.int("OVERREAD_DIMSE_PORT", default=11112)
# As many processes take associations on one port; 0 for one a core, at least 2 and at most 8.
OVERREAD_DIMSE_PROCESSES = env.int("OVERREAD_DIMSE_PROCESSES", default=0)
# DICOM TLS (PS3.15, B.12) beside the plain port, or instead of it. With a CA named, callers need a certificate of it.
OVERREAD_DIMSE_PLAIN = env.bool("OVERREAD_DIMSE_PLAIN", default=True)
OVERREAD_DIMSE_TLS_PORT = env.int("OVERREAD_DIMSE_TLS_PORT", default=2762)
OVERREAD_DIMSE_TLS_CERTIFICATE = env.str("OVERREAD_DIMSE_TLS_CERTIFICATE", default="")
OVERREAD_DIMSE_TLS_KEY = env.str("OVERREAD_DIMSE_TLS_KEY", default="")
OVERREAD_DIMSE_TLS_CLIENT_CA = env.str("OVERREAD_DIMSE_TLS_CLIENT_CA", default="")
OVERREAD_DEMO = env.bool("OVERREAD_DEMO", default=False)

# Below so much room in the store nothing is received, and `/readyz` says so. It also warns when an acknowledged image
# is not filed for so long.
OVERREAD_MIN_FREE_BYTES = env.int("OVERREAD_MIN_FREE_BYTES", default=1024**3)
OVERREAD_MAX_SPOOL_SECONDS = env.float("OVERREAD_MAX_SPOOL_SECONDS", default=60.0)

# Refused associations are listed for so many days after they were last tried.
OVERREAD_REJECTION_DAYS = env.int("OVERREAD_REJECTION_DAYS", default=90)

# Empty is refused by Django itself as soon as anything is signed: a deployment has to choose its own.
SECRET_KEY = env.str("OVERREAD_SECRET_KEY", default="")
# Results' UIDs follow from it. It outlives the secret key, so that a structure of a patient keeps its tracking UID.
OVERREAD_UID_SALT = env.str("OVERREAD_UID_SALT", default="")
# Chains the audit trail, so that whoever may write into the database cannot forge a row. Empty: follows from the secret
# key. After a change the old one is named too, or rows that were written with it count as edited.
OVERREAD_AUDIT_KEY = env.str("OVERREAD_AUDIT_KEY", default="")
OVERREAD_AUDIT_OLD_KEYS = env.list("OVERREAD_AUDIT_OLD_KEYS", default=[])
# Where the trail's last row is written down each minute, outside the database: a cut tail is found by it.
OVERREAD_AUDIT_ANCHORS = Path(env.str("OVERREAD_AUDIT_ANCHORS", default=str(OVERREAD_HOME / "audit-anchors")))
# An exam's images, looked at by the same user, are one row in so many minutes.
OVERREAD_AUDIT_VIEW_MINUTES = env.int("OVERREAD_AUDIT_VIEW_MINUTES", default=15)
# Proxies whose X-Forwarded-For is believed: addresses or networks. None: the client is whoever opened the connection.
OVERREAD_TRUSTED_PROXIES = env.list("OVERREAD_TRUSTED_PROXIES", default=[])
# What readers see in place of identities, UIDs and arms follows from it; without it no read is served.
OVERREAD_BLINDING_KEY = env.str("OVERREAD_BLINDING_KEY", default="")
DEBUG = env.bool("OVERREAD_DEBUG", default=False)
ALLOWED_HOSTS = env.list("OVERREAD_ALLOWED_HOSTS", default=["127.0.0.1", "localhost", "[::1]"])
CSRF_TRUSTED_ORIGINS = env.list("OVERREAD_TRUSTED_ORIGINS", default=[])

INSTALLED_APPS = [
    "portal",
    "portal.audit",
    "portal.accounts",
    "dicom_ingest",
    "inference",
    "feedback",
    "studies",
    "viewer_static",
    "portal.audit.admin_config.AuditedAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.humanize",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "axes",
    "csp",
    "django_filters",
    "drf_spectacular",
    "rest_framework",
    "rest_framework.authtoken",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "portal.audit.middleware.who_acts",
    "portal.accounts.sessions.IdleTimeout",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "portal.urls"
WSGI_APPLICATION = "portal.wsgi.application"
AUTH_USER_MODEL = "portal.User"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
# The hospital's directory; without one, people have local accounts only.
OVERREAD_LDAP = ldap_settings.from_environment(env)
# Sessions and tokens of the directory's accounts are checked against it so often (s). With OVERREAD_DECISION_SECONDS
# this has to stay below a minute, the time in which a revoked account loses access.
OVERREAD_DIRECTORY_SECONDS = env.float("OVERREAD_DIRECTORY_SECONDS", default=20.0)
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "portal.accounts.backends.LocalBackend",
    *(["portal.accounts.ldap_backend.DirectoryBackend"] if OVERREAD_LDAP.is_on else []),
]
OVERREAD_PASSWORD_LENGTH = env.int("OVERREAD_PASSWORD_LENGTH", default=12)
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": OVERREAD_PASSWORD_LENGTH},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
# Invitations to a study work for so many days. Without a mail server the coordinator hands the link on; where local
# accounts are switched off, whom it invites needs an account already, in the hospital's directory mostly.
OVERREAD_INVITATION_DAYS = env.int("OVERREAD_INVITATION_DAYS", default=14)
OVERREAD_LOCAL_ACCOUNTS = env.bool("OVERREAD_LOCAL_ACCOUNTS", default=True)
OVERREAD_MAIL_URL = env.str("OVERREAD_MAIL_URL", default="")
DEFAULT_FROM_EMAIL = env.str("OVERREAD_MAIL_FROM", default="overread@localhost")
if OVERREAD_MAIL_URL:  # smtp://, smtp+tls:// or smtp+ssl://user:password@host:port
    globals().update(env.email_url("OVERREAD_MAIL_URL"))
# After so many wrong passwords for one user name from one address, none is tried for a while. Attempts while it is
# locked do not make it longer.
AXES_FAILURE_LIMIT = env.int("OVERREAD_LOGIN_FAILURES", default=5)
AXES_COOLOFF_TIME = timedelta(seconds=env.float("OVERREAD_LOCK_SECONDS", default=900.0))
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False
AXES_RESET_ON_SUCCESS = True
AXES_DISABLE_ACCESS_LOG = True
AXES_VERBOSE = False
AXES_USERNAME_CALLABLE = "portal.accounts.throttle.user_name"
AXES_CLIENT_IP_CALLABLE = "portal.audit.address.client_address"
# The sign-in form itself says that it is locked, so the middleware that would replace its page is left out.
SILENCED_SYSTEM_CHECKS = ["axes.W002"]
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = "login"
LANGUAGE_CODE = "en"
TIME_ZONE = env.str("OVERREAD_TIME_ZONE", default="UTC")
USE_TZ = True

TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "portal.context.navigation",
            ],
        },
    },
]

DATABASES = {"default": env.db_url("DATABASE_URL", default="postgres:///overread")}
DATABASES["default"]["CONN_MAX_AGE"] = 60
DATABASES["default"]["CONN_HEALTH_CHECKS"] = True

REDIS_URL = env.str("REDIS_URL", default="redis://127.0.0.1:6379/0")
# What a user may see over DICOMweb is decided once in so many seconds, in which a revoked membership still counts.
OVERREAD_DECISION_SECONDS = env.int("OVERREAD_DECISION_SECONDS", default=30)
CACHES: dict[str, dict[str, Any]] = {
    # In each process: what must work without Valkey, such as the throttle of the login.
    "default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"},
    "nearby": {
        "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
        "LOCATION": "nearby",
        "OPTIONS": {"MAX_ENTRIES": 20_000},
    },
    "decisions": {
        "BACKEND": "portal.caches.OneClientCache",
        "LOCATION": REDIS_URL,
        "KEY_PREFIX": "overread",
        "OPTIONS": {"socket_timeout": 1.0, "socket_connect_timeout": 1.0},
    },
}
CELERY_BROKER_URL = REDIS_URL
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_DEFAULT_QUEUE = "ingest"
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
# A gpu worker looks for its GPU before it is up, and drivers take their time to answer.
CELERY_WORKER_PROC_ALIVE_TIMEOUT = 60.0
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
# Hints only (the database is the truth), so an unacknowledged one may come back a little after the hard time limit.
CELERY_BROKER_TRANSPORT_OPTIONS = {"visibility_timeout": 4000}
CELERY_BEAT_SCHEDULE_FILENAME = str(OVERREAD_HOME / "celerybeat-schedule")
OVERREAD_COMPLETION_TICK_SECONDS = 1.0
CELERY_BEAT_SCHEDULE = {
    # A tick that finds no free worker expires: the next one does its work.
    name: {"task": name, "schedule": seconds, "options": {"expires": max(seconds, 5.0)}}
    for name, seconds in {
        "dicom_ingest.tasks.complete_exams": OVERREAD_COMPLETION_TICK_SECONDS,
        "studies.tasks.enrol_exams": 1.0,
        "inference.tasks.dispatch_exams": 1.0,
        "inference.tasks.sweep_jobs": 5.0,
        "inference.tasks.compare_results": 15.0,
        "feedback.tasks.measure_corrections": 5.0,
        "dicom_ingest.tasks.forget_old_rejections": 3600.0,
        "dicom_ingest.tasks.sweep_transfers": 5.0,
        "studies.tasks.advance_cases": 1.0,
        "studies.tasks.queue_results": 5.0,
        "studies.tasks.warn_of_retention": 86_400.0,
        "studies.tasks.seek_priors": 10.0,
        "portal.audit.tasks.write_anchor": 60.0,
        **({"portal.accounts.tasks.check_directory": OVERREAD_DIRECTORY_SECONDS} if OVERREAD_LDAP.is_on else {}),
        "studies.tasks.assign_reads": 5.0,
        "studies.tasks.make_reports": 10.0,
        "studies.tasks.check_cases": 10.0,
        "studies.tasks.prepare_reads": 10.0,
        "studies.tasks.prepare_quality": 5.0,
        "studies.tasks.tidy_reads": 3600.0,
        "studies.tasks.compare_masks": 15.0,
    }.items()
}

# Who acts on a complete exam is woken at once. The ticks of the same tasks above find what a lost message left.
OVERREAD_ON_COMPLETION = ["inference.tasks.dispatch_exams", "studies.tasks.enrol_exams"]

# A job's worker renews its lease this often; a worker that stops doing so loses the job after the lease's length.
JOB_LEASE_SECONDS = env.float("OVERREAD_JOB_LEASE_SECONDS", default=20.0)
# Where a pipeline has no limits of its own: a job is told to stop, and then its process is killed. 0 MiB stands for
# four fifths of the machine's memory.
OVERREAD_JOB_SOFT_SECONDS = env.float("OVERREAD_JOB_SOFT_SECONDS", default=3000.0)
OVERREAD_JOB_HARD_SECONDS = env.float("OVERREAD_JOB_HARD_SECONDS", default=3600.0)
OVERREAD_JOB_MEMORY_MB = env.int("OVERREAD_JOB_MEMORY_MB", default=0)
# The pause after a passing fault; it doubles with each attempt.
OVERREAD_JOB_BACKOFF_SECONDS = env.float("OVERREAD_JOB_BACKOFF_SECONDS", default=10.0)
# The sweeper warns when a job that could run has waited for so long.
OVERREAD_MAX_WAIT_SECONDS = env.float("OVERREAD_MAX_WAIT_SECONDS", default=900.0)
# Threads on the CPU of each job; 0 shares the cores out between the machine's workers.
OVERREAD_GPU_THREADS = env.int("OVERREAD_GPU_THREADS", default=0)

# Public keys (Ed25519, PEM) of those whose signature of a model counts, one file for each. Where models must be signed,
# an import without such a signature is refused.
OVERREAD_MODEL_KEYS = Path(env.str("OVERREAD_MODEL_KEYS", default=str(OVERREAD_HOME / "model-keys")))
OVERREAD_MODELS_MUST_BE_SIGNED = env.bool("OVERREAD_MODELS_MUST_BE_SIGNED", default=False)
# Read by the backends themselves, which also run where no Django is: OVERREAD_WARM_MODELS_MB, what the weights of warm
# models may take in one process (4096); OVERREAD_TRITON_URL, host:port of the Triton server's gRPC service;
# OVERREAD_TRITON_SECONDS, how long it may take over one request (120).

STATIC_URL = "/static/"
STATIC_ROOT = env.str("OVERREAD_STATIC_ROOT", default=None)
STATICFILES_DIRS = [
    ("portal", BASE_DIR / "viewer_static" / "css"),
    ("portal", BASE_DIR / "viewer_static" / "js"),
    ("vendor", build.VENDOR),
]
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = False
# OHIF's build expects to be at the site's root.
WHITENOISE_ROOT = build.OHIF_ROOT
WHITENOISE_IMMUTABLE_FILE_TEST = build.IMMUTABLE_FILES

# nosniff, same-origin referrers and framing by our own pages only (the viewer sits in a frame of the result page).
X_FRAME_OPTIONS = "SAMEORIGIN"
SECURE_REFERRER_POLICY = "same-origin"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_AGE = env.int("OVERREAD_SESSION_SECONDS", default=12 * 3600)
# A session ends after so long without a sign of its user, and in any case after the time above.
OVERREAD_IDLE_SECONDS = env.int("OVERREAD_IDLE_SECONDS", default=30 * 60)
OVERREAD_HTTPS = env.bool("OVERREAD_HTTPS", default=False)
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = OVERREAD_HTTPS
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if OVERREAD_HTTPS else None
SECURE_HSTS_SECONDS = 31_536_000 if OVERREAD_HTTPS else 0
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "img-src": [SELF, "data:"],
        "style-src": [SELF],
        "script-src": [SELF],
        "object-src": [NONE],
        "base-uri": [NONE],
        "form-action": [SELF],
        "frame-src": [SELF],
        "frame-ancestors": [SELF],
    },
}

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "portal.accounts.api_tokens.TokenAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_FILTER_BACKENDS": ["django_filters.rest_framework.DjangoFilterBackend"],
    "DEFAULT_PAGINATION_CLASS": "rest_framework.pagination.LimitOffsetPagination",
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "DEFAULT_THROTTLE_RATES": {"login": env.str("OVERREAD_LOGIN_RATE", default="20/min")},
    "PAGE_SIZE": 100,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Overread",
    "DESCRIPTION": "Exams, jobs, results and feedback of validation studies for radiology AI.",
    "VERSION": "0.1.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "ENUM_NAME_OVERRIDES": {
        "JobState": "inference.models.Job.State",
        "ModelStage": "inference.stage_models.Stage",
        "TransferState": "dicom_ingest.pacs.models.Transfer.State",
        "AETitlePriority": "dicom_ingest.models.AETitle.Priority",
        "TransferPriority": "dicom_ingest.pacs.models.Transfer.Priority",
        "ReceptionState": ["receiving", "complete"],
        "SentInstanceState": "dicom_ingest.pacs.models.SentInstance.State",
    },
}

# pydicom's warnings repeat the values they complain of, birth dates among them.
warnings.filterwarnings("ignore", category=UserWarning, module=r"pydicom\.")

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "{asctime} {levelname} {name}: {message}", "style": "{"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": env.str("OVERREAD_LOG_LEVEL", default="INFO")},
    "loggers": {
        # pynetdicom and pydicom log identifiers of patients at INFO.
        "pynetdicom": {"level": "ERROR"},
        "pydicom": {"level": "ERROR"},
        # What a codec cannot encode is refused in words to who asked for it.
        "openjpeg": {"level": "CRITICAL"},
        # Every sign-in in several lines; what fails is a warning.
        "axes": {"level": "WARNING"},
        "django_auth_ldap": {"level": "WARNING"},
        # The URL of a search at a DICOMweb remote names the patient.
        "urllib3": {"level": "WARNING"},
        # One line for each tick of the scheduler says nothing; what fails is logged above INFO.
        "celery.beat": {"level": "WARNING"},
        "celery.worker.strategy": {"level": "WARNING"},
        "celery.app.trace": {"level": "WARNING"},
    },
}
