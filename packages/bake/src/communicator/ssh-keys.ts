import { generateKeyPairSync, randomBytes } from 'node:crypto';

/** A key pair in OpenSSH's formats. */
export interface SshKeyPair {
  /** The private key, as in `~/.ssh/id_ed25519`. A secret. */
  readonly privateKey: string;
  /** The public key as one line: `ssh-ed25519 AAAA… comment`. */
  readonly publicKey: string;
}

const type = 'ssh-ed25519';

/** Makes a new Ed25519 key pair, for a login or as the identity of a guest's SSH server. */
export function generateSshKeyPair(comment: string): SshKeyPair {
  const pair = generateKeyPairSync('ed25519');
  // The last 32 bytes of either encoding are the key itself.
  const publicBytes = pair.publicKey.export({ format: 'der', type: 'spki' }).subarray(-32);
  const seed = pair.privateKey.export({ format: 'der', type: 'pkcs8' }).subarray(-32);
  const publicBlob = Buffer.concat([field(type), field(publicBytes)]);
  return {
    publicKey: `${type} ${publicBlob.toString('base64')} ${comment}`,
    privateKey: armour(encodePrivate(publicBytes, seed, publicBlob, comment)),
  };
}

/** The format is described in OpenSSH's PROTOCOL.key. */
function encodePrivate(
  publicBytes: Buffer,
  seed: Buffer,
  publicBlob: Buffer,
  comment: string,
): Buffer {
  const check = randomBytes(4);
  const body = Buffer.concat([
    check,
    check,
    field(type),
    field(publicBytes),
    field(Buffer.concat([seed, publicBytes])),
    field(comment),
  ]);
  const padding = Buffer.from(Array.from({ length: (8 - (body.length % 8)) % 8 }, (_, i) => i + 1));
  const one = Buffer.from([0, 0, 0, 1]);
  return Buffer.concat([
    Buffer.from('openssh-key-v1\0'),
    field('none'),
    field('none'),
    field(''),
    one,
    field(publicBlob),
    field(Buffer.concat([body, padding])),
  ]);
}

function armour(bytes: Buffer): string {
  const lines = bytes.toString('base64').match(/.{1,70}/gu) ?? [];
  return [
    '-----BEGIN OPENSSH PRIVATE KEY-----',
    ...lines,
    '-----END OPENSSH PRIVATE KEY-----',
    '',
  ].join('\n');
}

/** A length and the bytes, as SSH writes strings. */
function field(value: string | Buffer): Buffer {
  const bytes = Buffer.from(value);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.length);
  return Buffer.concat([length, bytes]);
}
