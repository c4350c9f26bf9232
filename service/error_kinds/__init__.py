"""The catalogue of errors: every kind this service answers with, in a table for each subject."""

from collections.abc import Mapping

from service.error_kinds import access, faults, jobs, requests, resources
from service.error_kinds.kind import Kind

TABLES = (access.KINDS, requests.KINDS, resources.KINDS, jobs.KINDS, faults.KINDS)
KINDS: Mapping[str, Kind] = {code: kind for table in TABLES for code, kind in table.items()}
