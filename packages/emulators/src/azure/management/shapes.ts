import { place } from '../shapes.ts';
import { object, tags, text, word } from '../shape.ts';

// What may be sent about role assignments, api-version 2022-04-01, and resource groups.

const uuid = text(/^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i, 'a GUID');

export const roleAssignmentBody = object({
  properties: object(
    { roleDefinitionId: text(/\/roleDefinitions\/[0-9a-f-]{36}$/i, 'a role'), principalId: uuid },
    {
      principalType: word('User', 'Group', 'ServicePrincipal', 'ForeignGroup', 'Device'),
      description: text(),
    },
  ),
});

export const resourceGroupBody = object({ location: place }, { tags: tags() });
