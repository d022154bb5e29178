import { spawnSync } from 'node:child_process';

/** What a TLS server of a test shows, both in PEM. */
export interface Certificate {
  readonly cert: string;
  readonly key: string;
}

/** A certificate for 127.0.0.1 that nobody but itself has signed, and its key; nothing where OpenSSL is missing. */
export function selfSigned(): Certificate | undefined {
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  const subject = ['-subj', '/CN=test', '-addext', 'subjectAltName=IP:127.0.0.1'];
  const { status, stdout } = spawnSync(
    'openssl',
    ['req', '-x509', ...key, ...subject, '-days', '2', '-keyout', '-'],
    { encoding: 'utf8' },
  );
  if (status !== 0) return undefined;
  const parts = stdout.split(/(?=-----BEGIN )/);
  const part = (kind: string) => parts.find((text) => text.includes(`BEGIN ${kind}`)) ?? '';
  return { cert: part('CERTIFICATE'), key: part('PRIVATE KEY') };
}
