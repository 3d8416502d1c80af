//! The stable names of everything that can go wrong, each with its status and title.
//!
//! A code never changes its meaning; a client may branch on it. One it does not know means what its
//! status means.

use axum::http::StatusCode;

macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $name:ident = $code:literal, $status:ident, $title:literal;)+) => {
        /// What went wrong, as a word that never changes its meaning.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub(crate) enum Code {
            $($(#[doc = $doc])+ $name,)+
        }

        impl Code {
            /// Every code there is.
            #[cfg(test)]
            pub(crate) const ALL: &'static [Self] = &[$(Self::$name),+];

            /// The word in the answer's `code`.
            pub(crate) fn as_str(self) -> &'static str {
                match self { $(Self::$name => $code,)+ }
            }

            /// The one status it is answered with.
            pub(crate) fn status(self) -> StatusCode {
                match self { $(Self::$name => StatusCode::$status,)+ }
            }

            /// A short sentence that is the same for every answer with this code.
            pub(crate) fn title(self) -> &'static str {
                match self { $(Self::$name => $title,)+ }
            }

            /// The URI in the answer's `type`.
            pub(crate) fn uri(self) -> &'static str {
                match self { $(Self::$name => concat!("urn:holdfast:problem:", $code),)+ }
            }
        }
    };
}

codes! {
    /// The body is not JSON.
    MalformedJson = "malformed_json", BAD_REQUEST, "The body is not JSON";
    /// The cursor was not made by us, or by another query.
    InvalidCursor = "invalid_cursor", BAD_REQUEST, "The cursor does not belong to this query";
    /// A request that creates something came without a key.
    IdempotencyKeyRequired = "idempotency_key_required", BAD_REQUEST, "An Idempotency-Key is required";
    /// The key is not 1 to 255 printable ASCII characters.
    IdempotencyKeyInvalid = "idempotency_key_invalid", BAD_REQUEST, "The Idempotency-Key is not valid";
    /// Who is asking is not known.
    Unauthenticated = "unauthenticated", UNAUTHORIZED, "A valid token is required";
    /// E-mail and password do not belong together.
    InvalidCredentials = "invalid_credentials", UNAUTHORIZED, "E-mail or password is wrong";
    /// Who is asking may not ask this.
    Forbidden = "forbidden", FORBIDDEN, "This is not allowed to you";
    /// The API key lacks the scope of the operation; `scope` names it.
    ScopeMissing = "scope_missing", FORBIDDEN, "The API key lacks a scope";
    /// The operation takes no API keys: a person signs in for it.
    SignInRequired = "sign_in_required", FORBIDDEN, "This takes a sign-in, not an API key";
    /// The password given for a change is not the account's.
    WrongPassword = "wrong_password", FORBIDDEN, "The current password is wrong";
    /// There is no such path or thing, or it is somebody else's.
    NotFound = "not_found", NOT_FOUND, "There is no such thing";
    /// The path knows other methods; `Allow` names them.
    MethodNotAllowed = "method_not_allowed", METHOD_NOT_ALLOWED, "The path does not know this method";
    /// The client took too long to send the body.
    RequestTimeout = "request_timeout", REQUEST_TIMEOUT, "The body did not arrive in time";
    /// Not enough seats are left.
    SoldOut = "sold_out", CONFLICT, "Not enough seats are left";
    /// The user has as many live bookings as the policy allows.
    DuplicateBooking = "duplicate_booking", CONFLICT, "The user has a booking already";
    /// The user has reached a limit of the policy; `limit_name` says which.
    BookingLimitReached = "booking_limit_reached", CONFLICT, "A limit of bookings per user is reached";
    /// Sales are closed.
    SalesClosed = "sales_closed", CONFLICT, "Sales are closed";
    /// The flight has left or the show has begun: customers neither book nor confirm nor cancel any more.
    Departed = "departed", CONFLICT, "The flight has departed, or the show has begun";
    /// The flight does not take place: nothing of it is sold any more, and its bookings end.
    FlightCancelled = "flight_cancelled", CONFLICT, "The flight is cancelled";
    /// The show does not take place: nothing of it is sold any more, and its bookings end.
    ShowCancelled = "show_cancelled", CONFLICT, "The show is cancelled";
    /// A flight of this number leaves on that day already.
    FlightExists = "flight_exists", CONFLICT, "A flight of this number leaves on that day already";
    /// The hold ended before it was confirmed or cancelled.
    HoldExpired = "hold_expired", CONFLICT, "The hold has expired";
    /// The booking's status does not allow this.
    InvalidState = "invalid_state", CONFLICT, "The booking's status does not allow this";
    /// The inventory is open already, with other terms.
    AlreadyOpen = "already_open", CONFLICT, "The inventory is already open";
    /// An account has this e-mail already.
    EmailTaken = "email_taken", CONFLICT, "An account has this e-mail already";
    /// Live bookings of flights and shows to come belong to the account; `live` says how many.
    BookingsToCome = "bookings_to_come", CONFLICT, "The account has live bookings to come";
    /// It would leave nobody who is an admin.
    LastAdmin = "last_admin", CONFLICT, "This is the last admin";
    /// The account's password is too short for an agent or admin.
    StaffPassword = "staff_password", CONFLICT, "The account's password is too short for this role";
    /// A city has this name already.
    NameTaken = "name_taken", CONFLICT, "A city has this name already";
    /// An airport has this code already.
    AirportCodeTaken = "airport_code_taken", CONFLICT, "An airport has this code already";
    /// Something depends on what was to be deleted; `used_by` says what.
    InUse = "in_use", CONFLICT, "Something depends on it";
    /// There are as many webhook endpoints as there may be.
    TooManyWebhookEndpoints = "too_many_webhook_endpoints", CONFLICT, "There are too many webhook endpoints";
    /// The account has as many API keys as it may have.
    TooManyApiKeys = "too_many_api_keys", CONFLICT, "There are too many API keys";
    /// There are as many reminders of the account waiting as there may be.
    TooManyReminders = "too_many_reminders", CONFLICT, "There are too many reminders";
    /// The reminder's status does not allow this.
    ReminderState = "reminder_state", CONFLICT, "The reminder's status does not allow this";
    /// A replay of the endpoint is being queued.
    ReplayRunning = "replay_running", CONFLICT, "A replay is being queued already";
    /// It was changed since it was read: read it again.
    VersionMismatch = "version_mismatch", PRECONDITION_FAILED, "It has another version by now";
    /// A change came without `If-Match`.
    PreconditionRequired = "precondition_required", PRECONDITION_REQUIRED, "If-Match is required";
    /// The body is larger than we read.
    PayloadTooLarge = "payload_too_large", PAYLOAD_TOO_LARGE, "The body is too large";
    /// The body is not declared as JSON.
    UnsupportedMediaType = "unsupported_media_type", UNSUPPORTED_MEDIA_TYPE, "The body must be application/json";
    /// Fields are missing, unknown or out of range; `errors` points at each.
    ValidationFailed = "validation_failed", UNPROCESSABLE_ENTITY, "The request is not valid";
    /// The key was accepted before, with another request.
    IdempotencyKeyReused = "idempotency_key_reused", UNPROCESSABLE_ENTITY, "The Idempotency-Key was used for another request";
    /// Too many requests, or too many wrong passwords; `Retry-After` says when to try again.
    RateLimited = "rate_limited", TOO_MANY_REQUESTS, "Too many requests";
    /// Our fault. Sending it again with the same key is safe.
    Internal = "internal", INTERNAL_SERVER_ERROR, "Something failed on our side";
    /// Too much is waiting. This request did nothing and will do nothing; `Retry-After` says when to try again.
    Overloaded = "overloaded", SERVICE_UNAVAILABLE, "Too many requests are waiting";
    /// The store cannot be reached or takes nothing. This request did nothing and will do nothing; `Retry-After` says when to try again.
    StoreUnavailable = "store_unavailable", SERVICE_UNAVAILABLE, "The store cannot be reached";
    /// It was perhaps done: send it again with the same key.
    OutcomeUnknown = "outcome_unknown", SERVICE_UNAVAILABLE, "It is not known whether this was done";
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn no_two_problems_share_a_code() {
        let words: HashSet<_> = Code::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(words.len(), Code::ALL.len());
    }
}
