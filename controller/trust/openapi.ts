const problem = {
  description: 'What is wrong and what to do next (RFC 9457).',
  content: { 'application/problem+json': {} },
};
const json = (description: string): object => ({ description, content: { 'application/json': {} } });
const body = (properties: Readonly<Record<string, object>>, required: readonly string[]): object => ({
  required: true,
  content: { 'application/json': { schema: { type: 'object', properties, required, additionalProperties: false } } },
});
const parameter = (name: string): object => ({ name, in: 'path', required: true, schema: { type: 'string' } });
const refused = { 401: problem, 403: problem, 429: problem };
const text = { type: 'string' };
/** What only this role may do. */
const admin = { security: [{ token: ['admin'] }] };
const duration = { type: 'string', examples: ['1h', '90d'] };

/** What `trust/routes/` offers, in OpenAPI. */
export const trustPaths = {
  '/v1/ca': {
    get: {
      summary: 'The certificate of the controller’s authority, PEM. Believe it by its hash.',
      security: [],
      responses: { 200: { description: 'PEM.', content: { 'application/x-pem-file': {} } } },
    },
  },
  '/v1/enroll': {
    post: {
      summary: 'Makes a machine a host: signs its key.',
      security: [{ joinToken: [] }],
      requestBody: body({ host: text, csr: text, machine: text }, ['host', 'csr', 'machine']),
      responses: {
        201: json('The certificate and the authority.'),
        ...refused,
        409: problem,
        422: problem,
        503: problem,
      },
    },
  },
  '/v1/hosts/{host}/certificate': {
    get: {
      summary: 'Whether the certificate that is shown still counts.',
      security: [{ certificate: [] }],
      parameters: [parameter('host')],
      responses: { 200: json('Whose it is.'), ...refused },
    },
    post: {
      summary: 'The next certificate of a host.',
      security: [{ certificate: [] }],
      parameters: [parameter('host')],
      requestBody: body({ csr: text }, ['csr']),
      responses: { 201: json('The certificate and the authority.'), ...refused, 422: problem },
    },
  },
  '/v1/tokens': {
    get: { summary: 'Tokens of operators.', ...admin, responses: { 200: json('Without their texts.'), ...refused } },
    post: {
      summary: 'Makes a token.',
      ...admin,
      requestBody: body({ name: text, role: { enum: ['read', 'deploy', 'admin'] }, validFor: duration }, [
        'name',
        'role',
      ]),
      responses: { 201: json('With its text, this once.'), ...refused, 422: problem },
    },
  },
  '/v1/tokens/{id}': {
    delete: {
      summary: 'Revokes a token.',
      ...admin,
      parameters: [parameter('id')],
      responses: { 200: json('As it is now.'), ...refused, 404: problem },
    },
  },
  '/v1/join-tokens': {
    get: { summary: 'Join tokens.', ...admin, responses: { 200: json('Without their texts.'), ...refused } },
    post: {
      summary: 'Makes a join token.',
      ...admin,
      requestBody: body({ host: text, validFor: duration, uses: { type: 'integer', minimum: 1 } }, []),
      responses: { 201: json('With its text, this once.'), ...refused, 422: problem },
    },
  },
  '/v1/join-tokens/{id}': {
    delete: {
      summary: 'Takes a join token back.',
      ...admin,
      parameters: [parameter('id')],
      responses: { 204: { description: 'Gone.' }, ...refused, 404: problem },
    },
  },
  '/v1/certificates': {
    get: {
      summary: 'Certificates of hosts, newest first.',
      parameters: [{ name: 'host', in: 'query', schema: text }],
      responses: { 200: json('The certificates.'), ...refused },
    },
  },
  '/v1/certificates/{id}/revoke': {
    post: {
      summary: 'Revokes one certificate, by its fingerprint.',
      ...admin,
      parameters: [parameter('id')],
      requestBody: body({ why: text }, ['why']),
      responses: { 200: json('As it is now.'), ...refused, 404: problem, 422: problem },
    },
  },
  '/v1/certificates/of/{name}/revoke': {
    post: {
      summary: 'Revokes every certificate of a host.',
      ...admin,
      parameters: [parameter('name')],
      requestBody: body({ why: text }, ['why']),
      responses: { 200: json('Their fingerprints.'), ...refused, 422: problem },
    },
  },
} as const;
