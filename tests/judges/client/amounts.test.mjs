// The amounts of client.js are those of the server: both agree with the shared cases.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

import { Browser } from './page.mjs';
import { Server } from './server.mjs';

const CASES = JSON.parse(readFileSync(new URL('../amounts.json', import.meta.url), 'utf8'));

test('all shared cases', async () => {
  const server = await Server.start();
  const page = await new Browser().open(server);
  const { amounts } = page.module;
  for (const each of CASES) {
    const minor = (amount) => Math.round(amount * 10 ** each.decimals);
    const lines = each.lines.map(({ quantity, unit_price, discount, tax_rate }) => ({
      quantity: Math.round(quantity * 1000),
      unit_price: minor(unit_price),
      discount: minor(discount),
      tax_rate: tax_rate === null ? null : Math.round(tax_rate * 1000),
    }));
    const terms = { discount: minor(each.discount), rounding: minor(each.rounding), added: each.tax === 'added' };
    const { taxes, line_totals, tax_total, total } = each.expected;
    assert.deepEqual(JSON.parse(JSON.stringify(amounts(lines, terms))), {
      line_totals: line_totals.map(minor),
      taxes: taxes.map(({ rate, net, tax }) => ({ rate: Math.round(rate * 1000), net: minor(net), tax: minor(tax) })),
      tax_total: minor(tax_total),
      total: minor(total),
    });
  }
  assert.equal(CASES.length, 600);
  page.close();
  await server.end();
});
