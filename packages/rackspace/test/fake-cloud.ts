import { createRetrier, systemClock, type Retrier } from '@imgkit/core';

import { Secret } from '../src/configuration/secret.ts';
import type { CloudSettings } from '../src/configuration/cloud-settings.ts';
import { responseError } from '../src/errors.ts';
import type { HttpRequest, Transport } from '../src/http/transport.ts';

/** Settings of a cloud that isn't there. */
export const settings: CloudSettings = {
  authUrl: 'https://keystone.test/v3',
  identityVersion: '3',
  credentials: {
    kind: 'password',
    user: { name: 'images', domain: { id: 'default' } },
    password: new Secret('hidden-1'),
  },
  project: { name: 'images', domain: { id: 'default' } },
  interface: 'public',
  image: {},
  compute: {},
};

/** A retrier that doesn't wait, and keeps the times that it would have waited. */
export function quickRetrier(): Retrier & { readonly waits: number[] } {
  const waits: number[] = [];
  const clock = {
    ...systemClock(),
    sleep: async (ms: number) => void waits.push(ms),
  };
  return Object.assign(createRetrier({ clock, random: () => 1 }), { waits });
}

/** An answer of a service. */
export interface Answer {
  readonly status?: number | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  readonly json?: unknown;
}

/** A token of Keystone that ends after so many seconds. */
export function tokenAnswer(id: string, seconds = 3600): Answer {
  const now = Date.now();
  return {
    status: 201,
    headers: { 'x-subject-token': id },
    json: {
      token: {
        issued_at: new Date(now).toISOString(),
        expires_at: new Date(now + seconds * 1000).toISOString(),
        project: { id: 'a'.repeat(32), name: 'images' },
        catalog: [
          {
            type: 'image',
            name: 'glance',
            endpoints: [{ interface: 'public', region: 'R1', url: 'https://glance.test/' }],
          },
          {
            type: 'compute',
            name: 'nova',
            endpoints: [{ interface: 'public', region: 'R1', url: 'https://nova.test/v2.1' }],
          },
        ],
      },
    },
  };
}

/** A transport that answers from a function, and keeps what it was asked. */
export function fakeTransport(answer: (request: HttpRequest) => Answer | Promise<Answer>) {
  const requests: HttpRequest[] = [];
  const send: Transport = async (request) => {
    requests.push(request);
    const { status = 200, headers = {}, json = {} } = await answer(request);
    const { method, url, accept = [] } = request;
    const given = { status, headers: new Map(Object.entries(headers)) };
    const text = status === 204 ? '' : JSON.stringify(json);
    if (status < 300 || accept.includes(status)) return { ...given, text };
    throw responseError({ method, url, ...given, body: text });
  };
  return { send, requests };
}

/** The text that a request sends. */
export function textOf(request: Pick<HttpRequest, 'body'> | undefined): string {
  return typeof request?.body === 'string' ? request.body : '';
}
