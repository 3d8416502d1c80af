//! What a person gets of its own data, and how it leaves.

use crate::app::{App, PASSWORD, Someone};
use axum::http::Method;
use holdfast_api::users::Role;
use serde_json::{Value, json};

/// A word that is in nothing but what belongs to the person.
const ADDRESS: &str = "zoe@example.com";

async fn delete(app: &App, who: &Someone, query: &str, password: &str) -> crate::app::Answer {
    let ask = app.ask(Method::DELETE, &format!("/v1/users/me{query}")).by(who);
    ask.json(&json!({"current_password": password})).send().await
}

/// Every text of every table: which of them has `word` in it.
async fn tables_with(app: &App, word: &str) -> Vec<String> {
    let columns: Vec<(String, String, String)> = sqlx::query_as(
        "SELECT table_schema::text, table_name::text, column_name::text FROM information_schema.columns
         JOIN information_schema.tables USING (table_schema, table_name)
         WHERE table_schema NOT IN ('pg_catalog', 'information_schema') AND table_type = 'BASE TABLE'
           AND data_type IN ('text', 'character varying', 'jsonb', 'json', 'ARRAY', 'bytea')",
    )
    .fetch_all(&app.pool)
    .await
    .unwrap();
    assert!(columns.len() > 50, "{}", columns.len());
    let mut found = vec![];
    for (schema, table, column) in columns {
        let sql = format!(
            r#"SELECT EXISTS (SELECT FROM "{schema}"."{table}" WHERE lower("{column}"::text) LIKE $1)"#
        );
        let here: bool =
            sqlx::query_scalar(&sql).bind(format!("%{word}%")).fetch_one(&app.pool).await.unwrap();
        if here {
            found.push(format!("{schema}.{table}.{column}"));
        }
    }
    found
}

#[tokio::test]
async fn an_export_has_all_that_is_kept_of_the_caller_and_nothing_of_others() {
    let app = App::new().await;
    let (admin, zoe, bob) = (app.admin().await, app.customer("zoe").await, app.customer("bob").await);
    let show = app.show(&admin, 1_000, 900).await;
    let mut own = vec![];
    for _ in 0..3 {
        own.insert(0, app.booking(&zoe, &show, 1).await["id"].clone());
        app.clock.advance(chrono::TimeDelta::seconds(1));
    }
    app.booking(&bob, &show, 1).await;
    let reminder = app.reminder(&zoe, json!({})).await;
    app.reminder(&bob, json!({})).await;
    app.project().await;
    let role = format!("/v1/users/{}/role", zoe.id);
    app.put(&role).by(&admin).json(&json!({"role": "admin"})).send().await;
    let export = app.get("/v1/users/me/export").by(&zoe).send().await.ok(200);
    assert_eq!((&export["account"]["email"], &export["account"]["id"]), (&json!(ADDRESS), &json!(zoe.id)));
    let ids = |part: &str| -> Vec<Value> {
        export[part].as_array().unwrap().iter().map(|row| row["id"].clone()).collect()
    };
    assert_eq!(ids("bookings"), own);
    assert_eq!(ids("reminders"), [json!(reminder)]);
    assert_eq!(export["mails"], json!([]));
    assert_eq!(export["role_changes"][0]["new_role"], "admin");
    assert!(!export.to_string().contains("bob@"), "{export}");

    let hook = app.webhook_endpoint(&admin).await;
    let of_admin = app.get("/v1/users/me/export").by(&admin).send().await.ok(200);
    assert_eq!(of_admin["webhook_endpoints"][0]["id"], hook["id"]);
    assert!(of_admin["webhook_endpoints"][0]["secret"].is_null());
    let actions = of_admin["admin_actions"].as_array().unwrap();
    assert!(actions.iter().any(|action| action["action"] == "set_role"), "{actions:?}");
}

/// More rows than one page of the export has.
#[tokio::test]
async fn a_long_export_is_whole_and_has_each_row_once() {
    let app = App::new().await;
    let zoe = app.customer("zoe").await;
    sqlx::query(
        "INSERT INTO reminders (reminder_id, user_id, fingerprint, subject, content, remind_at, created_at, next_attempt_at)
         SELECT gen_random_uuid(), $1, gen_random_uuid(), 's' || n, 'c', now(), now(), now() FROM generate_series(1, 450) n",
    )
    .bind(zoe.id.parse::<uuid::Uuid>().unwrap())
    .execute(&app.pool)
    .await
    .unwrap();
    let export = app.get("/v1/users/me/export").by(&zoe).send().await.ok(200);
    let subjects: std::collections::BTreeSet<_> =
        export["reminders"].as_array().unwrap().iter().map(|row| row["subject"].to_string()).collect();
    assert_eq!((export["reminders"].as_array().unwrap().len(), subjects.len()), (450, 450));
}

#[tokio::test]
async fn an_account_with_live_bookings_is_deleted_only_with_them_and_only_with_its_password() {
    let app = App::new().await;
    let (admin, zoe) = (app.admin().await, app.customer("zoe").await);
    let show = app.show(&admin, 10, 900).await;
    app.booking(&zoe, &show, 1).await;
    app.booking(&zoe, &show, 1).await;
    app.project().await;
    let wrong = delete(&app, &zoe, "", "wrong password").await;
    assert_eq!((wrong.status.as_u16(), wrong.code()), (403, "wrong_password"));
    let live = delete(&app, &zoe, "", PASSWORD).await;
    assert_eq!((live.status.as_u16(), live.code(), &live.body["live"]), (409, "bookings_to_come", &json!(2)));
    assert_eq!(delete(&app, &zoe, "?cancel_bookings=yes", PASSWORD).await.pointers(), ["/cancel_bookings"]);
    assert_eq!(delete(&app, &zoe, "?cancel_bookings=true", PASSWORD).await.status, 204);
    let ended: i64 =
        sqlx::query_scalar("SELECT count(*) FROM ended_accounts").fetch_one(&app.pool).await.unwrap();
    assert_eq!(ended, 1, "a server cancels the bookings");
    assert_eq!(app.get("/v1/users/me").by(&zoe).send().await.status, 401);
    let again = json!({"email": ADDRESS, "password": PASSWORD});
    assert_eq!(app.post("/v1/sessions").json(&again).send().await.status, 401);
}

#[tokio::test]
async fn the_last_admin_does_not_delete_itself_and_of_two_at_once_one_stays() {
    let app = App::new().await;
    let (admin, other) = (app.admin().await, app.someone("other", Role::Admin).await);
    let both = tokio::join!(delete(&app, &admin, "", PASSWORD), delete(&app, &other, "", PASSWORD));
    let mut answers = [both.0.status.as_u16(), both.1.status.as_u16()];
    answers.sort_unstable();
    assert_eq!(answers, [204, 409], "{both:?}");
    let admins: i64 = sqlx::query_scalar("SELECT count(*) FROM users WHERE role = 'admin'")
        .fetch_one(&app.pool)
        .await
        .unwrap();
    assert_eq!(admins, 1);
}

/// Reminders of others among it, and those that others have written in another spelling.
#[tokio::test]
async fn after_the_deletion_no_table_has_the_persons_address() {
    let app = App::new().await;
    let (admin, zoe) = (app.admin().await, app.customer("zoe").await);
    let show = app.show(&admin, 10, 0).await;
    app.booking(&zoe, &show, 1).await;
    app.reminder(&zoe, json!({"content": format!("write to {ADDRESS}")})).await;
    app.reminder(&admin, json!({"recipient": ADDRESS})).await;
    app.reminder(&admin, json!({"recipient": "ZOE@Example.com"})).await;
    app.reminder(&admin, json!({"recipient": "someone.else@example.com"})).await;
    app.get("/v1/users/me/export").by(&zoe).send().await.ok(200);
    app.project().await;
    assert!(!tables_with(&app, "zoe@").await.is_empty(), "the search finds what is there");
    let taken = json!({"email": ADDRESS, "password": PASSWORD});
    assert_eq!(app.post("/v1/users").json(&taken).send().await.code(), "email_taken");

    assert_eq!(delete(&app, &zoe, "?cancel_bookings=true", PASSWORD).await.status, 204);
    assert_eq!(tables_with(&app, "zoe@").await, Vec::<String>::new());
    let others = app.get("/v1/reminders").by(&admin).send().await.ok(200);
    assert_eq!(others["data"].as_array().unwrap().len(), 1, "another's stays");
    app.post("/v1/users").json(&taken).send().await.ok(201);
}
