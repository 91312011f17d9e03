"""What one writes with the standard library: hash the file, then list it with tarfile."""

import hashlib
import sys
import tarfile
from pathlib import Path
from typing import BinaryIO


def open_archive(file: BinaryIO) -> tarfile.TarFile:
    """Return the archive in a file; the standard library of Python 3.11 knows no zstd."""
    zstd = file.read(4) == b"\x28\xb5\x2f\xfd"
    file.seek(0)
    if not zstd:
        return tarfile.open(fileobj=file)
    import zstandard

    return tarfile.open(fileobj=zstandard.ZstdDecompressor().stream_reader(file), mode="r|")


def main(path: Path) -> None:
    """Print the fingerprint, metadata.yaml and every name."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    print(digest.hexdigest())
    with path.open("rb") as file, open_archive(file) as archive:
        for member in archive:
            print(member.name)
            if member.name == "metadata.yaml" and (content := archive.extractfile(member)):
                print(content.read().decode())


main(Path(sys.argv[1]))
