//! What browsers are told of foreign pages and of TLS.

use crate::app::App;
use axum::http::Method;
use holdfast_api::Browsers;

const SHOP: &str = "https://shop.example";

#[tokio::test]
async fn no_foreign_page_may_ask_unless_its_origin_is_allowed() {
    let closed = App::new().await;
    let open = App::with(|config| {
        config.browsers = Browsers { origins: vec![SHOP.parse().unwrap()], tls_alone: false };
    })
    .await;
    for (app, origin, allowed) in
        [(&closed, SHOP, ""), (&open, SHOP, SHOP), (&open, "https://evil.example", "")]
    {
        let read = app.get("/v1/shows").header("origin", origin).send().await;
        assert_eq!((read.status.as_u16(), read.header("access-control-allow-origin")), (200, allowed));
        assert_eq!(read.header("access-control-allow-credentials"), "");
        let preflight = app
            .ask(Method::OPTIONS, "/v1/bookings")
            .header("origin", origin)
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "authorization,content-type,idempotency-key")
            .send()
            .await;
        assert_eq!(preflight.header("access-control-allow-origin"), allowed, "{origin}");
    }
    let refused = closed.ask(Method::OPTIONS, "/v1/bookings").send().await;
    assert_eq!((refused.status.as_u16(), refused.code()), (405, "method_not_allowed"));
}

#[tokio::test]
async fn behind_tls_every_answer_says_so() {
    let app = App::with(|config| config.browsers.tls_alone = true).await;
    for path in ["/v1/shows", "/nothing", "/docs/"] {
        let said = app.get(path).send().await;
        assert_eq!(said.header("strict-transport-security"), "max-age=31536000", "{path}");
    }
    let plain = App::new().await;
    assert_eq!(plain.get("/v1/shows").send().await.header("strict-transport-security"), "");
}
