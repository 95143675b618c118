//! Roles and their rights.

use crate::domain::{EntityKind, KindSet};

/// The rights of a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Everything, users included.
    Admin,
    /// All five entities.
    Staff,
    /// Reads products, creates orders and reads those it created.
    Kiosk,
    /// Reads orders, products and shipments.
    Display,
    /// Prepares orders: reads them and products, and says how far each is.
    Kitchen,
    /// Prepares orders, and sends them.
    Picker,
}

impl Role {
    /// All roles.
    pub const ALL: [Self; 6] =
        [Self::Admin, Self::Staff, Self::Kiosk, Self::Display, Self::Kitchen, Self::Picker];

    /// The role's name in JSON and in SQL.
    pub fn name(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Staff => "staff",
            Self::Kiosk => "kiosk",
            Self::Display => "display",
            Self::Kitchen => "kitchen",
            Self::Picker => "picker",
        }
    }

    /// The role with that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == name)
    }

    /// Whether the role may read entities of that kind over REST; a kiosk reads only its own
    /// orders.
    pub fn may_read(self, kind: EntityKind) -> bool {
        match self {
            Self::Admin | Self::Staff => true,
            Self::Kiosk | Self::Kitchen => {
                matches!(kind, EntityKind::Product | EntityKind::Order)
            }
            Self::Display | Self::Picker => {
                matches!(kind, EntityKind::Order | EntityKind::Product | EntityKind::Shipment)
            }
        }
    }

    /// Whether the role may follow the kind's channel and read it in the event log.
    pub fn may_follow(self, kind: EntityKind) -> bool {
        self.may_read(kind)
    }

    /// Whether the role may create entities of that kind.
    pub fn may_create(self, kind: EntityKind) -> bool {
        match self {
            Self::Admin | Self::Staff => true,
            Self::Kiosk => kind == EntityKind::Order,
            Self::Picker => kind == EntityKind::Shipment,
            Self::Display | Self::Kitchen => false,
        }
    }

    /// Whether the role may patch entities of that kind; see `only_prepares` for orders.
    pub fn may_patch(self, kind: EntityKind) -> bool {
        match self {
            Self::Admin | Self::Staff => true,
            Self::Kitchen => kind == EntityKind::Order,
            Self::Picker => matches!(kind, EntityKind::Order | EntityKind::Shipment),
            Self::Kiosk | Self::Display => false,
        }
    }

    /// Whether the role may change of an order only how far it is: its status up to ready, and the lines that are
    /// done.
    pub fn only_prepares(self) -> bool {
        matches!(self, Self::Kitchen | Self::Picker)
    }

    /// Whether the role may delete and erase entities, and change the stock.
    pub fn may_change(self) -> bool {
        matches!(self, Self::Admin | Self::Staff)
    }

    /// Whether the role sees only the orders that it created itself.
    pub fn sees_only_own_orders(self) -> bool {
        self == Self::Kiosk
    }

    /// The kinds of which the role follows all events, but may not read each entity. Its events of these
    /// kinds are narrowed: see `event::narrow`.
    pub fn narrowed_kinds(self) -> KindSet {
        if self.sees_only_own_orders() { KindSet::of(EntityKind::Order) } else { KindSet::EMPTY }
    }

    /// Whether the role sees products that are not yet for sale.
    pub fn sees_drafts(self) -> bool {
        matches!(self, Self::Admin | Self::Staff)
    }

    /// Whether the role may manage users.
    pub fn may_manage_users(self) -> bool {
        self == Self::Admin
    }
}
