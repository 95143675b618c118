//! The tax on the goods of an order.

use serde::{Deserialize, Serialize};

use crate::domain::Thousandths;
use crate::domain::words::words;

words! {
    /// Whether prices have the tax in them.
    TaxMode {
        /// Prices include the tax, as is usual where consumers buy.
        Included = "included",
        /// The tax is added to the prices.
        Added = "added",
    }
}

/// The goods of one tax rate in an order, and the tax on them, in minor units.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaxSum {
    /// The rate, in per cent.
    pub rate: Thousandths,
    /// The price without the tax.
    pub net: i64,
    /// The tax.
    pub tax: i64,
}
