//! The proxy loses what it is told to, and nothing else.

use std::{io::ErrorKind, time::Duration};

use holdfast_testkit::{Proxy, TestDatabase, database};
use sqlx::{
    ConnectOptions, Connection, Executor, PgConnection,
    postgres::{PgConnectOptions, PgPoolOptions},
};

type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Longer than any statement here takes, short enough to wait for in vain.
const A_WHILE: Duration = Duration::from_millis(300);

const INSERT: &str = "INSERT INTO sold (seat) VALUES ($1)";

async fn scene() -> Result<(TestDatabase, Proxy)> {
    let database = database().await;
    database.pool().execute("CREATE TABLE sold (seat int)").await?;
    let proxy = database.proxy();
    Ok((database, proxy))
}

async fn sell(connection: &mut PgConnection, seat: i32) -> sqlx::Result<()> {
    sqlx::query(INSERT).bind(seat).execute(connection).await.map(|_| ())
}

async fn sold(database: &TestDatabase) -> Result<Vec<i32>> {
    Ok(sqlx::query_scalar("SELECT seat FROM sold ORDER BY seat").fetch_all(&database.pool()).await?)
}

/// The fault that matters: the client is told nothing, and the server has committed.
#[tokio::test]
async fn a_commit_whose_answer_is_lost_has_happened() -> Result {
    let (database, proxy) = scene().await?;
    let mut client = proxy.connect_options().connect().await?;
    let mut transaction = client.begin().await?;
    sell(&mut transaction, 1).await?;
    proxy.lose_next_answer(|sql| sql == "COMMIT");
    assert!(matches!(transaction.commit().await, Err(sqlx::Error::Io(_))));
    assert_eq!((proxy.losses(), sold(&database).await?), (1, vec![1]));
    Ok(())
}

/// Preparing the statement has an answer too; only that of its execution is lost, so it is executed.
#[tokio::test]
async fn a_single_statement_whose_answer_is_lost_has_happened_once() -> Result {
    let (database, proxy) = scene().await?;
    let mut client = proxy.connect_options().connect().await?;
    proxy.lose_next_answer(|sql| sql == INSERT);
    assert!(sell(&mut client, 1).await.is_err());

    let mut again = proxy.connect_options().connect().await?;
    sell(&mut again, 2).await?;
    assert_eq!(
        (proxy.losses(), sold(&database).await?),
        (1, vec![1, 2]),
        "one loss, and the rule is used up"
    );
    Ok(())
}

#[tokio::test]
async fn a_prepared_statement_is_recognised_when_it_runs_again() -> Result {
    let (database, proxy) = scene().await?;
    let mut client = proxy.connect_options().connect().await?;
    for seat in 1..=3 {
        sell(&mut client, seat).await?;
    }
    proxy.lose_next_answer(|sql| sql.contains("INSERT INTO sold"));
    client.execute("SELECT 1").await?;
    assert!(sell(&mut client, 4).await.is_err());
    assert_eq!(sold(&database).await?, [1, 2, 3, 4]);
    Ok(())
}

#[tokio::test]
async fn a_lost_request_has_not_happened() -> Result {
    let (database, proxy) = scene().await?;
    let mut every_second = 0;
    proxy.lose_requests(move |sql| {
        every_second += i32::from(sql == INSERT);
        sql == INSERT && every_second % 2 == 0
    });
    for seat in 1..=6 {
        let mut client = proxy.connect_options().connect().await?;
        assert_eq!(sell(&mut client, seat).await.is_ok(), seat % 2 == 1, "seat {seat}");
    }
    assert_eq!((proxy.losses(), sold(&database).await?), (3, vec![1, 3, 5]));
    Ok(())
}

#[tokio::test]
async fn a_cut_ends_open_connections_and_no_later_ones() -> Result {
    let (_database, proxy) = scene().await?;
    let mut client = proxy.connect_options().connect().await?;
    proxy.cut();
    assert!(client.ping().await.is_err());
    proxy.connect_options().connect().await?.ping().await?;
    Ok(())
}

#[tokio::test]
async fn refusing_looks_like_no_server_and_leaves_open_connections_alone() -> Result {
    let (_database, proxy) = scene().await?;
    let mut client = proxy.connect_options().connect().await?;
    proxy.refuse();
    match proxy.connect_options().connect().await {
        Err(sqlx::Error::Io(error)) => assert_eq!(error.kind(), ErrorKind::ConnectionRefused),
        other => panic!("{other:?}"),
    }
    client.ping().await?;
    proxy.pass();
    proxy.connect_options().connect().await?.ping().await?;
    Ok(())
}

#[tokio::test]
async fn a_stalled_statement_goes_on_when_bytes_flow_again() -> Result {
    let (database, proxy) = scene().await?;
    let mut client = proxy.connect_options().connect().await?;
    proxy.stall();
    let selling = sell(&mut client, 1);
    tokio::pin!(selling);
    assert!(tokio::time::timeout(A_WHILE, &mut selling).await.is_err());
    assert!(tokio::time::timeout(A_WHILE, proxy.connect_options().connect()).await.is_err());
    assert!(sold(&database).await?.is_empty());
    proxy.pass();
    selling.await?;
    assert_eq!(sold(&database).await?, [1]);
    Ok(())
}

#[tokio::test]
async fn a_pool_and_another_process_can_use_it() -> Result {
    let (_database, proxy) = scene().await?;
    // A client that would like TLS is declined and goes on without.
    let url = proxy.url().replace("sslmode=disable", "sslmode=prefer");
    let options: PgConnectOptions = url.parse()?;
    let pool = PgPoolOptions::new().max_connections(3).connect_with(options).await?;
    let sum: i64 =
        sqlx::query_scalar("SELECT sum(n) FROM generate_series(1, 100000) n").fetch_one(&pool).await?;
    assert_eq!(sum, 5_000_050_000);
    let long: String = sqlx::query_scalar("SELECT repeat('x', 1000000)").fetch_one(&pool).await?;
    assert_eq!(long.len(), 1_000_000);
    Ok(())
}
