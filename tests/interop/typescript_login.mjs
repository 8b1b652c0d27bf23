// Log one of the TypeScript clients in: the argument names a job, a JSON file that says where the result goes.
// What the client keeps is in the job's `store`, as in the file of a desktop application that is started again.
import { randomUUID } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { loopback } from './browser.mjs';

const job = JSON.parse(readFileSync(process.argv[2], 'utf8'));
const kept = JSON.parse(readFileSync(job.store, 'utf8'));
const { redirect, answer } = await loopback();
const discovered = new Set();
let answered, sent;

const { fetch } = globalThis;
globalThis.fetch = async (url, ...rest) => {
  const answer = await fetch(url, ...rest);
  const { pathname } = new URL(url);
  if (pathname.startsWith('/.well-known/')) discovered.add(`${pathname} ${answer.status}`);
  return answer;
};

function keep(name, value) {
  kept[name] = value;
  writeFileSync(job.store, JSON.stringify(kept));
}

const authProvider = {
  redirectUrl: redirect,
  clientMetadataUrl: job.document ?? undefined,
  clientMetadata: {
    client_name: 'interop',
    redirect_uris: [redirect],
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
    token_endpoint_auth_method: 'none',
  },
  state: randomUUID,
  clientInformation: () => kept.client,
  saveClientInformation: (client) => keep('client', client),
  tokens: () => kept.tokens,
  saveTokens: (tokens) => keep('tokens', tokens),
  saveCodeVerifier: (verifier) => keep('verifier', verifier),
  codeVerifier: () => kept.verifier,
  redirectToAuthorization: (url) => {
    if (!job.login) throw new Error('it wants another login');
    sent = url.searchParams.get('state');
    answered = answer(url);
  },
};

async function library() {
  if (job.package === '@modelcontextprotocol/client') return import(job.package);
  const [{ Client }, { StreamableHTTPClientTransport }] = await Promise.all([
    import(`${job.package}/client/index.js`),
    import(`${job.package}/client/streamableHttp.js`),
  ]);
  return { Client, StreamableHTTPClientTransport };
}

async function outcome() {
  const { Client, StreamableHTTPClientTransport } = await library();
  const connect = async () => {
    const client = new Client({ name: 'interop', version: '1' });
    const transport = new StreamableHTTPClientTransport(new URL(job.url), { authProvider });
    return { client, transport, failed: await client.connect(transport).then(() => null, (error) => error) };
  };
  let { client, transport, failed } = await connect();
  if (answered !== undefined) {
    const came = await answered;
    // The client of 2025-03-26 sends none.
    if (came.get('state') !== sent) throw new Error('another state came back');
    // The later of the two checks `iss` as well; the earlier takes the code alone.
    await transport.finishAuth(job.package === '@modelcontextprotocol/client' ? came : came.get('code'));
    ({ client, transport, failed } = await connect());
  }
  if (failed) throw failed;
  const called = await client.callTool(job.tool);
  return { answer: called.content[0].text, discovered: [...discovered] };
}

const failure = (error) => ({ error: String(error).replaceAll(/\s+/g, ' ') });
writeFileSync(job.result, JSON.stringify(await outcome().catch(failure)));
process.exit(0); // a stream that is still open must not keep the process
