import { objectOf, objectsOf, textOf, type JsonObject } from '../../control-plane/json.ts';
import { invalidParameter } from '../errors.ts';

/** https://learn.microsoft.com/azure/virtual-machines/linux/faq#what-are-the-username-requirements-when-creating-a-vm- */
const forbiddenNames = new Set(
  (
    'administrator admin user user1 test user2 test1 user3 admin1 1 123 a actuser adm admin2 aspnet backup console ' +
    'david guest john owner root server sql support support_388945a0 sys test2 test3 user4 user5'
  ).split(' '),
);
const mostCustomDataBytes = 65_535;

/**
 * Checks what a machine of a generalized image is told.
 *
 * @returns the profile as it is told again: without what is secret.
 */
export function checkOsProfile(profile: JsonObject | undefined): JsonObject {
  if (profile === undefined)
    throw invalidParameter('osProfile', "Required parameter 'osProfile' is missing (null).");
  const user = textOf(profile, 'adminUsername');
  if (user === undefined)
    throw invalidParameter(
      'osProfile.adminUsername',
      "Required parameter 'osProfile.adminUsername' is missing (null).",
    );
  if (forbiddenNames.has(user.toLowerCase()))
    throw invalidParameter('adminUsername', 'The Admin Username specified is not allowed.');
  if (user.length > 64 || /[^A-Za-z0-9_-]/.test(user))
    throw invalidParameter('adminUsername', 'The Admin Username specified is not valid.');
  const name = textOf(profile, 'computerName') ?? '';
  if (name.length > 64 || !/^[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?$/.test(name))
    throw invalidParameter('computerName', `Linux host name '${name}' cannot be used.`);
  checkData(profile, 'customData', mostCustomDataBytes);
  const linux = objectOf(profile, 'linuxConfiguration');
  const keys = objectsOf(objectOf(linux, 'ssh'), 'publicKeys');
  for (const key of keys) checkKey(key, user);
  const password = textOf(profile, 'adminPassword');
  if (password === undefined && keys.length === 0)
    throw invalidParameter(
      'linuxConfiguration.ssh.publicKeys',
      'Authentication using either SSH or by user name and password must be enabled in Linux profile.',
    );
  const { customData: _, adminPassword: __, ...told } = profile;
  return {
    allowExtensionOperations: true,
    requireGuestProvisionSignal: true,
    secrets: [],
    ...told,
  };
}

/** Checks data in base64. */
export function checkData(holder: JsonObject, field: string, mostBytes: number): void {
  const text = textOf(holder, field);
  if (text === undefined) return;
  const bytes = Buffer.from(text, 'base64');
  if (bytes.toString('base64').replace(/=+$/, '') !== text.replace(/=+$/, ''))
    throw invalidParameter(field, `${field} is not a valid Base64 encoded string.`);
  if (bytes.length > mostBytes)
    throw invalidParameter(field, `${field} exceeds the limit of ${mostBytes} bytes.`);
}

function checkKey(key: JsonObject, user: string): void {
  const path = `/home/${user}/.ssh/authorized_keys`;
  if (textOf(key, 'path') !== path)
    throw invalidParameter(
      'linuxConfiguration.ssh.publicKeys.path',
      `Destination path for SSH public keys is currently limited to its default value ${path} due to a known issue in Linux provisioning agent.`,
    );
  if (!/^(?:ssh-rsa|ssh-ed25519) [A-Za-z0-9+/]+=*(?: .*)?\s*$/.test(textOf(key, 'keyData') ?? ''))
    throw invalidParameter(
      'linuxConfiguration.ssh.publicKeys.keyData',
      'The value of parameter linuxConfiguration.ssh.publicKeys.keyData is invalid.',
    );
}
