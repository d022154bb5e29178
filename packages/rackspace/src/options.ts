import * as z from 'zod';

import type { CloudConfig } from './configuration/cloud-config.ts';

const text = z.string().min(1).optional();

/** The schema of {@link RackspaceOptions}. */
export const rackspaceOptions = z.strictObject({
  cloud: text,
  cloudsFile: text,
  profile: text,
  authUrl: z.url({ protocol: /^https?$/ }).optional(),
  username: text,
  userId: text,
  password: text,
  apiKey: text,
  token: text,
  applicationCredentialId: text,
  applicationCredentialName: text,
  applicationCredentialSecret: text,
  projectId: text,
  projectName: text,
  userDomainId: text,
  userDomainName: text,
  projectDomainId: text,
  projectDomainName: text,
  region: text,
  interface: z.enum(['public', 'internal', 'admin']).optional(),
  caFile: text,
  imageEndpoint: z.url({ protocol: /^https?$/ }).optional(),
  computeEndpoint: z.url({ protocol: /^https?$/ }).optional(),
  networkEndpoint: z.url({ protocol: /^https?$/ }).optional(),
  volumeEndpoint: z.url({ protocol: /^https?$/ }).optional(),
  everyone: z.enum(['community', 'public']).optional(),
  container: z
    .string()
    .regex(/^[-_.A-Za-z0-9]{1,200}$/)
    .optional(),
});

/**
 * How the OpenStack provider is set up. With `cloud`, or `$OS_CLOUD`, it is the cloud of that name in
 * `clouds.yaml`; without, and without `authUrl` and `profile`, it is what the `OS_*` variables say. What is
 * given here goes over both.
 */
export interface RackspaceOptions {
  /** The name of a cloud in `clouds.yaml`. */
  readonly cloud?: string | undefined;
  /** The file to use instead of the `clouds.yaml` in one of the usual places. */
  readonly cloudsFile?: string | undefined;
  /** The kind of cloud: `rackspace` for the classic public cloud, `rackspace-flex` for OpenStack Flex. */
  readonly profile?: string | undefined;
  /** The address of Keystone. */
  readonly authUrl?: string | undefined;
  readonly username?: string | undefined;
  readonly userId?: string | undefined;
  /** The user's password. */
  readonly password?: string | undefined;
  /** Rackspace's API key of the user. */
  readonly apiKey?: string | undefined;
  /** A token that was made elsewhere: it can't be renewed once it has expired. */
  readonly token?: string | undefined;
  /** An application credential: by id, or by name with the user it belongs to. */
  readonly applicationCredentialId?: string | undefined;
  readonly applicationCredentialName?: string | undefined;
  readonly applicationCredentialSecret?: string | undefined;
  /** The project to work in; a classic Rackspace account's number. With the name alone, its id is asked for once. */
  readonly projectId?: string | undefined;
  readonly projectName?: string | undefined;
  readonly userDomainId?: string | undefined;
  readonly userDomainName?: string | undefined;
  readonly projectDomainId?: string | undefined;
  readonly projectDomainName?: string | undefined;
  /** The region whose services are used. */
  readonly region?: string | undefined;
  /** Which of a service's addresses is used; `public` by default. */
  readonly interface?: 'public' | 'internal' | 'admin' | undefined;
  /** A PEM file of certificates of authorities that sign the services' own, beside those that Node trusts. */
  readonly caFile?: string | undefined;
  /** The address of Glance, instead of the catalogue's. */
  readonly imageEndpoint?: string | undefined;
  /** The address of Nova, instead of the catalogue's. */
  readonly computeEndpoint?: string | undefined;
  /** The address of Neutron, instead of the catalogue's. */
  readonly networkEndpoint?: string | undefined;
  /** The address of Cinder, instead of the catalogue's. */
  readonly volumeEndpoint?: string | undefined;
  /**
   * What sharing with everyone means: `community`, the default, lets everyone use the image who knows its
   * id; `public` shows it in everyone's lists, for which most clouds want an administrator.
   */
  readonly everyone?: 'community' | 'public' | undefined;
  /**
   * The container of the object store that disks are put into on their way, where images come in by tasks only, as
   * in the classic Rackspace cloud; `imgkit` by default. It is made when it is needed.
   */
  readonly container?: string | undefined;
}

/** The options in the form of `clouds.yaml`. */
export function toCloudConfig(options: RackspaceOptions): CloudConfig {
  return {
    profile: options.profile,
    region_name: options.region,
    interface: options.interface,
    cacert: options.caFile,
    image_endpoint_override: options.imageEndpoint,
    compute_endpoint_override: options.computeEndpoint,
    network_endpoint_override: options.networkEndpoint,
    volume_endpoint_override: options.volumeEndpoint,
    auth: {
      auth_url: options.authUrl,
      username: options.username,
      user_id: options.userId,
      password: options.password,
      api_key: options.apiKey,
      token: options.token,
      application_credential_id: options.applicationCredentialId,
      application_credential_name: options.applicationCredentialName,
      application_credential_secret: options.applicationCredentialSecret,
      project_id: options.projectId,
      project_name: options.projectName,
      user_domain_id: options.userDomainId,
      user_domain_name: options.userDomainName,
      project_domain_id: options.projectDomainId,
      project_domain_name: options.projectDomainName,
    },
  };
}
