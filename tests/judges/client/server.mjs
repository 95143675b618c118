// Starts the real program for the tests of client.js. The environment names it, and the folder of the packages.

import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const { TILLCAST, NODE_MODULES } = process.env;

/** Finds a package of `tests/judges/package.json`. */
export const need = createRequire(join(NODE_MODULES, '_'));

/** A server with a folder and a port of its own, which it has again after a restart. */
export class Server {
  static async start(flags = []) {
    const server = new Server();
    server.folder = mkdtempSync(join(tmpdir(), 'tillcast-client-'));
    server.port = await freePort();
    server.url = `http://127.0.0.1:${server.port}`;
    server.flags = flags;
    server.run('user', 'add', 'ana', '--role', 'admin');
    server.token = server.device('Till', 'staff');
    await server.again();
    process.on('exit', () => server.process?.kill('SIGKILL'));
    return server;
  }

  /** Runs another command on the same folder; a user's password is always the same. */
  run(...words) {
    const options = { input: 'correct horse battery\n', encoding: 'utf8', stdio: ['pipe', 'pipe', 'pipe'] };
    return execFileSync(TILLCAST, [...words, '--data-dir', join(this.folder, 'data')], options);
  }

  /** Adds a device; returns its token. */
  device(name, role) {
    return this.run('device', 'add', name, '--role', role).match(/\S{40,}/)[0];
  }

  async again() {
    const place = ['--data-dir', join(this.folder, 'data'), '--listen', `127.0.0.1:${this.port}`];
    this.process = spawn(TILLCAST, ['serve', ...place, ...this.flags], { stdio: ['ignore', 'ignore', 'pipe'] });
    this.log = '';
    this.process.stderr.setEncoding('utf8');
    await new Promise((resolve, reject) => {
      this.process.stderr.on('data', (text) => (this.log += text).includes('listening on') && resolve());
      this.process.on('exit', () => reject(new Error(this.log)));
    });
  }

  async stop(signal = 'SIGTERM') {
    const ended = new Promise((resolve) => this.process.once('exit', resolve));
    this.process.kill(signal);
    await ended;
  }

  async end() {
    await this.stop('SIGKILL');
    rmSync(this.folder, { recursive: true });
  }

  /** Asks as the admin does; fails unless the server takes it. */
  async ask(method, path, body) {
    this.cookie = this.cookie || (await this.login());
    const type = method === 'PATCH' ? 'application/merge-patch+json' : 'application/json';
    const headers = { 'Content-Type': type, Cookie: this.cookie };
    const reply = await fetch(this.url + path, { method, headers, body: body && JSON.stringify(body) });
    const text = await reply.text();
    if (!reply.ok) throw new Error(`${method} ${path}: ${reply.status} ${text}`);
    return text ? JSON.parse(text) : null;
  }

  async login() {
    const body = JSON.stringify({ username: 'ana', password: 'correct horse battery' });
    const headers = { 'Content-Type': 'application/json' };
    const reply = await fetch(`${this.url}/api/auth/login`, { method: 'POST', headers, body });
    return reply.headers.getSetCookie().map((cookie) => cookie.split(';')[0]).join('; ');
  }

  /** All rows of a list, oldest first. */
  async all(path) {
    const rows = [];
    for (let after = ''; after !== null; ) {
      const page = await this.ask('GET', `${path}${path.includes('?') ? '&' : '?'}order=asc&limit=200${after}`);
      rows.push(...page.data);
      after = page.next && `&after=${page.next}`;
    }
    return rows;
  }

  product(fields = {}) {
    const sku = `SKU-${Math.random()}`;
    return this.ask('POST', '/api/products', { name: 'Tea', sku, price: 2.5, stock: null, ...fields });
  }

  order(product, fields = {}) {
    return this.ask('POST', '/api/orders', { items: [{ product_id: product.id, quantity: 1 }], ...fields });
  }
}

async function freePort() {
  const server = createServer();
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Waits until `look` finds something, and returns that. A test that fails waits for 20 s. */
export async function until(look, told = look) {
  for (const end = Date.now() + 20_000; ; ) {
    const found = await look();
    if (found) return found;
    if (Date.now() > end) throw new Error(`never: ${told}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
