"""Where the fetched front-end packages lie."""

from pathlib import Path

DIST = Path(__file__).resolve().parent / "dist"

VENDOR = DIST / "vendor"  # tabler-core/, htmx/, echarts/: for STATICFILES_DIRS
OHIF_ROOT = DIST / "ohif" / "root"  # served at the site's root: for WHITENOISE_ROOT
OHIF_INDEX = DIST / "ohif" / "page" / "index.html"

# For WHITENOISE_IMMUTABLE_FILE_TEST: OHIF's files that carry a hash of their content in their name.
IMMUTABLE_FILES = r"^/[\w-]+\.bundle\.[0-9a-f]{16}\.js$|^/[0-9a-f]{16}\.(wasm|woff2)$"
