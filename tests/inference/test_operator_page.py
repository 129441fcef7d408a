"""The page on operators says what the code does."""

from io import StringIO
from pathlib import Path

from django.core.management import call_command

from inference.operator_page import shipped

PAGE = Path(__file__).resolve().parents[2] / "docs" / "data-scientists" / "operators.md"


def test_the_page_in_docs_is_the_one_that_the_code_writes() -> None:
    written = StringIO()
    call_command("pipelines", "operators", stdout=written)
    told = "It is stale: run `manage.py pipelines operators > docs/data-scientists/operators.md`."
    assert PAGE.read_text(encoding="utf-8") == written.getvalue(), told


def test_every_shipped_operator_says_in_a_sentence_what_it_does() -> None:
    assert len(shipped()) > 40
    for spec in shipped():
        assert spec.summary.endswith("."), spec.name
        assert len(spec.summary) > 15, spec.name
