"""OHIF's page, its policy, its configuration, its other files, and the links into it."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
import subprocess
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from django.core.management import call_command
from django.test import Client
from django.urls import Resolver404, resolve

from portal.models import User
from viewer_static import checks, fetch, links, views
from viewer_static.build import DIST, IMMUTABLE_FILES, OHIF_INDEX, OHIF_ROOT
from viewer_static.page import SERVICE_WORKER, PageError, page

STUDY, SEGMENTATION = "1.2.3", "1.2.3.4"


@pytest.fixture(scope="session", autouse=True)
def fetched() -> None:
    """The real packages; quick when `make` fetched them before."""
    fetch.fetch_all(fetch.packages(), DIST, lambda line: None)


@pytest.fixture
def reader(client: Client, django_user_model: type[User]) -> Client:
    client.force_login(django_user_model.objects.create_user("somebody"))
    return client


@pytest.fixture
def index(tmp_path: Path) -> Path:
    return Path(shutil.copy(OHIF_INDEX, tmp_path / "index.html"))


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/viewer", "/segmentation"])
def test_the_viewer_is_behind_the_login(client: Client, path: str) -> None:
    answer = client.get(f"{path}?StudyInstanceUIDs={STUDY}")
    assert answer.status_code == 302
    assert answer["Location"].startswith("/login/?next=")


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/viewer", "/segmentation"])
def test_the_page_is_ohifs_without_its_service_worker(reader: Client, path: str) -> None:
    html = reader.get(path).content.decode()
    assert html == OHIF_INDEX.read_text().replace(SERVICE_WORKER, "")
    assert "service-worker" not in html
    assert "/app-config.js" in html


@pytest.mark.django_db
def test_the_viewers_policy_allows_its_own_inline_scripts_only_and_framing_by_the_portal(reader: Client) -> None:
    answer = reader.get("/viewer")
    directives = dict(part.split(" ", 1) for part in answer["Content-Security-Policy"].split("; "))
    scripts = re.findall(r"<script>(.*?)</script>", answer.content.decode(), re.DOTALL)
    hashes = {f"'sha256-{base64.b64encode(hashlib.sha256(s.encode()).digest()).decode()}'" for s in scripts}
    assert len(hashes) == 2
    assert set(directives["script-src"].split()) == {"'self'", "'unsafe-eval'", "'wasm-unsafe-eval'", *hashes}
    assert directives["frame-ancestors"] == "'self'"
    assert directives["connect-src"] == "'self' data: blob:"
    assert answer["X-Frame-Options"] == "SAMEORIGIN"
    assert "no-cache" in answer["Cache-Control"]


@pytest.mark.django_db
def test_the_loose_policy_stays_on_the_viewers_pages(client: Client) -> None:
    assert "unsafe" not in client.get("/login/")["Content-Security-Policy"]


@pytest.mark.django_db
@pytest.mark.parametrize(
    "root",
    [
        "https://elsewhere.example/dicomweb",
        "//elsewhere.example/dicomweb",
        "/dicomweb/",
        "/reads/../dicomweb",
        "",
        "/x",
    ],
)
def test_a_link_to_images_that_are_not_the_portals_is_refused(reader: Client, root: str) -> None:
    answer = reader.get("/viewer", {"StudyInstanceUIDs": STUDY, "dicomweb": root})
    assert answer.status_code == 400
    assert "not one of the portal's" in answer.content.decode()


@pytest.mark.django_db
def test_one_good_root_does_not_carry_a_bad_one_in(reader: Client) -> None:
    assert reader.get("/viewer?dicomweb=/dicomweb&dicomweb=//elsewhere.example").status_code == 400
    assert reader.get("/viewer?dicomweb=/reads/0c-9f/dicomweb").status_code == 200


@pytest.mark.django_db
def test_before_the_viewer_is_fetched_its_page_says_what_to_run(
    reader: Client, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(views, "page", lambda: page(tmp_path / "missing.html"))
    answer = reader.get("/viewer")
    assert answer.status_code == 503
    assert "python -m viewer_static.fetch" in answer.content.decode()


def config_seen_at(search: str, client: Client) -> subprocess.CompletedProcess[str]:
    """Run the served configuration in Node with a page's address, and print the configuration it makes."""
    script = client.get("/app-config.js").content.decode()
    page_of_a_browser = f"""
      globalThis.window = globalThis;
      globalThis.location = {{ search: {json.dumps(search)}, origin: 'https://portal.example' }};
      globalThis.stop = () => {{ process.stdout.write('stopped'); }};
      globalThis.document = {{ documentElement: {{}} }};
    """
    program = f"{page_of_a_browser}\n{script}\nprocess.stdout.write(JSON.stringify(globalThis.config));"
    return subprocess.run(["node", "-e", program], capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("search", "root"),
    [
        ("", "/dicomweb"),
        ("?StudyInstanceUIDs=1.2.3", "/dicomweb"),
        ("?dicomweb=/dicomweb", "/dicomweb"),
        ("?StudyInstanceUIDs=1.2.3&dicomweb=%2Freads%2F0c1d-9f%2Fdicomweb", "/reads/0c1d-9f/dicomweb"),
    ],
)
def test_the_configuration_loads_from_the_root_that_the_page_names(client: Client, search: str, root: str) -> None:
    source = json.loads(config_seen_at(search, client).stdout)["dataSources"][0]["configuration"]
    assert {source["qidoRoot"], source["wadoRoot"], source["wadoUriRoot"]} == {f"https://portal.example{root}"}
    assert source["segmentation"]["store"]["defaultMode"] == "bitmap"
    assert source["loadMultiframeAsPart10"] is True
    # Images shown as they stream in stay black: tests/e2e/test_three_studies.py looks at them.
    assert source["stackRetrieveOptions"] == {"retrieveOptions": {"single": {"streaming": False}}}
    assert "staticWado" not in source


@pytest.mark.parametrize(
    "search",
    ["?dicomweb=https://e.example/", "?dicomweb=//e/dicomweb", "?dicomweb=", "?dicomweb=/dicomweb&dicomweb=/x"],
)
def test_the_configuration_stops_the_viewer_at_any_other_root(client: Client, search: str) -> None:
    finished = config_seen_at(search, client)
    assert finished.stdout == "stopped"
    assert "not a DICOMweb root of this portal" in finished.stderr


def test_a_report_shows_its_boxes_though_other_groups_are_of_no_place(client: Client) -> None:
    script = client.get("/app-config.js").content.decode()
    program = f"""
      globalThis.window = globalThis;
      globalThis.location = {{ search: '', origin: 'https://portal.example' }};
      {script}
      const before = config.customizationService.global.onBeforeSRAddMeasurement.$set;
      const labels = [{{ label: 'Volume', value: '93 ml' }}, {{ label: '363698007', value: 'Left hip' }}];
      const of = measurement => before({{ measurement }}) === measurement && measurement;
      process.stdout.write(JSON.stringify([of({{ coords: [], labels }}), of({{ coords: [{{ x: 1 }}], labels: [] }})]));
    """
    seen = subprocess.run(["node", "-e", program], capture_output=True, text=True, check=True).stdout
    placeless, placed = json.loads(seen)
    assert placeless["coords"] == [{}]
    assert [line["label"] for line in placeless["labels"]] == ["Volume", "Finding site"]
    assert placed["coords"] == [{"x": 1}]


def test_ohifs_other_files_are_served_at_the_root(client: Client) -> None:
    bundle = next(OHIF_ROOT.glob("app.bundle.*.js")).name
    answer = client.get(f"/{bundle}")
    assert answer.status_code == 200
    assert "immutable" in answer["Cache-Control"]
    assert client.get("/manifest.json").status_code == 200


@pytest.mark.parametrize("path", ["/viewer-modules/nothing.js", "/viewer-modules/../app-config.js"])
def test_no_other_file_is_served_as_a_module_of_the_portals(client: Client, path: str) -> None:
    assert client.get("/viewer-modules/extension.js").headers["Content-Type"].startswith("text/javascript")
    assert client.get(path).status_code == 404


@pytest.mark.parametrize("name", ["sw.js", "init-service-worker.js", "index.html", "silent-refresh.html"])
def test_the_service_worker_and_the_raw_pages_are_not_served(client: Client, name: str) -> None:
    assert client.get(f"/{name}").status_code == 404


def test_no_file_of_ohif_shadows_a_page_of_the_portal() -> None:
    files = [path.relative_to(OHIF_ROOT).as_posix() for path in OHIF_ROOT.rglob("*") if path.is_file()]
    assert len(files) > 100
    for name in files:
        with pytest.raises(Resolver404):
            resolve(f"/{name}")
    folders = {name.split("/")[0] for name in files if "/" in name}
    assert folders == {"assets"}


def test_files_named_after_their_content_may_be_kept_for_ever_and_no_others() -> None:
    kept = [path.name for path in OHIF_ROOT.iterdir() if re.search(IMMUTABLE_FILES, f"/{path.name}")]
    assert "app.bundle.css" not in kept
    assert "manifest.json" not in kept
    assert len([name for name in kept if name.endswith(".js")]) == len(list(OHIF_ROOT.glob("*.js")))


def test_djangos_checks_pass_on_the_pinned_viewer() -> None:
    call_command("check", "viewer_static")
    assert checks.findings(OHIF_INDEX) == []


@pytest.mark.parametrize("missing", [SERVICE_WORKER, "/app-config.js", 'window.PUBLIC_URL="/"'])
def test_another_ohif_than_the_pinned_one_stops_the_portal_at_its_start(index: Path, missing: str) -> None:
    index.write_text(index.read_text().replace(missing, ""))
    with pytest.raises(PageError):
        page(index)
    assert [message.id for message in checks.findings(index)] == ["viewer_static.E001"]


def test_a_viewer_that_was_not_fetched_is_a_warning(tmp_path: Path) -> None:
    (message,) = checks.findings(tmp_path / "index.html")
    assert message.id == "viewer_static.W001"
    assert "python -m viewer_static.fetch" in message.msg


def query_of(url: str) -> dict[str, list[str]]:
    return parse_qs(urlsplit(url).query)


def test_a_result_opens_with_its_segmentation_laid_over() -> None:
    url = links.viewer_url(STUDY, series_uid=SEGMENTATION)
    assert url == "/viewer?StudyInstanceUIDs=1.2.3&initialSeriesInstanceUID=1.2.3.4"
    assert links.viewer_url(STUDY) == "/viewer?StudyInstanceUIDs=1.2.3"


def test_a_correction_names_the_hanging_protocol_that_shows_segmentations() -> None:
    url = links.correction_url(STUDY, segmentation_series_uid=SEGMENTATION)
    assert urlsplit(url).path == "/segmentation"
    assert query_of(url)["hangingProtocolId"] == ["default"]


def test_a_comparison_names_both_exams_the_current_one_first() -> None:
    query = query_of(links.comparison_url(STUDY, prior_study_instance_uid="9.9"))
    assert query == {"StudyInstanceUIDs": ["1.2.3,9.9"], "hangingProtocolId": ["@ohif/hpCompare"]}


def test_a_comparison_with_segmentations_takes_the_portals_layout() -> None:
    both = query_of(links.comparison_url(STUDY, prior_study_instance_uid="9.9", overlays=(SEGMENTATION, "9.9.1")))
    assert both["hangingProtocolId"] == ["overread-prior-beside-current"]
    assert both["overlays"] == ["1.2.3.4,9.9.1"]
    one = query_of(links.comparison_url(STUDY, prior_study_instance_uid="9.9", overlays=(None, "9.9.1")))
    assert one["overlays"] == [",9.9.1"]


def test_a_read_is_opened_on_its_own_root() -> None:
    url = links.viewer_url(STUDY, dicomweb_root="/reads/0c1d-9f/dicomweb")
    assert query_of(url)["dicomweb"] == ["/reads/0c1d-9f/dicomweb"]


def test_no_link_is_made_to_a_root_that_is_not_the_portals() -> None:
    with pytest.raises(ValueError, match="is not a DICOMweb root"):
        links.viewer_url(STUDY, dicomweb_root="https://elsewhere.example/dicomweb")


@pytest.mark.parametrize("root", ["/dicomweb\n", "/reads/0c\n/dicomweb", "/reads//dicomweb", "/Reads/0c/dicomweb"])
def test_a_root_is_the_portals_letter_by_letter(root: str) -> None:
    assert not links.is_dicomweb_root(root)
