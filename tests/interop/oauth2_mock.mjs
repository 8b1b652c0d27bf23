// Run oauth2-mock-server on loopback with a key of every kind. Prints `ready ISSUER`. Its tokens are signed as they are
// asked for: `edit` in the body of a token request changes the header and the claims, and null takes one away.
import { OAuth2Server } from 'oauth2-mock-server';

const server = new OAuth2Server();
// One after the other, so that the first token is signed by the first key: the library takes them in turn.
for (const algorithm of process.argv.slice(2)) await server.issuer.keys.generate(algorithm);
await server.start(0, '127.0.0.1');
server.service.on('beforeTokenSigning', (token, request) => {
  for (const part of ['header', 'payload']) {
    for (const [name, value] of Object.entries(request.body.edit?.[part] ?? {})) {
      if (value === null) delete token[part][name];
      else token[part][name] = value;
    }
  }
});
console.log(`ready ${server.issuer.url}`);
