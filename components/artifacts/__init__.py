"""What others fetch: models, corpora, predictions and reports, by name and version, in one place.

A place is a folder or a prefix of a bucket. It holds contents under ``objects``, each named by its
sha256, and a manifest for each version, ``artifacts/NAME/vN.json``. A manifest is written last, and
only where that version is free: what has one is whole, and nothing of it is ever written over.
"""
