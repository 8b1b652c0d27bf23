// Let one of the two TypeScript clients in: the argument names a job, a JSON file that says where the result goes. No token in argv.
import { readFileSync, writeFileSync } from 'node:fs';

const job = JSON.parse(readFileSync(process.argv[2], 'utf8'));
const { generation, url, authorization, transport, mode, tool, scopedTool } = job;

async function library() {
  if (generation === 2) return import('@modelcontextprotocol/client');
  const [{ Client }, { StreamableHTTPClientTransport }, { SSEClientTransport }] = await Promise.all([
    import('@modelcontextprotocol/sdk/client/index.js'),
    import('@modelcontextprotocol/sdk/client/streamableHttp.js'),
    import('@modelcontextprotocol/sdk/client/sse.js'),
  ]);
  return { Client, StreamableHTTPClientTransport, SSEClientTransport };
}

async function outcome() {
  const { Client, StreamableHTTPClientTransport, SSEClientTransport } = await library();
  const info = { name: 'interop', version: '1' };
  const client = mode === undefined ? new Client(info) : new Client(info, { versionNegotiation: { mode } });
  const Transport = transport === 'sse' ? SSEClientTransport : StreamableHTTPClientTransport;
  const headers = authorization === null ? {} : { Authorization: authorization };
  try {
    await client.connect(new Transport(new URL(url), { requestInit: { headers } }));
    const { tools } = await client.listTools();
    const answer = await client.callTool(tool);
    const refused = await client.callTool(scopedTool).catch((error) => ({ error }));
    return {
      tools: tools.map(({ name }) => name),
      answer: answer.content[0].text,
      scoped: refused.error ? String(refused.error) : (refused.content?.[0]?.text ?? 'an empty result'),
    };
  } catch (error) {
    return { error: String(error) };
  } finally {
    await client.close();
  }
}

writeFileSync(job.result, JSON.stringify(await outcome()));
process.exit(0); // a stream that is still open must not keep the process
