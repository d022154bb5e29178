import { z } from 'zod';

// The form in which clouds.yaml has a cloud; the environment and our own options are brought into it too,
// so that there is one place where it is understood.
// https://docs.openstack.org/openstacksdk/latest/user/config/configuration.html

/** YAML reads some ids and versions as numbers. */
const text = z.union([z.string(), z.number()]).transform(String);
const optional = text.nullish().transform((value) => value ?? undefined);

/** The part of a cloud's configuration that says who asks. */
export const authConfig = z.object({
  auth_url: optional,
  username: optional,
  user_id: optional,
  password: optional,
  /** Rackspace's own: the key of an account. */
  api_key: optional,
  token: optional,
  application_credential_id: optional,
  application_credential_name: optional,
  application_credential_secret: optional,
  project_id: optional,
  project_name: optional,
  tenant_id: optional,
  tenant_name: optional,
  domain_id: optional,
  domain_name: optional,
  user_domain_id: optional,
  user_domain_name: optional,
  project_domain_id: optional,
  project_domain_name: optional,
  default_domain: optional,
});

/** A cloud as `clouds.yaml` has it, as far as it is understood here. What else it has is left alone. */
export const cloudConfig = z.object({
  profile: optional,
  cloud: optional,
  auth: authConfig.partial().optional(),
  auth_type: optional,
  identity_api_version: optional,
  region_name: optional,
  interface: optional,
  endpoint_type: optional,
  verify: z.boolean().nullish(),
  insecure: z.boolean().nullish(),
  /** Files of certificates of authorities, of one's own certificate, and of its key. */
  cacert: optional,
  cert: optional,
  key: optional,
  image_endpoint_override: optional,
  compute_endpoint_override: optional,
  network_endpoint_override: optional,
  volume_endpoint_override: optional,
  object_store_endpoint_override: optional,
  /** Whether images come in by tasks only, as openstacksdk has it for the classic Rackspace cloud. */
  image_api_use_tasks: z.boolean().nullish(),
  image_service_name: optional,
  compute_service_name: optional,
  object_store_service_name: optional,
  default_domain: optional,
});

export type AuthConfig = Partial<z.infer<typeof authConfig>>;
export type CloudConfig = Partial<z.infer<typeof cloudConfig>>;

/** Puts `over` on top of `under`, key by key; what is undefined doesn't cover anything. */
export function mergeConfig(under: CloudConfig, over: CloudConfig): CloudConfig {
  return { ...under, ...defined(over), auth: { ...under.auth, ...defined(over.auth ?? {}) } };
}

function defined<T extends object>(given: T): Partial<T> {
  const result: Partial<T> = { ...given };
  for (const key of Object.keys(given)) {
    if (Reflect.get(given, key) === undefined) Reflect.deleteProperty(result, key);
  }
  return result;
}
