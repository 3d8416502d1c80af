//! The kinds of requests that are limited apart from each other.

/// What a request is counted as. Every account and every address has a bucket of each class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Looks something up or lists what the caller may see; also signing in and out, for wrong passwords have limits of
    /// their own (`auth::guesses`).
    Read,
    /// Searches flights, shows or orders: the reads that cost most.
    Search,
    /// Takes seats.
    Hold,
    /// Confirms or cancels a booking. So customers whose holds are used up can still pay for what they hold, or give it back.
    Pay,
    /// Costs the hash of a new password: sign-ups, and changes of a password.
    SignUp,
    /// Every other write: catalogue, sales, roles, webhooks, mails, reminders, guests and API keys.
    Admin,
}

/// A value for each class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PerClass<T> {
    /// Of [`Class::Read`].
    pub read: T,
    /// Of [`Class::Search`].
    pub search: T,
    /// Of [`Class::Hold`].
    pub hold: T,
    /// Of [`Class::Pay`].
    pub pay: T,
    /// Of [`Class::SignUp`].
    pub sign_up: T,
    /// Of [`Class::Admin`].
    pub admin: T,
}

impl Class {
    /// Every class.
    pub const ALL: [Self; 6] = [Self::Read, Self::Search, Self::Hold, Self::Pay, Self::SignUp, Self::Admin];

    /// Its name in flags, headers and metrics: the policy of an account.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Search => "search",
            Self::Hold => "hold",
            Self::Pay => "pay",
            Self::SignUp => "sign_up",
            Self::Admin => "admin",
        }
    }

    /// The name of an address's policy.
    pub(super) fn of_address(self) -> &'static str {
        match self {
            Self::Read => "read-address",
            Self::Search => "search-address",
            Self::Hold => "hold-address",
            Self::Pay => "pay-address",
            Self::SignUp => "sign_up-address",
            Self::Admin => "admin-address",
        }
    }
}

impl<T> PerClass<T> {
    /// What `of` makes of each class.
    pub fn each(mut of: impl FnMut(Class) -> T) -> Self {
        Self {
            read: of(Class::Read),
            search: of(Class::Search),
            hold: of(Class::Hold),
            pay: of(Class::Pay),
            sign_up: of(Class::SignUp),
            admin: of(Class::Admin),
        }
    }

    /// The value of one class.
    pub fn of(&self, class: Class) -> &T {
        match class {
            Class::Read => &self.read,
            Class::Search => &self.search,
            Class::Hold => &self.hold,
            Class::Pay => &self.pay,
            Class::SignUp => &self.sign_up,
            Class::Admin => &self.admin,
        }
    }

    /// The same, to be changed.
    pub fn of_mut(&mut self, class: Class) -> &mut T {
        match class {
            Class::Read => &mut self.read,
            Class::Search => &mut self.search,
            Class::Hold => &mut self.hold,
            Class::Pay => &mut self.pay,
            Class::SignUp => &mut self.sign_up,
            Class::Admin => &mut self.admin,
        }
    }
}
