"""Places an order and pays it, with the client that openapi-python-client makes of /openapi.json."""

import sys

from tillcast_client import Client
from tillcast_client.api.orders import create_order, get_order
from tillcast_client.api.products import create_product
from tillcast_client.api.session import login
from tillcast_client.api.transactions import create_transaction
from tillcast_client.models.login import Login
from tillcast_client.models.new_order_line import NewOrderLine
from tillcast_client.models.new_order_with_items import NewOrderWithItems
from tillcast_client.models.new_product import NewProduct
from tillcast_client.models.new_transaction import NewTransaction
from tillcast_client.models.order import Order
from tillcast_client.models.order_payment_status import OrderPaymentStatus
from tillcast_client.models.product import Product
from tillcast_client.models.transaction_status import TransactionStatus
from tillcast_client.models.transaction_type import TransactionType

base_url, password = sys.argv[1:]
client = Client(base_url=base_url)
session = login.sync_detailed(client=client, body=Login(username="admin", password=password))
client = client.with_headers({"Cookie": session.headers["set-cookie"].split(";")[0]})

tea = create_product.sync(client=client, body=NewProduct(name="Tea", sku="TEA", price=2.5, stock=3))
assert isinstance(tea, Product), tea
line = NewOrderLine(product_id=tea.id, quantity=2)
order = create_order.sync(client=client, body=NewOrderWithItems(items=[line]))
assert isinstance(order, Order), order
payment = NewTransaction(
    order_id=order.id, type_=TransactionType.PAYMENT, status=TransactionStatus.COMPLETED, amount=5.0
)
create_transaction.sync(client=client, body=payment)
paid = get_order.sync(client=client, id=order.id)
assert isinstance(paid, Order), paid
assert paid.payment_status is OrderPaymentStatus.PAID, paid.payment_status
print(paid.order_number)
