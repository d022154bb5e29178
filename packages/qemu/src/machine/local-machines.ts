import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';

import {
  ImgkitError,
  type CallOptions,
  type ImageUser,
  type Instance,
  type Json,
  type LaunchRequest,
  type Operation,
} from '@imgkit/core';
import { ownName } from '@imgkit/core/local';
import { z } from 'zod';

import { getOwn } from '../resources/access.ts';
import { formatId, notFound, type LocalContext } from '../resources/context.ts';
import { recordsOf } from '../resources/creation.ts';
import type {
  Capture,
  CaptureOptions,
  ImageUsers,
  Machines,
  RestoredDisk,
} from '../resources/machines.ts';
import type { LocalStore } from '../store/local-store.ts';
import type { StoredRecord } from '../store/records.ts';
import { backUpDisks } from './disk-backup.ts';
import { withFrozenGuest } from './guest-agent.ts';
import { sizeName } from './host.ts';
import { instanceKind, machineDirectory, type InstanceDocument } from './instance-record.ts';
import type { InstanceLauncher } from './launcher.ts';
import { instancesWith, planRestore } from './launch-plan.ts';
import { holdMachine } from './hold.ts';
import { Machine } from './machine.ts';

const configurationSchema = z.object({
  machineType: z.string(),
  metadata: z.record(z.string(), z.string()),
  ports: z.array(z.number()),
  labels: z.record(z.string(), z.string()),
  authorizedKeys: z.array(z.object({ user: z.string(), publicKey: z.string() })),
  isolated: z.boolean(),
});

const graceMs = 90_000;

/** What the store asks of machines: their disks, and who uses what. */
export class LocalMachines implements Machines, ImageUsers {
  readonly #context: LocalContext;
  readonly #launcher: InstanceLauncher;

  constructor(context: LocalContext, launcher: InstanceLauncher) {
    this.#context = context;
    this.#launcher = launcher;
  }

  async capture(instance: string, options: CaptureOptions): Promise<Capture> {
    const store = await this.#context.store();
    const record = getOwn(this.#context, store, instanceKind, instance);
    const all = record.doc.disks.map((_, index) => index);
    return await this.#capture(
      store,
      record,
      options.disks === 'all' ? all : all.slice(0, 1),
      options,
    );
  }

  async captureDisk(disk: string, options: CallOptions = {}): Promise<Capture | undefined> {
    const store = await this.#context.store();
    for (const record of recordsOf(store, instanceKind).all(this.#context.project)) {
      const index = record.doc.disks.findIndex(({ id }) => id === disk);
      if (index === -1) continue;
      return await this.#capture(store, record, [index], {
        ...options,
        disks: 'all',
        whenRunning: 'now',
      });
    }
    return undefined;
  }

  async attachedTo(disk: string): Promise<readonly string[]> {
    const names = instancesWith(this.#context, await this.#context.store(), disk);
    return names.map((name) => this.#context.id('instances', name));
  }

  restore(
    request: Omit<Partial<LaunchRequest>, 'boot' | 'name' | 'warmStart'> & {
      readonly name: string;
    },
    disks: readonly RestoredDisk[],
    configuration: Json,
    options?: CallOptions,
  ): Operation<Instance> {
    const { isolated, ...saved } = configurationSchema.parse(configuration);
    const {
      machineType = saved.machineType,
      metadata = saved.metadata,
      ports = saved.ports,
    } = request;
    const { labels = saved.labels, authorizedKeys = saved.authorizedKeys } = request;
    const providerOptions = { isolated, ...request.providerOptions };
    const given = {
      ...request,
      machineType,
      metadata,
      ports,
      labels,
      authorizedKeys,
      providerOptions,
    };
    return this.#launcher.launch(
      'machineImages.restore',
      given,
      (context, store) => planRestore(context, store, given, disks),
      options,
    );
  }

  async usersOf(image: string): Promise<readonly ImageUser[]> {
    const store = await this.#context.store();
    return recordsOf(store, instanceKind)
      .all()
      .filter(({ doc }) => doc.image === image)
      .map(({ project, name }) => ({
        kind: 'instance',
        id: formatId(project, 'instances', name),
        reason: 'it was launched from it',
      }));
  }

  async #capture(
    store: LocalStore,
    record: StoredRecord<InstanceDocument>,
    indexes: readonly number[],
    options: CaptureOptions,
  ): Promise<Capture> {
    const directory = machineDirectory(this.#context, record);
    const id = formatId(record.project, 'instances', record.name);
    const machine = await Machine.find(directory);
    if (machine === undefined || record.state !== 'READY') throw notFound('instance', id);
    const { signal, whenRunning } = options;
    if (await machine.isRunning()) {
      if (whenRunning === 'refuse') {
        throw new ImgkitError('FAILED_PRECONDITION', `instance "${record.name}" is running`, {
          resource: id,
          hint: 'Stop it first, or say whenRunning: stop.',
        });
      }
      if (whenRunning === 'stop') await machine.stop({ graceMs, signal });
    }
    const described = {
      instance: id,
      machineType: sizeName(record.doc),
      configuration: plain(record),
    };
    const shown = (paths: readonly string[]) =>
      indexes.flatMap((index, place) => {
        const disk = record.doc.disks[index];
        const path = paths[place];
        return disk === undefined || path === undefined ? [] : [{ ...disk, path }];
      });
    if (await machine.isRunning()) {
      const copies = join(store.layout.tmp, ownName('capture'));
      await mkdir(copies, { mode: 0o700 });
      const discard = async (): Promise<void> => rm(copies, { recursive: true, force: true });
      try {
        const frozen = whenRunning === 'flush' || whenRunning === 'freeze';
        const around = (begin: () => Promise<void>) =>
          withFrozenGuest(machine, whenRunning === 'freeze', begin);
        const paths = await backUpDisks(machine, indexes, copies, {
          signal,
          around: frozen ? around : undefined,
        });
        return { ...described, disks: shown(paths), [Symbol.asyncDispose]: discard };
      } catch (error) {
        await discard();
        throw error;
      }
    }
    const release = await holdMachine(directory);
    const paths = indexes.map((index) => {
      const file = machine.configuration.disks[index]?.file ?? '';
      return file.startsWith('/') ? file : join(directory, file);
    });
    return { ...described, disks: shown(paths), [Symbol.asyncDispose]: release };
  }
}

function plain({ doc }: StoredRecord<InstanceDocument>): Json {
  const { metadata, ports, labels, authorizedKeys, isolated } = doc;
  return {
    machineType: sizeName(doc),
    metadata,
    ports,
    labels,
    authorizedKeys,
    isolated,
  } satisfies z.infer<typeof configurationSchema>;
}
