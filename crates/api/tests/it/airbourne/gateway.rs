//! What stands before every route: prefixes, the token, the limit.

use super::airbourne;
use crate::app::App;
use serde_json::json;

#[tokio::test]
async fn behind_a_prefix_nothing_is_looked_at_without_a_good_token() {
    let app = airbourne().await;
    let ada = app.customer("ada").await;
    for prefix in ["/bookingservice", "/flights", "/reminder"] {
        for path in ["/api/v1/info", "/api/v1/nothing"] {
            let path = format!("{prefix}{path}");
            assert_eq!(app.get(&path).send().await.ok(401), json!({"message": "No token provided"}));
            let forged = app.get(&path).header("x-access-token", "forged").send().await;
            assert_eq!(forged.ok(401), json!({"message": "Authorization error"}));
        }
        let path = format!("{prefix}/api/v1/info");
        let let_in = app.get(&path).header("x-access-token", &ada.token).send().await;
        assert_eq!(let_in.ok(200), json!({"message": "Response from routes"}));
    }
    assert_eq!(app.get("/auth/api/v1/dummy").send().await.ok(200), json!({"message": "OK"}));
}

#[tokio::test]
async fn a_service_is_reached_by_itself_too_whatever_the_case_of_letters() {
    let app = airbourne().await;
    for path in ["/api/v1/info", "/api/v1/INFO", "/API/v1/info"] {
        app.get(path).send().await.ok(200);
    }
    assert_eq!(app.get("/v1/Shows").send().await.status, 404, "the native API has one spelling");
}

#[tokio::test]
async fn the_query_goes_with_the_path() {
    let app = airbourne().await;
    let history = async |query: &str| app.get(&format!("/auth/api/v1/history?{query}")).send().await;
    assert_eq!(history("page=x").await.status, 400);
    assert_eq!(history("page=1").await.status, 200);
}

#[tokio::test]
async fn whoever_comes_by_the_gateway_is_told_what_is_left_of_the_limit() {
    let app = airbourne().await;
    let left = async |path: &str| {
        let answer = app.get(path).send().await;
        let header = |name: &str| answer.header(name).parse::<i64>().unwrap();
        assert_eq!(header("x-ratelimit-limit"), 1_000_000);
        assert_eq!(header("x-ratelimit-reset"), crate::app::noon().timestamp() + 60);
        header("x-ratelimit-remaining")
    };
    assert_eq!(left("/health").await, 999_999);
    assert_eq!(left("/auth/api/v1/dummy").await, 999_998);
    assert_eq!(left("/bookingservice/api/v1/bookings").await, 999_997, "a refused one counts, too");
    assert_eq!(app.get("/api/v1/dummy").send().await.header("x-ratelimit-limit"), "");
    app.clock.advance(chrono::TimeDelta::minutes(1));
    let answer = app.get("/health").send().await;
    assert_eq!(answer.header("x-ratelimit-remaining"), "999999", "a minute later it begins anew");
}

/// Its page of routes, however it is spelled.
#[tokio::test]
async fn who_looks_for_the_gateways_page_is_led_to_ours() {
    let app = airbourne().await;
    for path in ["/api-docs/", "/api-docs", "/API-Docs/"] {
        let answer = app.get(path).send().await;
        assert_eq!((answer.status.as_u16(), answer.header("location")), (307, "/docs"), "{path}");
        assert_eq!(answer.header("x-ratelimit-limit"), "1000000", "{path}");
    }
}

#[tokio::test]
async fn a_refusal_of_the_gateways_own_is_neither_stored_nor_sniffed() {
    let refused = airbourne().await.get("/flights/api/v1/flights").send().await;
    assert_eq!(
        (refused.header("cache-control"), refused.header("x-content-type-options")),
        ("no-store", "nosniff")
    );
}

/// Airbourne said 401 when its service of accounts was gone, and every client signed in again.
#[tokio::test]
async fn who_cannot_be_looked_up_is_told_to_come_again() {
    let (app, proxy) = App::behind_proxy().await;
    let ada = app.customer("ada").await;
    proxy.refuse();
    proxy.cut();
    let answer = app.get("/flights/api/v1/info").header("x-access-token", &ada.token).send().await;
    assert_eq!(answer.header("retry-after"), "1");
    assert_eq!(answer.ok(503), json!({"message": "Service unavailable"}));
}

#[tokio::test]
async fn without_compatibility_there_is_no_gateway() {
    let app = App::new().await;
    for path in ["/health", "/auth/api/v1/dummy", "/bookingservice/api/v1/info", "/api/v1/info"] {
        assert_eq!(app.get(path).send().await.status, 404, "{path}");
    }
}
