import { objectsOf, textOf } from '../../control-plane/json.ts';
import type { Service } from '../call.ts';
import { conditionNotMet } from '../errors.ts';
import { selfLink } from '../links.ts';
import { showQuotas } from '../quotas.ts';
import { fingerprint } from '../values.ts';

export const projects: Service = {
  Get(call) {
    const { project } = call;
    call.permit('compute.projects.get', project);
    return {
      kind: 'compute#project',
      id: project.number,
      creationTimestamp: '2020-01-01T00:00:00.000-08:00',
      name: project.id,
      selfLink: selfLink(`projects/${project.id}`),
      defaultServiceAccount: `${project.number}-compute@developer.gserviceaccount.com`,
      defaultNetworkTier: 'PREMIUM',
      xpnProjectStatus: 'UNSPECIFIED_XPN_PROJECT_STATUS',
      cloudArmorTier: 'CA_STANDARD',
      quotas: showQuotas(project),
      commonInstanceMetadata: {
        kind: 'compute#metadata',
        fingerprint: fingerprint(project.commonMetadata['items']),
        ...project.commonMetadata,
      },
    };
  },
  SetCommonInstanceMetadata(call) {
    const { project, body } = call;
    call.permit('compute.projects.setCommonInstanceMetadata', project);
    const current = fingerprint(project.commonMetadata['items']);
    const sent = textOf(body, 'fingerprint');
    if (sent !== undefined && sent !== current) {
      throw conditionNotMet('Supplied fingerprint does not match current metadata fingerprint.');
    }
    const items = objectsOf(body, 'items');
    return call.start({
      type: 'compute.projects.setCommonInstanceMetadata',
      location: 'global',
      target: { link: `projects/${project.id}`, resource: { id: project.number } },
      finish() {
        project.commonMetadata['items'] = items;
      },
    });
  },
};
