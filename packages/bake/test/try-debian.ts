import { createImgkit, family } from '@imgkit/core';
import { qemu } from '../../qemu/src/index.ts';
import { bake, recipe, shell, reboot, file } from '../src/index.ts';
await using kit = await createImgkit({
  providers: [qemu({ directory: '/tmp/h6/qemu-debian' })],
  stateDirectory: '/tmp/h6/state-debian',
});
const provider = kit.providers.require('qemu', 'transfer');
if ((await kit.images.find('qemu', { family: 'debian-12' })) === undefined) {
  const image = await provider.transfer.import({
    name: 'debian-12',
    from: '/var/tmp/imgkit-h2/cache/debian-737e8cb6c78b00c1.qcow2',
    format: 'qcow2',
    family: 'debian-12',
    staged: false,
  });
  console.log(image.name);
}
const web = recipe('web', {
  from: { qemu: family('debian-12') },
  provision: [
    file({ content: 'hello\n', destination: '/etc/greeting' }),
    shell({ inline: ['echo installing', 'id', 'umask', 'pwd', 'env | sort', 'date > /etc/baked'] }),
    reboot(),
    shell({
      inline: ['cat /etc/baked', 'systemctl is-system-running || true', 'systemd-analyze || true'],
    }),
  ],
  verify: [
    shell({
      inline: [
        'cat /etc/greeting',
        'cat /etc/machine-id',
        'ls -la /root/.ssh /etc/ssh',
        'cloud-init status',
        'systemctl --failed --no-legend',
        'systemd-analyze',
        'ls -la /var/log',
        'cat /root/.ssh/authorized_keys',
      ],
    }),
  ],
  family: 'web',
});
const t = performance.now();
const run = bake(kit, web, { version: process.argv[2] ?? '1' });
for await (const e of run)
  console.log(String(Math.round(performance.now() - t)).padStart(6), e.type.padEnd(12), e.message);
console.log(
  (await run.results()).map((r) =>
    r.state === 'SUCCEEDED'
      ? [r.image.name, r.reused, r.predecessors, r.durationMs]
      : [r.error.code, r.error.message, r.error.data, r.error.hint],
  ),
);
