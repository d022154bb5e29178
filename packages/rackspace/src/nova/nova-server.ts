import { z } from 'zod';

/** A server as Nova gives it. */
export const novaServer = z.looseObject({
  id: z.string(),
  name: z.string(),
  status: z.string(),
  created: z.string(),
  metadata: z.record(z.string(), z.string()).optional(),
  /** An empty text for a server that booted from a volume. */
  image: z.union([z.looseObject({ id: z.string() }), z.string()]).nullish(),
  /** By id until 2.46, and as the flavor was since. */
  flavor: z.looseObject({
    id: z.string().optional(),
    original_name: z.string().optional(),
    disk: z.number().optional(),
  }),
  addresses: z
    .record(
      z.string(),
      z.array(
        z.looseObject({
          addr: z.string(),
          version: z.number(),
          'OS-EXT-IPS:type': z.string().optional(),
        }),
      ),
    )
    .optional(),
  'OS-EXT-STS:task_state': z.string().nullish(),
  fault: z.looseObject({ code: z.number().optional(), message: z.string().optional() }).optional(),
});

/** A server as Nova gives it. */
export type NovaServer = z.infer<typeof novaServer>;

/** A page of servers. */
export const novaPage = z.object({
  servers: z.array(novaServer),
  servers_links: z.array(z.object({ rel: z.string(), href: z.string() })).optional(),
});

/** What Nova says is used, and allowed. */
export const novaLimits = z.object({
  limits: z.object({ absolute: z.record(z.string(), z.number()) }),
});
