"""What the demonstration prints once it is ready."""

from pathlib import Path
from urllib.parse import urlencode

from portal.demo.exams import DemonstrationExam
from portal.demo.preflight import Setup
from portal.demo.seed import ADMINISTRATOR, AE_TITLE, ANNOTATORS, MEMBERS, PASSWORD

READY = "Overread is ready."


def block(setup: Setup, latest: DemonstrationExam) -> str:
    """Where to go, as whom, how to push exams of one's own, how to stop. `latest` is the exam that the link opens."""
    query = urlencode({"requestType": "STUDY", "studyUID": latest.study_instance_uid})
    host, port = setup.dimse_host, setup.dimse_port
    lines = {
        "Open": f"{setup.url}/",
        "Log in as": f"{', '.join((*MEMBERS, *ANNOTATORS, ADMINISTRATOR))}",
        "Password": PASSWORD,
        "A result": f"{setup.url}/IHEInvokeImageDisplay?{query}",
        "Push exams": f"AE title {AE_TITLE}, {host}, port {port}",
        "": f"storescu -v -aet SCANNER -aec {AE_TITLE} {host} {port} +sd +r FOLDER",
        "Data": f"{_near(setup.home)} (logs in {_near(setup.logs)}); it stays when you stop",
        "Stop": "Ctrl-C",
    }
    return "\n".join([READY, "", *(f"  {label:<11}{text}" for label, text in lines.items()), ""])


def _near(path: Path) -> Path:
    """The path as seen from the working directory, when it lies below that."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path
