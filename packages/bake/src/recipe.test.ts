import { family } from '@imgkit/core';
import { describe, expect, it } from 'vitest';
import { file, reboot, recipe, secret, shell, type RecipeOptions } from './index.ts';
import { secretsOf } from './recipe.ts';

const here = new URL(import.meta.url).pathname;
const good: RecipeOptions = {
  from: { lab: family('base') },
  provision: [shell({ inline: ['true'] })],
  family: 'web',
};

describe('recipe', () => {
  it('takes what is right, and fills in the defaults', () => {
    const steps = [
      shell({
        script: here,
        env: { A: '1' },
        secrets: { B: secret('hunter22') },
        validExitCodes: [0, 3],
        maxRetries: 2,
        pauseBefore: '1s',
        timeout: '5m',
        runAs: 'www-data',
        expectDisconnect: true,
      }),
      file({ source: here, destination: '/etc/x' }),
      file({ content: 'x', destination: '/etc/x', mode: 0o600 }),
      file({ direction: 'download', source: '/etc/x', destination: 'x' }),
      reboot({ timeout: '3m' }),
    ];
    const made = recipe('web-1', {
      ...good,
      from: { lab: 'lab:images/1', prod: { provider: 'prod', id: '2' } },
      provision: steps,
    });
    expect(made).toMatchObject({ name: 'web-1', verify: [], bootTimeoutMs: 600_000 });
    expect(secretsOf(made)).toHaveLength(1);
    expect(made.provision.map(({ label }) => label)).toEqual([
      'shell recipe.test.ts',
      'upload /etc/x',
      'upload /etc/x',
      'download /etc/x',
      'reboot',
    ]);
  });

  // What the types forbid, plain JavaScript may still pass.
  const cases: readonly (readonly [string, unknown, string])[] = [
    ['no source', { from: {} }, 'recipe web.from'],
    ['a source without a provider', { from: family('base') }, 'recipe web.from'],
    [
      'two sources for one provider',
      { from: { lab: { ...family('base'), provider: 'lab', id: 'x' } } },
      'recipe web.from.lab',
    ],
    ['a list of sources', { from: { lab: [family('a'), family('b')] } }, 'recipe web.from.lab'],
    ['an unknown kind of source', { from: { lab: { snapshot: 'x' } } }, 'recipe web.from.lab'],
    ["another provider's image", { from: { lab: 'prod:images/1' } }, 'recipe web.from.lab'],
    [
      "another provider's ref",
      { from: { lab: { provider: 'prod', id: '1' } } },
      'recipe web.from.lab',
    ],
    ['no family', { family: '' }, 'recipe web.family'],
    ['an unknown member', { provison: [] }, 'recipe web.provison'],
    ['steps that are none', { provision: [{}] }, 'recipe web.provision[0]'],
    ['a single step', { provision: shell({ inline: ['true'] }) }, 'recipe web.provision'],
    [
      'a missing script',
      { provision: [shell({ script: './nowhere.sh' })] },
      'recipe web.provision[0].script',
    ],
    [
      'a directory as script',
      { verify: [shell({ script: '/tmp' })] },
      'recipe web.verify[0].script',
    ],
    [
      'inline and script',
      { provision: [shell({ inline: ['true'], script: here })] },
      'recipe web.provision[0]',
    ],
    ['neither inline nor script', { provision: [shell({})] }, 'recipe web.provision[0]'],
    ['no lines', { provision: [shell({ inline: [] })] }, 'recipe web.provision[0].inline'],
    [
      'a bad exit code',
      { provision: [shell({ inline: ['x'], validExitCodes: [256] })] },
      'recipe web.provision[0].validExitCodes',
    ],
    [
      'no exit code',
      { provision: [shell({ inline: ['x'], validExitCodes: [] })] },
      'recipe web.provision[0].validExitCodes',
    ],
    [
      'a bad number of retries',
      { provision: [shell({ inline: ['x'], maxRetries: -1 })] },
      'recipe web.provision[0].maxRetries',
    ],
    [
      'a bad variable',
      { provision: [shell({ inline: ['x'], env: { 'A-B': '1' } })] },
      'recipe web.provision[0].env',
    ],
    [
      'a variable that is twice there',
      {
        provision: [shell({ inline: ['x'], env: { A: '1' }, secrets: { A: secret('hunter22') } })],
      },
      'recipe web.provision[0].secrets.A',
    ],
    [
      'a bad user',
      { provision: [shell({ inline: ['x'], runAs: 'a; reboot' })] },
      'recipe web.provision[0].runAs',
    ],
    [
      'no time',
      { provision: [shell({ inline: ['x'], timeout: 0 })] },
      'recipe web.provision[0].timeout',
    ],
    [
      'source and content',
      { provision: [file({ source: here, content: 'x', destination: '/x' })] },
      'recipe web.provision[0]',
    ],
    [
      'a relative destination',
      { provision: [file({ source: here, destination: 'x' })] },
      'recipe web.provision[0].destination',
    ],
    [
      'a missing file',
      { provision: [file({ source: '/nowhere', destination: '/x' })] },
      'recipe web.provision[0].source',
    ],
    [
      'a bad mode',
      { provision: [file({ source: here, destination: '/x', mode: 0o10000 })] },
      'recipe web.provision[0].mode',
    ],
    [
      'content without a name',
      { provision: [file({ content: 'x', destination: '/etc/' })] },
      'recipe web.provision[0].destination',
    ],
    [
      'a relative source to download',
      { provision: [file({ direction: 'download', source: 'x', destination: 'x' })] },
      'recipe web.provision[0].source',
    ],
    ['a bad failure hook', { onFailure: shell({}) }, 'recipe web.onFailure[0]'],
    ['an unknown way to seal', { seal: { hard: true } }, 'recipe web.seal.hard'],
    ['a reserved label', { labels: { 'imgkit-run': 'x' } }, 'recipe web.labels.imgkit-run'],
    ['a bad duration', { bootTimeout: '5x' }, 'recipe web.bootTimeout'],
    ['a disk of no size', { diskSizeBytes: 0 }, 'recipe web.diskSizeBytes'],
  ];

  it.each(cases)('refuses %s, and names the field', (_, wrong, path) => {
    const make = () => Reflect.apply(recipe, undefined, ['web', Object.assign({}, good, wrong)]);
    expect(make).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT', data: { path } }));
  });

  it.each(['', 'Web', 'web_1', '1web', 'web-', 'w'.repeat(41)])('refuses the name %j', (name) => {
    expect(() => recipe(name, good)).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT', data: { path: 'name' } }),
    );
  });
});
