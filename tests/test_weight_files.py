import gzip
import io
import tarfile
import zipfile

import pytest
import torch
from checkpoints import LFS_POINTER, write_embeddings
from safetensors.torch import save_file

from plitka.errors import ModelFileError, remedied
from plitka.weights import archive as weight_archive
from plitka.weights import files as weight_files
from plitka.weights.adapter_files import adapter_kind
from plitka.weights.archive import unpack_weights
from plitka.weights.files import check_weight_file, read_header


@pytest.fixture
def whole(tmp_path):
    path = tmp_path / "embeddings.safetensors"
    write_embeddings(path)
    return path


def check(path, **expected):
    with remedied("Fetch it again."):
        check_weight_file(path, **expected)


def test_a_whole_file_passes_and_its_tensors_are_listed(whole):
    check(whole, size=whole.stat().st_size, sha256=weight_files.hash_file(whole))
    tensors = read_header(whole).tensors
    assert tensors["clip_l"]["shape"] == [2, 32]
    assert tensors["clip_g"]["dtype"] == "BF16"


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda path: path.unlink(), "the file is missing"),
        (lambda path: path.write_bytes(LFS_POINTER), "Git LFS pointer"),
        (lambda path: path.write_bytes(path.read_bytes()[:-1]), "bytes where its header promises"),
        (lambda path: path.write_bytes(path.read_bytes() + b"0"), "bytes where its header promises"),
        (lambda path: path.write_bytes(path.read_bytes()[:20]), "cut short at 20 bytes"),
        (lambda path: path.write_bytes(b""), "cut short at 0 bytes"),
        (lambda path: path.write_bytes(b"\x80\x02}q\x00." * 50), "not a safetensors file"),
        (lambda path: path.write_bytes((4).to_bytes(8, "little") + b"nope"), "not a safetensors file"),
    ],
)
def test_a_broken_file_is_named_with_what_is_wrong_and_what_to_do(whole, spoil, reason):
    spoil(whole)
    with pytest.raises(ModelFileError) as raised:
        check(whole)
    assert str(whole) in str(raised.value)
    assert reason in str(raised.value)
    assert "Fetch it again." in str(raised.value)


def test_a_file_of_another_size_or_hash_is_refused(whole):
    with pytest.raises(ModelFileError, match="bytes where 8,344 are expected"):
        check(whole, size=8344)
    with pytest.raises(ModelFileError, match="sha256 is"):
        check(whole, sha256="0" * 64)


def test_adapters_are_distinguished_by_what_is_in_them():
    assert adapter_kind({"clip_l": {}, "clip_g": {}}) == "embeddings"
    assert adapter_kind({"unet.down_blocks.0.lora_A.weight": {}}) == "LoRA"
    assert adapter_kind({"model.diffusion_model.out.0.bias": {}}) is None
    assert adapter_kind({}) is None


def make_tar(path, entries, mode="w"):
    with tarfile.open(path, mode) as archive:
        for name, content in entries.items():
            if isinstance(content, tarfile.TarInfo):
                archive.addfile(content)
                continue
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))


def make_zip(path, entries):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)


def unpack(tmp_path, archive):
    target = tmp_path / "unpacked"
    target.mkdir()
    unpack_weights(archive, target)
    return {path.name: path.read_bytes() for path in target.iterdir()}


@pytest.mark.parametrize(
    ("name", "make"),
    [("w.tar", make_tar), ("w.tar.gz", lambda *given: make_tar(*given, mode="w:gz")), ("w.zip", make_zip)],
)
def test_only_weights_and_configuration_are_taken_and_folders_are_dropped(tmp_path, name, make):
    entries = {
        "deep/lora.safetensors": b"1",
        "adapter_config.json": b"{}",
        "run.py": b"evil",
        "model.bin": b"pickle",
        "__MACOSX/._lora.safetensors": b"junk",
    }
    make(tmp_path / name, entries)
    assert unpack(tmp_path, tmp_path / name) == {"lora.safetensors": b"1", "adapter_config.json": b"{}"}


@pytest.mark.parametrize("make", [make_tar, make_zip])
@pytest.mark.parametrize(
    "name",
    ["../lora.safetensors", "/etc/lora.safetensors", "a/../../x.json", "C:\\lora.safetensors", "..\\x.json"],
)
def test_an_entry_that_points_outside_is_refused(tmp_path, make, name):
    make(tmp_path / "archive", {name: b"1"})
    with pytest.raises(ModelFileError, match="points outside the archive"):
        unpack(tmp_path, tmp_path / "archive")
    assert not (tmp_path / "lora.safetensors").exists()


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
def test_links_and_devices_in_a_tar_are_refused(tmp_path, kind):
    link = tarfile.TarInfo("lora.safetensors")
    link.type, link.linkname = kind, "/etc/passwd"
    make_tar(tmp_path / "w.tar", {"lora.safetensors": link})
    with pytest.raises(ModelFileError, match="is a link or a device"):
        unpack(tmp_path, tmp_path / "w.tar")


def test_links_in_a_zip_are_refused(tmp_path):
    link = zipfile.ZipInfo("lora.safetensors")
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "w.zip", "w") as archive:
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(ModelFileError, match="is a link"):
        unpack(tmp_path, tmp_path / "w.zip")


@pytest.mark.parametrize("make", [make_tar, make_zip])
def test_an_archive_that_unpacks_to_too_much_is_stopped(tmp_path, monkeypatch, make):
    monkeypatch.setattr(weight_archive, "MAX_ARCHIVE_BYTES", 1000)
    make(tmp_path / "archive", {"a.safetensors": bytes(600), "b.safetensors": bytes(10**6)})
    with pytest.raises(ModelFileError, match="more than 1,000 bytes"):
        unpack(tmp_path, tmp_path / "archive")
    assert sum(path.stat().st_size for path in (tmp_path / "unpacked").iterdir()) < 1100


def test_two_files_of_one_name_are_refused(tmp_path):
    make_tar(tmp_path / "w.tar", {"a/lora.safetensors": b"1", "b/lora.safetensors": b"2"})
    with pytest.raises(ModelFileError, match=r"two files named 'lora\.safetensors'"):
        unpack(tmp_path, tmp_path / "w.tar")


def test_a_file_that_is_no_archive_or_cut_short_is_refused(tmp_path):
    (tmp_path / "w.tar").write_bytes(b"hello")
    with pytest.raises(ModelFileError, match=r"neither a folder nor a \.tar or \.zip"):
        unpack(tmp_path, tmp_path / "w.tar")
    make_tar(tmp_path / "cut.tar", {"a.safetensors": bytes(5000)})
    (tmp_path / "cut.tar").write_bytes((tmp_path / "cut.tar").read_bytes()[:3000])
    with pytest.raises(ModelFileError, match="the archive cannot be read"):
        unpack_weights(tmp_path / "cut.tar", tmp_path)


def encrypted(path):
    make_zip(path, {"lora.safetensors": b"1" * 100})
    content = bytearray(path.read_bytes())
    for signature, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(signature) + flags] |= 1
    path.write_bytes(content)


def of_another_method(path):
    make_zip(path, {"lora.safetensors": b"1" * 100})
    content = bytearray(path.read_bytes())
    for signature, method in ((b"PK\x03\x04", 8), (b"PK\x01\x02", 10)):
        content[content.index(signature) + method] = 99
    path.write_bytes(content)


@pytest.mark.parametrize("spoil", [encrypted, of_another_method])
def test_a_zip_that_cannot_be_unpacked_is_refused(tmp_path, spoil):
    spoil(tmp_path / "w.zip")
    with pytest.raises(ModelFileError, match="the archive cannot be read"):
        unpack(tmp_path, tmp_path / "w.zip")


@pytest.mark.parametrize(
    "make",
    [
        make_zip,
        *(lambda *given, mode=mode: make_tar(*given, mode=mode) for mode in ("w:gz", "w:xz", "w:bz2")),
    ],
)
def test_one_wrong_byte_anywhere_in_an_archive_changes_no_weight(tmp_path, make):
    """Refused, or, where the byte means nothing, unpacked as it was packed."""
    weights = bytes(range(256)) * 3
    make(tmp_path / "whole", {"lora.safetensors": weights})
    whole, refused = (tmp_path / "whole").read_bytes(), 0
    for place in range(0, len(whole), max(1, len(whole) // 60)):
        (tmp_path / "damaged").write_bytes(whole[:place] + bytes([whole[place] ^ 16]) + whole[place + 1 :])
        target = tmp_path / f"unpacked {place}"
        target.mkdir()
        try:
            unpack_weights(tmp_path / "damaged", target)
        except ModelFileError:
            refused += 1
        else:
            assert all(path.read_bytes() == weights for path in target.iterdir()), place
    assert refused


def test_a_tar_with_endless_padding_is_stopped(tmp_path, monkeypatch):
    monkeypatch.setattr(weight_archive, "MAX_ARCHIVE_BYTES", 1000)
    with gzip.open(tmp_path / "w.tar.gz", "wb") as archive:
        archive.write(bytes(3_000_000))
    with pytest.raises(ModelFileError, match="follow its last entry"):
        unpack(tmp_path, tmp_path / "w.tar.gz")


def test_an_empty_file_of_tensors_is_whole(tmp_path):
    save_file({"nothing": torch.zeros(0)}, tmp_path / "empty.safetensors")
    check(tmp_path / "empty.safetensors")


# What to do about it


def test_the_nearest_caller_says_what_to_do_and_a_hint_goes_before_it(tmp_path):
    pointer = tmp_path / "a.safetensors"
    pointer.write_bytes(LFS_POINTER)

    @remedied("Choose another.")
    def load(path):
        with remedied("Fetch it again."):
            check_weight_file(path)

    with pytest.raises(ModelFileError) as raised:
        load(pointer)
    hint = "Run `git lfs pull` where the file came from."
    assert str(raised.value).endswith(f"the clone did not fetch the large files. {hint} Fetch it again.")
    assert raised.value.remedy == "Fetch it again."


def test_what_raises_may_know_what_to_do_itself():
    with pytest.raises(ModelFileError) as raised, remedied("Fetch it again."):
        raise ModelFileError("here", "it is broken", "Mend it.")
    assert str(raised.value) == "here: it is broken. Mend it."
