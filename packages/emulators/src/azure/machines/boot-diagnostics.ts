import type { Answer, Api } from '../../control-plane/http-server.ts';
import { objectOf, textOf } from '../../control-plane/json.ts';
import { Readable } from 'node:stream';
import type { Call, Handler } from '../call.ts';
import { ArmError, errorAnswer } from '../errors.ts';
import { idKey } from '../resource-id.ts';
import { propertiesOf, type Stored, type World } from '../state.ts';

const prefix = '/bootdiagnostics/';

/** Whether a path is that of what machines print. */
export function isConsolePath(path: string): boolean {
  return path.startsWith(prefix);
}

/** Where what a machine prints can be read; nothing when that isn't kept. */
export function consoleAddress(call: Call, stored: Stored): string | undefined {
  const properties = propertiesOf(stored);
  const settings = objectOf(objectOf(properties, 'diagnosticsProfile'), 'bootDiagnostics');
  if (settings?.['enabled'] !== true) return undefined;
  const id = textOf(properties, 'vmId') ?? '';
  return `${call.parts.origin}${prefix}${id}/serialconsole.log?sv=2024-11-04&sr=b&sp=r&sig=${signature(id)}`;
}

/** Says where what a machine prints can be read. */
export const retrieve: Handler = (call) => {
  const found = call.target();
  const uri = consoleAddress(call, found);
  if (uri === undefined)
    throw new ArmError(
      409,
      'OperationNotAllowed',
      `Boot diagnostics are not enabled for the VM '${call.name}'.`,
    );
  return {
    status: 200,
    body: { consoleScreenshotBlobUri: `${uri}&screenshot`, serialConsoleLogBlobUri: uri },
  };
};

/** The blobs that what machines print is kept in. */
export function createConsoleApi(world: World): Api {
  return {
    recognise: (request) => ({
      rpc: 'BootDiagnostics.Download',
      async run() {
        const id = request.url.pathname.slice(prefix.length).split('/')[0] ?? '';
        if (request.url.searchParams.get('sig') !== signature(id))
          return refuse(403, 'AuthenticationFailed');
        const found = world.resources
          .ofType('Microsoft.Compute/virtualMachines')
          .find((one) => textOf(propertiesOf(one), 'vmId') === id);
        if (found === undefined) return refuse(404, 'BlobNotFound');
        const printed = (await world.hardware?.console(idKey(found.id))) ?? found.machine?.printed;
        const bytes = Buffer.from(printed ?? '');
        const headers = { 'content-length': String(bytes.length), 'content-type': 'text/plain' };
        return { status: 200, headers, stream: Readable.from([bytes]) };
      },
    }),
    faultAnswer: ({ status, reason = 'InternalError' }) => refuse(status, reason),
    crashAnswer: () => refuse(500, 'InternalError'),
  };
}

/** What makes an address one that was given. */
function signature(id: string): string {
  return Buffer.from(`${id} may be read`).toString('base64url');
}

function refuse(status: number, code: string): Answer {
  return errorAnswer(new ArmError(status, code, code));
}
