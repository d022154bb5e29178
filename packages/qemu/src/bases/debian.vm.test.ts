import { join } from 'node:path';

import { ImgkitError } from '@imgkit/core';
import { expect, inject, it } from 'vitest';

import { guestLab } from '../../test/guests.ts';
import { debianBase } from './debian.ts';

const directory = inject('vmDirectory');

it('boots a Debian that is whole, known from the first connection on, and as large as its disk', async ({
  skip,
}) => {
  const cache = join(process.env['IMGKIT_TEST_CACHE'] ?? directory, 'bases');
  const base = await debianBase()
    .build(cache)
    .catch((error: unknown) => {
      const missing = ImgkitError.is(error, 'FAILED_PRECONDITION');
      if (!missing && !ImgkitError.is(error, 'UNAVAILABLE')) throw error;
      return skip(`the Debian image is not tested: ${error.message}. ${error.hint ?? ''}`);
    });
  await using lab = await guestLab(directory, base.path);
  const machine = await lab.launch('deb-1', {
    machineType: { cpus: 2, memoryBytes: 1024 * 2 ** 20 },
    bootDiskSizeBytes: 5 * 2 ** 30,
    startupScript: '#!/bin/sh\necho "started $(hostname)" > /root/started\n',
  });
  await lab.waitForGuest(machine, 600_000); // as long as emulation takes where others work too
  const found = await lab.run(
    machine,
    `cloud-init status --wait > /dev/null
     cloud-init status | sed -n 's/^status: //p'
     systemctl is-system-running --wait
     grep -E 'WARNING|ERROR|CRITICAL|Traceback' /var/log/cloud-init.log >&2
     cat /root/started
     sudo -u ${base.defaultUser} sudo -n id -un
     findmnt -n -o OPTIONS / | grep -o discard
     sshd -T | grep '^passwordauthentication'
     getent hosts $(hostname) | cut -d ' ' -f 1
     df --output=size -m / | tail -n 1`,
  );
  const [status, running, ...rest] = found.split('\n').map((line) => line.trim());
  expect({ status, running }).toEqual({ status: 'done', running: 'running' });
  const size = rest.pop();
  expect(rest).toEqual([
    'started deb-1',
    'root',
    'discard',
    'passwordauthentication no',
    '127.0.1.1',
  ]);
  expect(Number(size)).toBeGreaterThan(4800);
}, 1_200_000);
