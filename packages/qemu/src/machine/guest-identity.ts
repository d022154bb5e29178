import { randomBytes } from 'node:crypto';

import { checkedGuestUser, checkedPublicKey, type AuthorizedKey, type HostKey } from '@imgkit/core';

import { identityBlock, identityBytes } from './identity-record.ts';
import { reseedProgram } from './reseed-program.ts';
import { seedSerial } from './seed.ts';
import { hostname } from './meta-data.ts';

const blocks = identityBytes / identityBlock;

/**
 * The script that, run in a guest as root, makes it ready to be saved: it leaves a process behind
 * that looks at the seed disk ten times a second. In a machine that is resumed from the saved state
 * the disk holds a new identity, which that process puts on and acknowledges on the console; in the
 * one that was saved it is told to end. Nothing of it is ever on the guest's disk.
 */
export const guestWaiterScript = `#!/bin/sh
set -eu
disk=
for block in /sys/block/*; do
  [ -f "$block/serial" ] || continue
  read -r serial < "$block/serial" || true
  [ "$serial" = ${seedSerial} ] || continue
  disk=/dev/\${block##*/}
  read -r sectors < "$block/size"
done
[ -n "$disk" ] || { echo 'this machine has no imgkit seed disk' >&2; exit 1; }
rm -rf /run/imgkit-waiter
mkdir -m 700 /run/imgkit-waiter
cat > /run/imgkit-waiter/wait <<'WAITER'
cd /run/imgkit-waiter
block() { dd if="$1" of="$4" bs=${identityBlock} skip="$2" count="$3" iflag=direct 2> /dev/null; }
block "$1" "$2" 1 header
read -r known < header
first=\${known#* * }
first=\${first%% *}
echo $$ > pid
while :; do
  sleep 0.1
  block "$1" "$2" 1 header && read -r line < header || continue
  [ "$line" = "$known" ] && continue
  read -r magic version nonce size saves < header
  [ "$magic $version" = 'imgkit-identity 1' ] || continue
  [ "$nonce" = "$first" ] && break
  block "$1" $(($2 + 1)) ${blocks - 1} script
  result=failed
  head -c "$size" script > identity && sh identity > log 2>&1 && result=ready
  [ $result = ready ] || tail -n 5 log > /dev/ttyS0
  printf '\\nimgkit-identity %s %s\\n' "$nonce" $result > /dev/ttyS0
  break
done
rm -rf /run/imgkit-waiter
WAITER
setsid sh /run/imgkit-waiter/wait "$disk" $((sectors / ${identityBlock / 512} - ${blocks})) < /dev/null > /dev/null 2>&1 &
tries=0
until [ -s /run/imgkit-waiter/pid ]; do
  tries=$((tries + 1))
  [ $tries -lt 200 ] || { echo 'the process that waits for a new identity did not start' >&2; exit 1; }
  sleep 0.05
done
sync
`;

/** Who a resumed machine was, and who it becomes. */
export interface NewIdentity {
  readonly hostname: string;
  readonly authorizedKeys: readonly AuthorizedKey[];
  readonly hostKey: HostKey;
  /** The public keys that could log in to the saved machine, and can't any more. */
  readonly formerKeys: readonly AuthorizedKey[];
  /** The time of now, in milliseconds since 1970. */
  readonly now: number;
}

/** The script that a resumed guest runs as root to become somebody new. */
export function identityScript(identity: NewIdentity): string {
  const name = hostname(identity.hostname);
  const former = identity.formerKeys.map((key) => checkedPublicKey(key).split(' ')[1] ?? '');
  const keys = identity.authorizedKeys.map(
    (key) => `allow ${checkedGuestUser(key.user)} '${checkedPublicKey(key)}'`,
  );
  return `set -eu
umask 077
date -u -s @${Math.round(identity.now / 1000)} > /dev/null

# Guests resumed from one state must not draw the same random numbers. (/run may refuse to execute.)
echo ${randomBytes(256).toString('base64')} > /dev/urandom
mkdir program
mount -t tmpfs tmpfs program
echo ${reseedProgram().toString('base64')} | base64 -d > program/reseed
chmod 700 program/reseed
program/reseed
umount program

old=$(hostname)
hostname ${name}
[ ! -e /etc/hostname ] || echo ${name} > /etc/hostname
case $old in '' | localhost) ;; *) [ ! -e /etc/hosts ] || sed -i "s/$old/${name}/g" /etc/hosts ;; esac

cat > former <<'KEYS'
${former.join('\n')}
KEYS
for file in /root/.ssh/authorized_keys /home/*/.ssh/authorized_keys; do
  [ -s former ] && [ -f "$file" ] && grep -qF -f former "$file" || continue
  grep -vF -f former "$file" > others || true
  cat others > "$file"
done
allow() {
  home=$(awk -F: -v user="$1" '$1 == user { print $6 }' /etc/passwd)
  [ -n "$home" ]
  [ -d "$home/.ssh" ] || { mkdir "$home/.ssh" && chown "$1" "$home/.ssh"; }
  [ -f "$home/.ssh/authorized_keys" ] || { touch "$home/.ssh/authorized_keys" && chown "$1" "$home/.ssh/authorized_keys"; }
  echo "$2" >> "$home/.ssh/authorized_keys"
}
${keys.join('\n')}

cat > host_key <<'KEY'
${identity.hostKey.privateKey.trimEnd()}
KEY
echo '${checkedPublicKey(identity.hostKey)}' > host_key.pub
if [ -d /etc/ssh ]; then
  rm -f /etc/ssh/ssh_host_*
  cp host_key /etc/ssh/ssh_host_ed25519_key
  cp host_key.pub /etc/ssh/ssh_host_ed25519_key.pub
  chmod 644 /etc/ssh/ssh_host_ed25519_key.pub
  # The server reads its key again; the connections of the saved machine are dead, so end them.
  for status in /proc/[0-9]*/stat; do
    read -r pid command state parent rest 2> /dev/null < "$status" || continue
    case "$command $parent" in
      '(sshd) 1') kill -HUP "$pid" ;;
      '(sshd) '*) kill "$pid" 2> /dev/null || true ;;
    esac
  done
else
  rm -f /etc/dropbear/dropbear_*_host_key
  dropbearconvert openssh dropbear host_key /etc/dropbear/dropbear_ed25519_host_key
  killall dropbear
fi
# Say that it is done only when the server listens again.
tries=0
sleep 0.1
until grep -qE '^ *[0-9]+: [0-9A-F]+:0016 [0-9A-F]+:0000 0A' /proc/net/tcp /proc/net/tcp6; do
  tries=$((tries + 1))
  [ $tries -lt 200 ]
  sleep 0.1
done
`;
}
