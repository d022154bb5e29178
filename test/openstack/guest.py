"""One guest: a real QEMU process over the files of a server's folder."""

import json
import os
import signal
import socket
import subprocess
import time

RUNNING, PAUSED, OFF = "running", "paused", "off"


def accelerator():
    """How guest code is run. That /dev/kvm is there proves nothing: there are hosts without
    virtualization that have it, and where no kernel ever gets through its boot with it."""
    with open("/proc/cpuinfo") as cpuinfo:
        flags = next((line.split() for line in cpuinfo if line.startswith("flags")), [])
    if {"svm", "vmx"} & set(flags) and os.access("/dev/kvm", os.R_OK | os.W_OK):
        return "kvm", "host"
    return "tcg,thread=multi", "qemu64"


class Guest:
    """Knows its process by a file in the folder of process ids, so that «down» ends it, and a
    Nova that was started again finds it."""

    def __init__(self, server_id, folder, pids):
        self.server_id = server_id
        self.folder = folder
        self.console = os.path.join(folder, "console.log")
        self._pid_file = os.path.join(pids, f"guest-{server_id}")
        self._qmp = os.path.join(folder, "qmp.sock")

    def state(self):
        pid = self._pid()
        if pid is None:
            return OFF
        try:
            return PAUSED if self.ask("query-status")["status"] == "paused" else RUNNING
        except OSError:
            return RUNNING if self._pid() else OFF

    def _pid(self):
        """The process, if it lives: a process id may have gone to another program since."""
        try:
            with open(self._pid_file) as file:
                pid = int(file.read())
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                return pid if self.server_id.encode() in file.read() else None
        except (OSError, ValueError):
            return None

    def start(self, spec):
        """spec: vcpus, memory_mb, disks [(path, format)], drive (config drive or None) and
        nics [(id, mac, [(address, port)])]."""
        if self._pid():
            return
        accel, cpu = accelerator()
        command = [
            "qemu-system-x86_64", "-name", f"guest={self.server_id}", "-uuid", self.server_id,
            "-nodefaults", "-no-user-config", "-display", "none", "-machine", "q35,vmport=off",
            "-accel", accel, "-cpu", cpu, "-smp", str(spec["vcpus"]), "-m", f"{spec['memory_mb']}M",
            # By these words guests know an OpenStack.
            "-smbios", "type=1,manufacturer=OpenStack Foundation,product=OpenStack Nova,"
                       f"uuid={self.server_id}",
            "-chardev", f"file,id=console,path={self.console},append=on",
            "-serial", "chardev:console", "-device", "virtio-rng-pci",
            "-qmp", f"unix:{self._qmp},server=on,wait=off",
        ]
        for index, (path, disk_format) in enumerate(spec["disks"]):
            command += ["-drive", f"id=disk{index},if=none,file={path},format={disk_format},"
                                  "cache=unsafe,discard=unmap,detect-zeroes=unmap",
                        "-device", f"virtio-blk-pci,drive=disk{index},bootindex={index + 1}"]
        if spec["drive"]:
            command += ["-drive", f"id=config,if=none,readonly=on,format=raw,file={spec['drive']}",
                        "-device", "virtio-blk-pci,drive=config"]
        for nic_id, mac, forwards in spec["nics"]:
            leads = "".join(f",hostfwd=tcp:{address}:{port}-:{port}" for address, port in forwards)
            command += ["-netdev", f"user,id={nic_id}{leads}",
                        "-device", f"virtio-net-pci,netdev={nic_id},mac={mac},romfile="]
        log = os.path.join(self.folder, "qemu.log")
        with open(log, "ab") as output:
            process = subprocess.Popen(command, cwd=self.folder, stdin=subprocess.DEVNULL,
                                       stdout=output, stderr=output, start_new_session=True)
        with open(self._pid_file, "w") as file:
            file.write(str(process.pid))
        self._await_start(process, log)

    def _await_start(self, process, log):
        end = time.monotonic() + 60
        while time.monotonic() < end:
            if process.poll() is not None:
                with open(log) as file:
                    raise RuntimeError(f"QEMU ended: {file.read()[-500:].strip()}")
            try:
                self.ask("query-status")
                return
            except OSError:
                time.sleep(0.05)
        self.kill()
        raise RuntimeError("QEMU doesn't answer")

    def ask(self, command, **arguments):
        """One command of QEMU's machine protocol, over a connection of its own."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(30)
            connection.connect(self._qmp)
            with connection.makefile("rw") as lines:
                lines.readline()  # the greeting
                for name, given in (("qmp_capabilities", {}), (command, arguments)):
                    lines.write(json.dumps({"execute": name, "arguments": given}) + "\n")
                    lines.flush()
                    answer = {}
                    while "return" not in answer and "error" not in answer:
                        line = lines.readline()
                        if not line:
                            raise OSError("QEMU hung up")
                        answer = json.loads(line)
                if "error" in answer:
                    raise RuntimeError(f"{command}: {answer['error']['desc']}")
                return answer["return"]

    def press_power_button(self):
        try:
            self.ask("system_powerdown")
        except OSError:
            pass  # it is down already

    def wait_off(self, seconds):
        end = time.monotonic() + seconds
        while self._pid() and time.monotonic() < end:
            time.sleep(0.1)
        return self._pid() is None

    def kill(self):
        pid = self._pid()
        if pid:
            os.kill(pid, signal.SIGKILL)
            self.wait_off(10)
        try:
            os.unlink(self._pid_file)
        except FileNotFoundError:
            pass

    def lead(self, nic_id, address, port, opened):
        """Opens or closes the way from an address of this machine to a port of the guest."""
        if not self._pid():
            return  # it gets its ways when it starts
        what = f"hostfwd_{'add' if opened else 'remove'} {nic_id} tcp:{address}:{port}"
        said = self.ask("human-monitor-command", **{
            "command-line": f"{what}-:{port}" if opened else what})
        if said and "removed" not in said:
            raise RuntimeError(f"{what}: {said.strip()}")
