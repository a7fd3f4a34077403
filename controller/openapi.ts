import { routePaths } from './routes/openapi.ts';
import { trustPaths } from './trust/openapi.ts';

/** The HTTP interface in OpenAPI, for people and for tools. Every route is in it, and nothing else. */
export const openApi = {
  openapi: '3.1.0',
  info: {
    title: 'Holdfast controller',
    version: '1',
    description:
      'Moments are milliseconds since the epoch. Lists come page by page: "next" of an answer is "cursor" of the next request.',
  },
  components: {
    securitySchemes: {
      token: {
        type: 'http',
        scheme: 'bearer',
        description:
          'Of an operator: hf_<id>_<secret>. The role that it takes is named; without one it is "read"; admin may do what deploy may, and deploy what read may.',
      },
      joinToken: { type: 'http', scheme: 'bearer', description: 'hfj_<id>_<secret>.' },
      certificate: { type: 'mutualTLS', description: 'Of the host in the path.' },
    },
  },
  security: [{ token: [] }],
  paths: { ...routePaths, ...trustPaths },
} as const;
