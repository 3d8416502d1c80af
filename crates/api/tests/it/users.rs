//! Accounts, passwords, tokens.

use crate::app::{App, PASSWORD, PATIENCE, Someone};
use axum::http::Method;
use chrono::TimeDelta;
use futures::future::join_all;
use holdfast_ambient::{Ambient, Machine};
use holdfast_api::users::{self, Role, UserError};
use holdfast_testkit::eventually;
use serde_json::{Value, json};
use std::{pin::pin, time::Duration};
use tokio::time::Instant;

#[tokio::test]
async fn who_signs_up_can_sign_in_and_is_told_who_they_are() {
    let app = App::new().await;
    let account = json!({"email": "Ada@Example.com", "password": PASSWORD});
    let made = app.post("/v1/users").json(&account).send().await;
    assert_eq!(made.header("location"), "/v1/users/me");
    let made = made.ok(201);
    assert_eq!((&made["email"], &made["role"]), (&json!("ada@example.com"), &json!("customer")));
    assert!(made.get("password").is_none() && !made.to_string().contains("argon2"));
    let ada = app.signed_in("ada@example.COM").await;
    assert_eq!(app.get("/v1/users/me").by(&ada).send().await.ok(200), made);
}

/// Who signs up says who it is, and not what it may do.
#[tokio::test]
async fn nobody_gives_itself_a_role_or_an_id() {
    let app = App::with(|config| config.compat = true).await;
    for field in ["role", "id", "number", "created_at", "password_hash"] {
        let mut account = json!({"email": "eve@example.com", "password": PASSWORD});
        account[field] = json!("admin");
        let refused = app.post("/v1/users").json(&account).send().await;
        assert_eq!((refused.status.as_u16(), refused.pointers()), (422, vec![&*format!("/{field}")]));
    }
    let account = json!({"email": "eve@example.com", "password": PASSWORD, "role": "admin", "id": 777, "isAdmin": true});
    let made = app.post("/api/v1/signup").json(&account).send().await.ok(201);
    assert_ne!(made["data"]["id"], 777, "where what is not known is ignored");
    let eve = app.signed_in("eve@example.com").await;
    assert_eq!(app.get("/v1/users/me").by(&eve).send().await.ok(200)["role"], "customer");
}

#[tokio::test]
async fn an_address_has_one_account_whatever_its_letters_case() {
    let app = App::new().await;
    let account = |email: &str| json!({"email": email, "password": PASSWORD});
    app.post("/v1/users").json(&account("ada@example.com")).send().await.ok(201);
    let taken = app.post("/v1/users").json(&account("ADA@example.com")).send().await;
    assert_eq!((taken.status.as_u16(), taken.code()), (409, "email_taken"));
}

/// An address and a password are what its owner means, whatever keyboard wrote them.
#[tokio::test]
async fn addresses_and_passwords_of_any_script_have_one_spelling() {
    let app = App::new().await;
    let account = |email: &str, password: &str| json!({"email": email, "password": password});
    let (composed, decomposed) = ("gr\u{fc}ne Wiesen", "gru\u{308}ne Wiesen");
    for (email, kept) in [
        ("प्रिया@डाटामेल.भारत", "प्रिया@डाटामेल.भारत"),
        ("สมชายที่@ไทย.ไทย", "สมชายที่@ไทย.ไทย"),
        ("Zoe\u{308}@bu\u{308}cher.example", "zo\u{eb}@b\u{fc}cher.example"),
    ] {
        let made = app.post("/v1/users").json(&account(email, decomposed)).send().await.ok(201);
        assert_eq!(made["email"], kept);
        app.post("/v1/sessions").json(&account(kept, composed)).send().await.ok(201);
    }
    for other in ["zo\u{eb}@B\u{dc}CHER.example", "zoe\u{308}@xn--bcher-kva.example"] {
        let taken = app.post("/v1/users").json(&account(other, composed)).send().await;
        assert_eq!(taken.code(), "email_taken", "{other}");
        app.post("/v1/sessions").json(&account(other, composed)).send().await.ok(201);
    }
}

/// An older build kept a domain as it was written: its accounts get no twin, and their owners sign in with any spelling.
#[tokio::test]
async fn an_account_kept_under_an_older_spelling_gets_no_twin() {
    let app = App::new().await;
    let written = "zoe@xn--bcher-kva.example";
    for (email, kept) in [("zoe@b\u{fc}cher.example", "zoe@b\u{fc}cher.example"), (written, written)] {
        app.someone("bob", Role::Customer).await;
        sqlx::query("UPDATE users SET email = $1 WHERE email = 'bob@example.com'")
            .bind(kept)
            .execute(&app.pool)
            .await
            .unwrap();
        for other in [email, written, "zoe@B\u{dc}CHER.example"] {
            let account = json!({"email": other, "password": PASSWORD});
            let taken = app.post("/v1/users").json(&account).send().await;
            assert_eq!(taken.code(), "email_taken", "{kept} and {other}");
            app.signed_in(other).await;
        }
        users::delete(&app.pool, email, app.clock.now()).await.unwrap();
    }
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_address_are_answered_the_same() {
    let app = App::new().await;
    app.customer("ada").await;
    let mut answers = Vec::new();
    for email in ["ada@example.com", "nobody@example.com"] {
        let credentials = json!({"email": email, "password": "wrong password"});
        let answer = app.post("/v1/sessions").json(&credentials).send().await;
        assert_eq!((answer.status.as_u16(), answer.code()), (401, "invalid_credentials"));
        answers.push(answer.text);
    }
    assert_eq!(answers[0], answers[1]);
}

#[tokio::test]
async fn a_token_ends_with_its_hour() {
    let app = App::new().await;
    let ada = app.customer("ada").await;
    app.clock.advance(TimeDelta::minutes(59));
    app.get("/v1/users/me").by(&ada).send().await.ok(200);
    app.clock.advance(TimeDelta::minutes(1));
    let late = app.get("/v1/users/me").by(&ada).send().await;
    assert_eq!((late.status.as_u16(), late.code()), (401, "unauthenticated"));
    assert_eq!(late.header("www-authenticate"), "Bearer realm=\"holdfast\"");
}

#[tokio::test]
async fn the_token_is_taken_from_either_header() {
    let app = App::new().await;
    let ada = app.customer("ada").await;
    let me = app.get("/v1/users/me").header("x-access-token", &ada.token).send().await.ok(200);
    assert_eq!(me["id"], ada.id.as_str());
}

/// The role is not in the token. Without the look into `users`, a deleted account would live for an hour.
#[tokio::test]
async fn a_deleted_user_is_nobody_and_a_changed_role_counts_within_its_ttl() {
    let app = App::new().await;
    let ada = app.customer("ada").await;
    let role = async |who: &Someone| app.get("/v1/users/me").by(who).send().await.body["role"].clone();
    assert_eq!(role(&ada).await, "customer");
    users::grant(&app.pool, &Machine, "ADA@example.com", Role::Admin).await.unwrap();
    eventually(PATIENCE, "Ada may open a show", async || {
        app.post("/v1/shows").by(&ada).key("k").json(&crate::app::show(1, 0)).send().await.status == 201
    })
    .await;
    users::delete(&app.pool, "ada@example.com", app.clock.now()).await.unwrap();
    eventually(PATIENCE, "Ada is nobody", async || {
        app.get("/v1/users/me").by(&ada).send().await.code() == "unauthenticated"
    })
    .await;
}

/// Whoever measured it would learn who has an account. The shortest of several: others use this machine too.
#[tokio::test]
async fn a_wrong_password_and_an_unknown_address_take_the_same_time() {
    let app = App::new().await;
    app.customer("ada").await;
    let shortest = async |email: &str| {
        let credentials = json!({"email": email, "password": "wrong password"});
        let mut shortest = Duration::MAX;
        for _ in 0..7 {
            let asked = Instant::now();
            app.post("/v1/sessions").json(&credentials).send().await.ok(401);
            shortest = shortest.min(asked.elapsed());
        }
        shortest.as_secs_f64()
    };
    let (wrong, unknown) = (shortest("ada@example.com").await, shortest("nobody@example.com").await);
    assert!((0.5..2.0).contains(&(wrong / unknown)), "{wrong} s, {unknown} s");
}

/// Each hashes: nobody is told to come again, and a customer who is signed in goes on booking meanwhile.
#[tokio::test]
async fn a_hundred_people_sign_in_at_once_while_bookings_go_on() {
    let app = App::new().await;
    let admin = app.admin().await;
    let ada = app.customer("ada").await;
    let show = {
        let mut unlimited = crate::app::show(10_000, 0);
        unlimited["policy"]["live_bookings_per_user"] = json!(0);
        unlimited["policy"]["seats_per_user"] = json!(0);
        app.made(&admin, "/v1/shows", &unlimited).await
    };
    let account = |n: usize| json!({"email": format!("user{n}@example.com"), "password": PASSWORD});
    let made = join_all((0..100).map(async |n| app.post("/v1/users").json(&account(n)).send().await.status));
    assert!(made.await.iter().all(|status| *status == 201));
    let signing_in =
        join_all((0..100).map(async |n| app.post("/v1/sessions").json(&account(n)).send().await));
    let mut signing_in = pin!(signing_in);
    let (mut booked, mut slowest) = (0, Duration::ZERO);
    let answers = loop {
        let asked = Instant::now();
        tokio::select! {
            answers = signing_in.as_mut() => break answers,
            _ = app.booking(&ada, &show, 1) => {}
        }
        booked += 1;
        slowest = slowest.max(asked.elapsed());
    };
    assert!(answers.iter().all(|answer| answer.status == 201));
    assert!(booked > 20 && slowest < Duration::from_secs(1), "{booked} booked, the slowest took {slowest:?}");
}

#[tokio::test]
async fn a_rush_of_sign_ins_is_answered_or_told_to_come_again_and_nothing_else() {
    let app = App::with(|config| config.hashes_waiting_max = 30).await;
    let credentials = |n: usize| json!({"email": format!("{n}@example.com"), "password": PASSWORD});
    let ask = async |n: usize| app.post("/v1/sessions").json(&credentials(n)).send().await;
    let answers = join_all((0..60).map(ask)).await;
    let overloaded: Vec<_> = answers.iter().filter(|answer| answer.status == 503).collect();
    assert!(!overloaded.is_empty() && overloaded.len() < 60);
    for answer in overloaded {
        assert_eq!((answer.code(), answer.header("retry-after")), ("overloaded", "1"));
    }
    assert!(answers.iter().all(|answer| matches!(answer.status.as_u16(), 401 | 503)));
}

#[tokio::test]
async fn an_operator_changes_roles_and_passwords_of_accounts_that_exist() {
    let app = App::new().await;
    assert!(!users::has_admin(&app.pool).await.unwrap());
    users::create(&app.pool, &Machine, "root@example.com", PASSWORD, Role::Admin).await.unwrap();
    assert!(users::has_admin(&app.pool).await.unwrap());
    let unknown = users::grant(&app.pool, &Machine, "other@example.com", Role::Agent).await;
    assert!(matches!(unknown, Err(UserError::Unknown)));
    let set = async |email, password| users::set_password(&app.pool, &Machine, email, password).await;
    assert!(matches!(set("other@example.com", PASSWORD).await, Err(UserError::Unknown)));
    let long = "long".repeat(33);
    for wrong in ["short", &long] {
        assert!(matches!(set("root@example.com", wrong).await, Err(UserError::Password)));
    }
    set("Root@example.com", "another good password").await.unwrap();
    for (password, status) in [(PASSWORD, 401), ("another good password", 201)] {
        let credentials = json!({"email": "root@example.com", "password": password});
        assert_eq!(app.post("/v1/sessions").json(&credentials).send().await.status, status);
    }
}

#[tokio::test]
async fn signing_out_ends_that_token_at_once_and_no_other() {
    let app = App::with(|config| config.role_ttl = PATIENCE).await;
    let first = app.customer("ada").await;
    let second = app.signed_in("ada@example.com").await;
    let me = async |who: &Someone| app.get("/v1/users/me").by(who).send().await.status.as_u16();
    let sign_out = async |who: &Someone| app.ask(Method::DELETE, "/v1/sessions/current").by(who).send().await;
    assert_eq!((me(&first).await, me(&second).await), (200, 200));
    assert_eq!(sign_out(&first).await.status, 204);
    assert_eq!((me(&first).await, me(&second).await), (401, 200));
    assert_eq!(sign_out(&first).await.code(), "unauthenticated");
}

/// What is listed of an account has a bound; beyond it, its tokens end by their generation.
#[tokio::test]
async fn who_signs_out_too_often_ends_all_tokens_of_the_account() {
    let app = App::new().await;
    let stays = app.customer("ada").await;
    for n in 0..=64 {
        assert_eq!(app.get("/v1/users/me").by(&stays).send().await.status, 200, "{n}");
        let leaves = app.signed_in("ada@example.com").await;
        app.ask(Method::DELETE, "/v1/sessions/current").by(&leaves).send().await;
        assert_eq!(app.get("/v1/users/me").by(&leaves).send().await.status, 401, "{n}");
    }
    assert_eq!(app.get("/v1/users/me").by(&stays).send().await.status, 401);
    app.clock.advance(TimeDelta::hours(1));
    let left: i64 =
        sqlx::query_scalar("SELECT count(*) FROM ended_tokens").fetch_one(&app.pool).await.unwrap();
    assert_eq!(left, 0, "the list begins anew");
}

#[tokio::test]
async fn another_password_needs_the_current_one_and_ends_every_token() {
    let app = App::with(|config| config.role_ttl = PATIENCE).await;
    let first = app.customer("ada").await;
    let second = app.signed_in("ada@example.com").await;
    let change = async |current: &str, new: &str| {
        let body = json!({"current_password": current, "new_password": new});
        app.put("/v1/users/me/password").by(&first).json(&body).send().await
    };
    let wrong = change("wrong password", "another good password").await;
    assert_eq!((wrong.status.as_u16(), wrong.code()), (403, "wrong_password"));
    assert_eq!(change(PASSWORD, "short").await.pointers(), ["/new_password"]);
    assert_eq!(app.get("/v1/users/me").by(&first).send().await.status, 200);
    assert_eq!(change(PASSWORD, "another good password").await.status, 204);
    for who in [&first, &second] {
        assert_eq!(app.get("/v1/users/me").by(who).send().await.code(), "unauthenticated");
    }
    for (password, status) in [(PASSWORD, 401), ("another good password", 201)] {
        let credentials = json!({"email": "ada@example.com", "password": password});
        assert_eq!(app.post("/v1/sessions").json(&credentials).send().await.status, status);
    }
}

/// The command line is another process: what it changes is known when the cache forgets.
#[tokio::test]
async fn a_password_that_is_changed_elsewhere_ends_tokens_here_soon() {
    let app = App::new().await;
    let ada = app.customer("ada").await;
    app.get("/v1/users/me").by(&ada).send().await.ok(200);
    users::set_password(&app.pool, &Machine, "ada@example.com", "another good password").await.unwrap();
    eventually(PATIENCE, "the token has ended", async || {
        app.get("/v1/users/me").by(&ada).send().await.status == 401
    })
    .await;
}

async fn set_role(app: &App, admin: &Someone, who: &Someone, role: &str) -> crate::app::Answer {
    let path = format!("/v1/users/{}/role", who.id);
    app.put(&path).by(admin).json(&json!({"role": role})).send().await
}

#[tokio::test]
async fn an_admin_gives_roles_at_once_and_each_change_is_listed_with_who_made_it() {
    let app = App::with(|config| config.role_ttl = PATIENCE).await;
    let (admin, ada) = (app.admin().await, app.customer("ada").await);
    assert_eq!(app.get("/v1/users").by(&ada).send().await.status, 403);
    app.clock.advance(TimeDelta::seconds(1));
    let made = set_role(&app, &admin, &ada, "agent").await.ok(200);
    assert_eq!((&made["id"], &made["role"]), (&json!(ada.id), &json!("agent")));
    assert_eq!(app.get("/v1/users/me").by(&ada).send().await.ok(200)["role"], "agent");
    set_role(&app, &admin, &ada, "agent").await.ok(200);
    app.clock.advance(TimeDelta::seconds(1));
    users::grant(&app.pool, &Machine, "ada@example.com", Role::Customer).await.unwrap();
    let changes = app.get("/v1/role-changes").by(&admin).send().await.ok(200)["data"].clone();
    let change = |n: usize| {
        let field = |name: &str| changes[n][name].clone();
        [field("user_id"), field("old_role"), field("new_role"), field("changed_by")]
    };
    assert_eq!(changes.as_array().unwrap().len(), 3, "the same role again is no change: {changes}");
    let by_operator = [json!(ada.id), json!("agent"), json!("customer"), Value::Null];
    let by_admin = [json!(ada.id), json!("customer"), json!("agent"), json!(admin.id)];
    let at_first = [json!(admin.id), Value::Null, json!("admin"), Value::Null];
    // The operator's clock is the machine's, and so was the first admin's; the server's stands still in May.
    assert_eq!([change(0), change(1), change(2)], [by_operator, at_first, by_admin]);
    let of_ada = format!("/v1/role-changes?limit=1&user_id={}", ada.id);
    let first = app.get(&of_ada).by(&admin).send().await.ok(200);
    let cursor = first["meta"]["next_cursor"].as_str().unwrap();
    let second = app.get(&format!("{of_ada}&cursor={cursor}")).by(&admin).send().await.ok(200);
    assert_eq!((&first["data"][0], &second["data"][0]), (&changes[0], &changes[2]));
    let nobody = Someone { id: Machine.new_id().to_string(), ..ada };
    assert_eq!(set_role(&app, &admin, &nobody, "agent").await.status, 404);
    assert_eq!(set_role(&app, &admin, &nobody, "king").await.pointers(), ["/role"]);
}

#[tokio::test]
async fn the_accounts_are_listed_in_pages_by_role_and_by_address() {
    let app = App::new().await;
    let admin = app.admin().await;
    for n in 0..5 {
        app.clock.advance(TimeDelta::seconds(1));
        let account = json!({"email": format!("user{n}@example.com"), "password": PASSWORD});
        app.post("/v1/users").json(&account).send().await.ok(201);
    }
    let list = async |query: &str| app.get(&format!("/v1/users?{query}")).by(&admin).send().await.ok(200);
    let emails = |page: &Value| -> Vec<String> {
        let users = page["data"].as_array().unwrap().iter();
        users
            .map(|user| user["email"].as_str().unwrap().trim_end_matches("@example.com").to_owned())
            .collect()
    };
    let first = list("limit=2&role=customer").await;
    let cursor = first["meta"]["next_cursor"].as_str().unwrap().to_owned();
    let second = list(&format!("limit=2&role=customer&cursor={cursor}")).await;
    assert_eq!([emails(&first), emails(&second)], [["user4", "user3"], ["user2", "user1"]]);
    assert_eq!(emails(&list("role=admin").await), ["admin"]);
    assert_eq!(emails(&list("email=USER3@example.com").await), ["user3"]);
    assert!(emails(&list("email=user3@example.com&role=agent").await).is_empty());
    assert_eq!(emails(&list("").await).len(), 6);
    let other = app.get(&format!("/v1/users?cursor={cursor}")).by(&admin).send().await;
    assert_eq!(other.code(), "invalid_cursor");
}

#[tokio::test]
async fn the_last_admin_stays_one() {
    let app = App::new().await;
    let admin = app.admin().await;
    let refused = set_role(&app, &admin, &admin, "agent").await;
    assert_eq!((refused.status.as_u16(), refused.code()), (409, "last_admin"));
    let second = app.someone("second", Role::Admin).await;
    set_role(&app, &second, &admin, "agent").await.ok(200);
    assert_eq!(set_role(&app, &second, &second, "agent").await.code(), "last_admin");
}

/// Two admins take each other's role at once. Without the lock on all admins' rows, each sees the other's, and nobody is left.
#[tokio::test]
async fn two_admins_who_demote_each_other_leave_one() {
    let app = App::new().await;
    for name in ["a", "b"] {
        users::create(&app.pool, &Machine, &format!("{name}@example.com"), PASSWORD, Role::Admin)
            .await
            .unwrap();
    }
    let set = async |name, role| users::grant(&app.pool, &Machine, name, role).await;
    for round in 0..20 {
        let (a, b) = futures::join!(set("a@example.com", Role::Agent), set("b@example.com", Role::Agent));
        let refused = [a, b].into_iter().filter_map(Result::err).collect::<Vec<_>>();
        assert!(matches!(refused[..], [UserError::LastAdmin]), "round {round}: {refused:?}");
        for name in ["a@example.com", "b@example.com"] {
            set(name, Role::Admin).await.unwrap();
        }
    }
}

/// An address tries as often as it likes, and is told to wait, the right password or not, an account or not. Whoever signs in
/// from elsewhere does not notice.
#[tokio::test]
async fn whoever_guesses_is_slowed_and_nobody_else() {
    let app = App::with(|config| config.trust_forwarded_for = true).await;
    app.customer("ada").await;
    let sign_in = async |email: &str, password: &str, from: &str| {
        let credentials = json!({"email": email, "password": password});
        app.post("/v1/sessions").from(from).json(&credentials).send().await
    };
    for email in ["ada@example.com", "nobody@example.com"] {
        for n in 0..12 {
            let answer = sign_in(email, "wrong password", "192.0.2.1").await;
            assert_eq!(answer.status, if n < 10 { 401 } else { 429 }, "{email} {n}");
        }
    }
    let slowed = sign_in("ADA@example.com", PASSWORD, "10.0.0.1, 192.0.2.1").await;
    assert_eq!((slowed.code(), &slowed.body["retry_after_seconds"]), ("rate_limited", &json!(10)));
    assert_eq!(slowed.header("retry-after"), "10");
    for n in 0..100 {
        assert_eq!(sign_in("ada@example.com", PASSWORD, "192.0.2.2").await.status, 201, "{n}");
    }
    app.clock.advance(TimeDelta::seconds(10));
    assert_eq!(sign_in("ada@example.com", PASSWORD, "192.0.2.1").await.status, 201);
}

/// Each guess was let through that came before the first had failed: forty at once were forty guesses.
#[tokio::test]
async fn guesses_at_once_are_no_more_than_one_after_the_other() {
    let app = App::with(|config| (config.trust_forwarded_for, config.compat) = (true, true)).await;
    app.customer("ada").await;
    for path in ["/v1/sessions", "/api/v1/signin"] {
        let from = format!("192.0.2.{}", path.len());
        let credentials = json!({"email": "ada@example.com", "password": "wrong password"});
        let guess = async |_| app.post(path).from(&from).json(&credentials).send().await.status.as_u16();
        let answers = join_all((0..40).map(guess)).await;
        let count = |wanted| answers.iter().filter(|status| **status == wanted).count();
        assert_eq!((count(401), count(429)), (10, 30), "{path}: {answers:?}");
    }
}

/// Ten wrong passwords from the admin's own address made the right one wait.
#[tokio::test]
async fn wrong_passwords_from_an_address_that_signed_in_before_do_not_refuse_the_right_one() {
    let app = App::with(|config| config.trust_forwarded_for = true).await;
    app.admin().await;
    let sign_in = async |password: &str| {
        let credentials = json!({"email": "admin@example.com", "password": password});
        app.post("/v1/sessions").from("192.0.2.1").json(&credentials).send().await.status.as_u16()
    };
    assert_eq!(sign_in(PASSWORD).await, 201);
    for n in 0..12 {
        assert_eq!(sign_in("wrong password").await, if n < 10 { 401 } else { 429 }, "{n}");
    }
    for n in 0..20 {
        assert_eq!(sign_in(PASSWORD).await, 201, "{n}");
    }
}

/// Sign-ups filled the line that sign-ins waited in.
#[tokio::test]
async fn a_flood_of_sign_ups_refuses_no_sign_in() {
    let app = App::with(|config| config.hashes_waiting_max = 10).await;
    app.customer("ada").await;
    let account = |n: usize| json!({"email": format!("user{n}@example.com"), "password": PASSWORD});
    let sign_ups =
        join_all((0..60).map(async |n| app.post("/v1/users").json(&account(n)).send().await.status.as_u16()));
    let wrong = json!({"email": "ada@example.com", "password": "wrong password"});
    let sign_ins =
        join_all((0..8).map(async |_| app.post("/v1/sessions").json(&wrong).send().await.status.as_u16()));
    let (sign_ups, sign_ins) = futures::join!(sign_ups, sign_ins);
    assert!(sign_ups.contains(&503) && sign_ups.contains(&201), "{sign_ups:?}");
    assert_eq!(sign_ins, [401; 8]);
}

/// Airbourne's contract allows short and common passwords; they never become those of staff.
#[tokio::test]
async fn common_passwords_are_refused_and_staff_has_twelve_characters() {
    let app = App::with(|config| config.compat = true).await;
    let admin = app.admin().await;
    for (password, pointer) in
        [("password123", "/password"), ("P@ssw0rd", "/password"), ("kq7zvwx", "/password")]
    {
        let refused = app
            .post("/v1/users")
            .json(&json!({"email": "ada@example.com", "password": password}))
            .send()
            .await;
        assert_eq!((refused.status.as_u16(), refused.pointers()), (422, vec![pointer]), "{password}");
    }
    let created = users::create(&app.pool, &Machine, "bob@example.com", "kq7zvwxt", Role::Agent).await;
    assert!(matches!(created, Err(UserError::StaffPassword)));
    app.post("/api/v1/signup")
        .json(&json!({"email": "ada@example.com", "password": "password123"}))
        .send()
        .await
        .ok(201);
    let sign_in = async |password: &str| {
        let credentials = json!({"email": "ada@example.com", "password": password});
        let session = app.post("/v1/sessions").json(&credentials).send().await.ok(201);
        let text = |field: &str| session[field].as_str().unwrap().to_owned();
        Someone { id: text("user_id"), token: text("token") }
    };
    let ada = sign_in("password123").await;
    let role = format!("/v1/users/{}/role", ada.id);
    let grant = async || app.put(&role).by(&admin).json(&json!({"role": "agent"})).send().await;
    assert_eq!(grant().await.code(), "staff_password");
    let operator = users::grant(&app.pool, &Machine, "ada@example.com", Role::Admin).await;
    assert!(matches!(operator, Err(UserError::StaffPassword)));
    let change = async |who: &Someone, old: &str, new: &str| {
        let body = json!({"current_password": old, "new_password": new});
        app.put("/v1/users/me/password").by(who).json(&body).send().await
    };
    assert_eq!(change(&ada, "password123", "iloveyou").await.pointers(), ["/new_password"]);
    assert_eq!(change(&ada, "password123", "kq7zvwxt").await.status, 204);
    assert_eq!(grant().await.code(), "staff_password", "long enough for a customer alone");
    assert_eq!(change(&sign_in("kq7zvwxt").await, "kq7zvwxt", "kq7zvwxtbn3m").await.status, 204);
    assert_eq!(grant().await.status, 200);
    let ada = sign_in("kq7zvwxtbn3m").await;
    assert_eq!(change(&ada, "kq7zvwxtbn3m", "bn3mkq7z").await.pointers(), ["/new_password"]);
    let operator = users::set_password(&app.pool, &Machine, "ada@example.com", "bn3mkq7z").await;
    assert!(matches!(operator, Err(UserError::StaffPassword)));
    let operator = users::set_password(&app.pool, &Machine, "ada@example.com", "password1234").await;
    assert!(matches!(operator, Err(UserError::CommonPassword)));
}

/// Anybody can write that header. Without this rule each guess would come from an address of its own.
#[tokio::test]
async fn who_says_where_it_comes_from_is_not_believed_unasked() {
    let app = App::new().await;
    let mut answers = Vec::new();
    for n in 0..60 {
        let credentials = json!({"email": "nobody@example.com", "password": "wrong password"});
        let from = format!("192.0.2.{n}");
        answers.push(app.post("/v1/sessions").from(&from).json(&credentials).send().await.status.as_u16());
    }
    assert_eq!(answers.iter().filter(|status| **status == 401).count(), 50, "{answers:?}");
}
