// Type-checked against the types that openapi-typescript makes of /openapi.json.
import type { components, operations, paths } from './openapi';

type Schemas = components['schemas'];

const counted: Schemas['NewOrder'] = { items: [{ product_id: 1, quantity: 2 }] };
const outside: Schemas['NewOrder'] = { total: 12.5, currency: 'EUR' };
// @ts-expect-error A number is no order.
const number: Schemas['NewOrder'] = 42;
// @ts-expect-error Neither items nor a total.
const empty: Schemas['NewOrder'] = {};
// @ts-expect-error No such status.
const patch: Schemas['OrderPatch'] = { status: 'lost' };

type Order = paths['/api/orders/{id}']['get']['responses']['200']['content']['application/json'];
const order = null as unknown as Order;
const status: Schemas['OrderStatus'] = order.status;
const etag: string = null as unknown as operations['getOrder']['responses']['200']['headers']['ETag'];
type Refused = operations['createOrder']['responses']['409']['content']['application/problem+json'];
const code: Schemas['ProblemCode'] = (null as unknown as Refused).code;

export { code, counted, empty, etag, number, outside, patch, status };
