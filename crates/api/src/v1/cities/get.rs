//! `GET /v1/cities/{id}`: one of them.

use super::CityView;
use crate::{
    extract::PathId,
    problem::{Problem, problems},
    state::ApiState,
    store::bounded_work,
    view::Versioned,
};
use axum::extract::State;
use holdfast_catalogue::cities;
use holdfast_domain::CityId;

problems! {
    /// Why it is not shown.
    GetCityProblems: NotFound, StoreUnavailable,
}

/// A city. Its `ETag` is what a change of it needs.
#[utoipa::path(
    get, path = "/v1/cities/{id}", tag = "catalogue",
    params(("id" = uuid::Uuid, Path, description = "The city.")),
    responses((status = 200, description = "The city.", body = CityView), GetCityProblems)
)]
pub(crate) async fn get_city(
    State(api): State<ApiState>,
    PathId(id): PathId,
) -> Result<Versioned<CityView>, Problem> {
    Ok(bounded_work(cities::find(&api.pool, CityId(id))).await?.into())
}
