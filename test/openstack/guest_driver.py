"""Nova's driver for the tests: its servers are QEMU guests, if their disks can boot.

A server's disk is instances_path/<server id>/disk, made of the image's bytes. If
the image is a raw or qcow2 disk whose first sector ends with 55 AA, as firmware
asks of a disk to boot from, a guest runs on it. Any other image gives a server
without a guest, which costs nothing: it has its disk, and a test may write to it
as a guest would. A server whose metadata "fails" have its own name fails.
"""

import os
import shutil

import eventlet

import nova.conf
from nova import exception
from nova.api.metadata import base as instance_metadata
from nova.compute import power_state, task_states
from nova.image import glance
from nova.virt import configdrive, event, fake

import guest_disk
from guest import OFF, PAUSED, Guest

CONF = nova.conf.CONF
GIB = 2**30


class GuestDriver(fake.FakeDriver):
    # Set before Nova makes the driver.
    networks = None
    tell_nova = None
    # How often it is looked whether guests have ended by themselves, in seconds.
    watch_interval = 0.5

    def init_host(self, host):
        super().init_host(host)
        self._watched = set()  # the guests that ran when they were looked at last
        self.networks.on_floating = self._lead_floating
        eventlet.spawn(self._watch)

    @staticmethod
    def _folder(instance):
        return os.path.join(CONF.instances_path, instance.uuid)

    @staticmethod
    def _guest(server_id):
        return Guest(server_id, os.path.join(CONF.instances_path, server_id),
                     os.path.join(os.environ["OPENSTACK_DIR"], "pids"))

    def _watch(self):
        """Tells Nova of guests that have powered off from within."""
        while True:
            eventlet.sleep(self.watch_interval)
            for server_id in list(self._watched):
                if self._guest(server_id).state() == OFF:
                    self._watched.discard(server_id)
                    self.instances[server_id].state = power_state.SHUTDOWN
                    self.emit_event(event.LifecycleEvent(server_id, event.EVENT_LIFECYCLE_STOPPED))

    # --- from the image to the guest and back -----------------------------------

    def spawn(self, context, instance, image_meta, injected_files, admin_password, allocations,
              network_info=None, block_device_info=None, power_on=True, accel_info=None):
        if instance.metadata.get("fails") == instance.display_name:
            raise exception.InvalidDiskInfo(reason="the test wants it so")
        folder = self._folder(instance)
        os.makedirs(folder, exist_ok=True)
        if instance.image_ref:  # else it boots from a volume
            disk = os.path.join(folder, "disk")
            glance.API().download(context, image_meta.id, dest_path=disk)
            if guest_disk.is_bootable(disk, image_meta.disk_format):
                guest_disk.enlarge(disk, image_meta.disk_format, instance.flavor.root_gb * GIB)
        super().spawn(context, instance, image_meta, injected_files, admin_password, allocations,
                      network_info, block_device_info, power_on)
        if configdrive.required_by(instance):
            self._write_config_drive(instance, injected_files, admin_password, network_info)
        if power_on:
            self._start(instance, network_info, block_device_info)

    def _write_config_drive(self, instance, injected_files, admin_password, network_info):
        extra = {"admin_pass": admin_password} if admin_password else {}
        metadata = instance_metadata.InstanceMetadata(
            instance, content=injected_files or [], extra_md=extra, network_info=network_info)
        with configdrive.ConfigDriveBuilder(instance_md=metadata) as builder:
            builder.make_drive(os.path.join(self._folder(instance), "disk.config"))

    def _disks(self, instance, block_device_info):
        """The disks a guest boots with, the boot disk first; none if there is nothing to boot."""
        mapping = (block_device_info or {}).get("block_device_mapping") or []
        root = (block_device_info or {}).get("root_device_name")
        volumes = sorted(mapping, key=lambda device: device.get("mount_device") != root)
        paths = [(device["connection_info"]["data"]["device_path"], "raw") for device in volumes]
        if instance.image_ref:
            disk_format = instance.image_meta.disk_format
            paths.insert(0, (os.path.join(self._folder(instance), "disk"), disk_format))
        return paths if paths and guest_disk.is_bootable(*paths[0]) else []

    def _nics(self, network_info):
        nics = []
        for vif in network_info or []:
            addresses = [ip["address"] for ip in vif.fixed_ips()] + [
                one["floating_ip_address"] for one in self.networks.floating_of(vif["id"])]
            nics.append((self._nic_id(vif["id"]), vif["address"],
                         [(address, port) for address in addresses if address.startswith("127.")
                          for port in self.networks.open_ports(vif["id"])]))
        return nics

    @staticmethod
    def _nic_id(port_id):
        return f"nic-{port_id[:8]}"

    def _start(self, instance, network_info, block_device_info):
        disks = self._disks(instance, block_device_info)
        if not disks:
            return
        drive = os.path.join(self._folder(instance), "disk.config")
        self._guest(instance.uuid).start({
            "vcpus": instance.flavor.vcpus, "memory_mb": instance.flavor.memory_mb,
            "disks": disks, "drive": drive if os.path.exists(drive) else None,
            "nics": self._nics(network_info)})
        self._watched.add(instance.uuid)

    def get_info(self, instance, use_cache=True):
        if instance.uuid not in self.instances and os.path.isdir(self._folder(instance)):
            # Nova was started again.
            runs = self._guest(instance.uuid).state() != OFF
            state = power_state.RUNNING if runs else power_state.SHUTDOWN
            self.instances[instance.uuid] = fake.FakeInstance(instance.name, state, instance.uuid)
            if runs:
                self._watched.add(instance.uuid)
        return super().get_info(instance, use_cache)

    def snapshot(self, context, instance, image_id, update_task_state):
        update_task_state(task_state=task_states.IMAGE_PENDING_UPLOAD)
        images = glance.API()
        image = images.get(context, image_id)
        image["disk_format"] = instance.image_meta.disk_format or "raw"
        image["container_format"] = instance.image_meta.container_format or "bare"
        copy = self._copy_of_disk(instance, image["disk_format"])
        update_task_state(task_state=task_states.IMAGE_UPLOADING,
                          expected_state=task_states.IMAGE_PENDING_UPLOAD)
        try:
            with open(copy, "rb") as disk:
                images.update(context, image_id, image, disk, purge_props=False)
        finally:
            os.unlink(copy)

    def _copy_of_disk(self, instance, disk_format):
        folder = self._folder(instance)
        disk, copy, image = (os.path.join(folder, name) for name in ("disk", "copy", "snapshot"))
        guest = self._guest(instance.uuid)
        # A guest that stands still has given all it wrote to its disk.
        held = guest.state() not in (OFF, PAUSED)
        if held:
            guest.ask("stop")
        try:
            guest_disk.copy(disk, copy)
        finally:
            if held:
                guest.ask("cont")
        if guest_disk.is_bootable(copy, disk_format):
            guest_disk.flatten(copy, disk_format, image)
            return image
        return copy

    def destroy(self, context, instance, network_info, block_device_info=None, destroy_disks=True,
                destroy_secrets=True):
        self._end(instance)
        super().destroy(context, instance, network_info, block_device_info, destroy_disks)
        if destroy_disks:
            shutil.rmtree(self._folder(instance), ignore_errors=True)

    # --- power ------------------------------------------------------------------

    def _end(self, instance):
        self._watched.discard(instance.uuid)
        self._guest(instance.uuid).kill()

    def power_off(self, instance, timeout=0, retry_interval=0):
        guest = self._guest(instance.uuid)
        self._watched.discard(instance.uuid)
        waited = 0
        while waited < timeout and guest.state() != OFF:
            # One that is still booting doesn't heed the button.
            guest.press_power_button()
            step = min(retry_interval or timeout, timeout - waited)
            guest.wait_off(step)
            waited += step
        guest.kill()
        # One that failed when it was rebuilt isn't there, which other drivers don't mind.
        if instance.uuid in self.instances:
            super().power_off(instance)

    def power_on(self, context, instance, network_info, block_device_info=None, accel_info=None):
        super().power_on(context, instance, network_info, block_device_info)
        self._start(instance, network_info, block_device_info)

    def reboot(self, context, instance, network_info, reboot_type, block_device_info=None,
               bad_volumes_callback=None, accel_info=None):
        if reboot_type.lower() == "soft":
            self.power_off(instance, CONF.shutdown_timeout, CONF.compute.shutdown_retry_interval)
        else:
            self._end(instance)
        super().reboot(context, instance, network_info, reboot_type, block_device_info)

    def pause(self, instance):
        if self._guest(instance.uuid).state() != OFF:
            self._guest(instance.uuid).ask("stop")
        self.instances[instance.uuid].state = power_state.PAUSED

    def unpause(self, instance):
        if self._guest(instance.uuid).state() != OFF:
            self._guest(instance.uuid).ask("cont")
        self.instances[instance.uuid].state = power_state.RUNNING

    def get_console_output(self, context, instance):
        try:
            with open(self._guest(instance.uuid).console, "rb") as console:
                return console.read()
        except FileNotFoundError:
            return b""

    # --- addresses --------------------------------------------------------------

    def _lead_floating(self, floatingip, port_id, opened):
        """A floating address was given to the port of a guest, or taken from it."""
        port = self.networks.items["ports"].get(port_id)
        if port is None or not port["device_owner"].startswith("compute:"):
            return
        guest = self._guest(port["device_id"])
        for number in self.networks.open_ports(port_id):
            guest.lead(self._nic_id(port_id), floatingip["floating_ip_address"], number, opened)
        self.tell_nova(port["device_id"], port_id)
