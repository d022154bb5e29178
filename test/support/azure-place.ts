/** Where the programs of the tests bake. */
export const azurePlace = {
  subscription: '00000000-0000-0000-0000-000000000001',
  resourceGroup: 'images',
  gallery: 'golden',
  location: 'westeurope',
} as const;
