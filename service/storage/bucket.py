"""Bytes in a bucket of an S3-compatible store, so that many hosts share them; stands on the extra `s3`."""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from shutil import copyfileobj
from typing import BinaryIO, cast

import obstore
from obstore.exceptions import BaseError, NotFoundError
from obstore.store import S3Store

from service.settings import BadSettings, Settings
from service.storage.seam import DamagedBytes, Draft, MissingBytes, StorageAway, digest_of

COPIED_BYTES = 2**20
DATASETS, ASIDE, OUTPUTS, USERS = "datasets/", "aside/", "outputs/", "used-by/"


def open_bucket(settings: Settings) -> "BucketStorage":
    """The bucket that the settings name; raises BadSettings."""
    given = {
        "prefix": settings.s3_prefix,
        "endpoint": settings.s3_endpoint,
        "region": settings.s3_region,
        "access_key_id": settings.s3_access_key_id,
        "secret_access_key": settings.s3_secret_access_key,
    }
    plain = settings.s3_endpoint.startswith("http://")
    try:
        store = S3Store(
            settings.s3_bucket,
            client_options={"allow_http": plain, "connect_timeout": "5s"},
            retry_config={"max_retries": 3, "retry_timeout": timedelta(seconds=20)},
            **{name: value for name, value in given.items() if value},  # type: ignore[arg-type]  # texts, all
        )
    except BaseError as error:
        first, *_ = str(error).splitlines()
        raise BadSettings(f"the GRADHOUSE_S3_ settings name no usable store: {first}") from None
    return BucketStorage(Bucket(store))


class Bucket:
    """Objects by key, in constant memory; what the store says in anger becomes our own errors."""

    def __init__(self, store: S3Store) -> None:
        self._store = store

    def put(self, key: str, data: BinaryIO | bytes) -> None:
        """Stores an object anew, young whether or not it was there."""
        with _explained(key):
            obstore.put(self._store, key, data)

    def fetch(self, key: str) -> BinaryIO:
        """The object as a file of this host without a name; raises MissingBytes."""
        file = cast("BinaryIO", tempfile.TemporaryFile())  # noqa: SIM115 - the caller's to close
        try:
            with _explained(key):
                for part in obstore.get(self._store, key).stream(min_chunk_size=COPIED_BYTES):
                    file.write(part)
        except BaseException:
            file.close()
            raise
        file.seek(0)
        return file

    def move(self, key: str, other: str) -> None:
        """Gives an object another key; raises MissingBytes."""
        with _explained(key):
            obstore.copy(self._store, key, other)
            obstore.delete(self._store, key)

    def delete(self, key: str) -> None:
        """Removes an object, if it is there."""
        try:
            with _explained(key):
                obstore.delete(self._store, key)
        except MissingBytes:
            pass

    def names(self, prefix: str, before: datetime | None = None) -> Iterator[str]:
        """What follows the prefix in the keys of objects that were last written before a moment."""
        with _explained(prefix):
            for page in obstore.list(self._store, prefix):
                for each in page:
                    if before is None or each["last_modified"] < before:
                        yield each["path"].rpartition("/")[2]


@contextmanager
def _explained(key: str) -> Iterator[None]:
    try:
        yield
    except (NotFoundError, FileNotFoundError):
        raise MissingBytes(f"no bytes are stored under {key.rpartition('/')[2]}") from None
    except BaseError as error:
        # Its text may hold addresses and headers: that is for the log, and its kind is enough there.
        raise StorageAway(f"the store of datasets does not answer ({type(error).__name__})") from None


class BucketOutputs:
    """What jobs have made beside models, an object a job."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket

    @contextmanager
    def writing(self, job_id: str) -> Iterator[BinaryIO]:
        """A file that becomes the job's output when the block ends well, and else is gone."""
        with tempfile.TemporaryFile() as file:
            yield cast("BinaryIO", file)
            file.seek(0)
            self._bucket.put(OUTPUTS + job_id, cast("BinaryIO", file))

    def open(self, job_id: str) -> BinaryIO:
        """The job's output; raises MissingBytes."""
        return self._bucket.fetch(OUTPUTS + job_id)

    def delete(self, job_id: str) -> None:
        """Removes the job's output, if it is there."""
        self._bucket.delete(OUTPUTS + job_id)

    def old(self, older_than_seconds: float) -> Iterator[str]:
        """The jobs whose outputs were written so long ago."""
        return self._bucket.names(OUTPUTS, datetime.now(UTC) - timedelta(seconds=older_than_seconds))


class BucketStorage:
    """Datasets as objects named by their digest."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket, self.outputs = bucket, BucketOutputs(bucket)

    def used_by(self, user: str) -> None:
        """Notes that the database `user` keeps its datasets here."""
        self._bucket.put(USERS + user, b"")

    def put(self, data: bytes) -> str:
        """Stores bytes and gives their digest."""
        digest = sha256(data).hexdigest()
        self._bucket.put(DATASETS + digest, data)
        return digest

    def put_file(self, file: BinaryIO) -> str:
        """Stores a file's bytes and gives their digest."""
        file.seek(0)
        with self.draft() as draft:
            copyfileobj(file, draft.file, COPIED_BYTES)
            return draft.keep()

    @contextmanager
    def draft(self) -> Iterator[Draft]:
        """A file of this host, which `keep` sends."""
        with tempfile.TemporaryFile() as raw:
            file = cast("BinaryIO", raw)

            def settle(digest: str) -> None:
                file.seek(0)
                self._bucket.put(DATASETS + digest, file)

            yield Draft(file, settle)

    def open(self, digest: str) -> BinaryIO:
        """The bytes of a digest, as a file of this host."""
        try:
            file = self._bucket.fetch(DATASETS + digest)
        except MissingBytes:
            file = self._bucket.fetch(ASIDE + digest)  # an upload came back to what was being swept
        if digest_of(file) != digest:
            file.close()
            raise DamagedBytes(f"the bytes stored under {digest} are damaged")
        file.seek(0)
        return file

    def read(self, digest: str) -> bytes:
        """The bytes of a digest."""
        with self.open(digest) as file:
            return file.read()

    def delete(self, digest: str) -> None:
        """Removes the bytes of a digest, if they are there."""
        self._bucket.delete(DATASETS + digest)

    def remove_orphans(
        self, is_used: Callable[[str], bool], *, user: str, older_than_seconds: float, dry: bool = False
    ) -> int:
        """Removes, or with `dry` counts, bytes that nobody uses and that are old; how many.

        First they are put aside, where they can still be read; they go when they are old there too. So an
        upload of the same bytes that comes in between loses nothing.
        """
        if set(self._bucket.names(USERS)) != {user}:
            return 0
        oldest = datetime.now(UTC) - timedelta(seconds=older_than_seconds)
        if dry:
            return sum(not is_used(digest) for digest in self._bucket.names(ASIDE, oldest))
        gone = 0
        for digest in self._bucket.names(ASIDE, oldest):
            if is_used(digest):
                self._bucket.move(ASIDE + digest, DATASETS + digest)
            else:
                self._bucket.delete(ASIDE + digest)
                gone += 1
        for digest in self._bucket.names(DATASETS, oldest):
            if not is_used(digest):
                self._bucket.move(DATASETS + digest, ASIDE + digest)
        return gone
