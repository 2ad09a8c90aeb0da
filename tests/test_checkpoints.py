"""Checkpoints of the training: whole or refused, in parts of a bounded size."""

import errno

import pytest
import torch

from training import checkpoints
from training.checkpoints import PART_BYTES, has_checkpoint, read_checkpoint, write_checkpoint


def state_of(step, numbers):
    return {"step": step, "modules": {"unet": {"weight": torch.arange(numbers, dtype=torch.float32)}}}


@pytest.mark.parametrize("numbers", [0, 1, PART_BYTES // 4 - 1, PART_BYTES // 4 + 1, 3 * PART_BYTES // 4])
def test_a_checkpoint_of_any_size_comes_back_and_no_file_is_larger_than_a_part(tmp_path, numbers):
    assert not has_checkpoint(tmp_path)
    assert read_checkpoint(tmp_path) is None
    for step in (1, 2):
        write_checkpoint(tmp_path, state_of(step, numbers))
        found = read_checkpoint(tmp_path)
        assert found is not None
        assert found["step"] == step
        expected = state_of(step, numbers)["modules"]["unet"]["weight"]
        assert torch.equal(found["modules"]["unet"]["weight"], expected)
        sizes = [path.stat().st_size for path in tmp_path.iterdir()]
        assert max(sizes) <= PART_BYTES
        assert sum(sizes) < 4 * numbers + 10_000  # nothing of the former one is left


def test_a_full_disk_leaves_the_former_checkpoint(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoints, "PART_BYTES", 1000)
    write_checkpoint(tmp_path, state_of(1, 2000))
    room, write = [3], checkpoints.write_whole

    def write_while_there_is_room(path, data):
        room[0] -= 1
        if room[0] < 0:
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        write(path, data)

    monkeypatch.setattr(checkpoints, "write_whole", write_while_there_is_room)
    with pytest.raises(OSError, match="No space left"):
        write_checkpoint(tmp_path, state_of(2, 2000))
    found = read_checkpoint(tmp_path)
    assert found is not None
    assert found["step"] == 1
    room[0] = 1000
    write_checkpoint(tmp_path, state_of(3, 2000))
    assert (read_checkpoint(tmp_path) or {})["step"] == 3


def test_a_part_that_is_cut_short_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoints, "PART_BYTES", 1000)
    write_checkpoint(tmp_path, state_of(1, 2000))
    part = next(tmp_path.glob("checkpoint.1.3"))
    part.write_bytes(part.read_bytes()[:10])
    with pytest.raises(ValueError, match=r"the checkpoint has .* bytes, not"):
        read_checkpoint(tmp_path)
