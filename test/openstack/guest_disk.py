"""The disk of a server, a file in its folder."""

import json
import os
import shutil
import subprocess

FORMATS = ("raw", "qcow2")


def is_bootable(path, disk_format):
    """Whether firmware would boot from a disk: its first sector ends with 55 AA."""
    if disk_format not in FORMATS or os.path.getsize(path) < 1024:
        return False
    sector = path + ".sector"
    done = subprocess.run(["qemu-img", "dd", "-f", disk_format, "-O", "raw", "bs=512", "count=1",
                           f"if={path}", f"of={sector}"], capture_output=True)
    if done.returncode != 0:
        return False
    try:
        with open(sector, "rb") as file:
            return file.read(512)[510:512] == b"\x55\xaa"
    finally:
        os.unlink(sector)


def enlarge(path, disk_format, size):
    """Gives a disk the size of its flavor's, in bytes."""
    info = subprocess.run(["qemu-img", "info", "-f", disk_format, "--output=json", path],
                          check=True, capture_output=True)
    if json.loads(info.stdout)["virtual-size"] < size:
        subprocess.run(["qemu-img", "resize", "-f", disk_format, path, str(size)],
                       check=True, capture_output=True)


def copy(path, target):
    """As it is now: who holds the disk of a running guest still takes care that it is whole."""
    subprocess.run(["cp", "--sparse=always", "--reflink=auto", path, target], check=True)


def flatten(path, disk_format, target):
    """A disk without what it no longer uses, as an image is to be."""
    if disk_format != "qcow2":
        shutil.move(path, target)
        return
    subprocess.run(["qemu-img", "convert", "-f", disk_format, "-O", disk_format, path, target],
                   check=True, capture_output=True)
    os.unlink(path)
