import * as z from 'zod';

/** How the provider proves who it is. */
export type GceCredentials =
  /** Google's own order: `$GOOGLE_APPLICATION_CREDENTIALS`, gcloud's application default credentials, the metadata server. */
  | { readonly kind: 'default' }
  /** A key file of a service account, or another file that Google's libraries read. */
  | { readonly kind: 'file'; readonly path: string }
  /** An access token, or a function that gives one each time one is needed. */
  | { readonly kind: 'token'; readonly token: string | (() => Promise<string>) }
  /** The default credentials, acting as a service account. */
  | {
      readonly kind: 'impersonate';
      readonly serviceAccount: string;
      /** The chain of service accounts in between, the nearest first. */
      readonly delegates?: readonly string[] | undefined;
    }
  /** No credentials at all: for emulators. */
  | { readonly kind: 'none' };

/** How the GCE provider is set up. */
export interface GceOptions {
  /**
   * The project it works in. By default `$GOOGLE_CLOUD_PROJECT`, `$CLOUDSDK_CORE_PROJECT`, `$GCLOUD_PROJECT`,
   * the project of the key file, gcloud's configuration, then that of the machine it runs on.
   */
  readonly project?: string | undefined;
  /** The zone for machines and disks. By default `$CLOUDSDK_COMPUTE_ZONE`, gcloud's configuration, or the machine's own. */
  readonly zone?: string | undefined;
  /** The region. By default `$CLOUDSDK_COMPUTE_REGION`, gcloud's configuration, or the zone's. */
  readonly region?: string | undefined;
  /** Who it is; `{ kind: 'default' }` by default, and `{ kind: 'none' }` with an `http:` endpoint. */
  readonly credentials?: GceCredentials | undefined;
  /** Another server than Google's, for example an emulator's `http://127.0.0.1:17001`. */
  readonly endpoint?: string | undefined;
  /** Another server than Google's for Cloud Storage, which takes uploads. */
  readonly storageEndpoint?: string | undefined;
  /** The bucket for uploads of disk files, in the project. Without one, files of this machine can't become images. */
  readonly bucket?: string | undefined;
  /** The universe of clouds: `googleapis.com` by default, or `$GOOGLE_CLOUD_UNIVERSE_DOMAIN`. */
  readonly universeDomain?: string | undefined;
  /**
   * What a grant reaches: `image`, the default, or `project`, which lets its principals list and use every image of
   * the project, also those that come later; each grant then says `allowWider`.
   */
  readonly shareBy?: 'image' | 'project' | undefined;
  /**
   * Where machines are reached: at their `external` address, the default, or at the `internal` one, from within their
   * network. One that has only the other is reached there.
   */
  readonly address?: 'external' | 'internal' | undefined;
}

const projectId = z
  .string()
  .regex(/^(?:[a-z0-9.-]+:)?[a-z0-9][a-z0-9-]{2,62}$/, 'must be a project id such as acme-images');
const place = z
  .string()
  .regex(/^[a-z]+-[a-z]+\d+(?:-[a-z])?$/, 'must be a place such as us-central1-a');
const server = z.url({ protocol: /^https?$/ });

/** The schema of {@link GceOptions}. */
export const gceOptions = z.strictObject({
  project: projectId.optional(),
  zone: place.optional(),
  region: place.optional(),
  credentials: z
    .discriminatedUnion('kind', [
      z.strictObject({ kind: z.literal('default') }),
      z.strictObject({ kind: z.literal('file'), path: z.string().min(1) }),
      z.strictObject({
        kind: z.literal('token'),
        token: z.union([
          z.string().min(1),
          z.custom<() => Promise<string>>(
            (value) => typeof value === 'function',
            'must be a text or a function',
          ),
        ]),
      }),
      z.strictObject({
        kind: z.literal('impersonate'),
        serviceAccount: z.email(),
        delegates: z.array(z.email()).readonly().optional(),
      }),
      z.strictObject({ kind: z.literal('none') }),
    ])
    .optional(),
  endpoint: server.optional(),
  storageEndpoint: server.optional(),
  bucket: z.string().min(3).optional(),
  universeDomain: z.string().min(1).optional(),
  shareBy: z.enum(['image', 'project']).optional(),
  address: z.enum(['external', 'internal']).optional(),
});
