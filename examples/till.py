"""A till that goes on selling while the server is down, and that loses no sale if it crashes itself.

TILLCAST_TOKEN=... python3 -u examples/till.py localhost:3000 till.json
Each line of standard input is a sale: SKUs with their quantities, and the cash that was given: TEA 2 CUP 1 20.00
"""
import http.client, json, os, sys, time, uuid
from decimal import ROUND_HALF_UP, Decimal
server, path = sys.argv[1:]
state = json.load(open(path)) if os.path.exists(path) else {"prices": {}, "outbox": [], "refused": []}

def save():
    with open(path + ".new", "w") as file:
        json.dump(state, file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(path + ".new", path)

def call(method, path, body=None):
    headers = {"Authorization": "Bearer " + os.environ["TILLCAST_TOKEN"], "Content-Type": "application/json"}
    connection = http.client.HTTPConnection(server, timeout=10)
    connection.request(method, path, body and json.dumps(body), headers)
    answer = connection.getresponse()
    return answer.status, json.load(answer, parse_float=str)

def sell(goods, cash):
    """Writes a sale down before anything can go wrong, and returns the change."""
    sale = {"client_id": str(uuid.uuid4()), "payments": [{"gateway": "cash", "amount": float(cash)}], "items": []}
    sale["sold_at"], total = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), Decimal(0)
    for sku, quantity in zip(goods[::2], goods[1::2], strict=True):
        price = Decimal(state["prices"][sku])
        total += (price * Decimal(quantity)).quantize(price, ROUND_HALF_UP)
        sale["items"].append({"sku": sku, "quantity": float(quantity), "unit_price": float(price)})
    state["outbox"].append(sale | {"total": float(total)})
    save()
    return Decimal(cash) - total

def send():
    """Sends what waits, the oldest first, and reads the prices. What is stored, or never can be, leaves the outbox."""
    try:
        while state["outbox"]:
            status, answer = call("POST", "/api/sales", state["outbox"][0])
            if status in (401, 403, 408, 429) or status >= 500:
                raise OSError(answer["detail"])
            state["refused"] += [[state["outbox"][0], answer]] if status >= 300 else []
            print("stored" if status < 300 else "refused", state["outbox"].pop(0)["client_id"])
            save()
        for product in call("GET", "/api/products?status=published&limit=200")[1]["data"]:
            state["prices"][product["sku"]] = str(product["price"])
    except (OSError, http.client.HTTPException, LookupError, ValueError) as error:
        print(len(state["outbox"]), "sales wait:", error)

send()
print("goods", state["prices"])
for line in sys.stdin:
    *goods, cash = line.split()
    print("change", sell(goods, cash))
    send()
while state["outbox"]:
    time.sleep(1)
    send()
