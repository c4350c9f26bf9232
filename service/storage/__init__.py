"""Where the bytes of datasets and the outputs of jobs lie: a folder, or a bucket that many hosts share."""

from importlib import import_module

from service.settings import BadSettings, Settings
from service.storage.folder import FolderStorage
from service.storage.seam import DamagedBytes, Draft, MissingBytes, Outputs, Storage, StorageAway

__all__ = [
    "DamagedBytes",
    "Draft",
    "FolderStorage",
    "MissingBytes",
    "Outputs",
    "Storage",
    "StorageAway",
    "open_storage",
]


def open_storage(settings: Settings) -> Storage:
    """The storage of the settings, told whose datasets it keeps. Raises BadSettings and StorageAway."""
    storage = _bucket(settings) if settings.s3_bucket else _folder(settings)
    storage.used_by(settings.database_key)
    return storage


def _folder(settings: Settings) -> Storage:
    return FolderStorage(settings.datasets_dir, settings.outputs_dir)


def _bucket(settings: Settings) -> Storage:
    try:
        bucket = import_module("service.storage.bucket")  # what it stands on is an extra
    except ModuleNotFoundError as error:
        detail = f"GRADHOUSE_S3_BUCKET needs {error.name}: pip install 'gradhouse[s3]'"
        raise BadSettings(detail) from None
    storage: Storage = bucket.open_bucket(settings)
    return storage
