//! Mails and webhooks in batches: what a batch costs, and what happens when a part of it fails.

use crate::{
    mailing::post,
    receiver::Receiver,
    rig::{PATIENCE, Rig, config},
};
use chrono::TimeDelta;
use futures::future::{BoxFuture, join_all};
use holdfast_ambient::{Ambient as _, Machine};
use holdfast_domain::UserId;
use holdfast_notifier::{
    AddressBook, Capacity, Deliverer, EventKind, Mail, MailError, MailFolder, Mailer, Mails, NotTaken,
    Notifier, NotifierParts, Post, Smtp,
};
use holdfast_projector::LogSource;
use holdfast_testkit::{Proxy, SmtpServer, eventually};
use sqlx::{PgPool, postgres::PgPoolOptions};
use std::{
    collections::{BTreeMap, HashMap},
    fs,
    path::Path,
    sync::{Arc, Mutex},
};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
    sync::watch,
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

const MAILS: usize = 500;
/// Longer than a claim lasts.
const CLAIM_ENDS: TimeDelta = TimeDelta::minutes(4);

/// The addresses that the accounts have.
#[derive(Debug)]
struct Accounts(PgPool);

impl AddressBook for Accounts {
    fn addresses_of(&self, users: Vec<UserId>) -> BoxFuture<'_, Result<HashMap<UserId, String>, MailError>> {
        Box::pin(async move {
            let users: Vec<_> = users.iter().map(|user| user.0).collect();
            let sql = "SELECT user_id, email FROM users WHERE user_id = ANY ($1)";
            let found: Vec<(Uuid, String)> =
                sqlx::query_as(sql).bind(users).fetch_all(&self.0).await.unwrap();
            Ok(found.into_iter().map(|(user, email)| (UserId(user), email)).collect())
        })
    }
}

fn post_to_accounts(pool: &PgPool, mailer: impl Mailer + 'static) -> Post {
    let from = "Holdfast <bookings@holdfast.example>".parse().unwrap();
    Post { mailer: Arc::new(mailer), addresses: Arc::new(Accounts(pool.clone())), from }
}

/// Counts the statements that pass the proxy from now on, by their text.
fn statements(proxy: &Proxy) -> Arc<Mutex<BTreeMap<String, usize>>> {
    let counts = Arc::<Mutex<BTreeMap<String, usize>>>::default();
    let counting = counts.clone();
    proxy.lose_requests(move |sql| {
        *counting.lock().unwrap().entry(sql.to_owned()).or_default() += 1;
        false
    });
    counts
}

impl Rig {
    async fn counted(&self) -> (PgPool, Proxy) {
        let proxy = self.proxy();
        let connect = proxy.connect_options();
        (PgPoolOptions::new().max_connections(4).connect_with(connect).await.unwrap(), proxy)
    }

    /// So many accounts, each with a booking that is owed a mail.
    async fn book_for_accounts(&self, addresses: &[String]) -> Vec<UserId> {
        let users: Vec<_> = addresses.iter().map(|_| UserId(Machine.new_id())).collect();
        join_all(users.iter().zip(addresses).map(|(user, address)| self.account(*user, address))).await;
        let show = self.open(0).await;
        join_all(users.iter().map(|user| self.reserve_for(*user, show, 1))).await;
        self.queue().await;
        users
    }

    async fn states(&self) -> Vec<(String, i64)> {
        let sql = "SELECT state || coalesce(' ' || failure, ''), count(*) FROM mails GROUP BY 1 ORDER BY 1";
        sqlx::query_as(sql).fetch_all(&self.pool).await.unwrap()
    }
}

fn files(folder: &Path) -> Vec<String> {
    let names = fs::read_dir(folder).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.ends_with(".eml")).collect()
}

fn delivered(mails: usize) -> Vec<(String, i64)> {
    vec![("delivered".to_owned(), i64::try_from(mails).unwrap())]
}

/// Claim, events, openings, addresses and record: five in all, where it was five for each mail.
#[tokio::test]
async fn five_hundred_mails_cost_a_few_statements() {
    let (rig, folder) = (Rig::new().await, tempfile::tempdir().unwrap());
    let (pool, proxy) = rig.counted().await;
    let post = post_to_accounts(&pool, MailFolder::open(folder.path().to_owned()).unwrap());
    let mails = Mails::new(pool, Arc::new(rig.clock.clone()), post);
    mails.open().await.unwrap();
    let addresses: Vec<_> = (0..MAILS).map(|nth| format!("guest-{nth}@example.org")).collect();
    rig.book_for_accounts(&addresses).await;
    let statements = statements(&proxy);
    while mails.run_once().await.unwrap() > 0 {}
    assert_eq!((files(folder.path()).len(), rig.states().await), (MAILS, delivered(MAILS)));
    let statements = statements.lock().unwrap().clone();
    assert!(statements.values().sum::<usize>() * 20 <= MAILS, "{statements:#?}");
}

/// Each is one round trip to the receiver; the rest is shared.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn webhooks_of_one_endpoint_share_their_statements() {
    let rig = Rig::new().await;
    let receiver = Receiver::good().await;
    rig.register(&receiver, &[EventKind::BookingConfirmed]).await;
    rig.sell(MAILS).await;
    rig.queue().await;
    let (pool, proxy) = rig.counted().await;
    let statements = statements(&proxy);
    let deliverer = Deliverer::new(pool, Arc::new(rig.clock.clone()), rig.key.clone(), config()).unwrap();
    let (stop, (_wake, woken)) = (CancellationToken::new(), watch::channel(()));
    let running = tokio::spawn(deliverer.run(woken, stop.clone()));
    eventually(PATIENCE, "all are recorded", async || {
        let sql = "SELECT count(*) FROM webhook_deliveries WHERE state = 'delivered'";
        sqlx::query_scalar::<_, i64>(sql).fetch_one(&rig.pool).await.unwrap() == MAILS as i64
    })
    .await;
    stop.cancel();
    running.await.unwrap();
    assert_eq!((receiver.got().len(), receiver.ids().len()), (MAILS, MAILS), "each once");
    assert!(receiver.most_under_way() <= 5);
    let statements = statements.lock().unwrap().clone();
    assert!(statements.values().sum::<usize>() * 2 <= MAILS, "{statements:#?}");
}

/// Makes a batch durable, and is gone before that is recorded.
#[derive(Debug)]
struct Killed(MailFolder, CancellationToken);

impl Mailer for Killed {
    fn capacity(&self) -> Capacity {
        self.0.capacity()
    }

    fn take<'a>(&'a self, group: &'a [Mail]) -> BoxFuture<'a, Vec<Result<(), NotTaken>>> {
        Box::pin(async move {
            assert!(self.0.take(group).await.iter().all(Result::is_ok));
            self.1.cancel();
            std::future::pending().await
        })
    }
}

#[tokio::test]
async fn killed_between_the_folders_flush_and_the_record_a_batch_is_written_again_into_its_own_places() {
    let (rig, folder) = (Rig::new().await, tempfile::tempdir().unwrap());
    let open = || MailFolder::open(folder.path().to_owned()).unwrap();
    let taken = CancellationToken::new();
    let mails = |mailer| Mails::new(rig.pool.clone(), Arc::new(rig.clock.clone()), mailer);
    let dying = mails(post_to_accounts(&rig.pool, Killed(open(), taken.clone())));
    dying.open().await.unwrap();
    rig.sell(40).await;
    rig.queue().await;
    tokio::select! { _ = dying.run_once() => panic!("it ended"), () = taken.cancelled() => {} }
    let read = |name: &String| fs::read(folder.path().join(name)).unwrap();
    let first: BTreeMap<_, _> =
        files(folder.path()).into_iter().map(|name| (name.clone(), read(&name))).collect();
    assert_eq!(first.len(), 40);
    let next = mails(post_to_accounts(&rig.pool, open()));
    assert_eq!(next.run_once().await.unwrap(), 0, "its claim has not ended");
    assert_eq!(rig.states().await, [("pending".to_owned(), 40)]);
    rig.later(CLAIM_ENDS);
    assert_eq!(next.run_once().await.unwrap(), 40);
    assert_eq!(rig.states().await, delivered(40));
    let message_id = |mail: &[u8]| {
        let text = String::from_utf8_lossy(mail).into_owned();
        text.lines().find(|line| line.starts_with("Message-ID: ")).unwrap().to_owned()
    };
    let again: BTreeMap<_, _> =
        files(folder.path()).into_iter().map(|name| (name.clone(), read(&name))).collect();
    assert_eq!(again.len(), 40, "each in its own place");
    assert!(again.iter().all(|(name, mail)| message_id(mail) == message_id(&first[name])));
}

async fn some_of_a_batch_are_refused(rig: &Rig, url: &str) -> Vec<(String, i64)> {
    let post = post_to_accounts(&rig.pool, Smtp::new(url, None, None).unwrap());
    let mails = Mails::new(rig.pool.clone(), Arc::new(rig.clock.clone()), post);
    mails.open().await.unwrap();
    let addresses: Vec<_> =
        (0..60)
            .map(|nth| {
                if nth % 20 == 7 {
                    format!("refused-{nth}@example.org")
                } else {
                    format!("g{nth}@example.org")
                }
            })
            .collect();
    rig.book_for_accounts(&addresses).await;
    while mails.run_once().await.unwrap() > 0 {}
    rig.states().await
}

#[tokio::test]
async fn a_refused_receiver_ends_alone_and_the_rest_of_its_batch_goes_through() {
    let (rig, server) = (Rig::new().await, SmtpServer::start("only 550 no such user").await);
    let states = some_of_a_batch_are_refused(&rig, &server.url()).await;
    assert_eq!(states, [("dead smtp_550".to_owned(), 3), ("delivered".to_owned(), 57)]);
    assert_eq!(server.message_ids().into_values().collect::<Vec<_>>(), vec![1; 57]);
}

/// A server that offers PIPELINING, and counts the writes that it got an envelope in.
#[derive(Clone, Debug, Default)]
struct Pipelining(Arc<Mutex<Vec<String>>>);

impl Pipelining {
    async fn start(is_patient: bool) -> (Self, String) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("smtp://{}", listener.local_addr().unwrap());
        let this = Self::default();
        let accepting = this.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(accepting.clone().serve(stream, is_patient));
            }
        });
        (this, url)
    }

    /// `is_patient`: it waits for a mail even if its receiver was refused.
    async fn serve(self, stream: TcpStream, is_patient: bool) -> Option<()> {
        let (reader, mut writer) = stream.into_split();
        let mut lines = BufReader::new(reader).lines();
        writer.write_all(b"220 here\r\n").await.ok()?;
        let mut has_receiver = false;
        while let Some(line) = lines.next_line().await.ok()? {
            let answer = match line.split([' ', ':']).next().unwrap_or_default() {
                "EHLO" => "250-here\r\n250 PIPELINING\r\n",
                "RCPT" if line.contains("<refused") => "550 no such user\r\n",
                "RCPT" => {
                    has_receiver = true;
                    "250 ok\r\n"
                }
                "DATA" if !has_receiver && !is_patient => "554 no valid recipients\r\n",
                "DATA" => {
                    writer.write_all(b"354 go on\r\n").await.ok()?;
                    let mut mail = String::new();
                    loop {
                        let line = lines.next_line().await.ok()??;
                        if line == "." {
                            break;
                        }
                        mail += &(line + "\n");
                    }
                    self.0.lock().unwrap().push(mail);
                    "250 taken\r\n"
                }
                "QUIT" => return None,
                "RSET" | "MAIL" => {
                    has_receiver = false;
                    "250 ok\r\n"
                }
                _ => "500 what?\r\n",
            };
            writer.write_all(answer.as_bytes()).await.ok()?;
        }
        None
    }
}

/// What follows a refused receiver on the same connection is another mail, and not the refused one's.
#[tokio::test]
async fn a_receiver_refused_in_a_pipeline_gets_nothing_and_the_next_mail_is_whole() {
    for is_patient in [false, true] {
        let rig = Rig::new().await;
        let (server, url) = Pipelining::start(is_patient).await;
        let states = some_of_a_batch_are_refused(&rig, &url).await;
        assert_eq!(states, [("dead smtp_550".to_owned(), 3), ("delivered".to_owned(), 57)], "{is_patient}");
        let mails = server.0.lock().unwrap().clone();
        assert_eq!(mails.len(), 57);
        assert!(mails.iter().all(|mail| mail.contains("To: g") && mail.contains("</html>")), "{mails:?}");
    }
}

/// Counts how often each mail was handed over.
#[derive(Clone, Debug, Default)]
struct Counting(Arc<Mutex<BTreeMap<Uuid, usize>>>);

impl Mailer for Counting {
    fn capacity(&self) -> Capacity {
        Capacity { groups: 3, mails: 7 }
    }

    fn take<'a>(&'a self, group: &'a [Mail]) -> BoxFuture<'a, Vec<Result<(), NotTaken>>> {
        Box::pin(async move {
            tokio::task::yield_now().await;
            let mut counts = self.0.lock().unwrap();
            group.iter().for_each(|mail| *counts.entry(mail.id).or_default() += 1);
            group.iter().map(|_| Ok(())).collect()
        })
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_notifiers_share_a_queue_of_mails_and_send_none_twice() {
    let rig = Rig::new().await;
    let (mailer, stop) = (Counting::default(), CancellationToken::new());
    let parts = || NotifierParts {
        ambient: Arc::new(rig.clock.clone()),
        key: rig.key.clone(),
        deliver: config(),
        mail: Some(post(&rig, Arc::new(mailer.clone()), "ada@example.org")),
    };
    Mails::new(rig.pool.clone(), Arc::new(rig.clock.clone()), parts().mail.unwrap()).open().await.unwrap();
    rig.sell(MAILS).await;
    rig.queue().await;
    let running: Vec<_> = (0..2)
        .map(|_| Notifier::new(&rig.pool, LogSource::new(&rig.pool), parts()).unwrap())
        .map(|notifier| tokio::spawn(notifier.keep_running(Some(rig.writer.commits()), stop.clone())))
        .collect();
    rig.sell(MAILS).await;
    eventually(PATIENCE, "all are recorded", async || rig.states().await == delivered(2 * MAILS)).await;
    stop.cancel();
    for notifier in running {
        notifier.await.unwrap();
    }
    let counts = mailer.0.lock().unwrap().clone();
    assert_eq!(counts.into_values().collect::<Vec<_>>(), vec![1; 2 * MAILS]);
}
