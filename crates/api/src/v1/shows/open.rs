//! `POST /v1/shows`: open an inventory for a show; from then on its seats are sold.

use super::super::inventories::Capacity;
use crate::{
    command::CommandName,
    commands::AnswerLost,
    extract::{Admin, Body, IdempotencyKey, Trace},
    form::{CurrencyCode, Fields, Form, Instant, PriceAmount, Text, Whole, Zone, object},
    problem::{Problem, problems},
    state::ApiState,
    view::{Done, ShowView, tag},
};
use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use holdfast_domain::{
    HOLDS_PER_USER_DEFAULT, InventoryCommand, InventoryEvent, InventoryId, LIVE_BOOKINGS_PER_USER_DEFAULT,
    Money, OpenInventory, Policy, SEATS_PER_USER_DEFAULT, Subject,
};
use holdfast_event_log::Recorded;
use holdfast_writer::Accepted;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

const ROUTE: &str = "POST /v1/shows";

type Name = Text<1, 200>;
type SeatsPerBooking = Whole<1, 100>;
type LiveBookings = Whole<0, 1_000_000>;
type SeatsPerUser = Whole<0, 1_000_000>;
type HoldsPerUser = Whole<0, 1_000_000>;
type HoldSeconds = Whole<0, 86_400>;
type Allowance = Whole<0, 1_000_000>;

/// Asks for a sale.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"name": "The Tempest", "starts_at": "2027-06-01T19:30:00Z", "zone": "Europe/London",
    "capacity": 500, "price": {"amount": 4950, "currency": "GBP"}, "policy": {"seats_per_booking": 6}}))]
pub(crate) struct OpenShow {
    /// What it is called.
    #[schema(inline)]
    name: Name,
    /// When it begins, in the future. From then on customers neither book nor confirm nor cancel.
    #[schema(inline)]
    starts_at: Option<Instant>,
    /// IANA zone of the venue.
    #[schema(inline)]
    zone: Option<Zone>,
    /// When its sale ends: at the start or before it. Left out: at the start. From then on no seat is reserved; what is
    /// held can be confirmed until the start.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(inline)]
    sales_end_at: Option<Instant>,
    /// Number of seats.
    #[schema(inline)]
    capacity: Capacity,
    /// Price of one seat.
    #[serde(deserialize_with = "object")]
    price: Price,
    /// The limits of the sale; what is left out has its usual value.
    #[serde(default, deserialize_with = "object")]
    policy: PolicyOfSale,
}

/// The price of one seat.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Price {
    /// Minor units, such as cents.
    #[schema(inline)]
    pub(crate) amount: PriceAmount,
    /// ISO 4217.
    #[schema(inline)]
    pub(crate) currency: CurrencyCode,
}

/// The limits under which seats are sold.
#[derive(Default, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct PolicyOfSale {
    /// Most seats in one booking; 10 if left out.
    #[schema(inline)]
    seats_per_booking: Option<SeatsPerBooking>,
    /// Most live bookings of one user; 0 = no limit; 10 if left out.
    #[schema(inline)]
    live_bookings_per_user: Option<LiveBookings>,
    /// How long a hold lasts; 0 = confirmed at once; 900 if left out.
    #[schema(inline)]
    hold_seconds: Option<HoldSeconds>,
    /// Seats that may be sold beyond the capacity; 0 if left out.
    #[schema(inline)]
    overbooking_allowance: Option<Allowance>,
    /// Most seats of one user's live bookings; 0 = no limit; if left out 20, or as many as one booking may have, if that
    /// is more.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(inline)]
    seats_per_user: Option<SeatsPerUser>,
    /// Holds of one user that may end unconfirmed (cancelled or expired) before the next is refused; 0 = no limit; 10 if left
    /// out.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(inline)]
    holds_per_user: Option<HoldsPerUser>,
}

impl Form for OpenShow {
    fn fields(fields: &mut Fields<'_>) {
        fields.required::<Name>("name");
        fields.optional::<Instant>("starts_at");
        fields.optional::<Zone>("zone");
        fields.optional::<Instant>("sales_end_at");
        fields.required::<Capacity>("capacity");
        fields.required_form::<Price>("price");
        fields.optional_form::<PolicyOfSale>("policy");
    }
}

impl Form for Price {
    fn fields(fields: &mut Fields<'_>) {
        fields.required::<PriceAmount>("amount");
        fields.required::<CurrencyCode>("currency");
    }
}

impl Form for PolicyOfSale {
    fn fields(fields: &mut Fields<'_>) {
        fields.optional::<SeatsPerBooking>("seats_per_booking");
        fields.optional::<LiveBookings>("live_bookings_per_user");
        fields.optional::<HoldSeconds>("hold_seconds");
        fields.optional::<Allowance>("overbooking_allowance");
        fields.optional::<SeatsPerUser>("seats_per_user");
        fields.optional::<HoldsPerUser>("holds_per_user");
    }
}

impl From<&PolicyOfSale> for Policy {
    fn from(policy: &PolicyOfSale) -> Self {
        let seats_per_booking = policy.seats_per_booking.map_or(10, Whole::get);
        let live = policy.live_bookings_per_user.map_or(LIVE_BOOKINGS_PER_USER_DEFAULT, Whole::get);
        Self {
            seats_per_booking,
            live_bookings_per_user: live,
            hold_seconds: policy.hold_seconds.map_or(15 * 60, Whole::get),
            overbooking_allowance: policy.overbooking_allowance.map_or(0, Whole::get),
            seats_per_user: policy
                .seats_per_user
                .map_or(SEATS_PER_USER_DEFAULT.max(seats_per_booking), Whole::get),
            holds_per_user: policy.holds_per_user.map_or(HOLDS_PER_USER_DEFAULT, Whole::get),
        }
    }
}

impl From<&OpenShow> for OpenInventory {
    fn from(show: &OpenShow) -> Self {
        Self {
            subject: Subject::Show {
                name: show.name.0.clone(),
                starts_at: show.starts_at.as_ref().map(|at| at.0),
                zone: show.zone.as_ref().map(|zone| zone.0.clone()),
                sales_end_at: show.sales_end_at.as_ref().map(|at| at.0),
            },
            capacity: show.capacity.get(),
            price: Money { amount: show.price.amount.0, currency: show.price.currency.0 },
            policy: (&show.policy).into(),
            accept_departed: false,
        }
    }
}

problems! {
    /// Why the show is not opened.
    OpenShowProblems:
        MalformedJson, IdempotencyKeyRequired, IdempotencyKeyInvalid, Unauthenticated, Forbidden, AlreadyOpen,
        PayloadTooLarge, UnsupportedMediaType, ValidationFailed, IdempotencyKeyReused, RequestTimeout, Overloaded,
        StoreUnavailable, OutcomeUnknown,
}

/// Open a show: from now on its seats are sold.
#[utoipa::path(
    post, path = "/v1/shows", tag = "shows", request_body = OpenShow,
    params(("Idempotency-Key" = String, Header, description = "Yours: sending the request again with it has one effect.",
        min_length = 1, max_length = 255)),
    security(("bearer" = []), ("x_access_token" = [])),
    responses((status = 201, description = "The show.", body = ShowView), OpenShowProblems)
)]
pub(crate) async fn open_show(
    State(api): State<ApiState>,
    Admin(admin): Admin,
    key: IdempotencyKey,
    trace: Trace,
    Body(request): Body<OpenShow>,
) -> Result<Response, Problem> {
    let name = CommandName::keyed(admin.into(), ROUTE, Uuid::nil(), &key, &request);
    let open = InventoryCommand::OpenInventory((&request).into());
    let ask = name.ask(admin.into(), &trace, InventoryId(name.command_id), open);
    Ok(api.writer.execute(ask, async |accepted| answer(accepted)).await?)
}

fn answer(accepted: Accepted) -> Result<Response, AnswerLost> {
    let Accepted { inventory_id, at, answer, replayed, .. } = accepted;
    let Some(Recorded { event: InventoryEvent::InventoryOpened(opened), recorded_at, sequence, .. }) = answer
    else {
        return Err(AnswerLost::because("an opening without InventoryOpened"));
    };
    let body = ShowView::opened(inventory_id, opened, recorded_at, at)
        .ok_or_else(|| AnswerLost::because("a show that is none"))?;
    let made_at = Some(format!("/v1/shows/{inventory_id}"));
    let mut response = Done { made_at, at, replayed, body }.into_response();
    tag(response.headers_mut(), sequence.cast_unsigned());
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::form::parse;
    use holdfast_domain::{Inventory, Refused};
    use serde_json::{Value, json};

    fn opens(show: &Value) -> (bool, bool) {
        let open = OpenInventory::from(&parse::<OpenShow>(&serde_json::to_vec(show).unwrap()).unwrap());
        let decide = |open| {
            let decided =
                Inventory::default().decide(&InventoryCommand::OpenInventory(open), Default::default());
            !matches!(decided, Err(Refused::Invalid(_)))
        };
        let Policy { seats_per_booking, live_bookings_per_user, hold_seconds, .. } = open.policy;
        let Policy { overbooking_allowance, seats_per_user, holds_per_user, .. } = open.policy;
        let beyond = [
            Policy { seats_per_booking: seats_per_booking + 1, ..open.policy },
            Policy { live_bookings_per_user: live_bookings_per_user + 1, ..open.policy },
            Policy { hold_seconds: hold_seconds + 1, ..open.policy },
            Policy { overbooking_allowance: overbooking_allowance + 1, ..open.policy },
            Policy { seats_per_user: seats_per_user + 1, ..open.policy },
            Policy { holds_per_user: holds_per_user + 1, ..open.policy },
        ];
        let beyond = beyond.into_iter().map(|policy| OpenInventory { policy, ..open.clone() });
        let larger = OpenInventory { capacity: open.capacity + 1, ..open.clone() };
        let dearer = Money { amount: open.price.amount + 1, ..open.price };
        let dearer = OpenInventory { price: dearer, ..open.clone() };
        (decide(open.clone()), beyond.chain([larger, dearer]).any(decide))
    }

    /// The form's ranges are written beside those of the rules. Were one wider, a wrong field would be
    /// told without the others; were one narrower, the API would refuse what the rules allow.
    #[test]
    fn the_form_takes_what_the_rules_take_and_not_one_more() {
        let show = |number: fn(i64, i64) -> i64| {
            json!({
                "name": "x", "capacity": number(0, 10_000_000),
                "price": {"amount": number(0, 1_000_000_000_000), "currency": "EUR"},
                "policy": {
                    "seats_per_booking": number(1, 100), "live_bookings_per_user": number(0, 1_000_000),
                    "hold_seconds": number(0, 86_400), "overbooking_allowance": number(0, 1_000_000),
                    "seats_per_user": number(0, 1_000_000), "holds_per_user": number(0, 1_000_000)
                }
            })
        };
        assert!(opens(&show(|least, _| least)).0);
        assert_eq!(opens(&show(|_, most| most)), (true, false));
    }
}
