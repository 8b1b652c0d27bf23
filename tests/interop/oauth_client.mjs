// An OAuth client that nobody here has written goes through all endpoints. The argument names a job, a JSON file that
// says where the result goes. Each `process…` below is the library's own check of an answer against the standards.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import * as oauth from 'oauth4webapi';
import { loopback } from './browser.mjs';

const job = JSON.parse(readFileSync(process.argv[2], 'utf8'));
const options = { [oauth.allowInsecureRequests]: true }; // loopback
const issuer = new URL(new URL(job.url).origin);
const own = (id) => [{ client_id: id }, oauth.ClientSecretBasic(job.secrets[id])];
const headers = () => new Headers({ Accept: 'application/json, text/event-stream', 'Content-Type': 'application/json' });

async function call(server, token) {
  // RFC 9068, as a resource server that this library guards would check it.
  const shown = new Request(job.url, { headers: { Authorization: `Bearer ${token}` } });
  const claims = await oauth.validateJwtAccessToken(server, shown, job.url, options);
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: job.tool });
  const answer = await oauth.protectedResourceRequest(token, 'POST', new URL(job.url), headers(), body, options);
  const { result } = await answer.json();
  return { claims, answer: result.content[0].text };
}

async function login(server) {
  const { redirect, answer } = await loopback();
  const metadata = {
    client_name: 'interop',
    redirect_uris: [redirect],
    grant_types: ['authorization_code', 'refresh_token'],
    token_endpoint_auth_method: 'none',
  };
  const client = await oauth.processDynamicClientRegistrationResponse(
    await oauth.dynamicClientRegistrationRequest(server, metadata, options),
  );
  const verifier = oauth.generateRandomCodeVerifier();
  const state = oauth.generateRandomState();
  const asked = new URL(server.authorization_endpoint);
  asked.search = new URLSearchParams({
    client_id: client.client_id,
    redirect_uri: redirect,
    response_type: 'code',
    resource: job.url,
    state,
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
  });
  const came = await answer(asked);
  assert.equal(came.get('iss'), server.issuer);
  const code = oauth.validateAuthResponse(server, client, came, state); // `iss` as well (RFC 9207)
  const redeemed = await oauth.authorizationCodeGrantRequest(server, client, oauth.None(), code, redirect, verifier, options);
  return { client, tokens: await oauth.processAuthorizationCodeResponse(server, client, redeemed) };
}

async function refresh(server, client, token) {
  const answer = await oauth.refreshTokenGrantRequest(server, client, oauth.None(), token, options);
  return oauth.processRefreshTokenResponse(server, client, answer);
}

async function described(server, token) {
  const [asker, authentication] = own('asker');
  const answer = await oauth.introspectionRequest(server, asker, authentication, token, options);
  return oauth.processIntrospectionResponse(server, asker, answer);
}

async function outcome() {
  const found = await oauth.discoveryRequest(issuer, { ...options, algorithm: 'oauth2' });
  const server = await oauth.processDiscoveryResponse(issuer, found);
  const { client, tokens } = await login(server);
  const { claims } = await call(server, tokens.access_token);
  assert.equal(claims.client_id, client.client_id);

  const next = await refresh(server, client, tokens.refresh_token);
  assert.ok(next.refresh_token !== tokens.refresh_token, 'the refresh token stayed'); // and is in no message
  const { answer } = await call(server, next.access_token);
  const before = await described(server, next.access_token);
  assert.deepEqual([before.active, before.client_id, before.aud], [true, client.client_id, job.url]);

  await oauth.processRevocationResponse(
    await oauth.revocationRequest(server, client, oauth.None(), next.refresh_token, options),
  );
  await assert.rejects(refresh(server, client, next.refresh_token), { error: 'invalid_grant' });
  for (const token of [next.access_token, next.refresh_token]) {
    assert.deepEqual(await described(server, token), { active: false });
  }

  const [machine, authentication] = own('machine');
  const granted = await oauth.clientCredentialsGrantRequest(server, machine, authentication, { resource: job.url }, options);
  const ownToken = await oauth.processClientCredentialsResponse(server, machine, granted);
  assert.equal(ownToken.refresh_token, undefined);
  const called = await call(server, ownToken.access_token);
  assert.equal(called.claims.sub, 'machine');
  assert.equal(called.answer, answer);
  return { answer };
}

const failure = (error) => ({ error: String(error).replaceAll(/\s+/g, ' ') });
writeFileSync(job.result, JSON.stringify(await outcome().catch(failure)));
process.exit(0); // the listener must not keep the process
