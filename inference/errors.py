"""What can go wrong in a run, told apart by whose fault it is.

`InputRefused` and its subclasses mean that the exam cannot be processed however often it is tried. Everything else
under `InferenceError` is a fault of the installation, of a pipeline's definition, or of our code.
"""

from __future__ import annotations

import errno
from dataclasses import dataclass
from pathlib import Path


class InferenceError(Exception):
    """A fault whose message is a whole sentence: what happened, to what, and what to do."""

    @property
    def is_permanent(self) -> bool:
        """True when the next attempt must fail in the same way, until somebody changes something."""
        return True


class InputRefused(InferenceError):
    """The input cannot be processed; trying the same input again cannot help."""


class UnreadableImage(InputRefused):
    """An instance has no pixels, is truncated, or is compressed in a way that cannot be decoded here."""


class NotAVolume(InputRefused):
    """The images of a series do not form one regular, rectangular grid of voxels."""


class MissingGeometry(NotAVolume):
    """An instance lacks an attribute that places it in space."""


class TooFewSlices(NotAVolume):
    """A single image has no extent across its plane."""


class MixedSizes(NotAVolume):
    """Images differ in rows, columns, pixel spacing or frame of reference."""


class MixedOrientations(NotAVolume):
    """Images lie in planes of different directions, as in a localizer."""


class DuplicatePositions(NotAVolume):
    """Two or more images lie at one position."""


class MissingSlices(NotAVolume):
    """The stack has a hole as wide as one or more slices."""


class UnequalSpacing(NotAVolume):
    """The distance between neighbouring slices changes within the series."""


class TiltedStack(NotAVolume):
    """Slices are sheared against each other, as with gantry tilt, so that the grid is not rectangular."""


class NotARadiograph(InputRefused):
    """An image is no single projection in grey levels."""


class NoFittingView(InputRefused):
    """No image of the exam shows what the model is meant for; the message says why, for each."""


class BlankImage(InputRefused):
    """Every voxel has the same value."""


class NotOneExam(InputRefused):
    """A folder holds no DICOM image, or images of several exams."""


class NoEligibleSeries(InputRefused):
    """No series of the exam meets the pipeline's conditions; the message says why, for each."""


class SeriesNotChoosable(InputRefused):
    """A person asks for a run on series that the pipeline cannot be given; the message says why."""


class EmptyMask(InputRefused):
    """The model found nothing of what is to be measured."""


class NothingFound(EmptyMask):
    """The model's first pass found no region to look at more closely."""


class NotMeasurable(InferenceError):
    """This exam has no such number, for a good reason; the run goes on without it and keeps the reason."""


class InstallationFault(InferenceError):
    """Something on this machine is missing or is not what it claims to be."""


class ModelNotInstalled(InstallationFault):
    """The model's directory or one of its files is absent."""


class ModelDigestMismatch(InstallationFault):
    """A model's bytes are not those that the pipeline or the manifest names."""


class ModelFetchFailed(InstallationFault):
    """The package that carries a model's weights could not be fetched."""

    @property
    def is_permanent(self) -> bool:
        """False: networks come back."""
        return False


class UnknownBackend(InstallationFault):
    """A model asks for a backend that this build does not have."""


class ModelUnusable(InstallationFault):
    """A model's files are whole, but are not what its backend can run."""


class ModelServerGone(InstallationFault):
    """The server that runs a model does not answer, or does not have the model at present."""

    @property
    def is_permanent(self) -> bool:
        """False: servers come back."""
        return False


class ModelRefused(InstallationFault):
    """A model may not be imported, or may not go to the stage that was asked for."""


class VersionDiffers(InstallationFault):
    """A pipeline is asked for in one version and installed in another."""


class RanTooLong(InferenceError):
    """A run was told to stop, because it took longer than its pipeline may."""


class PipelineNotFound(InferenceError):
    """No pipeline has that name."""


class ScaffoldRefused(InferenceError):
    """A new pipeline cannot be made under that name or in that folder."""


class OperatorContractBroken(InferenceError):
    """An operator was given or gave something that its definition rules out."""


def sentence_of(fault: BaseException) -> str:
    """Why a job ends, to be shown on it: the fault's own sentence, or what it means."""
    if isinstance(fault, InferenceError):
        return str(fault)
    if isinstance(fault, OSError) and fault.errno in {errno.ENOSPC, errno.EDQUOT}:
        return "The store's disk is full: the result could not be kept, and nothing of it was. Make room on it."
    return f"{type(fault).__name__}: {fault}. This is a fault of the portal, not of the exam."


def is_permanent(fault: BaseException) -> bool:
    """Whether the next attempt must fail in the same way; what nobody foresaw may pass."""
    return isinstance(fault, InferenceError) and fault.is_permanent


@dataclass(frozen=True)
class Problem:
    """One fault in a definition file."""

    file: Path
    line: int
    field: str
    expected: str

    def __str__(self) -> str:
        return f"{self.file.name}, line {self.line}: {self.field}: {self.expected}"


class DefinitionInvalid(InferenceError):
    """A YAML definition does not fit its schema; `problems` says where and how."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, problems)))


class OperatorFailed(InferenceError):
    """One step of a pipeline failed; `cause` is the operator's own error."""

    def __init__(self, *, step: str, operator: str, cause: Exception) -> None:
        self.step = step
        self.operator = operator
        self.cause = cause
        super().__init__(self.reason)

    @property
    def is_permanent(self) -> bool:
        """False for faults that nobody foresaw, such as a lack of memory: another attempt may succeed."""
        return isinstance(self.cause, InferenceError) and self.cause.is_permanent

    @property
    def is_input_fault(self) -> bool:
        """True when the exam is at fault, not the installation or our code."""
        return isinstance(self.cause, InputRefused)

    @property
    def reason(self) -> str:
        """The sentence to show: the operator's own, or, for a fault of ours, which step broke and how."""
        if isinstance(self.cause, InferenceError):
            return str(self.cause)
        detail = f"{type(self.cause).__name__}: {self.cause}".rstrip(".")
        return f'Step "{self.step}" ({self.operator}) failed: {detail}. This is a fault of the portal, not of the exam.'
