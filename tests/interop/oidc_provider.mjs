// Run oidc-provider as an authorization server on loopback: the argument names a job, a JSON file. Prints `ready PORT`.
// Everything is the library's own: discovery, registration, its login and consent pages, PKCE, RFC 8707 and RFC 9068.
import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import Provider from 'oidc-provider';

const { issuer, resources, scopes, machine } = JSON.parse(readFileSync(process.argv[2], 'utf8'));
const LIFETIME_SECONDS = 600;

// Everybody has an address of the same domain; mallory's is one that nobody has verified.
const address = (id) => ({ email: `${id}@example.com`, email_verified: id !== 'mallory' });

function signingKey() {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  return { ...privateKey.export({ format: 'jwk' }), kid: randomUUID(), use: 'sig', alg: 'RS256' };
}

// The first key signs; the others are only published. Sessions and registrations are in memory that all providers share.
function handler(keys) {
  const provider = new Provider(issuer, {
    jwks: { keys },
    cookies: { keys: [machine.client_secret] },
    pkce: { required: () => true },
    scopes: ['openid', 'offline_access', ...scopes],
    claims: { email: ['email', 'email_verified'] },
    clients: [
      {
        ...machine,
        grant_types: ['client_credentials'],
        redirect_uris: [],
        response_types: [],
        token_endpoint_auth_method: 'client_secret_post',
        scope: scopes.join(' '),
      },
    ],
    clientDefaults: { token_endpoint_auth_method: 'none' },
    // A client registers for the scopes that it wants first. Held to these it could never ask for more when a tool needs
    // more, so this issuer asks the person alone. The property is nobody's: the library calls back only if there is one.
    extraClientMetadata: {
      properties: ['unused'],
      validator(_context, _name, _value, metadata) {
        if (metadata.token_endpoint_auth_method === 'none') metadata.scope = undefined;
      },
    },
    ttl: { ClientCredentials: LIFETIME_SECONDS, IdToken: LIFETIME_SECONDS },
    findAccount: async (_context, id) => ({ accountId: id, claims: async () => ({ sub: id, ...address(id) }) }),
    features: {
      devInteractions: { enabled: true },
      registration: { enabled: true },
      clientCredentials: { enabled: true },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => undefined, // whoever names no resource gets an opaque token
        useGrantedResource: async () => true,
        getResourceServerInfo: async (_context, resource) => {
          if (!resources.includes(resource)) throw new Error(`${resource} is not registered here`);
          return {
            scope: scopes.join(' '),
            audience: resource,
            accessTokenFormat: 'jwt',
            accessTokenTTL: LIFETIME_SECONDS,
            jwt: { sign: { alg: 'RS256' } },
          };
        },
      },
    },
  });
  provider.on('server_error', (_context, error) => console.error(error));
  return provider.callback();
}

let keys = [signingKey()];
let current = handler(keys);
const server = createServer((request, response) => {
  if (request.method === 'POST' && request.url === '/rotate') { // what its operator does; no part of the provider
    keys = [signingKey(), ...keys];
    current = handler(keys);
    response.writeHead(204).end();
  } else current(request, response);
});
server.listen(0, '127.0.0.1', () => console.log(`ready ${server.address().port}`));
