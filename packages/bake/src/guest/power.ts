/**
 * A shell function `tool`: runs a program by its path in the system's directories. A busybox shell would otherwise prefer what it has
 * built in, also where the guest has a program of its own for it.
 */
export const toolFunction = `tool() {
  for d in /usr/local/sbin /usr/sbin /sbin /usr/local/bin /usr/bin /bin; do
    if [ -x "$d/$1" ]; then d=$d/$1; shift; "$d" "$@"; return; fi
  done
  return 127
}`;

/** A command, to be used after {@link toolFunction}, that takes the guest down, and returns at once. */
export function goDown(how: 'poweroff' | 'reboot'): string {
  return `(
  if [ -d /run/systemd/system ]; then tool systemctl --no-block ${how}
  else tool ${how}
  fi
) </dev/null >/dev/null 2>&1 &`;
}
