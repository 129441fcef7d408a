"""Whether answers fit a form: conditions, groups, and what every kind of question takes.

Answers are a mapping by question key. Of a group for each finding it is a list of `{"answers": {...}}`, which also name
their `finding` where the result gives the findings; of a group for each segment a mapping by the segment's key. An
answer to a question that was not asked is refused here; the page leaves it out before it asks.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from feedback.questions import Answer, Asked, BadAnswer, Group, PerFinding, PerSegment, Plain, Question
from feedback.subject import Named, Subject

EMPTY: tuple[object, ...] = (None, "", [], {})
NOT_ANSWERED = "Not answered yet."
SEGMENT_KEY_LENGTH = 50


@dataclass
class Check:
    """Answers being checked: what is stored of them, and a sentence for each path at which one does not fit.

    A path is a question's key, within groups after the group's key and the finding's number or the segment's key:
    `lesions.0.accept`, `segments.left-lobe.quality`.
    """

    subject: Subject | None
    messages: dict[str, str] = field(default_factory=dict)
    unclear: set[str] = field(default_factory=set)

    def answers(
        self,
        questions: Iterable[Question],
        given: Mapping[str, object],
        *,
        path: str = "",
        around: Mapping[str, object],
    ) -> dict[str, Answer]:
        """What is stored of `given`; conditions look at it and at the answers `around` it."""
        asked = {question.key: question for question in questions}
        self._refuse_unknown(given, asked, path)
        checked: dict[str, Answer] = {}
        for key, question in asked.items():
            if self._hangs_on_a_fault(question, path):
                self.unclear.add(path + key)
                continue
            answer = self._answer(question, given.get(key), path=path, around={**around, **checked})
            if answer is not None:
                checked[key] = answer
        return checked

    def _answer(self, question: Question, answer: object, *, path: str, around: Mapping[str, object]) -> Answer | None:
        here = path + question.key
        if isinstance(answer, str):
            answer = answer.strip()
        try:
            if not is_asked(question, around):
                self._refuse_unasked(question, answer)
                return None
            if answer in EMPTY and not self._asks_for_each(question):
                self._refuse_missing(question)
                return None
            match question:
                case PerFinding():
                    return self._findings(question, answer, path=here, around=around)
                case PerSegment():
                    return self._segments(question, answer, path=here, around=around)
                case Plain():
                    return question.check(answer)
        except BadAnswer as fault:
            self.messages[here] = str(fault)
        return None

    def _findings(
        self, question: PerFinding, answer: object, *, path: str, around: Mapping[str, object]
    ) -> Answer | None:
        wanted = {"answers", "finding"} if question.source == "result" else {"answers"}
        if not isinstance(answer, list) or not all(_has_exactly(one, wanted) for one in answer):
            raise BadAnswer(f"Give a list of objects, each with {' and '.join(sorted(wanted))}.")
        if len(answer) > question.most:
            raise BadAnswer(f"{len(answer)} are too many: at most {question.most} fit. Remove some.")
        if question.source == "result":
            self._refuse_other_findings(question, [one["finding"] for one in answer])
        kept: list[dict[str, Answer]] = []
        for number, one in enumerate(answer):
            answers = self._of_one(question, one["answers"], path=f"{path}.{number}", around=around)
            kept.append({"finding": one["finding"], "answers": answers} if "finding" in one else {"answers": answers})
        if question.source == "result" and self.subject is not None:
            order = [one.ref for one in self.subject.findings]
            kept.sort(key=lambda one: order.index(str(one["finding"])))
        return kept

    def _segments(
        self, question: PerSegment, answer: object, *, path: str, around: Mapping[str, object]
    ) -> Answer | None:
        answer = {} if answer in EMPTY else answer
        if not isinstance(answer, dict) or not all(isinstance(one, dict) for one in answer.values()):
            raise BadAnswer("Give an object with an object of answers for each segment.")
        asked = segments_of(question, self.subject)
        if asked is not None:
            _refuse_other_segments(answer, [one.ref for one in asked])
        elif unfit := [key for key in answer if not is_segment_key(key)]:
            raise BadAnswer(f"{', '.join(map(repr, unfit))} cannot be the key of a segment.")
        order = [one.ref for one in asked] if asked is not None else list(answer)
        return {
            key: self._of_one(question, answer.get(key, {}), path=f"{path}.{key}", around=around)
            for key in order
            if key in answer or question.required
        }

    def _of_one(self, group: Group, answers: object, *, path: str, around: Mapping[str, object]) -> dict[str, Answer]:
        if not isinstance(answers, dict):
            self.messages[path] = "Give an object with an answer for each question key."
            return {}
        known = len(self.messages)
        checked = self.answers(group.questions, answers, path=f"{path}.", around=around)
        if not checked and len(self.messages) == known:
            self.messages[path] = "Nothing is answered here. Answer a question, or remove it."
        return checked

    def _refuse_unknown(self, given: Mapping[str, object], asked: Mapping[str, Asked], path: str) -> None:
        for key in given:
            if key not in asked:
                self.messages[f"{path}{key}"] = f"This form has no such question. It asks {', '.join(asked)}."

    def _refuse_other_findings(self, question: PerFinding, given: list[object]) -> None:
        if not all(isinstance(one, str) and 0 < len(one) <= SEGMENT_KEY_LENGTH for one in given):
            raise BadAnswer("Name each finding by its id, as text.")
        if len(set(map(str, given))) != len(given):
            raise BadAnswer("One finding is answered twice. Answer each once.")
        if self.subject is None:
            return
        known = [one.ref for one in self.subject.findings]
        if strange := [str(one) for one in given if one not in known]:
            raise BadAnswer(f"The result has no finding {', '.join(strange)}. It has {', '.join(known) or 'none'}.")
        if question.required and len(given) < len(known):
            raise BadAnswer("Answer for every finding.")

    def _hangs_on_a_fault(self, question: Asked, path: str) -> bool:
        """Whether it is not clear if `question` is asked, for the answer that decides does not fit."""
        if question.when is None:
            return False
        looks_at = {question.when.question, path + question.when.question}
        return not looks_at.isdisjoint(self.messages) or not looks_at.isdisjoint(self.unclear)

    def _refuse_unasked(self, question: Asked, answer: object) -> None:
        if answer not in EMPTY and question.when is not None:
            raise BadAnswer(f"This is asked only on another answer to {question.when.question}. Leave it out.")

    def _refuse_missing(self, question: Question) -> None:
        if question.required and self._has_something_to_ask(question):
            raise BadAnswer(NOT_ANSWERED)

    def _asks_for_each(self, question: Question) -> bool:
        """Whether what is missing shows at each segment, and not at the group as a whole."""
        return isinstance(question, PerSegment) and question.required and self._has_something_to_ask(question)

    def _has_something_to_ask(self, question: Question) -> bool:
        if isinstance(question, PerFinding) and question.source == "result":
            return self.subject is not None and bool(self.subject.findings)
        if isinstance(question, PerSegment):
            return bool(segments_of(question, self.subject))
        return True


def _refuse_other_segments(given: Mapping[str, object], known: list[str]) -> None:
    if strange := [key for key in given if key not in known]:
        raise BadAnswer(f"There is no segment {', '.join(strange)}. There is {', '.join(known) or 'none'}.")


def is_asked(question: Asked, answers: Mapping[str, object]) -> bool:
    """Whether `question` is asked, given the answers before it."""
    return question.when is None or question.when.holds(answers.get(question.when.question))


def segments_of(question: PerSegment, subject: Subject | None) -> tuple[Named, ...] | None:
    """The segments asked about: the form's own, else the result's; None where the result is not known."""
    if question.segments:
        return tuple(Named(ref=segment.key, label=segment.label) for segment in question.segments)
    return None if subject is None else subject.segments


def is_segment_key(key: object) -> bool:
    return isinstance(key, str) and 0 < len(key) <= SEGMENT_KEY_LENGTH


def _has_exactly(one: object, wanted: set[str]) -> bool:
    return isinstance(one, dict) and set(one) == wanted
