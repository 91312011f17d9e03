"""What a daemon's decoder makes of the metadata.yaml of an image: the record, and what stood in the way."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from lxdimage.diagnostics import Diagnostic
from lxdimage.errors import InvalidMetadataError
from lxdimage.metadata._decode import Decoder, Notes, Record
from lxdimage.metadata._document import read_document, syntax_finding
from lxdimage.metadata._yaml import GENERATIONS, Generation, YAMLError

__all__ = ["Reading", "read_documents"]


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


def read_documents(
    texts: Sequence[bytes], number: int, *, name: str, file_permissions: bool = True
) -> Reading:
    """
    Decode *texts* one after the other into the same record, up to the first that is refused.

    Args:
        texts: What the members called metadata.yaml contain.
        number: The generation of YAML.
        name: What findings call the file.
        file_permissions: Whether rules have uid, gid and mode.
    """
    generation = GENERATIONS[number]
    record = Record()
    notes: list[Notes] = []
    failure = None
    for text in texts:
        try:
            document = read_document(text, generation, name=name)
        except InvalidMetadataError as error:
            failure = error.diagnostics[0]
            break
        decoder = Decoder(document, generation, file_permissions=file_permissions)
        notes.append(decoder.notes)
        try:
            decoder.decode(record)
        except YAMLError as error:
            failure = syntax_finding(error, document.text, name)
        if failure or _refused(decoder.notes, generation):
            break
    return Reading(generation=generation, record=record, notes=tuple(notes), failure=failure)
