/**
 * The modules that the tiny image loads, each after those it needs. What is built into the kernel
 * is left out when the image is made.
 */
export const tinyModules: readonly string[] = [
  'drivers/virtio/virtio_ring',
  'drivers/virtio/virtio',
  'drivers/virtio/virtio_pci_modern_dev',
  'drivers/virtio/virtio_pci_legacy_dev',
  'drivers/virtio/virtio_pci',
  'drivers/block/virtio_blk',
  'net/core/failover',
  'drivers/net/net_failover',
  'drivers/net/virtio_net',
  'drivers/char/hw_random/virtio-rng',
  'drivers/cdrom/cdrom',
  'fs/isofs/isofs',
  'fs/fat/fat',
  'fs/fat/vfat',
  'fs/nls/nls_cp437',
  'fs/nls/nls_ascii',
  'drivers/input/evdev',
  'drivers/acpi/button',
];

/** The first process, in the initramfs: it loads the modules, grows the partition, and mounts the root. */
export const initScript = `#!/bin/busybox sh
alias b=/bin/busybox
b mount -t proc proc /proc; b mount -t sysfs sysfs /sys; b mount -t devtmpfs dev /dev
for module in /modules/*; do b insmod $module; done
tries=0
while [ ! -b /dev/vda1 ] && [ $tries -lt 500 ]; do b usleep 10000; tries=$((tries + 1)); done

# A disk larger than the image gets its whole size: the partition here, the file system once mounted.
read -r disk < /sys/block/vda/size
read -r start < /sys/block/vda/vda1/start
read -r size < /sys/block/vda/vda1/size
wanted=$((disk - start))
if [ $((wanted - size)) -gt 2048 ] && [ $((wanted >> 32)) = 0 ]; then
  bytes=$(b printf '\\\\x%02x\\\\x%02x\\\\x%02x\\\\x%02x' $((wanted & 255)) $((wanted >> 8 & 255)) $((wanted >> 16 & 255)) $((wanted >> 24)))
  b printf "$bytes" | b dd of=/dev/vda bs=1 seek=458 conv=notrunc 2> /dev/null
  b sync; b blockdev --rereadpt /dev/vda
  while [ ! -b /dev/vda1 ]; do b usleep 10000; done
  : > /dev/imgkit-grown
fi

b mount -t ext4 -o rw,discard /dev/vda1 /root
b mount --move /dev /root/dev; b mount --move /proc /root/proc; b mount --move /sys /root/sys
exec /bin/busybox switch_root /root /sbin/init
`;

// What the machine is told comes on a NoCloud seed or on OpenStack's config drive.
// What the machine was told last time is kept in /var/lib/imgkit: another instance id is another machine.
const rc = `#!/bin/sh
export PATH=/bin:/sbin:/usr/bin:/usr/sbin
mount -t tmpfs -o mode=755,nosuid,nodev tmpfs /run
mkdir -p /dev/pts /dev/shm /var/lib/imgkit; mkdir -m 700 /run/imgkit
mount -t devpts devpts /dev/pts
ip link set lo up
for device in /sys/class/net/e*; do
  udhcpc -i \${device##*/} -t 20 -T 1 -A 2 -b -s /etc/udhcpc.script > /dev/null 2>&1 &
done
[ -s /etc/machine-id ] || tr -d - < /proc/sys/kernel/random/uuid > /etc/machine-id
[ -e /dev/imgkit-grown ] && resize2fs /dev/vda1 > /run/imgkit/resize.log 2>&1

seed=$(findfs LABEL=CIDATA 2> /dev/null || findfs LABEL=cidata 2> /dev/null)
if [ -n "$seed" ] && mount -o ro $seed /mnt; then
  for file in meta-data user-data startup-script; do
    [ -f /mnt/$file ] && cp /mnt/$file /run/imgkit/$file
  done
  umount /mnt
fi
# OpenStack's drive has the same in other words.
drive=$(findfs LABEL=config-2 2> /dev/null || findfs LABEL=CONFIG-2 2> /dev/null)
if [ -z "$seed" ] && [ -n "$drive" ] && mount -o ro $drive /mnt; then
  told=/mnt/openstack/latest
  json() { sed -n "s/.*\\"$1\\": *\\"\\([^\\"]*\\)\\".*/\\1/p" $told/meta_data.json | head -n 1; }
  printf 'instance-id: %s\\nlocal-hostname: %s\\n' "$(json uuid)" "$(json hostname)" > /run/imgkit/meta-data
  grep -o '"\\(ssh\\|ecdsa\\|sk\\)-[^"]*"' $told/meta_data.json | tr -d '"' | sed 's/\\\\n$//' | sort -u > /run/imgkit/keys
  [ -f $told/user_data ] && cp $told/user_data /run/imgkit/user-data
  umount /mnt
fi
cd /run/imgkit
touch keys meta-data user-data
# Of user data in parts, the script.
[ -f startup-script ] || awk '/^Content-Type: multipart/ { split($0, words, "\\""); end = "--" words[2] } end == "" { next } index($0, end) == 1 { part = 0; next } /^Content-Type: text.x-shellscript/ { part = 1; next } part == 1 && /^$/ { part = 2; next } part == 2' user-data > startup-part
[ -s startup-part ] && mv startup-part startup-script
# A value is quoted when the seed's writer was careful.
meta() { sed -n "s/^$1: *//p" meta-data | head -n 1 | tr -d "\\"'"; }
id=$(meta instance-id)
if [ -n "$id" ] && [ "$id" != "$(cat /var/lib/imgkit/instance-id 2> /dev/null)" ]; then
  umask 077
  rm -f /etc/dropbear/dropbear_*_host_key /var/lib/imgkit/startup-ran
  awk '/^ssh_authorized_keys:/ { on = 1; next } on && /^ *- / { sub(/^ *- /, ""); gsub(/^["\\047]|["\\047]$/, ""); print; next } { on = 0 }' user-data > /root/.ssh/authorized_keys
  cat keys >> /root/.ssh/authorized_keys
  awk '/^ssh_keys:/ { block = 1; next } /^[^ ]/ { block = 0; on = 0 } block && /^ +ed25519_private: *[|]/ { on = 1; next } on && /^    / { sub(/^ +/, ""); print; next } { on = 0 }' user-data > host-key
  [ -s host-key ] && dropbearconvert openssh dropbear host-key /etc/dropbear/dropbear_ed25519_host_key 2> /dev/null
  rm -f host-key
  # Further users are root by another name: nothing here could tell them apart.
  awk '/^users:/ { on = 1; next } /^[^ ]/ { on = 0 } on && /^  - name: / { user = $3; next } on && /^      - / { sub(/^ *- /, ""); print user, $0 }' user-data > users
  for user in $(cut -d ' ' -f 1 users | sort -u); do
    grep -q "^$user:" /etc/passwd || echo "$user:x:0:0:$user:/home/$user:/bin/sh" >> /etc/passwd
    mkdir -p /home/$user/.ssh
    sed -n "s/^$user //p" users > /home/$user/.ssh/authorized_keys
  done
  name=$(meta local-hostname)
  [ -n "$name" ] && echo "$name" > /etc/hostname
  echo "$id" > /var/lib/imgkit/instance-id
  umask 022
fi
hostname -F /etc/hostname
printf '127.0.0.1 localhost\\n::1 localhost\\n127.0.1.1 %s\\n' "$(hostname)" > /etc/hosts
`;

// Run once an instance, when the network is up, with its output on the console.
const startup = `#!/bin/sh
export PATH=/bin:/sbin:/usr/bin:/usr/sbin HOME=/root
cd /root
script=/run/imgkit/startup-script
[ -f $script ] || [ "$(head -c 2 /run/imgkit/user-data)" != '#!' ] || cp /run/imgkit/user-data $script
if [ -f $script ] && [ ! -e /var/lib/imgkit/startup-ran ]; then
  touch /var/lib/imgkit/startup-ran
  tries=0
  until ip route | grep -q '^default' || [ $tries -ge 100 ]; do sleep 0.1; tries=$((tries + 1)); done
  chmod 700 $script
  $script || echo "imgkit-startup-failed $?"
fi
# As cloud-init prints them, for those who trust the console.
if [ -s /etc/dropbear/dropbear_ed25519_host_key ]; then
  echo '-----BEGIN SSH HOST KEY KEYS-----'
  dropbearkey -y -f /etc/dropbear/dropbear_ed25519_host_key | grep '^ssh-'
  echo '-----END SSH HOST KEY KEYS-----'
fi
echo "imgkit-ready $(cut -d ' ' -f 1 /proc/uptime)"
`;

// Run by init before it ends the machine, and by the power button, which then doesn't wait for it.
const shutdown = `#!/bin/sh
trap '' HUP INT TERM
cd /
kill -TERM -1; sleep 0.2; sync; kill -KILL -1
mount | awk '$3 != "/" && $1 ~ "^/dev/" { print $3 }' | while read -r place; do umount $place; done
mount -o remount,ro / 2> /dev/null || sync
`;

const inittab = `::sysinit:/etc/rc
::once:/etc/startup
::respawn:/usr/sbin/dropbear -F -E -R -s
::respawn:/bin/acpid -f -l /dev/null -p /run/acpid.pid
::ctrlaltdel:/bin/reboot
::shutdown:/etc/shutdown
`;

const udhcpcScript = `#!/bin/sh
case $1 in
  deconfig) ip addr flush dev $interface; ip link set $interface up ;;
  bound | renew)
    ip addr flush dev $interface
    ip addr add $ip/\${mask:-24} dev $interface
    [ -n "$router" ] && ip route add default via \${router%% *} dev $interface
    for server in $dns; do echo "nameserver $server"; done > /etc/resolv.conf
    ;;
esac
`;

// On a busy host without KVM the kernel's test of the timer fails, and it hangs: the timer of QEMU is fine.
const grub = `linux /boot/vmlinuz root=/dev/vda1 console=ttyS0 no_timer_check quiet panic=1
initrd /boot/initrd.img
boot
`;

/** A file of the guest. */
export interface GuestFile {
  readonly content: string;
  readonly mode?: number | undefined;
}

/** The files of the tiny image beside its programs, by path. */
export const tinyFiles: Readonly<Record<string, GuestFile>> = {
  'bin/nohup': { content: '#!/bin/sh\ntrap "" HUP\nexec "$@"\n', mode: 0o755 },
  'boot/grub/grub.cfg': { content: grub },
  // All users are root already.
  'bin/sudo': {
    content: '#!/bin/sh\nwhile [ "${1#-}" != "$1" ]; do shift; done\nexec "$@"\n',
    mode: 0o755,
  },
  'etc/acpi/PWRF/00000080': {
    content: '#!/bin/sh\n. /etc/shutdown\nexec poweroff -f\n',
    mode: 0o755,
  },
  'etc/group': { content: 'root:x:0:\n' },
  'etc/hostname': { content: 'tiny\n' },
  'etc/inittab': { content: inittab },
  'etc/machine-id': { content: '' },
  'etc/nsswitch.conf': { content: 'hosts: files dns\n' },
  'etc/os-release': {
    content: 'NAME="imgkit tiny"\nID=tiny\nVERSION_ID=1\nPRETTY_NAME="imgkit tiny 1"\n',
  },
  'etc/passwd': { content: 'root:x:0:0:root:/root:/bin/sh\n' },
  'etc/rc': { content: rc, mode: 0o755 },
  'etc/shadow': { content: 'root:*:19000:0:99999:7:::\n', mode: 0o600 },
  'etc/shells': { content: '/bin/sh\n' },
  'etc/shutdown': { content: shutdown, mode: 0o755 },
  'etc/startup': { content: startup, mode: 0o755 },
  'etc/udhcpc.script': { content: udhcpcScript, mode: 0o755 },
};

/** The directories of the tiny image that nothing else makes. */
export const tinyDirectories: readonly string[] = [
  'dev',
  'etc/dropbear',
  'home',
  'lib64',
  'mnt',
  'proc',
  'root/.ssh',
  'run',
  'sbin',
  'sys',
  'tmp',
  'usr/bin',
  'usr/sbin',
  'var/lib/imgkit',
  'var/log',
];
