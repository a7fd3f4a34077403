/** A headless browser that looks at the site as its visitors do. */
import { type Browser, chromium, type Page, type Request } from 'playwright-core';
import { ensureProgram } from '../hosts/engine.ts';

const EXECUTABLE = '/usr/bin/chromium';
/** It shall talk to the site and to nobody else, from a machine without a screen, as root. */
const ARGUMENTS: readonly string[] = [
  ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--no-proxy-server', '--disable-sync'],
  ['--disable-background-networking', '--disable-component-update', '--disable-dev-shm-usage'],
].flat();
const ACTION_TIMEOUT_MS = 15_000;
/** Chromium drops what is under way when a network of this machine comes or goes, as those of other tests do. */
const NETWORK_CHANGED = 'net::ERR_NETWORK_CHANGED';
/** Its page about that, which may come so late that it interrupts the next visit. */
const ERROR_PAGE = 'interrupted by another navigation to "chrome-error://';
const MOST_VISITS = 5;

export async function openBrowser(): Promise<Browser> {
  await ensureProgram({
    program: 'chromium',
    packages: ['chromium'],
    log: (line) => process.stderr.write(`${line}\n`),
  });
  return chromium.launch({ executablePath: EXECUTABLE, headless: true, args: [...ARGUMENTS] });
}

/** The TodoMVC page, by what a visitor sees and does. */
export class TodoPage {
  readonly page: Page;

  private constructor(page: Page) {
    this.page = page;
  }

  static async open(browser: Browser, url: string): Promise<TodoPage> {
    const context = await browser.newContext({ ignoreHTTPSErrors: true, viewport: { width: 900, height: 700 } });
    const page = await context.newPage();
    page.setDefaultTimeout(ACTION_TIMEOUT_MS);
    const opened = new TodoPage(page);
    await opened.#visit(() => page.goto(url));
    return opened;
  }

  async add(title: string): Promise<void> {
    await this.#saved('POST', async () => {
      await this.page.getByLabel('New todo').fill(title);
      await this.page.getByLabel('New todo').press('Enter');
    });
  }

  async complete(title: string): Promise<void> {
    await this.#saved('PATCH', () => this.page.getByLabel(`Completed: ${title}`).check());
  }

  async remove(title: string): Promise<void> {
    await this.page.getByText(title, { exact: true }).hover();
    await this.#saved('DELETE', () => this.page.getByLabel(`Delete: ${title}`).click());
  }

  async reload(): Promise<void> {
    await this.#visit(() => this.page.reload());
  }

  /** `title`, or `title (done)` for a completed one. */
  async todos(): Promise<readonly string[]> {
    const items = await this.page.locator('.todo-list li').all();
    return Promise.all(
      items.map(async (item) => {
        const title = (await item.locator('label').textContent()) ?? '';
        return (await item.locator('.toggle').isChecked()) ? `${title} (done)` : title;
      }),
    );
  }

  /** Waits until the page shows the todos; again where that was cut off by a change of the networks. */
  async #visit(load: () => Promise<unknown>): Promise<void> {
    const { page } = this;
    for (let visit = 1; ; visit += 1) {
      let isCutOff = false;
      const look = (request: Request): void => {
        isCutOff ||= request.failure()?.errorText === NETWORK_CHANGED;
      };
      page.on('requestfailed', look);
      try {
        await load();
        await page.locator('main:not([aria-busy])').waitFor();
        return;
      } catch (error) {
        isCutOff ||= [NETWORK_CHANGED, ERROR_PAGE].some((sign) => String(error).includes(sign));
        if (!isCutOff || visit === MOST_VISITS) throw error;
      } finally {
        page.off('requestfailed', look);
      }
    }
  }

  /** Does something, and waits until the server has answered that it took it. */
  async #saved(method: string, act: () => Promise<void>): Promise<void> {
    const answered = this.page.waitForResponse(
      (response) => response.request().method() === method && response.url().includes('/api/todos/'),
    );
    await act();
    const response = await answered;
    if (!response.ok()) throw new Error(`${method} ${response.url()} was answered ${response.status()}`);
  }
}
