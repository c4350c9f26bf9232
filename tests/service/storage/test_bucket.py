"""Datasets in a bucket: what was put comes back whole, on any host, or is known to be damaged or gone."""

import io
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

import httpx
import pytest

from service.settings import BadSettings, Settings
from service.storage import DamagedBytes, MissingBytes, Storage, StorageAway, bucket, open_storage
from service.storage.bucket import BucketStorage, open_bucket


@pytest.fixture
def storage(bucket_settings: Settings) -> BucketStorage:
    storage = open_bucket(bucket_settings)
    storage.used_by("ours")
    return storage


def keys(settings: Settings) -> list[str]:
    listed = httpx.get(f"{settings.s3_endpoint}/{settings.s3_bucket}").text
    return [part.partition("</Key>")[0] for part in listed.split("<Key>")[1:]]


def test_what_was_put_is_read_on_another_host(storage: Storage, bucket_settings: Settings) -> None:
    digests = {storage.put(b"bytes"), storage.put(b"bytes"), storage.put_file(io.BytesIO(b"bytes"))}
    (digest,) = digests
    other = open_bucket(bucket_settings)
    assert other.read(digest) == b"bytes"
    with other.open(digest) as file:
        assert file.read() == b"bytes"
    assert [key for key in keys(bucket_settings) if "datasets" in key] == [f"here/datasets/{digest}"]


def test_a_large_file_goes_in_parts(storage: Storage) -> None:
    data = bytes(range(256)) * 80_000
    with storage.draft() as draft:
        draft.file.write(data)
        digest = draft.keep()
    assert storage.read(digest) == data


def test_what_is_gone_or_changed_is_said(storage: BucketStorage) -> None:
    with pytest.raises(MissingBytes):
        storage.open("0" * 64)
    digest = storage.put(b"true")
    storage._bucket.put(f"datasets/{digest}", b"false")
    with pytest.raises(DamagedBytes):
        storage.read(digest)
    storage.delete(digest)
    storage.delete(digest)
    with pytest.raises(MissingBytes):
        storage.read(digest)


def break_off(storage: Storage) -> None:
    with storage.outputs.writing("job_1") as file:
        file.write(b"half")
        raise KeyboardInterrupt


def test_outputs_are_there_as_a_whole_or_not_at_all(storage: Storage) -> None:
    with pytest.raises(KeyboardInterrupt):
        break_off(storage)
    with pytest.raises(MissingBytes):
        storage.outputs.open("job_1")
    with storage.outputs.writing("job_1") as file:
        file.write(b"whole")
    with storage.outputs.open("job_1") as file:
        assert file.read() == b"whole"
    assert (list(storage.outputs.old(60)), list(storage.outputs.old(-60))) == ([], ["job_1"])
    storage.outputs.delete("job_1")
    storage.outputs.delete("job_1")
    with pytest.raises(MissingBytes):
        storage.outputs.open("job_1")


@pytest.fixture
def sweep(storage: Storage, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """A sweep of all that was written before this second."""

    class Later(datetime):
        @classmethod
        def now(cls, tz: object = None) -> datetime:  # type: ignore[override]
            return datetime.fromisoformat("2999-01-01T00:00:00+00:00")

    monkeypatch.setattr(bucket, "datetime", Later)
    return lambda *used, dry=False: storage.remove_orphans(
        used.__contains__, user="ours", older_than_seconds=60, dry=dry
    )


def test_orphans_are_put_aside_and_then_go(storage: Storage, sweep: Callable[..., int]) -> None:
    used, unused = storage.put(b"used"), storage.put(b"unused")
    assert sweep(used) == 0
    assert storage.read(unused) == b"unused"
    assert sweep(used, dry=True) == 1
    assert storage.read(unused) == b"unused"
    assert sweep(used) == 1
    assert storage.read(used) == b"used"
    with pytest.raises(MissingBytes):
        storage.read(unused)


def test_an_upload_in_the_middle_of_a_sweep_keeps_its_bytes(
    storage: Storage, sweep: Callable[..., int]
) -> None:
    digest = storage.put(b"bytes")
    sweep()  # and now its row is there
    assert storage.read(digest) == b"bytes"
    assert sweep(digest) == 0
    assert sweep(digest) == 0
    assert storage.read(digest) == b"bytes"


def test_what_is_young_or_shared_stays(storage: Storage, sweep: Callable[..., int]) -> None:
    storage.put(b"bytes")
    storage.used_by("theirs")
    assert sweep() == sweep() == 0


def test_young_bytes_stay(storage: Storage, bucket_settings: Settings) -> None:
    storage.put(b"bytes")
    for _ in range(2):
        assert storage.remove_orphans(lambda _: False, user="ours", older_than_seconds=60) == 0
    assert not [key for key in keys(bucket_settings) if "aside" in key]


def test_a_store_that_is_away_is_said_without_its_secrets(bucket_settings: Settings) -> None:
    away = replace(bucket_settings, s3_endpoint="http://127.0.0.1:1")
    with pytest.raises(StorageAway) as raised:
        open_storage(away)
    assert "secret" not in str(raised.value)
    assert "127.0.0.1" not in str(raised.value)
    assert "a secret" not in repr(bucket_settings)


def test_settings_that_name_no_store_are_refused(bucket_settings: Settings) -> None:
    with pytest.raises(BadSettings, match="name no usable store"):
        open_bucket(replace(bucket_settings, s3_secret_access_key=""))
