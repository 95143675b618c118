// Places and pays an order, and sells in one request, with the types that openapi-typescript makes of /openapi.json.
import createClient from 'openapi-fetch';
import type { components, operations, paths } from './openapi';

type Schemas = components['schemas'];

const outside: Schemas['NewOrder'] = { total: 12.5, currency: 'EUR' };
// @ts-expect-error A number is no order.
const number: Schemas['NewOrder'] = 42;
// @ts-expect-error Neither items nor a total.
const empty: Schemas['NewOrder'] = {};
// @ts-expect-error No such status.
const patch: Schemas['OrderPatch'] = { status: 'lost' };
// @ts-expect-error No product.
const line: Schemas['SaleLine'] = { quantity: 1 };
type Refused = operations['createOrder']['responses']['409']['content']['application/problem+json'];
export type { Refused };
export { empty, line, number, outside, patch };

declare const process: { argv: string[] };
const [baseUrl = '', password = ''] = process.argv.slice(2);

function expect(holds: unknown, about: unknown): asserts holds {
    if (!holds) throw new Error(JSON.stringify(about));
}

const anybody = createClient<paths>({ baseUrl });
const login = await anybody.POST('/api/auth/login', { body: { username: 'admin', password } });
const cookie = login.response.headers.get('set-cookie')?.split(';')[0];
expect(login.data?.user.role === 'admin' && cookie, login);
const shop = createClient<paths>({ baseUrl, headers: { cookie } });

const product = await shop.POST('/api/products', { body: { name: 'Tea', sku: 'TEA', price: 2.5, stock: 9 } });
expect(product.data, product.error);
const items = [{ product_id: product.data.id, quantity: 2 }];
const order = await shop.POST('/api/orders', { body: { items } });
expect(order.data, order.error);
const payment = { order_id: order.data.id, type: 'payment', status: 'completed', amount: 5 } as const;
await shop.POST('/api/transactions', { body: payment });
const paid = await shop.GET('/api/orders/{id}', { params: { path: { id: order.data.id } } });
const status: Schemas['OrderPaymentStatus'] | undefined = paid.data?.payment_status;
expect(status === 'paid', paid);

const sale: Schemas['NewSale'] = {
    client_id: 'till 1, sale 1',
    items: [{ sku: 'TEA', quantity: 3 }],
    payments: [{ gateway: 'cash', amount: 10 }],
};
for (const stored of [201, 200]) {
    const { data, error, response } = await shop.POST('/api/sales', { body: sale });
    expect(data && response.status === stored, error);
    expect(data.change === 2.5 && data.transactions[0]?.tendered === 10, data);
}
const refused = await shop.POST('/api/sales', { body: { ...sale, items: [{ sku: 'TEA', quantity: 4 }] } });
const code: Schemas['ProblemCode'] | undefined = refused.error?.code;
expect(code === 'client_id_reused', refused);
console.log(order.data.order_number);
