"""Results on disk: whole files that load again with their provenance, and files to which a long run
appends."""

from xlmkit.results.files import read_results, save_results
from xlmkit.results.resumable import (
    check_run_folder,
    check_same_run,
    claim_run_folder,
    digest,
    fingerprint,
    resumable_map,
)
from xlmkit.results.writing import atomic_folder, atomic_write, check_writable, to_json

__all__ = [
    "atomic_folder",
    "atomic_write",
    "check_run_folder",
    "check_same_run",
    "check_writable",
    "claim_run_folder",
    "digest",
    "fingerprint",
    "read_results",
    "resumable_map",
    "save_results",
    "to_json",
]
