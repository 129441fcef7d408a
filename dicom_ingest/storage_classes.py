"""What the receiver takes over DIMSE: one table for the negotiation and for the conformance statement."""

from pynetdicom import ALL_TRANSFER_SYNTAXES, AllStoragePresentationContexts

STORAGE_CLASSES = frozenset(str(context.abstract_syntax) for context in AllStoragePresentationContexts)
# Without those of JPIP, which refer to pixel data elsewhere.
TRANSFER_SYNTAXES = frozenset(ALL_TRANSFER_SYNTAXES) - {"1.2.840.10008.1.2.4.94", "1.2.840.10008.1.2.4.95"}
