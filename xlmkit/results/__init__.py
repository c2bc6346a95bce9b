"""Results on disk: whole files that load again with their provenance, and files to which a long run adds what it has."""

from xlmkit.results.files import (
    SUFFIXES,
    atomic_write,
    check_place,
    plain,
    read_results,
    save_results,
    unwritten,
)
from xlmkit.results.resumable import digest, fingerprint, in_parts

__all__ = [
    "SUFFIXES",
    "atomic_write",
    "check_place",
    "digest",
    "fingerprint",
    "in_parts",
    "plain",
    "read_results",
    "save_results",
    "unwritten",
]
