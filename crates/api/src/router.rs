//! Puts the routes together. Each is registered once, for the router and the OpenAPI document alike.

use crate::{
    airbourne, browsers, compat,
    envelope::EnvelopeLayer,
    limits::{
        Class::{Admin, Hold, Pay, Read, Search, SignUp},
        Limits,
    },
    openapi,
    operations::Operations,
    ops,
    problem::{Code, Problem},
    routes::{Contract, Routes},
    state::ApiState,
    v1::{
        admin_actions, airplanes, airports, api_keys, bookings, cities, flights, guests, inventories, mails,
        reminders, role_changes, sessions, shows, users, webhook_endpoints as hooks,
    },
};
use axum::Router;
use std::sync::Arc;
use utoipa_axum::routes;

/// What clients reach: the native API, its documentation, whether it is well, and, where the
/// configuration says so, the routes of Airbourne and booking_monitor.
///
/// Install the metrics recorder first: the handles are made here.
pub fn router(state: ApiState) -> Router {
    let (routes, document, declared) = documented(state.compat).split();
    let envelope = EnvelopeLayer {
        ambient: state.ambient.clone(),
        operations: Arc::new(Operations::new(&declared)),
        limits: Some(Arc::new(limits(&state))),
        security: Some(state.security.clone()),
    };
    let router = routes
        .merge(openapi::routes(document, &declared, &state.rate_limits))
        .fallback(no_such_path)
        .method_not_allowed_fallback(no_such_method)
        .layer(envelope)
        .with_state(state.clone());
    let browsers = state.browsers.clone();
    let router = if state.compat { airbourne::Gateway::before(router, state) } else { router };
    browsers::around(router, &browsers)
}

fn limits(state: &ApiState) -> Limits {
    let (tokens, keys, ambient) =
        (state.tokens.clone(), state.api_keys.proven().clone(), state.ambient.clone());
    Limits::new(&state.rate_limits, state.trust_forwarded_for, tokens, keys, ambient)
}

/// Every operation, each with its class of limits.
fn documented(compat: bool) -> Routes {
    let router = Routes::new(Contract::Native, openapi::document())
        .limited(SignUp, routes!(users::create_user))
        .limited(Read, routes!(users::list_users))
        .limited(Read, routes!(users::me))
        .limited(SignUp, routes!(users::delete_me))
        .limited(SignUp, routes!(users::export_me))
        .limited(SignUp, routes!(users::change_password))
        .limited(Admin, routes!(users::set_role))
        .limited(Read, routes!(role_changes::list_role_changes))
        .limited(Read, routes!(admin_actions::list_admin_actions))
        .limited(Read, routes!(sessions::create_session))
        .limited(Read, routes!(sessions::list_sessions))
        .limited(Read, routes!(sessions::end_session))
        .limited(Read, routes!(sessions::end_one_session))
        .limited(Read, routes!(sessions::end_other_sessions))
        .limited(Admin, routes!(api_keys::create_api_key))
        .limited(Read, routes!(api_keys::list_api_keys))
        .limited(Admin, routes!(api_keys::delete_api_key))
        .limited(Admin, routes!(shows::open_show))
        .limited(Search, routes!(shows::list_shows))
        .limited(Read, routes!(shows::get_show))
        .limited(Admin, routes!(shows::change_show))
        .limited(Admin, routes!(shows::cancel_show))
        .limited(Admin, routes!(flights::open_flight))
        .limited(Search, routes!(flights::list_flights))
        .limited(Read, routes!(flights::get_flight))
        .limited(Admin, routes!(flights::change_flight))
        .limited(Admin, routes!(flights::cancel_flight))
        .limited(Read, routes!(inventories::get_availability))
        .limited(Read, routes!(inventories::list_inventory_bookings))
        .limited(Admin, routes!(inventories::change_capacity))
        .limited(Admin, routes!(inventories::close_sales))
        .limited(Admin, routes!(inventories::reopen_sales))
        .limited(Admin, routes!(inventories::block_seats))
        .limited(Admin, routes!(inventories::unblock_seats))
        .limited(Admin, routes!(guests::create_guest))
        .limited(Read, routes!(guests::get_guest))
        .limited(Admin, routes!(guests::delete_guest))
        .limited(Hold, routes!(bookings::reserve))
        .limited(Read, routes!(bookings::list_bookings))
        .limited(Read, routes!(bookings::get_booking))
        .limited(Pay, routes!(bookings::confirm_booking))
        .limited(Pay, routes!(bookings::cancel_booking))
        .limited(Read, routes!(bookings::get_timeline))
        .limited(Admin, routes!(cities::create_city))
        .limited(Read, routes!(cities::list_cities))
        .limited(Read, routes!(cities::get_city))
        .limited(Admin, routes!(cities::edit_city, cities::delete_city))
        .limited(Admin, routes!(airports::create_airport))
        .limited(Read, routes!(airports::list_airports))
        .limited(Read, routes!(airports::get_airport))
        .limited(Admin, routes!(airports::edit_airport, airports::delete_airport))
        .limited(Admin, routes!(airplanes::create_airplane))
        .limited(Read, routes!(airplanes::list_airplanes))
        .limited(Read, routes!(airplanes::get_airplane))
        .limited(Admin, routes!(airplanes::edit_airplane, airplanes::delete_airplane))
        .limited(Admin, routes!(reminders::create_reminder))
        .limited(Read, routes!(reminders::list_reminders))
        .limited(Admin, routes!(reminders::delete_reminder))
        .limited(Admin, routes!(reminders::retry_reminder))
        .limited(Read, routes!(mails::list_failed_mails))
        .limited(Admin, routes!(mails::retry_mail))
        .limited(Admin, routes!(hooks::create_endpoint))
        .limited(Read, routes!(hooks::list_endpoints))
        .limited(Read, routes!(hooks::get_endpoint))
        .limited(Admin, routes!(hooks::delete_endpoint))
        .limited(Admin, routes!(hooks::enable_endpoint))
        .limited(Admin, routes!(hooks::rotate_secret))
        .limited(Admin, routes!(hooks::ping_endpoint))
        .limited(Admin, routes!(hooks::replay_events))
        .limited(Read, routes!(hooks::list_deliveries))
        .limited(Admin, routes!(hooks::redeliver))
        .unlimited(routes!(ops::live))
        .unlimited(routes!(ops::ready));
    if compat { router.merge(compat::routes()).merge(airbourne::routes()) } else { router }
}

async fn no_such_path() -> Problem {
    Problem::not_found()
}

/// axum adds the `Allow` header.
async fn no_such_method() -> Problem {
    Problem::new(Code::MethodNotAllowed, "see the Allow header")
}
