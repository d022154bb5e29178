import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';

import { guestLab, type GuestLab } from '../../test/guests.ts';

const base = inject('tinyBase');
if (base.image === undefined) console.warn(`the tiny image is not tested: ${base.missing}`);

const identity = 'cat /etc/machine-id; dropbearkey -y -f /etc/dropbear/dropbear_ed25519_host_key';

describe.skipIf(base.image === undefined)('the tiny base image', () => {
  let lab: GuestLab;

  beforeAll(async () => {
    lab = await guestLab(inject('vmDirectory'), base.image?.path ?? '');
  });

  afterAll(async () => {
    await lab[Symbol.asyncDispose]();
  });

  it('grows with its disk and has the tools that baking needs', async () => {
    const machine = await lab.launch('big', { bootDiskSizeBytes: 2 * 2 ** 30 });
    await lab.waitForGuest(machine);
    const blocks = await lab.run(machine, "df -m / | awk 'END { print $2 }'");
    expect(Number(blocks)).toBeGreaterThan(1800);
    const tools = await lab.run(
      machine,
      `set -e
       . /etc/os-release; echo $ID
       mkdir /tmp/www; echo hello > /tmp/www/index.html; httpd -p 127.0.0.1:80 -h /tmp/www
       wget -q -O - http://localhost/
       tar -C /tmp -cf /tmp/www.tar www; sha256sum /tmp/www.tar > /dev/null
       fstrim /
       cat /sys/class/dmi/id/sys_vendor`,
    );
    expect(tools).toBe('tiny\nhello\nQEMU');
    await lab.instances.delete(machine.id);
  });

  it('is somebody else after its identity was wiped, as sealing does', async () => {
    const machine = await lab.launch('sealed');
    await lab.waitForGuest(machine);
    const before = await lab.run(machine, identity);
    await lab.run(
      machine,
      ': > /etc/machine-id; rm -rf /etc/dropbear/*_host_key /var/lib/imgkit/* /root/.ssh/authorized_keys',
    );
    await lab.instances.stop(machine.id, { graceMs: 60_000 });
    await lab.instances.start(machine.id);
    await lab.waitForGuest(machine);
    // The seed is the same, so are its keys; what the machine makes up itself is new.
    const [machineId, ...hostKey] = (await lab.run(machine, identity)).split('\n');
    expect(machineId).toMatch(/^[\da-f]{32}$/);
    expect(before).not.toContain(machineId);
    expect(before.split('\n').slice(1)).toEqual(hostKey);
    await lab.instances.delete(machine.id);
  });

  it('reboots and powers off in good order when it is told to from within', async () => {
    const machine = await lab.launch('told');
    await lab.waitForGuest(machine);
    const bootId = 'cat /proc/sys/kernel/random/boot_id';
    const first = await lab.run(machine, bootId);
    await lab.run(
      machine,
      'echo kept > /root/kept; setsid sh -c "sleep 0.5; reboot" < /dev/null > /dev/null 2>&1 &',
    );
    await expect
      .poll(() => lab.run(machine, `${bootId}; cat /root/kept`).catch(() => first), {
        timeout: 120_000,
      })
      .not.toContain(first);
    expect(await lab.run(machine, 'cat /root/kept')).toBe('kept');
    await lab.run(machine, 'setsid sh -c "sleep 0.5; poweroff" < /dev/null > /dev/null 2>&1 &');
    await expect
      .poll(async () => (await lab.instances.get(machine.id)).status, { timeout: 60_000 })
      .toBe('STOPPED');
    await lab.instances.delete(machine.id);
  });
});
