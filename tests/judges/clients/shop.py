"""Places and pays an order, and sells in one request, with what openapi-python-client makes of /openapi.json."""

import sys

from tillcast_client import AuthenticatedClient, Client
from tillcast_client.api.devices import create_device
from tillcast_client.api.orders import create_order, get_order
from tillcast_client.api.products import create_product
from tillcast_client.api.sales import sell
from tillcast_client.api.session import login
from tillcast_client.api.transactions import create_transaction
from tillcast_client.models.added_device import AddedDevice
from tillcast_client.models.device_role import DeviceRole
from tillcast_client.models.login import Login
from tillcast_client.models.new_device import NewDevice
from tillcast_client.models.new_order_line import NewOrderLine
from tillcast_client.models.new_order_with_items import NewOrderWithItems
from tillcast_client.models.new_product import NewProduct
from tillcast_client.models.new_sale import NewSale
from tillcast_client.models.new_transaction import NewTransaction
from tillcast_client.models.order import Order
from tillcast_client.models.order_payment_status import OrderPaymentStatus
from tillcast_client.models.product import Product
from tillcast_client.models.sale import Sale
from tillcast_client.models.sale_line_by_barcode import SaleLineByBarcode
from tillcast_client.models.sale_line_by_id import SaleLineById
from tillcast_client.models.sale_line_by_sku import SaleLineBySku
from tillcast_client.models.tender import Tender
from tillcast_client.models.transaction_status import TransactionStatus
from tillcast_client.models.transaction_type import TransactionType

base_url, password = sys.argv[1:]
client = Client(base_url=base_url)
session = login.sync_detailed(client=client, body=Login(username="admin", password=password))
client = client.with_headers({"Cookie": session.headers["set-cookie"].split(";")[0]})

tea = create_product.sync(client=client, body=NewProduct(name="Tea", sku="TEA", price=2.5, stock=9))
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

device = create_device.sync(client=client, body=NewDevice(name="Till", role=DeviceRole.STAFF))
assert isinstance(device, AddedDevice) and isinstance(device.token, str), device
till = AuthenticatedClient(base_url=base_url, token=device.token)
lines: list[SaleLineById | SaleLineBySku | SaleLineByBarcode] = [SaleLineBySku(sku="TEA", quantity=3)]
cash = Tender(gateway="cash", amount=10.0)
told = NewSale(client_id="till 1, sale 1", items=lines, payments=[cash], total=7.5)
for first in (True, False):
    answer = sell.sync_detailed(client=till, body=told)
    assert answer.status_code == (201 if first else 200), answer
    sale = answer.parsed
    assert isinstance(sale, Sale), sale
    assert sale.order.payment_status is OrderPaymentStatus.PAID, sale
    assert (sale.change, sale.transactions[0].tendered) == (2.5, 10.0), sale
print(paid.order_number)
