//! What admins did: each write that only an admin may ask for has a row with its outcome.

use crate::app::{App, Someone};
use serde_json::{Value, json};

async fn actions(app: &App, admin: &Someone, query: &str) -> Vec<Value> {
    let path = format!("/v1/admin-actions?{query}");
    app.get(&path).by(admin).send().await.ok(200)["data"].as_array().unwrap().clone()
}

#[tokio::test]
async fn each_action_of_an_admin_is_a_row_with_target_and_outcome() {
    let app = App::new().await;
    let (admin, ada) = (app.admin().await, app.customer("ada").await);
    let role = format!("/v1/users/{}/role", ada.id);
    app.put(&role).by(&admin).json(&json!({"role": "customer"})).send().await.ok(200);
    let own = format!("/v1/users/{}/role", admin.id);
    let last = app.put(&own).by(&admin).json(&json!({"role": "customer"})).send().await;
    assert_eq!(last.code(), "last_admin");
    let city = app.city(&admin).await;
    let show = app.show(&admin, 10, 60).await;
    // A customer is no admin, and a read changes nothing.
    assert_eq!(app.put(&role).by(&ada).json(&json!({"role": "admin"})).send().await.status, 403);
    app.get("/v1/users").by(&admin).send().await.ok(200);

    let found = actions(&app, &admin, "").await;
    let shown: Vec<_> =
        found.iter().map(|row| (&row["action"], &row["target_id"], &row["outcome"])).collect();
    let row = |action: &str, target: &str, outcome: &str| (json!(action), json!(target), json!(outcome));
    let mut expected = [
        row("set_role", &ada.id, "done"),
        row("set_role", &admin.id, "refused"),
        row("create_city", &city, "done"),
        row("open_show", &show, "done"),
    ];
    let mut shown: Vec<_> = shown.into_iter().map(|(a, b, c)| (a.clone(), b.clone(), c.clone())).collect();
    let key = |row: &(Value, Value, Value)| format!("{row:?}");
    shown.sort_by_key(key);
    expected.sort_by_key(key);
    assert_eq!(shown, expected);
    assert!(found.iter().all(|row| row["actor_id"] == admin.id.as_str()));
    let refused = found.iter().find(|row| row["outcome"] == "refused").unwrap();
    assert_eq!(refused["code"], "last_admin");
}

#[tokio::test]
async fn actions_are_listed_page_by_page_by_actor_and_by_action() {
    let app = App::new().await;
    let admin = app.admin().await;
    let other = app.someone("other", holdfast_api::users::Role::Admin).await;
    for who in [&admin, &other, &admin] {
        app.city(who).await;
        app.clock.advance(chrono::TimeDelta::seconds(1));
    }
    app.airplane(&admin, 180).await;
    let of_admin = format!("actor_id={}", admin.id);
    assert_eq!(actions(&app, &admin, &of_admin).await.len(), 3);
    assert_eq!(actions(&app, &admin, "action=create_city").await.len(), 3);
    assert_eq!(actions(&app, &admin, &format!("{of_admin}&action=create_city")).await.len(), 2);
    let all = actions(&app, &admin, "").await;
    let (mut seen, mut query) = (vec![], "limit=2".to_owned());
    loop {
        let page = app.get(&format!("/v1/admin-actions?{query}")).by(&admin).send().await.ok(200);
        seen.extend(page["data"].as_array().unwrap().clone());
        let Some(next) = page["meta"]["next_cursor"].as_str() else { break };
        query = format!("limit=2&cursor={next}");
    }
    assert_eq!((seen.len(), &seen), (4, &all));
    let wrong = app.get("/v1/admin-actions?action=Set-Role&actor_id=x").by(&admin).send().await;
    assert_eq!(wrong.pointers(), ["/actor_id", "/action"]);
}

/// Without its row an action is not done: a trigger stands for a table that takes nothing.
#[tokio::test]
async fn an_action_that_cannot_be_recorded_is_not_done() {
    let app = App::new().await;
    let (admin, ada) = (app.admin().await, app.customer("ada").await);
    let trigger = "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE disk_full; END $$;
                   CREATE TRIGGER full_disk BEFORE INSERT ON admin_actions FOR EACH ROW EXECUTE FUNCTION full_disk()";
    sqlx::raw_sql(trigger).execute(&app.pool).await.unwrap();
    let role = format!("/v1/users/{}/role", ada.id);
    let refused = app.put(&role).by(&admin).json(&json!({"role": "customer"})).send().await;
    assert_eq!(refused.status, 503, "{}", refused.text);
    let key = "city";
    let city = app.post("/v1/cities").by(&admin).key(key).json(&json!({"name": "Atlantis"})).send().await;
    assert_eq!(city.status, 503, "{}", city.text);
    let cities: i64 = sqlx::query_scalar("SELECT count(*) FROM cities").fetch_one(&app.pool).await.unwrap();
    assert_eq!(cities, 0);
}
