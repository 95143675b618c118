"""Computes each order of a JSON file again, with exact decimals, and compares the amounts.

Usage: amounts.py FILE. Prints the number of orders; exits with 1 at the first one that differs.
"""

import json
import sys
from decimal import ROUND_HALF_UP, Decimal, getcontext
from fractions import Fraction

getcontext().prec = 80


def amounts(order):
    unit = Decimal(1).scaleb(-order["decimals"])

    def rounded(amount):
        return amount.quantize(unit, rounding=ROUND_HALF_UP)

    lines = order["lines"]
    totals = [rounded(line["quantity"] * line["unit_price"]) - line["discount"] for line in lines]
    shares = spread(order["discount"], totals, unit)
    bases = {}
    for line, total, share in zip(lines, totals, shares):
        if line["tax_rate"] is not None:
            rate = Decimal(line["tax_rate"])
            bases[rate] = bases.get(rate, Decimal(0)) + total - share
    taxes = []
    for rate, base in sorted(bases.items()):
        if order["tax"] == "included":
            tax = rounded(base * rate / (100 + rate))
            taxes.append({"rate": rate, "net": base - tax, "tax": tax})
        else:
            taxes.append({"rate": rate, "net": base, "tax": rounded(base * rate / 100)})
    tax_total = sum((row["tax"] for row in taxes), Decimal(0))
    total = sum(totals) - order["discount"] + order["rounding"]
    if order["tax"] == "added":
        total += tax_total
    return {"line_totals": totals, "taxes": taxes, "tax_total": tax_total, "total": total}


def spread(discount, totals, unit):
    """The largest remainder method, by handing out the discount unit for unit."""
    whole = sum(totals)
    if whole == 0:
        return [Decimal(0)] * len(totals)
    exact = [Fraction(discount) * Fraction(total) / Fraction(whole) for total in totals]
    floors = [part // Fraction(unit) for part in exact]
    remainders = [part / Fraction(unit) - floor for part, floor in zip(exact, floors)]
    left = int(discount / unit) - sum(floors)
    for at in sorted(range(len(totals)), key=lambda at: (-remainders[at], at))[:left]:
        floors[at] += 1
    return [floor * unit for floor in floors]


def main(path):
    with open(path, encoding="utf-8") as file:
        orders = json.load(file, parse_float=Decimal, parse_int=lambda text: Decimal(text))
    for order in orders:
        order["decimals"] = int(order["decimals"])
        found = amounts(order)
        if found != order["expected"]:
            sys.exit(f"{order}: {found}")
    print(len(orders))


main(sys.argv[1])
