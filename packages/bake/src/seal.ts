import { quote } from './communicator/shell-quote.ts';
import { goDown, toolFunction } from './guest/power.ts';

/** What sealing does beyond what it always does. */
export interface SealOptions {
  /** Removes downloaded packages and package lists too. Default: false. */
  readonly packageCaches?: boolean | undefined;
  /** Empties the logs. Default: true. */
  readonly logs?: boolean | undefined;
}

/** Where this program leaves its traces on the guest's disk. The last thing that sealing removes: what still has it was not sealed. */
export const sealMark = '/var/lib/imgkit-jobs';

/**
 * The script that takes the builder's identity out of a Linux guest, so that each machine started from the image gets its own, and then powers it off: machine id, SSH
 * host keys, the state of cloud-init, the key we logged in with (and no other), leases, random seeds, histories, logs, our own traces.
 *
 * It goes on when the connection breaks, and may be run again. It removes the host keys only where something makes new ones at the next boot, or can be told to.
 * It avoids starting programs where it can: under emulation each one takes milliseconds, and cloud-init's own `clean` seconds.
 *
 * @param publicKey - The line that was added to `authorized_keys`.
 * @param ofCloud - What the cloud wants to be done beside that: see `InstancesTraits.sealScript`.
 */
export function sealScript(publicKey: string, options: SealOptions | false, ofCloud = ''): string {
  const blob = publicKey.trim().split(/\s+/u)[1] ?? '';
  return `{
trap '' HUP
umask 022
${toolFunction}
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
${options === false ? '' : identity(options)}
${options === false || ofCloud === '' ? '' : `sh -c ${quote(ofCloud)} </dev/null || echo 'imgkit-warning what the cloud wants to be done in the guest has failed'`}
for f in /root/.ssh/authorized_keys /home/*/.ssh/authorized_keys; do
  [ -f "$f" ] || continue
  grep -vF ${quote(blob)} "$f" >"$f.imgkit"
  cat "$f.imgkit" >"$f"
  rm -f "$f.imgkit"
  [ -s "$f" ] || rm -f "$f"
done
rm -rf /run/imgkit-jobs /tmp/imgkit-jobs ${sealMark}
echo imgkit-sealed
sync
${goDown('poweroff')}
exit 0
}
`;
}

function identity(options: SealOptions): string {
  return `
# Machine id: empty, not missing, is what is filled in at the next boot.
[ ! -f /etc/machine-id ] || : >/etc/machine-id
[ -h /var/lib/dbus/machine-id ] || rm -f /var/lib/dbus/machine-id
# SSH host keys.
if [ -d /etc/cloud ] && command -v cloud-init >/dev/null 2>&1; then
  rm -f /etc/ssh/ssh_host_*_key /etc/ssh/ssh_host_*_key.pub
elif [ -d /run/systemd/system ] && command -v ssh-keygen >/dev/null 2>&1; then
  mkdir -p /etc/systemd/system/multi-user.target.wants
  cat >/etc/systemd/system/imgkit-ssh-host-keys.service <<'END'
[Unit]
Description=Make SSH host keys that are missing
Before=ssh.service sshd.service ssh.socket sshd.socket
ConditionPathExists=!/etc/ssh/ssh_host_ed25519_key
[Service]
Type=oneshot
ExecStart=ssh-keygen -A
[Install]
WantedBy=multi-user.target
END
  ln -sf ../imgkit-ssh-host-keys.service /etc/systemd/system/multi-user.target.wants/imgkit-ssh-host-keys.service
  rm -f /etc/ssh/ssh_host_*_key /etc/ssh/ssh_host_*_key.pub
elif [ -e /etc/ssh/sshd_config ]; then
  echo 'imgkit-warning the SSH host keys stay: nothing here makes new ones at the next boot'
fi
if [ -d /etc/dropbear ]; then
  if cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\000' ' ' | grep -q 'dropbear .*-[A-Za-z]*R'; then rm -f /etc/dropbear/dropbear_*_host_key
  else echo 'imgkit-warning the host keys of dropbear stay: it does not run with -R'
  fi
fi
# The state of cloud-init, as its own clean --logs --seed has it; what still runs would write it again. It says when it is
# done, unless a script of the recipe has cleaned it before: what counts then is whether any of it is still to run.
cloud_init_goes_on() {
  [ -e /run/cloud-init/enabled ] && [ ! -e /run/cloud-init/result.json ] || return 1
  [ -d /run/systemd/system ] || return 0
  systemctl list-jobs --no-legend 2>/dev/null | grep -q cloud-
}
i=0
while cloud_init_goes_on && [ $i -lt 600 ]; do sleep 0.2; i=$((i + 1)); done
if [ -d /var/lib/cloud ]; then
  rm -rf /var/lib/cloud/* /run/cloud-init /var/log/cloud-init*.log
  rm -f /etc/netplan/50-cloud-init.yaml /etc/network/interfaces.d/50-cloud-init
fi
# Leases, seeds, histories.
rm -f /var/lib/dhcp/* /var/lib/dhcpcd/*.lease* /var/lib/NetworkManager/*.lease /var/lib/systemd/random-seed \\
  /var/lib/systemd/credential.secret /var/lib/urandom/random-seed 2>/dev/null
rm -rf /var/lib/systemd/network/* /var/lib/imgkit/instance-id /var/lib/imgkit/startup-ran 2>/dev/null
for h in /root /home/*; do
  rm -f "$h"/.bash_history "$h"/.ash_history "$h"/.sh_history "$h"/.python_history "$h"/.lesshst "$h"/.viminfo "$h"/.wget-hsts 2>/dev/null
done
${options.packageCaches === true ? 'rm -rf /var/cache/apt/archives/*.deb /var/cache/apt/*.bin /var/lib/apt/lists/* /var/cache/dnf /var/cache/yum /var/cache/apk/* 2>/dev/null' : ''}
${
  options.logs === false
    ? ''
    : `rm -rf /var/log/journal/* 2>/dev/null
find /var/log -type f 2>/dev/null | while read -r f; do
  case $f in
    *.gz|*.xz|*.old|*.[0-9]) rm -f "$f" ;;
    *) : >"$f" ;;
  esac
done`
}
tool fstrim -a >/dev/null 2>&1 || tool fstrim / >/dev/null 2>&1`;
}
