//! Airbourne's contract, on the same port: its paths, its envelopes, its codes on success.
//!
//! A thin adapter over the same commands and tables: it holds no rule. Where the original is wrong we are right instead;
//! `docs/airbourne.md` lists every route and every difference.

mod airplane;
mod airports;
mod answer;
mod auth;
mod bookings;
mod city;
mod flights;
mod gateway;
mod lists;
mod refusal;
mod request;
mod says;
mod tickets;
mod time;
mod words;
mod writer;

pub(crate) use gateway::Gateway;

use crate::state::ApiState;
use utoipa_axum::{router::OpenApiRouter, routes};

/// Airbourne's routes.
pub(crate) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::default()
        .routes(routes!(words::health))
        .routes(routes!(words::api_docs))
        .routes(routes!(words::info))
        .routes(routes!(words::dummy))
        .routes(routes!(auth::sign_up))
        .routes(routes!(auth::sign_in))
        .routes(routes!(auth::is_authenticated))
        .routes(routes!(auth::is_admin))
        .routes(routes!(city::create_city, city::list_cities))
        .routes(routes!(city::get_city, city::update_city, city::delete_city))
        .routes(routes!(airplane::create_airplane, airplane::list_airplanes))
        .routes(routes!(airplane::get_airplane, airplane::update_airplane, airplane::delete_airplane))
        .routes(routes!(airports::create_airport, airports::list_airports))
        .routes(routes!(airports::get_airport, airports::update_airport, airports::delete_airport))
        .routes(routes!(flights::create_flight, flights::list_flights))
        .routes(routes!(flights::get_flight, flights::update_flight, flights::delete_flight))
        .routes(routes!(bookings::book))
        .routes(routes!(bookings::publish))
        .routes(routes!(tickets::create_ticket))
}
