//! Databases are fresh, separate and gone afterwards; a server of one's own survives being killed.

use std::time::Duration;

use holdfast_testkit::{cluster, database, empty_database, eventually};
use sqlx::{ConnectOptions, Connection, Executor, postgres::PgConnectOptions};

type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

async fn exists(server: &PgConnectOptions, name: &str) -> Result<bool> {
    let mut connection = server.clone().database("postgres").connect().await?;
    let sql = "SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)";
    Ok(sqlx::query_scalar(sql).bind(name).fetch_one(&mut connection).await?)
}

#[tokio::test]
async fn each_test_has_a_database_of_its_own_which_is_gone_afterwards() -> Result {
    let (one, other) = tokio::join!(empty_database(), empty_database());
    one.pool().execute("CREATE TABLE mine ()").await?;
    assert!(other.pool().execute("SELECT FROM mine").await.is_err());

    let (name, server) = (one.name().to_owned(), one.connect_options());
    assert!(exists(&server, &name).await?);
    // A pool that the test has left open must not keep the database.
    let _open = one.pool().acquire().await?;
    drop(one);
    assert!(!exists(&server, &name).await?);
    Ok(())
}

#[tokio::test]
async fn every_migration_has_run() -> Result {
    let database = database().await;
    let ran: i64 = sqlx::query_scalar("SELECT count(*) FROM _sqlx_migrations WHERE success")
        .fetch_one(&database.pool())
        .await?;
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../migrations");
    let files = std::fs::read_dir(folder)?.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    assert_eq!(usize::try_from(ran)?, files.filter(|name| name.ends_with(".sql")).count());
    Ok(())
}

#[tokio::test]
async fn a_url_leads_to_the_same_database() -> Result {
    let database = database().await;
    let options: PgConnectOptions = database.url().parse()?;
    let mut connection = options.connect().await?;
    let name: String = sqlx::query_scalar("SELECT current_database()").fetch_one(&mut connection).await?;
    assert_eq!(name, database.name());
    Ok(())
}

#[tokio::test]
async fn a_killed_server_of_ones_own_comes_back_with_its_databases() -> Result {
    let mut cluster = cluster().await;
    let database = cluster.database().await;
    database.pool().execute("CREATE TABLE kept AS SELECT 7 AS row").await?;
    cluster.kill();
    eventually(Duration::from_secs(5), "the server is gone", async || {
        database.connect_options().connect().await.is_err()
    })
    .await;
    cluster.start_again().await;
    let mut connection = database.connect_options().connect().await?;
    let row: i32 = sqlx::query_scalar("SELECT row FROM kept").fetch_one(&mut connection).await?;
    assert_eq!(row, 7);
    connection.close().await?;
    cluster.stop().await;
    assert!(database.connect_options().connect().await.is_err());
    Ok(())
}
