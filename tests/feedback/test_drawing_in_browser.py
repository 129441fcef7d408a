"""A question that is answered by drawing, with the real viewer and real images."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect
from pytest_django.live_server_helper import LiveServer

from feedback import forms
from feedback.form_schema import FormDefinition
from feedback.models import Response
from inference.models import Result
from studies.models import Study
from tests.browsers import look, sign_in
from tests.conftest import Cast
from tests.demonstration import wait_for
from tests.dicom_ingest.scans import complete, mr_slice, receive
from tests.feedback.conftest import MakeResult

pytestmark = [pytest.mark.e2e, pytest.mark.django_db(transaction=True)]
WIDE, HIGH = 3.0, 1.0
"""Spacing of columns and of rows, mm: unequal, so that one taken for the other shows."""
ROWS, COLUMNS = 96, 64
PLACE = FormDefinition.model_validate(
    {
        "name": "place",
        "title": "Place",
        "sections": [{"questions": [{"key": "where", "type": "region", "label": "Where?", "area": "point"}]}],
    }
)


@pytest.fixture
def result(cast: Cast, study: Study, make_result: MakeResult) -> Result:
    """A result on an exam of one image, whose study asks for a place."""
    Study.objects.filter(pk=study.pk).update(form=forms.register("place", PLACE))
    pixels = np.zeros((ROWS, COLUMNS), "<u2")
    pixels[::8], pixels[:, ::8] = 900, 900
    made: dict[str, Any] = {
        "Rows": ROWS,
        "Columns": COLUMNS,
        "PixelSpacing": [HIGH, WIDE],
        "PixelData": pixels.tobytes(),
    }
    [instance] = receive(mr_slice(1, **made))
    return make_result(complete(instance.series.exam))


@pytest.fixture
def page(browser: Browser, live_server: LiveServer, cast: Cast, result: Result) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    page = context.new_page()
    sign_in(page, live_server.url, cast.reader, to=f"/results/{result.pk}/")
    yield page
    context.close()


def test_a_point_picked_in_the_images_is_kept_in_pixels_of_its_image(page: Page, result: Result) -> None:
    viewer = page.frame_locator("[data-viewer]")
    canvas = viewer.locator("canvas.cornerstone-canvas").first
    canvas.wait_for(timeout=90_000)
    viewer.get_by_text("T1 3D").first.wait_for(timeout=60_000)
    page.get_by_role("button", name="Pick in the images").press("Enter")
    shown = canvas.bounding_box()
    assert shown is not None
    x, y = shown["x"] + shown["width"] * 0.5, shown["y"] + shown["height"] * 0.6
    says = page.locator("[data-path=where] [data-says]")

    def picked() -> bool:
        page.mouse.click(x, y)
        return "point at" in says.inner_text()

    wait_for(picked, seconds=30, every=1)
    look(page, "picked")
    page.locator("[data-submit]").click()
    expect(page.get_by_role("heading", name="Your feedback is saved")).to_be_visible()
    where = Response.objects.get().answers["where"]
    [[column, row]] = where["points"]
    assert where["SOPInstanceUID"] == result.exam.series.get(modality="MR").instances.get().sop_instance_uid
    # The image is shown whole, its middle in the middle: 192 mm wide, 96 mm high.
    scale = min(shown["width"] / (COLUMNS * WIDE), shown["height"] / (ROWS * HIGH))
    assert column == pytest.approx(COLUMNS / 2, abs=1)
    assert row == pytest.approx(ROWS / 2 + shown["height"] * 0.1 / scale / HIGH, abs=2)
