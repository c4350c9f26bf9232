"""What every storage is held to, whichever it is: the folder and the bucket answer alike."""

import io
from pathlib import Path

import pytest

from service.settings import Settings
from service.storage import FolderStorage, MissingBytes, Storage, open_storage
from service.storage.bucket import BucketStorage
from service.storage.seam import digest_of


@pytest.fixture(params=["folder", "bucket"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    settings = Settings(data_dir=tmp_path)
    if request.param == "bucket":
        settings = request.getfixturevalue("bucket_settings")
    return open_storage(settings)


def test_the_settings_say_which_it_is(storage: Storage, request: pytest.FixtureRequest) -> None:
    kind = FolderStorage if "folder" in request.node.name else BucketStorage
    assert isinstance(storage, kind)


def test_bytes_are_known_by_their_digest_however_they_came(storage: Storage) -> None:
    with storage.draft() as draft:
        draft.file.write(b"bytes")
        digest = draft.keep()
    assert digest == storage.put(b"bytes") == storage.put_file(io.BytesIO(b"bytes"))
    assert digest == digest_of(io.BytesIO(b"bytes"))
    with storage.open(digest) as file:
        assert file.fileno() >= 0  # one of the system's own: readers need not hold all of it
        assert file.read() == b"bytes"
    with storage.draft() as draft:
        draft.file.write(b"not kept")
    with pytest.raises(MissingBytes):
        storage.read(digest_of(io.BytesIO(b"not kept")))
