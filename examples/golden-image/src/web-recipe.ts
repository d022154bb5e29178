import { basename } from 'node:path';
import { file, recipe, shell, type Recipe } from '@imgkit/bake';
import { family } from '@imgkit/core';

/** A web server with one page that tells its version. */
export function webRecipe(version: number, packages: readonly string[]): Recipe {
  const page = `<!doctype html><title>imgkit</title><h1>This is web, version ${version}</h1>\n`;
  return recipe('web', {
    from: {
      qemu: family('debian-12'),
      gce: family('debian-12', { project: 'debian-cloud' }),
      azure: family('debian-12'),
    },
    provision: [
      ...packages.map((source) => file({ source, destination: `/tmp/${basename(source)}` })),
      shell({
        inline: ['dpkg --install /tmp/nginx-common_*.deb /tmp/nginx_*.deb', 'rm /tmp/nginx*.deb'],
        env: { DEBIAN_FRONTEND: 'noninteractive' },
        timeout: '5m',
      }),
      file({ content: page, destination: '/var/www/html/index.html', mode: 0o644 }),
      shell({ inline: ['nginx -t', 'systemctl is-enabled nginx'] }),
    ],
    // On a fresh machine, booted from the candidate: the service must have come up by itself.
    verify: [
      shell({
        inline: [
          'python3 -c "import urllib.request as r; print(r.urlopen(\'http://127.0.0.1/\').read().decode())" | tee /dev/stderr | ' +
            `grep -q 'version ${version}'`,
        ],
        maxRetries: 10,
        timeout: '1m',
      }),
    ],
    family: 'web',
    description: `nginx with a page of version ${version}`,
  });
}
