import { z } from 'zod';

/** What a server is like that is launched with it. By id alone in a server until 2.46. */
export const novaFlavor = z.looseObject({
  id: z.string(),
  name: z.string(),
  vcpus: z.number(),
  /** In MiB. */
  ram: z.number(),
  /** In GiB; 0 when it is as large as the image. */
  disk: z.number(),
  'OS-FLV-DISABLED:disabled': z.boolean().optional(),
});

/** A flavor as Nova gives it. */
export type NovaFlavor = z.infer<typeof novaFlavor>;

/** A server as Nova gives it. */
export const novaServer = z.looseObject({
  id: z.string(),
  name: z.string(),
  status: z.string(),
  created: z.string(),
  updated: z.string().optional(),
  metadata: z.record(z.string(), z.string()).optional(),
  /** An empty text for a server that booted from a volume. */
  image: z.union([z.looseObject({ id: z.string() }), z.string()]).nullish(),
  /** By id until 2.46, and as the flavor was since. */
  flavor: z.looseObject({
    id: z.string().optional(),
    original_name: z.string().optional(),
    vcpus: z.number().optional(),
    /** In MiB. */
    ram: z.number().optional(),
    /** In GiB; 0 when it is as large as the image. */
    disk: z.number().optional(),
  }),
  /** Where it is reached, if the cloud or its user says so; an empty text otherwise. */
  accessIPv4: z.string().optional(),
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
  key_name: z.string().nullish(),
  /** An empty text when it has none. */
  config_drive: z.string().optional(),
  security_groups: z.array(z.looseObject({ name: z.string() })).optional(),
  'OS-EXT-AZ:availability_zone': z.string().nullish(),
  /** Most clouds show it to administrators alone. */
  'OS-EXT-SRV-ATTR:root_device_name': z.string().nullish(),
  /** In Base64; most clouds show it to administrators alone. */
  'OS-EXT-SRV-ATTR:user_data': z.string().nullish(),
  /** The server groups it is in, since 2.71. */
  server_groups: z.array(z.string()).optional(),
  /** Whether the cloud fits partitions to the flavor: `AUTO` or `MANUAL`. */
  'OS-DCF:diskConfig': z.string().optional(),
  'OS-EXT-STS:task_state': z.string().nullish(),
  'os-extended-volumes:volumes_attached': z
    .array(z.looseObject({ id: z.string(), delete_on_termination: z.boolean().optional() }))
    .optional(),
  fault: z.looseObject({ code: z.number().optional(), message: z.string().optional() }).optional(),
});

/** A server as Nova gives it. */
export type NovaServer = z.infer<typeof novaServer>;

/** What a server gets that is made. */
export interface NewServer {
  readonly name: string;
  /** Its image; nothing when it boots from a volume. */
  readonly imageRef?: string | undefined;
  readonly flavorRef: string;
  /** Left to the cloud where it isn't said. */
  readonly networks?: 'auto' | 'none' | readonly NewPort[] | undefined;
  readonly metadata?: Readonly<Record<string, string>> | undefined;
  readonly key_name?: string | undefined;
  /** In Base64. */
  readonly user_data?: string | undefined;
  readonly config_drive?: boolean | undefined;
  readonly security_groups?: readonly { readonly name: string }[] | undefined;
  readonly availability_zone?: string | undefined;
  readonly 'OS-DCF:diskConfig'?: 'AUTO' | 'MANUAL' | undefined;
  /** What the scheduler shall heed, beside the server itself. */
  readonly hints?: Readonly<Record<string, string>> | undefined;
  readonly block_device_mapping_v2?: readonly Readonly<Record<string, unknown>>[] | undefined;
}

/** Where a new server is connected: a network, or a port that stands. */
export type NewPort = { readonly uuid: string } | { readonly port: string };

/** A page of servers. */
export const novaPage = z.object({
  servers: z.array(novaServer),
  servers_links: z.array(z.object({ rel: z.string(), href: z.string() })).optional(),
});

/** A public key that servers are launched with. */
export const novaKeyPair = z.looseObject({
  name: z.string(),
  public_key: z.string().optional(),
  created_at: z.string().optional(),
});

/** A key pair as Nova gives it. */
export type NovaKeyPair = z.infer<typeof novaKeyPair>;

/** What Nova says is used, and allowed. */
export const novaLimits = z.object({
  limits: z.object({ absolute: z.record(z.string(), z.number()) }),
});
