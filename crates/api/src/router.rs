//! Puts the routes together. Each is registered once, for the router and the OpenAPI document alike.

use crate::{
    airbourne, compat,
    envelope::EnvelopeLayer,
    metrics::HttpMetrics,
    openapi, ops,
    problem::{Code, Problem},
    state::ApiState,
    v1::{
        airplanes, airports, bookings, cities, flights, inventories, mails, reminders, role_changes,
        sessions, shows, users, webhook_endpoints as hooks,
    },
};
use axum::Router;
use std::sync::Arc;
use utoipa_axum::{router::OpenApiRouter, routes};

/// The whole HTTP side: the native API, its documentation, health and metrics, and, where the
/// configuration says so, the routes of Airbourne and booking_monitor.
///
/// Install the metrics recorder first: the handles are made here.
pub fn router(state: ApiState) -> Router {
    let (routes, document) = documented(state.compat).split_for_parts();
    let metrics = Arc::new(HttpMetrics::new(&document));
    let envelope = EnvelopeLayer { ambient: state.ambient.clone(), metrics };
    let router = routes
        .merge(openapi::routes(document))
        .fallback(no_such_path)
        .method_not_allowed_fallback(no_such_method)
        .layer(envelope)
        .with_state(state.clone());
    if state.compat { airbourne::Gateway::before(router, state) } else { router }
}

fn documented(compat: bool) -> OpenApiRouter<ApiState> {
    let router = OpenApiRouter::with_openapi(openapi::document())
        .routes(routes!(users::create_user, users::list_users))
        .routes(routes!(users::me))
        .routes(routes!(users::change_password))
        .routes(routes!(users::set_role))
        .routes(routes!(role_changes::list_role_changes))
        .routes(routes!(sessions::create_session))
        .routes(routes!(sessions::end_session))
        .routes(routes!(shows::open_show, shows::list_shows))
        .routes(routes!(shows::get_show, shows::change_show))
        .routes(routes!(shows::cancel_show))
        .routes(routes!(flights::open_flight, flights::list_flights))
        .routes(routes!(flights::get_flight, flights::change_flight))
        .routes(routes!(flights::cancel_flight))
        .routes(routes!(inventories::get_availability))
        .routes(routes!(inventories::list_inventory_bookings))
        .routes(routes!(inventories::change_capacity))
        .routes(routes!(inventories::close_sales))
        .routes(routes!(inventories::reopen_sales))
        .routes(routes!(inventories::block_seats))
        .routes(routes!(inventories::unblock_seats))
        .routes(routes!(bookings::reserve, bookings::list_bookings))
        .routes(routes!(bookings::get_booking))
        .routes(routes!(bookings::confirm_booking))
        .routes(routes!(bookings::cancel_booking))
        .routes(routes!(bookings::get_timeline))
        .routes(routes!(cities::create_city, cities::list_cities))
        .routes(routes!(cities::get_city, cities::edit_city, cities::delete_city))
        .routes(routes!(airports::create_airport, airports::list_airports))
        .routes(routes!(airports::get_airport, airports::edit_airport, airports::delete_airport))
        .routes(routes!(airplanes::create_airplane, airplanes::list_airplanes))
        .routes(routes!(airplanes::get_airplane, airplanes::edit_airplane, airplanes::delete_airplane))
        .routes(routes!(reminders::create_reminder, reminders::list_reminders))
        .routes(routes!(reminders::delete_reminder))
        .routes(routes!(reminders::retry_reminder))
        .routes(routes!(mails::list_failed_mails))
        .routes(routes!(mails::retry_mail))
        .routes(routes!(hooks::create_endpoint, hooks::list_endpoints))
        .routes(routes!(hooks::get_endpoint, hooks::delete_endpoint))
        .routes(routes!(hooks::enable_endpoint))
        .routes(routes!(hooks::rotate_secret))
        .routes(routes!(hooks::ping_endpoint))
        .routes(routes!(hooks::replay_events))
        .routes(routes!(hooks::list_deliveries))
        .routes(routes!(hooks::redeliver))
        .routes(routes!(ops::live))
        .routes(routes!(ops::ready))
        .routes(routes!(ops::metrics));
    if compat { router.merge(compat::routes()).merge(airbourne::routes()) } else { router }
}

async fn no_such_path() -> Problem {
    Problem::not_found()
}

/// axum adds the `Allow` header.
async fn no_such_method() -> Problem {
    Problem::new(Code::MethodNotAllowed, "see the Allow header")
}
