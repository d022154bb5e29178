import type { CloudConfig } from './cloud-config.ts';

/**
 * What `profile:` stands for in a cloud's configuration; what the user writes goes over it.
 *
 * - `rackspace`: the classic public cloud. https://docs.rackspace.com/docs/cloud-images
 * - `rackspace-flex`: OpenStack Flex, one Keystone for each region. https://docs.rackspacecloud.com
 */
export function vendorProfile(name: string, region: string | undefined): CloudConfig | undefined {
  switch (name) {
    case 'rackspace':
      return {
        auth: { auth_url: 'https://identity.api.rackspacecloud.com/v2.0' },
        identity_api_version: '2.0',
        // A second, older compute service has the same type.
        compute_service_name: 'cloudServersOpenStack',
        image_service_name: 'cloudImages',
        object_store_service_name: 'cloudFiles',
        image_api_use_tasks: true,
      };
    case 'rackspace-flex': {
      const domain = 'rackspace_cloud_domain';
      const at = (region ?? 'dfw3').toLowerCase();
      return {
        auth: {
          auth_url: `https://keystone.api.${at}.rackspacecloud.com/v3`,
          user_domain_name: domain,
          project_domain_name: domain,
        },
        identity_api_version: '3',
      };
    }
    default:
      return undefined;
  }
}
