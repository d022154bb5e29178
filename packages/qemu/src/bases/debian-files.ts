import type { GuestFile } from './tiny-files.ts';

/** The packages of a Debian base image, beside those that every Debian has. */
export const debianPackages: readonly string[] = [
  'ca-certificates',
  'cloud-guest-utils',
  'cloud-init',
  'dbus',
  'iproute2',
  'linux-image-cloud-amd64',
  'netbase',
  'openssh-server',
  'qemu-guest-agent',
  'sudo',
  'systemd-resolved',
  'systemd-sysv',
  'tiny-initramfs',
  'udev',
];

/**
 * Units that a machine image has no use for. What apt does by itself would take its lock in the
 * middle of a bake; the others cost every boot some of its time.
 */
const maskedUnits: readonly string[] = [
  'apt-daily-upgrade.timer',
  'apt-daily.timer',
  'cloud-config.service',
  'cloud-init-hotplugd.socket',
  'dev-hugepages.mount',
  'dpkg-db-backup.timer',
  'e2scrub_all.timer',
  'e2scrub_reap.service',
  'modprobe@configfs.service',
  'modprobe@dm_mod.service',
  'modprobe@drm.service',
  'modprobe@efi_pstore.service',
  'modprobe@fuse.service',
  'modprobe@loop.service',
  'sys-fs-fuse-connections.mount',
  'sys-kernel-config.mount',
  'sys-kernel-debug.mount',
  'sys-kernel-tracing.mount',
  'systemd-binfmt.service',
  'systemd-network-generator.service',
  'systemd-repart.service',
  'systemd-update-utmp-runlevel.service',
];

/** Symbolic links of the image, by path. */
export const debianLinks: Readonly<Record<string, string>> = Object.fromEntries(
  maskedUnits.map((unit) => [`etc/systemd/system/${unit}`, '/dev/null']),
);

// One stage before the network and one after it, each a start of Python less than upstream's four:
// the modules of the config stage run at the beginning of the final one.
const cloudInit = `# Sources on disks only, so that no boot waits for a cloud that isn't there: imgkit's own, and OpenStack's.
datasource_list: [ NoCloud, ConfigDrive, None ]
disable_root: false
locale: C.UTF-8
manage_etc_hosts: localhost
ssh_genkeytypes: [ ed25519, ecdsa ]
ssh: { emit_keys_to_console: false }
no_ssh_fingerprints: true
cloud_init_modules:
  - seed_random
  - bootcmd
  - write-files
  - growpart
  - resizefs
  - disk_setup
  - mounts
  - set_hostname
  - update_hostname
  - update_etc_hosts
  - ca-certs
  - users-groups
  - ssh
cloud_config_modules: []
cloud_final_modules:
  - ssh-import-id
  - keyboard
  - locale
  - set-passwords
  - apt-configure
  - ntp
  - timezone
  - runcmd
  - package-update-upgrade-install
  - write-files-deferred
  - scripts-vendor
  - scripts-per-once
  - scripts-per-boot
  - scripts-per-instance
  - scripts-user
  - phone-home
  - final-message
  - power-state-change
`;

// cloud-init itself would leave at once here, but only after starting Python for it.
const skipNetworkStage = `[Service]
ExecCondition=/bin/sh -c '! grep -qs "dsmode=local" /run/cloud-init/status.json'
`;

// On a busy host without KVM the kernel's test of the timer fails, and it hangs: the timer of QEMU is fine.
const grub = (
  uuid: string,
): string => `linux /vmlinuz root=UUID=${uuid} ro console=ttyS0,115200 no_timer_check quiet
initrd /initrd.img
boot
`;

/** The files that a Debian image has beside those of its packages, by path. */
export function debianFiles(uuid: string): Readonly<Record<string, GuestFile>> {
  return {
    'boot/grub/grub.cfg': { content: grub(uuid) },
    'etc/cloud/cloud.cfg.d/90-imgkit.cfg': { content: cloudInit },
    // Told by cloud-init too, which then finds it done: another one would need the package locales.
    'etc/default/locale': { content: 'LANG=C.UTF-8\n' },
    'etc/fstab': { content: `UUID=${uuid} / ext4 defaults,discard,errors=remount-ro 0 1\n` },
    'etc/hostname': { content: 'debian\n' },
    'etc/machine-id': { content: '' },
    'etc/ssh/sshd_config.d/50-imgkit.conf': {
      content: 'PasswordAuthentication no\nUseDNS no\n',
    },
    'etc/systemd/system/cloud-init.service.d/imgkit.conf': { content: skipNetworkStage },
    // The few drivers of virtual disks and no more: every megabyte is read through the BIOS.
    'etc/tiny-initramfs/tiny-initramfs.conf': {
      content:
        'AUTO_MODULES=no\nMICROCODE=no\nINCLUDE_MODULES="virtio_pci,virtio_blk,virtio_scsi,sd_mod,nvme"\n',
    },
  };
}

/** Run in the finished root directory `$1`, as its root: what no two machines may share goes. */
export const debianFinish = `set -e
chroot "$1" systemctl --quiet enable systemd-networkd
rm -f "$1"/etc/ssh/ssh_host_* "$1"/var/lib/dbus/machine-id "$1"/boot/System.map-*
: > "$1/etc/machine-id"
find "$1/var/log" -type f -delete`;
