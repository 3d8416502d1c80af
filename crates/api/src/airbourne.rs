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

use crate::{
    limits::Class::{Admin, Hold, Read, Search, SignUp},
    routes::{Contract, Routes},
};
use axum::{http::StatusCode, response::Response};
use utoipa_axum::routes;

/// What its gateway said to one address's requests beyond its limit.
pub(crate) const TOO_MANY_REQUESTS: &str = "Too many requests from this IP, please try again later";

/// Airbourne's routes.
pub(crate) fn routes() -> Routes {
    Routes::new(Contract::Airbourne, utoipa::openapi::OpenApi::default())
        .unlimited(routes!(words::health))
        .limited(Read, routes!(words::api_docs))
        .limited(Read, routes!(words::info))
        .limited(Read, routes!(words::dummy))
        .limited(SignUp, routes!(auth::sign_up))
        .limited(Read, routes!(auth::sign_in))
        .limited(Read, routes!(auth::is_authenticated))
        .limited(Read, routes!(auth::is_admin))
        .limited(Read, routes!(city::list_cities))
        .limited(Read, routes!(city::get_city))
        .limited(Admin, routes!(city::create_city))
        .limited(Admin, routes!(city::update_city, city::delete_city))
        .limited(Read, routes!(airplane::list_airplanes))
        .limited(Read, routes!(airplane::get_airplane))
        .limited(Admin, routes!(airplane::create_airplane))
        .limited(Admin, routes!(airplane::update_airplane, airplane::delete_airplane))
        .limited(Read, routes!(airports::list_airports))
        .limited(Read, routes!(airports::get_airport))
        .limited(Admin, routes!(airports::create_airport))
        .limited(Admin, routes!(airports::update_airport, airports::delete_airport))
        .limited(Search, routes!(flights::list_flights))
        .limited(Read, routes!(flights::get_flight))
        .limited(Admin, routes!(flights::create_flight))
        .limited(Admin, routes!(flights::update_flight, flights::delete_flight))
        .limited(Hold, routes!(bookings::book))
        .limited(Read, routes!(bookings::publish))
        .limited(Admin, routes!(tickets::create_ticket))
}

/// The answer to a request beyond a limit.
pub(crate) fn too_many_requests() -> Response {
    answer::message(StatusCode::TOO_MANY_REQUESTS, TOO_MANY_REQUESTS)
}
