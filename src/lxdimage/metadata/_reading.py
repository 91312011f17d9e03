"""What a daemon's decoder makes of the metadata.yaml of an image: the record, and what stood in the way."""

from __future__ import annotations

from typing import NamedTuple

from lxdimage.diagnostics import Diagnostic
from lxdimage.errors import InvalidMetadataError
from lxdimage.metadata._decode import Decoder, Notes, Record
from lxdimage.metadata._document import read_document, syntax_finding
from lxdimage.metadata._yaml import GENERATIONS, Generation, YAMLError

__all__ = ["DocumentReader", "Reading"]


class Reading(NamedTuple):
    """
    The outcome of decoding.

    Attributes:
        generation: The generation of YAML that was read.
        record: What was decoded, as far as it went.
        notes: What was found in each document, in their order.
        failure: Why a document could not be read, or None.
    """

    generation: Generation
    record: Record
    notes: tuple[Notes, ...]
    failure: Diagnostic | None

    @property
    def refused(self) -> bool:
        """Whether a daemon's decoder reports an error."""
        return self.failure is not None or any(_refused(notes, self.generation) for notes in self.notes)


def _refused(notes: Notes, generation: Generation) -> bool:
    return bool(notes.problems or (notes.repeats and generation.unique_keys))


class DocumentReader:
    """Decodes documents one after the other into the same record, up to the first that is refused."""

    def __init__(self, number: int, *, name: str, file_permissions: bool = True) -> None:
        """
        Args:
            number: The generation of YAML.
            name: What findings call the file.
            file_permissions: Whether rules have uid, gid and mode.
        """
        self._generation = GENERATIONS[number]
        self._name = name
        self._permissions = file_permissions
        self._record = Record()
        self._notes: list[Notes] = []
        self._failure: Diagnostic | None = None
        self._ended = False

    def read(self, text: bytes) -> bool:
        """Decode what the next member called metadata.yaml contains; tell whether nothing was refused so far."""
        if self._ended:
            return False
        try:
            document = read_document(text, self._generation, name=self._name)
        except InvalidMetadataError as error:
            self.refuse(error.diagnostics[0])
            return False
        decoder = Decoder(document, self._generation, file_permissions=self._permissions)
        self._notes.append(decoder.notes)
        try:
            decoder.decode(self._record)
        except YAMLError as error:
            self._failure = syntax_finding(error, document.text, self._name)
        self._ended = self._failure is not None or _refused(decoder.notes, self._generation)
        return not self._ended

    def refuse(self, failure: Diagnostic) -> None:
        """Decode no further, because of *failure*."""
        self._failure = failure
        self._ended = True

    @property
    def reading(self) -> Reading:
        """The outcome so far."""
        return Reading(self._generation, self._record, tuple(self._notes), self._failure)
