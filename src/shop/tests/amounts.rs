//! Properties of an order's amounts, in every currency, and the cases that other programs share.
//!
//! `TILLCAST_FREEZE=1 cargo test --lib amounts` writes new cases to `tests/judges/amounts.json`. There each case is
//! computed again by another program; an existing file is never written again.

use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, RngSeed, TestRunner};
use serde_json::{Value, json};

use crate::domain::tax::TaxMode;
use crate::domain::{Thousandths, currency, decimal, json};
use crate::shop::amounts::{Amounts, Line, amounts, sum};

const CASES: usize = 600;

/// An order that can be priced.
#[derive(Clone, Debug)]
struct Order {
    currency: &'static str,
    lines: Vec<Line>,
    discount: i64,
    rounding: i64,
}

impl Order {
    fn amounts(&self, mode: TaxMode) -> Amounts {
        amounts(&self.lines, self.discount, self.rounding, mode)
    }

    /// The sum of the lines.
    fn goods(&self) -> i64 {
        sum(self.lines.iter().map(Line::total))
    }
}

/// All currencies of ISO 4217 that have amounts.
static CURRENCIES: LazyLock<Vec<&str>> = LazyLock::new(|| {
    let letters = || (b'A'..=b'Z').map(char::from);
    let codes = letters().flat_map(|a| {
        letters().flat_map(move |b| letters().map(move |c| String::from_iter([a, b, c])))
    });
    let known: Vec<&str> =
        codes.filter(|code| currency::exponent(code).is_some()).map(|code| &*code.leak()).collect();
    assert!(known.len() > 150, "{known:?}");
    known
});

fn rate() -> impl Strategy<Value = Option<Thousandths>> {
    const USUAL: &[i64] = &[0, 2_500, 5_500, 7_000, 7_700, 8_875, 19_000, 20_000, 25_500, 100_000];
    let any = (0..=100_000_i64).prop_map(Thousandths);
    prop_oneof![
        1 => Just(None),
        4 => select(USUAL).prop_map(|rate| Some(Thousandths(rate))),
        1 => any.prop_map(Some),
    ]
}

fn line() -> impl Strategy<Value = Line> {
    let pieces = (1..20_i64).prop_map(Thousandths::whole);
    let weight = (1..5_000_i64).prop_map(Thousandths);
    let price = prop_oneof![3 => 0..5_000_i64, 1 => 0..100_000_000_i64];
    let quantity = prop_oneof![2 => pieces, 1 => weight];
    let discount = prop_oneof![2 => Just(0), 1 => 0..=100_u8];
    (quantity, price, discount, rate()).prop_map(|(quantity, unit_price, per_cent, tax_rate)| {
        let discount = Thousandths(i64::from(per_cent) * 10).times(quantity.times(unit_price));
        Line { quantity, unit_price, discount, tax_rate }
    })
}

fn order() -> impl Strategy<Value = Order> {
    let discount = prop_oneof![1 => Just(0), 2 => 0..=1_000_i64];
    let rounding = prop_oneof![3 => Just(0), 1 => -5..=5_i64];
    (select(CURRENCIES.as_slice()), vec(line(), 1..8), discount, rounding).prop_map(
        |(currency, lines, per_mille, rounding)| {
            let mut order = Order { currency, lines, discount: 0, rounding };
            order.discount = Thousandths(per_mille).times(order.goods());
            // No order costs less than nothing.
            order.rounding = rounding.max(order.discount - order.goods());
            order
        },
    )
}

fn mode() -> impl Strategy<Value = TaxMode> {
    select(TaxMode::ALL)
}

proptest! {
    #[test]
    fn the_parts_add_up_to_the_total(order in order(), mode in mode()) {
        let Amounts { total, tax_total, taxes } = order.amounts(mode);
        prop_assert_eq!(tax_total, sum(taxes.iter().map(|one| one.tax)));
        let untaxed = order.lines.iter().all(|line| line.tax_rate.is_none());
        prop_assert_eq!(taxes.is_empty(), untaxed);
        prop_assert!(taxes.iter().map(|one| one.rate).is_sorted_by(|one, next| one < next));
        let paid_for_goods = order.goods() - order.discount;
        let added = if mode == TaxMode::Added { tax_total } else { 0 };
        prop_assert_eq!(total, paid_for_goods + added + order.rounding);
        prop_assert!(total >= 0 && taxes.iter().all(|one| one.net >= 0 && one.tax >= 0));
        if order.lines.iter().all(|line| line.tax_rate.is_some()) {
            let gross = sum(taxes.iter().flat_map(|one| [one.net, one.tax]));
            prop_assert_eq!(gross + order.rounding, total);
        }
    }

    /// The tax that is in a price is the tax that would be added to its net, to one minor unit: the net was
    /// rounded before.
    #[test]
    fn included_and_added_agree(order in order()) {
        for included in order.amounts(TaxMode::Included).taxes {
            let net = Line {
                quantity: Thousandths::whole(1),
                unit_price: included.net,
                discount: 0,
                tax_rate: Some(included.rate),
            };
            let added = amounts(&[net], 0, 0, TaxMode::Added);
            prop_assert!((added.tax_total - included.tax).abs() <= 1, "{:?} {:?}", included, added);
        }
    }

    #[test]
    fn an_order_of_one_line_costs_its_line(line in line()) {
        let Amounts { total, tax_total, taxes } = amounts(&[line], 0, 0, TaxMode::Included);
        prop_assert_eq!(total, line.total());
        prop_assert_eq!(taxes.len(), usize::from(line.tax_rate.is_some()));
        prop_assert!(taxes.iter().all(|one| one.net + one.tax == total && one.tax == tax_total));
    }

    /// With a discount for the whole order, equal remainders go by the order of the lines, which can move one
    /// unit from a rate to another; what the customer pays for the goods stays.
    #[test]
    fn the_order_of_the_lines_does_not_matter(
        (order, shuffled) in order().prop_flat_map(|order| {
            let lines = Just(order.lines.clone()).prop_shuffle();
            (Just(order), lines)
        }),
        mode in mode(),
    ) {
        let other = Order { lines: shuffled, ..order.clone() };
        let (here, there) = (order.amounts(mode), other.amounts(mode));
        prop_assert_eq!(here.total - if mode == TaxMode::Added { here.tax_total } else { 0 },
            there.total - if mode == TaxMode::Added { there.tax_total } else { 0 });
        if order.discount == 0 {
            prop_assert_eq!(here, there);
        }
    }

    /// The discount leaves each line at least at nothing, and lowers each by its part to one unit.
    #[test]
    fn a_discount_is_spread_in_proportion(order in order()) {
        let lines = order.lines.iter().enumerate();
        let apart = lines.map(|(at, line)| Line {
            tax_rate: Some(Thousandths(i64::try_from(at).unwrap())), ..*line
        });
        let apart = Order { lines: apart.collect(), ..order };
        let taxed = apart.amounts(TaxMode::Added).taxes;
        let (goods, discount) = (i128::from(apart.goods()), i128::from(apart.discount));
        for (line, after) in apart.lines.iter().zip(&taxed) {
            let share = i128::from(line.total() - after.net);
            prop_assert!(share >= 0 && after.net >= 0);
            prop_assert!((share * goods - discount * i128::from(line.total())).abs() < goods.max(1));
        }
        let shares = apart.goods() - sum(taxed.iter().map(|one| one.net));
        prop_assert_eq!(shares, apart.discount);
    }
}

fn file() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/judges/amounts.json")
}

/// A case as other programs read it: numbers as in the API.
fn case(order: &Order, mode: TaxMode) -> Value {
    let decimals = currency::exponent(order.currency).unwrap();
    let number = |text: &str| json::parse(text.as_bytes()).unwrap();
    let money = |minor: i64| {
        let mut text = String::new();
        decimal::write(&mut text, minor, decimals);
        number(&text)
    };
    let exact = |value: Thousandths| number(&value.to_string());
    let lines = order.lines.iter().map(|line| {
        json!({
            "quantity": exact(line.quantity), "unit_price": money(line.unit_price),
            "discount": money(line.discount), "tax_rate": line.tax_rate.map(exact),
        })
    });
    let Amounts { total, tax_total, taxes } = order.amounts(mode);
    let taxes = taxes
        .iter()
        .map(|one| json!({"rate": exact(one.rate), "net": money(one.net), "tax": money(one.tax)}));
    json!({
        "currency": order.currency, "decimals": decimals, "tax": mode.word(),
        "lines": lines.collect::<Vec<_>>(), "discount": money(order.discount),
        "rounding": money(order.rounding),
        "expected": {
            "line_totals": order.lines.iter().map(|line| money(line.total())).collect::<Vec<_>>(),
            "taxes": taxes.collect::<Vec<_>>(), "tax_total": money(tax_total), "total": money(total),
        },
    })
}

fn write_cases() {
    let config = Config {
        cases: u32::try_from(CASES).unwrap(),
        rng_seed: RngSeed::Fixed(13),
        failure_persistence: None,
        ..Config::default()
    };
    let cases = std::cell::RefCell::new(Vec::new());
    let mut runner = TestRunner::new(config);
    let collected = runner.run(&(order(), mode()), |(order, mode)| {
        cases.borrow_mut().push(case(&order, mode).to_string());
        Ok(())
    });
    collected.unwrap();
    fs::write(file(), format!("[\n{}\n]\n", cases.into_inner().join(",\n"))).unwrap();
}

/// The order of a case in the file.
fn read_case(case: &Value) -> (Order, TaxMode) {
    let decimals = u32::try_from(case["decimals"].as_u64().unwrap()).unwrap();
    let scaled = |value: &Value, decimals: u32| -> i64 {
        let text = value.to_string();
        let (sign, size) = text.strip_prefix('-').map_or((1, &*text), |size| (-1, size));
        sign * decimal::Decimal::parse(size).unwrap().minor(decimals).unwrap()
    };
    let money = |value: &Value| scaled(value, decimals);
    let exact = |value: &Value| Thousandths(scaled(value, 3));
    let line = |line: &Value| Line {
        quantity: exact(&line["quantity"]),
        unit_price: money(&line["unit_price"]),
        discount: money(&line["discount"]),
        tax_rate: (!line["tax_rate"].is_null()).then(|| exact(&line["tax_rate"])),
    };
    let code = case["currency"].as_str().unwrap();
    let order = Order {
        currency: CURRENCIES.iter().find(|known| **known == code).unwrap(),
        lines: case["lines"].as_array().unwrap().iter().map(line).collect(),
        discount: money(&case["discount"]),
        rounding: money(&case["rounding"]),
    };
    (order, TaxMode::from_word(case["tax"].as_str().unwrap()).unwrap())
}

/// A changed formula must not pass unseen: the screens have the same one.
#[test]
fn the_shared_cases_are_met() {
    if std::env::var_os("TILLCAST_FREEZE").is_some() && !file().exists() {
        write_cases();
    }
    let cases: Value = serde_json::from_str(&fs::read_to_string(file()).unwrap()).unwrap();
    let cases = cases.as_array().unwrap();
    assert_eq!(cases.len(), CASES);
    for expected in cases {
        let (order, mode) = read_case(expected);
        assert_eq!(case(&order, mode), *expected);
    }
}
