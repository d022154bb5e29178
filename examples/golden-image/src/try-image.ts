import { setTimeout as delay } from 'node:timers/promises';
import { defineWorkflow, ImgkitError, type Imgkit, type Workflow } from '@imgkit/core';

/** Which image is booted, and by which provider. */
export type TryInput = { readonly provider: string; readonly image: string };

/**
 * Boots a machine from an image, asks its web server for the page, and removes the machine. As a workflow: whatever happens to this
 * program in the middle, the machine is removed.
 */
export function tryImage(kit: Imgkit): Workflow<TryInput, { readonly page: string }> {
  return defineWorkflow({
    name: 'try-image',
    protocol: 1,
    async run(ctx, { provider: name, image }: TryInput) {
      const { instances } = kit.providers.require(name, 'instances');
      const machine = await ctx.acquire('machine', {
        provider: name,
        kind: 'instance',
        create: async ({ token, labels, signal }) => {
          const { image: usable } = await kit.images.forUse(image, { signal });
          const boot = { kind: 'image', image: usable.ref } as const;
          const { id } = await instances.launch(
            { name: `try-${token.slice(0, 8)}`, boot, labels, ports: [80], idempotencyKey: token },
            { signal },
          );
          return { id };
        },
      });
      ctx.progress({ message: `the machine runs: ${machine.id}` });
      const page = await ctx.step(
        'ask for the page',
        async ({ signal }) => {
          const { host, port } = await instances.endpoint(machine.id, 80, { signal });
          return fetchPage(`http://${host}:${port}/`, signal);
        },
        { timeoutMs: 240_000 },
      );
      return { page };
    },
  });
}

/** Asks until the server answers; a machine that boots doesn't at first. */
async function fetchPage(url: string, signal: AbortSignal): Promise<string> {
  for (;;) {
    signal.throwIfAborted();
    try {
      const response = await fetch(url, {
        signal: AbortSignal.any([signal, AbortSignal.timeout(2000)]),
      });
      const text = await response.text();
      if (response.ok) return text;
      throw new ImgkitError('UNAVAILABLE', `${url} answered ${response.status}`);
    } catch (error) {
      if (ImgkitError.is(error)) throw error;
      await delay(250, undefined, { signal });
    }
  }
}
