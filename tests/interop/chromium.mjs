// Start the Chromium of this machine without a screen. It asks for nothing by itself.
import { chromium } from 'playwright-core';

const FLAGS = [
  '--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync', '--disable-dev-shm-usage',
];

export const open = (executablePath) => chromium.launch({ executablePath, args: FLAGS, chromiumSandbox: false });
