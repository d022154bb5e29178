import { ImgkitError, withDetails, type ErrorCode, type ErrorPlace } from '@imgkit/core';

/** An answer that is a refusal. */
export interface Refusal {
  readonly method: string;
  /** The address without its query, which may be long. */
  readonly url: string;
  readonly status: number;
  readonly headers: ReadonlyMap<string, string>;
  readonly body: string;
}

const codes: Readonly<Record<number, ErrorCode>> = {
  400: 'INVALID_ARGUMENT',
  401: 'UNAUTHENTICATED',
  403: 'PERMISSION_DENIED',
  404: 'NOT_FOUND',
  405: 'UNSUPPORTED',
  406: 'UNSUPPORTED',
  408: 'TIMEOUT',
  409: 'FAILED_PRECONDITION',
  410: 'NOT_FOUND',
  412: 'FAILED_PRECONDITION',
  413: 'QUOTA_EXCEEDED',
  415: 'PROTOCOL',
  429: 'RATE_LIMITED',
  // "The server has either erred or is incapable": often a database that was busy.
  500: 'UNAVAILABLE',
  501: 'UNSUPPORTED',
  502: 'UNAVAILABLE',
  503: 'UNAVAILABLE',
  504: 'UNAVAILABLE',
};

const hints: Partial<Readonly<Record<ErrorCode, string>>> = {
  UNAUTHENTICATED:
    'Check the user, its domain, the project and the secret; a token may have expired.',
  PERMISSION_DENIED: 'Ask for a role in the project that allows it, or for the cloud’s policy.',
  QUOTA_EXCEEDED: 'Delete what is no longer needed, or ask for a higher quota.',
  RATE_LIMITED: 'Wait and try again.',
  UNAVAILABLE: 'Try again later.',
};

/** Converts an answer of any of the services that is a refusal. */
export function responseError(refusal: Refusal): ImgkitError {
  const { method, url, status, headers } = refusal;
  const fault = readFault(refusal.body);
  const retryAfterMs = retryAfter(headers.get('retry-after'));
  const code = codeOf(status, fault.message, retryAfterMs);
  return new ImgkitError(code, `${method} ${url}: ${fault.message ?? `status ${status}`}`, {
    hint: hints[code],
    providerCode: fault.name ?? String(status),
    requestId: headers.get('x-openstack-request-id') ?? headers.get('x-compute-request-id'),
    retryAfterMs,
    data: { status },
  });
}

function codeOf(status: number, message = '', retryAfterMs: number | undefined): ErrorCode {
  // The classic Rackspace cloud throttles with 413, which OpenStack uses for quotas: Cinder with a Retry-After of 0.
  if (status === 413 && retryAfterMs !== undefined && !/quota/i.test(message))
    return 'RATE_LIMITED';
  if (status === 403 && /quota/i.test(message)) return 'QUOTA_EXCEEDED';
  return codes[status] ?? 'OPERATION_FAILED';
}

/** Each service has a shape of its own for what went wrong. */
function readFault(body: string): { readonly name?: string; readonly message?: string } {
  let parsed: unknown;
  try {
    parsed = JSON.parse(body);
  } catch {
    const title = /<title>([^<]*)<\/title>/i.exec(body)?.[1];
    if (title === undefined) return {};
    const text = /<\/h1>(.*)<\/body>/is.exec(body)?.[1] ?? '';
    return { name: title, message: plainText(text) || title };
  }
  if (typeof parsed !== 'object' || parsed === null) return {};
  // Glance: { message, code: "404 Not Found", title }; the message has HTML in it.
  const message: unknown = Reflect.get(parsed, 'message');
  if (typeof message === 'string') {
    const title: unknown = Reflect.get(parsed, 'title');
    return { message: plainText(message), ...(typeof title === 'string' && { name: title }) };
  }
  // Keystone: { error: { code, message, title } }; Nova: { itemNotFound: { code, message } }.
  const [first] = Object.entries(parsed);
  if (first === undefined) return {};
  const [name, fault]: [string, unknown] = first;
  if (typeof fault !== 'object' || fault === null) return {};
  const inner: unknown = Reflect.get(fault, 'message');
  const title: unknown = Reflect.get(fault, 'title');
  return {
    name: name === 'error' && typeof title === 'string' ? title : name,
    ...(typeof inner === 'string' && { message: plainText(inner) }),
  };
}

function plainText(html: string): string {
  return (
    html
      // Tags as Glance writes them; Nova puts the class of an exception between the same brackets.
      .replaceAll(/<\/?[a-z0-9]+ *\/?>/gi, ' ')
      .replaceAll(/\s+/g, ' ')
      .trim()
      .slice(0, 500)
  );
}

/** Seconds, or a date. */
function retryAfter(value: string | undefined): number | undefined {
  if (value === undefined) return undefined;
  if (/^\d+$/.test(value)) return Number(value) * 1000;
  const at = Date.parse(value);
  return Number.isNaN(at) ? undefined : Math.max(0, at - Date.now());
}

/** https://nodejs.org/api/tls.html#x509-certificate-error-codes */
const isCertificate = /CERT|ISSUER|LEAF_SIGNATURE|^CRL_/;

/** Converts what a connection threw: the service wasn't reached, isn't trusted, or hung up. */
export function connectionError(error: unknown, method: string, url: string): ImgkitError {
  if (ImgkitError.is(error)) return error;
  const { host } = new URL(url);
  const code: unknown = Reflect.get(Object(error), 'code');
  const name = typeof code === 'string' ? code : '';
  const why = (error instanceof Error ? error.message : String(error)) || name;
  const isTrust = isCertificate.test(name);
  return new ImgkitError(
    isTrust ? 'FAILED_PRECONDITION' : 'UNAVAILABLE',
    `${method} ${url}: ${why || 'the connection broke'}`,
    {
      hint: isTrust
        ? `Give the certificate of the authority that signed that of ${host}: cacert in clouds.yaml, OS_CACERT, or caFile.`
        : `Check that ${host} can be reached from here.`,
      ...(name !== '' && { providerCode: name }),
      cause: error,
    },
  );
}

/** The status of the answer that an error was made of. */
export function statusOf(error: unknown): number | undefined {
  const status: unknown = ImgkitError.is(error) ? error.data?.['status'] : undefined;
  return typeof status === 'number' ? status : undefined;
}

/** Whether the service said no: then it did nothing. */
export function isRefusal(error: unknown): boolean {
  const status = statusOf(error);
  return status !== undefined && status >= 400 && status < 500 && status !== 408;
}

/** An answer that isn't what the service's documentation says. */
export function protocolError(what: string, why: string): ImgkitError {
  return new ImgkitError('PROTOCOL', `the answer of ${what} can't be understood: ${why}`, {
    hint: 'Check that the address is that of the service.',
  });
}

/** Converts any error, and says where it comes from, as far as that isn't said yet. */
export function located(
  error: unknown,
  { provider, operation, resource }: ErrorPlace,
): ImgkitError {
  const known = ImgkitError.is(error)
    ? error
    : new ImgkitError('OPERATION_FAILED', error instanceof Error ? error.message : String(error), {
        cause: error,
      });
  if (known.provider !== undefined) return known;
  return withDetails(known, { provider, operation, resource: resource ?? known.resource });
}

/** The error for what isn't there, or must look so. */
export function notFound(what: string, id: string): ImgkitError {
  return new ImgkitError('NOT_FOUND', `there is no ${what} "${id}"`, {
    resource: id,
    hint: 'See what there is by listing.',
  });
}
