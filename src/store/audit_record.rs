//! The vocabulary of the audit trail: actions and their subjects, with the numbers that the database holds.

use std::borrow::Cow;

use crate::domain::EntityKind;
use crate::domain::product::STOCK;
use crate::domain::stock_change::StockReason;

/// The kind of a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// The subject was created.
    Create,
    /// These fields were changed.
    Update(Vec<Cow<'static, str>>),
    /// The subject was removed.
    Delete,
    /// The personal data in the subject were erased.
    Erase,
    /// A backup replaced the shop.
    Restore,
    /// The user with this id logged in.
    Login,
    /// The user with this id logged out.
    Logout,
    /// Somebody gave a wrong password for the user with this id.
    FailedLogin,
    /// Further passwords for that user are refused for a while, from that address at least.
    Lockout,
    /// Further passwords for that user are delayed for a while: wrong ones came from many addresses.
    Delay,
    /// A login ended a session of the user with this id, because there were too many.
    Displace,
    /// The admin with this id typed a code that no device shows.
    WrongCode,
    /// An admin had a backup made.
    Backup,
    /// The product's stock was changed by a quantity, for this reason, with this note.
    ChangeStock(StockReason, Option<String>),
}

impl Action {
    /// The names of all actions, by their numbers.
    pub const NAMES: [&str; 14] = [
        "create",
        "update",
        "delete",
        "erase",
        "restore",
        "login",
        "logout",
        "failed_login",
        "lockout",
        "delay",
        "displace",
        "change_stock",
        "wrong_code",
        "backup",
    ];

    /// The action's name.
    pub fn name(&self) -> &'static str {
        Self::NAMES[usize::from(self.number())]
    }

    /// The action's number in the database, which never changes and is never reused.
    pub(super) fn number(&self) -> u8 {
        match self {
            Self::Create => 0,
            Self::Update(_) => 1,
            Self::Delete => 2,
            Self::Erase => 3,
            Self::Restore => 4,
            Self::Login => 5,
            Self::Logout => 6,
            Self::FailedLogin => 7,
            Self::Lockout => 8,
            Self::Delay => 9,
            Self::Displace => 10,
            Self::ChangeStock(..) => 11,
            Self::WrongCode => 12,
            Self::Backup => 13,
        }
    }

    /// The names of the changed fields as they are stored, joined by commas.
    pub(super) fn fields(&self) -> Option<String> {
        match self {
            Self::Update(fields) => Some(fields.join(",")),
            Self::ChangeStock(..) => Some(STOCK.name.to_owned()),
            _ => None,
        }
    }

    /// The reason and the note of a change of stock.
    pub(super) fn reason(&self) -> Option<(StockReason, Option<&str>)> {
        match self {
            Self::ChangeStock(reason, note) => Some((*reason, note.as_deref())),
            _ => None,
        }
    }

    /// The action with that number in the database, these names of changed fields, this reason and this note;
    /// `None` for an unknown number.
    pub(super) fn from_stored(
        number: u8,
        fields: Option<&str>,
        reason: Option<StockReason>,
        note: Option<String>,
    ) -> Option<Self> {
        match number {
            0 => Some(Self::Create),
            1 => {
                let names = fields.into_iter().flat_map(|names| names.split(','));
                let names = names.filter(|name| !name.is_empty());
                Some(Self::Update(names.map(|name| Cow::Owned(name.to_owned())).collect()))
            }
            2 => Some(Self::Delete),
            3 => Some(Self::Erase),
            4 => Some(Self::Restore),
            5 => Some(Self::Login),
            6 => Some(Self::Logout),
            7 => Some(Self::FailedLogin),
            8 => Some(Self::Lockout),
            9 => Some(Self::Delay),
            10 => Some(Self::Displace),
            11 => Some(Self::ChangeStock(reason?, note)),
            12 => Some(Self::WrongCode),
            13 => Some(Self::Backup),
            _ => None,
        }
    }
}

/// The subject of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuditSubject {
    /// An entity.
    Entity(EntityKind),
    /// A user.
    User,
    /// A device.
    Device,
    /// The logins of a user; its `row_id` is the user's.
    Session,
    /// The shop as a whole; its `row_id` is 1.
    Shop,
}

impl AuditSubject {
    /// All subjects.
    pub fn all() -> impl Iterator<Item = Self> {
        let others = [Self::User, Self::Device, Self::Session, Self::Shop];
        EntityKind::ALL.into_iter().map(Self::Entity).chain(others)
    }

    /// The subject's name, such as `order` or `user`.
    pub fn noun(self) -> &'static str {
        match self {
            Self::Entity(kind) => kind.schema().noun,
            Self::User => "user",
            Self::Device => "device",
            Self::Session => "session",
            Self::Shop => "shop",
        }
    }

    /// The subject's number in the database, which never changes and is never reused.
    pub(super) fn number(self) -> u8 {
        match self {
            Self::Entity(kind) => kind.number(),
            Self::User => 5,
            // Far above the numbers of future kinds.
            Self::Device => 253,
            Self::Session => 254,
            Self::Shop => 255,
        }
    }

    /// The subject with that number in the database; `None` for an unknown number.
    pub(super) fn from_number(number: u8) -> Option<Self> {
        Self::all().find(|subject| subject.number() == number)
    }
}

/// One change as the trail stores it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditRecord {
    /// The action.
    pub action: Action,
    /// The subject of the change.
    pub subject: AuditSubject,
    /// The id of the subject.
    pub row_id: i64,
    /// The first and the last `seq` of the change's events; `None` for a user or device, who has no events.
    pub seqs: Option<(i64, i64)>,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Existing databases hold these numbers; changing one would give old entries another meaning.
    #[test]
    fn numbers_are_pinned() {
        let names = "create update delete erase restore login logout failed_login lockout delay displace \
                     change_stock wrong_code backup";
        assert_eq!(Action::NAMES.join(" "), names);
        for (number, name) in (0..).zip(Action::NAMES) {
            let action =
                Action::from_stored(number, Some("name"), Some(StockReason::Loss), None).unwrap();
            assert_eq!((action.number(), action.name()), (number, name));
            let fields = match number {
                1 => Some("name"),
                11 => Some("stock"),
                _ => None,
            };
            assert_eq!(action.fields().as_deref(), fields);
        }
        assert_eq!(Action::from_stored(14, None, None, None), None, "a number of a later version");
        let subjects: Vec<_> =
            AuditSubject::all().map(|subject| (subject.noun(), subject.number())).collect();
        let pinned = [
            ("order", 0),
            ("product", 1),
            ("customer", 2),
            ("shipment", 3),
            ("transaction", 4),
            ("user", 5),
            ("device", 253),
            ("session", 254),
            ("shop", 255),
        ];
        assert_eq!(subjects, pinned);
        assert_eq!(AuditSubject::from_number(6), None, "a number of a later version");
    }
}
