//! What a request asks of Postgres: counted on the wire.

use crate::app::App;
use futures::future::join_all;
use holdfast_testkit::Proxy;
use std::sync::{Arc, Mutex};

/// Every statement from now on, but for the renewal of leases.
pub(crate) fn watch(proxy: &Proxy) -> Arc<Mutex<Vec<String>>> {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let into = seen.clone();
    proxy.lose_requests(move |sql| {
        if !sql.contains("lease_until") {
            into.lock().unwrap().push(sql.to_owned());
        }
        false
    });
    seen
}

/// The hot path. A look-up for each booking, of the token's user or of the show, would halve the rate.
#[tokio::test]
async fn a_reservation_is_one_statement() {
    let (app, proxy) = App::behind_proxy().await;
    let (admin, ada) = (app.admin().await, app.customer("ada").await);
    let show = app.show(&admin, 100, 900).await;
    app.booking(&ada, &show, 1).await;
    let seen = watch(&proxy);
    app.booking(&ada, &show, 1).await;
    let seen = seen.lock().unwrap();
    assert!(matches!(&seen[..], [append] if append.contains("INSERT INTO events")), "{seen:?}");
}

/// Without the shared wait, every request of a busy client would ask at once when its role is forgotten.
#[tokio::test]
async fn many_requests_of_one_user_ask_once_for_its_role() {
    let (app, proxy) = App::behind_proxy().await;
    let ada = app.customer("ada").await;
    let seen = watch(&proxy);
    for answer in join_all((0..50).map(|_| app.get("/v1/users/me").by(&ada).send())).await {
        answer.ok(200);
    }
    let roles = seen
        .lock()
        .unwrap()
        .iter()
        .filter(|sql| sql.starts_with("SELECT role, number, token_generation"))
        .count();
    assert_eq!(roles, 1);
}
