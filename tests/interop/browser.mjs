// What a client that runs here does for a login: listen for the answer, and open the browser that BROWSER names.
import { execFile } from 'node:child_process';
import { createServer } from 'node:http';
import { promisify } from 'node:util';

/** A redirect URL, and `answer(url)`: the query with which the browser comes back from there. */
export async function loopback() {
  let came;
  const answered = new Promise((resolve) => (came = resolve));
  const server = createServer((request, response) => {
    response.setHeader('Connection', 'close').end();
    came(new URL(request.url, 'http://127.0.0.1').searchParams);
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const answer = async (url) => {
    await promisify(execFile)(process.env.BROWSER, [String(url)]);
    return answered;
  };
  return { redirect: `http://127.0.0.1:${server.address().port}/callback`, answer };
}
