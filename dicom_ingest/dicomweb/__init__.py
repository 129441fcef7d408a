"""DICOMweb (PS3.18): search (QIDO-RS), retrieve (WADO-RS) and store (STOW-RS) over one scope of exams.

`urls.root(scope_of)` makes the URLs of one root; `scope_of` decides what a request through that root may see.
"""
