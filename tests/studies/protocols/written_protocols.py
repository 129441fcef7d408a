"""Protocols as tests write them, and any protocol at all."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from studies.protocols.protocol_schema import Protocol

FORM: dict[str, Any] = {
    "name": "reading",
    "title": "Reading",
    "sections": [
        {
            "questions": [
                {
                    "key": "fracture",
                    "type": "single-choice",
                    "label": "Is there a fracture?",
                    "choices": [{"value": "yes", "label": "Yes"}, {"value": "no", "label": "No"}],
                }
            ]
        }
    ],
}

READ: dict[str, Any] = {
    "title": "Hip fracture",
    "question": "Is a fracture found sooner?",
    "irb_number": "21-34567",
    "arrival": {"ae_title": "HIP", "quiet_seconds": 30},
    "pipelines": [{"name": "hip-fracture"}],
    "criteria": [
        {"name": "Radiographs", "kind": "include", "when": 'series.Modality in ["DX", "CR"]'},
        {"name": "Adults", "kind": "include", "when": 'has(exam.PatientAge) && exam.PatientAge.matches("0[2-9].Y")'},
    ],
    "arms": [{"key": "ai", "label": "AI", "findings": {"kind": "pipeline", "pipeline": "hip-fracture"}}],
    "reader_roles": [{"key": "expert", "label": "Expert", "readers": 2}],
    "design": {"kind": "unaided-aided", "form": "reading", "aid": "ai", "reader_role": "expert"},
    "reference": {"source": "import", "answers": ["fracture"]},
    "forms": [FORM],
    "endpoints": [
        {
            "key": "sensitivity",
            "label": "Sensitivity",
            "is_primary": True,
            "measure": "sensitivity",
            "arms": ["ai"],
            "question": "fracture",
            "hypothesis": "superiority",
        }
    ],
    "sample_size": {"cases": 200, "justification": "Ten points more sensitivity at 80 % power."},
}
"""A read study that lacks nothing but people."""


def read_protocol(**other: Any) -> Protocol:
    """The protocol of a read study, with what `other` says instead."""
    return Protocol.model_validate(READ | other)


_characters = st.one_of(
    st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="\u2028\u2029\ufeff\ufffe\uffff"),
    st.sampled_from("\n\t :#'\"-&*!|>%@`{}[],"),
)
prose = st.text(_characters, max_size=80)
words = st.builds("{}{}".format, st.sampled_from("aZ9é界🩻"), st.text(_characters, max_size=40))
keys = st.from_regex(r"[a-z][a-z0-9-]{0,9}", fullmatch=True)
numbers = st.one_of(st.integers(-(10**6), 10**6), st.floats(-1e6, 1e6, allow_nan=False))
expressions = st.sampled_from(
    [
        'series.Modality == "MR"',
        'called_ae == "HIP"',
        'series.Modality == "CT"\n  && has(series.ContrastBolusAgent)',
        "true",
    ]
)
_values = st.recursive(
    st.one_of(st.none(), st.booleans(), numbers, prose),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(words, inner, max_size=3)),
    max_leaves=6,
)


@st.composite
def protocols(draw: st.DrawFn) -> Protocol:
    """Any protocol: every kind of finding and of design, with references that hold."""
    pipelines = draw(st.lists(keys, unique=True, min_size=1, max_size=3))
    roles = draw(st.lists(keys, unique=True, min_size=1, max_size=2))
    arms = draw(st.lists(keys, unique=True, min_size=2, max_size=4))
    forms = draw(st.lists(keys, unique=True, min_size=1, max_size=2))
    return Protocol.model_validate(
        {
            "title": draw(words),
            "question": draw(prose),
            "sponsor": draw(prose),
            "irb_number": draw(prose),
            "arrival": {"ae_title": draw(st.from_regex(r"[A-Z0-9_]{1,16}", fullmatch=True)), "quiet_seconds": 5},
            "pipelines": [{"name": name, "digest": draw(st.sampled_from(["", "ab" * 32]))} for name in pipelines],
            "criteria": [
                {"name": f"{number} {draw(words)}", "kind": draw(st.sampled_from(["include", "exclude"])), "when": when}
                for number, when in enumerate(draw(st.lists(expressions, max_size=3)))
            ],
            "arms": [{"key": key, "label": draw(words), "findings": draw(_findings(pipelines, roles))} for key in arms],
            "reader_roles": [{"key": key, "label": draw(words), "readers": draw(st.integers(0, 9))} for key in roles],
            "design": draw(_designs(arms, forms, roles)),
            "forms": [
                {"name": name, **draw(st.dictionaries(keys, _values, max_size=3)), "title": "T"} for name in forms
            ]
            if draw(st.booleans())
            else [{"name": name} for name in forms],
            "endpoints": [
                {
                    "key": key,
                    "label": draw(words),
                    "measure": "auc",
                    "arms": arms[:1],
                    "positive": draw(st.lists(words, max_size=2)),
                    "hypothesis": "equivalence",
                    "margin": draw(st.floats(1e-6, 1e6)),
                }
                for key in draw(st.lists(keys, unique=True, max_size=2))
            ],
            "sample_size": {"cases": draw(st.integers(0, 10**6)), "justification": draw(prose)},
            "disagreement": draw(
                st.none()
                | st.fixed_dictionaries({"question": keys, "tolerance": st.floats(0, 100), "form": st.just(forms[0])})
            ),
        }
    )


def _findings(pipelines: list[str], roles: list[str]) -> st.SearchStrategy[dict[str, Any]]:
    return st.one_of(
        st.fixed_dictionaries({"kind": st.just("pipeline"), "pipeline": st.sampled_from(pipelines)}),
        st.fixed_dictionaries({"kind": st.just("dicom"), "when": expressions}),
        st.fixed_dictionaries({"kind": st.just("table"), "columns": st.lists(words, max_size=3)}),
        st.fixed_dictionaries({"kind": st.just("people"), "reader_role": st.sampled_from(["", *roles])}),
        st.fixed_dictionaries(
            {"kind": st.just("people"), "gives": st.just("masks"), "start": st.sampled_from(["", *pipelines])}
        ),
    )


def _designs(arms: list[str], forms: list[str], roles: list[str]) -> st.SearchStrategy[dict[str, Any]]:
    read = {"form": st.sampled_from(forms), "reader_role": st.sampled_from(["", *roles])}
    several = {"arms": st.just(arms), **read}
    return st.one_of(
        st.fixed_dictionaries({"kind": st.sampled_from(["standalone", "shadow"]), "arms": st.just(arms[:1])}),
        st.fixed_dictionaries({"kind": st.just("independent"), "readers_per_case": st.integers(0, 9), **several}),
        st.fixed_dictionaries({"kind": st.just("unaided-aided"), "aid": st.sampled_from(arms), **read}),
        st.fixed_dictionaries({"kind": st.just("multi-reader"), "blocks": st.integers(1, 5), **several}),
        st.fixed_dictionaries({"kind": st.sampled_from(["preference", "blind-scoring"]), **several}),
        st.fixed_dictionaries({"kind": st.just("repeat"), "share_percent": st.integers(1, 100), **several}),
    )
