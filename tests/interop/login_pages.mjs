// Drive Chromium through the authorization server's pages: the argument names a job, a JSON file. Prints one JSON line per check.
import { execFileSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { open } from './chromium.mjs';

const job = JSON.parse(readFileSync(process.argv[2], 'utf8'));
const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const PHONE = { width: 360, height: 740 };
const SHOT = { width: 600, height: 900 };

// The client's own page, and an attacker's: anything below /html/ is what a check has put there.
const pages = new Map();
const site = createServer((request, response) => {
  const path = new URL(request.url, 'http://site').pathname;
  response.setHeader('Content-Type', 'text/html; charset=utf-8');
  if (path === '/callback') {
    response.end(`<!doctype html><title>client</title><script>
      if (window.opener) window.opener.postMessage(location.search, '*');
    </script>received`);
  } else response.end(pages.get(path) ?? '<!doctype html><title>empty</title>');
});
await new Promise((done) => site.listen(0, '127.0.0.1', done));
const client = `http://127.0.0.1:${site.address().port}`;
const stranger = `http://localhost:${site.address().port}`; // another site, as far as cookies and origins go

function insist(truth, what) {
  if (!truth) throw new Error(what);
}

async function register(issuer, name, redirect) {
  const answer = await fetch(`${issuer}/register`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({
      client_name: name,
      redirect_uris: [redirect],
      token_endpoint_auth_method: 'none',
      grant_types: ['authorization_code', 'refresh_token'],
    }),
  });
  insist(answer.status === 201, `registration was answered ${answer.status}`);
  return (await answer.json()).client_id;
}

const verifier = randomBytes(32).toString('base64url');
const challenge = createHash('sha256').update(verifier).digest('base64url');

function request(issuer, id, redirect, more = {}) {
  const query = new URLSearchParams({
    response_type: 'code', client_id: id, redirect_uri: redirect, state: 'a state', scope: 'mcp:tools mcp:write',
    code_challenge: challenge, code_challenge_method: 'S256', resource: job.resource, ...more,
  });
  return `${issuer}/authorize?${query}`;
}

const local = job.issuer;
const redirect = `${client}/callback`;
const id = await register(local, 'Desktop Helper', redirect);
const webId = await register(local, 'Example Assistant', 'https://assistant.example.com/callback');
const consent = request(local, id, redirect);
const webConsent = request(local, webId, 'https://assistant.example.com/callback');

const browser = await open(job.chromium);
const strayed = new Set(); // what any page asked of anybody else
const complaints = []; // of the browser itself: a style or a form that the policy stopped

async function person(options = {}) {
  const context = await browser.newContext({ locale: 'en-GB', viewport: SHOT, ...options });
  context.setDefaultTimeout(job.patience);
  const known = [local, client, stranger, job.provider?.issuer, job.provider?.origin].filter(Boolean);
  context.on('request', (asked) => {
    if (known.some((origin) => asked.url().startsWith(`${origin}/`))) return;
    // The provider's own pages load what they like. A navigation may have no frame yet to ask.
    if (job.provider && !asked.isNavigationRequest() && asked.frame().url().startsWith(job.provider.origin)) return;
    strayed.add(asked.url().split('?')[0]);
  });
  context.on('console', (message) => {
    if (/Content Security Policy|Refused to/.test(message.text())) complaints.push(message.text());
  });
  return context;
}

async function accessible(page, where) {
  await page.evaluate(AXE);
  const found = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ['violations'] }));
  const told = found.violations.map((one) => `${one.id}: ${one.nodes.map((node) => node.target.join(' ')).join(', ')}`);
  insist(told.length === 0, `${where}: ${told.join('; ')}`);
}

async function fits(page) {
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  insist(wide <= 0, `the page is ${wide} px too wide`);
}

async function shoot(page, name) {
  if (job.shots) await page.screenshot({ path: `${job.shots}/${name}.png`, fullPage: true });
}

// By the keyboard, which need not wait: what a mouse meets has checks of its own.
const allow = (page) => page.locator('button[value=allow]').press('Enter');
const deny = (page) => page.locator('button[value=deny]').click();

async function logIn(page, passphrase = job.passphrase) {
  await page.locator('#username').fill('dev');
  await page.locator('#password').fill(passphrase);
  await page.locator('main button').click();
}

async function answer(page) {
  await page.waitForURL((url) => url.origin === client);
  return Object.fromEntries(new URL(page.url()).searchParams);
}

async function redeem(issuer, clientId, code) {
  const given = await fetch(`${issuer}/token`, {
    method: 'POST',
    body: new URLSearchParams({
      grant_type: 'authorization_code', client_id: clientId, redirect_uri: redirect, code, code_verifier: verifier,
    }),
  });
  return [given.status, await given.json()];
}

async function wholeWay(page) {
  await page.goto(consent);
  await allow(page);
  await logIn(page);
  return answer(page);
}

const checks = {
  async 'consent, login, code, token'() {
    const page = await (await person()).newPage();
    const found = await wholeWay(page);
    insist(found.state === 'a state' && found.iss === local, 'state or iss is missing in the answer');
    const [status, tokens] = await redeem(local, id, found.code);
    insist(status === 200 && tokens.scope === 'mcp:tools mcp:write', `the code was answered ${status}`);
  },
  async 'accessible: light, dark, English, Chinese, wide, narrow'() {
    for (const colorScheme of ['light', 'dark']) {
      for (const [locale, language] of [['en-US', 'en'], ['zh-CN', 'zh-Hans']]) {
        for (const viewport of [SHOT, PHONE]) {
          const context = await person({ colorScheme, locale, viewport });
          const page = await context.newPage();
          const where = `${language} ${colorScheme} ${viewport.width}`;
          const seen = async (name) => {
            insist((await page.locator('html').getAttribute('lang')) === language, `${where} ${name}: another language`);
            await accessible(page, `${where} ${name}`);
            await fits(page);
            if (viewport === SHOT ? colorScheme === 'light' || language === 'en' : colorScheme === 'dark') {
              const kind = [language === 'en' ? '' : 'zh', colorScheme === 'dark' ? 'dark' : '', viewport === PHONE ? 'phone' : ''];
              await shoot(page, [name, ...kind.filter(Boolean)].join('-'));
            }
          };
          await page.goto(webConsent);
          await seen('consent');
          await page.goto(consent);
          await seen('consent-loopback');
          await allow(page);
          await seen('login');
          await logIn(page, 'wrong');
          await page.locator('[role=alert]').waitFor();
          await seen('login-failed');
          await page.goto(`${local}/authorize?client_id=nobody`);
          await seen('error');
          await context.close();
        }
      }
    }
  },
  async 'no is told to the client'() {
    const page = await (await person()).newPage();
    await page.goto(consent);
    await deny(page);
    const found = await answer(page);
    insist(found.error === 'access_denied' && !found.code, 'another answer than access_denied');
  },
  async 'two tabs, each its own way'() {
    const context = await person();
    const [one, two] = [await context.newPage(), await context.newPage()];
    await one.goto(consent);
    await two.goto(consent);
    await allow(one);
    await allow(two);
    await logIn(two);
    await logIn(one);
    const codes = [(await answer(one)).code, (await answer(two)).code];
    insist(codes[0] && codes[1] && codes[0] !== codes[1], 'the tabs got in the way of each other');
  },
  async 'the back button'() {
    const page = await (await person()).newPage();
    await page.goto(consent);
    await allow(page);
    await page.locator('#username').waitFor();
    await page.goBack();
    await allow(page);
    await logIn(page);
    insist((await answer(page)).code, 'no code after going back once');
    await page.goBack(); // to the login form, whose state is used up
    if (await page.locator('#username').count()) await logIn(page);
    insist((await page.locator('h1').textContent()).includes('not valid any longer'), 'a used login worked again');
  },
  async 'page that has expired'() {
    const page = await (await person()).newPage();
    await page.goto(consent);
    execFileSync(job.expire[0], job.expire.slice(1));
    const [sent] = await Promise.all([page.waitForResponse((one) => one.request().method() === 'POST'), allow(page)]);
    insist(sent.status() === 400, `answered ${sent.status()}`);
    await page.locator('h1', { hasText: 'not valid any longer' }).waitFor();
    await accessible(page, 'stale');
    await shoot(page, 'stale');
  },
  async 'keyboard alone'() {
    const page = await (await person()).newPage();
    const focus = () => page.evaluate(() => document.activeElement.value || document.activeElement.name);
    await page.goto(consent);
    await page.keyboard.press('Tab');
    insist((await focus()) === 'deny', 'the first stop is not to deny');
    const outline = await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle);
    insist(outline === 'solid', 'the focus cannot be seen');
    await page.keyboard.press('Tab');
    insist((await focus()) === 'allow', 'the second stop is not to allow');
    await page.keyboard.press('Enter');
    await page.locator('#username').waitFor();
    insist((await focus()) === 'username', 'the login form has no focus');
    await page.keyboard.type('dev');
    await page.keyboard.press('Tab');
    await page.keyboard.type(job.passphrase);
    await page.keyboard.press('Enter');
    insist((await answer(page)).code, 'no code');
  },
  async 'without JavaScript'() {
    const page = await (await person({ javaScriptEnabled: false })).newPage();
    insist((await wholeWay(page)).code, 'no code');
  },
  async 'popup keeps its opener'() {
    const page = await (await person()).newPage();
    await page.goto(client);
    await page.evaluate(() => {
      globalThis.heard = new Promise((done) => window.addEventListener('message', (event) => done(event.data)));
    });
    const [popup] = await Promise.all([
      page.waitForEvent('popup'),
      page.evaluate((url) => void window.open(url, 'login', 'width=500,height=700'), consent),
    ]);
    await allow(popup);
    await logIn(popup);
    insist((await page.evaluate(() => globalThis.heard)).includes('code='), 'the opener heard nothing');
  },
  async 'double click that began elsewhere allows nothing'() {
    const still = (page) => page.waitForFunction(() => document.getAnimations().length === 0);
    const twice = (page, x, y) => page.mouse.dblclick(x, y);
    const withoutAMove = async (page, x, y) => {
      const control = await page.context().newCDPSession(page);
      for (const [type, buttons] of [['mousePressed', 1], ['mouseReleased', 0]]) {
        await control.send('Input.dispatchMouseEvent', { type, x, y, button: 'left', buttons, clickCount: 1 });
      }
    };
    const context = await person();
    for (const [what, wait, click] of [
      ['just loaded', async () => {}, twice],
      ['loaded long ago, below another window', still, twice],
      ['loaded long ago, and no move of the pointer before', still, withoutAMove],
    ]) {
      const page = await context.newPage(); // one in which the pointer has never been
      let sent = 0;
      page.on('request', (asked) => { sent += asked.method() === 'POST' ? 1 : 0; });
      await page.goto(consent);
      const box = await page.locator('button[value=allow]').boundingBox();
      const [x, y] = [box.x + box.width / 2, box.y + box.height / 2];
      await wait(page);
      await click(page, x, y);
      await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
      insist(sent === 0 && (await page.locator('button[value=allow]').count()) === 1, `${what}: the click counted`);
      if (wait !== still || click === withoutAMove) continue;
      await still(page); // whoever stays for a second is heard
      await page.mouse.click(x, y);
      await page.locator('#username').waitFor();
    }
  },
  async 'nothing moves, keys need not wait, a finger does'() {
    for (const options of [{ reducedMotion: 'reduce' }, { hasTouch: true, isMobile: true, viewport: PHONE }]) {
      const page = await (await person(options)).newPage();
      await page.goto(consent);
      const moving = await page.evaluate(() => document.getAnimations().flatMap((one) => one.effect.getKeyframes()));
      const changed = new Set(moving.flatMap((frame) => Object.keys(frame)));
      for (const name of ['offset', 'easing', 'composite', 'computedOffset']) changed.delete(name);
      insist([...changed].join() === 'pointerEvents', `something else moves: ${[...changed]}`);
      if (options.hasTouch) {
        let sent = 0;
        page.on('request', (asked) => { sent += asked.method() === 'POST' ? 1 : 0; });
        await page.reload();
        await page.locator('button[value=allow]').scrollIntoViewIfNeeded();
        const box = await page.locator('button[value=allow]').boundingBox();
        const [x, y] = [box.x + box.width / 2, box.y + box.height / 2];
        await page.touchscreen.tap(x, y);
        await page.waitForFunction(() => document.getAnimations().length === 0);
        insist(sent === 0, 'the tap counted at once');
        await page.touchscreen.tap(x, y);
      } else await allow(page);
      await page.locator('#username').waitFor();
    }
  },
  async 'nobody is sent on by a link that a stranger wrote'() {
    const page = await (await person()).newPage();
    await page.goto(request(local, id, redirect, { scope: '"' }));
    insist(page.url().startsWith(`${local}/authorize`), 'the browser was sent on');
    insist((await page.locator('main').textContent()).includes('127.0.0.1'), 'the page does not say where it leads');
    await accessible(page, 'refused');
    await page.locator('main a').click();
    const found = await answer(page);
    insist(found.error === 'invalid_scope' && found.state === 'a state' && found.iss === local, JSON.stringify(found));
  },
  async 'many visits leave few cookies, and the last one works'() {
    const context = await person();
    const page = await context.newPage();
    for (let visit = 0; visit < 25; visit += 1) await page.goto(consent);
    insist((await context.cookies()).length === 10, `${(await context.cookies()).length} cookies`);
    await allow(page);
    await logIn(page);
    insist((await answer(page)).code, 'no code');
    insist((await context.cookies()).length === 9, 'the cookies of a login that is over are still there');
  },
  async 'not in a frame'() {
    for (const origin of [client, stranger]) {
      const page = await (await person()).newPage();
      pages.set('/frame', `<!doctype html><iframe src="${consent.replaceAll('&', '&amp;')}"></iframe>`);
      await page.goto(`${origin}/frame`);
      await page.waitForLoadState('networkidle');
      const [, frame] = page.frames();
      insist(frame.url().startsWith('chrome-error:'), `the frame shows ${frame.url()}`);
      insist((await frame.locator('button').count()) === 0, 'the frame has buttons');
    }
    complaints.length = 0; // the browser says that it refused, as it should
  },
  async 'forged forms are refused'() {
    const victim = await person();
    const attacker = await person();
    const [theirs, own] = [await victim.newPage(), await attacker.newPage()];
    await theirs.goto(consent);
    await own.goto(consent);
    const fields = (page) => page.evaluate(() => Object.fromEntries(new FormData(document.forms[0])));
    const [victims, attackers] = [await fields(theirs), await fields(own)];
    const tries = {
      'without a token': { request: victims.request, decision: 'allow' },
      'with a wrong token': { request: victims.request, csrf: attackers.csrf, decision: 'allow' },
      'from the attacker\'s own page': { ...attackers, decision: 'allow' },
      'with everything right, from elsewhere': { ...victims, decision: 'allow' },
    };
    const page = await victim.newPage();
    for (const [what, form] of Object.entries(tries)) {
      const inputs = Object.entries(form).map(([name, value]) => `<input name="${name}" value="${value}">`).join('');
      pages.set('/forged', `<!doctype html><form method="post" action="${local}/authorize">${inputs}<button></form>`);
      for (const origin of [client, stranger]) {
        await page.goto(`${origin}/forged`);
        const [sent] = await Promise.all([
          page.waitForResponse((one) => one.request().method() === 'POST'),
          page.locator('button').click(),
        ]);
        insist(sent.status() === 400, `${what}, from ${origin}: answered ${sent.status()}`);
        await page.waitForURL(`${local}/authorize`);
      }
    }
    await allow(theirs); // the person's own page still works
    await theirs.locator('#username').waitFor();
  },
  async 'login that was begun in another browser'() {
    const [one, other] = [await (await person()).newPage(), await (await person()).newPage()];
    await one.goto(consent);
    await allow(one);
    await one.locator('#username').waitFor();
    const sent = await other.goto(one.url());
    insist(sent.status() === 400, `answered ${sent.status()}`);
    insist((await other.locator('#username').count()) === 0, 'there is a login form');
  },
};

if (job.provider) {
  checks['login at a real OpenID provider'] = async () => {
    const { issuer } = job.provider;
    const own = await register(issuer, 'Desktop Helper', redirect);
    const page = await (await person()).newPage();
    await page.goto(request(issuer, own, redirect));
    await allow(page);
    await page.locator('input[name=login]').fill('alice'); // oidc-provider's own pages
    await page.locator('input[name=password]').fill('any');
    await page.locator('button[type=submit]').click();
    await page.locator('button', { hasText: 'Continue' }).click();
    const found = await answer(page);
    insist(found.code && found.iss === issuer, `no code: ${JSON.stringify(found)}`);
    const [status] = await redeem(issuer, own, found.code);
    insist(status === 200, `the code was answered ${status}`);
  };
  checks['a no at the OpenID provider is told to the client'] = async () => {
    const { issuer } = job.provider;
    const own = await register(issuer, 'Desktop Helper', redirect);
    const page = await (await person()).newPage();
    await page.goto(request(issuer, own, redirect));
    await allow(page);
    await page.locator('a', { hasText: 'Cancel' }).click();
    insist((await answer(page)).error === 'access_denied', 'another answer than access_denied');
  };
  checks['person whose address nobody has verified'] = async () => {
    const { issuer } = job.provider;
    const own = await register(issuer, 'Desktop Helper', redirect);
    const page = await (await person()).newPage();
    await page.goto(request(issuer, own, redirect));
    await allow(page);
    await page.locator('input[name=login]').fill('mallory');
    await page.locator('input[name=password]').fill('any');
    await page.locator('button[type=submit]').click();
    await page.locator('button', { hasText: 'Continue' }).click();
    insist((await answer(page)).error === 'access_denied', 'another answer than access_denied');
  };
}
checks['nobody else is asked for anything'] = async () => {
  insist(strayed.size === 0, `asked for ${[...strayed].join(', ')}`);
  insist(complaints.length === 0, complaints.join('; '));
};

for (const [name, check] of Object.entries(checks)) {
  if (!name.includes(job.only ?? '')) continue;
  let problem = null;
  const began = performance.now();
  const late = new Promise((_, fail) => setTimeout(fail, 4 * job.patience, new Error('it took too long')).unref());
  try {
    await Promise.race([check(), late]);
  } catch (error) {
    problem = String(error.message).split('\n').slice(0, 3).join(' ');
  }
  for (const context of browser.contexts()) await context.close();
  console.log(JSON.stringify({ name, problem, seconds: (performance.now() - began) / 1000 }));
}
await browser.close();
site.close();
site.closeAllConnections();
