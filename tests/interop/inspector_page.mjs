// Drive Chromium through the Inspector's web page: the argument names a job, a JSON file that says where the result goes.
import { readFileSync, writeFileSync } from 'node:fs';
import { open } from './chromium.mjs';

const job = JSON.parse(readFileSync(process.argv[2], 'utf8'));
const person = job.person && { ...job.person, passphrase: readFileSync(job.person.passphrase, 'utf8').trim() };
const inspector = new URL(job.inspector);

function insist(truth, what) {
  if (!truth) throw new Error(what);
}

// The person at our pages: who asks is what the consent page has to say.
async function logIn(page) {
  await page.waitForURL(`${new URL(job.url).origin}/authorize?**`);
  const consent = await page.locator('main').innerText();
  insist(consent.includes(person.sees) && consent.includes(inspector.hostname), `the consent page says: ${consent}`);
  await page.locator('button[value=allow]').click();
  await page.locator('#username').fill(person.name);
  await page.locator('#password').fill(person.passphrase);
  await page.locator('main button').click();
  await page.waitForURL(`${inspector.origin}/**`);
}

async function call(page) {
  await page.getByText('Tools', { exact: true }).first().click();
  const screen = page.getByTestId('tools-screen');
  await screen.getByText(job.tool.name, { exact: true }).first().click();
  const tools = (await screen.innerText()).split('\n').filter((line) => /^[a-z_]+$/.test(line));
  for (const [name, value] of Object.entries(job.tool.arguments)) {
    await screen.getByLabel(new RegExp(`^${name}\\b`, 'i')).fill(String(value));
  }
  await screen.getByRole('button', { name: 'Execute Tool' }).click();
  await screen.getByText('Results', { exact: true }).waitFor();
  const lines = (await screen.innerText()).split('\n');
  return { tools: [...new Set(tools)], answer: lines[lines.indexOf('Results') + 1] };
}

async function forget(page) {
  await page.getByText('Servers', { exact: true }).first().click();
  await page.getByRole('button', { name: 'Connection Info' }).click();
  await page.getByRole('button', { name: 'Clear OAuth state and disconnect' }).click();
  await page.getByText('Disconnected', { exact: true }).waitFor();
}

async function outcome() {
  const browser = await open(job.chromium);
  try {
    const context = await browser.newContext({ locale: 'en-GB', viewport: { width: 1300, height: 900 } });
    context.setDefaultTimeout(job.step * 1000);
    await context.route((url) => ![inspector.host, new URL(job.url).host].includes(url.host), (route) => route.abort());
    const page = await context.newPage();
    await page.goto(job.inspector);
    await page.getByRole('switch', { name: /^Connect or disconnect/ }).press('Space'); // no pointer finds the input
    if (person) await logIn(page);
    await page.getByText('Connected', { exact: true }).waitFor();
    const found = await call(page);
    if (!person) await forget(page);
    return found;
  } finally {
    await browser.close();
  }
}

writeFileSync(job.result, JSON.stringify(await outcome().catch((error) => ({ error: String(error) }))));
