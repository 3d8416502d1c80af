//! The search for shows: what it finds, against a plain look through all rows; and which index serves it, among a million.

use holdfast_availability::{
    Availability, InventoryRow, ShowPlace, ShowSearch, explain_shows, find, search_shows,
};
use holdfast_domain::{InventoryId, SalesState, Subject, Timestamp, words};
use holdfast_projector::{
    LogSource,
    testing::{Market, TestLog, drain, pages_looked_at},
};
use holdfast_testkit::{TestDatabase, database};
use sqlx::{PgPool, types::Uuid};
use std::{env, fs, path::Path};

/// The plans that Postgres must find; written anew with `HOLDFAST_WRITE_PLANS=1`.
const GOLDEN: &str = "tests/it/show_plans.txt";
const WRITE: &str = "HOLDFAST_WRITE_PLANS";
const SHOWS: u32 = 1_000_000;

fn now() -> Timestamp {
    "2026-06-01T00:00:00Z".parse().unwrap()
}

fn minutes(minutes: i64) -> Timestamp {
    now() + chrono::TimeDelta::minutes(minutes)
}

async fn empty() -> (TestDatabase, PgPool) {
    let db = database().await;
    let pool = db.pool();
    TestLog::create(&pool, 4).await;
    drain::<Availability>(&pool, LogSource::new(&pool)).await;
    (db, pool)
}

/// A show a minute, from 1,000 minutes before [`now`] on; every eleventh has no start, every seventh is cancelled. Many are
/// called something with Gala, few Tosca.
async fn filled(shows: u32) -> (TestDatabase, PgPool) {
    let (db, pool) = empty().await;
    let fill = format!(
        "INSERT INTO availability.inventories (
             inventory_id, kind, name, name_words, starts_at, capacity, overbooking_allowance, held, confirmed, blocked, sales,
             price_amount, currency, seats_per_booking, live_bookings_per_user, hold_seconds, seats_per_user, holds_per_user,
             version, terms_version, opened_at, log_partition, position)
         SELECT lpad(to_hex(n::bigint * 7919 % 1000003), 32, '0')::uuid, 'show', name, to_tsvector('simple', name),
                CASE WHEN n % 11 > 0 THEN '2026-06-01T00:00Z'::timestamptz + (n / 2 - 1000) * interval '1 minute' END,
                20, 0, 0, 0, 0, CASE n % 7 WHEN 0 THEN 'cancelled' WHEN 1 THEN 'closed' ELSE 'open' END,
                100, 'EUR', 5, 0, 0, 0, 0, 1, 1, now(), n % 4, n
         FROM generate_series(1, {shows}) n,
              LATERAL (SELECT CASE WHEN n % 20000 = 17 THEN 'Tosca' WHEN n % 3 = 0 THEN 'Gala' ELSE 'Evening' END
                              || ' of number' || n % 500) AS called (name)"
    );
    sqlx::query(&fill).execute(&pool).await.unwrap();
    sqlx::query("VACUUM (ANALYZE) availability.inventories").execute(&pool).await.unwrap();
    (db, pool)
}

/// The rule in its plainest form.
fn is_found(row: &InventoryRow, search: &ShowSearch) -> bool {
    let Subject::Show { name, starts_at, .. } = &row.subject else { return false };
    let names = words(name);
    let is_upcoming = match (search.from, starts_at) {
        (Some(from), Some(start)) => *start >= from,
        (None, Some(start)) => *start > now(),
        (_, None) => true,
    };
    row.counts.sales != SalesState::Cancelled
        && is_upcoming
        && search.to.is_none_or(|to| starts_at.is_some_and(|start| start < to))
        && search.words.iter().all(|word| names.iter().any(|name| name.starts_with(word.as_str())))
}

/// All pages, one after the other.
async fn all_pages(pool: &PgPool, search: &ShowSearch) -> Vec<InventoryRow> {
    let (mut search, mut all) = (search.clone(), vec![]);
    loop {
        let page = search_shows(pool, &search, now()).await.unwrap();
        assert!(page.len() <= search.limit as usize);
        let Some(last) = page.last() else { return all };
        search.after = ShowPlace::of(last);
        all.extend(page);
    }
}

fn searches() -> Vec<ShowSearch> {
    let mut searches = vec![];
    for from in [None, Some(minutes(-600)), Some(minutes(100))] {
        for to in [None, Some(minutes(160))] {
            for text in ["", "gala", "tos", "NUMBER4 eve", "nothing"] {
                searches.push(ShowSearch { from, to, words: words(text), after: None, limit: 60 });
            }
        }
    }
    searches
}

#[tokio::test]
async fn every_search_finds_what_a_look_through_all_rows_finds_in_its_order_page_by_page() {
    let (_db, pool) = filled(3_000).await;
    let ids: Vec<Uuid> = sqlx::query_scalar("SELECT inventory_id FROM availability.inventories")
        .fetch_all(&pool)
        .await
        .unwrap();
    let mut whole = vec![];
    for id in ids {
        whole.push(find(&pool, InventoryId(id)).await.unwrap().unwrap());
    }
    let mut found = 0;
    for search in searches() {
        let mut expected: Vec<_> = whole.iter().filter(|row| is_found(row, &search)).collect();
        expected.sort_by_key(|row| {
            let place = ShowPlace::of(row).unwrap();
            (place.starts_at.is_none(), place.starts_at, place.inventory_id)
        });
        let pages = all_pages(&pool, &search).await;
        assert_eq!(pages.iter().collect::<Vec<_>>(), expected, "{search:?}");
        found += pages.len();
    }
    assert!(found > 5_000, "{found}");
}

/// Names are found by words of any spelling, as the fold wrote them.
#[tokio::test]
async fn shows_of_the_log_are_found_by_their_names() {
    let (_db, pool) = empty().await;
    let mut market = Market::new(11, 25);
    let mut log = TestLog::create(&pool, 4).await;
    log.append(&market.history(600)).await;
    drain::<Availability>(&pool, LogSource::new(&pool)).await;
    let from = Some(Timestamp::UNIX_EPOCH);
    let search = |text| ShowSearch { from, words: words(text), limit: 200, ..ShowSearch::default() };
    let all = search_shows(&pool, &search(""), now()).await.unwrap();
    assert!(all.len() > 5 && all.iter().all(|row| is_found(row, &search("show"))));
    assert_eq!(search_shows(&pool, &search("SH\u{ff2f}W"), now()).await.unwrap(), all);
    let Subject::Show { name, .. } = &all[0].subject else { unreachable!("it is a show") };
    assert!(search_shows(&pool, &search(name), now()).await.unwrap().contains(&all[0]));
    assert_eq!(search_shows(&pool, &search("how"), now()).await.unwrap(), []);
    for text in ["it's \\ 'so'", "a:* | b", "!"] {
        search_shows(&pool, &search(text), now()).await.unwrap();
    }
}

#[tokio::test]
async fn a_page_is_never_longer_than_the_longest() {
    let (_db, pool) = filled(3_000).await;
    let all = ShowSearch { limit: 900, ..ShowSearch::default() };
    assert_eq!(search_shows(&pool, &all, now()).await.unwrap().len(), 200);
}

/// Each search begins at its index and ends with its page, planned for its values and for all values alike.
#[tokio::test]
async fn an_index_serves_every_search_among_a_million_shows() {
    let (_db, pool) = filled(SHOWS).await;
    let conn = &mut *pool.acquire().await.unwrap();
    let place = |starts_at| Some(ShowPlace { starts_at, inventory_id: InventoryId(Uuid::from_u128(7)) });
    let all = ShowSearch { limit: 50, ..ShowSearch::default() };
    let cases = [
        ("upcoming", all.clone(), "now(), 50"),
        ("the next page", ShowSearch { after: place(Some(minutes(5_000))), ..all.clone() }, "now(), '7', 50"),
        ("those without a start", ShowSearch { after: place(None), ..all.clone() }, "NULL, '7', 50"),
        (
            "a window in the past",
            ShowSearch { from: Some(minutes(-900)), to: Some(minutes(-100)), ..all.clone() },
            "now(), now() + interval '1 h', 50",
        ),
        ("a word that many have", ShowSearch { words: words("gala"), ..all.clone() }, ""),
        ("a word that few have", ShowSearch { words: words("tosca"), ..all.clone() }, ""),
        ("words that none has", ShowSearch { words: words("nothing gala"), ..all }, ""),
    ];
    let mut plans = String::new();
    for (name, search, arguments) in cases {
        let found = search_shows(&mut *conn, &search, now()).await.unwrap();
        assert_eq!(found.is_empty(), name.contains("none"), "{name}");
        let plan = explain_shows(&mut *conn, &search, now()).await.unwrap();
        let shown = |line: &&String| line.contains("->") || line.contains("Index Cond:");
        // Which way the checkpoints are joined depends on how many rows Postgres expects.
        let page = plan.iter().take_while(|line| !line.contains("Memoize") && !line.contains("checkpoints"));
        let lines: String = page.filter(shown).map(|line| line.clone() + "\n").collect();
        plans += &format!("-- {name}\n{lines}\n");
        if !arguments.is_empty() {
            let arguments = arguments.replace("'7'", "'00000000-0000-0000-0000-000000000007'");
            let pages = pages_looked_at(conn, &arguments).await;
            assert!(pages < 2_000, "{name}: {pages} pages for any values");
        }
    }
    assert!(!plans.contains("Seq Scan on inventories"), "{plans}");
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join(GOLDEN);
    if env::var_os(WRITE).is_some() {
        fs::write(&golden, &plans).unwrap();
    }
    assert_eq!(plans, fs::read_to_string(&golden).unwrap(), "if these are as good: {WRITE}=1");
}
