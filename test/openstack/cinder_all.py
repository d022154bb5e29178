"""Cinder's scheduler, volume service and API in one process.

    cinder_all.py --config-file CINDER_CONF

One process for the reason that nova_all.py gives. Everything a client sees is
Cinder's own code; FileDriver stands in for the storage.
"""

import os
import shutil
import subprocess
import sys

import eventlet

eventlet.monkey_patch()
# As Cinder's own programs do: the patched module has another list of threads.
import __original_module_threading as original_threading  # noqa: E402
import threading  # noqa: E402

original_threading.current_thread.__globals__["_active"] = threading._active

from oslo_config import cfg  # noqa: E402
from oslo_log import log as logging  # noqa: E402
from oslo_service import service as oslo_service  # noqa: E402

from cinder import i18n  # noqa: E402

i18n.enable_lazy()
from cinder.common import config  # noqa: E402
from cinder import coordination, interface, objects, rpc, service, version  # noqa: E402
from cinder.image import image_utils  # noqa: E402
from cinder.volume import configuration, driver, volume_utils  # noqa: E402

CONF = cfg.CONF
GIB = 2**30


@interface.volumedriver
class FileDriver(driver.VolumeDriver):
    """A volume is a sparse raw file in state_path/volumes, a snapshot another one.

    It is attached as a local path: connection_info["data"]["device_path"].
    """

    VERSION = "1.0.0"
    CI_WIKI_NAME = "imgkit"

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.configuration.append_config_values([])

    @staticmethod
    def get_driver_options():
        return []

    def do_setup(self, context):
        os.makedirs(os.path.join(CONF.state_path, "volumes"), exist_ok=True)

    def check_for_setup_error(self):
        pass

    def local_path(self, volume):
        """The file of a volume or of a snapshot."""
        return os.path.join(CONF.state_path, "volumes", volume.name)

    def _update_volume_stats(self):
        disk = shutil.disk_usage(CONF.state_path)
        self._stats = {
            "volume_backend_name": "file", "vendor_name": "imgkit",
            "driver_version": self.VERSION, "storage_protocol": "local",
            "total_capacity_gb": disk.total / GIB, "free_capacity_gb": disk.free / GIB,
            "reserved_percentage": 0, "thin_provisioning_support": True,
            "max_over_subscription_ratio": 100, "provisioned_capacity_gb": 0,
        }

    def create_volume(self, volume):
        with open(self.local_path(volume), "wb") as disk:
            disk.truncate(volume.size * GIB)

    def _copy(self, source, volume):
        path = self.local_path(volume)
        subprocess.run(["cp", "--sparse=always", "--reflink=auto", self.local_path(source), path],
                       check=True)
        size = getattr(volume, "size", None)
        if size and os.path.getsize(path) < size * GIB:
            os.truncate(path, size * GIB)

    def create_volume_from_snapshot(self, volume, snapshot):
        self._copy(snapshot, volume)

    def create_cloned_volume(self, volume, src_vref):
        self._copy(src_vref, volume)

    def create_snapshot(self, snapshot):
        self._copy(snapshot.volume, snapshot)

    def extend_volume(self, volume, new_size):
        os.truncate(self.local_path(volume), new_size * GIB)

    def _remove(self, thing):
        try:
            os.unlink(self.local_path(thing))
        except FileNotFoundError:
            pass

    delete_volume = _remove
    delete_snapshot = _remove

    def copy_image_to_volume(self, context, volume, image_service, image_id,
                             disable_sparse=False):
        path = self.local_path(volume)
        image_utils.fetch_to_raw(context, image_service, image_id, path, "1M",
                                 size=volume.size, run_as_root=False)
        os.truncate(path, volume.size * GIB)

    def copy_volume_to_image(self, context, volume, image_service, image_meta):
        volume_utils.upload_volume(context, image_service, image_meta,
                                   self.local_path(volume), volume, run_as_root=False)

    def ensure_export(self, context, volume):
        pass

    def create_export(self, context, volume, connector):
        pass

    def remove_export(self, context, volume):
        pass

    def initialize_connection(self, volume, connector, **kwargs):
        return {"driver_volume_type": "local",
                "data": {"device_path": self.local_path(volume), "access_mode": "rw"}}

    def terminate_connection(self, volume, connector, **kwargs):
        pass


def main():
    objects.register_all()
    CONF(sys.argv[1:], project="cinder", version=version.version_string())
    config.set_middleware_defaults()
    logging.setup(CONF, "cinder")
    # A driver is looked up by its name; this program isn't a module that can be imported by one.
    sys.modules["cinder_all"] = sys.modules["__main__"]

    coordination.COORDINATOR.start()
    rpc.init(CONF)
    launcher = oslo_service.ServiceLauncher(CONF)
    launcher.launch_service(service.Service.create(binary="cinder-scheduler"))
    for backend in CONF.enabled_backends:
        launcher.launch_service(service.Service.create(
            host=f"{CONF.host}@{backend}", service_name=backend,
            binary="cinder-volume", coordination=True))
    launcher.launch_service(service.WSGIService("osapi_volume"))
    launcher.wait()


main()
