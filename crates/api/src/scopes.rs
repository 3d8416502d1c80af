//! What API keys may be allowed, and which operation needs which scope.
//!
//! Guarantee: an operation that is not in the table is refused to keys, so a new one is not opened to them by oversight. What
//! belongs to a person stays out of it: passwords, sessions, API keys, the account itself.
//! A scope never adds to what the key's owner may do: the role is asked for after it.

use crate::users::Role;
use axum::http::Method;

macro_rules! scopes {
    ($($(#[doc = $doc:literal])+ $name:ident = $word:literal, $role:ident;)+) => {
        /// Something that a key may be allowed. The words never change their meaning.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Scope {
            $($(#[doc = $doc])+ $name,)+
        }

        impl Scope {
            /// Every scope there is.
            pub(crate) const ALL: &'static [Self] = &[$(Self::$name),+];

            /// The word in requests, answers and the table.
            pub(crate) fn as_str(self) -> &'static str {
                match self { $(Self::$name => $word,)+ }
            }

            /// The role that its owner needs to give it to a key.
            pub(crate) fn given_by(self) -> Role {
                match self { $(Self::$name => Role::$role,)+ }
            }
        }
    };
}

scopes! {
    /// The account, and for admins all accounts and the changes of roles.
    AccountsRead = "accounts:read", Customer;
    /// Roles.
    AccountsAdmin = "accounts:admin", Admin;
    /// Bookings.
    BookingsRead = "bookings:read", Customer;
    /// Reserving, confirming and cancelling.
    BookingsWrite = "bookings:write", Customer;
    /// Cities, airports and airplanes.
    CatalogueAdmin = "catalogue:admin", Admin;
    /// Opening, changing and cancelling flights.
    FlightsAdmin = "flights:admin", Admin;
    /// What is known of guests.
    GuestsRead = "guests:read", Agent;
    /// Making and erasing guests.
    GuestsWrite = "guests:write", Agent;
    /// Seats and sales of a flight or show.
    InventoriesAdmin = "inventories:admin", Admin;
    /// Mails that failed.
    MailsAdmin = "mails:admin", Admin;
    /// Reminders.
    RemindersRead = "reminders:read", Customer;
    /// Asking for reminders.
    RemindersWrite = "reminders:write", Customer;
    /// Opening, changing and cancelling shows.
    ShowsAdmin = "shows:admin", Admin;
    /// Webhook endpoints and their deliveries.
    WebhooksRead = "webhooks:read", Admin;
    /// Registering and changing webhook endpoints.
    WebhooksWrite = "webhooks:write", Admin;
}

impl Scope {
    /// The scope of a word; none if it is none of ours.
    pub(crate) fn from_word(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|scope| scope.as_str() == word)
    }
}

/// What an operation asks of an API key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// That it has this scope.
    Scope(Scope),
    /// That it is none: a person has signed in.
    Person,
}

/// Which operation needs which scope.
const TABLE: &[(&str, &str, Scope)] = &[
    ("GET", "/v1/users", Scope::AccountsRead),
    ("GET", "/v1/users/me", Scope::AccountsRead),
    ("GET", "/v1/role-changes", Scope::AccountsRead),
    ("PUT", "/v1/users/{id}/role", Scope::AccountsAdmin),
    ("GET", "/v1/bookings", Scope::BookingsRead),
    ("GET", "/v1/bookings/{id}", Scope::BookingsRead),
    ("GET", "/v1/bookings/{id}/timeline", Scope::BookingsRead),
    ("GET", "/v1/inventories/{id}/bookings", Scope::BookingsRead),
    ("POST", "/v1/bookings", Scope::BookingsWrite),
    ("POST", "/v1/bookings/{id}/confirm", Scope::BookingsWrite),
    ("POST", "/v1/bookings/{id}/cancel", Scope::BookingsWrite),
    ("POST", "/v1/cities", Scope::CatalogueAdmin),
    ("PATCH", "/v1/cities/{id}", Scope::CatalogueAdmin),
    ("DELETE", "/v1/cities/{id}", Scope::CatalogueAdmin),
    ("POST", "/v1/airports", Scope::CatalogueAdmin),
    ("PATCH", "/v1/airports/{id}", Scope::CatalogueAdmin),
    ("DELETE", "/v1/airports/{id}", Scope::CatalogueAdmin),
    ("POST", "/v1/airplanes", Scope::CatalogueAdmin),
    ("PATCH", "/v1/airplanes/{id}", Scope::CatalogueAdmin),
    ("DELETE", "/v1/airplanes/{id}", Scope::CatalogueAdmin),
    ("POST", "/v1/flights", Scope::FlightsAdmin),
    ("PATCH", "/v1/flights/{id}", Scope::FlightsAdmin),
    ("POST", "/v1/flights/{id}/cancel", Scope::FlightsAdmin),
    ("GET", "/v1/guests/{id}", Scope::GuestsRead),
    ("POST", "/v1/guests", Scope::GuestsWrite),
    ("DELETE", "/v1/guests/{id}", Scope::GuestsWrite),
    ("POST", "/v1/inventories/{id}/capacity", Scope::InventoriesAdmin),
    ("POST", "/v1/inventories/{id}/close-sales", Scope::InventoriesAdmin),
    ("POST", "/v1/inventories/{id}/reopen-sales", Scope::InventoriesAdmin),
    ("POST", "/v1/inventories/{id}/block", Scope::InventoriesAdmin),
    ("POST", "/v1/inventories/{id}/unblock", Scope::InventoriesAdmin),
    ("GET", "/v1/mails/failed", Scope::MailsAdmin),
    ("POST", "/v1/mails/{id}/retry", Scope::MailsAdmin),
    ("GET", "/v1/reminders", Scope::RemindersRead),
    ("POST", "/v1/reminders", Scope::RemindersWrite),
    ("DELETE", "/v1/reminders/{id}", Scope::RemindersWrite),
    ("POST", "/v1/reminders/{id}/retry", Scope::RemindersWrite),
    ("POST", "/v1/shows", Scope::ShowsAdmin),
    ("PATCH", "/v1/shows/{id}", Scope::ShowsAdmin),
    ("POST", "/v1/shows/{id}/cancel", Scope::ShowsAdmin),
    ("GET", "/v1/webhook-endpoints", Scope::WebhooksRead),
    ("GET", "/v1/webhook-endpoints/{id}", Scope::WebhooksRead),
    ("GET", "/v1/webhook-endpoints/{id}/deliveries", Scope::WebhooksRead),
    ("POST", "/v1/webhook-endpoints", Scope::WebhooksWrite),
    ("DELETE", "/v1/webhook-endpoints/{id}", Scope::WebhooksWrite),
    ("POST", "/v1/webhook-endpoints/{id}/enable", Scope::WebhooksWrite),
    ("POST", "/v1/webhook-endpoints/{id}/rotate-secret", Scope::WebhooksWrite),
    ("POST", "/v1/webhook-endpoints/{id}/ping", Scope::WebhooksWrite),
    ("POST", "/v1/webhook-endpoints/{id}/replay", Scope::WebhooksWrite),
    ("POST", "/v1/webhook-endpoints/{id}/deliveries/{delivery_id}/redeliver", Scope::WebhooksWrite),
];

/// What an operation asks of an API key.
pub(crate) fn access(method: &Method, path: &str) -> Access {
    let row = TABLE.iter().find(|(of_method, of_path, _)| method.as_str() == *of_method && path == *of_path);
    row.map_or(Access::Person, |(_, _, scope)| Access::Scope(*scope))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_one_scope_and_what_is_not_in_the_table_needs_a_person() {
        for scope in Scope::ALL {
            assert_eq!(Scope::from_word(scope.as_str()), Some(*scope));
            assert!(TABLE.iter().any(|(.., used)| used == scope), "{scope:?} opens nothing");
        }
        assert_eq!(Scope::from_word("everything"), None);
        assert_eq!(access(&Method::PUT, "/v1/users/me/password"), Access::Person);
        assert_eq!(access(&Method::POST, "/v1/bookings"), Access::Scope(Scope::BookingsWrite));
    }
}
