import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import ssh2, { type Connection } from 'ssh2';
import { generateSshKeyPair } from '../src/communicator/ssh-keys.ts';

/** Which user land the commands run in: this system's own, or nothing but busybox. */
export type UserLand = 'system' | 'busybox';

/** The user lands that can be tested here; says which can't. */
export const userLands = (['system', 'busybox'] as const).filter((land) => {
  const [program = '', ...args] =
    land === 'busybox' ? ['busybox', 'true'] : ['sh', '-c', 'command -v setsid'];
  const there = spawnSync(program, args).status === 0;
  if (!there) console.warn(`Not tested with the user land of ${land}: ${args.at(-1)} failed.`);
  return there;
});

/** A real SSH server in this process. As with others, a command outlives the connection it came over. */
export async function startSshServer(
  options: {
    readonly land?: UserLand;
    readonly port?: number;
    readonly hostKey?: string;
    readonly authorizedKey?: string;
  } = {},
) {
  const directory = mkdtempSync(join(tmpdir(), 'imgkit-ssh-'));
  const login = generateSshKeyPair('test login');
  const host = generateSshKeyPair('test host');
  const connections = new Set<Connection>();
  const children = new Set<ChildProcess>();
  const busybox = options.land === 'busybox';
  if (busybox) installBusybox(directory);
  const allowed = ssh2.utils.parseKey(options.authorizedKey ?? login.publicKey);
  if (allowed instanceof Error) throw allowed;
  let commands = 0;
  let handshakes = 0;
  const server = new ssh2.Server(
    { hostKeys: [options.hostKey ?? host.privateKey] },
    (connection) => {
      connections.add(connection);
      handshakes++;
      connection
        .on('error', () => undefined)
        .on('close', () => connections.delete(connection))
        .on('authentication', (context) => {
          if (context.method !== 'publickey' || !allowed.getPublicSSH().equals(context.key.data))
            return context.reject(['publickey']);
          if (context.signature === undefined || context.blob === undefined)
            return context.accept();
          return allowed.verify(context.blob, context.signature)
            ? context.accept()
            : context.reject();
        })
        .on('session', (accept) => {
          const session = accept();
          let child: ChildProcess | undefined;
          session.on('signal', (accepted, _, info) => {
            child?.kill(info.name === 'TERM' ? 'SIGTERM' : 'SIGKILL');
            accepted?.();
          });
          session.on('exec', (acceptExec, _, info) => {
            commands++;
            const channel = acceptExec();
            child = spawn(busybox ? join(directory, 'sh') : 'sh', ['-c', info.command], {
              env: { PATH: busybox ? directory : process.env['PATH'], HOME: directory },
            });
            const running = child;
            children.add(running);
            const { stdin, stdout, stderr } = running;
            if (stdin === null || stdout === null || stderr === null) throw new Error('no pipes');
            for (const stream of [stdin, channel]) stream.on('error', () => undefined);
            channel.pipe(stdin);
            stdout.pipe(channel, { end: false });
            stderr.pipe(channel.stderr, { end: false });
            running.once('close', (code, signal) => {
              children.delete(running);
              if (code === null) channel.exit(signal?.replace('SIG', '') ?? 'KILL', false, '');
              else channel.exit(code);
              channel.end();
            });
          });
        });
    },
  );
  // Real servers don't wait for more before they send.
  const listener: unknown = Reflect.get(server, '_srv');
  if (listener instanceof Server) listener.on('connection', (socket) => socket.setNoDelay());
  await new Promise<void>((resolve) => {
    server.listen(options.port ?? 0, '127.0.0.1', resolve);
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('not on TCP');
  return {
    directory,
    login,
    host,
    port: address.port,
    /** How many commands were run. */
    commands: () => commands,
    /** How many connections there were. */
    handshakes: () => handshakes,
    /** Cuts all connections, as a network does. */
    cut() {
      for (const connection of connections) connection.end();
    },
    async [Symbol.asyncDispose]() {
      for (const connection of connections) connection.end();
      await new Promise<void>((resolve) => {
        server.close(() => resolve());
      });
      for (const child of children) child.kill('SIGKILL');
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

export type TestServer = Awaited<ReturnType<typeof startSshServer>>;

function installBusybox(directory: string): void {
  const path = spawnSync('sh', ['-c', 'command -v busybox']).stdout.toString().trim();
  for (const applet of spawnSync(path, ['--list']).stdout.toString().trim().split('\n'))
    symlinkSync(path, join(directory, applet));
}
