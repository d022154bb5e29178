import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { run, scripts, seconds, type Work } from './work.ts';

/** Bakes once with Packer, from nothing but the base, and gives the seconds it took. */
export async function bakeWithPacker(work: Work, directory: string): Promise<number> {
  await rm(directory, { recursive: true, force: true });
  await mkdir(directory, { recursive: true });
  return await seconds(async () => {
    const privateKey = join(directory, 'key');
    await run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', 'bench', '-f', privateKey]);
    const seed = await writeSeed(directory, await readFile(`${privateKey}.pub`, 'utf8'));
    const variables = {
      base: work.base.path,
      base_sha256: work.base.sha256,
      output: join(directory, 'out'),
      private_key: privateKey,
      seed,
      archive: work.archive,
      scripts,
      cpus: work.cpus,
      memory_mib: work.memoryMib,
    };
    const settings = Object.entries(variables).flatMap(([name, value]) => [
      '-var',
      `${name}=${value}`,
    ]);
    await run(
      'packer',
      ['build', '-color=false', '-force', ...settings, join(scripts, 'bake.pkr.hcl')],
      {
        cwd: directory,
        env: {
          CHECKPOINT_DISABLE: '1',
          PACKER_CACHE_DIR: join(directory, 'cache'),
          PACKER_CONFIG_DIR: join(directory, 'config'),
        },
      },
    );
  });
}

/** The same seed that imgkit gives its machines, but for the host key, which Packer can't check. */
async function writeSeed(directory: string, publicKey: string): Promise<string> {
  const userData = join(directory, 'user-data');
  const metaData = join(directory, 'meta-data');
  await writeFile(
    userData,
    `#cloud-config\ndisable_root: false\nssh_authorized_keys:\n  - ${publicKey}`,
  );
  await writeFile(
    metaData,
    `instance-id: bench-${Date.now()}\nlocal-hostname: bench\ndsmode: local\n`,
  );
  const seed = join(directory, 'seed.iso');
  const format = ['-quiet', '-volid', 'cidata', '-joliet', '-rock'];
  await run('genisoimage', [...format, '-output', seed, userData, metaData]);
  return seed;
}
